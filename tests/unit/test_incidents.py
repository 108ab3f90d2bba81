# SPDX-License-Identifier: Apache-2.0
"""What a channel is owed follows from what was heard and what it has receipts for."""

from __future__ import annotations

import datetime as dt
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twinguard.decide import incidents
from twinguard.decide.incidents import LEASE, Claim, Incident, Line, Mark, Receipt
from twinguard.decide.model import Alert, AlertState
from twinguard.policy import Channel, Level

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
OPENED, ACKNOWLEDGED, ENDED = AlertState
SLACK, PAGERDUTY = Channel.SLACK, Channel.PAGERDUTY
BOTH = (SLACK, PAGERDUTY)


def alert(step: int = 1, state: AlertState = OPENED, level: Level = Level.HIGH) -> Alert:
    return Alert("ci/x/1", "ci", "x", level, step, state, f"{state} {step}", at=NOW)


def heard(*alerts: Alert) -> Incident:
    known = Incident("ci/x/1")
    for one in alerts:
        known = incidents.absorb(known, one)
    return known


def told(incident: Incident, channel: Channel, *marks: Mark) -> Incident:
    for mark in marks:
        incident = incidents.deliver(incident, channel, Receipt(mark, "ok", NOW))
    return incident


def test_an_incident_opens_rises_is_acknowledged_and_ends():
    alerts = (alert(1), alert(2), alert(1, ACKNOWLEDGED), alert(9, ENDED))

    assert heard(*alerts) == Incident("ci/x/1", alert(2), alert(1, ACKNOWLEDGED), alert(9, ENDED))


@pytest.mark.parametrize("late", [alert(1), alert(2), replace(alert(2), title="other")])
def test_a_lower_or_repeated_step_changes_nothing(late):
    assert heard(alert(2), late) == heard(alert(2))


@pytest.mark.parametrize("late", [alert(3), alert(1, ACKNOWLEDGED), alert(9, ENDED)])
def test_after_the_end_nothing_changes(late):
    known = heard(alert(2), alert(5, ENDED))

    assert incidents.absorb(known, late) == known


def test_an_end_of_what_never_opened_is_kept_and_owes_nothing():
    known = heard(alert(1, ENDED), alert(1))

    assert known == Incident("ci/x/1", ended=alert(1, ENDED))
    assert [incidents.owed(known, channel, BOTH) for channel in BOTH] == [None, None]


@pytest.mark.parametrize(
    "order", list(permutations((alert(1), alert(2), alert(3), alert(2, ACKNOWLEDGED))))
)
def test_without_an_end_the_order_does_not_matter(order):
    assert heard(*order) == Incident("ci/x/1", alert(3), alert(2, ACKNOWLEDGED))


# --- what is owed ---------------------------------------------------------------------------------


def test_a_routed_channel_is_owed_the_highest_step_only():
    known = heard(alert(1), alert(3))

    assert incidents.owed(known, SLACK, BOTH) == Mark(3, OPENED)
    assert incidents.owed(known, Channel.SMS, BOTH) is None


def test_a_rise_is_owed_to_those_who_know_the_opening():
    known = told(heard(alert(1)), SLACK, Mark(1, OPENED))

    assert incidents.owed(known, SLACK, BOTH) is None
    assert incidents.owed(incidents.absorb(known, alert(2)), SLACK, BOTH) == Mark(2, OPENED)


def test_only_pagerduty_hears_of_an_acknowledgement_and_only_after_the_opening():
    known = heard(alert(1), alert(1, ACKNOWLEDGED))
    both = told(told(known, SLACK, Mark(1, OPENED)), PAGERDUTY, Mark(1, OPENED))
    done = told(both, PAGERDUTY, Mark(1, ACKNOWLEDGED))

    assert incidents.owed(known, PAGERDUTY, BOTH) == Mark(1, OPENED)
    assert incidents.owed(both, PAGERDUTY, BOTH) == Mark(1, ACKNOWLEDGED)
    assert incidents.owed(both, SLACK, BOTH) is None
    assert incidents.owed(done, PAGERDUTY, BOTH) is None
    assert incidents.owed(told(heard(alert(1)), PAGERDUTY, Mark(1, OPENED)), PAGERDUTY, ()) is None


def test_a_new_acknowledgement_after_a_rise_is_owed_again():
    known = heard(alert(2), alert(1, ACKNOWLEDGED), alert(2, ACKNOWLEDGED))
    marks = (Mark(2, OPENED), Mark(1, ACKNOWLEDGED))

    assert incidents.owed(told(known, PAGERDUTY, *marks), PAGERDUTY, ()) == Mark(2, ACKNOWLEDGED)


def test_an_end_is_owed_to_whom_was_told_even_if_nothing_is_routed_any_more():
    known = incidents.absorb(told(heard(alert(1)), SLACK, Mark(1, OPENED)), alert(9, ENDED))

    assert incidents.owed(known, SLACK, ()) == Mark(9, ENDED)
    assert incidents.owed(known, PAGERDUTY, BOTH) is None
    assert incidents.owed(told(known, SLACK, Mark(9, ENDED)), SLACK, ()) is None


def test_a_lost_claim_may_have_been_told_so_the_end_is_owed():
    known = incidents.claim(heard(alert(1)), SLACK, Mark(1, OPENED), NOW)

    assert incidents.owed(incidents.absorb(known, alert(1, ENDED)), SLACK, ()) == Mark(1, ENDED)


def test_what_waits_in_a_digest_is_owed_but_not_due():
    known = incidents.claim(heard(alert(1)), SLACK, Mark(1, OPENED), NOW)
    waiting = incidents.defer(known, SLACK, known.line(SLACK).claim)

    assert incidents.owed(waiting, SLACK, BOTH) == Mark(1, OPENED)
    assert incidents.due(waiting, SLACK, BOTH) is None
    assert incidents.due(incidents.absorb(waiting, alert(2)), SLACK, BOTH) == Mark(2, OPENED)
    assert incidents.due(incidents.absorb(waiting, alert(1, ENDED)), SLACK, ()) == Mark(1, ENDED)


def test_nothing_is_owed_before_anything_opened():
    assert incidents.owed(heard(alert(1, ACKNOWLEDGED)), PAGERDUTY, BOTH) is None


def test_the_alert_behind_a_mark_is_found():
    known = heard(alert(1), alert(1, ACKNOWLEDGED), alert(1, ENDED))

    found = [incidents.alert_for(known, Mark(1, state)) for state in AlertState]

    assert found == [alert(1), alert(1, ACKNOWLEDGED), alert(1, ENDED)]


# --- claims and receipts --------------------------------------------------------------------------


def test_a_claim_lasts_for_its_lease():
    known = incidents.claim(heard(alert(1)), SLACK, Mark(1, OPENED), NOW)
    line = known.line(SLACK)

    assert line == Line(SLACK, claim=Claim(Mark(1, OPENED), NOW + LEASE))
    assert line.is_claimed(NOW + LEASE - dt.timedelta(microseconds=1))
    assert not line.is_claimed(NOW + LEASE)
    assert not Line(SLACK).is_claimed(NOW)


def test_only_our_own_claim_is_released_or_deferred():
    ours = Claim(Mark(1, OPENED), NOW + LEASE)
    theirs = incidents.claim(heard(alert(1)), SLACK, Mark(1, OPENED), NOW + LEASE)
    known = incidents.claim(heard(alert(1)), SLACK, Mark(1, OPENED), NOW)

    assert incidents.release(theirs, SLACK, ours) == theirs
    assert incidents.defer(theirs, SLACK, ours) == theirs
    assert incidents.release(known, SLACK, ours).line(SLACK) == Line(SLACK)
    assert incidents.defer(known, SLACK, ours).line(SLACK) == Line(SLACK, deferred=ours.mark)


def test_what_a_digest_told_meanwhile_does_not_wait_again():
    known = told(
        incidents.claim(heard(alert(1)), SLACK, Mark(1, OPENED), NOW), SLACK, Mark(1, OPENED)
    )
    held = Claim(Mark(1, OPENED), NOW + 2 * LEASE)
    claimed = replace(known, lines=(replace(known.line(SLACK), claim=held),))

    assert incidents.defer(claimed, SLACK, held) == known


def test_a_receipt_settles_what_it_is_for_and_is_kept_once():
    first = Receipt(Mark(1, OPENED), "first", NOW)
    known = incidents.claim(heard(alert(1)), SLACK, Mark(1, OPENED), NOW)
    delivered = incidents.deliver(known, SLACK, first)

    assert delivered.line(SLACK) == Line(SLACK, receipts=(first,))
    assert incidents.deliver(delivered, SLACK, replace(first, receipt="again")) == delivered


def test_a_receipt_leaves_the_claim_and_the_wait_of_another_step():
    claim = Claim(Mark(2, OPENED), NOW + LEASE)
    line = Line(SLACK, deferred=Mark(2, OPENED), claim=claim)
    receipt = Receipt(Mark(1, OPENED), "ok", NOW)

    delivered = incidents.deliver(Incident("i", lines=(line,)), SLACK, receipt)

    assert delivered.line(SLACK) == Line(SLACK, (receipt,), Mark(2, OPENED), claim)
    assert delivered.line(SLACK).is_told


def test_a_receipt_ends_the_wait_for_what_it_is_for():
    line = Line(SLACK, deferred=Mark(1, OPENED))
    receipt = Receipt(Mark(1, OPENED), "ok", NOW)

    delivered = incidents.deliver(Incident("i", lines=(line,)), SLACK, receipt)

    assert delivered.line(SLACK) == Line(SLACK, (receipt,))


def test_lines_stand_in_the_order_of_channels():
    known = told(told(heard(alert(1)), PAGERDUTY, Mark(1, OPENED)), SLACK, Mark(1, OPENED))

    assert [line.channel for line in known.lines] == [SLACK, PAGERDUTY]


def test_ids_are_stable_and_differ_by_what_is_told():
    ids = {
        incidents.message_id("i", Mark(1, OPENED)),
        incidents.message_id("i", Mark(1, OPENED)),
        incidents.message_id("i", Mark(1, ENDED)),
        incidents.digest_id(SLACK, (("i", Mark(1, OPENED)),)),
        incidents.digest_id(Channel.EMAIL, (("i", Mark(1, OPENED)),)),
    }

    assert (len(ids), {len(one) for one in ids}) == (4, {32})


STATES = st.builds(alert, st.integers(1, 4), st.sampled_from(AlertState))


@given(st.lists(STATES, max_size=12), st.randoms())
def test_a_channel_that_takes_all_it_is_owed_hears_each_step_once_and_upwards(alerts, random):
    known, marks = Incident("ci/x/1"), []
    for one in alerts:
        known = incidents.absorb(known, one)
        while random.random() < 0.7 and (mark := incidents.due(known, PAGERDUTY, BOTH)):
            known = told(known, PAGERDUTY, mark)
            marks.append(mark)

    opened = [mark.step for mark in marks if mark.state is OPENED]
    assert len(set(marks)) == len(marks)
    assert opened == sorted(opened)
    assert [m.state for m in marks].count(ENDED) <= 1
    assert not marks or marks[0].state is OPENED
