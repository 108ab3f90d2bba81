# SPDX-License-Identifier: Apache-2.0
"""Numbers of paired measurements: the middle, the spread, and the ratio within each pair.

A pair is measured side by side, so what else the machine does weighs on both of its halves."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Where the numbers lie: the middle half is between `lower` and `upper`."""

    median: float
    lower: float
    upper: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.lower:.3f} to {self.upper:.3f})"


def spread(numbers: Sequence[float]) -> Spread:
    """The spread of one number or more."""
    lower, median, upper = (
        statistics.quantiles(numbers, n=4, method="inclusive")
        if len(numbers) > 1
        else [numbers[0]] * 3
    )
    return Spread(median, lower, upper, min(numbers), max(numbers))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The spread of ours divided by theirs, pair by pair."""
    return spread([mine / other for mine, other in zip(ours, theirs, strict=True)])
