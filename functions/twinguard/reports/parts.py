# SPDX-License-Identifier: Apache-2.0
"""Tables of parts that add up to a total: to the last digit inside, to the cent as printed.

Pure. What has no label, what was cut off and what rounding moved has a row of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from twinguard.decide.money import rounded
from twinguard.decide.spend import Dimension, Share
from twinguard.reports.document import Amount, Bars, Change, Column, Kind, Percent, Row, Table
from twinguard.reports.names import REST, ROUNDING, TOTAL, UNTOLD, named

ZERO = Decimal(0)

LABELS = (Dimension.TENANT, Dimension.FEATURE, Dimension.MODEL, Dimension.KEY)
"""Dimensions that come from labels, which costs can be without."""

WORDS = {
    Dimension.DAY: "day",
    Dimension.MONTH: "month",
    Dimension.ENVIRONMENT: "environment",
    Dimension.PROJECT: "project",
    Dimension.SERVICE: "service",
    Dimension.SKU: "SKU",
    Dimension.TENANT: "customer",
    Dimension.FEATURE: "feature",
    Dimension.MODEL: "model",
    Dimension.KEY: "API key",
    Dimension.COST_TYPE: "cost type",
}

COST_TYPES = {
    "regular": "usage",
    "tax": "tax",
    "adjustment": "adjustments",
    "rounding_error": "rounding on the invoice",
}
"""How people see the export's cost types."""


Sums = tuple[Decimal, Decimal, Decimal]
"""All of the month, its complete days, and the same days of the month before."""


def unattributed(shares: Iterable[Share]) -> Decimal:
    """What has no label, net."""
    return sum((share.net for share in shares if share.name is None), ZERO)


def is_told(shares: Iterable[Share]) -> bool:
    """True where at least one part has a name."""
    return any(share.name is not None for share in shares)


def part_table(
    caption: str,
    first: str,
    shares: Sequence[Share],
    total: Sums,
    currency: str,
    most: int | None = None,
    compared: bool = True,
    always_unattributed: bool = False,
) -> Table:
    """The parts of a total (all of it, its complete days, the same days before), largest first.

    With `most` the smaller ones become one row. Unattributed costs are shown where there are any,
    or always."""
    parts = sorted(
        (share for share in shares if share.name is not None),
        key=lambda share: (-abs(share.net), -abs(share.before), share.name or ""),
    )
    shown = parts if most is None or len(parts) <= most + 1 else parts[:most]
    rows = [(named(share.name), _sums([share]), Kind.PART) for share in shown]
    if left := parts[len(shown) :]:
        rows.append((f"{REST} ({len(left)})", _sums(left), Kind.REST))
    without = [share for share in shares if share.name is None]
    if always_unattributed or any(share.net or share.before for share in without):
        rows.append((named(None), _sums(without), Kind.UNATTRIBUTED))
    untold = tuple(whole - part for whole, part in zip(total, _sums(shares), strict=True))
    if any(untold if compared else untold[:1]):
        rows.append((UNTOLD, (untold[0], untold[1], untold[2]), Kind.REST))
    if lost := lost_by_rounding([sums[0] for _, sums, _ in rows], total[0], currency):
        rows.append((ROUNDING, (lost, ZERO, ZERO), Kind.ROUNDING))
    rows.append((TOTAL, total, Kind.TOTAL))
    return Table(
        caption,
        (
            Column(first.capitalize() if first.islower() else first),
            Column(f"Net, {currency}", is_number=True),
            Column("Share", is_number=True),
            *((Column("Complete days compared", is_number=True),) if compared else ()),
        ),
        tuple(_row(row, total[0], currency, compared=compared) for row in rows),
    )


def bars(shares: Sequence[Share], currency: str, most: int) -> Bars:
    """The largest parts for a chart, then what is left, then what is unattributed."""
    parts = sorted(
        (share for share in shares if share.name is not None and share.net > 0),
        key=lambda share: (-share.net, share.name or ""),
    )
    shown = parts if len(parts) <= most + 1 else parts[:most]
    items = [(named(share.name), share.net) for share in shown]
    if left := parts[len(shown) :]:
        items.append((f"{REST} ({len(left)})", _sums(left)[0]))
    if (without := unattributed(shares)) > 0:
        items.append((named(None), without))
    return Bars(items=tuple(items), currency=currency)


def share_of(part: Decimal, total: Decimal) -> Decimal | None:
    """A part's share, 75 for 75 %; None where there is nothing to have a share of."""
    return 100 * part / total if total > 0 else None


def lost_by_rounding(parts: Iterable[Decimal], total: Decimal, currency: str) -> Decimal:
    """By how much the rounded parts miss the rounded total."""
    return rounded(total, currency) - sum((rounded(part, currency) for part in parts), ZERO)


def _row(row: tuple[str, Sums, Kind], total: Decimal, currency: str, *, compared: bool) -> Row:
    name, (net, after, before), kind = row
    if kind is Kind.ROUNDING:
        return Row((name, Amount(net, currency), None, *((None,) if compared else ())), kind)
    share = share_of(net, total)
    cells = (name, Amount(net, currency), None if share is None else Percent(share))
    return Row((*cells, *((Change(before, after, currency),) if compared else ())), kind)


def _sums(shares: Iterable[Share]) -> Sums:
    found = list(shares)
    return (
        sum((share.net for share in found), ZERO),
        sum((share.after for share in found), ZERO),
        sum((share.before for share in found), ZERO),
    )
