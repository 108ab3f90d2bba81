# SPDX-License-Identifier: Apache-2.0
"""Draw what coming days may cost: weekday profile, level, damped trend, and the past's surprises.

Pure, in floats; `forecast.py` puts exact amounts around it. The same values give the same draws,
and values in another unit the same draws in that unit: the seed comes from dates alone."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median

from msgspec import Struct

from twinguard.decide import robust
from twinguard.decide.robust import WEEK

RECENT = 56
"""The newest days that level and trend are taken from: eight weeks."""

DAMPING = 0.97
"""A trend loses three per cent of its daily step each day (Gardner and McKenzie 1985)."""

DRAWS = 300
LOW, HIGH = 0.1, 0.9
BETWEEN = 2.563
"""Standard deviations between the two, where values are normally distributed."""

WIDEST = 4.0
"""Past surprises widen an interval up to so many times: one lost month must not for ever."""

_TINY = 1e-12


class Model(Struct, frozen=True, kw_only=True):
    """What days after `origin` come to: level and step per day there, and factors by weekday.

    `flat` are the past's values without their week, `smooth` their recent rolling levels,
    `residuals` what each differed by, in units of its level or, near zero, of `floor`."""

    origin: dt.date
    level: float
    step: float
    weekdays: list[float]
    flat: list[float]
    smooth: list[float]
    residuals: list[float]
    floor: float
    is_never_negative: bool

    def level_at(self, ahead: int, level: float, step: float) -> float:
        """The level so many days after a day with that level and step."""
        found = level + step * (1 - DAMPING**ahead) / (1 - DAMPING)
        return max(0.0, found) if self.is_never_negative else found

    def unit(self, level: float) -> float:
        """What residuals are measured in at a level."""
        return max(abs(level), self.floor, _TINY)


def fitted(values: Sequence[float], first: dt.date) -> Model:
    """The model of daily values without gaps, seven or more, from the first day on."""
    weekdays = [(first.weekday() + n) % WEEK for n in range(len(values))]
    factors = robust.profile(values, weekdays)
    flat = _flat(values, weekdays, factors)
    smooth = robust.levels(flat)
    level, step = _fit(flat[-RECENT:])
    model = Model(
        origin=first + dt.timedelta(len(values) - 1),
        level=level,
        step=step,
        weekdays=factors,
        flat=flat,
        smooth=smooth[-RECENT:],
        residuals=[],
        floor=0.1 * abs(median(smooth) or fmean([abs(value) for value in values])),
        is_never_negative=min(values) >= 0,
    )
    for value, height, weekday in zip(values, smooth, weekdays, strict=True):
        model.residuals.append((value - height * factors[weekday]) / model.unit(height))
    return model


def ends(model: Model, has: Mapping[dt.date, float], as_of: dt.date) -> tuple[float, float, float]:
    """The 10th, 50th and 90th percentile of what the days still bring on top of what each `has`.

    A residual bootstrap (Efron 1979): each draw refits level and trend to a past that could have
    been, and lets whole weeks of residuals happen again, so that neighbouring days stay together.
    It knows nothing of levels that move by themselves, so the interval is widened until it fits
    how wrong the same model was in the past eight weeks, over as many days."""
    if not has:
        return 0.0, 0.0, 0.0
    seed = f"{model.origin} {as_of} {len(model.residuals)} {min(has)} {max(has)}"
    drawn = robust.numbers(seed, DRAWS * (len(model.smooth) + 3 * len(has)))
    pasts = [_fit(_another_past(model, drawn)) for _ in range(DRAWS)]
    usual = median([level for level, _ in pasts]), median([step for _, step in pasts])
    totals = sorted(
        _total(model, (level - usual[0], step - usual[1]), has, as_of, drawn)
        for level, step in pasts
    )
    low, half, high = (robust.quantile(totals, share) for share in (LOW, 0.5, HIGH))
    missed = BETWEEN * len(has) * _missed(model, len(has))
    wider = max(1.0, min(WIDEST, missed / max(high - low, _TINY)))
    least = 0.0 if model.is_never_negative else -math.inf
    return max(least, half - (half - low) * wider), half, half + (high - half) * wider


def _flat(values: Sequence[float], weekdays: list[int], factors: list[float]) -> list[float]:
    """The values without their week; a weekday on which next to nothing is spent tells nothing."""
    found: list[float] = []
    for value, weekday in zip(values, weekdays, strict=True):
        is_telling = factors[weekday] >= 0.1  # noqa: PLR2004 - else noise is magnified
        found.append(value / factors[weekday] if is_telling else (found[-1] if found else value))
    return found


def _fit(flat: Sequence[float]) -> tuple[float, float]:
    """Level at the last day and step per day."""
    step, last = robust.steady(flat), len(flat) - 1
    return robust.newest([value + step * (last - n) for n, value in enumerate(flat)]), step


def _missed(model: Model, ahead: int) -> float:
    """The standard deviation of how wrong the mean of so many days was foreseen in the past.

    From up to eight origins, a week apart, each knowing only what was before it; 0 without one."""
    found = []
    for origin in range(len(model.flat) - ahead, 4 * WEEK - 1, -WEEK)[:8]:
        level, step = _fit(model.flat[max(0, origin - RECENT) : origin])
        foreseen = fmean([model.level_at(n + 1, level, step) for n in range(ahead)])
        actual = fmean(model.flat[origin : origin + ahead])
        found.append(abs(actual - foreseen) / model.unit(level))
    # A normal distribution's standard deviation is its mean absolute deviation times this.
    return math.sqrt(math.pi / 2) * fmean(found) * model.unit(model.level) if found else 0.0


def _total(
    model: Model,
    error: tuple[float, float],
    has: Mapping[dt.date, float],
    as_of: dt.date,
    drawn: Iterator[int],
) -> float:
    """One draw of what the days bring on top of what they have, with that error in the fit."""
    level, step, found, week = model.level + error[0], model.step + error[1], 0.0, 0
    for at, (date, known) in enumerate(has.items()):
        ahead = (date - model.origin).days
        week = next(drawn) if at % WEEK == 0 else week
        height = model.level_at(ahead, level, step)
        usual = height * model.weekdays[date.weekday()]
        expected = usual + _surprise(model.residuals, ahead, week) * model.unit(height)
        expected = max(0.0, expected) if model.is_never_negative else expected
        if date <= as_of:
            # Rows of the day may be late, a part of what misses to a usual one; no surprises.
            found += max(0.0, usual - known) * next(drawn) / 2**32
        elif known:
            found += max(0.0, expected - known)
        else:
            found += expected
    return found


def _another_past(model: Model, drawn: Iterator[int]) -> list[float]:
    """The smooth past with residuals of other weeks."""
    pool, start, found = model.residuals, 0, []
    for at, height in enumerate(model.smooth):
        start = next(drawn) if at % WEEK == 0 else start
        found.append(height + pool[(start + at) % len(pool)] * model.unit(height))
    return found


def _surprise(residuals: Sequence[float], ahead: int, week: int) -> float:
    """The residual of the same weekday in one of the past weeks; of any day below two weeks."""
    weeks = len(residuals) // WEEK
    if weeks < 2:  # noqa: PLR2004 - one week is no choice
        return residuals[(ahead + week) % len(residuals)]
    return residuals[(ahead - 1) % WEEK - WEEK * (1 + week % weeks)]
