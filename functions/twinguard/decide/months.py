# SPDX-License-Identifier: Apache-2.0
"""Calendar months, and daily series over them. Pure; a month is named by its first day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal

from twinguard.decide.spend import Day

ONE = dt.timedelta(days=1)


def month_of(date: dt.date) -> dt.date:
    """The first day of a date's month."""
    return date.replace(day=1)


def last_of(month: dt.date) -> dt.date:
    """The last day of a date's month: the 28th to the 31st."""
    return (month.replace(day=28) + 4 * ONE).replace(day=1) - ONE


def before(month: dt.date, months: int = 1) -> dt.date:
    """The first day of the month before a date's own, or of one so many before."""
    for _ in range(months):
        month = month_of(month_of(month) - ONE)
    return month


def same_day(date: dt.date, month: dt.date) -> dt.date:
    """That day of another month; its last day where it is too short."""
    return month.replace(day=min(date.day, last_of(month).day))


def days_from(first: dt.date, last: dt.date) -> list[dt.date]:
    """All days from the first to the last, both included; none where they are the wrong way."""
    return [first + n * ONE for n in range((last - first).days + 1)]


def per_day(days: Iterable[Day]) -> dict[dt.date, Decimal]:
    """The amount of each day, in the calendar's order; several of one day are added."""
    found: dict[dt.date, Decimal] = {}
    for day in sorted(days):
        found[day.date] = found.get(day.date, Decimal(0)) + day.amount
    return found


def total(amounts: Mapping[dt.date, Decimal], first: dt.date, last: dt.date) -> Decimal:
    """The exact sum of the days from the first to the last, both included."""
    return sum((a for date, a in amounts.items() if first <= date <= last), Decimal(0))
