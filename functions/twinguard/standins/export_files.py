# SPDX-License-Identifier: Apache-2.0
"""Made-up exports as files: JSON lines, CSV and Parquet of Google's shape, and FOCUS in CSV.

Text is the same bytes for the same seed. Parquet is written by DuckDB, with floats as BigQuery
writes them."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from twinguard.standins.export_ledger import Entry
from twinguard.standins.export_rows import Row
from twinguard.standins.exports import Export

_ENCODER = msgspec.json.Encoder(decimal_format="number", order="deterministic")
_NESTED = frozenset(
    {
        *("invoice", "service", "sku", "project", "labels", "location", "usage", "credits"),
        *("adjustment_info", "resource"),
    }
)
_TAGS = 'STRUCT("key" VARCHAR, "value" VARCHAR)[]'
PARQUET_TYPES: Mapping[str, str] = {
    "billing_account_id": "VARCHAR",
    "invoice": 'STRUCT("month" VARCHAR)',
    "cost_type": "VARCHAR",
    "service": "STRUCT(id VARCHAR, description VARCHAR)",
    "sku": "STRUCT(id VARCHAR, description VARCHAR)",
    "usage_start_time": "TIMESTAMPTZ",
    "usage_end_time": "TIMESTAMPTZ",
    "project": f'STRUCT(id VARCHAR, "name" VARCHAR, labels {_TAGS})',
    "labels": _TAGS,
    "location": 'STRUCT("location" VARCHAR, country VARCHAR, region VARCHAR, "zone" VARCHAR)',
    "export_time": "TIMESTAMPTZ",
    "cost": "DOUBLE",
    "cost_at_list": "DOUBLE",
    "currency": "VARCHAR",
    "currency_conversion_rate": "DOUBLE",
    "usage": "STRUCT(amount DOUBLE, unit VARCHAR)",
    "credits": 'STRUCT(id VARCHAR, full_name VARCHAR, "type" VARCHAR, "name" VARCHAR,'
    " amount DOUBLE)[]",
    "adjustment_info": 'STRUCT(id VARCHAR, description VARCHAR, "mode" VARCHAR, "type" VARCHAR)',
    "resource": 'STRUCT("name" VARCHAR, global_name VARCHAR)',
    "transaction_type": "VARCHAR",
    "seller_name": "VARCHAR",
}
"""The export's columns as DuckDB's types."""


def json_lines(export: Export, path: Path) -> Path:
    """One object on each line; gzipped where the name ends in .gz."""
    data = b"".join(_ENCODER.encode(row) + b"\n" for row in export.rows)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def google_csv(export: Export, path: Path) -> Path:
    """A table with a header; what is nested is JSON in a cell."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, PARQUET_TYPES, lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(_cells, export.rows))
    return path


def parquet(export: Export, path: Path, copies: int = 1) -> Path:
    """A Parquet file; with `copies` each row is there so many times, for exports of any size."""
    import duckdb

    lines = json_lines(export, path.with_suffix(".parquet.jsonl"))
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in PARQUET_TYPES.items())
    with duckdb.connect() as db:
        # In any order, or all copies would be kept in memory to be put in theirs.
        db.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        db.execute(
            f"COPY (SELECT line.* FROM read_json($source, format = 'newline_delimited',"  # noqa: S608
            f" columns = {{{columns}}}) AS line, range($copies)) TO '{_quoted(path)}'"
            " (FORMAT parquet, COMPRESSION zstd)",
            {"source": str(lines), "copies": copies},
        )
    lines.unlink()
    return path


def focus_csv(export: Export, path: Path) -> Path:
    """FOCUS as Google's view has it: lower case, the period's last day as its end, x_ columns."""
    rows = [
        _focus(row, entry) for row, entry in zip(export.rows, export.ledger.entries, strict=True)
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _cells(row: Row) -> dict[str, Any]:
    return {name: _cell(name, row[name]) for name in PARQUET_TYPES}


def _cell(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever JSON has
    if value is None:
        return ""
    return _ENCODER.encode(value).decode() if name in _NESTED else value


def _focus(row: Row, entry: Entry) -> dict[str, str]:
    start = dt.date(int(entry.month[:4]), int(entry.month[4:]), 1)
    last = (start + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
    tags = dict(sorted(_tags(row)))
    kind = {"regular": "usage", "rounding_error": "adjustment"}.get(
        row["cost_type"], row["cost_type"]
    )
    project = row["project"] or {}
    return {
        "BilledCost": f"{entry.cost + entry.credits:f}",
        "BillingAccountId": row["billing_account_id"],
        "BillingCurrency": row["currency"],
        "BillingPeriodEnd": f"{last:%Y-%m-%d} 08:00:00 UTC",
        "BillingPeriodStart": f"{start:%Y-%m-%d} 07:00:00 UTC",
        "ChargeCategory": kind,
        "ChargeClass": "correction" if row["adjustment_info"] else "",
        "ChargeDescription": row["sku"]["description"],
        "ChargePeriodEnd": row["usage_end_time"],
        "ChargePeriodStart": row["usage_start_time"],
        "ContractedCost": f"{entry.cost:f}",
        "EffectiveCost": f"{entry.cost + entry.credits:f}",
        "ListCost": "" if row["cost_at_list"] is None else f"{entry.cost:f}",
        "ProviderName": "Google Cloud",
        "PublisherName": row["seller_name"],
        "RegionId": row["location"]["region"],
        "ServiceName": row["service"]["description"],
        "SkuId": row["sku"]["id"],
        "SubAccountId": row["billing_account_id"],
        "Tags": _ENCODER.encode(tags).decode(),
        "x_CostType": row["cost_type"],
        "x_Credits": _ENCODER.encode(
            [
                {"Name": credit["name"], "Amount": credit["amount"], "Type": credit["type"]}
                for credit in row["credits"]
            ]
        ).decode(),
        "x_ExportTime": row["export_time"],
        "x_Project": _ENCODER.encode(
            {"Id": project.get("id"), "Name": project.get("name")}
        ).decode(),
        "x_ServiceId": row["service"]["id"],
    }


def _tags(row: Row) -> Iterator[tuple[str, str]]:
    """Labels; a project's counts where the row has none of that key, and of two the later one."""
    labels = [(each["key"], each["value"]) for each in row["labels"]]
    known = {key for key, _ in labels}
    yield from labels
    for each in (row["project"] or {}).get("labels", ()):
        if each["key"] not in known:
            yield each["key"], each["value"]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
