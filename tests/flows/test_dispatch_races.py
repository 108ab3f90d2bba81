# SPDX-License-Identifier: Apache-2.0
"""Several instances and processes that die: what may repeat, and that nothing else does."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience import (
    ACKNOWLEDGED,
    EMAIL,
    ENDED,
    LEVELS,
    NOW,
    OPENED,
    SLACK,
    FakeNotifier,
    Killed,
    alert,
    channel_state,
    everybody,
    minutes,
    policy,
    told,
)
from fakes import MemoryRecords
from twinguard import state
from twinguard.decide.incidents import Incident, Mark
from twinguard.decide.model import Alert
from twinguard.dispatch import INCIDENTS, dispatch, flush
from twinguard.errors import Conflict, Unavailable
from twinguard.policy import Channel, Level, Policy


@pytest.fixture(params=["memory", "sqlite"])
def records(request):
    return MemoryRecords() if request.param == "memory" else state.open_records("sqlite://")


@pytest.fixture
def people():
    return everybody()


def test_two_instances_never_send_the_same_message(records, people):
    refused: list[str] = []

    def second_instance() -> None:
        people[EMAIL].hook = lambda: None
        with pytest.raises(Unavailable) as caught:
            dispatch(alert(), records, people, policy(), NOW)
        refused.append(str(caught.value))

    people[EMAIL].hook = second_instance
    dispatch(alert(), records, people, policy(), NOW)

    assert told(people) == [("email", "x/a", 1, "opened"), ("slack", "x/a", 1, "opened")]
    (why,) = refused
    assert why == (
        "alert staging/x/a is not complete, retry it: "
        "email: another instance sends, or died less than a minute ago"
    )


def test_eight_threads_send_one_message_each_way(records, people):
    """BerriAI/litellm PR #32011, PR #39096: an alert by every replica, on crossings at once."""
    barrier = threading.Barrier(8)

    def instance(_: int) -> None:
        barrier.wait()
        try:
            dispatch(alert(level=Level.CRITICAL), records, people, policy(), NOW)
        except Unavailable:
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(instance, range(8)))
    dispatch(alert(level=Level.CRITICAL), records, people, policy(), minutes(2))

    assert told(people) == [(channel.value, "x/a", 1, "opened") for channel in Channel]


def test_a_lost_claim_heals_after_its_lease(records, people):
    people[EMAIL].plan = ["die before"]
    with pytest.raises(Killed):
        dispatch(alert(), records, people, policy(), NOW)
    with pytest.raises(Unavailable):
        dispatch(alert(), records, people, policy(), minutes(0.9))
    before = told(people)
    dispatch(alert(), records, people, policy(), minutes(1))

    assert before == [("slack", "x/a", 1, "opened")]
    assert told(people) == [("email", "x/a", 1, "opened"), ("slack", "x/a", 1, "opened")]


def test_a_crash_between_acceptance_and_receipt_repeats_that_one_message_with_its_id(
    records, people
):
    people[EMAIL].plan = ["die after"]
    with pytest.raises(Killed):
        dispatch(alert(), records, people, policy(), NOW)
    dispatch(alert(), records, people, policy(), minutes(1))

    assert [message.id for message in people[EMAIL].accepted] == [people[EMAIL].accepted[0].id] * 2
    assert len(people[SLACK].accepted) == 1


def test_a_store_that_never_stops_changing_is_unavailable(people):
    class Busy(MemoryRecords):
        def put(self, *_):
            raise Conflict("somebody else wrote")

    with pytest.raises(Conflict) as caught:
        dispatch(alert(), Busy(), people, policy(), NOW)

    assert str(caught.value).startswith("incidents 'staging/x/a' changed 20 times")


def test_instances_that_share_a_storm_lose_nothing_and_repeat_nothing(records, people):
    rule = policy(messages=3)
    names = [f"{n:02d}" for n in range(12)]

    def deliver(event: Alert, now: dt.datetime) -> bool:
        try:
            dispatch(event, records, people, rule, now)
        except Unavailable:
            return False
        return True

    def deliver_all(events: list[Alert], start: int) -> None:
        for minute in range(start, start + 60, 2):
            now = [minutes(minute)] * len(events)
            done = list(pool.map(deliver, events, now))
            events = [event for event, is_done in zip(events, done, strict=True) if not is_done]
        assert events == []

    with ThreadPoolExecutor(6) as pool:
        deliver_all([alert(name) for name in names * 3], 0)
        deliver_all([alert(name, state=ENDED) for name in names * 3], 60)
    for minute in range(121, 161, 11):
        flush(records, people, rule, minutes(minute))

    heard = Counter(told(people))
    assert max(heard.values()) == 1
    for channel in (EMAIL, SLACK):
        ends = sorted(t[1] for t in heard if t[0] == channel.value and t[3] == "ended")
        assert ends == [f"x/{name}" for name in names]
        assert channel_state(records, channel).pending == ()


@dataclass
class MortalRecords(MemoryRecords):
    """Records during whose writes the process may die: before or after they hold."""

    plan: list[str] = field(default_factory=list)

    def put(self, kind, id, value, version, expires=None):
        what = self.plan.pop(0) if self.plan else "write"
        if what == "die before":
            raise Killed
        if what == "unavailable":
            raise Unavailable("the store does not answer")
        stored = super().put(kind, id, value, version, expires)
        if what == "die after":
            raise Killed
        return stored


EVENTS = st.builds(
    alert,
    st.sampled_from("abc"),
    st.integers(1, 3),
    st.sampled_from((OPENED, OPENED, OPENED, ACKNOWLEDGED, ENDED)),
    st.sampled_from((Level.MEDIUM, Level.HIGH, Level.CRITICAL)),
)
PLANS = st.lists(
    st.sampled_from(["accept", "accept", "refuse", "die before", "die after"]), max_size=8
)
WRITES = st.lists(
    st.sampled_from(["write", "write", "write", "die before", "die after", "unavailable"]),
    max_size=25,
)


def settle(events: list[Alert], records, people, rule: Policy) -> None:
    """Deliver the way Pub/Sub does: again and later, until every event was acknowledged."""
    now, waiting = NOW, list(events)
    for _ in range(200):
        if not waiting:
            break
        now += dt.timedelta(seconds=61)
        event = waiting.pop(0)
        try:
            dispatch(event, records, people, rule, now)
        except (Killed, Unavailable):
            waiting.append(event)
    assert waiting == []
    for _ in range(40):
        now += dt.timedelta(minutes=11)
        try:
            flush(records, people, rule, now)
        except (Killed, Unavailable):
            continue
        if not any(channel_state(records, channel).pending for channel in Channel):
            break


@settings(max_examples=200, deadline=None)
@given(
    st.lists(EVENTS, min_size=1, max_size=10),
    st.fixed_dictionaries(dict.fromkeys(Channel, PLANS)),
    WRITES,
    st.sampled_from([1, 2, 100]),
    st.randoms(use_true_random=False),
)
def test_every_channel_ends_up_told_once_of_all_it_should_know(
    events, plans, writes, messages, random
):
    people, records, rule = everybody(), MortalRecords(plan=list(writes)), policy(messages)
    for channel, plan in plans.items():
        people[channel].plan = list(plan)
    shuffled = events + random.sample(events, len(events) // 2)
    random.shuffle(shuffled)

    settle(shuffled, records, people, rule)

    # Only a death, or a store that failed, right after an acceptance may repeat a message.
    windows = sum(p.count("die after") for p in plans.values()) + sum(w != "write" for w in writes)
    counts = Counter(told(people))
    largest = 1 if messages == 100 else len("abc") + len(Channel)  # a digest repeats as a whole
    assert sum(counts.values()) - len(counts) <= windows * largest
    for stored in records.find(INCIDENTS):
        check_final(msgspec.convert(stored.value, Incident), people)
    for channel in Channel:
        assert channel_state(records, channel).pending == ()


def check_final(incident: Incident, people: dict[Channel, FakeNotifier]) -> None:
    """Receipts say what was accepted, and nothing is missing."""
    heard = {(c, i, step, state) for c, i, step, state in told(people)}
    name = incident.id.removeprefix("staging/")
    for line in incident.lines:
        marks = [receipt.mark for receipt in line.receipts]
        assert len(set(marks)) == len(marks)
        assert {(line.channel.value, name, m.step, m.state.value) for m in marks} <= heard
        assert incident.ended is None or not marks or any(m.state is ENDED for m in marks)
        if not incident.ended and incident.opened and incident.opened.kind == "x":
            routes = LEVELS[incident.opened.level]
            is_told = Mark(incident.opened.step, OPENED) in marks
            assert is_told or line.channel not in routes


@settings(max_examples=150, deadline=None)
@given(
    st.lists(EVENTS, min_size=1, max_size=10),
    st.fixed_dictionaries(
        {
            channel: st.lists(st.sampled_from(["accept", "refuse"]), max_size=6)
            for channel in Channel
        }
    ),
    st.sampled_from([1, 2, 100]),
    st.randoms(use_true_random=False),
)
def test_without_a_crash_nothing_is_ever_told_twice(events, plans, messages, random):
    people, records = everybody(), MemoryRecords()
    for channel, plan in plans.items():
        people[channel].plan = list(plan)
    shuffled = events + events
    random.shuffle(shuffled)

    settle(shuffled, records, people, policy(messages))

    assert [t for t, number in Counter(told(people)).items() if number > 1] == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(EVENTS.filter(lambda one: one.state is not ENDED), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_what_is_known_of_an_incident_does_not_depend_on_the_order(events, random):
    """True for all but the end: an end that overtakes its opening silences the incident."""
    distinct = list({(one.incident, one.step, one.state): one for one in events}.values())
    shuffled = distinct + distinct
    random.shuffle(shuffled)
    finals = []
    for order in (distinct, shuffled):
        records = MemoryRecords()
        settle(order, records, everybody(), policy())
        found = [msgspec.convert(one.value, Incident) for one in records.find(INCIDENTS)]
        finals.append([(one.id, one.opened, one.acknowledged, one.ended) for one in found])

    assert finals[0] == finals[1]


FIRST_USE = """
import sys, threading
sys.setswitchinterval(1e-6)
from concurrent.futures import ThreadPoolExecutor
from audience import NOW, alert, everybody, policy
from fakes import MemoryRecords
from twinguard.dispatch import dispatch
from twinguard.errors import Unavailable

barrier, records, people = threading.Barrier(8), MemoryRecords(), everybody()

def instance(_):
    barrier.wait()
    try:
        dispatch(alert(), records, people, policy(), NOW)
    except Unavailable:
        pass

with ThreadPoolExecutor(8) as pool:
    list(pool.map(instance, range(8)))
"""


def test_eight_threads_may_be_the_first_to_use_a_fresh_process():
    """msgspec crashed more than every second process here before its types were made ready."""
    tests = Path(__file__).parents[1]
    path = os.pathsep.join((str(tests), str(tests.parent / "functions")))
    codes = [
        subprocess.run(
            [sys.executable, "-c", FIRST_USE],
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        ).returncode
        for _ in range(5)
    ]

    assert codes == [0] * 5
