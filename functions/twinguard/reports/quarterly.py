# SPDX-License-Identifier: Apache-2.0
"""The quarterly review (strategy.md 13): what to decide, and the numbers it rests on. Pure.

A section without data is left out and named under what is not covered, never filled with words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise

from twinguard.decide.months import before, last_of
from twinguard.decide.spend import Dimension, Overview
from twinguard.policy import Policy
from twinguard.reports.decisions import MONTHS, Check, checks, next_quarter
from twinguard.reports.document import Checklist, Column, Document, Item, Row, Section, Table
from twinguard.reports.names import one_line, slug
from twinguard.reports.review_tables import (
    capacity_blocks,
    settings_blocks,
    shares_blocks,
    spend_blocks,
    unattributed_blocks,
)
from twinguard.reports.stamps import counted, is_complete, month_name, stamp
from twinguard.reports.tables import anomalies_table


def quarterly(overviews: Sequence[Overview], policy: Policy) -> Document:
    """The review of up to three months in a row, of one or more currencies, under a policy."""
    months = sorted({overview.month for overview in overviews})
    _refuse_gaps(overviews, months, policy)
    currencies = sorted({overview.currency for overview in overviews})
    series = [
        sorted((o for o in overviews if o.currency == one), key=lambda o: o.month)
        for one in currencies
    ]
    found = [(one, checks(one, policy)) for one in series]
    answers = [check for _, answered in found for check in answered]
    unique = tuple(dict.fromkeys(answers))
    environment, span = one_line(policy.environment), _span(months)
    open_ = [check for check in unique if check.decision]
    return Document(
        name=f"review-{slug(environment)}-{months[-1]:%Y-%m}",
        title=f"Quarterly review of {environment}, {span}",
        subtitle=f"{counted(len(open_), 'thing')} to decide; {counted(len(unique), 'number')} "
        "looked at.",
        stamp=stamp((one[-1].freshness for one in series), last_of(months[-1])),
        sections=(
            *_verdict(unique),
            *(
                section
                for one in series
                for section in _numbers(one, f" in {one[0].currency}" * (len(series) > 1))
            ),
            *_settings(policy),
        ),
        not_covered=_not_covered(series, months, policy),
    )


def _refuse_gaps(overviews: Sequence[Overview], months: list[dt.date], policy: Policy) -> None:
    wrong = {o.environment for o in overviews} - {policy.environment.value}
    if wrong or not months:
        raise ValueError(f"a review of {policy.environment} needs its own months; got {wrong}")
    if len(months) > MONTHS or any(before(later) != earlier for earlier, later in pairwise(months)):
        raise ValueError(f"a review takes up to {MONTHS} months in a row; make several")


def _span(months: Sequence[dt.date]) -> str:
    if len(months) == MONTHS and months[-1].month % MONTHS == 0:
        return f"Q{months[-1].month // MONTHS} {months[-1].year}"
    if len(months) == 1:
        return month_name(months[0])
    return f"{month_name(months[0])} to {month_name(months[-1])}"


def _verdict(found: Sequence[Check]) -> tuple[Section, ...]:
    """What to decide, and what was looked at without finding anything."""
    items = tuple(Item(check.topic, check.decision) for check in found if check.decision)
    columns = (Column("Topic"), Column("Found"), Column("Limit"))
    rows = tuple(Row((c.topic, c.found, c.limit)) for c in found if not c.decision)
    quiet = Table("Looked at, nothing to decide", columns, rows)
    return (
        *((Section("What to decide", (Checklist(items),)),) if items else ()),
        *((Section("In order", (quiet,)),) if rows else ()),
    )


def _numbers(months: Sequence[Overview], suffix: str) -> list[Section]:
    blocks = (
        ("Spend and budget", spend_blocks(months)),
        ("Model selection", shares_blocks(months, Dimension.MODEL)),
        (
            "Cost allocation",
            [*unattributed_blocks(months), *shares_blocks(months, Dimension.TENANT)],
        ),
        ("Days to explain", [anomalies_table(one) for one in months if one.anomalies]),
        ("Capacity for the next quarter", capacity_blocks(months)),
    )
    return [Section(f"{title}{suffix}", tuple(found)) for title, found in blocks if found]


def _settings(policy: Policy) -> tuple[Section, ...]:
    blocks = settings_blocks(policy)
    return (Section("Scaling settings", tuple(blocks)),) if blocks else ()


def _not_covered(
    series: Sequence[Sequence[Overview]], months: Sequence[dt.date], policy: Policy
) -> tuple[str, ...]:
    lines = ["Security events and usage baselines: this review is made of costs and the policy."]
    if len(months) < MONTHS:
        lines.append(f"A whole quarter: costs of {counted(len(months), 'month')} are known.")
    for one in series:
        currency = one[0].currency
        lines += [
            f"{month_name(o.month)} in {currency}: the month is not complete."
            for o in one
            if not is_complete(o.freshness, o.month)
        ]
        if not shares_blocks(one, Dimension.MODEL):
            lines.append(f"Model selection: no cost in {currency} names its model.")
        if not unattributed_blocks(one):
            lines.append(f"Cost allocation: no labels are told apart in {currency}.")
        if next_quarter(one) is None:
            lines.append(f"Capacity: fewer than two complete months have costs in {currency}.")
        if one[-1].budget is None:
            lines.append(f"Budget: none is known in {currency}.")
    if not policy.services:
        lines.append("Scaling settings: the policy names no service.")
    return tuple(lines)
