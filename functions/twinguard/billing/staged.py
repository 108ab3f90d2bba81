# SPDX-License-Identifier: Apache-2.0
"""The columns of export files, typed for `costs.sql` and `focus.sql`; DuckDB's dialect.

Money is cast from its text, never by way of a float; what cannot be read raises, with file and
column, so that nothing is half read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from twinguard.billing.sniff import Format, Shape, Source

Columns = Mapping[str, str]
"""Names in lower case to DuckDB's types, of what a file has."""

_MONEY_IN_JSON = r'("(?:amount|Amount|cost|cost_at_list|[A-Z]\w*Cost)"\s*:\s*)(-?[0-9][0-9.eE+-]*)'
_TAGS = '[{"key":"VARCHAR","value":"VARCHAR"}]'
_NULLS = ["", "NULL", "null"]

NUMERIC, FINE = "DECIMAL(38, 9)", "DECIMAL(38, 18)"
"""Money as BigQuery keeps it, and as the files of others have it: with more digits."""

_GOOGLE: dict[str, tuple[str, str]] = {
    "billing_account_id": ("text", ""),
    "invoice": ("struct!", '{"month":"VARCHAR"}'),
    "cost_type": ("text", ""),
    "service": ("struct", '{"id":"VARCHAR","description":"VARCHAR"}'),
    "sku": ("struct", '{"id":"VARCHAR","description":"VARCHAR"}'),
    "usage_start_time": ("time!", ""),
    "usage_end_time": ("time", ""),
    "project": ("struct", f'{{"id":"VARCHAR","name":"VARCHAR","labels":{_TAGS}}}'),
    "labels": ("list", _TAGS),
    "location": ("struct", '{"location":"VARCHAR","region":"VARCHAR"}'),
    "export_time": ("time", ""),
    "cost": ("money!", NUMERIC),
    "cost_at_list": ("money", NUMERIC),
    "currency": ("text!", ""),
    "usage": ("struct", '{"amount":"VARCHAR","unit":"VARCHAR"}'),
    "credits": ("credits", '[{"amount":"VARCHAR"}]'),
    "adjustment_info": ("struct", '{"mode":"VARCHAR","type":"VARCHAR"}'),
}
_FOCUS: dict[str, tuple[str, str]] = {
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


def raw(source: Source) -> tuple[str, Columns]:
    """The SELECT of a text file's columns, all as text, and their names."""
    path = literal(escaped(source.path))
    packed = "gzip" if source.is_gzipped else "none"
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
    known = _GOOGLE if source.shape is Shape.GOOGLE else {**_FOCUS, **_FOCUS_EXTRA}
    structure = {
        name: "JSON" if kind.rstrip("!") in _NESTED else "VARCHAR"
        for name, (kind, _) in known.items()
    }
    select = (
        "SELECT unnest(row) FROM (SELECT from_json(regexp_replace(json,"  # noqa: S608 - quoted
        f" {literal(_MONEY_IN_JSON)}, {literal(_QUOTED)}, 'g'), {literal(json.dumps(structure))})"
        f" AS row FROM read_ndjson_objects({path}, compression = '{packed}'))"
    )
    return select, {name.lower(): "VARCHAR" for name in structure}


def typed(shape: Shape, select: str, columns: Columns, name: str) -> str:
    """The SELECT that `costs.sql` or `focus.sql` reads from; `name` is the file in errors."""
    known = _GOOGLE if shape is Shape.GOOGLE else _FOCUS
    parts = [
        f"{_READ[kind.rstrip('!')](column, columns.get(column.lower()), structure, name, kind)}"
        f' AS "{column}"'
        for column, (kind, structure) in known.items()
    ]
    if shape is Shape.FOCUS:
        select, parts = _focus(select, parts, columns, name)
    return f"SELECT {', '.join(parts)} FROM ({select}) AS line"  # noqa: S608 - of quoted parts


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def escaped(path: str) -> str:
    """A path in which no character is a pattern."""
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in path)


def _focus(select: str, parts: list[str], columns: Columns, name: str) -> tuple[str, list[str]]:
    """FOCUS keeps tags in several ways, credits in a list, and Google's project in a column."""
    tags = [
        _tags(column, columns[column.lower()], name)
        for column in _FOCUS_EXTRA
        if column.lower() in columns and column not in _MAKERS
    ]
    makers = [f"line.{column}" for column in _MAKERS if column.lower() in columns]
    told = f"concat_ws(' ', {', '.join(makers)})" if makers else "''"
    amount = f"CAST(c.amount AS {FINE})"
    inner = f"SELECT {', '.join(parts)}, {' || '.join(tags) or '[]'} AS tags"
    inner += f", contains(lower({told}), 'google') AS is_google FROM ({select}) AS line"
    return inner, [
        "line.* EXCLUDE (x_Credits, x_Project, tags)",
        f"coalesce(list_sum([{amount} FOR c IN line.x_Credits]), 0) AS credits",
        "line.x_Project.id AS project_id",
        "line.x_Project.name AS project_name",
        f"CAST(line.tags AS STRUCT({_q('key')} VARCHAR, {_q('value')} VARCHAR)[]) AS tags",
    ]


def _text(column: str, kind: str | None, _: str, name: str, need: str) -> str:
    value = f'CAST(line."{column}" AS VARCHAR)' if kind else "CAST(NULL AS VARCHAR)"
    return f"coalesce({value}, {_refusal(column, 'NULL', name)})" if need.endswith("!") else value


def _time(column: str, kind: str | None, _: str, name: str, need: str) -> str:
    if kind is None:
        return "CAST(NULL AS TIMESTAMP)"
    place = f'line."{column}"'
    value = f"CAST(TRY_CAST({place} AS TIMESTAMPTZ) AS TIMESTAMP)"
    if kind != "VARCHAR":
        value = f"CAST({place} AS TIMESTAMP)"
    return _checked(place, value, column, name, need)


def _money(column: str, kind: str | None, exact: str, name: str, need: str) -> str:
    if kind is None:
        return f"CAST(NULL AS {exact})"
    place = f'line."{column}"'
    if kind in {"DOUBLE", "FLOAT"} and exact == FINE:
        # By its shortest text: cast as it is, 2.1 would have noise from the 17th digit on.
        return _checked(place, f"TRY_CAST({place}::VARCHAR AS {exact})", column, name, need)
    if kind != "VARCHAR":
        return _checked(place, f"CAST({place} AS {exact})", column, name, need)
    # DuckDB would take 1_000 for a thousand.
    text = f"CASE WHEN NOT contains({place}, '_') THEN {place} END"
    return _checked(place, f"TRY_CAST({text} AS {exact})", column, name, need)


def _number(column: str, kind: str | None, _: str, _name: str, _need: str) -> str:
    """A quantity: told, never added up, so a float will do and an odd one is left out."""
    return f'TRY_CAST(line."{column}" AS DOUBLE)' if kind else "CAST(NULL AS DOUBLE)"


def _struct(column: str, kind: str | None, structure: str, name: str, need: str) -> str:
    """A part with fields, or a list of them: native, or JSON in a text."""
    place = f'line."{column}"'
    if kind is None:
        return f"from_json(CAST(NULL AS JSON), {literal(structure)})"
    if kind not in {"VARCHAR", "JSON"} and _is_ready(column, kind):
        return _month(place, f"{place}.month IS NOT NULL", column, name)
    text = place if kind in {"VARCHAR", "JSON"} else f"to_json({place})::VARCHAR"
    # Of another type, from_json would make nothing of it, without a word.
    small = _small(text) if column.startswith("x_") else text
    value = (
        f"CASE WHEN starts_with(ltrim({text}), '{structure[0]}')"
        f" THEN try(from_json({small}, {literal(structure)})) END"
    )
    absent = f"CASE WHEN {text} <> 'null' THEN {text} END"
    found = _checked(absent, value, column, name, need)
    return _month(found, f"regexp_full_match({found}.month, '[0-9]{{6}}')", column, name)


def _month(found: str, condition: str, column: str, name: str) -> str:
    """The invoice, if its month is one: without it the row would be on no invoice."""
    if column != "invoice":
        return found
    told = _refusal(column, f"CAST({found} AS VARCHAR)", name)
    return f"CASE WHEN {condition} THEN {found} ELSE {told} END"


def _credits(column: str, kind: str | None, structure: str, name: str, need: str) -> str:
    """Credits, in which an amount that is missing or no number is refused."""
    place = f'line."{column}"'
    if kind is not None and _is_ready(column, kind):
        return place
    if kind == "VARCHAR":
        place = f"regexp_replace({place}, {literal(_MONEY_IN_JSON)}, {literal(_QUOTED)}, 'g')"
    value = _struct(column, kind, structure, name, need).replace(f'line."{column}"', place)
    if kind is None:
        return value
    wrong = "TRY_CAST(c.amount AS DECIMAL(38, 9)) IS NULL"
    told = _refusal(column, f'CAST(line."{column}" AS VARCHAR)', name)
    checked = f"CASE WHEN len([c FOR c IN {value} IF {wrong}]) > 0 THEN {told} ELSE {value} END"
    if kind not in {"VARCHAR", "JSON"}:
        return checked
    # Most rows have none: they need no looking at.
    return f"CASE WHEN line.\"{column}\" = '[]' THEN [] ELSE {checked} END"


def _small(text: str) -> str:
    """JSON with the names that Google's FOCUS files write with a capital, or without, in small."""
    text = f"regexp_replace({text}, '\"\\s+:', '\":', 'g')"
    for name in ("Id", "Name", "Amount", "Key", "Value"):
        text = f"replace({text}, '\"{name}\":', '\"{name.lower()}\":')"
    return text


def _tags(column: str, kind: str, name: str) -> str:
    """Tags as a list of keys and values, from an object, or from a list of Google's."""
    place = f'line."{column}"'
    if kind.startswith("MAP("):
        return f"coalesce(map_entries({place}), [])"
    text = place if kind == "VARCHAR" else f"to_json({place})::VARCHAR"
    good = f"CASE WHEN json_valid({text}) THEN {text} END"
    value = (
        f"CASE json_type({good}) WHEN 'OBJECT' THEN"
        f" map_entries(CAST(CAST({good} AS JSON) AS MAP(VARCHAR, VARCHAR)))"
        f" WHEN 'ARRAY' THEN from_json({_small(good)}, {literal(_TAGS)}) WHEN 'NULL' THEN [] END"
    )
    return f"CASE WHEN {text} IS NULL THEN [] ELSE {_required(value, text, column, name)} END"


def _checked(place: str, value: str, column: str, name: str, need: str) -> str:
    """The value; raises where it cannot be read, or is needed and missing."""
    if need.endswith("!"):
        return _required(value, place, column, name)
    return f"CASE WHEN {place} IS NOT NULL THEN {_required(value, place, column, name)} END"


def _required(value: str, place: str, column: str, name: str) -> str:
    return f"coalesce({value}, {_refusal(column, f'CAST({place} AS VARCHAR)', name)})"


def _refusal(column: str, value: str, name: str) -> str:
    told = f"{{'file': {literal(name)}, 'column': {literal(column)}, 'value': left({value}, 80)}}"
    return f"error('{MARK}' || to_json({told})::VARCHAR)"


def _is_ready(column: str, kind: str) -> bool:
    """True for a nested column of Parquet that has all the fields that costs.sql asks for."""
    asked = re.findall(r'"(\w+)":', _GOOGLE.get(column, ("", ""))[1])
    return kind.startswith("STRUCT") and all(name in kind for name in asked)


def _q(name: str) -> str:
    return f'"{name}"'


MARK = "cannot be read: "
"""What DuckDB's error has before the JSON that says where."""

_QUOTED = r'\1"\2"'
_NESTED = frozenset({"struct", "list", "credits"})
_MAKERS = ("ProviderName", "PublisherName", "ServiceProviderName")
_FOCUS_EXTRA = {
    **dict.fromkeys(("Tags", "x_Labels", "x_ProjectLabels"), ("list", "")),
    **dict.fromkeys(_MAKERS, ("text", "")),
}
_READ: dict[str, Callable[[str, str | None, str, str, str], str]] = {
    "text": _text,
    "time": _time,
    "money": _money,
    "number": _number,
    "struct": _struct,
    "list": _struct,
    "credits": _credits,
}
