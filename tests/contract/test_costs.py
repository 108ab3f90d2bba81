# SPDX-License-Identifier: Apache-2.0
"""Every source answers every question with the same lines, those of the generator's own ledger.

The ledger never sees SQL; BigQuery's stand-in translates it another way than the files do."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import discovery
from twinguard.billing import queries
from twinguard.billing.bigquery import BigQuery
from twinguard.billing.dialect import translated
from twinguard.billing.duckdb import ExportFiles
from twinguard.decide.spend import Basis, Dimension, Line, Query
from twinguard.errors import Misconfigured, Unavailable
from twinguard.standins import export_files, exports
from twinguard.standins.bigquery import BigQuery as StandIn
from twinguard.standins.server import Fault

TABLE = "living-twin-prod.billing_export.gcp_billing_export_v1_012345_567890_ABCDEF"
NOW = dt.datetime(2026, 12, 1, 12, tzinfo=dt.UTC)
EXPORT = exports.made(700)
FIRST, LAST = EXPORT.days
SOURCES = ("json lines", "gzip", "csv", "parquet", "focus", "a folder", "bigquery")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


def opened(kind: str, folder: Path):
    match kind:
        case "json lines":
            return ExportFiles(export_files.json_lines(EXPORT, folder / "a.jsonl"))
        case "gzip":
            return ExportFiles(export_files.json_lines(EXPORT, folder / "a.jsonl.gz"))
        case "csv":
            return ExportFiles(export_files.google_csv(EXPORT, folder / "a.csv"))
        case "parquet":
            return ExportFiles(export_files.parquet(EXPORT, folder / "a.parquet"))
        case "focus":
            return ExportFiles(export_files.focus_csv(EXPORT, folder / "focus.csv"))
    inside = folder / "parts" / "deeper"
    inside.mkdir(parents=True)
    half = len(EXPORT.rows) // 2
    entries = EXPORT.ledger.entries
    export_files.json_lines(exports.Export(EXPORT.rows[:9], EXPORT.ledger), inside / "a.jsonl")
    export_files.parquet(exports.Export(EXPORT.rows[9:half], EXPORT.ledger), inside / "b.parquet")
    rest = exports.Export(EXPORT.rows[half:], exports.Ledger(entries[half:]))
    export_files.focus_csv(rest, inside / "c.csv")
    return ExportFiles(folder / "parts")


@pytest.fixture(scope="module", params=SOURCES)
def costs(request, folder):
    if request.param == "bigquery":
        with StandIn(TABLE, EXPORT, unfinished=1) as standin:
            yield BigQuery(TABLE, endpoint=standin.url, page=50)
    else:
        with opened(request.param, folder) as files:
            yield files


def asked(*by: Dimension, **more) -> Query:
    return Query(**({"by": by, "first": FIRST, "last": LAST} | more))


@pytest.mark.parametrize("basis", Basis)
@pytest.mark.parametrize("dimension", Dimension)
def test_a_source_tells_costs_apart_by_each_dimension(costs, dimension, basis):
    query = asked(dimension, basis=basis)

    assert costs.lines(query) == EXPORT.ledger.lines(query)


@pytest.mark.parametrize("basis", Basis)
def test_a_source_tells_costs_apart_by_all_dimensions_at_once(costs, basis):
    query = asked(*Dimension, basis=basis)

    assert costs.lines(query) == EXPORT.ledger.lines(query)


def test_totals_are_those_of_the_ledger_and_currencies_stay_apart(costs):
    query = asked()

    lines = costs.lines(query)

    assert lines == EXPORT.ledger.lines(query)
    assert [line.currency for line in lines] == ["EUR", "USD"]
    assert sum(line.net for line in lines) == sum(
        entry.cost + entry.credits for entry in EXPORT.ledger.entries
    )


@pytest.mark.parametrize(
    "wanted",
    [
        {"environment": "production"},
        {"project": "shared-tools"},
        {"tenant": "acme", "environment": "staging"},
        {"tenant": "nobody'; DROP TABLE costs; --"},
    ],
    ids=str,
)
def test_a_source_selects(costs, wanted):
    query = asked(Dimension.DAY, Dimension.SKU, **wanted)

    assert costs.lines(query) == EXPORT.ledger.lines(query)


@pytest.mark.parametrize("month", [9, 10, 11])
@pytest.mark.parametrize("basis", Basis)
def test_the_ends_of_months_fall_where_the_basis_says(costs, basis, month):
    first = dt.date(2026, month, 1)
    query = asked(Dimension.SERVICE, first=first, last=first.replace(day=30), basis=basis)

    assert costs.lines(query) == EXPORT.ledger.lines(query)


def test_a_day_ends_at_midnight_pacific_on_the_day_clocks_go_back_too(costs):
    """It begins at 07:00 UTC and ends at 08:00 UTC of the next: 25 hours."""
    day = dt.date(2026, 11, 1)
    query = asked(Dimension.DAY, first=day, last=day)

    assert costs.lines(query) == EXPORT.ledger.lines(query)


def test_where_nothing_was_spent_there_are_no_lines(costs):
    query = asked(Dimension.DAY, first=dt.date(2020, 1, 1), last=dt.date(2020, 12, 31))

    assert costs.lines(query) == ()


def test_a_source_says_through_which_day_it_is_complete(costs):
    newest = max(dt.datetime.fromisoformat(row["export_time"][:-4]) for row in EXPORT.rows)

    fresh = costs.freshness(NOW)

    assert fresh.newest == newest.replace(tzinfo=dt.UTC)
    assert fresh.lag == dt.timedelta(hours=40)
    assert fresh.through == (
        (fresh.newest - fresh.lag).astimezone(exports.PACIFIC).date() - dt.timedelta(days=1)
    )


QUERIES = st.builds(
    lambda by, days, basis, environment, tenant: Query(
        by=tuple(by),
        first=min(days),
        last=max(days),
        basis=basis,
        environment=environment,
        tenant=tenant,
    ),
    by=st.lists(st.sampled_from(Dimension), unique=True, max_size=3),
    days=st.tuples(*[st.dates(FIRST - dt.timedelta(days=3), LAST + dt.timedelta(days=3))] * 2),
    basis=st.sampled_from(Basis),
    environment=st.sampled_from([None, "production", "load-test", "none"]),
    tenant=st.sampled_from([None, "acme", "zeta"]),
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "a.parquet"
    with ExportFiles(export_files.parquet(EXPORT, path)) as files:
        yield files


@settings(max_examples=60, deadline=None)
@given(query=QUERIES)
def test_any_question_is_answered_as_the_ledger_does(table, query):
    assert table.lines(query) == EXPORT.ledger.lines(query)


@given(query=QUERIES)
def test_any_question_is_bigquery_and_names_its_parameters(query):
    statement = queries.sums(query, queries.rows(TABLE, since=True), since=True)

    (tree,) = sqlglot.parse(statement.sql, read="bigquery")
    used = {found.name for found in tree.find_all(sqlglot.exp.Parameter)}
    assert used == {parameter.name for parameter in statement.parameters}
    assert sqlglot.parse_one(translated(statement.sql), read="duckdb")


def test_months_of_an_invoice_are_read_whole_whatever_the_days():
    exact = asked(basis=Basis.INVOICE, first=dt.date(2026, 10, 1), last=dt.date(2026, 10, 31))
    middle = asked(basis=Basis.INVOICE, first=dt.date(2026, 10, 14), last=dt.date(2026, 10, 15))

    assert queries.sums(exact, "x", since=True) == queries.sums(middle, "x", since=True)


def test_googles_worked_example_is_24_dollars_where_labels_counted_twice_give_44(tmp_path):
    example = exports.worked_example()
    path = export_files.json_lines(example, tmp_path / "example.jsonl")
    day = dt.date(2026, 9, 10)
    naive = sum(
        entry.cost * max(1, len(row["labels"]))
        for row, entry in zip(example.rows, example.ledger.entries, strict=True)
    )

    with ExportFiles(path) as files:
        total = files.lines(Query(by=(), first=day, last=day))
        environments = files.lines(Query(by=(Dimension.ENVIRONMENT,), first=day, last=day))

    assert naive == 44
    assert total == (Line(keys=(), currency="USD", cost=Decimal(24), credits=Decimal(0)),)
    assert [(line.keys[0], line.net) for line in environments] == [
        ("dev", 6),
        ("prod", 16),
        (None, 2),
    ]


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path):
    one, same, other = (
        export_files.json_lines(exports.made(200, seed=seed), tmp_path / name).read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )

    assert one == same != other


def test_every_awkward_row_is_in_the_smallest_export():
    rows, entries = exports.made(0).rows, exports.made(0).ledger.entries
    midnights = {(each.date.day, each.month) for each in entries}

    assert {row["cost_type"] for row in rows} == {
        *("regular", "tax", "adjustment", "rounding_error"),
    }
    assert {len(row["credits"]) for row in rows} == {0, 1, 2}
    assert {row["currency"] for row in rows} == {"USD", "EUR"}
    assert {each.month > f"{each.date:%Y%m}" for each in entries} == {True, False}
    assert any(len({each["key"] for each in row["labels"]}) < len(row["labels"]) for row in rows)
    assert any(row["project"] is None for row in rows)
    assert any(entry.cost < 0 for entry in entries)
    assert any(entry.cost == 0 for entry in entries)
    assert {(30, "202609"), (1, "202610"), (31, "202610"), (1, "202611")} <= midnights


# What is said to BigQuery, and what it refuses.


@pytest.fixture
def standin():
    with StandIn(TABLE, EXPORT) as standin:
        yield standin


@pytest.fixture
def bigquery(standin):
    return BigQuery(TABLE, endpoint=standin.url, page=3)


def bigquery_methods():
    document = discovery._document("bigquery.v2")
    return [
        discovery.Method(
            *(spec["id"], spec["httpMethod"], discovery._pattern(document, spec), spec, document)
        )
        for spec in discovery._specs(document)
    ]


def test_everything_that_is_said_conforms_to_googles_document(standin, bigquery):
    standin.unfinished = 2
    bigquery.lines(asked(Dimension.SERVICE))
    bigquery.freshness(NOW)
    bigquery.estimate(asked())

    methods, spoken = bigquery_methods(), defaultdict(int)
    for exchange in standin.exchanges:
        fitting = [
            method
            for method in methods
            if method.path.fullmatch(exchange.path) and method.verb == exchange.method
        ]
        (method,) = [each for each in fitting if ".jobs." in each.id]
        spoken[method.id] += 1
        assert discovery._against(exchange, method) == []
    assert spoken["bigquery.jobs.query"] == 3
    assert spoken["bigquery.jobs.getQueryResults"] > 4


def test_a_broken_request_would_be_seen(standin, bigquery):
    bigquery.lines(asked())
    (method,) = [each for each in bigquery_methods() if each.id == "bigquery.jobs.query"]
    exchange = standin.exchanges[0]

    for change in ({"maximumBytesBilled": 5}, {"sql": "x"}, {"queryParameters": [{"value": 1}]}):
        broken = dataclasses.replace(exchange, body=exchange.body | change)

        assert discovery._against(broken, method) != []


def test_a_query_never_bills_more_than_allowed_and_reads_only_partitions_that_can_matter(
    standin, bigquery
):
    bigquery.lines(asked(first=dt.date(2026, 10, 15), last=dt.date(2026, 10, 20)))

    body = standin.exchanges[0].body
    since = {each["name"]: each["parameterValue"]["value"] for each in body["queryParameters"]}
    assert body["maximumBytesBilled"] == "20000000000"
    assert body["useLegacySql"] is False
    assert "_PARTITIONTIME >= TIMESTAMP(@since)" in body["query"]
    assert since == {"first": "2026-10-15", "last": "2026-10-20", "since": "2026-10-08"}


def test_an_estimate_runs_nothing(standin, bigquery):
    size = bigquery.estimate(asked())

    assert size == standin.size
    assert standin.exchanges[0].body["dryRun"] is True
    assert standin._jobs == {}


def test_an_old_table_is_fresh_as_of_its_newest_row(standin, bigquery):
    later = bigquery.freshness(NOW + dt.timedelta(days=400))

    assert later == bigquery.freshness(NOW)


def test_too_many_bytes_are_refused_with_the_limit(standin):
    small = BigQuery(TABLE, endpoint=standin.url, maximum_bytes=1000)

    with pytest.raises(Misconfigured, match=r"more than the 1e-06 GB allowed.*max_gigabytes"):
        small.lines(asked())


def test_a_table_that_is_not_there_tells_how_the_export_is_connected(standin):
    other = BigQuery(TABLE.replace("_v1_", "_resource_v1_"), endpoint=standin.url)

    with pytest.raises(Misconfigured, match=r"not connected.*billing_export\.connected"):
        other.lines(asked())


def test_a_dataset_elsewhere_is_told_with_the_location_that_was_asked(standin):
    with pytest.raises(Misconfigured, match=r"billing_export\.location.*\(asked in US\)"):
        BigQuery(TABLE, endpoint=standin.url, location="US").lines(asked())


def test_missing_rights_are_told_with_the_roles(standin, bigquery):
    standin.forbidden = True

    with pytest.raises(Misconfigured, match=r"dataViewer.*jobUser on project living-twin-prod"):
        bigquery.lines(asked())


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_outage_is_unavailable(standin, bigquery, code):
    standin.fail(Fault(code=code))

    with pytest.raises(Unavailable):
        bigquery.lines(asked())


def test_a_lost_page_is_no_shorter_answer(standin, bigquery):
    standin.fail(Fault(hang_up=True), method="GET")

    with pytest.raises(Unavailable):
        bigquery.lines(asked(Dimension.DAY))


def test_a_job_that_never_ends_is_unavailable(standin):
    standin.unfinished = 10**6

    with pytest.raises(Unavailable, match="no answer in 0 s"):
        BigQuery(TABLE, endpoint=standin.url, wait=0).lines(asked())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"query": "SELEC 1"}, "Syntax error"),
        ({"query": "SELECT @x"}, "'x' not found"),
        ({"query": "SELECT 1", "useLegacySql": True}, "Legacy"),
        ({"query": "DROP TABLE t"}, "Only queries"),
        ({"query": "SELECT * FROM other.t"}, "Not found: Table other:t"),
        ({"query": f"SELECT missing FROM `{TABLE}`"}, "missing"),
        ({"query": "SELECT 1", "surprise": 1}, "missing: query"),
    ],
)
def test_the_stand_in_refuses_what_bigquery_would(standin, change, said):
    import requests

    body = {"query": "SELECT 1", "useLegacySql": False, "location": "EU"} | change
    url = f"{standin.url}/bigquery/v2/projects/p/queries"
    with requests.Session() as http:
        answer = http.post(url, json=body, timeout=10)

    assert answer.status_code in {400, 404}
    assert said in answer.json()["error"]["message"]
