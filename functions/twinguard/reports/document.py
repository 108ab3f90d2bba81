# SPDX-License-Identifier: Apache-2.0
"""What a report consists of, before anybody decided how it looks. Pure.

Every text in it is plain text: renderers escape all of it, and nothing in it is ever markup."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from twinguard.decide import money


class Amount(Struct, frozen=True):
    """An amount of money, exact. Its table's column names the currency."""

    exact: Decimal
    currency: str


class Percent(Struct, frozen=True):
    """A share, 75 for 75 %."""

    share: Decimal


class Change(Struct, frozen=True):
    """From how much to how much."""

    before: Decimal
    after: Decimal
    currency: str


Cell: TypeAlias = str | Amount | Percent | Change | None


class Kind(enum.StrEnum):
    """What a table's row is, so that it can be set apart."""

    PART = "part"
    UNATTRIBUTED = "unattributed"
    REST = "rest"
    ROUNDING = "rounding"
    TOTAL = "total"


class Column(Struct, frozen=True):
    """A column's heading; numbers are set to the right."""

    name: str
    is_number: bool = False


class Row(Struct, frozen=True):
    """A row: the first cell names it."""

    cells: tuple[Cell, ...]
    kind: Kind = Kind.PART


class Table(Struct, frozen=True):
    """Rows under a caption that says what they are."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


class Fact(Struct, frozen=True):
    """One number that matters, and what to know of it."""

    name: str
    value: str
    note: str = ""


class Facts(Struct, frozen=True):
    """The numbers a reader looks for first."""

    facts: tuple[Fact, ...]


class Paragraph(Struct, frozen=True):
    """A few sentences."""

    text: str


class Item(Struct, frozen=True):
    """One thing to decide, and the number that asks for it."""

    topic: str
    text: str


class Checklist(Struct, frozen=True):
    """Things a person ticks off."""

    items: tuple[Item, ...]


class Daily(Struct, frozen=True, kw_only=True):
    """A month day by day: what was spent, the lines it must not cross, where it may end.

    `lines` are amounts by name. `forecast` are the ends of the interval at the month's end."""

    month: dt.date
    through: dt.date | None
    days: tuple[tuple[dt.date, Decimal], ...]
    lines: tuple[tuple[str, Decimal], ...] = ()
    forecast: tuple[Decimal, Decimal] | None = None
    currency: str


class Bars(Struct, frozen=True, kw_only=True):
    """Amounts by name, the largest first."""

    items: tuple[tuple[str, Decimal], ...]
    currency: str


class Figure(Struct, frozen=True, kw_only=True):
    """A chart, in words for who cannot see it, and its numbers. `name` is unique in a document."""

    name: str
    title: str
    description: str
    data: Daily | Bars
    table: Table | None = None


Block: TypeAlias = Facts | Paragraph | Table | Checklist | Figure


class Section(Struct, frozen=True):
    """A heading and what is below it."""

    title: str
    blocks: tuple[Block, ...]


class Document(Struct, frozen=True, kw_only=True):
    """A report. `stamp` says through when its data are complete; `not_covered` what is left out.

    `name` is what its files are called."""

    name: str
    title: str
    subtitle: str
    stamp: tuple[str, ...]
    sections: tuple[Section, ...]
    not_covered: tuple[str, ...] = ()

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The charts in the order in which they appear."""
        blocks = (block for section in self.sections for block in section.blocks)
        return tuple(block for block in blocks if isinstance(block, Figure))


def shown(cell: Cell) -> str:
    """A cell as plain text, rounded for people; amounts without the currency."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case Amount(exact, currency):
            return f"{money.rounded(exact, currency):,f}"
        case Percent(share):
            return money.percent(share)
        case Change(before, after, currency):
            return money.change(before, after, currency).replace(f" {currency}", "", 1)
