# SPDX-License-Identifier: Apache-2.0
"""Measure what people are told as unusual against a z-score and a median with its deviation.

Measures and never asserts. Every other of the simulated groups (`spending.py`) has one day that
costs three to eight times the usual; in `…, dearer` it costs one and a half to four times its own
dearest. What was tuned on is other seeds: `--tuning` takes those."""

from __future__ import annotations

import datetime as dt
import random
import sys
from collections.abc import Callable
from decimal import Decimal
from statistics import fmean, median, stdev

from rich.console import Console
from rich.table import Table

import spending
from twinguard.decide.anomalies import found
from twinguard.decide.months import ONE
from twinguard.decide.notices import Notice, judged
from twinguard.decide.spend import Day, Dimension, Line

SEEDS, TUNING = 2000, 100
SHAPES = {
    "flat": (spending.flat, 1.0),
    "weekly": (spending.flat, 0.3),
    "growing": (spending.growing, 0.5),
    "launch": (spending.ramping, 0.6),
    "stepping": (spending.stepping, 0.6),
    "credits": (spending.crediting, 1.0),
    "spiky": (spending.spiky, 1.0),
    "spiky, dearer": (spending.spiky, 1.0),
    "batches": (spending.batching, 0.6),
    "month-end jobs": (spending.closing, 1.0),
    "wild": (spending.wild, 1.0),
    "wild, dearer": (spending.wild, 1.0),
    "late rows": (spending.flat, 0.5),
}
BEGIN, JUDGED, END = dt.date(2025, 1, 1), dt.date(2025, 5, 1), dt.date(2025, 9, 30)
GROUPS = 60
MONTHS = GROUPS * (END - JUDGED).days / 30
PAST = 28
Z, DEVIATIONS = 3.0, 3.5

Series = dict[str, tuple[Day, ...]]
Told = set[tuple[str, dt.date]]


def spiked(name: str, seeds: int) -> tuple[Series, Told]:
    """The groups, and which day of which was made dear."""
    shape, weekend = SHAPES[name]
    chance, series, wanted = random.Random(f"{name} {seeds}"), {}, set()
    for number in range(GROUPS):
        group = f"group-{number}"
        days = spending.series(shape, seeds + number, BEGIN, END, weekend=weekend, noise=0.15)
        if number % 2:
            at = chance.randrange((JUDGED - BEGIN).days, len(days) - 2)
            if name.endswith("dearer"):
                dearest = max(day.amount for day in days[at - 56 : at])
                amount = dearest * Decimal(chance.uniform(1.5, 4))
            else:
                typical = median(days[at - 7 * week].amount for week in range(1, 9))
                amount = days[at].amount + max(Decimal(15), typical * Decimal(chance.uniform(2, 7)))
            days = (*days[:at], Day(days[at].date, amount), *days[at + 1 :])
            wanted.add((group, days[at].date))
        series[group] = days
    return series, wanted


def lines(series: Series, until: dt.date) -> list[Line]:
    """What a source would answer on a day."""
    return [
        Line(keys=(day.date.isoformat(), name), currency="USD", cost=day.amount, credits=Decimal(0))
        for name, days in series.items()
        for day in days
        if day.date <= until
    ]


def ours(series: Series) -> list[Notice]:
    """What people would be told of: what is too much, once for each episode."""
    result = judged(found(Dimension.SERVICE, lines(series, END), END, JUDGED), (), END)
    return [one for one in result.notices if not one.episode.is_drop]


def by_z_score(past: list[float]) -> float:
    """Three standard deviations above the mean."""
    return fmean(past) + Z * stdev(past)


def by_median(past: list[float]) -> float:
    """Three and a half median absolute deviations above the median."""
    middle = median(past)
    return middle + DEVIATIONS * 1.4826 * median([abs(value - middle) for value in past])


def above(series: Series, limit: Callable[[list[float]], float]) -> Told:
    """Days above what the 28 before them allow."""
    told = set()
    for name, days in series.items():
        amounts = [float(day.amount) for day in days]
        for at in range((JUDGED - BEGIN).days, len(days)):
            if amounts[at] > limit(amounts[at - PAST : at]):
                told.add((name, days[at].date))
    return told


def late(series: Series) -> Series:
    """Rows of the newest days are late: a part of them is there."""
    parts = {END: Decimal("0.4"), END - ONE: Decimal("0.85")}
    return {
        name: tuple(Day(day.date, day.amount * parts.get(day.date, 1)) for day in days)
        for name, days in series.items()
    }


def jumps(name: str, seeds: int) -> Told:
    """The days after a level has really jumped: whether that is told is not judged."""
    if name not in {"stepping", "credits"}:
        return set()
    shape, weekend = SHAPES[name]
    found = set()
    for number in range(GROUPS):
        days = spending.series(shape, seeds + number, BEGIN, END, weekend=weekend, noise=0)
        for at in range(7, len(days)):
            if days[at].amount >= Decimal("1.4") * days[at - 7].amount:
                found |= {(f"group-{number}", days[at].date)}
    return found


def f1(told: Told, wanted: Told) -> float:
    """The harmonic mean of precision and recall, in per cent."""
    return 200 * len(told & wanted) / (len(told) + len(wanted))


def row(name: str, seeds: int) -> tuple[str, ...]:
    """Precision, recall, F1 and false notices for each month of a group; the others' F1."""
    series, wanted = spiked(name, seeds)
    if name == "late rows":
        series = late(series)
    excused = jumps(name, seeds) - wanted
    told = {(one.anomaly.name, one.anomaly.date) for one in ours(series)} - excused
    right = len(told & wanted)
    theirs = [above(series, limit) - excused for limit in (by_z_score, by_median)]
    return (
        f"{100 * right / len(told):.0f}" if told else "-",
        f"{100 * right / len(wanted):.0f}",
        f"{f1(told, wanted):.0f}",
        *(f"{f1(other, wanted):.0f}" for other in theirs),
        f"{(len(told) - right) / MONTHS:.3f}",
        *(f"{len(other - wanted) / MONTHS:.2f}" for other in theirs),
    )


def main() -> int:
    """Measure and print."""
    seeds = TUNING if "--tuning" in sys.argv else SEEDS
    names = [name for name in sys.argv[1:] if name in SHAPES] or list(SHAPES)
    columns = ("precision", "recall", "F1", "z-score F1", "median F1")
    table = Table("series", *columns, "false a month", "z-score", "median")
    for name in names:
        table.add_row(name, *row(name, seeds))
    Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
