# SPDX-License-Identifier: Apache-2.0
"""Rows in the shape of Google's detailed export, as BigQuery writes them to JSON lines."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from twinguard.standins.export_catalogue import ACCOUNT, PROJECTS, Sku

Row = dict[str, Any]
"""One row; amounts are Decimals of any length."""

_HOUR = dt.timedelta(hours=1)


def row_of(
    sku: Sku | None,
    start: dt.datetime,
    cost: Decimal,
    labels: list[tuple[str, str]],
    project: str | None,
    credits: tuple[tuple[str, Decimal], ...],
    currency: str,
    kind: str,
    adjustment: tuple[str, str] | None,
    month: str,
    written: dt.datetime,
) -> Row:
    """One row as BigQuery writes it to JSON lines."""
    environment = PROJECTS.get(project or "")
    tags = [{"key": "environment", "value": environment}] if environment else []
    return {
        "billing_account_id": ACCOUNT,
        "invoice": {"month": month},
        "cost_type": kind,
        "service": {"id": sku.service_id, "description": sku.service}
        if sku
        else {"id": "0000-0000-0000", "description": "Invoice"},
        "sku": {"id": sku.id, "description": sku.name}
        if sku
        else {"id": "0000-0000-0001", "description": kind},
        "usage_start_time": _stamp(start),
        "usage_end_time": _stamp(start + _HOUR),
        "project": {"id": project, "name": project, "labels": tags} if project else None,
        "labels": [{"key": key, "value": value} for key, value in labels],
        "location": {
            "location": "europe-west1",
            "country": "BE",
            "region": "europe-west1",
            "zone": None,
        },
        "export_time": _stamp(written),
        "cost": cost,
        "cost_at_list": cost if kind == "regular" else None,
        "currency": currency,
        "currency_conversion_rate": Decimal(1),
        "usage": {"amount": 3600.0, "unit": sku.unit if sku else None},
        "credits": [
            {
                "id": name.lower(),
                "full_name": name.title(),
                "type": name,
                "name": name,
                "amount": amount,
            }
            for name, amount in credits
        ],
        "adjustment_info": {
            "id": "a-1",
            "description": "made up",
            "mode": adjustment[0],
            "type": adjustment[1],
        }
        if adjustment
        else None,
        "resource": {"name": None, "global_name": None},
        "transaction_type": "THIRD_PARTY_RESELLER" if sku and sku.is_third_party else "GOOGLE",
        "seller_name": "Anthropic" if sku and sku.is_third_party else "Google",
    }


def _stamp(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
