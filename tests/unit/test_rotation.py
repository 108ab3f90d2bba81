# SPDX-License-Identifier: Apache-2.0
"""Rotations in any order of events, with a death between any two steps."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from twinguard.decide import key_tell, keys, rotated
from twinguard.decide.key_actions import (
    Anchor,
    DestroyVersion,
    DisableVersion,
    DropKeys,
    ExpireKey,
    FindVersion,
    Identify,
    KillKey,
    Listed,
    MakeKey,
    Promote,
    Seen,
    Shelf,
    Verdict,
    Verify,
    Version,
    VersionState,
    Wait,
)
from twinguard.decide.keys import Key, KeyState, Kind, Old, Step
from twinguard.decide.rotation import next_step, strays
from twinguard.policy import Level
from world import POLICY as PLAIN

NAME = "openai-api-key"
POLICY = msgspec.convert(
    {
        **msgspec.to_builtins(PLAIN),
        "application": {"account": "living-twin-staging"},
        "secrets": {
            NAME: {"readers": ["application"], "rotation_days": 30},
            "maps-key": {"readers": ["application"], "rotation_days": 90},
            "neo4j-credentials": {"readers": ["application"], "rotation_days": 30},
        },
        "api_keys": {"maps-key": {"apis": ["maps.googleapis.com"], "addresses": ["10.0.0.1"]}},
        "openai": {
            "model": "gpt-3.5-turbo",
            "max_tokens": 1000,
            "requests_per_minute": 100,
            "monthly_budget": 200,
            "project": "proj_standin",
        },
    },
    type(PLAIN),
    strict=False,
)
START = dt.datetime(2026, 11, 1, 8, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)


class Died(Exception):
    """The process ended between an effect and its record; its argument was recorded before."""


@dataclass
class Outside:
    """A secret and a provider that outlive every process. Values are the ids of their keys."""

    now: dt.datetime = START
    alive: dict[str, str] = field(default_factory=dict)
    expires: dict[str, dt.datetime] = field(default_factory=dict)
    values: dict[int, str] = field(default_factory=dict)
    states: dict[int, VersionState] = field(default_factory=dict)
    current: int = 0
    made: int = 0
    refuses: bool = False
    dies: str = ""

    def shelf(self) -> Shelf:
        versions = (Version(n, state, START) for n, state in sorted(self.states.items()))
        return Shelf(tuple(versions), self.current, keeps=True)

    def seen(self) -> Seen:
        return Seen(self.shelf(), tuple(Listed(key, name) for key, name in self.alive.items()))

    def make(self, name: str) -> str:
        self.made += 1
        self.alive[f"key_{self.made}"] = name
        return f"key_{self.made}"

    def add(self, value: str) -> int:
        number = len(self.states) + 1
        self.states[number], self.values[number] = VersionState.ENABLED, value
        return number

    def drop(self, *ids: str) -> None:
        for key in ids:
            self.alive.pop(key, None)

    def pass_time(self, time: dt.timedelta) -> None:
        self.now += time
        self.drop(*(key for key, end in self.expires.items() if end <= self.now))

    def death(self, at: str, *saved: KeyState) -> None:
        if self.dies == at:
            self.dies = ""
            raise Died(*saved)

    def step(self, state: KeyState) -> KeyState | None:
        """One step and its record, None where there is nothing to do now."""
        action = next_step(state, self.seen(), self.now)
        if isinstance(action, Wait):
            return None
        return self.taken(state, action)

    def taken(self, state, action):
        now = self.now
        match action:
            case MakeKey(name=name):
                return self.key_made(state, name)
            case FindVersion(mark=mark, after=after):
                marks = {number: f"mark of {key}" for number, key in self.values.items()}
                found = [n for n, other in marks.items() if n > after and other == mark]
                return rotated.found(state, max(found, default=0), now)
            case Verify(version=version):
                works = self.values[version] in self.alive and not self.refuses
                told = rotated.verified(state, Verdict.ACCEPTED if works else Verdict.REFUSED, now)
                return None if told == state else told
            case Identify(version=version):
                key = self.values[version]
                return rotated.identified(state, version, key if key in self.alive else "")
        is_done = self.changed(action)
        self.death("after")
        return rotated.after(state, action, is_done, now)

    def key_made(self, state, name):
        self.death("before")
        key = self.make(name)
        self.death("made")
        state = rotated.made(state, key, f"mark of {key}", self.now)
        self.death("saved", state)
        number = self.add(key)
        self.death("added", state)
        return rotated.added(state, number, self.now)

    def changed(self, action) -> bool:
        match action:
            case Anchor(version=version) | Promote(version=version):
                self.current = version
            case DropKeys(ids=ids):
                self.drop(*ids)
            case ExpireKey(id=key, seconds=seconds):
                self.expires[key] = self.now + dt.timedelta(seconds=seconds)
            case KillKey(version=version, id=key):
                self.drop(key)
                return self.values[version] not in self.alive
            case DisableVersion(version=version):
                self.states[version] = VersionState.DISABLED
            case DestroyVersion(version=version):
                self.states[version] = VersionState.ENDING
        return True


def born(kind=Kind.OPENAI, key="by hand"):
    """A world with one key that a person made, and its first record."""
    world = Outside()
    world.alive["key_0"] = key
    world.add("key_0")
    return world, KeyState("staging", NAME, kind, current=Key(version=1), rotated_at=START)


def run(world, state):
    """Steps until there is nothing to do now."""
    for _ in range(60):
        following = world.step(state)
        if following is None:
            return state
        state = key_tell.told(following, POLICY, world.now)
    raise AssertionError("it goes round in circles")


class Rotations(RuleBasedStateMachine):
    """Time, deaths, refusals and nudges in any order."""

    def __init__(self):
        super().__init__()
        self.world, self.state = born()

    @rule(hours=st.integers(1, 30 * 24))
    def time_passes(self, hours):
        self.world.pass_time(dt.timedelta(hours=hours))
        self.live()

    @rule()
    def somebody_rotates(self):
        if not self.state.under_way:
            self.state = rotated.begun(self.state, self.world.shelf(), self.world.now)
        self.live()

    @rule(at=st.sampled_from(["before", "made", "saved", "added", "after"]))
    def the_next_process_dies(self, at):
        self.world.dies = at
        self.live()

    @rule(refuses=st.booleans())
    def the_provider_changes_its_mind(self, refuses):
        self.world.refuses = refuses

    @precondition(lambda self: self.state.step is Step.ADDED)
    @rule()
    def a_quarter_of_an_hour_passes(self):
        self.world.pass_time(15 * MINUTE)
        self.live()

    def live(self):
        """A process that goes on, and may die on the way."""
        if keys.is_due(POLICY, self.state, self.world.now):
            self.state = rotated.begun(self.state, self.world.shelf(), self.world.now)
        for _ in range(60):
            try:
                following = self.world.step(self.state)
            except Died as death:
                if death.args:
                    self.state = death.args[0]
                return
            if following is None:
                return
            self.state = key_tell.told(following, POLICY, self.world.now)
            self.never_without_a_key()
            self.never_more_than_two()
        raise AssertionError("it goes round in circles")

    @invariant()
    def never_without_a_key(self):
        number = keys.current_of(self.world.shelf()) if not self.world.current else None
        number = number or self.world.current

        assert self.world.states[number] is VersionState.ENABLED
        assert self.world.values[number] in self.world.alive

    @invariant()
    def never_more_than_two(self):
        assert len(self.world.alive) <= 2

    @invariant()
    def one_when_nothing_is_under_way(self):
        if not self.state.under_way:
            assert len(self.world.alive) == 1

    @invariant()
    def people_know_of_trouble_and_of_its_end(self):
        opened = [a for a in self.state.outbox if a.state == "opened"]
        ended = [a for a in self.state.outbox if a.state == "ended"]

        assert bool(self.state.trouble) == (self.state.incident % 2 == 1)
        assert len({a.incident for a in opened}) - len(ended) == self.state.incident % 2


TestRotations = Rotations.TestCase
TestRotations.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)


def test_a_rotation_replaces_the_key_and_ends_the_old_one_a_day_later():
    world, state = born()
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    first = (state.step, dict(world.alive), world.current)
    world.pass_time(DAY)
    state = run(world, state)

    assert first == (
        Step.OVERLAP,
        {"key_0": "by hand", "key_1": "twinguard-staging-openai-api-key-1"},
        2,
    )
    assert (state.step, list(world.alive), state.olds) == (Step.IDLE, ["key_1"], ())
    assert world.states == {1: VersionState.ENDING, 2: VersionState.ENABLED}
    assert world.expires == {"key_0": START + 7 * DAY}
    assert state.outbox == ()


def test_the_first_key_of_all_is_made_where_there_was_none():
    world = Outside()
    state = KeyState("staging", NAME, Kind.OPENAI)
    state = run(world, rotated.begun(state, world.shelf(), world.now))

    assert (state.step, state.current.version, list(world.alive)) == (Step.IDLE, 1, ["key_1"])


def test_a_new_key_that_is_refused_for_a_moment_is_asked_again():
    world, state = born()
    world.refuses = True
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    waiting = state.step
    world.refuses = False
    state = run(world, state)

    assert (waiting, state.step, state.trouble) == (Step.ADDED, Step.OVERLAP, None)


def test_a_new_key_that_never_works_is_taken_back_and_the_old_one_is_untouched():
    world, state = born()
    world.refuses = True
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    world.pass_time(keys.GRACE)
    state = run(world, state)

    assert (world.alive, world.current) == ({"key_0": "by hand"}, 1)
    assert world.states == {1: VersionState.ENABLED, 2: VersionState.ENDING}
    (alert,) = state.outbox
    assert alert.title == "The new key for openai-api-key does not work; the old one stays"
    assert (alert.incident, alert.level, alert.state) == (
        "staging/rotation/openai-api-key/1",
        Level.HIGH,
        "opened",
    )
    assert not keys.is_due(POLICY, state, world.now + keys.RETRY - MINUTE)
    world.refuses = False
    world.pass_time(30 * DAY)
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    assert [(a.incident, a.state) for a in state.outbox][1:] == [(alert.incident, "ended")]


def test_an_old_key_that_is_still_used_is_spared_for_at_most_a_week():
    state = replace(
        born()[1],
        step=Step.OVERLAP,
        step_at=START,
        current=Key(version=2, id="key_1"),
        olds=(Old(Key(version=1, id="key_0"), until=START + DAY, expires=True),),
        sure=True,
    )
    shelf = Shelf((Version(1, VersionState.ENABLED, START),), current=2)

    def action(days):
        now = START + days * DAY
        used = Listed("key_0", "by hand", now - dt.timedelta(hours=1))
        return next_step(state, Seen(shelf, (used, Listed("key_1", "n"))), now)

    assert action(2) == Wait(START + 3 * DAY, "the old key is still used")
    assert action(6) == KillKey(version=1, id="key_0")


def test_nothing_is_ended_after_somebody_pointed_current_back():
    world, state = born()
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    world.current = 1
    world.pass_time(2 * DAY)
    state = run(world, state)
    spared = dict(world.alive)
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    world.pass_time(2 * DAY)
    state = run(world, state)

    assert sorted(spared) == ["key_0", "key_1"]
    assert (state.step, list(world.alive), world.current) == (Step.IDLE, ["key_2"], 3)
    assert world.states[2] is VersionState.ENDING


def test_what_somebody_went_back_to_outlives_the_end_the_provider_was_told():
    """The old key was told to expire in a week: with the daily task that never comes."""
    world, state = born()
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    world.current = 1
    for _ in range(30):
        world.pass_time(DAY)
        state = run(world, state)
        assert "key_0" in world.alive
    world.current = 2
    world.pass_time(DAY)
    state = run(world, state)

    assert (state.step, list(world.alive)) == (Step.IDLE, ["key_1"])


def test_a_new_key_that_stops_working_keeps_the_old_one_alive():
    world, state = born()
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    world.refuses = True
    world.pass_time(DAY)
    state = run(world, state)
    failing = (sorted(world.alive), state.trouble.title, world.expires["key_0"])
    world.refuses = False
    world.pass_time(DAY)
    state = run(world, state)

    assert failing == (
        ["key_0", "key_1"],
        "The new key for openai-api-key stopped working; the old one is kept a day longer",
        START + 8 * DAY,
    )
    assert (list(world.alive), state.trouble) == (["key_1"], None)


def test_an_old_key_that_the_provider_does_not_list_is_a_persons_to_end():
    world, state = born()
    state = replace(state, current=Key(version=1, id=""))
    state = run(world, rotated.begun(state, world.shelf(), world.now))
    world.pass_time(DAY)
    state = run(world, state)
    title = state.trouble.title
    world.drop("key_0")
    world.pass_time(DAY)
    state = run(world, state)

    assert title == "The old key for openai-api-key is not dead"
    assert (state.step, state.trouble) == (Step.IDLE, None)
    assert [alert.state for alert in state.outbox] == ["opened", "ended"]


def test_a_manual_rotation_waits_for_a_new_version_and_a_persons_word():
    world, state = born(Kind.MANUAL)
    state = rotated.begun(state, world.shelf(), world.now)
    early = rotated.confirmed(state, world.shelf(), world.now)
    anchor = next_step(state, world.seen(), world.now)
    state = run(world, state)
    asked = next_step(state, world.seen(), world.now)
    world.add("a person's")
    state = rotated.confirmed(state, world.shelf(), world.now)
    state = run(world, state)
    world.pass_time(DAY)
    state = run(world, state)

    assert early is None
    assert anchor == Anchor(1)
    assert isinstance(asked, Wait)
    assert (world.current, state.current.version) == (2, 2)


def test_strays_are_only_keys_of_this_secret_and_environment():
    state = replace(born()[1], current=Key(version=1, id="a"))
    names = {
        "a": "twinguard-staging-openai-api-key-1",
        "b": "twinguard-staging-openai-api-key-2",
        "c": "twinguard-staging-openai-api-key-extra-2",
        "d": "twinguard-production-openai-api-key-2",
        "e": "a person's",
    }
    seen = Seen(Shelf(), tuple(Listed(key, name) for key, name in names.items()))

    assert strays(state, seen) == ("b",)


@pytest.mark.parametrize(
    ("secret", "kind"),
    [(NAME, Kind.OPENAI), ("maps-key", Kind.GOOGLE), ("neo4j-credentials", Kind.MANUAL)],
)
def test_the_policy_says_who_makes_a_key(secret, kind):
    assert keys.kind_of(POLICY, secret) is kind


def test_without_a_project_at_openai_the_key_is_a_persons():
    policy = replace(POLICY, openai=replace(POLICY.openai, project=None))

    assert keys.kind_of(policy, NAME) is Kind.MANUAL


def test_what_is_due_is_older_than_the_policys_period_and_not_under_way():
    known = {
        name: KeyState("staging", name, Kind.OPENAI, rotated_at=START) for name in POLICY.secrets
    }
    known["neo4j-credentials"] = replace(known["neo4j-credentials"], step=Step.ASKED)

    assert keys.due(POLICY, known, START + 30 * DAY) == (NAME,)
    assert keys.due(POLICY, known, START + 30 * DAY - MINUTE) == ()
    assert keys.due(POLICY, known, START + 90 * DAY) == ("maps-key", NAME)


def test_attempts_in_vain_are_told_after_the_third():
    state = born()[1]
    for _ in range(3):
        before, state = state, rotated.stuck(state, "no answer")

    assert before.trouble is None
    assert "does not get on" in state.trouble.title
