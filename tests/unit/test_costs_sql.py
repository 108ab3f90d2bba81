# SPDX-License-Identifier: Apache-2.0
"""costs.sql adds up to the invoice: no exported row is lost, none is counted twice."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

SQL = (Path(__file__).parents[2] / "functions/twinguard/billing/costs.sql").read_text()
NAMED = {"id": "VARCHAR", "description": "VARCHAR"}
LABELLED = [{"key": "VARCHAR", "value": "VARCHAR"}]
EXPORT = {
    "billing_account_id": "VARCHAR",
    "invoice": {"month": "VARCHAR"},
    "cost_type": "VARCHAR",
    "service": NAMED,
    "sku": NAMED,
    "usage_start_time": "TIMESTAMPTZ",
    "usage_end_time": "TIMESTAMPTZ",
    "export_time": "TIMESTAMPTZ",
    "project": {"id": "VARCHAR", "name": "VARCHAR", "labels": LABELLED},
    "labels": LABELLED,
    "location": {"location": "VARCHAR", "region": "VARCHAR"},
    "currency": "VARCHAR",
    "cost": "DOUBLE",
    "cost_at_list": "DOUBLE",
    "usage": {"amount": "DOUBLE", "unit": "VARCHAR"},
    "credits": [{"name": "VARCHAR", "amount": "DOUBLE"}],
    "adjustment_info": {"mode": "VARCHAR", "type": "VARCHAR"},
}
"""The columns of Google's table that costs.sql reads, by their types in DuckDB."""

TIMES = ("usage_start", "usage_end", "export_time")
LABELS = ("environment", "tenant", "feature", "model", "api_key")
Line = dict[str, Any]


def tags(**pairs: str) -> list[Line]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def line(**changes: object) -> Line:
    """An hour of a service on 15 November 2026, for 24 cents, unless changed."""
    return {
        "billing_account_id": "012345-6789AB-CDEF01",
        "invoice": {"month": "202611"},
        "cost_type": "regular",
        "service": {"id": "152E-C115-5142", "description": "Cloud Run"},
        "sku": {"id": "AAAA-0001", "description": "CPU"},
        "usage_start_time": "2026-11-15T20:00:00Z",
        "usage_end_time": "2026-11-15T21:00:00Z",
        "export_time": "2026-11-16T03:00:00Z",
        "project": {"id": "living-twin-prod", "name": "Living Twin", "labels": []},
        "labels": [],
        "location": {"location": "europe-west1", "region": "europe-west1"},
        "currency": "USD",
        "cost": 0.24,
        "cost_at_list": 0.30,
        "usage": {"amount": 3600.0, "unit": "seconds"},
        "credits": [],
        "adjustment_info": None,
        **changes,
    }


def exact(node: exp.Expression) -> exp.Expression:
    """BigQuery's NUMERIC has nine decimals; DuckDB's DECIMAL has three unless it is told."""
    if isinstance(node, exp.DataType) and node.this is exp.DataType.Type.DECIMAL:
        return exp.DataType.build("DECIMAL(38, 9)")
    return node


def translated() -> str:
    tree = sqlglot.parse_one(SQL.replace("{table}", "exported"), read="bigquery")
    return tree.transform(exact).sql(dialect="duckdb")


QUERY = translated()


def costs(*lines: Line) -> list[Line]:
    """What costs.sql makes of these rows, in their order of usage and stock-keeping unit."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        # As JSON: DuckDB takes a Python dictionary of a key and a value for a map, and fails.
        database.execute(
            "CREATE TABLE exported AS SELECT UNNEST(FROM_JSON(?, ?), max_depth := 2)",
            [json.dumps(lines), json.dumps([EXPORT])],
        )
        # Times as text: as values they would ask for one more package, pytz.
        texts = ", ".join(f"CAST({name} AS TEXT) AS {name}" for name in TIMES)
        done = database.execute(
            f"SELECT * REPLACE ({texts}) FROM ({QUERY}) ORDER BY usage_start, sku_id"
        )
        names = [column[0] for column in done.description]
        return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


def one(**changes: object) -> Line:
    """What becomes of a single row."""
    (cost,) = costs(line(**changes))
    return cost


def totals(found: Iterable[Line], *, by: str) -> dict[object, Decimal]:
    sums: dict[object, Decimal] = defaultdict(Decimal)
    for cost in found:
        sums[cost[by]] += cost["net"]
    return dict(sums)


def test_the_placeholder_is_there_once():
    """Terraform and the cost monitor both replace it, and nothing else."""
    assert SQL.count("`{table}`") == 1
    assert SQL.count("{") == SQL.count("}") == 1
    assert "$" not in SQL


def test_a_row_keeps_what_it_says_under_lasting_names():
    found = one(
        labels=tags(tenant="acme", feature="search", model="gpt-4o", key="k-1a2b"),
        project={"id": "p", "name": "P", "labels": tags(environment="production")},
        credits=[{"name": "free", "amount": -0.04}],
    )

    assert found == {
        "billing_account_id": "012345-6789AB-CDEF01",
        "invoice_month": "202611",
        "usage_date": dt.date(2026, 11, 15),
        "usage_start": "2026-11-15 20:00:00+00",
        "usage_end": "2026-11-15 21:00:00+00",
        "export_time": "2026-11-16 03:00:00+00",
        "cost_type": "regular",
        "service_id": "152E-C115-5142",
        "service": "Cloud Run",
        "sku_id": "AAAA-0001",
        "sku": "CPU",
        "project_id": "p",
        "project_name": "P",
        "location": "europe-west1",
        "currency": "USD",
        "cost": Decimal("0.24"),
        "credits": Decimal("-0.04"),
        "net": Decimal("0.20"),
        "list_cost": Decimal("0.30"),
        "usage_amount": 3600.0,
        "usage_unit": "seconds",
        "environment": "production",
        "tenant": "acme",
        "feature": "search",
        "model": "gpt-4o",
        "api_key": "k-1a2b",
        "is_late": False,
        "is_adjustment": False,
        "is_correction": False,
    }


def test_two_credits_on_a_row_are_both_taken_off_and_the_cost_is_counted_once():
    given_back = [{"name": "committed", "amount": -0.10}, {"name": "free", "amount": -0.05}]

    found = one(credits=given_back)

    assert (found["cost"], found["credits"], found["net"]) == (
        Decimal("0.24"),
        Decimal("-0.15"),
        Decimal("0.09"),
    )


@pytest.mark.parametrize("credits", [[], None])
def test_without_credits_the_net_cost_is_the_cost(credits):
    found = one(credits=credits)

    assert (found["credits"], found["net"]) == (0, Decimal("0.24"))


@pytest.mark.parametrize("labels", [[], None])
def test_an_unlabelled_row_stays_and_names_nobody(labels):
    found = one(labels=labels)

    assert found["net"] == Decimal("0.24")
    assert {found[name] for name in LABELS} == {None}


def test_a_label_that_is_there_twice_neither_fails_nor_repeats_the_row():
    found = costs(line(labels=[*tags(tenant="acme"), *tags(tenant="zeta"), *tags(other="x")]))

    assert totals(found, by="tenant") == {"zeta": Decimal("0.24")}


def test_the_environment_of_a_resource_comes_before_its_projects():
    project = {"id": "p", "name": "P", "labels": tags(environment="production", tenant="nobody")}

    own = one(project=project, labels=tags(environment="staging"))
    inherited = one(project=project)

    assert (own["environment"], inherited["environment"]) == ("staging", "production")
    assert inherited["tenant"] is None


def test_tax_belongs_to_no_project_and_is_paid_all_the_same():
    found = one(
        cost_type="tax", project=None, location=None, usage=None, cost=4.2, cost_at_list=None
    )

    assert (found["cost_type"], found["project_id"], found["location"]) == ("tax", None, None)
    assert (found["net"], found["list_cost"]) == (Decimal("4.2"), Decimal("4.2"))
    assert found["is_correction"] is False


@pytest.mark.parametrize(
    "changes",
    [
        {"adjustment_info": {"mode": "PARTIAL_CORRECTION", "type": None}},
        {"adjustment_info": {"mode": None, "type": "USAGE_CORRECTION"}},
        {"cost_type": "adjustment"},
    ],
)
def test_an_adjustment_is_marked_and_may_be_negative(changes):
    found = one(cost=-1.5, **changes)

    assert found["net"] == Decimal("-1.5")
    assert (found["is_adjustment"], found["is_late"], found["is_correction"]) == (True, False, True)


@pytest.mark.parametrize("info", [None, {"mode": None, "type": None}, {"mode": "", "type": ""}])
def test_an_empty_adjustment_is_none(info):
    assert one(adjustment_info=info)["is_correction"] is False


@pytest.mark.parametrize(
    ("start", "day", "late"),
    [
        ("2026-11-01T06:59:59Z", dt.date(2026, 10, 31), True),  # still October in California
        ("2026-11-01T07:00:00Z", dt.date(2026, 11, 1), False),
        ("2026-12-01T07:59:59Z", dt.date(2026, 11, 30), False),  # winter time by now
        ("2026-12-01T08:00:00Z", dt.date(2026, 12, 1), False),
        ("2025-12-31T20:00:00Z", dt.date(2025, 12, 31), True),
    ],
)
def test_the_invoice_goes_by_the_day_in_california(start, day, late):
    found = one(usage_start_time=start)

    assert (found["usage_date"], found["is_late"], found["is_correction"]) == (day, late, late)


def test_six_instances_for_24_dollars_cost_24_by_whatever_label():
    """Joined with their labels, the same rows come to 44: Google's own example of the trap."""
    both = tags(tenant="acme", feature="search")
    instances = [line(cost=4.0, labels=both) for _ in range(5)] + [line(cost=4.0)]

    found = costs(*instances)

    assert totals(found, by="tenant") == {"acme": 20, None: 4}
    assert totals(found, by="feature") == {"search": 20, None: 4}


def test_money_is_exact_to_the_nano_dollar():
    """A tenth of a dollar has no exact float, and tokens cost less than a thousandth."""
    found = costs(*[line(cost=0.1)] * 10, *[line(cost=0.000000123)] * 1000)

    assert sum(cost["net"] for cost in found) == Decimal("1.000123")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(10**12), 10**12),
            st.lists(st.integers(-(10**9), 0), max_size=3),
            st.lists(st.sampled_from(["tenant", "feature", "model", "key", "x"]), max_size=4),
        ),
        max_size=8,
    )
)
def test_no_row_is_lost_or_repeated_and_the_sum_is_the_exports(rows):
    """Amounts are whole millionths, which a float holds."""
    lines = [
        line(
            cost=cost / 10**6,
            credits=[{"name": "c", "amount": amount / 10**6} for amount in amounts],
            labels=[{"key": key, "value": str(at)} for at, key in enumerate(keys)],
        )
        for cost, amounts, keys in rows
    ]

    found = costs(*lines)

    assert len(found) == len(rows)
    assert sum(cost["net"] for cost in found) == sum(
        Decimal(cost + sum(amounts)) / 10**6 for cost, amounts, _ in rows
    )
