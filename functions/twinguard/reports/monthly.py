# SPDX-License-Identifier: Apache-2.0
"""The monthly cost report of an environment. Pure: the overviews in, a document out.

Currencies have their own sections and are never added; what no number tells is named at the end."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from twinguard.decide.money import change, money, percent
from twinguard.decide.months import last_of
from twinguard.decide.spend import BudgetStand, Dimension, Overview
from twinguard.reports.daily import figure
from twinguard.reports.document import (
    Block,
    Document,
    Fact,
    Facts,
    Figure,
    Paragraph,
    Section,
    Table,
)
from twinguard.reports.names import one_line, slug
from twinguard.reports.parts import COST_TYPES, LABELS, WORDS, bars, is_told, part_table
from twinguard.reports.parts import unattributed as unattributed_of
from twinguard.reports.stamps import is_complete, listed, month_name, stamp
from twinguard.reports.tables import anomalies_table, budget_table, movers_table

MOST = 15
"""Parts of a table; the smaller ones become one row."""

CHARTED = 8
ORDER = (
    *(Dimension.SERVICE, Dimension.MODEL, Dimension.FEATURE, Dimension.TENANT, Dimension.KEY),
    *(Dimension.PROJECT, Dimension.ENVIRONMENT, Dimension.SKU),
)


def monthly(overviews: Sequence[Overview]) -> Document:
    """The report of one environment's month; one overview for each currency."""
    first = overviews[0]
    if {(o.environment, o.month) for o in overviews} != {(first.environment, first.month)}:
        raise ValueError("a monthly report is about one environment and one month; make several")
    environment, month = one_line(first.environment), month_name(first.month)
    return Document(
        name=f"costs-{slug(environment)}-{first.month:%Y-%m}",
        title=f"Costs of {environment}, {month}",
        subtitle=_headline(overviews),
        stamp=stamp((o.freshness for o in overviews), last_of(first.month)),
        sections=tuple(
            section
            for overview in overviews
            for section in _sections(overview, [one.currency for one in overviews])
        ),
        not_covered=tuple(line for overview in overviews for line in _not_covered(overview)),
    )


def summary(overview: Overview) -> Facts:
    """The numbers that a reader looks for first."""
    currency, before = overview.currency, overview.same_days_before
    moved = (
        f"its complete days {change(before, overview.complete, currency)} against the same before"
        if before
        else f"the same days of the month before cost {money(before, currency)}"
    )
    facts = [Fact("Spent (net)", money(overview.spent, currency), moved)]
    gross = f"{money(overview.cost, currency)} before, {money(overview.credits, currency)} credits"
    facts.append(Fact("Before and after credits", gross, "net is what is paid"))
    if overview.corrections:
        note = "belongs to usage of earlier months; it is part of the net"
        facts.append(Fact("Corrections", money(overview.corrections, currency), note))
    facts.append(Fact("The month before, whole", money(overview.month_before, currency)))
    if is_complete(overview.freshness, overview.month):
        facts.append(Fact("Month end", "the month is complete", "nothing is forecast"))
    elif overview.forecast is not None:
        end = overview.forecast
        low, middle, high = (money(a, currency) for a in (end.low, end.middle, end.high))
        note = f"between {low} and {high} in eight months out of ten; {one_line(end.method)}"
        facts.append(Fact("Forecast for the month's end", middle, note))
    if overview.budget is not None:
        facts.append(_budget_fact(overview.budget))
    return Facts(tuple(facts))


def _headline(overviews: Sequence[Overview]) -> str:
    told = []
    for overview in overviews:
        text = money(overview.spent, overview.currency)
        if (budget := overview.budget) is not None:
            text += f" ({percent(budget.percent)} of the budget)"
        told.append(text)
    apart = "; amounts of different currencies are never added" if len(told) > 1 else ""
    return f"{listed(told)}{apart}."


def _budget_fact(budget: BudgetStand) -> Fact:
    name = one_line(budget.name)
    value = f"{percent(budget.percent)} of {money(budget.amount, budget.currency)} used"
    counted_ = f"{money(budget.basis, budget.currency)} before credits, as Google's budget counts"
    return Fact(f"Budget {name}", value, counted_)


def _sections(overview: Overview, told: Sequence[str]) -> list[Section]:
    """One currency's sections; `told` are the currencies that have sections."""
    suffix = f" in {overview.currency}" if len(told) > 1 else ""
    blocks: list[Block] = [summary(overview)]
    others = [
        money(a, currency) for currency, a in overview.other_currencies if currency not in told
    ]
    if others:
        text = f"Besides, {listed(others)} were spent; different currencies are never added."
        blocks.append(Paragraph(text))
    found = [Section(f"Summary{suffix}", tuple(blocks))]
    if overview.budget is not None:
        found.append(Section(f"Budget{suffix}", (budget_table(overview.budget),)))
    if overview.days:
        found.append(Section(f"Day by day{suffix}", (figure(overview),)))
    changes = [movers_table(overview)] if overview.movers else []
    changes += [anomalies_table(overview)] if overview.anomalies else []
    if changes:
        found.append(Section(f"What changed{suffix}", tuple(changes)))
    parts = [block for dimension in ORDER for block in _parts(overview, dimension)]
    if overview.by_cost_type:
        parts.append(_cost_types(overview))
    return [*found, Section(f"Where it went{suffix}", tuple(parts))] if parts else found


def _parts(overview: Overview, dimension: Dimension) -> list[Block]:
    shares = overview.parts.get(dimension, ())
    if not is_told(shares):
        return []
    word, total = WORDS[dimension], (overview.spent, overview.complete, overview.same_days_before)
    table = part_table(
        f"By {word}, {overview.currency}",
        word,
        shares,
        total,
        overview.currency,
        most=MOST,
        always_unattributed=dimension in LABELS,
    )
    charted = bars(shares, overview.currency, CHARTED)
    if dimension is not Dimension.SERVICE or len(charted.items) < 2:  # noqa: PLR2004 - one bar
        return [table]
    largest, amount = charted.items[0]
    chart = Figure(
        name=f"{dimension}-{slug(overview.currency)}",
        title=f"Spend by {word}, {month_name(overview.month)}, {overview.currency}",
        description=f"{largest} cost most: {money(amount, overview.currency)}. "
        "The table has every amount.",
        data=charted,
    )
    return [chart, table]


def _cost_types(overview: Overview) -> Table:
    """Tax and rounding are rows like usage: the invoice has them too."""
    shares = [
        replace(share, name=COST_TYPES.get(share.name, share.name) if share.name else None)
        for share in overview.by_cost_type
    ]
    return part_table(
        f"By cost type, {overview.currency}",
        "cost type",
        shares,
        (overview.spent, overview.complete, overview.same_days_before),
        overview.currency,
    )


def _not_covered(overview: Overview) -> list[str]:
    lines = []
    for dimension in LABELS:
        shares = overview.parts.get(dimension)
        if shares is None or is_told(shares):
            continue
        amount = money(unattributed_of(shares), overview.currency)
        word = WORDS[dimension]
        lines.append(f"By {word}: no cost names its {word} ({amount} unattributed).")
    if overview.budget is None:
        lines.append(f"Budget: none is known in {overview.currency}.")
    if overview.forecast is None and not is_complete(overview.freshness, overview.month):
        lines.append(f"Forecast in {overview.currency}: too little is known of the month.")
    if not overview.days:
        lines.append(f"Day by day: no day has costs in {overview.currency}.")
    return lines
