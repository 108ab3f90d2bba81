# SPDX-License-Identifier: Apache-2.0
"""Measure forecasts of held-back months against the run-rate and the month before.

Measures and never asserts. The series are simulated (`spending.py`), with seeds, so every run
prints the same; what was tuned on is other seeds: `--tuning` takes those."""

from __future__ import annotations

import datetime as dt
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from rich.console import Console
from rich.table import Table

import spending
from twinguard.decide.forecast import month_end
from twinguard.decide.months import ONE, before, days_from, last_of, per_day, total
from twinguard.decide.spend import Day

SEEDS, TUNING = range(1000, 1008), range(4)
CUTS = (5, 10, 15, 20, 25)
END = dt.date(2025, 3, 31)
SHAPES = {
    "flat": (spending.flat, 1.0),
    "weekly": (spending.flat, 0.3),
    "growing": (spending.growing, 0.5),
    "launch": (spending.ramping, 0.6),
    "stepping": (spending.stepping, 0.6),
    "credits": (spending.crediting, 1.0),
    "spiky": (spending.spiky, 1.0),
    "batches": (spending.batching, 0.6),
    "month-end jobs": (spending.closing, 1.0),
    "wild": (spending.wild, 1.0),
    "first days": (spending.flat, 0.5),
    "new service": (spending.flat, 0.5),
    "late rows": (spending.flat, 0.5),
}
YOUNG = {"first days": (2, 6), "new service": (6, 28)}
"""Days that such a series has a past of."""


@dataclass
class Measured:
    """What became of the forecasts of a shape: held by 80 and 95 %, and errors in per cent."""

    held: list[bool] = field(default_factory=list)
    held_wide: list[bool] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    rate: list[float] = field(default_factory=list)
    earlier: list[float] = field(default_factory=list)


def cases(name: str, seeds: Sequence[int]) -> Iterator[tuple[dict, dict, dt.date]]:
    """What was spent in all, what was known of it on a day, and that day."""
    shape, weekend = SHAPES[name]
    for seed in seeds:
        end = dt.date(2024, 10, 31) if name == "launch" else END
        days = per_day(spending.series(shape, seed, last=end, weekend=weekend))
        chance, month = random.Random(f"{name} {seed}"), dt.date(2024, 4, 1)
        while month < end:
            for as_of in (month.replace(day=cut) for cut in CUTS):
                begin = as_of - 130 * ONE
                if name in YOUNG:
                    begin = as_of - chance.randrange(*YOUNG[name]) * ONE
                known = {date: days[date] for date in days_from(max(begin, min(days)), as_of)}
                actual = {date: amount for date, amount in days.items() if date >= begin}
                if name == "late rows":
                    known[as_of] *= chance.randrange(30, 60)
                    known[as_of] /= 100
                    known[as_of - ONE] *= chance.randrange(80, 100)
                    known[as_of - ONE] /= 100
                yield actual, known, as_of
            month = last_of(month) + ONE


def backtest(name: str, seeds: Sequence[int]) -> Measured:
    """Forecasts on five days of each month, by ours, the run-rate and the month before."""
    found = Measured()
    for days, known, as_of in cases(name, seeds):
        month, last = as_of.replace(day=1), last_of(as_of)
        actual = float(total(days, month, last))
        ours = month_end([Day(*each) for each in known.items()], month, as_of).forecast
        began = max(month, min(known))
        rate = float(ours.spent) * (1 + (last - as_of).days / ((as_of - began).days + 1))
        found.held.append(float(ours.low) <= actual <= float(ours.high))
        found.held_wide.append(float(ours.lowest) <= actual <= float(ours.highest))
        found.ours.append(100 * abs(float(ours.middle) / actual - 1))
        found.rate.append(100 * abs(rate / actual - 1))
        if before(month) in days:
            earlier = float(total(days, before(month), month - ONE))
            found.earlier.append(100 * abs(earlier / actual - 1))
    return found


def row(measured: Measured) -> tuple[str, ...]:
    """How many, the shares held, the mean errors, and the paired ratio with its standard error."""
    ratio = fmean(measured.ours) / fmean(measured.rate)
    off = [mine - ratio * rate for mine, rate in zip(measured.ours, measured.rate, strict=True)]
    error = (fmean([one * one for one in off]) / len(off)) ** 0.5 / fmean(measured.rate)
    return (
        str(len(measured.held)),
        f"{100 * fmean(measured.held):.0f}",
        f"{100 * fmean(measured.held_wide):.0f}",
        f"{fmean(measured.ours):.1f}",
        f"{fmean(measured.rate):.1f}",
        f"{fmean(measured.earlier):.1f}" if measured.earlier else "-",
        f"{ratio:.2f} ± {error:.2f}",
    )


def main() -> int:
    """Measure and print."""
    seeds = TUNING if "--tuning" in sys.argv else SEEDS
    names = [name for name in sys.argv[1:] if name in SHAPES] or list(SHAPES)
    console, started, count = Console(width=100), time.perf_counter(), 0
    table = Table(
        "series",
        "forecasts",
        "in 80 %",
        "in 95 %",
        "ours",
        "run-rate",
        "last month",
        "ours / run-rate",
    )
    for name in names:
        measured = backtest(name, seeds)
        count += len(measured.held)
        table.add_row(name, *row(measured))
    console.print(table)
    console.print(f"a forecast takes {1000 * (time.perf_counter() - started) / count:.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
