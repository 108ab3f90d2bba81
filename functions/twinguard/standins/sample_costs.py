# SPDX-License-Identifier: Apache-2.0
"""A sample of an environment's costs, for machines without a billing export.

Four months of working weeks that grow slowly and would end near the budget, customers of different
sizes, some cost that nobody labelled, and one customer's runaway feature a few days ago."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from pathlib import Path

from twinguard.decide.months import before, days_from, last_of, month_of
from twinguard.policy import Policy
from twinguard.standins.export_catalogue import FEATURES, KEYS, SKUS, TENANTS, Sku
from twinguard.standins.export_files import json_lines
from twinguard.standins.exports import PACIFIC, Export, Maker

_SHARES = (0.20, 0.06, 0.13, 0.21, 0.27, 0.05, 0.05, 0.03)
"""Of a day's spend, for each of `SKUS`."""

_SIZES = (0.40, 0.27, 0.14, 0.08, 0.11)
"""Of a service's spend, for each of `TENANTS`; the last is not labelled."""

_USUAL = Decimal(400)
_AIM = 0.93
"""Of the budget, at the month's end."""

_WEEKEND, _GROWTH = 0.35, 0.002
_RUNAWAY = dt.timedelta(days=4)
_HOURS = (9, 14)


def made(policy: Policy, now: dt.datetime) -> Export:
    """The environment's rows until a few hours ago; the same on the same day."""
    today = now.astimezone(PACIFIC).date()
    first = before(before(before(today)))
    seed = hashlib.sha256(f"{policy.environment} {today}".encode()).digest()
    maker = Maker.seeded(int.from_bytes(seed[:8], "big"), first)
    budget = policy.budget.amount if policy.budget and policy.budget.amount else _USUAL
    daily = _AIM * float(budget) / _weight(month_of(today), last_of(today), today)
    for day in days_from(first, today):
        _day(
            maker, policy, day, daily * _weight(day, day, today), is_runaway=day == today - _RUNAWAY
        )
        if day == last_of(day):
            _add(maker, policy, None, day, 23, 0.004 * float(budget), (), kind="tax")
    _forget_the_future(maker.export, now)
    return maker.export


def write(policy: Policy, now: dt.datetime, path: Path) -> None:
    """The sample as a file of JSON lines, whole or not at all."""
    draft = path.with_name(f".{path.name}")
    json_lines(made(policy, now), draft).replace(path)


def _weight(first: dt.date, last: dt.date, today: dt.date) -> float:
    """What days cost, in ordinary working days of today."""
    return sum(
        (_WEEKEND if day.weekday() > 4 else 1.0)  # noqa: PLR2004 - Saturday and Sunday
        * (1 + _GROWTH) ** (day - today).days
        for day in days_from(first, last)
    )


def _day(maker: Maker, policy: Policy, day: dt.date, spend: float, *, is_runaway: bool) -> None:
    spend *= maker.chance.lognormvariate(0, 0.08)
    for place, (sku, share) in enumerate(zip(SKUS, _SHARES, strict=True)):
        for who, size in enumerate(_SIZES):
            hour = _HOURS[(place + who) % len(_HOURS)]
            amount = spend * share * size * maker.chance.lognormvariate(0, 0.1)
            feature = FEATURES[(place + who + day.toordinal()) % len(FEATURES)]
            labels = _labels(sku, who, feature)
            if is_runaway and sku.is_third_party and who == 1:
                amount, labels = 7 * amount, _labels(sku, who, "reports")
            _add(maker, policy, sku, day, hour, amount, labels)


def _labels(sku: Sku, who: int, feature: str) -> tuple[tuple[str, str], ...]:
    named = (("tenant", TENANTS[who]), ("feature", feature)) if who < len(TENANTS) else ()
    model = (("model", sku.model), ("key", KEYS[who % len(KEYS)])) if sku.model else ()
    return (*named, *model)


def _add(
    maker: Maker,
    policy: Policy,
    sku: Sku | None,
    day: dt.date,
    hour: int,
    amount: float,
    labels: tuple[tuple[str, str], ...],
    kind: str = "regular",
) -> None:
    start = dt.datetime.combine(day, dt.time(hour), PACIFIC).astimezone(dt.UTC)
    label = (("environment", policy.environment.value),) if policy.project.shared else ()
    cost = Decimal(f"{amount:.6f}")
    free = (("FREE_TIER", Decimal(f"{-amount / 10:.6f}")),) if sku is SKUS[0] else ()
    maker.add(
        sku,
        start,
        cost,
        labels=(*labels, *label),
        project=policy.project.id,
        credits=free,
        kind=kind,
    )


def _forget_the_future(export: Export, now: dt.datetime) -> None:
    """Leave out what is not written yet."""
    kept = [row["export_time"] < f"{now:%Y-%m-%d %H:%M:%S} UTC" for row in export.rows]
    export.rows[:] = [row for row, keep in zip(export.rows, kept, strict=True) if keep]
    entries = export.ledger.entries
    entries[:] = [entry for entry, keep in zip(entries, kept, strict=True) if keep]
