# SPDX-License-Identifier: Apache-2.0
"""Say what coming days may cost: their weekdays, their level, and how far both may be wrong.

Pure, in floats; `forecast.py` puts exact amounts around it, `blend.py` foresees the level. The same
values give the same ends, in another unit too: what is drawn is seeded by dates alone."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import NormalDist, fmean, median

from msgspec import Struct

from twinguard.decide import blend, robust
from twinguard.decide.blend import Foreseen
from twinguard.decide.robust import WEEK

DRAWS = 400
SHARES = (0.025, 0.1, 0.5, 0.9, 0.975)
"""Where the interval of 95 per cent begins, that of 80, the middle, and where they end."""

LATE = 0.9
"""What an open day lacks of a usual one is taken to come with this likelihood."""

NARROWEST, WIDEST, UTMOST = 0.8, 4.0, 8.0
"""So many times at least and at most, past errors stretch the interval of 80 per cent, and at most
that of 95: one lost month must not for ever."""

LEARNED = 0.93
"""Past errors count a little less: what foresaw then had seen less of the series."""

WORSE = 1.2
"""The interval of 95 per cent reaches so many times as far as the worst error of the past."""

YOUNG = 6
"""Intervals grow by this many days divided by those known: spreads of few days come out small."""

_TINY = 1e-12


class Ends(Struct, frozen=True, kw_only=True):
    """What days still bring: the middle, and the ends of the intervals of 80 and 95 per cent."""

    lowest: float
    low: float
    middle: float
    high: float
    highest: float


class _Noise(Struct, frozen=True):
    """What days differed by from their rolling level, as shares of it: running sums, with the
    first `block` days again after the last, and the variance of a day in a long sum."""

    sums: list[float]
    days: int
    block: int
    lasting: float


def ends(
    values: Sequence[float],
    first: dt.date,
    coming: Mapping[dt.date, float],
    open_since: dt.date,
    doubt: float = 0.0,
) -> Ends:
    """What the `coming` days bring on top of what each has, and what the open days still lack.

    `values` are daily amounts without gaps, seven or more, from the first day on; those from
    `open_since` on may grow. `doubt` is a standard deviation that is added: of monthly charges."""
    weekdays = [(first.weekday() + n) % WEEK for n in range(len(values))]
    factors = robust.profile(values, weekdays)
    flat = _flat(values, weekdays, factors)
    lack = 0.0
    for at, lacks in _lacks(flat, (open_since - first).days).items():
        flat[at] += lacks
        lack += lacks * factors[weekdays[at]]
    if not coming:
        lowest, low, middle, high, highest = (share * lack for share in SHARES)
        return Ends(lowest=lowest, low=low, middle=middle, high=high, highest=highest)
    least = 0.0 if min(values) >= 0 else -math.inf
    level = blend.foreseen(flat, len(coming), is_never_negative=not least)
    usual = [(level.mean * factors[date.weekday()], has) for date, has in coming.items()]
    middle = LATE * lack + sum(max(0.0, one - has) if has else one for one, has in usual)
    seed = f"{first} {len(values)} {min(coming)} {max(coming)}"
    lowest, low, high, highest = _off(flat, level, len(coming), lack, doubt, seed)
    return Ends(
        lowest=max(least, middle + lowest),
        low=max(least, middle + low),
        middle=middle,
        high=middle + high,
        highest=middle + highest,
    )


def _flat(values: Sequence[float], weekdays: list[int], factors: list[float]) -> list[float]:
    """The values without their week; a weekday on which next to nothing is spent tells nothing."""
    found: list[float] = []
    for value, weekday in zip(values, weekdays, strict=True):
        is_telling = factors[weekday] >= 0.1  # noqa: PLR2004 - else noise is magnified
        found.append(value / factors[weekday] if is_telling else (found[-1] if found else value))
    return found


def _lacks(flat: Sequence[float], settled: int) -> dict[int, float]:
    """What each day after the settled ones lacks of a usual one: its rows are late, more likely
    than that it is cheap. Where the last two settled days are cheap too, it is."""
    if settled >= len(flat):
        return {}
    usual = min(median(flat[max(0, settled - WEEK) : settled]), max(flat[settled - 2 : settled]))
    return {at: max(0.0, usual - flat[at]) for at in range(settled, len(flat))}


def _off(
    flat: Sequence[float], level: Foreseen, ahead: int, lack: float, doubt: float, seed: str
) -> tuple[float, float, float, float]:
    """How far the intervals of 95 and 80 per cent reach from the middle: two down, two up.

    Blocks of days happen again (Künsch 1989), around a level that is known as well as its days
    allow. That knows nothing of levels that move by themselves, so it is stretched until it fits
    how wrong the same forecast was in the past, over as many days."""
    smooth = robust.levels(flat)
    floor = max(0.1 * abs(median(smooth) or fmean([abs(value) for value in flat])), _TINY)
    unit = max(abs(level.mean), floor)
    noise = _noise([(v - h) / max(abs(h), floor) for v, h in zip(flat, smooth, strict=True)])
    spread = math.hypot(level.apart, unit * math.sqrt(noise.lasting / level.days)) * ahead
    totals = _drawn(noise, ahead, unit, math.hypot(spread, doubt), lack, seed)
    far = [robust.quantile(totals, share) for share in SHARES]
    more = 1 + YOUNG / noise.days
    lowest, low, high, highest = ((far[at] - far[2]) * more for at in (0, 1, 3, 4))
    if not level.missed:
        return lowest, low, high, highest
    usual = LEARNED * unit * ahead * math.sqrt(fmean([off * off for off in level.missed]))
    worst = unit * ahead * max(abs(off) for off in level.missed)
    scale = math.sqrt(fmean([total * total for total in totals]))
    near = max(NARROWEST, min(WIDEST, usual / max(scale, _TINY)))
    wide = max(near, min(UTMOST, WORSE * worst / max(highest, -lowest, _TINY)))
    return lowest * wide, low * near, high * near, highest * wide


def _noise(offs: Sequence[float]) -> _Noise:
    days = len(offs)
    block = max(1, min(WEEK, days // 8))
    mean = fmean(offs)
    sums = list(accumulate((off - mean for off in [*offs, *offs[:block]]), initial=0.0))
    squares = [(sums[at + block] - sums[at]) ** 2 for at in range(days)]
    return _Noise(sums, days, block, fmean(squares) / block * days / (days - block))


def _drawn(
    noise: _Noise, ahead: int, unit: float, spread: float, lack: float, seed: str
) -> list[float]:
    """How far the sum of the coming days may lie off, drawn many times, in order."""
    drawn = robust.numbers(seed, DRAWS * (3 + ahead // noise.block))
    normal, found = NormalDist(), []
    for _ in range(DRAWS):
        off = 0.0
        for left in range(ahead, 0, -noise.block):
            start = next(drawn) % noise.days
            off += noise.sums[start + min(left, noise.block)] - noise.sums[start]
        chance = spread * normal.inv_cdf((next(drawn) + 0.5) / 2**32)
        late = lack * ((next(drawn) < LATE * 2**32) - LATE)
        found.append(unit * off + chance + late)
    return sorted(found)
