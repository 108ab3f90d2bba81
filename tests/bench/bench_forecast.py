# SPDX-License-Identifier: Apache-2.0
"""Measure forecasts of held-back months against two naive ones, and anomalies against a z-score.

Measures and never asserts. The series are simulated (`spending.py`), with seeds, so every run
prints the same; what was tuned on is other seeds."""

from __future__ import annotations

import datetime as dt
import random
import sys
import time
from collections.abc import Iterable
from decimal import Decimal
from statistics import fmean, median, stdev

from rich.console import Console
from rich.table import Table

import spending
from twinguard.decide.anomalies import found
from twinguard.decide.forecast import month_end
from twinguard.decide.months import ONE, before, last_of, per_day, total
from twinguard.decide.notices import judged
from twinguard.decide.spend import Day, Dimension, Line

SEEDS = range(1000, 1006)
CUTS = (5, 10, 15, 20, 25)
SHAPES = {
    "flat": (spending.flat, 1.0),
    "weekly": (spending.flat, 0.3),
    "growing": (spending.growing, 0.5),
    "stepping": (spending.stepping, 0.6),
    "spiky": (spending.spiky, 1.0),
    "ramping": (spending.ramping, 0.6),
}
BEGIN, JUDGED, END = dt.date(2025, 1, 1), dt.date(2025, 5, 1), dt.date(2025, 9, 30)
GROUPS = 60
Z = 3.0


def backtest(name: str) -> tuple[list[bool], tuple[list[float], list[float], list[float]]]:
    """Held by the interval or not, and the errors (per cent) of ours, the run-rate, last month."""
    shape, weekend = SHAPES[name]
    held, errors = [], ([], [], [])
    for seed in SEEDS:
        end = dt.date(2024, 10, 31) if name == "ramping" else dt.date(2025, 3, 31)
        days = spending.series(shape, seed, last=end, weekend=weekend)
        known, month = per_day(days), dt.date(2024, 4, 1)
        while month < end:
            last = last_of(month)
            actual = float(total(known, month, last))
            for as_of in (month.replace(day=cut) for cut in CUTS):
                past = [day for day in days if as_of - 130 * ONE <= day.date <= as_of]
                ours = month_end(past, month, as_of).forecast
                rate = float(ours.spent) / as_of.day * last.day
                earlier = float(total(known, before(month), month - ONE))
                held.append(float(ours.low) <= actual <= float(ours.high))
                for guess, kept in zip((float(ours.middle), rate, earlier), errors, strict=True):
                    kept.append(100 * abs(guess / actual - 1))
            month = last + ONE
    return held, errors


def spiked(
    shape: object, weekend: float
) -> tuple[dict[str, tuple[Day, ...]], set[tuple[str, dt.date]]]:
    """Groups, every other of which has one day that costs three to eight times the usual."""
    chance, series, wanted = random.Random(7), {}, set()
    for number in range(GROUPS):
        name = f"group-{number}"
        days = spending.series(shape, 2000 + number, BEGIN, END, weekend=weekend, noise=0.15)
        if number % 2:
            at = chance.randrange((JUDGED - BEGIN).days, len(days))
            typical = median(days[at - 7 * week].amount for week in range(1, 9))
            extra = max(Decimal(15), typical * Decimal(chance.uniform(2, 7)))
            days = (*days[:at], Day(days[at].date, days[at].amount + extra), *days[at + 1 :])
            wanted.add((name, days[at].date))
        series[name] = days
    return series, wanted


def ours(series: dict[str, tuple[Day, ...]]) -> set[tuple[str, dt.date]]:
    """What people would be told of."""
    lines = [
        Line(
            keys=(day.date.isoformat(), name),
            currency="USD",
            cost=day.amount,
            credits=Decimal(0),
        )
        for name, days in series.items()
        for day in days
    ]
    result = judged(found(Dimension.SERVICE, lines, END, JUDGED), (), END)
    return {(one.anomaly.name, one.anomaly.date) for one in result.notices}


def by_z_score(series: dict[str, tuple[Day, ...]]) -> set[tuple[str, dt.date]]:
    """Days more than three standard deviations above the mean of the 28 before them."""
    told = set()
    for name, days in series.items():
        amounts = [float(day.amount) for day in days]
        for at in range((JUDGED - BEGIN).days, len(days)):
            past = amounts[at - 28 : at]
            if amounts[at] > fmean(past) + Z * stdev(past):
                told.add((name, days[at].date))
    return told


def quality(told: set, wanted: set) -> Iterable[str]:
    """Precision and recall in per cent."""
    right = len(told & wanted)
    yield f"{100 * right / len(told):.0f}" if told else "-"
    yield f"{100 * right / len(wanted):.0f}"


def measured(held: list[bool], errors: tuple[list[float], ...]) -> Iterable[str]:
    """How many forecasts, the share that was held, and the median absolute errors."""
    yield str(len(held))
    yield f"{100 * fmean(held):.1f}"
    yield from (f"{median(kept):.1f}" for kept in errors)


def main() -> int:
    """Measure and print."""
    console, started = Console(), time.perf_counter()
    everything: tuple[list[bool], tuple[list[float], ...]] = ([], ([], [], []))
    table = Table("series", "forecasts", "held %", "ours", "run-rate", "last month")
    table.title = "forecast of a month: share held by the interval, median error in per cent"
    for name in SHAPES:
        held, errors = backtest(name)
        everything[0].extend(held)
        for kept, more in zip(everything[1], errors, strict=True):
            kept.extend(more)
        table.add_row(name, *measured(held, errors))
    table.add_row("all", *measured(*everything))
    console.print(table)
    count = len(everything[0])
    console.print(f"a forecast takes {1000 * (time.perf_counter() - started) / count:.0f} ms")
    table = Table("series", "ours: precision", "recall", "z-score: precision", "recall")
    table.title = "anomalies: one day in every other group costs three to eight times the usual"
    mine, theirs, all_wanted = set(), set(), set()
    for name, (shape, weekend) in SHAPES.items():
        series, wanted = spiked(shape, weekend)
        told, by_z = ours(series), by_z_score(series)
        table.add_row(name, *quality(told, wanted), *quality(by_z, wanted))
        for kept, found_here in ((mine, told), (theirs, by_z), (all_wanted, wanted)):
            kept |= {(name, one) for one in found_here}
    table.add_row("all", *quality(mine, all_wanted), *quality(theirs, all_wanted))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
