# SPDX-License-Identifier: Apache-2.0
"""Check what was promised about effects: what is held and when, never twice, all put back.

Compares what the stand-ins of Google's APIs were made to hold; see `promises.py` for the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twinguard.cli.month import Sort, Trouble
from twinguard.cli.rehearsal import Rehearsed, Step
from twinguard.cli.stage import shown
from twinguard.decide.budgets import ENVIRONMENT, hold_key
from twinguard.decide.model import Resource

_NOTHING = "0 writes, 0 alerts"


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise; it is kept if what was seen is what was expected."""

    name: str
    expected: str
    seen: str

    @property
    def is_kept(self) -> bool:
        """True if it went as promised."""
        return self.expected == self.seen


def effects(done: Rehearsed) -> Iterator[Promise]:
    """The promises about what is held, in the order in which a month tests them."""
    yield from _nights(done)
    yield from _capped(done)
    yield from _inert(done)
    yield from _counted(done)
    yield from _restored(done)


def is_capped(done: Rehearsed, resource: Resource) -> bool:
    """True for what the budget's cap holds."""
    targets = {**done.policy.services, **done.policy.subscriptions}
    return done.budget.cap.enabled and not targets[resource.short].critical


def _capped(done: Rehearsed) -> Iterator[Promise]:
    below = done.before_trouble(Trouble.KILL)
    during = done.before_trouble(Trouble.REFUSE)[len(below) :]
    cap, wanted = done.budget.cap, {one for one in done.before if is_capped(done, one)}
    if done.before:
        name = "the cap holds all that is not critical, and nothing before it"
        yield Promise(
            name, _among(wanted, wanted, set()), _among(wanted, _held(during), _held(below))
        )
    if cap.enabled and cap.stop_serving:
        name, expected = "the breaker opens at the cap and stays open", "closed, then open"
    else:
        name, expected = "the breaker stays closed", "closed, then closed"
    yield Promise(name, expected, f"{_breaker(below)}, then {_breaker(during)}")
    if done.before and not (cap.enabled and cap.stop_serving):
        stopped = {write.resource for write in done.writes if shown(write.after) == "stopped"}
        yield Promise("nothing that serves is stopped", "0 stopped", f"{len(stopped)} stopped")


def _among(wanted: set[Resource], held: set[Resource], early: set[Resource]) -> str:
    others = f", {len(held - wanted)} others" if held - wanted else ""
    before = f", {len(early)} too early" if early else ""
    return f"{len(held & wanted)} of {len(wanted)}{others}{before}"


def _held(steps: Iterable[Step]) -> set[Resource]:
    """What the budget held at any of these times."""
    key = hold_key(ENVIRONMENT)
    return {hold.resource for step in steps for hold in step.holds if key in hold.keys}


def _breaker(steps: Iterable[Step]) -> str:
    states = {"open" if step.breaker_open else "closed" for step in steps}
    return " and ".join(sorted(states))


def _nights(done: Rehearsed) -> Iterator[Promise]:
    schedule = done.policy.schedule
    if schedule is None:
        return
    sorts = {Sort.NIGHT, Sort.MORNING}
    slots = [s for s in done.steps if s.arrival.sort in sorts and not s.arrival.inert]
    evening, dawn, under, after = slots
    asleep = {*schedule.services, *schedule.subscriptions}
    wanted = {one for one in done.before if one.short in asleep}
    down = {one for one in wanted if evening.states[one] != done.before[one]}
    woken = {one for one in wanted if dawn.states[one] == done.before[one]}
    yield Promise("a night puts its schedule to sleep", _of(wanted, wanted), _of(down, wanted))
    yield Promise("the morning puts all of it back", _of(wanted, wanted), _of(woken, wanted))
    before = done.steps[done.steps.index(under) - 1].states
    same = "as in the evening" if after.states == before else "changed"
    yield Promise("a morning leaves to the cap what it holds", "as in the evening", same)


def _of(seen: set[Resource], wanted: set[Resource]) -> str:
    return f"{len(seen & wanted)} of {len(wanted)}"


def _inert(done: Rehearsed) -> Iterator[Promise]:
    inert = [step for step in done.steps if step.arrival.inert]
    late = [step for step in inert if step.arrival.note.startswith("of the old month")]
    rest = [step for step in inert if step not in late]
    name = "repeats, delays, shuffles and falling costs do nothing"
    yield Promise(name, _NOTHING, _doings(rest))
    yield Promise("nothing is done for the month that is over", _NOTHING, _doings(late))


def _doings(steps: list[Step]) -> str:
    writes, alerts = sum(len(s.writes) for s in steps), sum(len(s.alerts) for s in steps)
    return f"{writes} writes, {alerts} alerts"


def _counted(done: Rehearsed) -> Iterator[Promise]:
    if not done.before:
        return
    accepted = [write for write in done.writes if write.is_accepted]
    useless = sum(write.before == write.after for write in accepted)
    of = len(accepted)
    yield Promise(
        "no effect is made twice: each write changes something",
        f"0 of {of} in vain",
        f"{useless} of {of} in vain",
    )
    lowered = Counter(
        w.resource for w in accepted if w.before == done.before[w.resource] != w.after
    )
    right = {one for one in done.before if lowered[one] == _times_down(done, one)}
    every = set(done.before)
    name = "each is lowered once for each reason that finds it up"
    yield Promise(name, _of(every, every), _of(right, every))


def _times_down(done: Rehearsed, resource: Resource) -> int:
    """Once for each night that finds it up, and once for the cap."""
    schedule = done.policy.schedule
    names = (*schedule.services, *schedule.subscriptions) if schedule else ()
    capped = is_capped(done, resource)
    nights = (1 if capped else 2) if resource.short in names else 0
    return nights + capped


def _restored(done: Rehearsed) -> Iterator[Promise]:
    last, every = done.steps[-1], set(done.before)
    same = {one for one in every if last.states[one] == done.before[one]}
    if every:
        name = "in the end everything is as it was, byte for byte"
        yield Promise(name, _of(every, every), _of(same, every))
    breaker = "open" if last.breaker_open else "closed"
    name = "in the end nothing is held and the breaker is closed"
    yield Promise(name, "0 held, closed", f"{len(last.holds)} held, {breaker}")
