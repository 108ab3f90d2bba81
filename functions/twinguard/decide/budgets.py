# SPDX-License-Identifier: Apache-2.0
"""Decide what a budget notification leads to: rungs to tell of, and the cap to enforce or to lift.

Pure. What is known of a period only grows (highest cost, newest readings), so late, repeated and
shuffled notifications end in the same state. `tell.py` words the alerts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from msgspec.structs import replace

from twinguard.decide import holds
from twinguard.decide.model import (
    Action,
    Breaker,
    BudgetNotice,
    CloseBreaker,
    DropHold,
    Hold,
    OpenBreaker,
    PeriodState,
    Reading,
    Resource,
    Strength,
    TakeHold,
    UnlinkBilling,
    Why,
)
from twinguard.policy import Budget, Release, Threshold

ENVIRONMENT = "environment"
"""The policy's one budget. Google's ids and names of it may change; what it holds must not."""

SLOTS_KEPT = 12
"""Slots of `release.apart_minutes` kept per period: every other one of them is far enough from the
next, so they hold the five readings that the longest release asks for."""


def observe(state: PeriodState | None, notice: BudgetNotice, budget: Budget) -> PeriodState:
    """The state with one more notification of its period known."""
    known = state or PeriodState(ENVIRONMENT, notice.period_start)
    return replace(
        known,
        peak=max(known.peak, notice.cost),
        readings=_with_reading(known.readings, notice, budget.cap.release),
        forecast=max(known.forecast, notice.forecast or Decimal(0)),
        amount=notice.amount,
    )


def judged(state: PeriodState, budget: Budget, now: dt.datetime) -> PeriodState:
    """The state with the cap tripped or lifted as the readings say."""
    tripped = _is_capped(state, budget)
    if tripped == state.tripped:
        return state
    if not tripped:
        return replace(state, tripped=False)
    return replace(state, tripped=True, tripped_at=now, trips=state.trips + 1)


def lifted(state: PeriodState, budget: Budget) -> PeriodState:
    """The state after a person lifted the cap: it trips again only when spend has really grown."""
    amount = budget.amount or Decimal(0)
    growth = amount * budget.cap.rearm_percent / 100
    return replace(state, tripped=False, rearm_at=max(state.peak, cap_amount(budget)) + growth)


def cap_amount(budget: Budget) -> Decimal:
    """The spend at which the cap trips, in the budget's currency."""
    return (budget.amount or Decimal(0)) * budget.cap.percent / 100


def due(state: PeriodState, budget: Budget) -> tuple[Threshold, ...]:
    """The thresholds that real growth has reached since people were last told."""
    amount = budget.amount or Decimal(0)
    return tuple(
        threshold
        for threshold in budget.thresholds
        if state.notified < amount * threshold.percent / 100 <= state.peak
    )


def forecast_due(state: PeriodState, budget: Budget) -> tuple[Threshold, ...]:
    """The forecast thresholds that Google reported and nobody was told of. They only warn."""
    return tuple(t for t in budget.forecast if state.forecast_told < t.percent <= state.forecast)


def hold_key(budget: str) -> str:
    """The reason under which a budget holds resources."""
    return f"budget/{budget}"


def actions(
    state: PeriodState,
    budget: Budget,
    resources: tuple[Resource, ...],
    project: str,
    active: tuple[Hold, ...],
    breaker: Breaker,
    now: dt.datetime,
) -> tuple[Action, ...]:
    """What is still missing between how things are and how the cap wants them.

    `resources` are the non-critical ones. Nothing that is confirmed is asked for again, so a
    person's later change stands."""
    if not state.tripped:
        return lift_actions(state.budget, active, breaker)
    cap, key = budget.cap, hold_key(state.budget)
    strength = Strength.STOP if cap.stop_serving else Strength.IDLE
    why = Why(key, strength, since=now, until=period_end(state.period_start), by=budget.name)
    held = {h.resource: h for h in active if key in h.keys}
    return (
        *_breaker_actions(state, budget, breaker),
        *(DropHold(resource, key) for resource in held if resource not in resources),
        *(TakeHold(r, why) for r in resources if not _is_held(held.get(r), why)),
        *((UnlinkBilling(project),) if cap.unlink_billing and not state.unlinked else ()),
    )


def lift_actions(budget: str, active: tuple[Hold, ...], breaker: Breaker) -> tuple[Action, ...]:
    """What puts everything back that a budget's cap changed."""
    closes = (CloseBreaker(budget),) if budget in dict(breaker.open_by) else ()
    return (*closes, *holds.drops(active, hold_key(budget)))


def period_end(period_start: dt.datetime) -> dt.datetime:
    """The latest start of the next calendar month in Google's billing time (Pacific).

    Notifications give midnight Pacific as 07:00Z in summer and 08:00Z in winter; 08:00Z is never
    early."""
    year, month = period_start.year, period_start.month
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004 - December
    return dt.datetime(year, month, 1, 8, tzinfo=dt.UTC)


def _breaker_actions(
    state: PeriodState, budget: Budget, breaker: Breaker
) -> tuple[OpenBreaker | CloseBreaker, ...]:
    reason = f"{budget.name} is used up in the period from {state.period_start:%Y-%m-%d}"
    found = dict(breaker.open_by).get(state.budget)
    if budget.cap.stop_serving:
        return () if found == reason else (OpenBreaker(state.budget, reason),)
    return () if found is None else (CloseBreaker(state.budget),)


def _is_capped(state: PeriodState, budget: Budget) -> bool:
    if not budget.cap.enabled:
        return False
    limit = max(cap_amount(budget), state.rearm_at)
    if state.peak < limit and not state.tripped:
        return False
    return not _shows_room(state.readings, limit, budget.cap.release)


def _with_reading(
    readings: tuple[Reading, ...], notice: BudgetNotice, release: Release
) -> tuple[Reading, ...]:
    """The newest slots, whatever the order in which their readings came in."""
    slots = {_slot(reading.first, release): reading for reading in readings}
    at, cost = notice.published_at, notice.cost
    known = slots.get(_slot(at, release), Reading(at, at, cost))
    slots[_slot(at, release)] = Reading(
        min(known.first, at), max(known.last, at), max(known.cost, cost)
    )
    return tuple(slots[slot] for slot in sorted(slots)[-SLOTS_KEPT:])


def _slot(at: dt.datetime, release: Release) -> int:
    return int(at.timestamp() // (60 * max(1, release.apart_minutes)))


def _shows_room(readings: tuple[Reading, ...], limit: Decimal, release: Release) -> bool:
    """True when enough readings, far enough apart, came in below the limit since the last above."""
    apart = dt.timedelta(minutes=release.apart_minutes)
    counted, last = 0, None
    for reading in readings:
        if reading.cost >= limit:
            counted, last = 0, None
            continue
        for at in (reading.first, reading.last):
            if last is None or at - last >= apart:
                counted, last = counted + 1, at
                break
    return counted >= release.reads


def _is_held(hold: Hold | None, wanted: Why) -> bool:
    if hold is None or not hold.settled:
        return False
    return any(
        (why.key, why.strength, why.until) == (wanted.key, wanted.strength, wanted.until)
        for why in hold.reasons
    )
