# SPDX-License-Identifier: Apache-2.0
"""Decide what people are told about budgets, nights and enforcement, and word it.

Pure. Alerts go into the period's outbox in the same write that marks them as told, so a crash can
neither lose one nor tell it twice. `dispatch.py` brings them to people."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from msgspec.structs import replace

from twinguard.decide.budgets import due, forecast_due, hold_key
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
    PeriodState,
    Result,
    TakeHold,
    UnlinkBilling,
)
from twinguard.policy import Budget, Level, Policy, Threshold


def told(
    state: PeriodState,
    policy: Policy,
    budget: Budget,
    results: tuple[Result, ...],
    held: tuple[str, ...],
    now: dt.datetime,
) -> PeriodState:
    """The state with everything that is due in its outbox; `held` as `standing` words it."""
    state = replace(state, unlinked=state.unlinked or _unlinked(results))
    state = _cap_told(state, policy, budget, (*held, *_problems(results)), now)
    state = _rungs_told(state, policy, budget, now)
    state = _forecast_told(state, policy, budget, now)
    return _failing_told(state, policy, results, now)


def closing(
    previous: PeriodState, policy: Policy, budget: Budget, now: dt.datetime
) -> tuple[Alert, ...]:
    """What is still to be said of a period once the next one has begun."""
    month = _month(previous)
    name, share = budget.name, _share(previous.peak, budget)
    ended = [
        (bool(previous.notified), f"budget/{name}/{month}", f"{name}: {month} closed at {share}"),
        (
            bool(previous.forecast_told),
            f"forecast/{name}/{month}",
            f"{name}: what was forecast for {month} became {share}",
        ),
        *(
            (True, f"cap/{name}/{month}.{trip}", f"{name}: the cap of {month} ends with it")
            for trip in range(previous.trips_ended + 1, previous.trips_told + 1)
        ),
        (
            previous.failing % 2 == 1,
            f"enforcement/{previous.budget_id}/{month}.{previous.failing}",
            f"{name}: what failed in {month} is over with it",
        ),
    ]
    return (
        *previous.outbox,
        *(_alert(policy, key, Level.LOW, _END, text, (), now) for due, key, text in ended if due),
    )


def standing(holds: tuple[Hold, ...], breaker: Breaker, budget_id: str) -> tuple[str, ...]:
    """What a budget's cap holds at the moment, one line each."""
    key = hold_key(budget_id)
    opened = ("cost breaker: open",) if budget_id in dict(breaker.open_by) else ()
    lines = (
        f"{h.resource.kind} {h.resource.short}: {described(h.before)} → {described(h.expected[-1])}"
        for h in holds
        if key in h.keys and h.settled
    )
    return (*opened, *lines)


def worded(result: Result) -> str:
    """One line about what happened to one thing."""
    mark = {Outcome.FAILED: "FAILED: ", Outcome.SKIPPED: "skipped: "}.get(result.outcome, "")
    return f"{mark}{subject(result.action)}: {result.detail}"


def subject(action: Action) -> str:
    """What an action is about, in a few words."""
    match action:
        case TakeHold() | DropHold():
            return f"{action.resource.kind} {action.resource.short}"
        case OpenBreaker() | CloseBreaker():
            return "cost breaker"
        case UnlinkBilling():
            return f"billing of {action.project}"


def night_alert(
    policy: Policy, night: str, state: AlertState, results: tuple[Result, ...], now: dt.datetime
) -> Alert:
    """The message to the operations team after a night or a morning run (strategy.md 9.2)."""
    asleep = state is AlertState.OPENED
    done = sum(result.outcome in {Outcome.DONE, Outcome.ALREADY} for result in results)
    skipped = sum(result.outcome is Outcome.SKIPPED for result in results)
    verb = "sleeps" if asleep else "is awake again"
    title = f"{policy.environment} {verb}: {done} changed, {skipped} left alone"
    lines = tuple(worded(result) for result in results)
    step = _FIRST if asleep else _END
    return _alert(policy, f"night/{policy.environment}/{night}", Level.LOW, step, title, lines, now)


def oddity(
    policy: Policy, kind: str, scope: str, level: Level, title: str, why: str, now: dt.datetime
) -> Alert:
    """Something a person should look at, at most once a day for each scope."""
    key = f"{kind}/{scope}/{now:%Y-%m-%d}"
    return _alert(policy, key, level, _FIRST, title, (why,), now)


_FIRST = 1
_END = 1_000_000
"""Steps order an incident's messages; the end comes after every percentage."""


def _alert(
    policy: Policy,
    key: str,
    level: Level,
    step: int,
    title: str,
    lines: tuple[str, ...],
    now: dt.datetime,
) -> Alert:
    return Alert(
        incident=f"{policy.environment}/{key}",
        environment=policy.environment,
        kind=key.split("/", 1)[0],
        level=level,
        step=step,
        state=AlertState.ENDED if step == _END else AlertState.OPENED,
        title=title,
        lines=lines,
        at=now,
    )


def _cap_told(
    state: PeriodState,
    policy: Policy,
    budget: Budget,
    lines: tuple[str, ...],
    now: dt.datetime,
) -> PeriodState:
    if state.trips > state.trips_told:
        rungs = _listed(due(state, budget))
        passed = (f"Thresholds passed: {rungs}.",) if rungs else ()
        text = f"{budget.name} is used up: {_share(state.peak, budget)}"
        key = _cap_key(state, budget)
        alert = _alert(policy, key, Level.CRITICAL, _FIRST, text, (*passed, *lines), now)
        state = replace(
            state,
            trips_told=state.trips,
            notified=max(state.notified, state.peak),
            outbox=(*state.outbox, alert),
        )
    if not state.tripped and state.trips_ended < state.trips_told:
        text = f"{budget.name} has room again: {_share(state.reads[-1].cost, budget)}"
        key = _cap_key(state, budget)
        lines = ("What the cap held is put back.", *lines)
        alert = _alert(policy, key, Level.CRITICAL, _END, text, lines, now)
        state = replace(state, trips_ended=state.trips_told, outbox=(*state.outbox, alert))
    return state


def _problems(results: tuple[Result, ...]) -> tuple[str, ...]:
    wrong = {Outcome.FAILED, Outcome.SKIPPED}
    return tuple(worded(result) for result in results if result.outcome in wrong)


def _rungs_told(
    state: PeriodState, policy: Policy, budget: Budget, now: dt.datetime
) -> PeriodState:
    rungs = due(state, budget)
    if not rungs:
        return state
    text = f"{budget.name} passed {_listed(rungs)}: {_share(state.peak, budget)}"
    key = f"budget/{budget.name}/{_month(state)}"
    level = max((rung.level for rung in rungs), key=lambda level: level.rank)
    alert = _alert(policy, key, level, int(rungs[-1].percent * 100), text, (), now)
    return replace(state, notified=state.peak, outbox=(*state.outbox, alert))


def _forecast_told(
    state: PeriodState, policy: Policy, budget: Budget, now: dt.datetime
) -> PeriodState:
    rungs = forecast_due(state, budget)
    if not rungs:
        return state
    text = (
        f"{budget.name} is forecast to pass {_listed(rungs)} of "
        f"{budget.amount:f} {budget.currency} by the end of {_month(state)}"
    )
    lines = (f"Spent so far: {_share(state.peak, budget)}.", "A forecast only warns.")
    key = f"forecast/{budget.name}/{_month(state)}"
    level = max((rung.level for rung in rungs), key=lambda level: level.rank)
    alert = _alert(policy, key, level, int(rungs[-1].percent * 100), text, lines, now)
    return replace(state, forecast_told=rungs[-1].percent, outbox=(*state.outbox, alert))


def _failing_told(
    state: PeriodState, policy: Policy, results: tuple[Result, ...], now: dt.datetime
) -> PeriodState:
    failed = [result for result in results if result.outcome is Outcome.FAILED]
    if bool(failed) == bool(state.failing % 2):
        return state
    generation = state.failing if state.failing % 2 else state.failing + 1
    key = f"enforcement/{state.budget_id}/{_month(state)}.{generation}"
    if failed:
        text = f"{len(failed)} of {len(results)} effects of the budget failed; they are retried"
        step = _FIRST
    else:
        text, step = "Every effect of the budget is confirmed now", _END
    lines = tuple(worded(result) for result in results)
    alert = _alert(policy, key, Level.CRITICAL, step, text, lines, now)
    return replace(state, failing=state.failing + 1, outbox=(*state.outbox, alert))


def _cap_key(state: PeriodState, budget: Budget) -> str:
    return f"cap/{budget.name}/{_month(state)}.{state.trips}"


def _month(state: PeriodState) -> str:
    """The month people would name: Pacific midnight on the first is the first in UTC too."""
    return f"{state.period_start:%Y-%m}"


def _listed(rungs: tuple[Threshold, ...]) -> str:
    names = [f"{rung.percent:f} %" for rung in rungs]
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _share(spend: Decimal, budget: Budget) -> str:
    if not budget.amount:
        return f"{spend:.2f} {budget.currency}"
    percent = 100 * spend / budget.amount
    return f"{spend:.2f} of {budget.amount:f} {budget.currency} ({percent:.0f} %)"


def _unlinked(results: tuple[Result, ...]) -> bool:
    return any(
        isinstance(result.action, UnlinkBilling)
        and result.outcome in {Outcome.DONE, Outcome.ALREADY}
        for result in results
    )
