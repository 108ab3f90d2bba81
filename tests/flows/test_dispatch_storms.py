# SPDX-License-Identifier: Apache-2.0
"""A storm becomes a digest, and nothing that waits for it is lost or told twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from audience import (
    EMAIL,
    ENDED,
    NOW,
    OPENED,
    SLACK,
    Killed,
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
from twinguard.decide.incidents import Incident, Mark
from twinguard.decide.storm import ChannelState, Pending
from twinguard.dispatch import CHANNELS, INCIDENTS, Dispatched, dispatch, flush
from twinguard.errors import Unavailable
from twinguard.policy import Level


@pytest.fixture(params=["memory", "sqlite"])
def records(request):
    return MemoryRecords() if request.param == "memory" else state.open_records("sqlite://")


@pytest.fixture
def people():
    return everybody()


def test_a_storm_becomes_one_digest_when_the_window_has_room(records, people):
    for name in "abcde":
        dispatch(alert(name), records, people, policy(messages=2), NOW)
    quiet = flush(records, people, policy(messages=2), minutes(9))
    result = flush(records, people, policy(messages=2), minutes(10))

    assert quiet == Dispatched()
    assert result == Dispatched((EMAIL, SLACK))
    digest = people[SLACK].accepted[2]
    assert (len(people[SLACK].accepted), len(people[EMAIL].accepted)) == (3, 3)
    assert digest.alert.title == "3 alerts in one message"
    assert digest.digest == (alert("c"), alert("d"), alert("e"))
    assert channel_state(records, SLACK).pending == ()


def test_what_waits_goes_out_with_the_next_dispatch(records, people):
    for name in "abc":
        dispatch(alert(name, level=Level.LOW), records, people, policy(messages=2), NOW)
    result = dispatch(alert("d", level=Level.LOW), records, people, policy(messages=2), minutes(10))

    assert people[EMAIL].accepted[2].digest == (
        alert("c", level=Level.LOW),
        alert("d", level=Level.LOW),
    )
    assert result == Dispatched((EMAIL,), (EMAIL,))


def test_one_alone_goes_out_as_itself(records, people):
    for name in "ab":
        dispatch(alert(name, level=Level.LOW), records, people, policy(messages=1), NOW)
    flush(records, people, policy(messages=1), minutes(10))

    assert [(m.alert.title, m.digest) for m in people[EMAIL].accepted] == [
        ("a opened at 1", ()),
        ("b opened at 1", ()),
    ]


def test_what_is_critical_is_never_kept(records, people):
    for name in "abcd":
        dispatch(alert(name, level=Level.CRITICAL), records, people, policy(messages=1), NOW)

    assert Counter(t[0] for t in told(people)) == dict.fromkeys(
        ("email", "slack", "sms", "pagerduty"), 4
    )


def test_what_opened_and_ended_while_it_waited_is_told_once_as_ended(records, people):
    for name in "abc":
        dispatch(alert(name), records, people, policy(messages=1), NOW)
    dispatch(alert("b", state=ENDED), records, people, policy(messages=1), minutes(1))
    flush(records, people, policy(messages=1), minutes(10))

    assert sorted(people[SLACK].accepted[1].digest, key=lambda one: one.incident) == [
        alert("b", state=ENDED),
        alert("c"),
    ]
    assert Counter(told(people)).most_common(1)[0][1] == 1


def test_what_waits_and_becomes_critical_is_told_at_once_and_not_again(records, people):
    for name in "ab":
        dispatch(alert(name), records, people, policy(messages=1), NOW)
    dispatch(alert("b", step=2, level=Level.CRITICAL), records, people, policy(messages=1), NOW)
    flush(records, people, policy(messages=1), minutes(10))

    assert [t for t in told(people) if t[:2] == ("slack", "x/b")] == [("slack", "x/b", 2, "opened")]
    assert channel_state(records, SLACK).pending == ()


def test_a_digest_that_cannot_be_delivered_is_kept_and_reported(records, people):
    for name in "abc":
        dispatch(alert(name, level=Level.LOW), records, people, policy(messages=1), NOW)
    people[EMAIL].plan = ["refuse"]
    with pytest.raises(Unavailable) as caught:
        flush(records, people, policy(messages=1), minutes(10))
    flush(records, people, policy(messages=1), minutes(20))

    assert str(caught.value) == "digest is not complete, retry it: email: email is dead"
    assert told(people) == [
        ("email", "x/a", 1, "opened"),
        ("email", "x/b", 1, "opened"),
        ("email", "x/c", 1, "opened"),
        ("slack", "channel/email/2026-11-23", 1, "opened"),
        ("slack", "channel/email/2026-11-23", 1, "ended"),
    ]


def test_news_that_comes_while_a_digest_is_on_its_way_is_told_afterwards(records, people):
    for name in "abc":
        dispatch(alert(name, level=Level.LOW), records, people, policy(messages=1), NOW)
    ended = alert("b", state=ENDED, level=Level.LOW)

    def meanwhile() -> None:
        people[EMAIL].hook = lambda: None
        dispatch(ended, records, people, policy(messages=1), minutes(10))

    people[EMAIL].hook = meanwhile
    flush(records, people, policy(messages=1), minutes(10))
    flush(records, people, policy(messages=1), minutes(20))

    assert [t[1:] for t in told(people)] == [
        ("x/a", 1, "opened"),
        ("x/b", 1, "opened"),
        ("x/c", 1, "opened"),
        ("x/b", 1, "ended"),
    ]


def test_a_critical_rise_that_failed_is_left_to_its_event_and_not_put_into_a_digest(
    records, people
):
    for name in "ab":
        dispatch(alert(name), records, people, policy(messages=1), NOW)
    people[SLACK].plan = ["refuse"]
    rise = alert("b", step=2, level=Level.CRITICAL)
    with pytest.raises(Unavailable):
        dispatch(rise, records, people, policy(messages=1), minutes(1))
    flush(records, people, policy(messages=1), minutes(12))
    before = told(people)
    dispatch(rise, records, people, policy(messages=1), minutes(13))

    rises = [t for t in told(people) if t[:2] == ("slack", "x/b")]
    assert (rises, rises[0] in before) == ([("slack", "x/b", 2, "opened")], False)


def test_what_another_instance_is_sending_stays_out_of_the_digest(records, people):
    for name in "ab":
        dispatch(alert(name, level=Level.LOW), records, people, policy(messages=1), NOW)

    def flush_meanwhile() -> None:
        people[EMAIL].hook = lambda: None
        flush(records, people, policy(messages=1), minutes(20))

    people[EMAIL].hook = flush_meanwhile
    rise = alert("b", step=2, level=Level.CRITICAL)
    dispatch(rise, records, people, policy(messages=1), minutes(20))
    flush(records, people, policy(messages=1), minutes(40))

    assert [t for t in told(people) if t[:2] == ("email", "x/b")] == [("email", "x/b", 2, "opened")]
    assert channel_state(records, EMAIL).pending == ()


def test_a_digest_that_was_accepted_is_not_sent_again_after_a_crash(people):
    class Dying(MemoryRecords):
        armed = False

        def put(self, kind, id, value, version, expires=None):
            if self.armed and kind == INCIDENTS:
                self.armed = False
                raise Killed
            return super().put(kind, id, value, version, expires)

    records = Dying()
    for name in "abc":
        dispatch(alert(name, level=Level.LOW), records, people, policy(messages=1), NOW)
    records.armed = True
    with pytest.raises(Killed):
        flush(records, people, policy(messages=1), minutes(10))
    flush(records, people, policy(messages=1), minutes(11))

    assert len(people[EMAIL].accepted) == 2
    assert [line.receipts[0].receipt for line in read(records, "x/c").lines] == ["email-2"]
    assert channel_state(records, EMAIL).pending == ()


def test_a_digest_that_is_faster_than_the_message_itself_makes_it_needless(people):
    class Interrupted(MemoryRecords):
        other: Callable[[], object] | None = None

        def put(self, kind, id, value, version, expires=None):
            stored = super().put(kind, id, value, version, expires)
            if self.other and kind == INCIDENTS and value["lines"]:
                other, self.other = self.other, None
                other()
            return stored

    records = Interrupted()
    low = alert(level=Level.LOW)
    waiting = ChannelState(EMAIL, pending=(Pending(low.incident, Mark(1, OPENED)),))
    for kind, name, value in (
        (INCIDENTS, low.incident, Incident(low.incident, opened=low)),
        (CHANNELS, "staging/email", waiting),
    ):
        records.put(kind, name, msgspec.to_builtins(value), None)
    records.other = lambda: flush(records, people, policy(), NOW)
    result = dispatch(low, records, people, policy(), NOW)

    assert told(people) == [("email", "x/a", 1, "opened")]
    assert result == Dispatched()
    assert [line.claim for line in read(records).lines] == [None]
