# SPDX-License-Identifier: Apache-2.0
"""A month day by day: the chart, the same in words, and its numbers. Pure."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import accumulate
from statistics import median

from twinguard.decide.money import money, percent
from twinguard.decide.months import last_of, per_day
from twinguard.decide.spend import Day, Overview
from twinguard.reports.document import Amount, Column, Daily, Figure, Kind, Row, Table
from twinguard.reports.names import ROUNDING, TOTAL, slug
from twinguard.reports.parts import ZERO, lost_by_rounding
from twinguard.reports.stamps import is_complete, month_name

HEADROOM = 2
"""A budget line this many times above everything else would flatten the chart: it is left out."""


def figure(overview: Overview) -> Figure:
    """The month's days as a chart."""
    month, currency = overview.month, overview.currency
    days = tuple(per_day(day for day in overview.days if _is_in(day, month)).items())
    forecast = None if is_complete(overview.freshness, month) else overview.forecast
    ends = (forecast.low, forecast.high) if forecast else None
    return Figure(
        name=f"days-{slug(currency)}",
        title=f"Spend by day, {month_name(month)}, {currency}",
        description=_in_words(overview, days, ends),
        data=Daily(
            month=month,
            through=overview.freshness.through,
            days=days,
            lines=_lines(overview, days, ends),
            forecast=ends,
            currency=currency,
        ),
        table=day_table(overview),
    )


def day_table(overview: Overview) -> Table:
    """Each day and the sum so far, net; the days add up to what was spent."""
    currency = overview.currency
    days = per_day(day for day in overview.days if _is_in(day, overview.month))
    sums = accumulate(days.values())
    rows = [
        Row((date.isoformat(), Amount(amount, currency), Amount(so_far, currency)))
        for (date, amount), so_far in zip(days.items(), sums, strict=True)
    ]
    total = sum(days.values(), ZERO)
    if other := overview.spent - total:
        cells = ("on other days", Amount(other, currency), Amount(overview.spent, currency))
        rows.append(Row(cells, Kind.REST))
    lost = lost_by_rounding((*days.values(), other), overview.spent, currency)
    if lost:
        rows.append(Row((ROUNDING, Amount(lost, currency), None), Kind.ROUNDING))
    cells = (TOTAL, Amount(overview.spent, currency), Amount(overview.spent, currency))
    return Table(
        f"Net spend by day, {currency}",
        (
            Column("Day"),
            Column(f"Net, {currency}", is_number=True),
            Column(f"So far, {currency}", is_number=True),
        ),
        (*rows, Row(cells, Kind.TOTAL)),
    )


def _is_in(day: Day, month: dt.date) -> bool:
    return month <= day.date <= last_of(month)


def _lines(
    overview: Overview,
    days: tuple[tuple[dt.date, Decimal], ...],
    ends: tuple[Decimal, Decimal] | None,
) -> tuple[tuple[str, Decimal], ...]:
    """The budget's thresholds near enough to be seen beside the spend, and always the next one."""
    budget = overview.budget
    if budget is None or budget.currency != overview.currency:
        return ()
    highest = max([*accumulate(amount for _, amount in days), *(ends or ()), ZERO])
    known = {*budget.crossed, *((budget.next,) if budget.next is not None else ()), Decimal(100)}
    return tuple(
        (percent(threshold), budget.amount * threshold / 100)
        for threshold in sorted(known)
        if budget.amount * threshold / 100 <= HEADROOM * highest
    )


def _in_words(
    overview: Overview,
    days: tuple[tuple[dt.date, Decimal], ...],
    ends: tuple[Decimal, Decimal] | None,
) -> str:
    currency = overview.currency
    if not days:
        return "No day of this month has costs yet."
    typical = Decimal(median([amount for _, amount in days]))
    top, most = max(days, key=lambda day: day[1])
    text = (
        f"A typical day came to {money(typical, currency)}, the most expensive one ({top}) to "
        f"{money(most, currency)}; {money(overview.spent, currency)} by {days[-1][0]}."
    )
    if overview.as_of is not None and days[-1][0] > overview.as_of:
        text += f" Days after {overview.as_of}, paler, still grow."
    if ends:
        text += (
            f" The month is forecast to end between {money(ends[0], currency)} and "
            f"{money(ends[1], currency)}."
        )
    budget = overview.budget
    if budget is not None:
        text += f" The budget is {money(budget.amount, budget.currency)}"
        text += ", counted before credits." if overview.credits else "."
    return text
