# SPDX-License-Identifier: Apache-2.0
"""The gateway's usage log as a source of costs: whole, exact, each line once."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from twinguard import config
from twinguard.billing import open_costs
from twinguard.billing.usage_log import UsageLog, is_usage_log
from twinguard.decide.spend import Basis, Dimension, Line, Query
from twinguard.errors import Misconfigured
from twinguard.policy import Environment

DAY = dt.date(2026, 11, 24)
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


def line(number, **fields):
    usual = {
        "id": f"req_{number}-1",
        "request_id": f"req_{number}",
        "attempt": 1,
        "at": "2026-11-24T10:00:00+00:00",
        "period": "2026-11",
        "kind": "usage",
        "environment": "development",
        "tenant": "acme",
        "feature": "search",
        "key_id": "key1",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4",
        "cost_nanos": 1_000_000_001,
    }
    return usual | fields


def written(path, *lines):
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return str(path)


def query(*by, **more):
    return Query(by=by, first=DAY.replace(day=1), last=DAY.replace(day=30), **more)


def test_costs_are_told_by_tenant_feature_model_and_key(tmp_path):
    log = UsageLog(
        written(
            tmp_path / "u.jsonl",
            line(1),
            line(2, tenant="globex", feature="chat"),
            line(3, **{"gen_ai.request.model": "gpt-3.5-turbo", "cost_nanos": 5}),
        )
    )

    found = {
        dimension: [(one.keys[0], one.cost) for one in log.lines(query(dimension))]
        for dimension in (Dimension.TENANT, Dimension.FEATURE, Dimension.MODEL, Dimension.SERVICE)
    }

    dollar, both = Decimal("1.000000001"), Decimal("1.000000006")
    assert found == {
        Dimension.TENANT: [("acme", both), ("globex", dollar)],
        Dimension.FEATURE: [("chat", dollar), ("search", both)],
        Dimension.MODEL: [("gpt-3.5-turbo", Decimal("5E-9")), ("gpt-4", Decimal("2.000000002"))],
        Dimension.SERVICE: [("OpenAI", Decimal("2.000000007"))],
    }


def test_what_the_cache_saved_is_a_credit_and_not_a_missing_cost(tmp_path):
    log = UsageLog(
        written(
            tmp_path / "u.jsonl",
            line(1),
            line(2, cached=True),
            line(2, id="req_2-0-credit", kind="credit", cost_nanos=-1_000_000_001),
        )
    )

    (found,) = log.lines(query())

    assert found == Line(
        keys=(), currency="USD", cost=Decimal("2.000000002"), credits=Decimal("-1.000000001")
    )
    assert found.net == Decimal("1.000000001")


def test_a_line_that_came_twice_counts_once(tmp_path):
    path = tmp_path / "u.jsonl"
    path.write_text(json.dumps([line(1), line(1)]) + "\n" + json.dumps(line(1)) + "\n\n")

    (found,) = UsageLog(str(path)).lines(query())

    assert found.cost == Decimal("1.000000001")


def test_a_call_around_midnight_belongs_to_the_month_that_held_its_money(tmp_path):
    at = "2026-12-01T00:00:03+00:00"
    log = UsageLog(written(tmp_path / "u.jsonl", line(1, at=at, period="2026-11")))

    assert log.lines(query(Dimension.MONTH)) == ()
    (found,) = log.lines(query(Dimension.MONTH, basis=Basis.INVOICE))
    assert found.keys == ("2026-11",)


def test_only_one_environments_or_tenants_costs_are_told(tmp_path):
    log = UsageLog(
        written(tmp_path / "u.jsonl", line(1), line(2, environment="production", tenant="b")),
        projects={"living-twin-dev": "development"},
    )

    def tenants(**more):
        return [one.keys for one in log.lines(query(Dimension.TENANT, **more))]

    assert tenants() == [("acme",), ("b",)]
    assert tenants(environment="production") == [("b",)]
    assert tenants(project="living-twin-dev") == [("acme",)]
    assert tenants(project="another") == []
    assert tenants(tenant="b") == [("b",)]


def test_a_day_is_complete_once_a_later_one_has_begun(tmp_path):
    log = UsageLog(written(tmp_path / "u.jsonl", line(1), line(2, at="2026-11-23T10:00:00+00:00")))

    fresh = log.freshness(NOW)

    assert fresh.through == DAY - dt.timedelta(days=1)
    assert fresh.newest == dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC)


def test_a_line_that_is_none_is_refused_with_its_number(tmp_path):
    path = tmp_path / "u.jsonl"
    path.write_text(json.dumps(line(1)) + '\n{"id": "x"}\n')

    with pytest.raises(Misconfigured, match="line 2 is no line of a usage log"):
        UsageLog(str(path))


def test_a_log_is_known_by_its_first_line(tmp_path):
    path = written(tmp_path / "u.jsonl", line(1))
    policy = config.load(config.path_of(Environment.DEVELOPMENT))

    assert is_usage_log(path)
    assert not is_usage_log(written(tmp_path / "x.jsonl", {"cost": 1}))
    assert not is_usage_log(str(tmp_path / "nowhere"))
    assert isinstance(open_costs(path), UsageLog)
    assert isinstance(open_costs(f"usage://{tmp_path}/u*.jsonl", policy), UsageLog)
    with pytest.raises(Misconfigured, match="usage://"):
        open_costs("usage://")
