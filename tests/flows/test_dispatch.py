# SPDX-License-Identifier: Apache-2.0
"""Each channel hears once of what happens to an incident, and a dead one stops no other."""

from __future__ import annotations

import datetime as dt

import pytest

from audience import (
    ACKNOWLEDGED,
    EMAIL,
    ENDED,
    NOW,
    OPENED,
    SLACK,
    alert,
    channel_state,
    everybody,
    minutes,
    policy,
    read,
    told,
)
from fakes import MemoryRecords
from twinguard import state
from twinguard.decide.incidents import Incident, Line, Mark, Receipt
from twinguard.decide.model import Alert
from twinguard.dispatch import INCIDENTS, Dispatched, dispatch
from twinguard.errors import BadEvent, Misconfigured, Unavailable
from twinguard.policy import Channel, Level


@pytest.fixture(params=["memory", "sqlite"])
def records(request):
    return MemoryRecords() if request.param == "memory" else state.open_records("sqlite://")


@pytest.fixture
def people():
    return everybody()


def test_each_routed_channel_hears_once_of_an_opening(records, people):
    results = [dispatch(alert(), records, people, policy(), minutes(n)) for n in range(3)]

    assert told(people) == [("email", "x/a", 1, "opened"), ("slack", "x/a", 1, "opened")]
    assert results == [Dispatched((EMAIL, SLACK)), Dispatched(), Dispatched()]
    assert read(records) == Incident(
        "staging/x/a",
        opened=alert(),
        lines=(
            Line(EMAIL, (Receipt(Mark(1, OPENED), "email-1", NOW),)),
            Line(SLACK, (Receipt(Mark(1, OPENED), "slack-1", NOW),)),
        ),
    )


def test_an_incident_is_told_when_it_opens_when_it_rises_and_when_it_ends(records, people):
    for one in (alert(), alert(step=2), alert(step=1), alert(step=9, state=ENDED), alert(step=3)):
        dispatch(one, records, people, policy(), NOW)

    steps = [(1, "opened"), (2, "opened"), (9, "ended")]
    assert told(people) == [
        (channel, "x/a", *step) for channel in ("email", "slack") for step in steps
    ]


def test_an_end_without_an_opening_is_recorded_and_told_to_nobody(records, people):
    dispatch(alert(state=ENDED), records, people, policy(), NOW)
    dispatch(alert(), records, people, policy(), NOW)

    assert told(people) == []
    assert read(records) == Incident("staging/x/a", ended=alert(state=ENDED))


def test_a_rise_to_critical_reaches_more_channels_and_the_end_reaches_them_all(records, people):
    dispatch(alert(), records, people, policy(), NOW)
    dispatch(alert(step=2, level=Level.CRITICAL), records, people, policy(), NOW)
    dispatch(alert(step=9, state=ENDED, level=Level.LOW), records, people, policy(), NOW)

    ends = [channel for channel, _, _, state in told(people) if state == "ended"]
    assert ends == ["email", "slack", "sms", "pagerduty"]


def test_an_end_goes_only_to_whom_was_told_of_the_opening(records, people):
    dispatch(alert(level=Level.LOW), records, people, policy(), NOW)
    dispatch(alert(state=ENDED, level=Level.CRITICAL), records, people, policy(), NOW)

    assert told(people) == [("email", "x/a", 1, "opened"), ("email", "x/a", 1, "ended")]


def test_an_acknowledgement_goes_to_pagerduty_and_is_recorded(records, people):
    dispatch(alert(level=Level.CRITICAL), records, people, policy(), NOW)
    dispatch(alert(state=ACKNOWLEDGED), records, people, policy(), NOW)

    assert [t for t in told(people) if t[3] == "acknowledged"] == [
        ("pagerduty", "x/a", 1, "acknowledged")
    ]
    assert read(records).acknowledged == alert(state=ACKNOWLEDGED)


def test_an_acknowledgement_that_comes_first_waits_for_the_opening(records, people):
    dispatch(alert(state=ACKNOWLEDGED), records, people, policy(), NOW)
    dispatch(alert(level=Level.CRITICAL), records, people, policy(), NOW)

    assert [t[3] for t in told(people) if t[0] == "pagerduty"] == ["opened", "acknowledged"]


def test_an_incident_expires_when_it_has_not_changed_for_its_retention(records, people):
    """Some never end: a dead letter or an anomaly is told of and that is all."""
    dispatch(alert("told of"), records, people, policy(), NOW)
    dispatch(alert("goes on"), records, people, policy(), NOW)
    dispatch(alert("goes on", step=2), records, people, policy(), NOW + dt.timedelta(days=300))

    records.purge(NOW + dt.timedelta(days=401))

    left = [stored.id for stored in records.find(INCIDENTS)]
    assert left == ["staging/x/goes on"]


def test_an_incident_without_a_name_can_never_be_kept(records, people):
    nameless = Alert("", "staging", "x", Level.LOW, 1, OPENED, "t")

    with pytest.raises(BadEvent):
        dispatch(nameless, records, people, policy(), NOW)


def test_a_dead_channel_does_not_stop_the_others_and_is_reported_once(records, people):
    people[EMAIL].plan = ["refuse"] * 3
    for n in range(3):
        with pytest.raises(Unavailable) as caught:
            dispatch(alert(), records, people, policy(), minutes(n))

    assert told(people) == [
        ("slack", "x/a", 1, "opened"),
        ("slack", "channel/email/2026-11-23", 1, "opened"),
    ]
    assert str(caught.value) == (
        "alert staging/x/a is not complete, retry it: email: email is dead"
    )


def test_the_report_ends_when_the_channel_works_again(records, people):
    people[EMAIL].plan = ["refuse"]
    with pytest.raises(Unavailable):
        dispatch(alert(), records, people, policy(), NOW)
    dispatch(alert(), records, people, policy(), minutes(1))
    dispatch(alert("b"), records, people, policy(), minutes(2))

    assert told(people) == [
        ("email", "x/a", 1, "opened"),
        ("email", "x/b", 1, "opened"),
        ("slack", "x/a", 1, "opened"),
        ("slack", "channel/email/2026-11-23", 1, "opened"),
        ("slack", "channel/email/2026-11-23", 1, "ended"),
        ("slack", "x/b", 1, "opened"),
    ]
    assert channel_state(records, EMAIL).trouble is None


def test_an_outage_over_midnight_stays_one_incident(records, people):
    people[EMAIL].plan = ["refuse"] * 2
    for hours in (0, 24):
        with pytest.raises(Unavailable):
            dispatch(alert(), records, people, policy(), NOW + dt.timedelta(hours=hours))
    dispatch(alert(), records, people, policy(), NOW + dt.timedelta(hours=25))

    assert [t[1:] for t in told(people) if "channel/" in t[1]] == [
        ("channel/email/2026-11-23", 1, "opened"),
        ("channel/email/2026-11-23", 1, "ended"),
    ]


def test_the_report_takes_the_next_channel_that_works(records, people):
    people[EMAIL].plan = ["refuse"]
    people[SLACK].plan = ["refuse"]
    with pytest.raises(Unavailable):
        dispatch(alert(), records, people, policy(), NOW)

    assert told(people) == [
        ("sms", "channel/email/2026-11-23", 1, "opened"),
        ("sms", "channel/slack/2026-11-23", 1, "opened"),
    ]


def test_a_reporter_that_turns_out_dead_is_reported_too(records, people):
    people[SLACK].plan = ["refuse"]
    only_email = policy(routes={Level.MEDIUM: (EMAIL,)})
    people[EMAIL].plan = ["refuse"]
    with pytest.raises(Unavailable) as caught:
        dispatch(alert(), records, people, only_email, NOW)

    assert told(people) == [
        ("sms", "channel/email/2026-11-23", 1, "opened"),
        ("sms", "channel/slack/2026-11-23", 1, "opened"),
    ]
    assert str(caught.value).endswith("retry it: email: email is dead; slack: slack is dead")


@pytest.mark.parametrize("error", [Unavailable, Misconfigured, BadEvent])
def test_when_no_channel_works_the_trigger_retries(records, people, error):
    for notifier in people.values():
        notifier.plan, notifier.error = ["refuse"] * 9, error
    with pytest.raises(Unavailable):
        dispatch(alert(level=Level.CRITICAL), records, people, policy(), NOW)
    for notifier in people.values():
        notifier.plan = []
    dispatch(alert(level=Level.CRITICAL), records, people, policy(), minutes(1))

    openings = [t for t in told(people) if t[1] == "x/a"]
    assert openings == [(channel.value, "x/a", 1, "opened") for channel in Channel]


def test_a_channel_that_was_dead_is_told_the_latest_step_only(records, people):
    people[EMAIL].plan = ["refuse"]
    with pytest.raises(Unavailable):
        dispatch(alert(), records, people, policy(), NOW)
    dispatch(alert(step=2), records, people, policy(), minutes(1))

    assert [t for t in told(people) if t[0] == "email"] == [("email", "x/a", 2, "opened")]


def test_what_a_dead_channel_missed_altogether_it_is_not_told_the_end_of(records, people):
    people[EMAIL].plan = ["refuse"]
    with pytest.raises(Unavailable):
        dispatch(alert(), records, people, policy(), NOW)
    dispatch(alert(state=ENDED), records, people, policy(), minutes(1))

    assert [t for t in told(people) if t[1] == "x/a"] == [
        ("slack", "x/a", 1, "opened"),
        ("slack", "x/a", 1, "ended"),
    ]


def test_a_routed_channel_that_nothing_sends_for_is_reported(records, people):
    del people[SLACK]
    with pytest.raises(Unavailable) as caught:
        dispatch(alert(), records, people, policy(), NOW)

    assert "slack: it is routed to, but nothing sends for it" in str(caught.value)
    assert told(people) == [
        ("email", "x/a", 1, "opened"),
        ("email", "channel/slack/2026-11-23", 1, "opened"),
    ]


def test_a_channel_that_left_the_policy_is_not_told_the_end(records, people):
    dispatch(alert(), records, people, policy(), NOW)
    del people[SLACK]
    left = policy(routes={Level.MEDIUM: (EMAIL,)})

    result = dispatch(alert(state=ENDED), records, people, left, minutes(1))

    assert result == Dispatched((EMAIL,))
