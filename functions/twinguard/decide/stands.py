# SPDX-License-Identifier: Apache-2.0
"""Say where a month stands against its budget, and when the cap is reached. Pure; exact sums.

The basis is what Google's environment budget counts, cost before credits (EXCLUDE_ALL_CREDITS), so
that these percentages and Google's notifications speak of the same amount."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from decimal import Decimal

from twinguard.decide.money import share_of
from twinguard.decide.months import ONE, days_from, last_of, month_of, total
from twinguard.decide.spend import BudgetStand, Forecast
from twinguard.policy import Budget

WEEK = 7
WHOLE = Decimal(100)


def stand(
    budget: Budget,
    gross: Mapping[dt.date, Decimal],
    month: dt.date,
    as_of: dt.date | None,
    forecast: Forecast | None = None,
) -> BudgetStand | None:
    """Where the month stands; None for a budget without an amount.

    `gross` is each day's cost before credits in the budget's currency, with some days of the month
    before; `forecast` is what it comes to. Without an enabled cap, `reached_on` is the day on which
    the budget itself is used up."""
    if not budget.amount:
        return None
    first, last = month_of(month), last_of(month)
    basis = total(gross, first, last)
    percent = share_of(100 * basis, budget.amount)
    cap = budget.cap.percent if budget.cap.enabled else None
    steps = [threshold.percent for threshold in budget.thresholds]
    burn = burn_rate(gross, min(as_of, last) if as_of is not None else None)
    return BudgetStand(
        name=budget.name,
        amount=budget.amount,
        currency=budget.currency,
        basis=basis,
        percent=percent,
        crossed=tuple(step for step in steps if step <= percent),
        next=next((step for step in steps if step > percent), None),
        burn=burn,
        cap_percent=cap,
        reached_on=_reached(gross, budget.amount * (cap or WHOLE) / 100, burn, month, as_of),
        forecast=forecast,
    )


def limit_of(found: BudgetStand) -> Decimal:
    """The amount at which the cap is reached; the budget's own where there is no cap."""
    return found.amount * (found.cap_percent or WHOLE) / 100


def burn_rate(gross: Mapping[dt.date, Decimal], as_of: dt.date | None) -> Decimal:
    """What a day typically costs: the mean of the last seven without the dearest and the cheapest.

    A week has each weekday once, and one wild day or a monthly charge does not count. Days without
    rows were free; 0 where nothing is known."""
    if as_of is None or not gross:
        return Decimal(0)
    days = days_from(max(as_of - (WEEK - 1) * ONE, min(gross)), as_of)
    ordered = sorted(gross.get(date, Decimal(0)) for date in days)
    kept = ordered[1:-1] if len(ordered) > 2 else ordered  # noqa: PLR2004 - as said
    return share_of(sum(kept, Decimal(0)), Decimal(len(kept))) if kept else Decimal(0)


def _reached(
    gross: Mapping[dt.date, Decimal],
    limit: Decimal,
    burn: Decimal,
    month: dt.date,
    as_of: dt.date | None,
) -> dt.date | None:
    """The day on which the month's sum reached the limit, or will at that rate; None if it won't.

    What is already known of days after `as_of` counts as a part of them."""
    first, last, spent = month_of(month), last_of(month), Decimal(0)
    for date in days_from(first, last):
        spent += gross.get(date, Decimal(0))
        if spent >= limit:
            return date
    if burn <= 0 or as_of is None or as_of >= last:
        return None
    start = max(as_of, first - ONE)
    missing = limit - total(gross, first, start)
    newest = max((date for date in gross if date <= last), default=start)
    ahead = math.ceil(missing / burn)
    reached = start + ahead * ONE if ahead <= (last - start).days else None
    return max(reached, newest) if reached is not None else None
