# SPDX-License-Identifier: Apache-2.0
"""Foresee the mean of coming days by simple forecasters, each trusted as it was right of late.

Pure, in floats. Combined after Bates and Granger (1969), weighted as Raftery (2010): a squared
error makes a forecaster less likely, and is forgotten."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from statistics import fmean

from msgspec import Struct

from twinguard.decide import robust
from twinguard.decide.robust import WEEK

WINDOWS = (3, 7, 14, 28, 56, 112)
"""Days whose means foresee; the run-rate of a month is one of their kind."""

TREND = 28
"""Days whose mean a trend goes on from; below as many nobody knows one."""

TREND_SEEN = 56
"""Days that a trend is seen in."""

DAMPING = 0.97
"""A trend loses three per cent of its daily step each day (Gardner and McKenzie 1985)."""

FORGETTING = 0.97
"""What an error a day ago still counts: half after three weeks."""

REMEMBERED = 60
"""Days of errors that are looked at."""

JUDGED = 7
"""Days that a forecaster is judged over: a week, since single days are mostly chance."""

WORST = 16.0
"""The most that one error counts, in squared scales: four of them, however wild the day was."""

TELLING = 3
"""Days before the first origin that is judged."""

_TINY = 1e-12


class Foreseen(Struct, frozen=True, kw_only=True):
    """The mean of the coming days, how far the forecasters that are trusted disagree (standard
    deviation), how many days it rests on, and how wrong it was in the past over as many days, as
    shares of what it foresaw."""

    mean: float
    apart: float
    days: float
    missed: list[float]


class _Track(Struct, frozen=True):
    """A series with what every forecaster said at each of its days: level there, step per day."""

    sums: list[float]
    scale: float
    said: list[list[tuple[float, float]]]

    def mean(self, first: int, last: int) -> float:
        return (self.sums[last] - self.sums[first]) / (last - first)

    def ahead(self, origin: int, days: int) -> list[float]:
        """What each says the mean of the days after an origin is."""
        gain = _gain(days)
        return [level + step * gain for level, step in self.said[origin]]

    def weights(self, origin: int) -> list[float]:
        """How much each is trusted at an origin, by what was known there; they add up to 1."""
        costs = [0.0] * len(self.said[origin])
        for at in range(max(TELLING, origin - REMEMBERED), origin):
            days = min(JUDGED, origin - at)
            actual = self.mean(at, at + days)
            counts = FORGETTING ** (origin - 1 - at)
            for each, guess in enumerate(self.ahead(at, days)):
                off = (actual - guess) / self.scale
                costs[each] += counts * min(WORST, off * off)
        least = min(costs)
        found = [math.exp((least - cost) / 2) for cost in costs]
        return [one / sum(found) for one in found]


def foreseen(values: Sequence[float], ahead: int, *, is_never_negative: bool) -> Foreseen:
    """What the mean of so many days after the values comes to; three values or more."""
    sums = list(accumulate(values, initial=0.0))
    said = [_said(values, sums, at, is_never_negative) for at in range(len(values) + 1)]
    track = _Track(sums, _scale(values), said)
    weights, guesses = track.weights(len(values)), track.ahead(len(values), ahead)
    mean = _weighted(weights, guesses)
    return Foreseen(
        mean=mean,
        apart=math.sqrt(_weighted(weights, [(guess - mean) ** 2 for guess in guesses])),
        days=_weighted(weights, [min(len(values), window) for window in (*WINDOWS, TREND)]),
        missed=_missed(track, len(values), ahead),
    )


def _said(
    values: Sequence[float], sums: Sequence[float], at: int, is_never_negative: bool
) -> list[tuple[float, float]]:
    """What each forecaster says after so many values."""
    if not at:
        return []
    means = [(sums[at] - sums[max(0, at - window)]) / min(at, window) for window in WINDOWS]
    if at < TREND:
        return [(mean, 0.0) for mean in (*means, means[-1])]
    step = robust.steady(values[max(0, at - TREND_SEEN) : at])
    level = (sums[at] - sums[at - TREND]) / TREND + step * (TREND - 1) / 2
    if is_never_negative:
        level, step = max(0.0, level), max(step, -max(0.0, level) * (1 - DAMPING))
    return [*((mean, 0.0) for mean in means), (level, step)]


def _gain(days: int) -> float:
    """The mean of what a damped step adds up to, over so many days ahead."""
    whole = 1 / (1 - DAMPING)
    return whole - DAMPING * whole * whole * (1 - DAMPING**days) / days


def _scale(values: Sequence[float]) -> float:
    """How far a day lies off: between what a robust and what a mean deviation says."""
    moves = [(b - a) / math.sqrt(2) for a, b in pairwise(values)][-56:]
    mean = fmean([abs(move) for move in moves]) if moves else 0.0
    level = abs(fmean(values[-28:]))
    return max((robust.spread(moves) + math.sqrt(math.pi / 2) * mean) / 2, 0.05 * level, _TINY)


def _missed(track: _Track, count: int, ahead: int) -> list[float]:
    """How wrong the same was in the past over as many days, as shares of what it foresaw."""
    floor, found = 0.1 * abs(track.mean(0, count)), []
    for origin in range(count - ahead, 2 * WEEK - 1, -3):
        guess = _weighted(track.weights(origin), track.ahead(origin, ahead))
        off = track.mean(origin, origin + ahead) - guess
        found.append(off / max(abs(guess), floor, _TINY))
    return found


def _weighted(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))
