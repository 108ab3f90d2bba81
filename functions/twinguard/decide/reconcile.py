# SPDX-License-Identifier: Apache-2.0
"""Compare what the ledger counted with what a provider bills, model by model. Pure.

Days that the bill does not have yet are left out on both sides; a model's dated names are one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct

from twinguard.decide.ledger import NANOS, dollars_of
from twinguard.decide.money import money, percent

_DATED = re.compile(r"[-@](20\d\d-?\d\d-?\d\d|\d{3,4}|latest)$")

LEAST: Final = NANOS
"""A difference below a dollar is told in the table and to nobody."""

_HALF = (Decimal("0.45"), Decimal("0.55"))


class Row(Struct, frozen=True):
    """One model: what we counted, what is billed, in nano-dollars, and what may be behind it."""

    model: str
    counted: int
    billed: int
    cause: str = ""

    @property
    def difference(self) -> int:
        """By how much the bill is higher; below zero where it is lower."""
        return self.billed - self.counted

    @property
    def drift(self) -> Decimal:
        """The difference as a percentage of the higher of the two; 75 for 75 %."""
        most = max(self.counted, self.billed)
        return Decimal(100 * abs(self.difference)) / most if most else Decimal(0)


class Reconciliation(Struct, frozen=True):
    """Some days of a month: the models, the largest difference first, and all of them together."""

    provider: str
    first: dt.date
    last: dt.date
    rows: tuple[Row, ...]
    limit: int

    @property
    def total(self) -> Row:
        """All models as one."""
        return Row(
            "all models", sum(r.counted for r in self.rows), sum(r.billed for r in self.rows)
        )

    @property
    def drifted(self) -> tuple[Row, ...]:
        """What is to be told: models, and all of them, above the limit and above a dollar."""
        return tuple(
            row
            for row in (self.total, *self.rows)
            if row.drift > self.limit and abs(row.difference) >= LEAST
        )


def family(model: str) -> str:
    """A model without its date: `gpt-4o` for `gpt-4o-2024-08-06`."""
    return _DATED.sub("", model)


def reconciled(
    provider: str,
    first: dt.date,
    last: dt.date,
    counted: Mapping[tuple[dt.date, str], int],
    billed: Mapping[tuple[dt.date, str | None], int],
    limit: int,
) -> Reconciliation:
    """Compare by days and models, both included; None is what a bill names no model for."""
    ours: dict[str, int] = {}
    for (day, model), nanos in counted.items():
        if first <= day <= last:
            ours[family(model)] = ours.get(family(model), 0) + nanos
    theirs: dict[str, int] = {}
    for (day, named), nanos in billed.items():
        if first <= day <= last:
            name = family(named) if named else "no model named"
            theirs[name] = theirs.get(name, 0) + nanos
    rows = [
        Row(name, mine, bill, _cause(mine, bill, named=name in ours or name != "no model named"))
        for name in {*ours, *theirs}
        if (mine := ours.get(name, 0)) | (bill := theirs.get(name, 0))
    ]
    rows.sort(key=lambda row: (-abs(row.difference), row.model))
    return Reconciliation(provider, first, last, tuple(rows), limit)


def _cause(counted: int, billed: int, *, named: bool) -> str:
    """What such a difference usually is. A guess for a person, never acted on."""
    half = counted and _HALF[0] <= Decimal(billed) / counted <= _HALF[1]
    causes = (
        (not named, "tools, storage or fees: the ledger counts tokens only"),
        (not counted, "calls that went past the gateway, by another key of the project"),
        (not billed, "billed under another name, to another project, or not yet"),
        (half, "half: batches counted at full price, or a contract's discount"),
        (
            billed > counted,
            "calls past the gateway, settlements lost with a killed process, or a higher price",
        ),
        (billed < counted, "bounds counted where the provider told no usage, or a discount"),
    )
    return next((cause for applies, cause in causes if applies), "")


def lines(found: Reconciliation) -> tuple[str, ...]:
    """What is to be told, a line for each."""
    return tuple(
        f"{row.model}: {_usd(row.counted)} counted, {_usd(row.billed)} billed, "
        f"{percent(row.drift)} apart{f'; {row.cause}' if row.cause else ''}"
        for row in found.drifted
    )


def _usd(nanos: int) -> str:
    return money(dollars_of(nanos), "USD")
