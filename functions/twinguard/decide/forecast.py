# SPDX-License-Identifier: Apache-2.0
"""Say what a month comes to: what is known, what is billed by the month, and what days may bring.

Pure, and the same for the same days in any order. Sums are exact; only what is still to come is
drawn in floats (`season.py`), to a millionth of the currency."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from statistics import fmean

from msgspec import Struct

from twinguard.decide import season
from twinguard.decide.charges import in_month, split
from twinguard.decide.months import ONE, before, days_from, last_of, month_of, per_day, total
from twinguard.decide.spend import Day, Forecast

HISTORY = 120
"""Days of the past that are looked at: four months hold each weekday some seventeen times."""

FEW = 7
"""Below as many days the interval is a rule of thumb: a week has to be seen to be known."""

SETTLING = 2
"""The newest days count as a floor only: rows of them are written up to two days late."""


class Outlook(Struct, frozen=True, kw_only=True):
    """A forecast, or in words why there is none."""

    forecast: Forecast | None
    reason: str = ""


def month_end(
    days: Iterable[Day], month: dt.date, as_of: dt.date | None, charges: Iterable[Day] = ()
) -> Outlook:
    """What the month comes to, in the currency of the days.

    `days` are what was spent each day, net (or before credits: whatever is given is forecast), of
    up to 120 days before `as_of`, the last day whose costs are taken to be complete; days without
    an amount between the first and `as_of` were free. `charges` are the part of `days` that is
    billed by the month (tax, fees); they are expected again on the same day of the month, never
    every day. Amounts after `as_of`, and of the two days before it, are a floor: they may grow."""
    amounts, first, last = per_day(days), month_of(month), last_of(month)
    spent = total(amounts, first, last)
    known = [date for date in amounts if as_of is not None and date <= min(as_of, last)]
    if as_of is None or not known:
        reason = "no costs are known yet: there is nothing to forecast from"
        return Outlook(forecast=None, reason=reason)
    through = min(as_of, last)
    begin = max(known[0], through - (HISTORY - 1) * ONE)
    daily, monthly = split(amounts, per_day(charges), begin, through)
    fitted = [daily[date] for date in days_from(begin, through)]
    coming = {date: float(amounts.get(date, Decimal(0))) for date in days_from(through + ONE, last)}
    due, doubt = _due(monthly, as_of, first)
    if len(fitted) < FEW:
        ends = _few(fitted, len(coming))
        method = f"the mean of {_counted(len(fitted))}, with a wide margin: too few to know a week"
    else:
        open_since = max(first, as_of - (SETTLING - 1) * ONE)
        ends = season.ends([float(amount) for amount in fitted], begin, coming, open_since, doubt)
        method = (
            "weekday profile, and the means and trend that were nearest of late, "
            f"over {_counted(len(fitted))}"
        )
    if due:
        method += "; monthly charges expected as in the month before"
    lowest, low, middle, high, highest = (
        spent + due + _decimal(end)
        for end in (ends.lowest, ends.low, ends.middle, ends.high, ends.highest)
    )
    found = Forecast(
        spent=spent,
        lowest=lowest,
        low=low,
        middle=middle,
        high=high,
        highest=highest,
        method=method,
        days=len(fitted),
    )
    return Outlook(forecast=found)


def _few(values: list[Decimal], rest: int) -> season.Ends:
    """The rest of the month at the mean, and the factor by which few days may mislead."""
    middle = rest * fmean([float(value) for value in values])
    near, far = 1 + 2 / len(values) ** 0.5, 1 + 4 / len(values) ** 0.5
    lowest, low, high, highest = sorted((middle / far, middle / near, middle * near, middle * far))
    return season.Ends(lowest=lowest, low=low, middle=middle, high=high, highest=highest)


def _due(
    monthly: Mapping[dt.date, Decimal], as_of: dt.date, first: dt.date
) -> tuple[Decimal, float]:
    """The charges that the month before had and this one has not had yet, and how far they may
    differ (standard deviation): as far as they did from one month to the next."""
    due, variance = Decimal(0), 0.0
    for date, amount in monthly.items():
        again = in_month(date, first)
        if month_of(date) != before(first) or again in monthly:
            continue
        if again <= as_of - SETTLING * ONE:
            continue
        due += amount
        past = [amount]
        while (earlier := in_month(date, before(first, len(past) + 1))) in monthly:
            past.append(monthly[earlier])
        moves = [float(a - b) ** 2 for a, b in pairwise(past)]
        variance += fmean(moves) * (1 + 4 / len(moves)) if moves else 0.0
    return due, variance**0.5


def _counted(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"


def _decimal(amount: float) -> Decimal:
    """A simulated amount to a millionth: finer than any of them is known."""
    return Decimal(f"{amount:.6f}")
