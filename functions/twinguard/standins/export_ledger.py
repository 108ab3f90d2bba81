# SPDX-License-Identifier: Apache-2.0
"""What made-up exports add up to, in plain Decimals and without any SQL.

Kept while the rows are made, so that it shares nothing with the sources it is compared with."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from twinguard.decide.spend import Basis, Dimension, Line, Query


@dataclass(frozen=True, slots=True)
class Entry:
    """What one row counts for."""

    date: dt.date
    month: str
    keys: tuple[str | None, ...]
    currency: str
    cost: Decimal
    credits: Decimal
    is_correction: bool


_KEYS = (
    *(Dimension.ENVIRONMENT, Dimension.PROJECT, Dimension.SERVICE, Dimension.SKU),
    *(Dimension.TENANT, Dimension.FEATURE, Dimension.MODEL, Dimension.KEY, Dimension.COST_TYPE),
)


@dataclass(slots=True)
class Ledger:
    """The rows' meaning, kept while they are made; adds them up in plain Decimals."""

    entries: list[Entry] = field(default_factory=list)

    def lines(self, query: Query) -> tuple[Line, ...]:
        """What a source must answer."""
        sums: dict[tuple[Any, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
        for entry in self.entries:
            if self._is_meant(entry, query):
                group = (tuple(_key(entry, name, query) for name in query.by), entry.currency)
                total, net = sums[group], entry.cost + entry.credits
                total[0] += entry.cost
                total[1] += entry.credits
                total[2] += net if entry.is_correction else 0
        found = (
            Line(keys=keys, currency=currency, cost=each[0], credits=each[1], corrections=each[2])
            for (keys, currency), each in sums.items()
        )
        return tuple(
            sorted(found, key=lambda line: ([(k is None, k) for k in line.keys], line.currency))
        )

    @staticmethod
    def _is_meant(entry: Entry, query: Query) -> bool:
        if query.basis is Basis.INVOICE:
            if not f"{query.first:%Y%m}" <= entry.month <= f"{query.last:%Y%m}":
                return False
        elif not query.first <= entry.date <= query.last:
            return False
        wanted = (query.environment, query.project, query.tenant)
        there = (entry.keys[0], entry.keys[1], entry.keys[4])
        return all(want in {None, has} for want, has in zip(wanted, there, strict=True))


def _key(entry: Entry, dimension: Dimension, query: Query) -> str | None:
    if dimension is Dimension.DAY:
        return entry.date.isoformat()
    if dimension is Dimension.MONTH:
        is_invoice = query.basis is Basis.INVOICE
        return f"{entry.month[:4]}-{entry.month[4:]}" if is_invoice else f"{entry.date:%Y-%m}"
    return entry.keys[_KEYS.index(dimension)]
