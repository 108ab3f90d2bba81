# SPDX-License-Identifier: Apache-2.0
"""Tell what is billed by the month (tax, subscriptions, fees) from what is spent by the day.

Pure. Forecasts must not take a subscription on the first for a daily cost, and nobody is woken for
one that was there the month before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from statistics import median

from twinguard.decide import robust
from twinguard.decide.months import before, days_from, last_of, same_day

STEEP = Decimal(3)
"""A day that is at least this many times its surroundings may carry a charge."""

ALIKE = Decimal("0.25")
"""Charges of two months are the same one where they differ by no more than this share."""

AROUND = 14
"""Days on both sides that a day is compared with."""

CLEAR = 6
"""Robust standard deviations above its surroundings that a charge stands out by."""


def split(
    amounts: Mapping[dt.date, Decimal],
    known: Mapping[dt.date, Decimal],
    first: dt.date,
    last: dt.date,
) -> tuple[dict[dt.date, Decimal], dict[dt.date, Decimal]]:
    """Every day's ordinary amount from first to last, and the charges on top of them by date.

    `known` are charges that their rows name (cost type tax). Others are found: a day that stands
    out is one if it is the first or last of a month, or if the same day of the month before or
    after stands out alike."""
    span = days_from(first, last)
    daily = {date: amounts.get(date, Decimal(0)) - known.get(date, Decimal(0)) for date in span}
    excess = {date: more for date in span if (more := _excess(daily, date)) > 0}
    monthly = {date: amount for date, amount in known.items() if first <= date <= last and amount}
    for date, more in excess.items():
        if date.day == 1 or date == last_of(date) or _is_repeated(excess, date):
            daily[date] -= more
            monthly[date] = monthly.get(date, Decimal(0)) + more
    return daily, monthly


def _excess(daily: Mapping[dt.date, Decimal], date: dt.date) -> Decimal:
    """By how much a day stands out from the days around it; 0 where it does not."""
    around = [
        daily[other]
        for other in days_from(date - dt.timedelta(AROUND), date + dt.timedelta(AROUND))
        if other in daily and other != date
    ]
    if len(around) < robust.WEEK:
        return Decimal(0)
    middle = Decimal(median(around))
    scale = Decimal(robust.spread([float(amount) for amount in around]))
    more = daily[date] - middle
    is_steep = daily[date] > max(STEEP * middle, middle + CLEAR * scale) and daily[date] > 0
    return more if is_steep else Decimal(0)


def _is_repeated(excess: Mapping[dt.date, Decimal], date: dt.date) -> bool:
    earlier = same_day(date, before(date))
    later = same_day(date, last_of(date) + dt.timedelta(1))
    return any(
        abs(excess[other] - excess[date]) <= ALIKE * max(excess[other], excess[date])
        for other in (earlier, later)
        if other in excess
    )
