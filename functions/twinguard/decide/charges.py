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

STEEP = Decimal(2)
"""A day that is at least this many times its surroundings may carry a charge."""

ALIKE = Decimal("0.25")
"""Charges of two months are the same one where they differ by no more than this share."""

UNLIKE = Decimal("0.6")
"""So far they may differ on the first and last days of a month, where jobs run as well."""

EDGE = 3
"""Charges fall, and monthly jobs run, on the first days of a month, or on its last."""

ALONE = 2
"""A single charge at an edge is believed while no more other days stand out."""

MANY = 12
"""Where more days stand out, those of neighbouring months meet by chance."""

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
    out is one if a neighbouring month has one alike in the same place, at a month's edge even one
    that differs; or if it is the first or last of a month and no other days stand out so."""
    span = days_from(first, last)
    daily = {date: amounts.get(date, Decimal(0)) - known.get(date, Decimal(0)) for date in span}
    excess = {date: more for date in span if (more := _excess(daily, date)) > 0}
    monthly = {date: amount for date, amount in known.items() if first <= date <= last and amount}
    charges = {date for date in excess if _is_repeated(excess, date)}
    others = len(excess) - len(charges)
    for date, more in excess.items():
        if date in charges or (is_edge(date, 1) and others <= ALONE):
            daily[date] -= more
            monthly[date] = monthly.get(date, Decimal(0)) + more
    return daily, monthly


def is_edge(date: dt.date, days: int) -> bool:
    """True for one of so many days at the beginning of a month or at its end."""
    return date.day <= days or (last_of(date) - date).days < days


def in_month(date: dt.date, month: dt.date) -> dt.date:
    """The same place in another month: counted from the end on its last days."""
    left = last_of(date) - date
    return last_of(month) - left if left.days < EDGE else same_day(date, month)


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
    """True where the month before or after has one like it in the same place."""
    alike = UNLIKE if is_edge(date, EDGE) and len(excess) <= MANY else ALIKE
    months = before(date), last_of(date) + dt.timedelta(1)
    return any(
        abs(excess[other] - excess[date]) <= alike * max(excess[other], excess[date])
        for other in (in_month(date, month) for month in months)
        if other in excess
    )
