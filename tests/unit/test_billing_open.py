# SPDX-License-Identifier: Apache-2.0
"""Which source a place opens, what it is told of the policy, and what BigQuery's refusals mean."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from twinguard import config
from twinguard.billing import open_costs
from twinguard.billing.bigquery import BigQuery, table_of
from twinguard.billing.duckdb import ExportFiles
from twinguard.billing.openai_costs import OpenAICosts
from twinguard.billing.queries import rows
from twinguard.decide.spend import Freshness
from twinguard.errors import Misconfigured, Unavailable
from twinguard.policy import Environment
from twinguard.standins import export_files, exports

FUNCTIONS = Path(__file__).parents[2] / "functions"
POLICY = config.load(config.path_of(Environment.STAGING))
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
TABLE = "living-twin-prod.billing_export.gcp_billing_export_v1_012345_567890_ABCDEF"


def test_bigquery_alone_is_the_policys_export():
    costs = open_costs("bigquery://", POLICY, {})

    assert isinstance(costs, BigQuery)
    assert (costs.table, costs.location, costs.project) == (TABLE, "EU", "living-twin-prod")
    assert costs.maximum_bytes == 20 * 10**9


def test_a_table_and_its_options_can_be_named():
    place = "bigquery://p-1.d.t?location=US&max_gigabytes=3&project=jobs-1"

    costs = open_costs(place, None, {"BIGQUERY_ENDPOINT": "http://127.0.0.1:9"})

    assert isinstance(costs, BigQuery)
    assert (costs.table, costs.location, costs.project) == ("p-1.d.t", "US", "jobs-1")
    assert (costs.maximum_bytes, costs.endpoint) == (3 * 10**9, "http://127.0.0.1:9")


def test_the_detailed_export_is_read_where_there_is_one():
    export = msgspec.structs.replace(POLICY.billing_export, detailed=True)

    table = table_of(msgspec.structs.replace(POLICY, billing_export=export))

    assert table == TABLE.replace("_v1_", "_resource_v1_")


@pytest.mark.parametrize("field", ["billing_export", "billing_account"])
def test_a_policy_that_does_not_say_where_costs_are_is_told_so(field):
    policy = msgspec.structs.replace(POLICY, **{field: None})

    with pytest.raises(Misconfigured, match=f"the policy has no {field}"):
        open_costs("bigquery://", policy, {})


@pytest.mark.parametrize("prefix", ["", "file://", "focus://"])
def test_a_path_is_files(tmp_path, prefix):
    path = export_files.json_lines(exports.made(0), tmp_path / "a.jsonl")

    costs = open_costs(f"{prefix}{path}", POLICY)

    assert isinstance(costs, ExportFiles)
    costs.close()


def test_openai_takes_its_key_from_the_environment():
    assert isinstance(open_costs("openai://", POLICY, {"OPENAI_ADMIN_KEY": "sk-x"}), OpenAICosts)


@pytest.mark.parametrize(
    "place",
    [
        *("", "s3://bucket", "BIGQUERY://", "file://", "openai://key", "bigquery://"),
        *("bigquery://p-1.d.t?surprise=1", "bigquery://p-1.d.t?max_gigabytes=0"),
        "bigquery://p-1.d.t?max_gigabytes=-1",
    ],
)
def test_a_place_that_names_no_source_is_refused_with_the_accepted_forms(place):
    with pytest.raises(Misconfigured) as refused:
        open_costs(place, None, {})

    assert str(refused.value) == (
        f"{place!r} names no source of costs; write one of: "
        "a file, a folder or a pattern (Google's export or FOCUS; also file://PATH),"
        " usage:// (the gateway's usage in BigQuery), usage://PATH (its usage log),"
        " bigquery:// (the policy's export),"
        " bigquery://PROJECT.DATASET.TABLE (optional ?location=EU&max_gigabytes=20&project=ID),"
        " openai:// (the key is in OPENAI_ADMIN_KEY)"
    )


@pytest.mark.parametrize("table", ["t", "d.t", "p-1.d.t`; DROP", "p-1.d.t x", "p-1.d.", "P.d.t"])
def test_a_name_that_is_no_table_never_reaches_a_query(table):
    with pytest.raises(Misconfigured, match="is no table"):
        rows(table)


def test_a_token_is_sent_to_google_or_this_machine_only():
    with pytest.raises(Misconfigured, match="BIGQUERY_ENDPOINT"):
        open_costs("bigquery://p-1.d.t", None, {"BIGQUERY_ENDPOINT": "https://evil.example"})


def test_opening_loads_no_vendor():
    code = (
        "import sys; from twinguard.billing import open_costs;"
        "open_costs('bigquery://p-1.d.t', None, {});"
        "open_costs('openai://', None, {'OPENAI_ADMIN_KEY': 'x'});"
        "vendors = ('duckdb', 'sqlglot', 'requests', 'google.auth', 'google.api_core');"
        "print([name for name in sys.modules if name.startswith(vendors)])"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(FUNCTIONS)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == "[]\n"


def error(code: int, reason: str, status: str = "", message: str = "because") -> dict:
    return {"code": code, "message": message, "status": status, "errors": [{"reason": reason}]}


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (error(403, "accessDenied", "PERMISSION_DENIED"), Misconfigured, "roles/bigquery.jobUser"),
        (error(401, "authError", "UNAUTHENTICATED"), Misconfigured, "roles/bigquery.dataViewer"),
        (error(403, "rateLimitExceeded", "PERMISSION_DENIED"), Unavailable, "ask again"),
        (error(403, "quotaExceeded"), Unavailable, "ask again"),
        (error(429, "x", "RESOURCE_EXHAUSTED"), Unavailable, "ask again"),
        (error(502, "backendError"), Unavailable, "ask again"),
        (error(400, "backendError"), Unavailable, "ask again"),
        (error(404, "notFound", "NOT_FOUND"), Misconfigured, "billing_export.connected"),
        (error(400, "bytesBilledLimitExceeded"), Misconfigured, "20 GB allowed"),
        (error(400, "invalidQuery", message="Unrecognized name: cost"), Misconfigured, "costs.sql"),
        ({}, Misconfigured, "status 418"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_bigquery_refuses_is_told_with_its_remedy(answer, kind, told):
    found = BigQuery(TABLE)._refusal(answer.get("code", 418), answer)

    assert type(found) is kind
    assert told in str(found)
    assert str(found).startswith(f"{TABLE}: ")


def test_an_empty_table_is_complete_through_nothing(tmp_path):
    from twinguard.standins.bigquery import BigQuery as StandIn

    export = exports.made(0)
    with StandIn(TABLE, export) as standin:
        standin._db.execute(f'DELETE FROM "{TABLE.replace(".", chr(34) + "." + chr(34))}"')
        fresh = BigQuery(TABLE, endpoint=standin.url).freshness(NOW)

    assert fresh == Freshness(source=TABLE, through=None, newest=None, lag=fresh.lag)
