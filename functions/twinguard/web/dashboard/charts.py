# SPDX-License-Identifier: Apache-2.0
"""Draw a month and a year as lines: the geometry of an SVG, and the same numbers for uPlot. Pure.

The SVG is what who has no JavaScript sees; floats are for pixels only."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from msgspec import Struct

from twinguard.decide.months import days_from, last_of
from twinguard.reports.document import Daily

WIDTH, HEIGHT = 600, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 12, 22
STEPS = 4


class Mark(Struct, frozen=True):
    """A place on an axis, with its text."""

    at: float
    text: str


class Plot(Struct, frozen=True, kw_only=True):
    """A drawing: `paths` by class, `levels` with their names, and `data` for uPlot as JSON."""

    paths: tuple[tuple[str, str], ...]
    across: tuple[Mark, ...]
    up: tuple[Mark, ...]
    levels: tuple[Mark, ...]
    data: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    base: int = HEIGHT - BOTTOM


def month_plot(daily: Daily) -> Plot | None:
    """The sum so far, the budget's lines, and where the month may end; None without costs."""
    if not any(amount for _, amount in daily.days):
        return None
    all_days = days_from(daily.month, last_of(daily.month))
    known = dict(zip((day for day, _ in daily.days), _sums(daily), strict=True))
    sums = [known.get(day) for day in all_days]
    low, high = _fan(daily, all_days, sums)
    levels = [(name, float(amount)) for name, amount in daily.lines]
    top = max(amount for amount in (*sums, *high, *(a for _, a in levels)) if amount is not None)
    x = _scale(0, len(all_days) - 1, LEFT + 4, WIDTH - RIGHT - 4)
    ticks = _ticks(top)
    y = _scale(0, ticks[-1], HEIGHT - BOTTOM, TOP)
    line = [(x(n), y(amount)) for n, amount in enumerate(sums) if amount is not None]
    fan = [(x(n), y(amount)) for n, amount in enumerate(high) if amount is not None]
    fan += [(x(n), y(amount)) for n, amount in reversed([*enumerate(low)]) if amount is not None]
    return Plot(
        paths=(("fan", _path(fan, closed=True)), ("line", _path(line))),
        across=tuple(Mark(x(n), str(day.day)) for n, day in enumerate(all_days) if n % 7 == 0),
        up=tuple(Mark(y(tick), _short(tick)) for tick in ticks),
        levels=tuple(Mark(y(amount), name) for name, amount in levels),
        data=_data(all_days, {"sum": sums, "low": low, "high": high}, levels, daily.currency),
    )


def year_plot(days: Sequence[tuple[dt.date, Decimal]], currency: str) -> Plot | None:
    """Each day's amount; days without costs are zero. None where there are fewer than two."""
    if len(days) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    amounts = dict(days)
    all_days = days_from(min(amounts), max(amounts))
    values = [float(amounts.get(day, 0)) for day in all_days]
    ticks = _ticks(max(values))
    x = _scale(0, len(all_days) - 1, LEFT + 4, WIDTH - RIGHT - 4)
    y = _scale(min(0.0, *values), ticks[-1], HEIGHT - BOTTOM, TOP)
    line = [(x(n), y(value)) for n, value in enumerate(values)]
    months = [(n, day) for n, day in enumerate(all_days) if day.day == 1]
    return Plot(
        paths=(("line", _path(line)),),
        across=tuple(Mark(x(n), f"{day:%b}") for n, day in months[:: 1 + len(months) // 8]),
        up=tuple(Mark(y(tick), _short(tick)) for tick in ticks),
        levels=(),
        data=_data(all_days, {"day": list(values)}, [], currency),
    )


def _sums(daily: Daily) -> list[float]:
    return [float(total) for total in accumulate(amount for _, amount in daily.days)]


Heights = list[float | None]


def _fan(daily: Daily, days: Sequence[dt.date], sums: Heights) -> tuple[Heights, Heights]:
    """From the last complete day to the two ends of the forecast, in straight lines."""
    empty: Heights = [None] * len(days)
    if daily.forecast is None:
        return empty, empty
    through = daily.through or daily.month
    known = [n for n, day in enumerate(days) if sums[n] is not None and day <= through]
    start = known[-1] if known else next(n for n, one in enumerate(sums) if one is not None)
    last, begun = len(days) - 1, sums[start] or 0.0
    if start == last:
        return empty, empty
    ends = [float(end) for end in daily.forecast]
    low, high = (
        empty[:start]
        + [begun + (end - begun) * (n - start) / (last - start) for n in range(start, last + 1)]
        for end in ends
    )
    return low, high


def _data(
    days: Sequence[dt.date],
    series: dict[str, Heights],
    levels: list[tuple[str, float]],
    currency: str,
) -> str:
    noon = [int(dt.datetime(d.year, d.month, d.day, 12, tzinfo=dt.UTC).timestamp()) for d in days]
    rounded = {
        name: [None if value is None else round(value, 4) for value in values]
        for name, values in series.items()
    }
    told = {"x": noon, "series": rounded, "levels": levels, "currency": currency}
    return json.dumps(told, separators=(",", ":"))


def _ticks(top: float) -> list[float]:
    """Round numbers from zero to above the top."""
    if top <= 0:
        return [0.0, 1.0]
    size = 10 ** math.floor(math.log10(top / STEPS))
    step = next(size * by for by in (1, 2, 2.5, 5, 10) if size * by * STEPS >= top)
    return [step * n for n in range(math.ceil(top / step) + 1)]


def _short(amount: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:g}{unit}"
    return f"{amount:g}"


class _scale(Struct, frozen=True):  # noqa: N801 - used as a function
    """From one range to another."""

    first: float
    last: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value is drawn."""
        span = self.last - self.first or 1.0
        return round(self.start + (self.end - self.start) * (value - self.first) / span, 1)


def _path(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    if not points:
        return ""
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points) + ("Z" if closed else "")
