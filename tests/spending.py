# SPDX-License-Identifier: Apache-2.0
"""Simulated daily spend with a seed: the shapes that forecasts and anomalies are measured on."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal

from twinguard.decide.months import days_from, last_of
from twinguard.decide.spend import Day

WEEKEND = 5
FIRST, LAST = dt.date(2024, 1, 1), dt.date(2026, 12, 31)

Shape = Callable[[random.Random, int, dt.date], float]
"""The likely spend of day n, a date, in some currency; noise and week come on top."""


def flat(chance: random.Random) -> Shape:
    """The same every day."""
    height = chance.uniform(20, 500)
    return lambda chance, day, date: height


def growing(chance: random.Random) -> Shape:
    """A steady 15 to 40 % a month."""
    height, rate = chance.uniform(20, 100), chance.uniform(1.15, 1.4)
    return lambda chance, day, date: height * rate ** (day / 30)


def stepping(chance: random.Random) -> Shape:
    """Every two to five months it halves, or grows by half or to the double, overnight."""
    heights, day, height = {}, 0, chance.uniform(50, 200)
    while day < 1200:
        until = day + chance.randrange(60, 150)
        heights |= dict.fromkeys(range(day, until), height)
        day, height = until, height * chance.choice((0.5, 1.5, 2.0))
        height = min(5000.0, max(20.0, height))
    return lambda chance, day, date: heights[day]


def spiky(chance: random.Random) -> Shape:
    """One day in twelve costs three to six times as much."""
    height = chance.uniform(50, 200)
    return lambda chance, day, date: (
        height * (chance.uniform(3, 6) if chance.random() < 1 / 12 else 1)
    )


def ramping(chance: random.Random) -> Shape:
    """A launch: from next to nothing up a straight line for two hundred days, then level."""
    gain = chance.uniform(1, 5)
    return lambda chance, day, date: gain * (1 + min(day, 200))


def batching(chance: random.Random) -> Shape:
    """A job that runs every four to ten days makes a day three to eight times as dear."""
    height, every, times = chance.uniform(50, 200), chance.randrange(4, 11), chance.uniform(3, 8)
    return lambda chance, day, date: height * (1 if day % every else times)


def wild(chance: random.Random) -> Shape:
    """Days that differ by a factor of two and more, without any order."""
    height, width = chance.uniform(50, 200), chance.uniform(0.5, 0.9)
    return lambda chance, day, date: height * chance.lognormvariate(0, width)


def closing(chance: random.Random) -> Shape:
    """Jobs at a month's end: its last one to three days cost three to six times as much."""
    height, days, times = chance.uniform(50, 200), chance.randrange(1, 4), chance.uniform(3, 6)
    return lambda chance, day, date: (
        height * (times * chance.uniform(0.8, 1.2) if (last_of(date) - date).days < days else 1)
    )


def crediting(chance: random.Random) -> Shape:
    """Credits pay half of it or nearly all, start one day and are used up on another."""
    height, share = chance.uniform(50, 200), chance.uniform(0.5, 0.95)
    paid, day = set(), chance.randrange(150)
    while day < 1200:
        until = day + chance.randrange(50, 120)
        paid |= set(range(day, until))
        day = until + chance.randrange(50, 120)
    return lambda chance, day, date: height * (1 - share if day in paid else 1)


def series(
    shape: Callable[[random.Random], Shape],
    seed: int,
    first: dt.date = FIRST,
    last: dt.date = LAST,
    *,
    weekend: float = 1.0,
    noise: float = 0.1,
) -> tuple[Day, ...]:
    """Days of a shape with noise that lasts (a third of yesterday's is still there today)."""
    chance = random.Random(f"{shape.__name__} {seed}")
    likely, rest, found = shape(chance), 0.0, []
    for number, date in enumerate(days_from(first, last)):
        rest = 0.33 * rest + chance.gauss(0, noise)
        week = weekend if date.weekday() >= WEEKEND else 1.0
        amount = max(0.0, likely(chance, number, date) * week * (1 + rest))
        found.append(Day(date, Decimal(f"{amount:.6f}")))
    return tuple(found)
