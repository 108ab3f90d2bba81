# SPDX-License-Identifier: Apache-2.0
"""Decide what people are told about budgets, nights and enforcement, and word it.

Pure. Alerts go into the period's outbox in the same write that marks them as told, so a crash can
neither lose one nor tell it twice. `dispatch.py` brings them to people."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.budgets import due, forecast_due
from twinguard.decide.model import Alert, Outcome, PeriodState, Result, TakeHold
from twinguard.decide.wording import END, FIRST, alert_of, oddity, problems, worded
from twinguard.policy import Budget, Level, Policy, Threshold


class Standing(Struct, frozen=True):
    """How things stand after an attempt: what the cap holds, what it left alone, what is to come.

    All of it is read from records, so it does not matter which attempt did the work."""

    held: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    coming: tuple[str, ...] = ()


def told(
    state: PeriodState,
    policy: Policy,
    budget: Budget,
    results: tuple[Result, ...],
    standing: Standing,
    now: dt.datetime,
) -> PeriodState:
    """The state with everything that is due in its outbox."""
    is_confirmed = all(result.outcome is not Outcome.FAILED for result in results)
    state = _cap_told(state, policy, budget, (results, standing, is_confirmed), now)
    if is_confirmed and state.over:
        ends = tuple(replace(alert, lines=standing.left) for alert in state.over)
        state = replace(state, over=(), outbox=(*state.outbox, *ends))
    state = _rungs_told(state, policy, budget, now)
    state = _forecast_told(state, policy, budget, now)
    state = _amount_told(state, policy, budget, now)
    return _failing_told(state, policy, results, now)


def closing(
    previous: PeriodState, policy: Policy, budget: Budget, now: dt.datetime
) -> tuple[Alert, ...]:
    """What is to be said of a period once all that it changed is put back."""
    name, share, start = (
        budget.name,
        _share(previous.peak, budget),
        f"{previous.period_start:%d %B}",
    )
    ended = [
        (
            bool(previous.notified),
            _key("budget", previous),
            f"{name}: the period from {start} closed at {share}",
        ),
        (
            bool(previous.forecast_told),
            _key("forecast", previous),
            f"{name}: what was forecast for the period from {start} became {share}",
        ),
        *(
            (True, _key("cap", previous, trip), f"{name}: the cap of the period from {start} ends")
            for trip in range(previous.trips_ended + 1, previous.trips_told + 1)
        ),
        (
            previous.failing % 2 == 1,
            _key("enforcement", previous, previous.failing),
            f"{name}: what failed in the period from {start} is over with it",
        ),
    ]
    return (
        *previous.over,
        *(alert_of(policy, key, Level.LOW, END, text, (), now) for due, key, text in ended if due),
    )


def _cap_told(
    state: PeriodState,
    policy: Policy,
    budget: Budget,
    seen: tuple[tuple[Result, ...], Standing, bool],
    now: dt.datetime,
) -> PeriodState:
    results, standing, is_confirmed = seen
    if state.trips > state.trips_told:
        state = _cap_opened(
            state, policy, budget, (*standing.held, *problems(results), *standing.coming), now
        )
    elif state.tripped and is_confirmed and (more := _taken(results)) and not state.failing % 2:
        step, text = state.cap_step + 1, f"{budget.name}: the cap holds more"
        alert = alert_of(
            policy, _key("cap", state, state.trips), Level.CRITICAL, step, text, more, now
        )
        state = replace(state, cap_step=step, outbox=(*state.outbox, alert))
    if state.tripped or not is_confirmed:
        return state
    text = f"{budget.name} has room again: {_share(state.readings[-1].cost, budget)}"
    ends = tuple(
        alert_of(policy, _key("cap", state, trip), Level.CRITICAL, END, text, standing.left, now)
        for trip in range(state.trips_ended + 1, state.trips_told + 1)
    )
    return replace(state, trips_ended=state.trips_told, outbox=(*state.outbox, *ends))


def _cap_opened(
    state: PeriodState, policy: Policy, budget: Budget, lines: tuple[str, ...], now: dt.datetime
) -> PeriodState:
    rungs = _listed(due(state, budget))
    passed = (f"Thresholds passed: {rungs}.",) if rungs else ()
    text = f"{budget.name} is used up: {_share(state.peak, budget)}"
    key = _key("cap", state, state.trips)
    alert = alert_of(policy, key, Level.CRITICAL, FIRST, text, (*passed, *lines), now)
    return replace(
        state,
        trips_told=state.trips,
        cap_step=FIRST,
        notified=max(state.notified, state.peak),
        outbox=(*state.outbox, alert),
    )


def _taken(results: tuple[Result, ...]) -> tuple[str, ...]:
    return tuple(
        worded(result)
        for result in results
        if result.outcome is Outcome.DONE and isinstance(result.action, TakeHold)
    )


def _rungs_told(
    state: PeriodState, policy: Policy, budget: Budget, now: dt.datetime
) -> PeriodState:
    rungs = due(state, budget)
    if not rungs:
        return state
    text = f"{budget.name} passed {_listed(rungs)}: {_share(state.peak, budget)}"
    key = _key("budget", state)
    level = max((rung.level for rung in rungs), key=lambda level: level.rank)
    alert = alert_of(policy, key, level, int(rungs[-1].percent * 100), text, (), now)
    return replace(state, notified=state.peak, outbox=(*state.outbox, alert))


def _forecast_told(
    state: PeriodState, policy: Policy, budget: Budget, now: dt.datetime
) -> PeriodState:
    rungs = forecast_due(state, budget)
    if not rungs:
        return state
    text = (
        f"{budget.name} is forecast to pass {_listed(rungs)} of "
        f"{state.amount:f} {budget.currency} by the end of its period"
    )
    lines = (f"Spent so far: {_share(state.peak, budget)}.", "A forecast only warns.")
    key = _key("forecast", state)
    level = max((rung.level for rung in rungs), key=lambda level: level.rank)
    alert = alert_of(policy, key, level, int(rungs[-1].percent * 100), text, lines, now)
    return replace(state, forecast_told=rungs[-1].percent, outbox=(*state.outbox, alert))


def _amount_told(
    state: PeriodState, policy: Policy, budget: Budget, now: dt.datetime
) -> PeriodState:
    if budget.amount is None or state.amount in {budget.amount, state.amount_told}:
        return state
    text = (
        f"Google's {budget.name} is {state.amount:f} {budget.currency}, "
        f"the policy's is {budget.amount:f}"
    )
    why = "The policy's amount is enforced. Apply Terraform, or change the policy."
    alert = oddity(policy, "drift", f"{state.amount:f}", Level.MEDIUM, text, why, now)
    return replace(state, amount_told=state.amount, outbox=(*state.outbox, alert))


def _failing_told(
    state: PeriodState, policy: Policy, results: tuple[Result, ...], now: dt.datetime
) -> PeriodState:
    failed = [result for result in results if result.outcome is Outcome.FAILED]
    if bool(failed) == bool(state.failing % 2):
        return state
    generation = state.failing if state.failing % 2 else state.failing + 1
    key = _key("enforcement", state, generation)
    if failed:
        text = f"{len(failed)} of {len(results)} effects of the budget failed; they are retried"
        step = FIRST
    else:
        text, step = "Every effect of the budget is confirmed now", END
    lines = tuple(worded(result) for result in results)
    alert = alert_of(policy, key, Level.CRITICAL, step, text, lines, now)
    return replace(state, failing=state.failing + 1, outbox=(*state.outbox, alert))


def _key(kind: str, state: PeriodState, number: int = 0) -> str:
    """An incident's kind and scope: never a name, which can change while it is open."""
    key = f"{kind}/{state.budget}/{state.period_start:%Y-%m-%dT%HZ}"
    return f"{key}.{number}" if number else key


def _listed(rungs: tuple[Threshold, ...]) -> str:
    names = [f"{rung.percent:f} %" for rung in rungs]
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


def _share(spend: Decimal, budget: Budget) -> str:
    if not budget.amount:
        return f"{spend:.2f} {budget.currency}"
    percent = 100 * spend / budget.amount
    return f"{spend:.2f} of {budget.amount:f} {budget.currency} ({percent:.0f} %)"
