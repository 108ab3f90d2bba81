# SPDX-License-Identifier: Apache-2.0
"""Billing exports made up from a seed, in the shape of Google's detailed export.

Every awkward row that Google's documents mention is in each export, however small; see `_awkward`.
`export_files.py` writes them, `export_ledger.py` knows what they add up to."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from twinguard.standins.export_catalogue import (
    FEATURES,
    KEYS,
    PROJECTS,
    SKUS,
    TENANTS,
    Sku,
)
from twinguard.standins.export_ledger import Entry, Ledger
from twinguard.standins.export_rows import Row, row_of

PACIFIC = ZoneInfo("America/Los_Angeles")
_NINE = Decimal("1e-9")
_HOUR, _DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Export:
    """Rows, and the ledger of what they add up to."""

    rows: list[Row]
    ledger: Ledger

    @property
    def days(self) -> tuple[dt.date, dt.date]:
        """The first and the last day of usage."""
        dates = [entry.date for entry in self.ledger.entries]
        return min(dates), max(dates)


def made(
    size: int = 1000, first: dt.date = dt.date(2026, 9, 1), months: int = 3, seed: int = 7
) -> Export:
    """An export of about `size` rows, never less than the awkward ones."""
    maker = Maker.seeded(seed, first, months)
    maker.awkward()
    while len(maker.export.rows) < size:
        maker.usual()
    return maker.export


def worked_example() -> Export:
    """Google's own example of labels: six instances for 24 USD, most with two labels.

    Grouping by every key and value counts those twice, and gives 44 USD."""
    maker = Maker.seeded(1, dt.date(2026, 9, 1))
    labels = [
        {"app": "chocolate-masher", "environment": "dev"},
        {"app": "grapefruit-squeezer", "environment": "dev"},
        {"app": "chocolate-masher", "environment": "prod"},
        {"app": "grapefruit-squeezer", "environment": "prod"},
        {"environment": "prod"},
        {},
    ]
    for number, (tags, cost) in enumerate(zip(labels, (2, 4, 6, 8, 2, 2), strict=True)):
        start = dt.datetime(2026, 9, 10, 12 + number, tzinfo=dt.UTC)
        maker.add(SKUS[0], start, Decimal(cost), labels=list(tags.items()), project="shared-tools")
    return maker.export


class Maker:
    """Makes rows and enters each into the ledger as it is made."""

    def __init__(self, chance: random.Random, first: dt.date, months: int) -> None:
        self.export = Export([], Ledger())
        self.chance = chance
        self.first = first.replace(day=1)
        self.starts = [_month(self.first, number) for number in range(months + 1)]

    @classmethod
    def seeded(cls, seed: int, first: dt.date, months: int = 1) -> Maker:
        """A maker of an empty export; the same seed makes the same rows."""
        return cls(random.Random(seed), first, months)  # noqa: S311 - made up, not secret

    def usual(self) -> None:
        """A row as most are: an hour of something, often labelled, sometimes with a credit."""
        chance = self.chance
        sku = chance.choice(SKUS)
        span = (self.starts[-1] - self.starts[0]).days * 24 - 24
        start = _utc(self.starts[0]) + chance.randrange(span) * _HOUR
        cost = _exact(sku.price * chance.randrange(1, 4_000_000))
        project = chance.choice(tuple(PROJECTS))
        labels = []
        if chance.random() < 0.8:  # noqa: PLR2004 - most things are labelled
            labels.append(("tenant", chance.choice(TENANTS)))
            labels.append(("feature", chance.choice(FEATURES)))
        if sku.model:
            labels += [("model", sku.model), ("key", chance.choice(KEYS))]
        given: tuple[tuple[str, Decimal], ...] = ()
        if not sku.is_third_party and chance.random() < 0.15:  # noqa: PLR2004
            given = (("PROMOTION", -_exact(cost / 3)),)
        self.add(sku, start, cost, labels=labels, project=project, credits=given)

    def awkward(self) -> None:
        """One or more of each kind of row that makes sums go wrong."""
        run, run_memory, flash, _, claude, storage, reads, query = SKUS
        for start in self.starts[1:-1] or self.starts[:1]:
            at = _utc(start)
            # The hour before and after Pacific midnight between two months.
            self.add(run, at - _HOUR, Decimal("1.10"), labels=[("tenant", "acme")])
            self.add(run, at, Decimal("2.20"), labels=[("tenant", "acme")])
            # Used in the old month, on the new invoice, exported five days late.
            self.add(
                storage,
                at - 3 * _DAY,
                Decimal("3.30"),
                late=5 * _DAY,
                month=f"{start:%Y%m}",
                credits=(("PROMOTION", Decimal("-0.30")),),
            )
            # A correction of the month before, and one that cancels it in part.
            self.add(
                flash,
                at - 9 * _DAY,
                Decimal("-4.75"),
                month=f"{start:%Y%m}",
                adjustment=("MANUAL_ADJUSTMENT", "USAGE_CORRECTION"),
                late=12 * _DAY,
            )
            self.add(
                flash,
                at + _DAY,
                Decimal("0.75"),
                kind="adjustment",
                adjustment=("COMPLETE_NEGATION_WITH_REMONETIZATION", "PRICE_CORRECTION"),
            )
        # Clocks go back on this day: it has 25 hours, and 01:30 is there twice.
        for hour in (8, 9, 10):
            self.add(run, dt.datetime(2026, 11, 1, hour, 30, tzinfo=dt.UTC), Decimal("0.125"))
        at = _utc(self.starts[0]) + 5 * _DAY
        self.add(run, at, Decimal(10), credits=(("FREE_TIER", Decimal(-10)),))
        self.add(
            run_memory,
            at,
            Decimal(8),
            project="living-twin-dev",
            credits=(
                ("SUSTAINED_USAGE_DISCOUNT", Decimal("-1.5")),
                ("PROMOTION", Decimal("-2.25")),
            ),
        )
        self.add(query, at, Decimal("0.333333333"), currency="EUR", project="shared-tools")
        self.add(
            claude, at, Decimal("55.5"), labels=[("tenant", "globex"), ("model", "claude-sonnet")]
        )
        self.add(reads, at, Decimal(0), labels=[("tenant", "acme")])
        self.add(run, at, Decimal(6), labels=[("tenant", "acme"), ("tenant", "zeta")])
        self.add(run, at, Decimal(7), labels=[("environment", "load-test")])
        self.add(run, at, Decimal(9), project=None)
        self.add(None, at + 20 * _DAY, Decimal("12.34"), kind="tax", project=None)
        self.add(None, at + 24 * _DAY, Decimal("-0.01"), kind="rounding_error", project=None)
        self.add(query, at, Decimal("0.000000001"))

    def add(
        self,
        sku: Sku | None,
        start: dt.datetime,
        cost: Decimal,
        *,
        labels: Iterable[tuple[str, str]] = (),
        project: str | None = "living-twin-prod",
        credits: tuple[tuple[str, Decimal], ...] = (),
        currency: str = "USD",
        kind: str = "regular",
        adjustment: tuple[str, str] | None = None,
        month: str = "",
        late: dt.timedelta = dt.timedelta(0),
    ) -> None:
        """One row, and what it counts for."""
        labels = list(labels)
        date = start.astimezone(PACIFIC).date()
        month = month or f"{date:%Y%m}"
        environment = _label(labels, "environment") or PROJECTS.get(project or "")
        written = start + _HOUR + late + self.chance.randrange(2, 30) * _HOUR
        self.export.rows.append(
            row_of(
                sku,
                start,
                cost,
                labels,
                project,
                credits,
                currency,
                kind,
                adjustment,
                month,
                written,
            )
        )
        keys = (
            *(environment, project, sku.service if sku else "Invoice", sku.name if sku else kind),
            *(_label(labels, name) for name in ("tenant", "feature", "model", "key")),
            kind,
        )
        late_month = month > f"{date:%Y%m}"
        entry = Entry(
            date,
            month,
            keys,
            currency,
            _exact(cost),
            sum((_exact(amount) for _, amount in credits), Decimal(0)),
            late_month or adjustment is not None or kind == "adjustment",
        )
        self.export.ledger.entries.append(entry)


def _label(labels: list[tuple[str, str]], name: str) -> str | None:
    """The value of a key; of two, the later in the alphabet, as costs.sql says."""
    return max((value for key, value in labels if key == name), default=None)


def _exact(amount: Decimal) -> Decimal:
    """What NUMERIC keeps."""
    return amount.quantize(_NINE, ROUND_HALF_UP)


def _month(first: dt.date, number: int) -> dt.date:
    year, month = divmod(first.year * 12 + first.month - 1 + number, 12)
    return dt.date(year, month + 1, 1)


def _utc(day: dt.date) -> dt.datetime:
    """Pacific midnight at which a day begins."""
    return dt.datetime.combine(day, dt.time(), PACIFIC).astimezone(dt.UTC)
