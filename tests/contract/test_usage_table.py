# SPDX-License-Identifier: Apache-2.0
"""What a gateway publishes comes back from its table as from a file, each line once.

The table's columns are those of terraform/modules/usage; the stand-in runs the SQL."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import msgspec
import pytest

from twinguard import config
from twinguard.billing import gateway_usage, open_costs, queries
from twinguard.billing.usage_log import UsageLog
from twinguard.billing.usage_table import UsageTable, table_of
from twinguard.decide.llm_usage import Kind, Outcome, UsageLine
from twinguard.decide.spend import Basis, Dimension, Query
from twinguard.decide.tokens import Usage
from twinguard.errors import Misconfigured
from twinguard.llm.ledger_events import counted
from twinguard.llm.usage_log import FileLog, TopicLog
from twinguard.policy import Environment
from twinguard.standins.bigquery import BigQuery as StandIn

POLICY = config.load(config.path_of(Environment.STAGING))
TABLE = table_of(POLICY)
MODULE = Path(__file__).parents[2] / "terraform" / "modules" / "usage" / "usage.tf"
SQL = queries.text("llm_usage.sql")
FIRST, LAST = dt.date(2026, 11, 1), dt.date(2026, 11, 30)
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


def line(number: int, **other) -> UsageLine:
    at = dt.datetime(2026, 11, 1 + number % 24, 23, 59, 59, 123_456, dt.UTC)
    usual = {
        "id": f"req_{number}-1",
        "request_id": f"req_{number}",
        "attempt": 1,
        "at": at,
        "period": "2026-11",
        "kind": Kind.USAGE,
        "outcome": Outcome.DONE,
        "environment": "staging",
        "tenant": ("acme", "globex", "")[number % 3],
        "feature": ("chat", 'a "quoted" one')[number % 2],
        "key_id": f"key{number % 4}",
        "operation": "chat",
        "provider": ("openai", "local")[number % 2],
        "model": ("gpt-4o", "org/model.v1-5")[number % 2],
        "response_model": "gpt-4o-2024-08-06",
        "task": "",
        "tokens": Usage(),
        "nanos": 1_000_000_001 * number,
        "price_version": "1",
        "estimated": False,
        "batch": False,
    }
    return UsageLine(**usual | other)


LINES = (
    *map(line, range(1, 60)),
    line(60, period="2026-10", at=dt.datetime(2026, 11, 1, 0, 0, 1, tzinfo=dt.UTC)),
    line(61, kind=Kind.CREDIT, nanos=-77),
    line(62, outcome=Outcome.CACHED, nanos=77),
)


class Topic:
    def __init__(self) -> None:
        self.messages: list[tuple[dt.datetime, bytes]] = []

    def publish(self, topic, data, attributes):
        self.messages.append((NOW, data))
        return str(len(self.messages))


def published() -> list[tuple[dt.datetime, bytes]]:
    """Messages of seven lines each, all but the first of them delivered twice."""
    topic = Topic()
    log = TopicLog(topic, "projects/p/topics/llm-usage")
    for start in range(0, len(LINES), 7):
        log.write(LINES[start : start + 7])
    return [*topic.messages, *topic.messages[1:]]


@pytest.fixture(scope="module")
def standin():
    with StandIn(TABLE, published(), location="europe-west1") as standin:
        yield standin


@pytest.fixture(scope="module")
def table(standin):
    return gateway_usage(POLICY, standin.environment)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("usage") / "usage.jsonl"
    FileLog(path).write(LINES)
    return UsageLog(str(path), projects={POLICY.project.id: "staging"})


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("by", [*((one,) for one in Dimension), tuple(Dimension), ()], ids=str)
@pytest.mark.parametrize(
    "wanted",
    [{}, {"tenant": "acme"}, {"project": POLICY.project.id}, {"project": "other"}],
    ids=str,
)
def test_a_table_answers_as_the_file_does(table, log, basis, by, wanted):
    query = Query(by=by, first=FIRST, last=LAST, basis=basis, **wanted)

    found = table.lines(query)

    assert found == log.lines(query)
    assert bool(found) is (wanted != {"project": "other"})


def test_it_reaches_as_far_as_the_last_call(table, log):
    told = table.freshness(NOW)

    expected = log.freshness(NOW)
    assert (told.through, told.newest) == (expected.through, expected.newest)
    assert told.source == TABLE


def test_what_was_published_before_a_day_is_not_read(table):
    assert table.lines(Query(by=(), first=dt.date(2026, 11, 27), last=LAST)) == ()
    assert list(table.messages(dt.date(2026, 11, 27))) == []


def test_a_lost_ledger_is_rebuilt_from_the_table(table):
    events = list(counted(table.messages(FIRST), "staging"))

    each_once = {(one.request_id, one.attempt): one.nanos for one in events}
    paid = [one for one in LINES if one.kind is Kind.USAGE and one.outcome is not Outcome.CACHED]
    assert each_once == {(one.request_id, 1): one.nanos for one in paid}
    assert len(events) > len(each_once)


def test_the_same_question_is_asked_of_bigquery_once(standin):
    costs = gateway_usage(POLICY, standin.environment)
    before = len(standin.exchanges)

    for dimension in Dimension:
        costs.lines(Query(by=(dimension,), first=FIRST, last=LAST))

    assert len(standin.exchanges) == before + 1


def test_usage_without_a_path_is_the_policys_table(standin):
    assert isinstance(open_costs("usage://", POLICY, standin.environment), UsageTable)


def test_a_table_that_is_not_there_is_told_with_the_remedy():
    with StandIn("p.d.other", (), location="europe-west1") as standin:
        costs = gateway_usage(POLICY, standin.environment)

        with pytest.raises(Misconfigured, match="add `gateway` to the policy and apply it"):
            costs.lines(Query(by=(), first=FIRST, last=LAST))


def test_no_access_is_told_as_by_the_export():
    with StandIn(TABLE, (), location="europe-west1") as standin:
        standin.forbidden = True
        costs = gateway_usage(POLICY, standin.environment)

        with pytest.raises(Misconfigured, match="on the dataset"):
            costs.lines(Query(by=(), first=FIRST, last=LAST))


def test_the_sql_reads_only_fields_that_lines_have():
    read = set(re.findall(r"JSON_VALUE\(line, '\$\.\"?([^'\"]+)\"?'\)", SQL))

    told = msgspec.to_builtins(line(1).fields())
    assert len(read) == SQL.count("JSON_VALUE(")
    assert read <= told.keys()
    assert {"id", "cost_nanos", "kind", "gen_ai.provider.name"} <= read


def test_the_sql_reads_only_columns_that_terraform_makes():
    text = MODULE.read_text()
    columns = dict(re.findall(r'\{ name = "(\w+)", type = "(\w+)"', text))

    assert {name: columns[name] for name in ("data", "publish_time")} == {
        "data": "JSON",
        "publish_time": "TIMESTAMP",
    }
    assert "publish_time >=" in SQL
    assert "JSON_QUERY_ARRAY(data)" in SQL
    assert json.loads(published()[0][1])[0].keys() == line(1).fields().keys()
