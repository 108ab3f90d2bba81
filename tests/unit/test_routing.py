# SPDX-License-Identifier: Apache-2.0
"""Who hears of what, and whether at once or in a digest."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twinguard.decide import routing, storm
from twinguard.decide.incidents import LEASE, Mark
from twinguard.decide.model import Alert, AlertState
from twinguard.decide.storm import ChannelState, Digest, Pending, Slot
from twinguard.policy import Alerts, Channel, Environment, Level, Storm

NOW = dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)
RULE = Storm(messages=2, minutes=10)
OPENED = Mark(1, AlertState.OPENED)
ENDED = Mark(1, AlertState.ENDED)


def alert(level: Level = Level.LOW, state: AlertState = AlertState.OPENED) -> Alert:
    return Alert("ci/x/1", "ci", "x", level, 1, state, "title", at=NOW)


def minutes(number: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=number)


# --- routes ---------------------------------------------------------------------------------------


def test_a_level_goes_to_its_channels_once_each_in_order():
    alerts = Alerts(routes={Level.HIGH: (Channel.SLACK, Channel.EMAIL, Channel.SLACK)})

    assert routing.routes_for(alert(Level.HIGH), alerts) == (Channel.EMAIL, Channel.SLACK)
    assert routing.routes_for(alert(Level.LOW), alerts) == ()


@pytest.mark.parametrize(
    ("dead", "others"),
    [
        (Channel.EMAIL, (Channel.SLACK, Channel.SMS, Channel.PAGERDUTY)),
        (Channel.SMS, (Channel.EMAIL, Channel.SLACK, Channel.PAGERDUTY)),
        (Channel.PAGERDUTY, (Channel.EMAIL, Channel.SLACK, Channel.SMS)),
    ],
)
def test_a_dead_channel_is_reported_through_the_others_in_their_order(dead, others):
    assert routing.reporters_for(dead) == others


def test_an_outage_is_named_by_the_utc_day_it_began():
    local = NOW.astimezone(dt.timezone(dt.timedelta(hours=2)))

    named = routing.channel_incident(Environment.CI, Channel.SLACK, local)

    assert named == "ci/channel/slack/2026-11-23"


def test_an_outage_opens_and_ends_as_one_incident():
    failed = routing.channel_failed("id", Environment.CI, Channel.SLACK, "status 404", NOW)
    works = routing.channel_works("id", Environment.CI, Channel.SLACK, NOW)

    assert (failed, works) == (
        Alert(
            "id",
            "ci",
            "channel",
            Level.HIGH,
            1,
            AlertState.OPENED,
            "Alerts cannot be delivered by slack",
            ("status 404", "Delivery is retried; nothing is dropped while it lasts."),
            NOW,
        ),
        Alert(
            "id",
            "ci",
            "channel",
            Level.HIGH,
            1,
            AlertState.ENDED,
            "Alerts are delivered by slack again",
            (),
            NOW,
        ),
    )


# --- storms ---------------------------------------------------------------------------------------


def admit(state: ChannelState, number: int, level: Level = Level.LOW, now=NOW) -> ChannelState:
    entry = Pending(f"incident {number}", OPENED)
    return storm.admit(state, entry, level, f"message {number}", RULE, now)


def test_messages_pass_until_the_window_is_full():
    state = ChannelState(Channel.SLACK)
    for number in range(4):
        state = admit(state, number)

    assert state == ChannelState(
        Channel.SLACK,
        sent=(Slot("message 0", NOW), Slot("message 1", NOW)),
        pending=(Pending("incident 2", OPENED), Pending("incident 3", OPENED)),
    )


def test_room_comes_back_when_the_window_has_passed():
    full = admit(admit(ChannelState(Channel.SLACK), 0), 1)

    assert storm.has_room(full, RULE, minutes(9.9)) is False
    assert storm.has_room(full, RULE, minutes(10)) is True
    assert admit(full, 2, now=minutes(10)).sent == (Slot("message 2", minutes(10)),)


def test_a_retried_message_keeps_its_slot():
    full = admit(admit(ChannelState(Channel.SLACK), 0), 1)

    again = admit(full, 1, now=minutes(1))

    assert again.sent == (Slot("message 0", NOW), Slot("message 1", minutes(1)))


def test_critical_ones_always_pass_and_count():
    full = admit(admit(ChannelState(Channel.SLACK), 0), 1)

    state = admit(full, 2, Level.CRITICAL)

    assert (len(state.sent), state.pending) == (3, ())


@pytest.mark.parametrize(
    ("channel", "level", "passes"),
    [
        (Channel.EMAIL, Level.HIGH, False),
        (Channel.SLACK, Level.CRITICAL, True),
        (Channel.SMS, Level.LOW, True),
        (Channel.PAGERDUTY, Level.LOW, True),
    ],
)
def test_only_mail_and_slack_wait_and_never_what_is_critical(channel, level, passes):
    assert storm.passes(channel, level) is passes


def test_what_comes_while_something_waits_joins_it():
    waiting = ChannelState(Channel.SLACK, pending=(Pending("incident 0", OPENED),))

    state = admit(waiting, 1)

    assert (len(state.pending), state.sent) == (2, ())


def test_later_news_of_an_incident_replaces_what_waits():
    waiting = ChannelState(Channel.SLACK, pending=(Pending("incident 1", OPENED),))

    state = storm.admit(waiting, Pending("incident 1", ENDED), Level.LOW, "m", RULE, NOW)

    assert state.pending == (Pending("incident 1", ENDED),)


def test_a_digest_is_claimed_when_there_is_room_and_by_one_only():
    waiting = ChannelState(Channel.SLACK, pending=(Pending("incident 1", OPENED),))
    slot = Slot(storm.digest_slot(NOW), NOW)

    claimed = storm.claim_digest(waiting, RULE, NOW)

    assert claimed == replace(waiting, sent=(slot,), claimed=NOW + LEASE)
    assert storm.claim_digest(claimed, RULE, NOW) == claimed
    assert storm.claim_digest(claimed, RULE, NOW + LEASE).claimed == NOW + 2 * LEASE


@pytest.mark.parametrize(
    "state",
    [
        ChannelState(Channel.SLACK),
        ChannelState(
            Channel.SLACK,
            sent=(Slot("a", NOW), Slot("b", NOW)),
            pending=(Pending("incident 1", OPENED),),
        ),
    ],
    ids=["nothing waits", "no room"],
)
def test_no_digest_is_claimed(state):
    assert storm.claim_digest(state, RULE, NOW) == state


def test_a_digest_that_was_accepted_is_finished_even_without_room():
    digest = Digest("ok", NOW, (), ())
    full = ChannelState(Channel.SLACK, sent=(Slot("a", NOW), Slot("b", NOW)), digest=digest)

    assert storm.claim_digest(full, RULE, NOW) == replace(full, claimed=NOW + LEASE)


def test_settling_keeps_the_news_that_came_meanwhile():
    read, news = Pending("incident 1", OPENED), Pending("incident 1", ENDED)
    digest = Digest("ok", NOW, (read, Pending("incident 2", OPENED)), (read,))
    state = ChannelState(Channel.SLACK, pending=(news,), claimed=NOW + LEASE, digest=digest)

    assert storm.settle(state, digest) == ChannelState(Channel.SLACK, pending=(news,))


def test_a_digest_with_nothing_to_tell_gives_its_slot_back():
    claimed = storm.claim_digest(
        ChannelState(Channel.SLACK, pending=(Pending("incident 1", OPENED),)), RULE, NOW
    )

    settled = storm.settle(claimed, Digest("", NOW, claimed.pending, ()))

    assert settled == ChannelState(Channel.SLACK)


def test_a_failure_frees_the_slot_and_keeps_the_first_outage():
    state = ChannelState(Channel.SLACK, sent=(Slot("a", NOW), Slot("b", NOW)))

    failed = storm.fail(storm.fail(state, "a", "outage 1"), "b", "outage 2")

    assert failed == ChannelState(Channel.SLACK, trouble="outage 1")
    assert storm.recover(failed, "outage 2") == failed
    assert storm.recover(failed, "outage 1") == ChannelState(Channel.SLACK)


def test_only_our_own_claim_on_a_digest_is_released():
    state = ChannelState(Channel.SLACK, claimed=NOW)

    assert storm.release_digest(state, NOW) == ChannelState(Channel.SLACK)
    assert storm.release_digest(state, minutes(1)) == state


def test_a_digest_is_as_bad_as_the_worst_in_it_and_counts():
    alerts = (alert(Level.LOW), alert(Level.HIGH, AlertState.ENDED), alert(Level.LOW))

    assert storm.digest_alert(Environment.CI, Channel.SLACK, alerts, NOW) == Alert(
        "ci/digest/slack",
        "ci",
        "digest",
        Level.HIGH,
        3,
        AlertState.OPENED,
        "3 alerts in one message",
        ("1 high, 2 low; 1 already ended",),
        NOW,
    )
    assert storm.digest_alert(Environment.CI, Channel.SLACK, alerts[:1], NOW).lines == ("1 low",)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20)), max_size=40))
def test_the_window_is_never_exceeded_and_nothing_is_dropped(arrivals):
    state = ChannelState(Channel.EMAIL)
    sent: dict[int, dt.datetime] = {}
    now = NOW
    for number, gap in arrivals:
        now += dt.timedelta(minutes=gap / 2)
        state = admit(state, number, now=now)
        if Pending(f"incident {number}", OPENED) not in state.pending:
            sent[number] = now

    waiting = {entry.incident for entry in state.pending}
    assert waiting | {f"incident {n}" for n in sent} >= {f"incident {n}" for n, _ in arrivals}
    for at in sent.values():
        inside = [t for t in sent.values() if at - dt.timedelta(minutes=10) < t <= at]
        assert len(inside) <= RULE.messages
