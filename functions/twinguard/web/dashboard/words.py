# SPDX-License-Identifier: Apache-2.0
"""Word amounts, ages and kinds for a page. Pure; templates escape all of it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from twinguard.decide import money
from twinguard.decide.model import Alert
from twinguard.reports.stamps import counted

COST_KINDS = frozenset(
    {"anomaly", "budget", "cap", "drift", "enforcement", "forecast", "limit", "period"}
)
"""Kinds of incidents that are about money."""

OPERATION_KINDS = frozenset(
    {"channel", "dead-letter", "digest", "manual", "night", "night-failing", "report", "savings"}
)
"""Kinds about running things. Whatever is neither is about security."""


def plain(amount: Decimal, currency: str) -> str:
    """An amount without its currency, which a column names."""
    return money.money(amount, currency).rpartition(" ")[0]


def age(since: dt.datetime, now: dt.datetime) -> str:
    """How long ago, in one unit: `3 hours`."""
    minutes = max(0, int((now - since).total_seconds() // 60))
    for size, unit in ((60 * 24, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            return counted(minutes // size, unit)
    return "moments"


def until(at: dt.datetime, now: dt.datetime) -> str:
    """How long it takes yet: `in 3 days`, or `overdue by 2 days`."""
    return f"in {age(now, at)}" if at > now else f"overdue by {age(at, now)}"


def about(alert: Alert) -> str:
    """What an incident is about: `costs`, `operations` or `security`."""
    if alert.kind in COST_KINDS:
        return "costs"
    return "operations" if alert.kind in OPERATION_KINDS else "security"
