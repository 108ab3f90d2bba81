# SPDX-License-Identifier: Apache-2.0
"""Say what a month's bill has besides the environments' costs: what names none of them. Pure.

Tax, support and rounding belong to an account, not to a project; in a shared project what has no
label belongs to nobody. Nobody would ever see either, if every environment showed only its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from twinguard.decide.months import last_of
from twinguard.decide.spend import Dimension, Line, Query


def query(month: dt.date) -> Query:
    """What to ask a source for, of all projects: the month by project and environment."""
    return Query(by=(Dimension.PROJECT, Dimension.ENVIRONMENT), first=month, last=last_of(month))


def outside(
    lines: Iterable[Line], project: str | None, environment: str | None
) -> dict[str, Decimal]:
    """By currency, what names no project, or in the shared project no environment."""
    found: dict[str, Decimal] = {}
    for line in lines:
        mine, label = line.keys
        is_shared = environment is not None and mine == project and label is None
        if (mine is None and label is None) or is_shared:
            found[line.currency] = found.get(line.currency, Decimal(0)) + line.net
    return {currency: net for currency, net in found.items() if net}
