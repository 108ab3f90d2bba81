# SPDX-License-Identifier: Apache-2.0
"""Word what happened, and make alerts of it. Pure; `tell.py` decides which are due."""

from __future__ import annotations

import datetime as dt

from twinguard.decide.holds import described
from twinguard.decide.model import (
    Action,
    Alert,
    AlertState,
    Breaker,
    CloseBreaker,
    DropHold,
    Hold,
    OpenBreaker,
    Outcome,
    Resource,
    Result,
    TakeHold,
    UnlinkBilling,
)
from twinguard.policy import Level, Policy

FIRST = 1
END = 1_000_000
"""Steps order an incident's messages; the end comes after every percentage."""


def alert_of(
    policy: Policy,
    key: str,
    level: Level,
    step: int,
    title: str,
    lines: tuple[str, ...],
    now: dt.datetime,
) -> Alert:
    """An alert of an incident `<kind>/<scope…>`; the step says whether it opens, rises or ends."""
    return Alert(
        incident=f"{policy.environment}/{key}",
        environment=policy.environment,
        kind=key.split("/", 1)[0],
        level=level,
        step=step,
        state=AlertState.ENDED if step == END else AlertState.OPENED,
        title=title,
        lines=lines,
        at=now,
    )


def worded(result: Result) -> str:
    """One line about what happened to one thing."""
    mark = {Outcome.FAILED: "FAILED: ", Outcome.SKIPPED: "skipped: "}.get(result.outcome, "")
    return f"{mark}{subject(result.action)}: {result.detail}"


def subject(action: Action) -> str:
    """What an action is about, in a few words."""
    match action:
        case TakeHold() | DropHold():
            return _named(action.resource)
        case OpenBreaker() | CloseBreaker():
            return "cost breaker"
        case UnlinkBilling():
            return f"billing of {action.project}"


def problems(results: tuple[Result, ...]) -> tuple[str, ...]:
    """What failed or was left alone, one line each."""
    wrong = {Outcome.FAILED, Outcome.SKIPPED}
    return tuple(worded(result) for result in results if result.outcome in wrong)


def held_by(key: str, holds: tuple[Hold, ...]) -> tuple[str, ...]:
    """What a reason holds at the moment, one line each."""
    return tuple(
        f"{_named(h.resource)}: {described(h.before)} → {described(h.expected[-1])}"
        for h in holds
        if key in h.keys and h.settled
    )


def left_alone(holds: tuple[Hold, ...], since: dt.datetime) -> tuple[str, ...]:
    """What was not put back since a moment, and why, one line each."""
    return tuple(
        f"skipped: {_named(h.resource)}: {h.left}"
        for h in holds
        if h.left and h.changed_at >= since
    )


def breaker_line(breaker: Breaker, budget: str) -> tuple[str, ...]:
    """That the breaker is open, if it is."""
    return ("cost breaker: open",) if budget in dict(breaker.open_by) else ()


def night_alert(
    policy: Policy, night: str, state: AlertState, lines: tuple[str, ...], now: dt.datetime
) -> Alert:
    """The message to the operations team after a night or a morning run (strategy.md 9.2)."""
    asleep = state is AlertState.OPENED
    left = sum(line.startswith("skipped") for line in lines)
    title = f"{policy.environment} {'sleeps' if asleep else 'is awake again'}"
    step, rest = FIRST if asleep else END, f": {left} left alone" if left else ""
    return alert_of(policy, f"night/{night}", Level.LOW, step, f"{title}{rest}", lines, now)


def failing_alert(
    policy: Policy, task: str, night: str, state: AlertState, failed: str, now: dt.datetime
) -> Alert:
    """That a night or a morning is not carried out yet, or is after all."""
    if state is AlertState.OPENED:
        step, title = FIRST, f"{policy.environment}: {task} failed and is tried again"
    else:
        step, title = END, f"{policy.environment}: {task} is carried out after all"
    lines = (failed,) if failed else ()
    return alert_of(policy, f"night-failing/{night}", Level.HIGH, step, title, lines, now)


def oddity(
    policy: Policy, kind: str, scope: str, level: Level, title: str, why: str, now: dt.datetime
) -> Alert:
    """Something a person should look at, at most once a day for each scope."""
    key = f"{kind}/{scope}/{now:%Y-%m-%d}"
    return alert_of(policy, key, level, FIRST, title, (why,), now)


def _named(resource: Resource) -> str:
    return f"{resource.kind} {resource.short}"
