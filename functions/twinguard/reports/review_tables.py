# SPDX-License-Identifier: Apache-2.0
"""The numbers a quarterly review rests on, month by month, and the settings it looks at. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from twinguard.decide.money import money, percent
from twinguard.decide.spend import Dimension, Overview
from twinguard.policy import Policy
from twinguard.reports.decisions import MONTHS, next_quarter, shares_of
from twinguard.reports.document import (
    Amount,
    Block,
    Cell,
    Column,
    Fact,
    Facts,
    Percent,
    Row,
    Table,
)
from twinguard.reports.names import REST, named, one_line
from twinguard.reports.parts import LABELS, WORDS, ZERO, share_of, unattributed
from twinguard.reports.stamps import counted, is_complete, month_name

MOST = 10


def spend_blocks(months: Sequence[Overview]) -> list[Block]:
    """Each month against its budget."""
    currency = months[0].currency
    columns = (
        Column("Month"),
        Column(f"Net, {currency}", is_number=True),
        Column(f"Before credits, {currency}", is_number=True),
        Column("Budget used", is_number=True),
        Column("Highest threshold", is_number=True),
    )
    rows = [Row((label(one), *_spent(one))) for one in months]
    return [Table(f"Spend against the budget, {currency}", columns, tuple(rows))]


def _spent(one: Overview) -> tuple[Cell, ...]:
    crossed = one.budget.crossed if one.budget else ()
    return (
        Amount(one.spent, one.currency),
        Amount(one.cost, one.currency),
        Percent(one.budget.percent) if one.budget else "no budget",
        Percent(crossed[-1]) if crossed else "none",
    )


def label(one: Overview) -> str:
    """A month, and whether it goes on."""
    return f"{month_name(one.month)}{'' if is_complete(one.freshness, one.month) else ' so far'}"


def shares_blocks(months: Sequence[Overview], dimension: Dimension) -> list[Block]:
    """Each part's share of each month's spend, the largest of the last month first."""
    shares = [shares_of(one, dimension) for one in months]
    names = {name for one in shares for name in one}
    if not names:
        return []
    ordered = sorted(names, key=lambda name: (-shares[-1].get(name, ZERO), name))
    rows = [
        Row((named(name), *(Percent(one[name]) if name in one else None for one in shares)))
        for name in ordered[:MOST]
    ]
    if left := ordered[MOST:]:
        sums = (Percent(sum((one.get(name, ZERO) for name in left), ZERO)) for one in shares)
        rows.append(Row((f"{REST} ({len(left)})", *sums)))
    word = WORDS[dimension]
    columns = (Column(word.capitalize()), *(Column(label(one), is_number=True) for one in months))
    return [Table(f"Share of the spend by {word}", columns, tuple(rows))]


def unattributed_blocks(months: Sequence[Overview]) -> list[Block]:
    """What no label tells apart, label by label."""
    rows = []
    for dimension in LABELS:
        known = [one.parts.get(dimension) for one in months]
        if not any(known):
            continue
        shares = [
            share_of(unattributed(found), one.spent) if found else None
            for found, one in zip(known, months, strict=True)
        ]
        cells = (None if share is None else Percent(share) for share in shares)
        rows.append(Row((WORDS[dimension], *cells)))
    columns = (Column("Label"), *(Column(label(one), is_number=True) for one in months))
    return [Table("Unattributed share of the spend", columns, tuple(rows))] if rows else []


def capacity_blocks(months: Sequence[Overview]) -> list[Block]:
    """What the next quarter comes to if it goes on like this."""
    coming = next_quarter(months)
    if coming is None:
        return []
    growth, spend = coming
    currency = months[-1].currency
    facts = [
        Fact("Growth", f"{percent(growth)} a month", "geometric mean of the complete months"),
        Fact("In three months", f"{money(spend, currency)} a month", "if it goes on like that"),
    ]
    if (budget := months[-1].budget) is not None and budget.currency == currency:
        facts.append(
            Fact("Budget", money(budget.amount, currency), _reach(growth, spend, budget.amount))
        )
    return [Facts(tuple(facts))]


def _reach(growth: Decimal, spend: Decimal, amount: Decimal) -> str:
    """In how many months growth reaches the budget, up to two years ahead."""
    factor = 1 + growth / 100
    reached = spend / factor**MONTHS
    for month in range(25):
        if reached > amount:
            return f"reached in {counted(month, 'month')}" if month else "reached already"
        reached *= factor
    return "not reached within two years"


def settings_blocks(policy: Policy) -> list[Block]:
    """The scaling settings under review, and the limits set at Google itself."""
    blocks: list[Block] = []
    if policy.services:
        asleep = policy.schedule.services if policy.schedule else ()
        columns = (Column("Service"), Column("When the cap trips"), Column("At night"))
        rows = tuple(
            Row(
                (
                    one_line(name),
                    "keeps serving" if target.critical else "is held",
                    "sleeps" if name in asleep else "runs",
                )
            )
            for name, target in sorted(policy.services.items())
        )
        blocks.append(Table("Services in the policy", columns, rows))
    if policy.quotas:
        rows = tuple(
            Row((f"{quota.service} {quota.quota}", f"{quota.value:,}"))
            for _, quota in sorted(policy.quotas.items())
        )
        blocks.append(
            Table("Limits at Google", (Column("Quota"), Column("Limit", is_number=True)), rows)
        )
    return blocks
