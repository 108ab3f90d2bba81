# SPDX-License-Identifier: Apache-2.0
"""Say how each control does, by what the records and the costs know of it. Pure.

Silence is no health: what was never heard of is unknown, not well."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from twinguard.decide.keys import KeyState, Step, due_at, is_due
from twinguard.decide.model import NEVER
from twinguard.policy import Policy
from twinguard.raising import Allowance
from twinguard.reports.stamps import counted
from twinguard.web.dashboard.lately import Reading
from twinguard.web.dashboard.watched import Beside, CostsSeen, RecordsSeen
from twinguard.web.dashboard.words import age, until

SILENT = dt.timedelta(hours=30)
"""Google's budget speaks several times a day; longer silence means that nobody enforces it."""


class Control(Struct, frozen=True):
    """A control and how it does: `ok`, `look`, `failing` or `unknown`, and why."""

    name: str
    state: str
    words: str
    at: dt.datetime | None = None


class Rotation(Struct, frozen=True, kw_only=True):
    """How a key stands."""

    secret: str
    kind: str
    step: str
    version: str
    due_at: dt.datetime | None
    due: str
    trouble: str
    level: str


def controls(
    seen: RecordsSeen, beside: Beside, policy: Policy, now: dt.datetime
) -> tuple[Control, ...]:
    """Each control, by what the records know of it, and what is read beside them."""
    return (
        _budget(seen, policy, now),
        _breaker(seen, policy),
        _night(seen, policy, now),
        _costs(beside.costs, now),
        _limits(beside.limits),
        _guard(beside.guard),
        _rotations(seen, policy, now),
        _channels(seen),
        _letters(seen),
    )


def _budget(seen: RecordsSeen, policy: Policy, now: dt.datetime) -> Control:
    name, period = "Budget messages", seen.period
    if policy.budget is None or policy.budget.amount is None:
        return Control(name, "unknown", "this environment has no budget")
    if period is None or not period.readings:
        return Control(name, "unknown", "none has been received yet")
    last = period.readings[-1].last
    if period.failing % 2:
        return Control(name, "failing", "effects of the cap fail and are tried again", last)
    if now - last > SILENT:
        return Control(name, "failing", f"none for {age(last, now)}: the cap has no event", last)
    return Control(name, "ok", f"the last one {age(last, now)} ago", last)


def _breaker(seen: RecordsSeen, policy: Policy) -> Control:
    if seen.breaker.open:
        why = "; ".join(reason for _, reason in seen.breaker.open_by)
        return Control("Cost breaker", "look", f"open: {why}")
    caps = policy.budget is not None and policy.budget.cap.enabled
    words = "closed" if caps else "closed; the policy has no cap"
    return Control("Cost breaker", "ok", words)


def _night(seen: RecordsSeen, policy: Policy, now: dt.datetime) -> Control:
    name, night = "Night plan", seen.night
    if policy.schedule is None:
        return Control(name, "unknown", "this environment never sleeps")
    if night is None:
        return Control(name, "unknown", "no night has been carried out yet")
    if night.failing:
        return Control(name, "failing", f"{night.night} failed and is tried again", night.begun_at)
    if night.ended:
        return Control(name, "ok", f"{night.night} is over, everybody is awake", night.begun_at)
    since = f" for {age(night.begun_at, now)}" if night.begun_at else ""
    return Control(name, "ok", f"{night.night}: asleep{since}", night.begun_at)


def _costs(costs: Reading[CostsSeen], now: dt.datetime) -> Control:
    name = "Costs"
    if costs.value is None:
        return Control(name, "failing", costs.error or "not read yet")
    freshness = costs.value.month.freshness
    if costs.error:
        return Control(name, "failing", costs.error, costs.at)
    if costs.value.is_sample:
        return Control(name, "unknown", "a sample; no source of real costs is named")
    if freshness.through is None:
        return Control(name, "unknown", "the source has no complete day yet")
    late = (now.date() - freshness.through).days
    state = "ok" if late <= 2 + (freshness.lag or dt.timedelta()).days else "look"
    return Control(name, state, f"complete through {freshness.through}", freshness.newest)


def _limits(limits: Reading[tuple[Allowance, ...]]) -> Control:
    name = "Limits on models"
    if limits.error or limits.value is None:
        return Control(name, "failing", limits.error or "not read yet")
    limited = [one.standing for one in limits.value if one.standing.limit is not None]
    if not limited:
        return Control(name, "unknown", "the policy limits no model, customer or feature")
    if used_up := [str(one.scope) for one in limited if one.used_up]:
        return Control(name, "look", f"used up, calls are refused: {', '.join(used_up)}", limits.at)
    return Control(name, "ok", f"{counted(len(limited), 'limit')}, none is used up", limits.at)


def _guard(guard: Reading[int] | None) -> Control:
    name = "Key guard"
    if guard is None:
        return Control(name, "unknown", "set TWINGUARD_COUNTERS to its store to look at it here")
    if guard.error or guard.value is None:
        return Control(name, "failing", guard.error or "not read yet")
    number = counted(guard.value, "key")
    return Control(name, "ok", f"its store answers; {number} held back", guard.at)


def _rotations(seen: RecordsSeen, policy: Policy, now: dt.datetime) -> Control:
    name = "Key rotation"
    if not policy.secrets:
        return Control(name, "unknown", "this environment has no secrets")
    found = [rotation(state, policy, now) for state in seen.keys]
    blocked = [one.secret for one in found if one.level == "failing"]
    late = [one.secret for one in found if one.level == "look"]
    if blocked:
        return Control(name, "failing", f"blocked: {', '.join(blocked)}")
    if late:
        return Control(name, "look", f"due or waiting for somebody: {', '.join(late)}")
    if not found:
        return Control(name, "unknown", "no key has been looked at yet")
    return Control(name, "ok", f"{counted(len(found), 'key')}, none is due")


def _channels(seen: RecordsSeen) -> Control:
    name = "Alert channels"
    dead = [one.channel.value for one in seen.channels if one.trouble]
    if dead:
        return Control(name, "failing", f"does not deliver: {', '.join(dead)}")
    told = sorted(
        {line.channel.value for one in seen.incidents for line in one.lines if line.receipts}
    )
    if not told:
        return Control(name, "unknown", "nothing has been delivered yet")
    return Control(name, "ok", f"delivered by {', '.join(told)}")


def _letters(seen: RecordsSeen) -> Control:
    if seen.dead_letters:
        number = counted(len(seen.dead_letters), "event")
        return Control("Dead letters", "look", f"{number} that nothing can handle")
    return Control("Dead letters", "ok", "none")


def rotation(state: KeyState, policy: Policy, now: dt.datetime) -> Rotation:
    """A key and when it is due."""
    due = max(due_at(policy, state), NEVER) if state.secret in policy.secrets else NEVER
    is_late = state.secret in policy.secrets and is_due(policy, state, now)
    level = (
        "failing" if state.step is Step.BLOCKED else "look" if state.trouble or is_late else "ok"
    )
    return Rotation(
        secret=state.secret,
        kind=state.kind.value,
        step=state.step.value,
        version=str(state.current.version or "none"),
        due_at=due if due > NEVER else None,
        due=until(due, now) if due > NEVER else "now",
        trouble=state.trouble.title if state.trouble else "",
        level=level,
    )
