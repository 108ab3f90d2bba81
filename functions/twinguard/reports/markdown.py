# SPDX-License-Identifier: Apache-2.0
"""Render a document as Markdown (GitHub's), or as plain text that reads the same.

Everything is escaped: a tenant's name can neither format, link, mention nor break a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeAlias

from twinguard.reports.document import (
    Block,
    Checklist,
    Daily,
    Document,
    Fact,
    Facts,
    Figure,
    Kind,
    Paragraph,
    Row,
    Section,
    Table,
    shown,
)
from twinguard.reports.names import one_line

Escape: TypeAlias = Callable[[str], str]

_BARS = "▁▂▃▄▅▆▇█"
_WIDEST = 72
"""Cells are padded up to this, so that a table reads well as plain text too."""


def render(document: Document, images: Mapping[str, str] | None = None) -> str:
    """The document as Markdown; `images` are addresses of its figures by name."""
    return _document(document, escaped, images or {})


def plain(document: Document) -> str:
    """The document as plain text, as a mail's first part or at a terminal."""
    return _document(document, one_line, {})


def escaped(text: str) -> str:
    """A text that GitHub shows as it is: no markup, no link, no mention, no formula."""
    text = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"[\\`*|\[\]~{}]|(?<![^\W_])_|_(?![^\W_])|!(?=\\?\[)", r"\\\g<0>", text)
    text = re.sub(r":(?=//|\w+:)|(?<=(?i:www))\.", r"\\\g<0>", text)
    text = text.replace("://", ":<!-- -->//")
    return re.sub(r"(@|#(?=\w)|(?i:www)(?=\\\.))", r"\1<!-- -->", text).replace(
        "$", "<span>$</span>"
    )


def _opening(text: str, escape: Escape) -> str:
    """A text that begins a line, where more would be markup: headings, lists, rules."""
    found = escape(text)
    if escape is escaped:
        found = re.sub(r"^(?=#|=|--|[+-](?:\s|$))", r"\\", found)
        found = re.sub(r"^(\d+)(?=[.)](?:\s|$))", r"\1\\", found)
    return found


def _document(document: Document, escape: Escape, images: Mapping[str, str]) -> str:
    lines = [f"# {escape(document.title)}", "", f"**{escape(document.subtitle)}**", ""]
    for line in document.stamp:
        lines += [_opening(line, escape), ""]
    for section in document.sections:
        lines += _section(section, escape, images)
    if document.not_covered:
        lines += ["## Not covered", "", *(f"- {escape(line)}" for line in document.not_covered), ""]
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section, escape: Escape, images: Mapping[str, str]) -> list[str]:
    lines = [f"## {escape(section.title)}", ""]
    for block in section.blocks:
        lines += [*_block(block, escape, images), ""]
    return lines


def _block(block: Block, escape: Escape, images: Mapping[str, str]) -> list[str]:
    match block:
        case Facts(facts):
            return [_fact(fact, escape) for fact in facts]
        case Paragraph(text):
            return [_opening(text, escape)]
        case Checklist(items):
            return [f"- [ ] **{escape(item.topic)}**: {escape(item.text)}" for item in items]
        case Table():
            return _table(block, escape)
        case Figure():
            return _figure(block, escape, images)


def _fact(fact: Fact, escape: Escape) -> str:
    note = f" ({escape(fact.note)})" if fact.note else ""
    return f"- {escape(fact.name)}: **{escape(fact.value)}**{note}"


def _figure(figure: Figure, escape: Escape, images: Mapping[str, str]) -> list[str]:
    """The picture where there is one, a line of bars where the days fit one, and the words."""
    words = _opening(figure.description, escape)
    if figure.name in images:
        return [f"![{escape(figure.title)}](<{images[figure.name]}>)", "", words]
    if isinstance(figure.data, Daily) and figure.data.days:
        bars = sparkline([amount for _, amount in figure.data.days])
        return [f"**{escape(figure.title)}**: {bars}", "", words]
    return [f"**{escape(figure.title)}**: {words}"]


def sparkline(amounts: list[Decimal]) -> str:
    """A character for each amount, from nothing (or less) to the most."""
    top = max([*amounts, Decimal(0)])
    if not top:
        return _BARS[0] * len(amounts)
    steps = (int(max(amount, Decimal(0)) / top * (len(_BARS) - 1)) for amount in amounts)
    return "".join(_BARS[step] for step in steps)


def _table(table: Table, escape: Escape) -> list[str]:
    heads = [escape(column.name) for column in table.columns]
    rows = [_cells(row, escape) for row in table.rows]
    numbers = [column.is_number for column in table.columns]
    widths = [
        min(_WIDEST, max(3, *(len(row[at]) for row in (heads, *rows)))) for at in range(len(heads))
    ]
    rule = ["-" * (w - 1) + ":" if n else "-" * w for w, n in zip(widths, numbers, strict=True)]
    return [
        f"**{escape(table.caption)}**",
        "",
        *(_line(row, widths, numbers) for row in (heads, rule, *rows)),
    ]


def _cells(row: Row, escape: Escape) -> list[str]:
    cells = [escape(shown(cell)) for cell in row.cells]
    if row.kind is Kind.TOTAL:
        return [f"**{cell}**" if cell else "" for cell in cells]
    if row.kind is not Kind.PART:
        return [f"*{cells[0]}*", *cells[1:]]
    return cells


def _line(cells: list[str], widths: list[int], numbers: list[bool]) -> str:
    padded = (
        cell.rjust(width) if is_number else cell.ljust(width)
        for cell, width, is_number in zip(cells, widths, numbers, strict=True)
    )
    return f"| {' | '.join(padded)} |"
