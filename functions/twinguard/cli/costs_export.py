# SPDX-License-Identifier: Apache-2.0
"""Print a month's costs as CSV or as FOCUS 1.2 rows, for other programs.

One row for each day, service, SKU, project, cost type and set of labels; amounts are exact, and
each row says whether its day is complete."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

from twinguard.costs import INVOICE_CLOCK, Ledger
from twinguard.decide.months import ONE, last_of, month_of
from twinguard.decide.spend import UTC, Dimension, Line

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
    through = ledger.freshness.through
    rows = _plain(lines, through)
    if is_focus:
        rows = _focus(lines, month, _issuer(ledger), through)
    first = next(rows, None)
    names = list(first) if first else (FOCUS if is_focus else PLAIN)
    writer = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    writer.writeheader()
    if first:
        writer.writerow(first)
        writer.writerows(rows)


PLAIN = [*(str(one) for one in BY), "currency", "cost", "credits", "net", "is_complete"]
FOCUS = [
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd"),
    *("ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargePeriodStart", "ChargePeriodEnd", "EffectiveCost", "ListCost", "ContractedCost"),
    *("InvoiceIssuerName", "ProviderName", "PublisherName", "PricingQuantity", "PricingUnit"),
    *("ServiceCategory", "ServiceName", "SkuId", "SubAccountId", "Tags", "x_IsComplete"),
]
"""All columns that FOCUS 1.2 wants of everybody. What a sum has no more (names of accounts,
quantities, corrections) is empty in them."""

_SERVICES = {
    "BigQuery": "Analytics",
    "Cloud Firestore": "Databases",
    "Cloud Logging": "Management and Governance",
    "Cloud Pub/Sub": "Integration",
    "Cloud Run": "Compute",
    "Cloud Run Functions": "Compute",
    "Cloud Storage": "Storage",
    "Compute Engine": "Compute",
    "Networking": "Networking",
    "OpenAI": "AI and Machine Learning",
    "Secret Manager": "Security",
    "Vertex AI": "AI and Machine Learning",
}
"""FOCUS's categories of services that environments have; `Other` is one too."""


class _Issuer(Struct, frozen=True):
    """Who sends the invoice, for which account, and whose days its days are."""

    name: str
    account: str
    clock: ZoneInfo


def _issuer(ledger: Ledger) -> _Issuer:
    fresh, account = ledger.freshness, ledger.policy.billing_account or ""
    if fresh.calendar != UTC:
        return _Issuer("Google Cloud", account, INVOICE_CLOCK)
    return _Issuer("OpenAI" if fresh.source == "OpenAI" else "not told", "", _UTC)


def _plain(lines: tuple[Line, ...], through: dt.date | None) -> Iterator[dict[str, str]]:
    for line in lines:
        keys = {str(name): key or "" for name, key in zip(BY, line.keys, strict=True)}
        amounts = {"cost": line.cost, "credits": line.credits, "net": line.net}
        yield {
            **keys,
            "currency": line.currency,
            **{name: f"{amount:f}" for name, amount in amounts.items()},
            "is_complete": _is_complete(line, through),
        }


def _focus(
    lines: tuple[Line, ...], month: dt.date, issuer: _Issuer, through: dt.date | None
) -> Iterator[dict[str, str]]:
    """A row for the cost, and one for its credits: FOCUS tells them apart by category."""
    period = {
        "BillingPeriodStart": _moment(month, issuer),
        "BillingPeriodEnd": _moment(last_of(month) + ONE, issuer),
    }
    for line in lines:
        keys = dict(zip(BY, line.keys, strict=True))
        kind = keys[Dimension.COST_TYPE] or "regular"
        parts = ((_CATEGORIES.get(kind, "Usage"), line.cost), ("Credit", line.credits))
        for category, amount in parts:
            if amount or (category != "Credit" and not line.credits):
                row = _row(keys, line, category, amount, issuer)
                yield {**row, **period, "x_IsComplete": _is_complete(line, through)}


def _row(
    keys: dict[Dimension, str | None],
    line: Line,
    category: str,
    amount: Decimal,
    issuer: _Issuer,
) -> dict[str, str]:
    day = dt.date.fromisoformat(str(keys[Dimension.DAY]))
    tags = {str(name): keys[name] for name in _LABELS if keys[name] is not None}
    exact, service = f"{amount:f}", keys[Dimension.SERVICE] or ""
    return {
        **dict.fromkeys(FOCUS, ""),
        "BilledCost": exact,
        "BillingAccountId": issuer.account,
        "BillingCurrency": line.currency,
        "ChargeCategory": category,
        "ChargeDescription": keys[Dimension.SKU] or keys[Dimension.COST_TYPE] or "",
        "ChargePeriodStart": _moment(day, issuer),
        "ChargePeriodEnd": _moment(day + ONE, issuer),
        "EffectiveCost": exact,
        "ListCost": exact,
        "ContractedCost": exact,
        **dict.fromkeys(("InvoiceIssuerName", "ProviderName", "PublisherName"), issuer.name),
        "ServiceCategory": _SERVICES.get(service, "Other"),
        "ServiceName": service,
        "SkuId": keys[Dimension.SKU] or "",
        "SubAccountId": keys[Dimension.PROJECT] or "",
        "Tags": json.dumps(tags, ensure_ascii=False, sort_keys=True),
    }


def _is_complete(line: Line, through: dt.date | None) -> str:
    return "true" if through is not None and str(line.keys[0]) <= str(through) else "false"


def _moment(day: dt.date, issuer: _Issuer) -> str:
    """Midnight of the invoice's calendar, in UTC as FOCUS wants it."""
    start = dt.datetime.combine(day, dt.time(), issuer.clock).astimezone(_UTC)
    return f"{start:%Y-%m-%dT%H:%M:%SZ}"
