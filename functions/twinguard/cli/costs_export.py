# SPDX-License-Identifier: Apache-2.0
"""Print a month's costs as CSV or as FOCUS 1.2 rows, for other programs.

One row for each day, service, SKU, project, cost type and set of labels; amounts are exact."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from twinguard.costs import INVOICE_CLOCK, Ledger
from twinguard.decide.months import ONE, last_of, month_of
from twinguard.decide.spend import Dimension, Line

BY = (
    Dimension.DAY,
    Dimension.SERVICE,
    Dimension.SKU,
    Dimension.PROJECT,
    Dimension.COST_TYPE,
    Dimension.ENVIRONMENT,
    Dimension.TENANT,
    Dimension.FEATURE,
    Dimension.MODEL,
    Dimension.KEY,
)
_LABELS = BY[5:]
_CATEGORIES = {"tax": "Tax", "adjustment": "Adjustment", "rounding_error": "Adjustment"}
_UTC = ZoneInfo("UTC")


def write(ledger: Ledger, month: dt.date | None, tenant: str | None, *, is_focus: bool) -> None:
    """The month's rows on standard output."""
    month = month_of(month or ledger.this_month)
    lines = ledger.told_by(BY, month=month, tenant=tenant)
    rows = _focus(lines, month) if is_focus else _plain(lines)
    first = next(rows, None)
    names = list(first) if first else (FOCUS if is_focus else PLAIN)
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    if first:
        writer.writerow(first)
        writer.writerows(rows)


PLAIN = [*(str(one) for one in BY), "currency", "cost", "credits", "net"]
FOCUS = [
    *("BilledCost", "BillingCurrency", "BillingPeriodStart", "BillingPeriodEnd"),
    *("ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargePeriodStart", "ChargePeriodEnd", "EffectiveCost", "ListCost", "ContractedCost"),
    *("ProviderName", "ServiceName", "SkuId", "SubAccountId", "Tags"),
]


def _plain(lines: tuple[Line, ...]) -> Iterator[dict[str, str]]:
    for line in lines:
        keys = {str(name): key or "" for name, key in zip(BY, line.keys, strict=True)}
        amounts = {"cost": line.cost, "credits": line.credits, "net": line.net}
        yield {
            **keys,
            "currency": line.currency,
            **{name: f"{amount:f}" for name, amount in amounts.items()},
        }


def _focus(lines: tuple[Line, ...], month: dt.date) -> Iterator[dict[str, str]]:
    """A row for the cost, and one for its credits: FOCUS tells them apart by category."""
    period = {
        "BillingPeriodStart": _moment(month),
        "BillingPeriodEnd": _moment(last_of(month) + ONE),
    }
    for line in lines:
        keys = dict(zip(BY, line.keys, strict=True))
        kind = keys[Dimension.COST_TYPE] or "regular"
        parts = ((_CATEGORIES.get(kind, "Usage"), line.cost), ("Credit", line.credits))
        for category, amount in parts:
            if amount or category != "Credit":
                yield {**_row(keys, line, category, amount), **period}


def _row(
    keys: dict[Dimension, str | None], line: Line, category: str, amount: Decimal
) -> dict[str, str]:
    day = dt.date.fromisoformat(str(keys[Dimension.DAY]))
    tags = {str(name): keys[name] for name in _LABELS if keys[name] is not None}
    exact = f"{amount:f}"
    return {
        "BilledCost": exact,
        "BillingCurrency": line.currency,
        "BillingPeriodStart": "",
        "BillingPeriodEnd": "",
        "ChargeCategory": category,
        "ChargeClass": "",
        "ChargeDescription": keys[Dimension.SKU] or keys[Dimension.COST_TYPE] or "",
        "ChargePeriodStart": _moment(day),
        "ChargePeriodEnd": _moment(day + ONE),
        "EffectiveCost": exact,
        "ListCost": exact,
        "ContractedCost": exact,
        "ProviderName": "Google Cloud",
        "ServiceName": keys[Dimension.SERVICE] or "",
        "SkuId": keys[Dimension.SKU] or "",
        "SubAccountId": keys[Dimension.PROJECT] or "",
        "Tags": json.dumps(tags, ensure_ascii=False, sort_keys=True),
    }


def _moment(day: dt.date) -> str:
    """Midnight of the invoice's calendar, in UTC as FOCUS wants it."""
    start = dt.datetime.combine(day, dt.time(), INVOICE_CLOCK).astimezone(_UTC)
    return f"{start:%Y-%m-%dT%H:%M:%SZ}"
