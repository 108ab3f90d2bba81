# SPDX-License-Identifier: Apache-2.0
"""The columns that are read of export files, and how a file of text has them; DuckDB's dialect.

`staged.py` types them. What else a file has is left alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from twinguard.billing import amounts
from twinguard.billing.quoted import escaped, literal
from twinguard.billing.sniff import Format, Shape, Source

Columns = Mapping[str, str]
"""Names in lower case to DuckDB's types, of what a file has."""

MONEY_IN_JSON = r'("(?:amount|Amount|cost|cost_at_list|[A-Z]\w*Cost)"\s*:\s*)(-?[0-9][0-9.eE+-]*)'
TAGS = '[{"key":"VARCHAR","value":"VARCHAR"}]'
_NULLS = ["", "NULL", "null"]
QUOTED = r'\1"\2"'
_NESTED = frozenset({"struct", "list", "credits"})

FINE = "fine"
"""In `FOCUS`: money with as many digits as the file has."""

GOOGLE: dict[str, tuple[str, str]] = {
    "billing_account_id": ("text", ""),
    "invoice": ("struct!", '{"month":"VARCHAR"}'),
    "cost_type": ("text", ""),
    "service": ("struct", '{"id":"VARCHAR","description":"VARCHAR"}'),
    "sku": ("struct", '{"id":"VARCHAR","description":"VARCHAR"}'),
    "usage_start_time": ("time!", ""),
    "usage_end_time": ("time", ""),
    "project": ("struct", f'{{"id":"VARCHAR","name":"VARCHAR","labels":{TAGS}}}'),
    "labels": ("list", TAGS),
    "location": ("struct", '{"location":"VARCHAR","region":"VARCHAR"}'),
    "export_time": ("time", ""),
    "cost": ("money!", amounts.NUMERIC),
    "cost_at_list": ("money", amounts.NUMERIC),
    "currency": ("text!", ""),
    "usage": ("struct", '{"amount":"VARCHAR","unit":"VARCHAR"}'),
    "credits": ("credits", '[{"amount":"VARCHAR"}]'),
    "adjustment_info": ("struct", '{"mode":"VARCHAR","type":"VARCHAR"}'),
}
FOCUS: dict[str, tuple[str, str]] = {
    "BilledCost": ("money!", FINE),
    **dict.fromkeys(("ContractedCost", "ListCost"), ("money", FINE)),
    "ConsumedQuantity": ("number", ""),
    **dict.fromkeys(("BillingPeriodStart", "ChargePeriodStart"), ("time!", "")),
    **dict.fromkeys(("ChargePeriodEnd", "x_ExportTime"), ("time", "")),
    **dict.fromkeys(("BillingCurrency", "ChargeCategory"), ("text!", "")),
    **dict.fromkeys(
        (
            *("BillingAccountId", "ChargeClass", "ChargeDescription", "ConsumedUnit", "RegionId"),
            *("ServiceName", "SkuId", "SubAccountId", "SubAccountName"),
            *("x_CostType", "x_ServiceId"),
        ),
        ("text", ""),
    ),
    "x_Credits": ("credits", '[{"amount":"VARCHAR"}]'),
    "x_Project": ("struct", '{"id":"VARCHAR","name":"VARCHAR"}'),
}
MAKERS = ("ProviderName", "PublisherName", "ServiceProviderName")
FOCUS_EXTRA = {
    **dict.fromkeys(("Tags", "x_Labels", "x_ProjectLabels"), ("list", "")),
    **dict.fromkeys(MAKERS, ("text", "")),
}


def raw(source: Source, place: str | None = None) -> tuple[str, Columns]:
    """The SELECT of a text file's columns, all as text, and their names.

    `place` is where the text is, if it is not in the file itself."""
    path = literal(escaped(source.path if place is None else place))
    packed = "gzip" if source.is_gzipped and place is None else "none"
    if source.format is Format.CSV:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in source.columns)
        nulls = ", ".join(map(literal, _NULLS))
        select = (
            f"SELECT * FROM read_csv({path}, header = true,"  # noqa: S608 - all is quoted
            f" columns = {{{columns}}},"
            f" auto_detect = false, delim = {literal(source.delimiter)}, quote = '\"',"
            f" escape = '\"', nullstr = [{nulls}], compression = '{packed}')"
        )
        return select, {name.lower(): "VARCHAR" for name in source.columns}
    known = GOOGLE if source.shape is Shape.GOOGLE else {**FOCUS, **FOCUS_EXTRA}
    structure = {
        name: "JSON" if kind.rstrip("!") in _NESTED else "VARCHAR"
        for name, (kind, _) in known.items()
    }
    select = (
        "SELECT unnest(row) FROM (SELECT from_json(regexp_replace(json,"  # noqa: S608 - quoted
        f" {literal(MONEY_IN_JSON)}, {literal(QUOTED)}, 'g'), {literal(json.dumps(structure))})"
        f" AS row FROM read_ndjson_objects({path}, compression = '{packed}'))"
    )
    return select, {name.lower(): "VARCHAR" for name in structure}


def gathered(select: str, columns: Columns) -> tuple[str, Columns]:
    """A Google export whose nested columns somebody has flattened, nested again.

    A CSV cannot nest: `service.description` and `service_description` are what people make of it.
    """
    parts = {}
    for column, (kind, structure) in GOOGLE.items():
        fields = {
            field: name
            for field in re.findall(r'"(\w+)":"', structure)
            for name in (f"{column}_{field}", f"{column}.{field}")
            if name in columns
        }
        if kind.rstrip("!") == "struct" and fields and column not in columns:
            told = ", ".join(f'{literal(field)}, "{name}"' for field, name in fields.items())
            parts[column] = f'json_object({told})::VARCHAR AS "{column}"'
    if not parts:
        return select, columns
    wider = f"SELECT *, {', '.join(parts.values())} FROM ({select})"  # noqa: S608 - our names
    return wider, {**columns, **dict.fromkeys(parts, "VARCHAR")}
