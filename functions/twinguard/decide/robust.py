# SPDX-License-Identifier: Apache-2.0
"""Statistics that a few wild days do not move. Pure; floats, so nothing here is ever reported.

Median and MAD after Hampel (1974), slopes after Theil (1950) and Sen (1968)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from itertools import chain
from statistics import fmean, median

WEEK = 7
CONSISTENT = 1.4826
"""MAD times this estimates the standard deviation of normally distributed values (Hampel 1974)."""


def spread(values: Sequence[float]) -> float:
    """The median absolute deviation from the median, as a standard deviation; 0 without values."""
    if not values:
        return 0.0
    middle = median(values)
    return CONSISTENT * median([abs(value - middle) for value in values])


def slope(values: Sequence[float]) -> float:
    """Theil-Sen: the median of the slopes between all pairs, per step; 0 below three values.

    Up to 29 % of the values may be arbitrary without carrying it away."""
    if len(values) < 3:  # noqa: PLR2004 - two points always lie on a line
        return 0.0
    return median([(b - a) / j for j in range(1, len(values)) for a, b in _apart(values, j)])


def _apart(values: Sequence[float], steps: int) -> Iterator[tuple[float, float]]:
    return zip(values, values[steps:], strict=False)


def trimmed(values: Sequence[float]) -> float:
    """The mean of the middle half, by number: as robust as few wild days need, and less noisy than
    the median. A quarter is left out on each side, rounded down."""
    cut = len(values) // 4
    return fmean(sorted(values)[cut : len(values) - cut])


def steady(values: Sequence[float]) -> float:
    """The step per day that the last four and the last eight weeks agree on; else 0.

    Slopes are taken over the trimmed means of weeks. The smaller of the two counts, where their
    signs agree: a step is steep in one window only, so it is not taken for growth that goes on.
    Below four weeks it is the slope over ten days or more."""
    if len(values) < 4 * WEEK:
        return slope(values) if len(values) >= 10 else 0.0  # noqa: PLR2004 - as said
    weeks = [trimmed(values[at - WEEK : at]) for at in range(len(values), WEEK - 1, -WEEK)][:8]
    near, far = slope(weeks[:4][::-1]) / WEEK, slope(weeks[::-1]) / WEEK
    return math.copysign(min(abs(near), abs(far)), near) if near * far > 0 else 0.0


def levels(values: Sequence[float], half: int = 7) -> list[float]:
    """The rolling level: the median of the days around each one, whole weeks where there are."""
    count = len(values)
    found = []
    for at in range(count):
        first = max(0, min(at - half, count - 2 * half))
        found.append(median(values[first : first + 2 * half]))
    return found


def profile(values: Sequence[float], weekdays: Sequence[int]) -> list[float]:
    """Seven factors, Monday first, by which days differ from their rolling level; mean 1.

    Each is the median ratio of its weekday, drawn towards 1 as if a quarter of an ordinary day had
    been seen too. Below four weeks working days are alike, and so are the days of a weekend; all
    are 1 below one week or where the level is not above zero."""
    if len(values) < WEEK:
        return [1.0] * WEEK
    ratios: list[list[float]] = [[] for _ in range(WEEK)]
    for value, level, weekday in zip(values, levels(values), weekdays, strict=True):
        if level > 0:
            ratios[weekday].append(value / level)
    if len(values) < 4 * WEEK:
        ratios = [list(chain(*ratios[:5]))] * 5 + [list(chain(*ratios[5:]))] * 2
    raw = [max(0.0, (median(r) * len(r) + 0.25) / (len(r) + 0.25)) if r else 1.0 for r in ratios]
    mean = sum(raw) / WEEK
    return [factor / mean for factor in raw] if mean > 0 else [1.0] * WEEK


def numbers(seed: str, count: int) -> Iterator[int]:
    """That many numbers of 32 bits, always the same for a seed (SHAKE-256).

    The core has no generator of its own: what it draws must not depend on who drew before."""
    stream = hashlib.shake_256(seed.encode()).digest(4 * count)
    return (int.from_bytes(stream[at : at + 4]) for at in range(0, len(stream), 4))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of ordered values lies, between neighbours (type 7)."""
    at = share * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])
