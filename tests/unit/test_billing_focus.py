# SPDX-License-Identifier: Apache-2.0
"""FOCUS files as other people write them: AWS, Microsoft, Oracle, and Google's own habits."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pytest

from twinguard.billing.duckdb import ExportFiles
from twinguard.decide.spend import Basis, Dimension, Line, Query
from twinguard.errors import Misconfigured

NOW = dt.datetime(2024, 11, 1, tzinfo=dt.UTC)
YEAR = {"first": dt.date(2024, 1, 1), "last": dt.date(2024, 12, 31)}
USUAL = {
    "BilledCost": "1.5",
    "BillingAccountId": "123456789012",
    "BillingCurrency": "USD",
    "BillingPeriodEnd": "2024-10-01T00:00:00Z",
    "BillingPeriodStart": "2024-09-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargeClass": "NULL",
    "ChargeDescription": "t3.micro",
    "ChargePeriodEnd": "2024-09-02T00:00:00Z",
    "ChargePeriodStart": "2024-09-01T00:00:00Z",
    "ProviderName": "AWS",
    "ServiceName": "Amazon Elastic Compute Cloud",
    "SubAccountId": "210987654321",
    "Tags": '{"environment": "production"}',
}


def focus(*rows: dict[str, str], delimiter: str = ",") -> str:
    found = io.StringIO()
    filled = [USUAL | row for row in rows]
    writer = csv.DictWriter(found, filled[0], delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(filled)
    return found.getvalue()


@pytest.fixture
def lines(tmp_path):
    def read(text: str, *by: Dimension, basis: Basis = Basis.USAGE) -> tuple[Line, ...]:
        (tmp_path / "focus.csv").write_text(text)
        with ExportFiles(tmp_path / "focus.csv") as files:
            return files.lines(Query(by=by, basis=basis, **YEAR))

    return read


def test_net_is_billed_cost_whatever_a_row_says(lines):
    rows = [
        {"BilledCost": "10"},
        {"BilledCost": "-3.25", "ChargeCategory": "Credit"},
        {"BilledCost": "2", "ChargeCategory": "Tax"},
        {"BilledCost": "-0.5", "ChargeCategory": "Adjustment"},
        {"BilledCost": "100", "ChargeCategory": "Purchase", "ContractedCost": "100"},
        {"BilledCost": "0", "EffectiveCost": "7"},
        {"BilledCost": "-4", "ChargeClass": "Correction"},
    ]
    rows = [{"ContractedCost": "", "EffectiveCost": "1"} | row for row in rows]

    found = lines(focus(*rows), Dimension.COST_TYPE)

    assert [(line.keys[0], line.cost, line.credits, line.corrections) for line in found] == [
        ("adjustment", Decimal("-0.5"), 0, Decimal("-0.5")),
        ("credit", 0, Decimal("-3.25"), 0),
        ("regular", 106, 0, -4),
        ("tax", 2, 0, 0),
    ]
    assert sum(line.net for line in found) == sum(Decimal(row["BilledCost"]) for row in rows)


def test_currencies_are_never_added(lines):
    text = focus({"BilledCost": "1"}, {"BillingCurrency": "EUR"}, {"BillingCurrency": "eur"})

    assert [(line.currency, line.net) for line in lines(text)] == [("EUR", 3), ("USD", 1)]


@pytest.mark.parametrize("category", ["Credit", "credit", "CREDIT"])
def test_a_category_counts_in_any_case(lines, category):
    (line,) = lines(focus({"BilledCost": "-2", "ChargeCategory": category}))

    assert (line.cost, line.credits) == (0, -2)


@pytest.mark.parametrize(
    ("provider", "day"),
    [
        ("AWS", "2024-09-01"),
        ("Microsoft", "2024-09-01"),
        ("Oracle", "2024-09-01"),
        ("Google Cloud", "2024-08-31"),
    ],
)
def test_a_day_is_utc_but_google_invoices_pacific_days(lines, provider, day):
    (line,) = lines(focus({"ProviderName": provider}), Dimension.DAY)

    assert line.keys == (day,)


@pytest.mark.parametrize("end", ["2024-09-30", "2024-10-01T00:00:00Z", "NULL", ""])
def test_the_month_is_where_the_period_begins_however_its_end_is_written(lines, end):
    (line,) = lines(focus({"BillingPeriodEnd": end}), Dimension.MONTH, basis=Basis.INVOICE)

    assert line.keys == ("2024-09",)


@pytest.mark.parametrize(
    "start",
    [
        *("2024-09-01", "2024-09-01 00:00:00", "2024-09-01 00:00:00.000", "2024-09-01T00:00Z"),
        *("2024-09-01 00:00:00 UTC", "2024-09-01T02:00:00+02:00", "2024-09-01T00:00:00.0000000Z"),
    ],
)
def test_times_are_read_in_all_their_forms(lines, start):
    (line,) = lines(focus({"ChargePeriodStart": start}), Dimension.DAY)

    assert line.keys == ("2024-09-01",)


@pytest.mark.parametrize("column", ["BillingPeriodStart", "ChargePeriodStart", "ChargePeriodEnd"])
@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "soon"])
def test_a_time_in_which_nobody_was_billed_is_refused(lines, column, time):
    with pytest.raises(Misconfigured, match=rf"focus\.csv, line 2: {column} is '{time}'"):
        lines(focus({column: time}))


@pytest.mark.parametrize(
    ("tags", "environment"),
    [
        ('{"environment": "production", "x": null, "n": 5}', "production"),
        ('{"user:environment": "production"}', "production"),
        ('{"Environment": "production"}', "production"),
        ('[{"key": "environment", "value": "production"}]', "production"),
        ('[{"Key" : "environment", "Value": "production"}]', "production"),
        ('{"environment": "a", "environment": "production"}', "production"),
        ('"{\\"environment\\": \\"production\\"}"', "production"),
        ('{"environments": "production"}', None),
        ("{}", None),
        ("null", None),
        ("NULL", None),
        ("", None),
    ],
)
def test_tags_are_read_in_all_their_forms(lines, tags, environment):
    (line,) = lines(focus({"Tags": tags}), Dimension.ENVIRONMENT)

    assert line.keys == (environment,)


@pytest.mark.parametrize("tags", ["environment=production", "{'environment': 'production'}", "5"])
def test_tags_that_are_no_json_are_refused(lines, tags):
    with pytest.raises(Misconfigured, match=r"focus\.csv, line 3: Tags is "):
        lines(focus({}, {"Tags": tags}))


def test_a_file_without_tags_is_unattributed(lines):
    text = focus({})
    header, row = (line.rsplit(",", 1)[0] for line in text.replace('"{""', "{").splitlines())

    (line,) = lines(f"{header}\n{row.split(',{')[0]}\n", Dimension.ENVIRONMENT)

    assert line.keys == (None,)


def test_a_last_column_without_a_name_is_no_column(lines):
    text = "".join(f"{line},\n" for line in focus({}, {}).splitlines())

    assert [line.net for line in lines(text)] == [3]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_spreadsheets_delimiter_is_read(lines, delimiter):
    assert [line.net for line in lines(focus({}, {}, delimiter=delimiter))] == [3]


@pytest.mark.parametrize(
    "column",
    [
        *("BilledCost", "BillingCurrency", "BillingPeriodStart", "ChargePeriodStart"),
        *("ChargePeriodEnd", "ChargeCategory", "ServiceName"),
    ],
)
def test_what_is_not_focus_is_refused_with_the_column(lines, column):
    text = focus({}).replace(column, f"x_{column}", 1)

    with pytest.raises(Misconfigured, match=f"has no column {column}, which FOCUS 1.0 to 1.2 has"):
        lines(text)


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "1,5", "1e40", "$1", "NULL", ""])
def test_a_cost_that_is_none_is_refused(lines, cost):
    with pytest.raises(Misconfigured, match=r"focus\.csv, line 2: BilledCost is "):
        lines(focus({"BilledCost": cost}))


def test_usage_of_an_earlier_month_is_a_correction(lines):
    text = focus({"ChargePeriodStart": "2024-08-30T00:00:00Z"}, {})

    (line,) = lines(text)

    assert (line.net, line.corrections) == (3, Decimal("1.5"))


@pytest.mark.parametrize(
    ("billed", "contracted", "cost", "credits"),
    [
        ("7.5", "10", "10", "-2.5"),
        ("7.5", "", "10", "-2.5"),
        # Google's first view told the price before credits: what it bills is what counts.
        ("10", "10", "10", "0"),
    ],
)
def test_googles_credits_are_told_apart_within_a_row(lines, billed, contracted, cost, credits):
    given = [{"Name": "promotion", "Amount": -2}, {"name": "free", "amount": "-0.5"}]
    text = focus(
        {
            "BilledCost": billed,
            "ContractedCost": contracted,
            "ChargePeriodStart": "2024-09-05T00:00:00Z",
            "ProviderName": "Google Cloud",
            "x_Credits": json.dumps(given),
            "x_Project": '{"Id": "living-twin-prod", "Name": "Twin"}',
            "x_CostType": "rounding_error",
        }
    )

    (line,) = lines(text, Dimension.PROJECT, Dimension.COST_TYPE)

    assert line == Line(
        keys=("living-twin-prod", "rounding_error"),
        currency="USD",
        cost=Decimal(cost),
        credits=Decimal(credits),
    )


def test_a_day_is_complete_once_a_later_one_is_there(tmp_path):
    (tmp_path / "whole.csv").write_text(focus({}))
    half = {"ChargePeriodEnd": "2024-09-01T13:00:00Z"}
    (tmp_path / "half.csv").write_text(focus(half))

    through = {}
    for name in ("whole", "half"):
        with ExportFiles(tmp_path / f"{name}.csv") as files:
            through[name] = files.freshness(NOW).through

    assert through == {"whole": dt.date(2024, 9, 1), "half": dt.date(2024, 8, 31)}


@pytest.mark.parametrize(
    ("providers", "calendar", "is_late"),
    [
        (["AWS"], "UTC", None),
        (["Google Cloud"], "Pacific time", dt.timedelta(hours=40)),
        (["Google", "Oracle"], "Pacific time or UTC", dt.timedelta(hours=40)),
    ],
)
def test_a_source_says_whose_days_its_days_are_and_how_late_it_is_known_to_be(
    tmp_path, providers, calendar, is_late
):
    for number, provider in enumerate(providers):
        (tmp_path / f"{number}.csv").write_text(focus({"ProviderName": provider}))

    with ExportFiles(tmp_path) as files:
        fresh = files.freshness(NOW)

    assert (fresh.calendar, fresh.lag) == (calendar, is_late)


def test_focus_comes_in_json_lines_and_parquet_too(tmp_path):
    import duckdb

    (tmp_path / "a.csv").write_text(focus({}, {"BilledCost": "2.25"}))
    row = USUAL | {"BilledCost": 1.5, "Tags": {"environment": "production"}}
    row["ChargeClass"] = None
    rows = (row, row | {"BilledCost": 2.25})
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with duckdb.connect() as db:
        db.execute(
            f"COPY (SELECT * REPLACE (CAST(BilledCost AS DECIMAL(20, 6)) AS BilledCost,"
            " MAP {'environment': 'production'} AS Tags,"
            " CAST(ChargePeriodStart AS TIMESTAMP) AS ChargePeriodStart)"
            f" FROM read_csv('{tmp_path / 'a.csv'}', all_varchar = true, nullstr = 'NULL'))"
            f" TO '{tmp_path / 'a.parquet'}' (FORMAT parquet)"
        )
    query = Query(by=(Dimension.ENVIRONMENT, Dimension.DAY), **YEAR)

    found = []
    for name in ("a.csv", "a.jsonl", "a.parquet"):
        with ExportFiles(tmp_path / name) as files:
            found.append(files.lines(query))

    keys = ("production", "2024-09-01")
    line = Line(keys=keys, currency="USD", cost=Decimal("3.75"), credits=Decimal(0))
    assert found == [(line,)] * 3
