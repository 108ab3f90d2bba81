# SPDX-License-Identifier: Apache-2.0
"""A made-up month of an environment: Google's budget messages, the nights, and what goes wrong.

Pure and seeded: the same policy and seed give the same month. `rehearsal.py` plays it."""

from __future__ import annotations

import datetime as dt
import enum
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from zoneinfo import ZoneInfo

from twinguard.decide import hours
from twinguard.policy import Budget, Policy, Schedule

BILLING_ZONE = ZoneInfo("America/Los_Angeles")
"""Google's billing months begin at midnight there."""

MONTH, NEXT = (2026, 11), (2026, 12)
BUDGET_ID = "de72f49d-779b-4945-a127-4d6ce8def0bb"
ACCOUNT_ID = "01D4EE-079462-DFD6EC"
MALFORMED = b'{"budgetDisplayName": "half a mess'
FORECAST, FIRST, LAST, TOP = 0.25, 0.38, 0.7, 8
"""Parts of the month gone at the forecast, the first and the last rung; per cent above the last."""


class Sort(enum.StrEnum):
    """Kinds of messages that arrive."""

    BUDGET = "budget message"
    ANOMALY = "anomaly notification"
    MALFORMED = "malformed message"
    NIGHT = "night"
    MORNING = "morning"


class Trouble(enum.StrEnum):
    """What goes wrong while a message is handled."""

    DEAD_CHANNEL = "a channel is dead"
    KILL = "killed with kill -9"
    REFUSE = "Google's API fails"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message, when it was published and when it arrives, in simulated time.

    `inert` says that it must change nothing and tell nobody."""

    at: dt.datetime
    published: dt.datetime
    sort: Sort
    cost: float = 0.0
    data: bytes = b""
    attributes: tuple[tuple[str, str], ...] = ()
    note: str = ""
    inert: bool = False
    again: bool = False
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Month:
    """Everything that arrives, in the order in which it does."""

    arrivals: tuple[Arrival, ...]
    start: dt.datetime
    end: dt.datetime


def month_of(policy: Policy, budget: Budget, seed: int) -> Month:
    """The month that leads this budget above its highest rung, and into the next month."""
    rng = random.Random(seed)  # noqa: S311 - a plausible month, no secret
    start, end = midnight(*MONTH), midnight(*NEXT)
    readings = _readings(budget, start, end, rng)
    readings = _confused(readings, budget, rng)
    others = [_anomaly(start, end), _malformed(start, end)]
    if policy.schedule is not None:
        others += _nights(policy.schedule, start, end)
    after = _next_month(budget, end)
    arrivals = sorted([*readings, *others], key=lambda arrival: arrival.at)
    return Month((*arrivals, *after), start, end)


def rungs(budget: Budget) -> tuple[float, ...]:
    """The percents at which people are told of real spend."""
    return tuple(float(threshold.percent) for threshold in budget.thresholds)


def cap_percent(budget: Budget) -> float | None:
    """The percent at which the cap trips, if it is on."""
    return float(budget.cap.percent) if budget.cap.enabled else None


def midnight(year: int, month: int) -> dt.datetime:
    """When a billing month begins."""
    return dt.datetime(year, month, 1, tzinfo=BILLING_ZONE).astimezone(dt.UTC)


def _turns(budget: Budget) -> list[tuple[float, float]]:
    """Points of the curve: part of the month gone, per cent spent just above each rung."""
    steps = rungs(budget) or (100.0,)
    gaps = [after - before for before, after in pairwise(steps)]
    above = [min(1.0, gap / 4) for gap in (*gaps, 4.0)]
    width = (LAST - FIRST) / max(1, len(steps) - 1)
    points = [
        (LAST - width * (len(steps) - 1 - index), step + extra)
        for index, (step, extra) in enumerate(zip(steps, above, strict=True))
    ]
    return [(0.0, 0.0), *points, (1.0, steps[-1] + TOP)]


def _percent_at(budget: Budget, part: float) -> float:
    for (x0, y0), (x1, y1) in pairwise(_turns(budget)):
        if part <= x1:
            return y0 + (y1 - y0) * (part - x0) / (x1 - x0)
    return _turns(budget)[-1][1]


def _readings(
    budget: Budget, start: dt.datetime, end: dt.datetime, rng: random.Random
) -> list[Arrival]:
    """A message about every sixteen hours, and one just above each rung."""
    hour = dt.timedelta(hours=1)
    parts = {x for x, _ in _turns(budget)[1:-1]}
    at = start + 7 * hour
    while at < end - 8 * hour:
        part = (at - start) / (end - start)
        if all(abs(part - turn) > 0.004 for turn in parts):  # noqa: PLR2004 - three hours
            parts.add(part)
        at += hour * rng.uniform(13, 19)
    found = [_reading(budget, start, start + (end - start) * part, part) for part in sorted(parts)]
    for trouble, percent in _troubled(budget):
        index = next(i for i, one in enumerate(found) if _percent(one, budget) >= percent)
        found[index] = replace(found[index], troubles=(*found[index].troubles, trouble))
    return found


def _troubled(budget: Budget) -> list[tuple[Trouble, float]]:
    """Per cents spent at which a trouble comes: the forecast's message, and the cap's."""
    dead = _percent_at(budget, FORECAST) if budget.forecast else (rungs(budget) or (1.0,))[0]
    worst = cap_percent(budget) or (rungs(budget) or (1.0,))[-1]
    return [(Trouble.DEAD_CHANNEL, dead), (Trouble.KILL, worst)]


def _reading(budget: Budget, start: dt.datetime, at: dt.datetime, part: float) -> Arrival:
    return message(budget, start, at, _percent_at(budget, part), forecast=part >= FORECAST)


def message(
    budget: Budget, start: dt.datetime, at: dt.datetime, percent: float, *, forecast: bool
) -> Arrival:
    """What Google writes of a budget of which so much is spent."""
    amount = float(budget.amount or 0)
    at, cost = at.replace(microsecond=0), round(amount * percent / 100, 2)
    body: dict[str, object] = {
        "budgetDisplayName": budget.name,
        "costAmount": cost,
        "costIntervalStart": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        "budgetAmount": amount,
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": budget.currency,
    }
    if crossed := [rung for rung in rungs(budget) if rung <= 100 * cost / amount]:
        body["alertThresholdExceeded"] = crossed[-1] / 100
    if forecast and budget.forecast:
        body["forecastThresholdExceeded"] = float(budget.forecast[-1].percent) / 100
    return Arrival(at, at, Sort.BUDGET, cost, json.dumps(body).encode(), _attributes())


def _attributes() -> tuple[tuple[str, str], ...]:
    named = {"billingAccountId": ACCOUNT_ID, "budgetId": BUDGET_ID, "schemaVersion": "1.0"}
    return tuple(named.items())


def _percent(arrival: Arrival, budget: Budget) -> float:
    return 100 * arrival.cost / float(budget.amount or 1)


def _confused(readings: list[Arrival], budget: Budget, rng: random.Random) -> list[Arrival]:
    """The readings with repeats, late and shuffled ones, and costs that fall."""
    quiet = list(_quiet(readings, budget))
    early = [index for index in quiet if index < len(readings) * FIRST + 3]
    repeated, copied, swapped, late, lower = rng.sample(early[::2], 5)
    dipped = max(quiet) if _waits_for_a_second(budget) else None
    found: list[Arrival] = []
    for index, one in enumerate(readings):
        arrival = one
        if index == swapped:
            arrival = _later(one, readings[index + 1].at, "overtaken by the next one")
        elif index == late:
            arrival = _later(one, one.at + dt.timedelta(hours=58), "58 hours late")
        elif index == lower:
            arrival = _lower(one, budget, 0.97 * readings[index - 1].cost, "a credit: less spent")
        elif index == dipped:
            dip = 0.97 * float(budget.amount or 0) * (cap_percent(budget) or 0) / 100
            arrival = _lower(one, budget, dip, "one reading below the cap")
        found.append(arrival)
        if index == repeated:
            found.append(replace(_later(one, one.at, "delivered again"), again=True))
        elif index == copied:
            found.append(_later(one, one.at, "published again"))
    return found


def _quiet(readings: list[Arrival], budget: Budget) -> Iterator[int]:
    """Readings that cross no rung, before one that crosses none either."""
    for index in range(2, len(readings) - 1):
        around = readings[index - 1 : index + 2]
        crossed = {sum(r <= _percent(one, budget) for r in rungs(budget)) for one in around}
        if len(crossed) == 1 and not any(one.troubles for one in around[1:]):
            yield index


def _waits_for_a_second(budget: Budget) -> bool:
    return budget.cap.enabled and budget.cap.release.reads > 1


def _later(one: Arrival, at: dt.datetime, note: str) -> Arrival:
    return replace(one, at=at + dt.timedelta(minutes=4), note=note, inert=True)


def _lower(one: Arrival, budget: Budget, cost: float, note: str) -> Arrival:
    cost = round(cost, 2)
    body = json.loads(one.data) | {"costAmount": cost}
    crossed = [rung for rung in rungs(budget) if rung <= 100 * cost / float(budget.amount or 1)]
    body.pop("alertThresholdExceeded", None)
    body |= {"alertThresholdExceeded": crossed[-1] / 100} if crossed else {}
    return replace(one, cost=cost, data=json.dumps(body).encode(), note=note, inert=True)


def _anomaly(start: dt.datetime, end: dt.datetime) -> Arrival:
    at = (start + (end - start) * 0.31).replace(microsecond=0)
    body = {
        "detectionDate": f"{at:%Y-%m-%d}",
        "expectedSpendAmount": {"currencyCode": "USD", "units": "4"},
        "actualSpendAmount": {"currencyCode": "USD", "units": "19"},
        "deviationPercentage": "Infinity",
    }
    named = {"SchemaVersion": "1.0", "billingAccountName": f"billingAccounts/{ACCOUNT_ID}"}
    named |= {"scope": f"billingAccounts/{ACCOUNT_ID}"}
    data = json.dumps(body).encode()
    return Arrival(at, at, Sort.ANOMALY, 0.0, data, tuple(named.items()))


def _malformed(start: dt.datetime, end: dt.datetime) -> Arrival:
    at = (start + (end - start) * 0.2).replace(microsecond=0)
    return Arrival(at, at, Sort.MALFORMED, 0.0, MALFORMED, _attributes())


def _nights(schedule: Schedule, start: dt.datetime, end: dt.datetime) -> list[Arrival]:
    """A night before the cap and one while it holds, with their mornings."""
    found = []
    for part in (FIRST - 0.05, LAST + 0.03):
        night, morning = _night_after(schedule, start + (end - start) * part)
        wake = slot(morning, Sort.MORNING)
        found += [slot(night, Sort.NIGHT), wake, _later(wake, wake.at, "again")]
    return found


def _night_after(schedule: Schedule, moment: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The next night that ends within a day, else the next one at all."""
    nights = []
    for days in range(1, 16):
        night = hours.fell_asleep_at(schedule, moment + dt.timedelta(days=days))
        if night is not None and night > moment:
            nights.append((night, hours.wakes_at(schedule, night)))
    short = [pair for pair in nights if pair[1] - pair[0] < dt.timedelta(days=1)]
    return (short or nights)[0]


def slot(at: dt.datetime, sort: Sort) -> Arrival:
    """What Cloud Scheduler starts at a time."""
    at += dt.timedelta(seconds=20)
    return Arrival(at, at, sort, attributes=(("task", sort.value),))


def _next_month(budget: Budget, end: dt.datetime) -> list[Arrival]:
    """The first messages of the next month, and one of the old month that comes too late."""
    hour = dt.timedelta(hours=1)
    first = message(budget, end, end + 9 * hour, 0.4, forecast=False)
    old = message(budget, midnight(*MONTH), end - 3 * hour, _turns(budget)[-1][1], forecast=True)
    return [
        replace(first, note="a new month", troubles=(Trouble.REFUSE,)),
        _later(old, end + 13 * hour, "of the old month, too late"),
        replace(message(budget, end, end + 25 * hour, 2.1, forecast=False), inert=True),
        replace(message(budget, end, end + 41 * hour, 3.9, forecast=False), inert=True),
    ]
