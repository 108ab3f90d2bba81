# SPDX-License-Identifier: Apache-2.0
"""A file that is broken, cut off, hostile or something else is refused whole, with the place."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from decimal import Decimal
from pathlib import Path

import pytest

from twinguard.billing.duckdb import ExportFiles
from twinguard.decide.spend import Basis, Dimension, Line, Query
from twinguard.errors import Misconfigured
from twinguard.standins import export_files, exports

EXPORT = exports.made(0)
ALL = Query(by=(), first=dt.date(2020, 1, 1), last=dt.date(2030, 1, 1))
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    written = (
        export_files.json_lines(EXPORT, folder / "a.jsonl"),
        export_files.google_csv(EXPORT, folder / "a.csv"),
        export_files.focus_csv(EXPORT, folder / "focus.csv"),
    )
    return {path.stem + path.suffix: path.read_text() for path in written}


def refusal(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(Misconfigured) as refused, ExportFiles(path) as files:
        files.lines(ALL)
    told = str(refused.value)
    assert told.startswith(str(path))
    return told.removeprefix(str(path))


def with_row(text: str, number: int, **changes) -> str:
    lines = text.splitlines()
    lines[number - 1] = json.dumps(json.loads(lines[number - 1]) | changes)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cost": "twelve"}, ", line 10: cost is 'twelve', which cannot be read"),
        ({"cost": "NaN"}, ", line 10: cost is 'NaN', which cannot be read"),
        ({"cost": float("nan")}, ", line 10: cost is 'NaN'"),
        ({"cost": float("-inf")}, ", line 10: cost is '-Infinity'"),
        ({"cost": "1e300"}, ", line 10: cost is '1e300'"),
        ({"cost": "1_000"}, ", line 10: cost is '1_000'"),
        ({"cost": ""}, ", line 10: cost is ''"),
        ({"cost": None}, ", line 10: cost is nothing"),
        ({"cost": [1]}, ", line 10: cost is '[1]'"),
        ({"cost_at_list": "free"}, ", line 10: cost_at_list is 'free'"),
        ({"credits": "none"}, ", line 10: credits is 'none'"),
        ({"credits": {"amount": 1}}, ", line 10: credits is '{"),
        ({"credits": [{"name": "x"}]}, ", line 10: credits is '[{"),
        ({"credits": [{"amount": "NaN"}]}, ", line 10: credits is '[{"),
        ({"credits": [5]}, ", line 10: credits is '[5]'"),
        ({"service": "Cloud Run"}, ", line 10: service is 'Cloud Run'"),
        ({"labels": {"a": "b"}}, ", line 10: labels is '{"),
        ({"usage_start_time": "yesterday"}, ", line 10: usage_start_time is 'yesterday'"),
        ({"invoice": None}, ", line 10: invoice is nothing"),
        ({"invoice": {}}, ": invoice is"),
        ({"invoice": {"month": "2026-09"}}, ": invoice is"),
        ({"currency": None}, ", line 10: currency is nothing"),
    ],
    ids=str,
)
def test_a_value_that_is_none_is_told_with_its_line_and_column(tmp_path, texts, changes, told):
    content = with_row(texts["a.jsonl"], 10, **changes)

    found = refusal(tmp_path / "a.jsonl", content)

    assert found.startswith(told)
    assert found.endswith("nothing of it was counted")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda text: text[:-40], "the line is no JSON; the file may be cut off"),
        (lambda text: text.replace("\n", '\n{"cost": 1,\n', 1), ", line 3: the line is no JSON"),
        (lambda text: f"[{','.join(text.splitlines())}]", "write one object on each line: jq -c"),
        (lambda text: "{oops\n" + text, ", line 1 is no JSON"),
        (lambda text: text.replace('"cost":', '"price":'), " has no column cost, which Google's"),
        (lambda text: text + "5\n", " is nothing"),
        (lambda text: "", " is empty; export it again"),
        (lambda text: "\n" + text, ", line 1 is empty"),
        (lambda text: text.encode("utf-16"), " is not UTF-8 text; convert it: iconv"),
        (lambda text: text.replace("Cloud", "Clöud").encode("latin-1"), "is not UTF-8 text"),
        (lambda text: gzip.compress(text.encode())[:-20], "cannot be unpacked"),
        (lambda text: b"\x1f\x8bgarbage", "cannot be unpacked"),
        (lambda text: b"PAR1" + text.encode(), ": cannot be read ("),
        (lambda text: b"a\x00b", " is not UTF-8 text"),
    ],
)
def test_broken_json_lines_are_refused(tmp_path, texts, broken, told):
    assert told in refusal(tmp_path / "a.jsonl", broken(texts["a.jsonl"]))


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda text: text[:-60], "nothing of it was counted"),
        (lambda text: text[:-8], "the line has another number of columns than the header"),
        (lambda text: text.replace("\n", '\n"', 1), "a quote is never closed"),
        (lambda text: text.replace(",cost,", ",price,"), "has no column cost, which Google's"),
        (lambda text: text.replace(",cost,", ",currency,"), ": column currency is there twice"),
        (lambda text: text.replace(",-4.75,", ",-4.75 USD,"), "cost is '-4.75 USD'"),
        (lambda text: "name,age\nAda,36\n", "neither FOCUS nor Google's export"),
        (lambda text: text.replace("Cloud", "Clöud").encode("latin-1"), "is not UTF-8 text"),
    ],
)
def test_a_broken_csv_is_refused(tmp_path, texts, broken, told):
    assert told in refusal(tmp_path / "a.csv", broken(texts["a.csv"]))


def test_a_line_of_a_csv_is_counted_as_an_editor_counts_it(tmp_path, texts):
    """The sixth row stands on the seventh line."""
    lines = texts["focus.csv"].splitlines()
    lines[6] = "x" + lines[6]

    assert ", line 7: BilledCost is 'x" in refusal(tmp_path / "focus.csv", "\n".join(lines))


def test_a_sum_beyond_38_digits_is_no_money(tmp_path, texts):
    line = with_row(texts["a.jsonl"], 1, cost="9" * 29).splitlines()[0]

    assert "the sum has too many digits" in refusal(tmp_path / "a.jsonl", f"{line}\n" * 9)


def test_one_broken_file_of_many_is_named_and_nothing_is_counted(tmp_path, texts):
    (tmp_path / "a.jsonl").write_text(texts["a.jsonl"])
    (tmp_path / "b.csv").write_text(texts["a.csv"][:-60])

    with pytest.raises(Misconfigured, match=r"b\.csv, line"):
        ExportFiles(tmp_path)


def test_a_parquet_file_with_a_row_that_is_on_no_invoice_is_refused(tmp_path):
    import duckdb

    path = export_files.parquet(EXPORT, tmp_path / "a.parquet")
    with duckdb.connect() as db:
        db.execute(
            f"COPY (SELECT * REPLACE (CASE WHEN cost > 5 THEN NULL ELSE invoice END AS invoice)"
            f" FROM '{path}') TO '{tmp_path / 'b.parquet'}' (FORMAT parquet)"
        )

    with (
        ExportFiles(tmp_path / "b.parquet") as files,
        pytest.raises(Misconfigured, match=r"b\.parquet: invoice is"),
    ):
        files.lines(
            Query(by=(Dimension.MONTH,), first=ALL.first, last=ALL.last, basis=Basis.INVOICE)
        )


@pytest.mark.parametrize("name", ["o'hare; DROP TABLE x.csv", "a[1].csv", "star*.csv", "q?.csv"])
def test_a_strange_name_is_only_a_name(tmp_path, texts, name):
    """A pattern in it would read another file, a quote would end the query's text."""
    (tmp_path / name).write_text(texts["a.csv"])
    (tmp_path / "a1.csv").write_text("not read")

    with ExportFiles(tmp_path / name) as files:
        assert files.lines(ALL) == EXPORT.ledger.lines(ALL)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(",cost", ", cost", 1),
        lambda text: text.replace("cost,cost_at_list", "COST,Cost_At_List"),
    ],
)
def test_what_spreadsheets_do_to_a_csv_changes_no_amount(tmp_path, texts, change):
    (tmp_path / "a.csv").write_bytes(change(texts["a.csv"]).encode())

    with ExportFiles(tmp_path / "a.csv") as files:
        assert files.lines(ALL) == EXPORT.ledger.lines(ALL)


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_byte_order_mark_before_json_lines_changes_no_amount(tmp_path, texts, is_packed):
    content = texts["a.jsonl"].encode("utf-8-sig")
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(content) if is_packed else content)

    with ExportFiles(tmp_path / "a.jsonl") as files:
        assert files.lines(ALL) == EXPORT.ledger.lines(ALL)


def test_amounts_keep_nine_digits_however_long_the_number(tmp_path, texts):
    """As a float the first would be 123456789012345.67."""
    amounts = ("123456789012345.123456789", "0.0000000014", "1e-9", "0.0000000016")
    line = json.loads(texts["a.jsonl"].splitlines()[0]) | {"credits": []}
    rows = [json.dumps(line | {"cost": "@"}).replace('"@"', amount) for amount in amounts]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))

    with ExportFiles(tmp_path / "a.jsonl") as files:
        (found,) = files.lines(ALL)

    assert found.cost == Decimal("123456789012345.123456793")


def test_credits_keep_nine_digits_however_long_the_number(tmp_path, texts):
    line = json.loads(texts["a.jsonl"].splitlines()[0])
    row = json.dumps(line | {"cost": 0, "credits": [{"amount": "@"}, {"amount": "-1"}]})
    (tmp_path / "a.jsonl").write_text(row.replace('"@"', "-123456789012345.123456789"))

    with ExportFiles(tmp_path / "a.jsonl") as files:
        (found,) = files.lines(ALL)

    assert found.credits == Decimal("-123456789012346.123456789")


def test_fields_that_an_export_lacks_are_unknown(tmp_path):
    row = {
        "cost": 1.5,
        "currency": "USD",
        "invoice": {"month": "202609"},
        "service": {"description": "Cloud Run"},
        "usage_start_time": "2026-09-03T10:00:00Z",
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    by = (Dimension.SERVICE, Dimension.TENANT, Dimension.PROJECT)

    with ExportFiles(tmp_path / "a.jsonl") as files:
        lines = files.lines(Query(by=by, first=ALL.first, last=ALL.last))
        fresh = files.freshness(NOW)

    keys = ("Cloud Run", None, None)
    assert lines == (Line(keys=keys, currency="USD", cost=Decimal("1.5"), credits=Decimal(0)),)
    assert (fresh.through, fresh.newest) == (dt.date(2026, 9, 2), None)


def test_an_export_with_a_header_and_no_rows_is_empty_and_complete_through_nothing(tmp_path, texts):
    (tmp_path / "a.csv").write_text(texts["a.csv"].splitlines()[0] + "\n")

    with ExportFiles(tmp_path / "a.csv") as files:
        assert files.lines(ALL) == ()
        assert files.freshness(NOW).through is None


def test_a_pattern_names_files_and_a_file_named_twice_counts_once(tmp_path, texts):
    (tmp_path / "a.csv").write_text(texts["a.csv"])
    (tmp_path / "b.txt").write_text("something else")

    with ExportFiles(tmp_path / "*.csv", tmp_path / "a.csv") as files:
        assert files.lines(ALL) == EXPORT.ledger.lines(ALL)


@pytest.mark.parametrize("place", ["missing.csv", "*.nothing", "."])
def test_nothing_to_read_is_said(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(Misconfigured, match="there is no such file"):
        ExportFiles(place)


def test_progress_names_the_file_and_ends_at_one(tmp_path, texts):
    (tmp_path / "a.csv").write_text(texts["a.csv"])
    (tmp_path / "b.jsonl").write_text(texts["a.jsonl"])
    told = []

    ExportFiles(tmp_path, progress=lambda *what: told.append(what)).close()

    names = [Path(name).name for name, _ in told]
    shares = [share for _, share in told]
    assert names[0] == "a.csv"
    assert "b.jsonl" in names
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_a_closed_source_leaves_nothing_behind(tmp_path, texts, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "a.csv").write_text(texts["a.csv"])
    with ExportFiles(tmp_path / "a.csv"):
        assert list((tmp_path / "temporary").iterdir()) != []

    with pytest.raises(Misconfigured):
        ExportFiles(tmp_path / "a.csv", tmp_path / "a.csv.missing")

    assert list((tmp_path / "temporary").iterdir()) == []


def test_text_that_is_big_is_read_by_way_of_the_disk_with_the_same_sums(
    tmp_path, texts, monkeypatch
):
    from twinguard.billing import duckdb

    monkeypatch.setattr(duckdb, "_BIG", 100)
    (tmp_path / "a.csv").write_text(texts["a.csv"])

    with ExportFiles(tmp_path / "a.csv") as files:
        assert (Path(files._folder) / "costs.db").exists()
        assert files.lines(ALL) == EXPORT.ledger.lines(ALL)
