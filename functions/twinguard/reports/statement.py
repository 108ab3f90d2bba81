# SPDX-License-Identifier: Apache-2.0
"""What one customer's use cost in a month: their parts by feature, by model and by day.

Pure. Costs that name no customer are left out, and the statement says how much that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from twinguard.decide.money import digits, money
from twinguard.decide.months import last_of
from twinguard.decide.spend import Dimension, Overview
from twinguard.reports.daily import day_table
from twinguard.reports.document import (
    Amount,
    Column,
    Document,
    Kind,
    Paragraph,
    Row,
    Section,
    Table,
)
from twinguard.reports.names import ROUNDING, TOTAL, distinct_slug, named, one_line
from twinguard.reports.parts import WORDS, is_told, lost_by_rounding, part_table
from twinguard.reports.stamps import is_complete, listed, month_name, stamp

PARTS = (Dimension.FEATURE, Dimension.MODEL)


def statement(
    tenant: str, overviews: Sequence[Overview], left_out: Mapping[str, Decimal]
) -> Document:
    """One customer's month, from overviews of that customer's costs alone, one per currency.

    `left_out` is what the environment's costs without a customer come to, by currency."""
    first, last = overviews[0], last_of(overviews[0].month)
    if {(o.environment, o.month) for o in overviews} != {(first.environment, first.month)}:
        raise ValueError("a statement is about one environment and one month; make several")
    totals = listed(money(o.spent, o.currency) for o in overviews)
    is_final = all(is_complete(o.freshness, o.month) for o in overviews)
    state = "" if is_final else " so far: the month is not complete"
    return Document(
        name=f"statement-{distinct_slug(tenant)}-{first.month:%Y-%m}",
        title=f"Statement for {named(tenant)}, {month_name(first.month)}",
        subtitle=f"{totals}{state}.",
        stamp=stamp((o.freshness for o in overviews), last),
        sections=(
            *(
                section
                for overview in overviews
                for section in _sections(overview, f" in {overview.currency}")
            ),
            Section("What this statement is", (Paragraph(_terms(first, left_out)),)),
        ),
        not_covered=tuple(line for overview in overviews for line in _not_covered(overview)),
    )


def _sections(overview: Overview, suffix: str) -> tuple[Section, ...]:
    total = (overview.spent, overview.complete, overview.same_days_before)
    tables = []
    for dimension in PARTS:
        shares = overview.parts.get(dimension, ())
        if not is_told(shares):
            continue
        word = WORDS[dimension]
        caption = f"By {word}, {overview.currency}"
        tables.append(
            part_table(
                caption,
                word,
                shares,
                total,
                overview.currency,
                compared=False,
                always_unattributed=True,
            )
        )
    return (
        Section(f"Amount{suffix}", (_charges(overview),)),
        *((Section(f"What it is for{suffix}", tuple(tables)),) if tables else ()),
        *((Section(f"By day{suffix}", (_days(overview),)),) if overview.days else ()),
    )


def _charges(overview: Overview) -> Table:
    """Costs, credits, what they come to."""
    currency = overview.currency
    rows = [("costs before credits", overview.cost), ("credits", overview.credits)]
    lost = lost_by_rounding([amount for _, amount in rows], overview.spent, currency)
    return Table(
        f"Charges, {currency}",
        (Column("Charge"), Column(f"Amount, {currency}", is_number=True)),
        (
            *(Row((name, Amount(amount, currency))) for name, amount in rows),
            *((Row((ROUNDING, Amount(lost, currency)), Kind.ROUNDING),) if lost else ()),
            Row((TOTAL, Amount(overview.spent, currency)), Kind.TOTAL),
        ),
    )


def _days(overview: Overview) -> Table:
    """The days without the running sum."""
    table = day_table(overview)
    rows = (Row(row.cells[:2], row.kind) for row in table.rows)
    return Table(table.caption, table.columns[:2], tuple(rows))


def _terms(overview: Overview, left_out: Mapping[str, Decimal]) -> str:
    environment = one_line(overview.environment)
    without = [money(amount, currency) for currency, amount in left_out.items() if amount]
    said = (
        f"Costs of {environment} that name no customer ({listed(without)} in all) are left out."
        if without
        else f"Every cost of {environment} names a customer: nothing is left out."
    )
    places = digits(overview.currency)
    rounded_to = f"{places} decimals" if places else "whole units"
    return (
        f"These are the costs of {environment} whose label names this customer, after "
        f"credits. {said} Amounts are added exactly and rounded to {rounded_to} where "
        "they are printed; what that moves has a row of its own. It is a statement of costs, not "
        "an invoice: prices and taxes that you charge are not in it."
    )


def _not_covered(overview: Overview) -> list[str]:
    return [
        f"By {WORDS[dimension]}: no cost of this customer names its {WORDS[dimension]}, "
        f"{overview.currency}."
        for dimension in PARTS
        if not is_told(overview.parts.get(dimension, ()))
    ]
