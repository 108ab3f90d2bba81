# SPDX-License-Identifier: Apache-2.0
"""Tables of what a month's overview found: thresholds, what moved, days to look at. Pure."""

from __future__ import annotations

from twinguard.decide.money import money, percent
from twinguard.decide.spend import BudgetStand, Overview
from twinguard.reports.document import Amount, Change, Column, Row, Table
from twinguard.reports.names import named, one_line
from twinguard.reports.parts import WORDS
from twinguard.reports.stamps import listed


def budget_table(budget: BudgetStand) -> Table:
    """The thresholds reached, the next one, and the day on which the cap is reached."""
    rows = [
        Row((percent(t), Amount(budget.amount * t / 100, budget.currency), "reached"))
        for t in budget.crossed
    ]
    if budget.next is not None:
        amount = budget.amount * budget.next / 100
        left = money(amount - budget.basis, budget.currency)
        rows.append(
            Row((percent(budget.next), Amount(amount, budget.currency), f"next, {left} away"))
        )
    if budget.cap_percent is not None:
        when = (
            f"reached on {budget.reached_on} at {money(budget.burn, budget.currency)} a day"
            if budget.reached_on
            else f"not reached this month at {money(budget.burn, budget.currency)} a day"
        )
        if budget.percent >= budget.cap_percent:
            when = "reached"
        amount = budget.amount * budget.cap_percent / 100
        cells = (f"cap at {percent(budget.cap_percent)}", Amount(amount, budget.currency), when)
        rows.append(Row(cells))
    columns = (
        Column("Threshold"),
        Column(f"Amount, {budget.currency}", is_number=True),
        Column("Where it stands"),
    )
    return Table(f"Thresholds of {one_line(budget.name)}", columns, tuple(rows))


def movers_table(overview: Overview) -> Table:
    """What grew and what shrank."""
    currency = overview.currency
    columns = (
        Column("What"),
        Column(f"Before, {currency}", is_number=True),
        Column(f"Now, {currency}", is_number=True),
        Column("Change", is_number=True),
    )
    rows = tuple(
        Row(
            (
                named(mover.name),
                Amount(mover.before, currency),
                Amount(mover.after, currency),
                Change(mover.before, mover.after, currency),
            )
        )
        for mover in overview.movers
    )
    return Table("What moved most against the same days of the month before", columns, rows)


def anomalies_table(overview: Overview) -> Table:
    """Days to look at, with what they should have cost and what drove them."""
    columns = (
        Column("Day"),
        Column("What"),
        Column(f"Spent, {overview.currency}", is_number=True),
        Column(f"Expected, {overview.currency}", is_number=True),
        Column("Driven by"),
    )
    rows = tuple(
        Row(
            (
                one.date.isoformat(),
                f"{WORDS[one.dimension]} {named(one.name)}",
                Amount(one.actual, one.currency),
                Amount(one.expected, one.currency),
                listed(
                    f"{named(d.name)} ({'+' * (d.change > 0)}{money(d.change, one.currency)})"
                    for d in one.drivers
                )
                or "no single part",
            )
        )
        for one in overview.anomalies
    )
    return Table("Days that the past does not explain", columns, rows)
