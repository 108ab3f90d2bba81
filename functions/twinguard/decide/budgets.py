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
    Read,
    Resource,
    Strength,
    TakeHold,
    UnlinkBilling,
    Why,
)
from twinguard.policy import Budget, Release, Threshold

READS_KEPT = 8
"""Readings kept per period: enough to see past a few repeats inside `release.apart_minutes`."""


def observe(state: PeriodState | None, notice: BudgetNotice) -> PeriodState:
    """The state with one more notification of its period known."""
    known = state or PeriodState(notice.budget_id, notice.period_start)
    read = Read(notice.published_at, notice.message_id, notice.cost)
    if any(other.message_id == read.message_id for other in known.reads):
        return known
    return replace(
        known,
        peak=max(known.peak, notice.cost),
        reads=tuple(sorted((*known.reads, read))[-READS_KEPT:]),
        forecast=max(known.forecast, notice.forecast or Decimal(0)),
    )


def judged(state: PeriodState, budget: Budget) -> PeriodState:
    """The state with the cap tripped or lifted as the readings say."""
    tripped = _is_capped(state, budget)
    if tripped == state.tripped:
        return state
    return replace(state, tripped=tripped, trips=state.trips + tripped)


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


def hold_key(budget_id: str) -> str:
    """The reason under which a budget holds resources."""
    return f"budget/{budget_id}"


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
        return lift_actions(state.budget_id, active, breaker)
    cap, key = budget.cap, hold_key(state.budget_id)
    strength = Strength.STOP if cap.stop_serving else Strength.IDLE
    why = Why(key, strength, since=now, until=period_end(state.period_start), by=budget.name)
    held = {h.resource: h for h in active if key in h.keys}
    asked: list[Action] = [
        *(DropHold(resource, key) for resource in held if resource not in resources),
        *(TakeHold(r, why) for r in resources if not _is_held(held.get(r), key, strength)),
    ]
    is_open = state.budget_id in dict(breaker.open_by)
    if cap.stop_serving and not is_open:
        asked.insert(0, OpenBreaker(state.budget_id, _reason(state, budget)))
    if is_open and not cap.stop_serving:
        asked.insert(0, CloseBreaker(state.budget_id))
    if cap.unlink_billing and not state.unlinked:
        asked.append(UnlinkBilling(project))
    return tuple(asked)


def lift_actions(budget_id: str, active: tuple[Hold, ...], breaker: Breaker) -> tuple[Action, ...]:
    """What puts everything back that a budget's cap changed."""
    drops = holds.drops(active, hold_key(budget_id))
    closes = (CloseBreaker(budget_id),) if budget_id in dict(breaker.open_by) else ()
    return (*closes, *drops)


def period_end(period_start: dt.datetime) -> dt.datetime:
    """The latest start of the next calendar month in Google's billing time (Pacific).

    Notifications give midnight Pacific as 07:00Z in summer and 08:00Z in winter; 08:00Z is never
    early."""
    year, month = period_start.year, period_start.month
    year, month = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004 - December
    return dt.datetime(year, month, 1, 8, tzinfo=dt.UTC)


def _is_capped(state: PeriodState, budget: Budget) -> bool:
    if not budget.cap.enabled:
        return False
    limit = max(cap_amount(budget), state.rearm_at)
    if state.peak < limit and not state.tripped:
        return False
    return not _shows_room(state.reads, limit, budget.cap.release)


def _shows_room(reads: tuple[Read, ...], limit: Decimal, release: Release) -> bool:
    """True when enough readings, far enough apart, came in below the limit since the last above."""
    last_above = max((read for read in reads if read.cost >= limit), default=None)
    counted: list[Read] = []
    for read in reads:
        if last_above is not None and read <= last_above:
            continue
        if not counted or read.at - counted[-1].at >= dt.timedelta(minutes=release.apart_minutes):
            counted.append(read)
    return len(counted) >= release.reads


def _is_held(hold: Hold | None, key: str, strength: Strength) -> bool:
    if hold is None or not hold.settled:
        return False
    return any(why.key == key and why.strength is strength for why in hold.reasons)


def _reason(state: PeriodState, budget: Budget) -> str:
    return (
        f"{budget.name}: {state.peak:f} of {budget.amount:f} {budget.currency} "
        f"in the period from {state.period_start:%Y-%m-%d}"
    )
