# SPDX-License-Identifier: Apache-2.0
"""Find the days on which a group (service, tenant, model) spent what its past does not explain.

Pure. Statistics run in floats, the amounts that are told are exact or rounded to a millionth.
`notices.py` decides which of them people have yet to hear of."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from statistics import median

from msgspec import Struct

from twinguard.decide import robust, tails
from twinguard.decide.charges import EDGE, in_month, is_edge
from twinguard.decide.months import ONE, before, days_from
from twinguard.decide.robust import WEEK
from twinguard.decide.spend import UNATTRIBUTED, Anomaly, Dimension, Driver, Line
from twinguard.decide.tails import Past

Amounts = Mapping[dt.date, Decimal]

HISTORY = 112
"""Days before the judged one that it is compared with: sixteen of each weekday."""

COLD = 7
"""Below as many days of its own a group has no past to be compared with."""

QUIET = 0.5
"""A group whose typical day lies below this share of its mean comes and goes: no drop is seen."""


class Rules(Struct, frozen=True, kw_only=True):
    """What it takes to be told. Amounts in the currency that is judged.

    A day is told when it is at least `minimum` and `ratio` times above what was expected and
    `scores` robust standard deviations out; a drop when that holds for `drop_days` complete days.
    A group without a past is told from `cold` on, or `cold_share` of a typical day of all groups,
    whichever is more."""

    minimum: Decimal = Decimal(10)
    ratio: Decimal = Decimal(2)
    scores: Decimal = Decimal(5)
    drop_days: int = 3
    cold: Decimal = Decimal(50)
    cold_share: Decimal = Decimal("0.25")


class _Expectation(Struct, frozen=True):
    """What a day was expected to cost at most and at least, one robust standard deviation of it,
    what a level is worth on its weekday, and what its past days were as multiples of theirs."""

    amount: float
    low: float
    scale: float
    unit: float
    times: list[float]


def groups(lines: Iterable[Line]) -> dict[tuple[str, str], dict[dt.date, Decimal]]:
    """Daily net spend by name and currency, from lines by (day, dimension).

    Cost without a label is the group `unattributed`."""
    found: dict[tuple[str, str], dict[dt.date, Decimal]] = {}
    for line in lines:
        day, name = line.keys[0], line.keys[1]
        date = dt.date.fromisoformat(day or "")
        series = found.setdefault((name or UNATTRIBUTED, line.currency), {})
        series[date] = series.get(date, Decimal(0)) + line.net
    return found


def found(
    dimension: Dimension,
    lines: Iterable[Line],
    as_of: dt.date,
    since: dt.date,
    rules: Mapping[str, Rules] | None = None,
) -> tuple[Anomaly, ...]:
    """The anomalies of the days from `since` on, oldest first, then the dearest.

    `lines` are by (day, dimension), net, of 120 days or so. Days after `as_of` are incomplete:
    they are judged as they are, for too much only, since they can only grow. Currencies are judged
    apart, each by its rules; `Rules()` are for one like the dollar."""
    by_group = groups(lines)
    result: list[Anomaly] = []
    for currency in sorted({currency for _, currency in by_group}):
        own = {name: series for (name, other), series in by_group.items() if other == currency}
        begin = min(min(series) for series in own.values())
        newest = max(as_of, *(max(series) for series in own.values()))
        rule = (rules or {}).get(currency, Rules())
        cold = _cold_limit(own, begin, since, rule)
        for name, series in own.items():
            days = _filled(series, begin, newest)
            for date in days_from(max(since, begin + COLD * ONE), newest):
                seen = _high(days, date, rule, cold) or _low(days, date, as_of, rule)
                if seen is not None:
                    result.append(_anomaly(dimension, name, currency, date, seen))
    return tuple(sorted(result, key=lambda a: (a.date, -abs(a.actual - a.expected), a.name)))


def drivers(anomaly: Anomaly, lines: Iterable[Line], top: int = 3) -> tuple[Driver, ...]:
    """What changed most inside an anomaly, the largest first, in its own direction.

    `lines` are by (day, the anomaly's dimension, a second one), of the four weeks before it too.
    Before is the median of the same weekday, so that a Monday is compared with Mondays."""
    inside = [
        Line(
            keys=(line.keys[0], line.keys[2]),
            currency=line.currency,
            cost=line.cost,
            credits=line.credits,
        )
        for line in lines
        if (line.keys[1] or UNATTRIBUTED) == anomaly.name and line.currency == anomaly.currency
    ]
    up = anomaly.actual >= anomaly.expected
    changes = []
    for (name, _), series in groups(inside).items():
        past = [series.get(anomaly.date - week * WEEK * ONE, Decimal(0)) for week in range(1, 5)]
        after = series.get(anomaly.date, Decimal(0))
        changes.append(Driver(name=name, before=Decimal(median(past)), after=after))
    moved = [one for one in changes if one.change and (one.change > 0) is up]
    return tuple(sorted(moved, key=lambda one: (-abs(one.change), one.name))[:top])


_Verdict = tuple[Decimal, float, float, float]
"""Actual, expected, limit, score."""


def _anomaly(
    dimension: Dimension, name: str, currency: str, date: dt.date, seen: _Verdict
) -> Anomaly:
    actual, expected, limit, score = seen
    return Anomaly(
        dimension=dimension,
        name=name,
        date=date,
        currency=currency,
        actual=actual,
        expected=_decimal(expected),
        limit=_decimal(limit),
        score=Decimal(f"{score:.1f}"),
    )


def _high(days: Amounts, date: dt.date, rules: Rules, cold: float) -> _Verdict | None:
    actual = days.get(date, Decimal(0))
    if actual < rules.minimum:
        return None
    past = _past(days, date)
    if len(past) < COLD:
        expected = max(0.0, median(past)) if past else 0.0
        limit = max(cold, expected * 2 * float(rules.ratio))
        scale = max(robust.spread(past), limit / float(rules.scores), 1e-12)
    else:
        seen = _expected(date, past)
        expected, scale = seen.amount + _charge(days, date), seen.scale
        limit = max(
            expected + float(rules.scores) * scale,
            expected * float(rules.ratio),
            expected + float(rules.minimum),
        )
        if float(actual) > limit:
            limit = max(limit, _usual(date, seen, limit))
    if float(actual) <= limit:
        return None
    return actual, expected, limit, (float(actual) - expected) / scale


def _low(days: Amounts, date: dt.date, as_of: dt.date, rules: Rules) -> _Verdict | None:
    """A drop, on the day that makes it last long enough; only where all its days are complete."""
    run = days_from(date - (rules.drop_days - 1) * ONE, date)
    past = _past(days, run[0])
    if date > as_of or len(past) < 4 * WEEK or run[0] not in days:
        return None
    recent = past[-4 * WEEK :]
    if float(days.get(date, Decimal(0))) >= max(recent) / float(rules.ratio):
        return None  # looked at first: nearly every day ends here
    if median(recent) <= QUIET * sum(recent) / len(recent):
        return None
    verdict = None
    for one in run:
        seen = _expected(run[0], past, on=one)
        limit = min(
            seen.low - float(rules.scores) * seen.scale,
            seen.low / float(rules.ratio),
            seen.low - float(rules.minimum),
        )
        actual = days.get(one, Decimal(0))
        if float(actual) >= limit:
            return None
        verdict = actual, seen.low, limit, (float(actual) - seen.low) / seen.scale
    return verdict


def _past(days: Amounts, date: dt.date) -> list[float]:
    """The days before it, from the group's first, up to eight weeks."""
    first = next((day for day, amount in days.items() if amount), date)
    begin = max(first, date - HISTORY * ONE)
    return [float(days[day]) for day in days_from(begin, date - ONE)]


def _expected(date: dt.date, past: Sequence[float], on: dt.date | None = None) -> _Expectation:
    """The day's level by its weekday, and how far days like it lay off their own level.

    There are two rolling levels: the last week's, going on as it grows if it does, and the last
    fortnight's. Too much is judged by the higher, so that a launch may go on and a quiet week is no
    measure; too little by the lower, so that growth need not go on."""
    at = on or date
    weekdays = [(date - (len(past) - n) * ONE).weekday() for n in range(len(past))]
    factors = robust.profile(past, weekdays)
    flat = [value / max(factors[day], 0.1) for value, day in zip(past, weekdays, strict=True)]
    factor = factors[at.weekday()]
    rolling = robust.levels(flat)
    off = [value - level for value, level in zip(flat, rolling, strict=True)]
    same = [o for o, day in zip(off, weekdays, strict=True) if day == at.weekday()]
    step = max(0.0, robust.slope(flat[-2 * WEEK :]))
    near = flat[-WEEK:]
    ahead = median([value + step * (len(near) - n) for n, value in enumerate(near)])
    low, level = sorted((ahead, median(flat[-2 * WEEK :])))
    scale = robust.spread(off)
    if len(same) >= 5:  # noqa: PLR2004 - the spread of fewer is chance
        scale = max(scale / 2, robust.spread(same))
    scale = max(scale, 0.1 * abs(level))
    least = max(0.5 * sum(flat) / len(flat), 1e-12)
    times = [value / max(at, least) for value, at in zip(flat, rolling, strict=True)]
    unit = max(max(level, least) * factor, 1e-12)
    return _Expectation(level * factor, low * factor, max(scale * factor, 1e-12), unit, times)


def _usual(date: dt.date, seen: _Expectation, limit: float) -> float:
    """Up to what a day is usual by the group's own dear days, those at a month's edge apart."""
    dates = days_from(date - len(seen.times) * ONE, date - ONE)
    dear = limit / seen.unit
    is_dear = [times > dear for times in seen.times]
    run = next(
        (n for n, is_so in enumerate(reversed(is_dear), start=1) if not is_so), len(dates) + 1
    )
    elsewhere = [
        is_so and not is_edge(day, EDGE) for day, is_so in zip(dates, is_dear, strict=True)
    ]
    if sum(is_dear) > 3 * sum(elsewhere) and not is_edge(date, EDGE):
        is_dear = elsewhere
    return seen.unit * tails.usual_limit(Past(seen.times, is_dear), run)


def _charge(days: Amounts, date: dt.date) -> float:
    """What stood out in the same place of the months before: a charge or job of every month.

    At a month's edges one month before is enough; on other days it takes two."""
    excesses = []
    for months in (1, 2):
        then = in_month(date, before(date, months))
        around = [
            float(days[d]) for d in days_from(then - WEEK * ONE, then + WEEK * ONE) if d in days
        ]
        if then in days and len(around) > WEEK:
            excesses.append(max(0.0, float(days[then]) - median(around)))
    if is_edge(date, EDGE):
        return max(excesses, default=0.0)
    return min(excesses) if len(excesses) == 2 else 0.0  # noqa: PLR2004 - both months


def _cold_limit(own: Mapping[str, Amounts], begin: dt.date, since: dt.date, rules: Rules) -> float:
    """What a group without a past may cost a day."""
    days = days_from(max(begin, since - 4 * WEEK * ONE), since - ONE)
    sums = [float(sum(series.get(day, Decimal(0)) for series in own.values())) for day in days]
    typical = median(sums) if sums else 0.0
    return max(float(rules.cold), float(rules.cold_share) * typical)


def _filled(series: Amounts, begin: dt.date, newest: dt.date) -> dict[dt.date, Decimal]:
    """Every day's amount: a day without rows was free."""
    return {date: series.get(date, Decimal(0)) for date in days_from(begin, newest)}


def _decimal(amount: float) -> Decimal:
    return Decimal(f"{amount if math.isfinite(amount) else 0:.6f}")
