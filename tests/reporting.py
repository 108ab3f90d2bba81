# SPDX-License-Identifier: Apache-2.0
"""Overviews to make reports of, built by hand, and the reports that were agreed on.

`python -m reporting` (see `REGENERATE`) rewrites the agreed Markdown in `tests/data/reports`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from twinguard import config
from twinguard.decide.months import last_of
from twinguard.decide.spend import (
    Anomaly,
    BudgetStand,
    Day,
    Dimension,
    Driver,
    Forecast,
    Freshness,
    Overview,
    Share,
)
from twinguard.policy import Environment, Policy
from twinguard.reports import markdown
from twinguard.reports.document import Document
from twinguard.reports.monthly import monthly
from twinguard.reports.quarterly import quarterly
from twinguard.reports.statement import statement

REGENERATE = "PYTHONPATH=functions:tests .venv/bin/python -m reporting"
AGREED = Path(__file__).parent / "data" / "reports"
OCTOBER, NOVEMBER, DECEMBER = (dt.date(2026, month, 1) for month in (10, 11, 12))
HOSTILE = (
    "<script>alert(1)</script>",
    "a|b\n| c |",
    "\u202egro.live\u202c \u200bx",
    "[click](http://evil.example) @everyone #1 $x$ `rm` ![i](http://evil.example/i.png)",
    "</td></tr></table><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 10_000,
    "\ud800",
    "",
    "Total",
    "unattributed",
)
Amounts = Mapping[str | None, str]


def shares(amounts: Amounts, before: Amounts | None = None) -> tuple[Share, ...]:
    """Parts by name: now, and the same days before."""
    earlier = before or {}
    return tuple(
        Share(name=name, net=Decimal(net), before=Decimal(earlier.get(name, "0")))
        for name, net in amounts.items()
    )


def overview(month: dt.date = NOVEMBER, currency: str = "USD", **changes) -> Overview:
    """A small month that adds up: 100.00 spent, of a budget of 500."""
    last = last_of(month)
    spent = changes.get("spent", Decimal("100.00"))
    settings = {
        "environment": "staging",
        "currency": currency,
        "month": month,
        "as_of": last,
        "freshness": freshness(last),
        "spent": spent,
        "cost": spent,
        "credits": Decimal(0),
        "corrections": Decimal(0),
        "by_cost_type": shares({"regular": str(spent)}),
        "days": (Day(month, spent),),
        "complete": spent,
        "same_days_before": Decimal(0),
        "month_before": Decimal(0),
        "forecast": None,
        "budget": budget(spent, currency),
        "parts": {Dimension.SERVICE: shares({"Cloud Run": str(spent)})},
        "movers": (),
        "anomalies": (),
    }
    return Overview(**(settings | changes))


def freshness(through: dt.date | None) -> Freshness:
    newest = None
    if through is not None:
        newest = dt.datetime.combine(through, dt.time(21, 40), dt.UTC) + dt.timedelta(days=1)
    return Freshness(
        source="BigQuery export of 012345-567890-ABCDEF",
        through=through,
        newest=newest,
        lag=dt.timedelta(hours=36),
    )


def budget(basis: Decimal, currency: str = "USD", amount: str = "500") -> BudgetStand:
    """A budget with the ladder 50, 75, 90, 100."""
    percent = 100 * basis / Decimal(amount)
    ladder = [Decimal(step) for step in (50, 75, 90, 100)]
    return BudgetStand(
        name="living-twin-staging-budget",
        amount=Decimal(amount),
        currency=currency,
        basis=basis,
        percent=percent,
        crossed=tuple(step for step in ladder if step <= percent),
        next=next((step for step in ladder if step > percent), None),
        burn=basis / 30,
        cap_percent=Decimal(100),
        reached_on=None,
    )


def busy() -> Overview:
    """A month of production under way, with everything that a report can have."""
    days = tuple(
        Day(NOVEMBER + dt.timedelta(days=n), Decimal(amount))
        for n, amount in enumerate(_DAYS.split())
    )
    spent, credited = sum((day.amount for day in days), Decimal(0)), Decimal("-211.407318")
    cost = spent - credited
    through = days[-1].date
    return overview(
        environment="production",
        as_of=through,
        freshness=freshness(through),
        spent=spent,
        cost=cost,
        credits=credited,
        corrections=Decimal("-4.120000"),
        by_cost_type=shares(
            {
                "regular": str(spent - Decimal("412.338113")),
                "tax": "412.34",
                "adjustment": "0",
                "rounding_error": "-0.001887",
            },
            {"regular": "2101.55", "tax": "350.10"},
        ),
        days=days,
        same_days_before=Decimal("2451.65"),
        month_before=Decimal("3420.18"),
        forecast=Forecast(
            spent=spent,
            lowest=Decimal("4250.7"),
            low=Decimal("4410.2"),
            middle=Decimal("4687.9"),
            high=Decimal("5104.6"),
            highest=Decimal("5377.0"),
            method=(
                "weekday profile, and the means and trend that were nearest of late, over 83 days"
            ),
            days=83,
        ),
        budget=_production_budget(cost),
        parts=_parts(spent),
        movers=(
            Driver(name="gpt-4.1", before=Decimal("311.20"), after=Decimal("1033.78")),
            Driver(name="Cloud Run", before=Decimal("702.10"), after=Decimal("664.90")),
        ),
        anomalies=(
            Anomaly(
                dimension=Dimension.MODEL,
                name="gpt-4.1",
                date=dt.date(2026, 11, 12),
                currency="USD",
                actual=Decimal("287.114"),
                expected=Decimal("61.2"),
                limit=Decimal(118),
                score=Decimal("9.4"),
                drivers=(
                    Driver(name="acme", before=Decimal(20), after=Decimal("201.30")),
                    Driver(name="report-writer", before=Decimal(15), after=Decimal("47.5")),
                ),
            ),
        ),
        other_currencies=(("EUR", Decimal(100)), ("JPY", Decimal(8420))),
    )


def _production_budget(cost: Decimal) -> BudgetStand:
    return BudgetStand(
        name="living-twin-production-budget",
        amount=Decimal(5000),
        currency="USD",
        basis=cost,
        percent=100 * cost / 5000,
        crossed=(Decimal(50), Decimal(75)),
        next=Decimal(90),
        burn=Decimal("149.80"),
        cap_percent=Decimal(100),
        reached_on=None,
    )


def _parts(spent: Decimal) -> dict[Dimension, tuple[Share, ...]]:
    services = {
        "OpenAI": "1514.201144",
        "Vertex AI": "702.118",
        "Cloud Run": "664.903",
        "Cloud SQL": "210.4",
        "Firestore": "96.5512",
        "Cloud Storage": "31.07",
        "Tax": "412.34",
    }
    left = spent - sum(Decimal(amount) for amount in services.values())
    services |= {"Cloud Logging": str(left)}
    earlier = {"OpenAI": "640.2", "Vertex AI": "555.01", "Cloud Run": "702.1", "Tax": "350.1"}
    earlier |= {"Cloud SQL": "138.24", "Firestore": "66"}
    tenants = {"acme": "1420.1143", "globex": "803.22", "initech & sons": "377.9", "Ünïon": "88.02"}
    tenants |= {None: str(spent - sum(Decimal(amount) for amount in tenants.values()))}
    models = {"gpt-4.1": "1033.78", "gpt-4.1-mini": "480.421144", "gemini-2.5-flash": "611.2"}
    models |= {None: str(spent - sum(Decimal(amount) for amount in models.values()))}
    return {
        Dimension.SERVICE: shares(services, earlier),
        Dimension.TENANT: shares(tenants, {"acme": "610", "globex": "790.4", None: "1051.25"}),
        Dimension.MODEL: shares(
            models, {"gpt-4.1": "311.2", "gpt-4.1-mini": "329", None: "1811.45"}
        ),
        Dimension.FEATURE: shares({None: str(spent)}),
    }


_DAYS = """
112.402113 158.119 161.004 149.77 171.25 166.0031 121.4 118.223 164.09 170.881 176.4 402.118
188.7 127.5 125.02 181.3 186.442 179.9 191.013 194.6 139.2 136.75
"""


def quarter() -> tuple[Overview, ...]:
    """Three months of staging: spend grows, a model takes over, labels are missing."""
    months = zip((OCTOBER, NOVEMBER, DECEMBER), ("210", "300", "430"), (10, 18, 45), strict=True)
    return tuple(
        overview(
            month,
            spent=Decimal(spent),
            parts={
                Dimension.MODEL: shares(
                    {
                        "gpt-4.1": str(Decimal(spent) * percent / 100),
                        "gpt-4.1-mini": str(Decimal(spent) * (90 - percent) / 100),
                        None: str(Decimal(spent) * 10 / 100),
                    }
                ),
                Dimension.TENANT: shares(
                    {"acme": str(Decimal(spent) * 98 / 100), None: str(Decimal(spent) * 2 / 100)}
                ),
            },
        )
        for month, spent, percent in months
    )


def policy(environment: Environment = Environment.STAGING) -> Policy:
    """A policy as it is deployed."""
    return config.load(config.path_of(environment))


def one_customer() -> tuple[Overview, ...]:
    """A customer's complete month in two currencies, of amounts that do not round evenly."""
    third = Decimal("33.335")
    return (
        overview(
            spent=3 * third,
            cost=Decimal("110.006"),
            credits=3 * third - Decimal("110.006"),
            days=tuple(Day(NOVEMBER + dt.timedelta(days=n), third) for n in range(3)),
            parts={
                Dimension.FEATURE: shares({"chat": "33.335", "search": "33.335", None: "33.335"}),
                Dimension.MODEL: shares({"gpt-4.1-mini": "66.67", "gemini-2.5-flash": "33.335"}),
            },
        ),
        overview(currency="JPY", spent=Decimal(1200), parts={}, budget=None),
    )


def documents() -> Sequence[Document]:
    """The reports whose Markdown is agreed on."""
    left_out = {"USD": Decimal("12.5"), "JPY": Decimal(0)}
    return (
        monthly((busy(), overview(environment="production", currency="EUR", budget=None))),
        statement("acme", one_customer(), left_out),
        quarterly(quarter(), policy()),
    )


if __name__ == "__main__":
    AGREED.mkdir(exist_ok=True)
    for document in documents():
        (AGREED / f"{document.name}.md").write_text(markdown.render(document), encoding="utf-8")
