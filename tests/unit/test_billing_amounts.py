# SPDX-License-Identifier: Apache-2.0
"""Every digit that a file has is counted: against a plain loop over Python's csv and Decimal."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Context, Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinguard.billing.duckdb import ExportFiles
from twinguard.decide.spend import Dimension, Line, Query
from twinguard.errors import Misconfigured
from twinguard.standins import export_files, exports

YEAR = {"first": dt.date(2024, 1, 1), "last": dt.date(2024, 12, 31)}
WIDE = Context(prec=100)
ROW = {
    "BilledCost": "1.5",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2024-09-01",
    "ChargeCategory": "Usage",
    "ChargePeriodStart": "2024-09-03",
    "ChargePeriodEnd": "2024-09-04",
    "ContractedCost": "NULL",
    "ListCost": "123456789012.5",
    "ServiceName": "Compute",
}
BARE = st.decimals(-(10**6), 10**6, allow_nan=False, places=2).map(str)
NOISE = st.floats(-1e-3, 1e-3, allow_nan=False, allow_subnormal=False).filter(
    lambda value: not value or abs(value) > 1e-12
)
AMOUNTS = st.one_of(BARE, NOISE.map(repr), NOISE.map("{:.3E}".format), st.just("0.0"))


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def asked(path: Path, *by: Dimension) -> tuple[Line, ...]:
    with ExportFiles(path) as files:
        return files.lines(Query(by=by, **YEAR))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "BilledCost": AMOUNTS,
                "BillingCurrency": st.sampled_from(["USD", "EUR", "eur"]),
                "ChargeCategory": st.sampled_from(["Usage", "credit", "Tax", "ADJUSTMENT"]),
                "ServiceName": st.sampled_from(["Compute", 'a "b",\nc', "NULL"]),
            }
        ),
        min_size=1,
        max_size=12,
    )
)
def test_a_focus_file_comes_to_what_a_loop_of_decimals_comes_to(tmp_path_factory, rows):
    path = written(tmp_path_factory.mktemp("focus") / "a.csv", [ROW | row for row in rows])
    sums: dict[tuple[str | None, str], Decimal] = {}
    for row in rows:
        service = None if row["ServiceName"] == "NULL" else row["ServiceName"]
        key = service, row["BillingCurrency"].upper()
        sums[key] = WIDE.add(sums.get(key, Decimal(0)), Decimal(row["BilledCost"]))

    found = asked(path, Dimension.SERVICE)

    assert {(line.keys[0], line.currency): line.net for line in found} == sums


@pytest.mark.parametrize(
    "amount",
    ["1.3899999999999999E-05", "0.0000000001234567890123", "1.4210854715202004e-14", "1E-20"],
)
def test_a_float_that_is_written_out_loses_no_digit(tmp_path, amount):
    path = written(tmp_path / "a.csv", [ROW | {"BilledCost": each} for each in (amount, "12.34")])

    (line,) = asked(path)

    assert line.net == WIDE.add(Decimal(amount), Decimal("12.34"))


def test_a_sum_that_has_no_room_for_all_digits_is_refused_and_not_rounded(tmp_path):
    amounts = ("1e-30", "12345678.5")
    path = written(tmp_path / "a.csv", [ROW | {"BilledCost": each} for each in amounts])

    with pytest.raises(
        Misconfigured, match=r"a\.csv: amounts have up to 30 digits after the point"
    ):
        asked(path)


def test_a_sum_of_38_digits_is_exact(tmp_path):
    amounts = ("1e-30", "1234567.5")
    path = written(tmp_path / "a.csv", [ROW | {"BilledCost": each} for each in amounts])

    (line,) = asked(path)

    assert line.net == WIDE.add(Decimal("1e-30"), Decimal("1234567.5"))


@pytest.mark.parametrize("amount", ["1e300", "NaN", "-Infinity", "1" * 39])
def test_a_noise_beside_what_is_no_money_leaves_it_refused(tmp_path, amount):
    rows = [ROW | {"BilledCost": each} for each in ("1e-30", amount)]
    path = written(tmp_path / "a.csv", rows)

    with pytest.raises(Misconfigured, match=rf"a\.csv, line 3: BilledCost is '{amount}'"):
        asked(path)


@pytest.mark.parametrize("kind", ["DECIMAL(38, 22)", "DOUBLE", "VARCHAR"])
def test_parquet_loses_no_digit_either(tmp_path, kind):
    import duckdb

    written(tmp_path / "a.csv", [ROW | {"BilledCost": "0.0000138999999999999"}])
    with duckdb.connect() as db:
        db.execute(
            f"COPY (SELECT * REPLACE (CAST(BilledCost AS {kind}) AS BilledCost) FROM"
            f" read_csv('{tmp_path / 'a.csv'}', all_varchar = true, nullstr = 'NULL'))"
            f" TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)"
        )

    (line,) = asked(tmp_path / "a.parquet")

    assert line.net == Decimal("0.0000138999999999999")


def test_googles_credits_in_a_focus_row_lose_no_digit(tmp_path):
    credit = "-0.0000000000000000000125"
    row = ROW | {"BilledCost": "2", "x_Credits": f'[{{"Name": "free", "Amount": {credit}}}]'}

    (line,) = asked(written(tmp_path / "a.csv", [row]))

    assert (line.credits, line.net) == (Decimal(credit), 2)


@pytest.mark.parametrize("google", ["a.jsonl", "a.parquet"])
def test_digits_stay_beside_a_file_that_has_fewer(tmp_path, google):
    export = exports.made(0)
    write = export_files.parquet if google.endswith("parquet") else export_files.json_lines
    write(export, tmp_path / google)
    amounts = ("0.00000000000000000001", "1")
    written(tmp_path / "b.csv", [ROW | {"BilledCost": each} for each in amounts])

    with ExportFiles(tmp_path) as files:
        ours = files.lines(Query(by=(), first=dt.date(2026, 1, 1), last=dt.date(2026, 12, 31)))
        (theirs,) = files.lines(Query(by=(), **YEAR))

    whole = Query(by=(), first=dt.date(2026, 1, 1), last=dt.date(2026, 12, 31))
    assert ours == export.ledger.lines(whole)
    assert theirs.net == Decimal("1.00000000000000000001")


def test_net_has_all_digits_of_cost_and_credits():
    cost, credit = Decimal("12345678901234567890.123456789012345678"), Decimal("-1e-18")

    line = Line(keys=(), currency="USD", cost=cost, credits=credit)

    assert line.net == Decimal("12345678901234567890.123456789012345677")


def test_json_in_a_text_is_read_as_json(tmp_path):
    """`bq extract` nests; what went by way of a spreadsheet or a log has texts instead."""
    row = {
        "cost": "2.5",
        "currency": "USD",
        "invoice": json.dumps({"month": "202409"}),
        "service": json.dumps({"description": "Cloud Run"}),
        "labels": json.dumps([{"key": "tenant", "value": 'the "A"'}]),
        "credits": '[{"amount": -0.1}, {"amount": -1234567890.123456789}]',
        "usage_start_time": "2024-09-03T10:00:00Z",
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(row))

    (line,) = asked(tmp_path / "a.jsonl", Dimension.SERVICE, Dimension.TENANT)

    assert line.keys == ("Cloud Run", 'the "A"')
    assert line.credits == Decimal("-1234567890.223456789")


@pytest.mark.parametrize("mark", [".", "_"])
def test_a_google_export_that_was_flattened_is_read(tmp_path, mark):
    row = {
        "cost": "2.5",
        "currency": "USD",
        f"invoice{mark}month": "202409",
        f"service{mark}description": "Cloud Run",
        f"project{mark}id": "living-twin-dev",
        "labels": '[{"key": "tenant", "value": "acme"}]',
        "usage_start_time": "2024-09-03T10:00:00Z",
    }
    path = written(tmp_path / "a.csv", [row, row])

    (line,) = asked(path, Dimension.SERVICE, Dimension.PROJECT, Dimension.TENANT)

    assert (line.keys, line.net) == (("Cloud Run", "living-twin-dev", "acme"), 5)
