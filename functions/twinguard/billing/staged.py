# SPDX-License-Identifier: Apache-2.0
"""The columns of export files, typed for `costs.sql` and `focus.sql`; DuckDB's dialect.

Money is cast from its text, never by way of a float; what cannot be read raises, with file and
column, so that nothing is half read."""

from __future__ import annotations

import re
from collections.abc import Callable

from twinguard.billing import amounts
from twinguard.billing.columns import (
    FINE,
    FOCUS,
    FOCUS_EXTRA,
    GOOGLE,
    MAKERS,
    MONEY_IN_JSON,
    QUOTED,
    TAGS,
    Columns,
    gathered,
)
from twinguard.billing.quoted import literal
from twinguard.billing.sniff import Shape


def typed(shape: Shape, select: str, columns: Columns, name: str, places: int | None = None) -> str:
    """The SELECT that `costs.sql` or `focus.sql` reads from; `name` is the file in errors.

    `places` are the digits after the point of a FOCUS file's amounts; without them it is the usual
    number, and DuckDB raises `amounts.FINER` where that is too few."""
    known = GOOGLE if shape is Shape.GOOGLE else FOCUS
    if shape is Shape.GOOGLE:
        select, columns = gathered(select, columns)
    exact = amounts.decimal(places or amounts.USUAL)
    parts = [
        _READ[kind.rstrip("!")](
            column,
            columns.get(column.lower()),
            exact if structure == FINE else structure,
            name,
            kind,
        )
        + f' AS "{column}"'
        for column, (kind, structure) in known.items()
    ]
    if shape is Shape.FOCUS:
        if places is None and "billedcost" in columns:
            billed = 'CAST(line."BilledCost" AS VARCHAR)'
            strictly = amounts.strict(billed, amounts.USUAL, parts[0].removesuffix(_BILLED))
            parts[0] = strictly + _BILLED
        select, parts = _focus(select, parts, columns, name, places)
    return f"SELECT {', '.join(parts)} FROM ({select}) AS line"  # noqa: S608 - of quoted parts


def _focus(
    select: str, parts: list[str], columns: Columns, name: str, places: int | None
) -> tuple[str, list[str]]:
    """FOCUS keeps tags in several ways, credits in a list, and Google's project in a column."""
    tags = [
        _tags(column, columns[column.lower()], name)
        for column in FOCUS_EXTRA
        if column.lower() in columns and column not in MAKERS
    ]
    makers = [f"line.{column}" for column in MAKERS if column.lower() in columns]
    told = f"concat_ws(' ', {', '.join(makers)})" if makers else "''"
    amount = f"CAST(c.amount AS {amounts.decimal(places or amounts.USUAL)})"
    if places is None:
        amount = amounts.strict("c.amount", amounts.USUAL, amount)
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
    # Nobody was billed before computers were: a year 1 or 9999 stands for nothing, or a mistake.
    likely = f"CASE WHEN {value} BETWEEN '1970-01-01' AND '2199-12-31' THEN {value} END"
    return _checked(place, likely, column, name, need)


def _money(column: str, kind: str | None, exact: str, name: str, need: str) -> str:
    if kind is None:
        return f"CAST(NULL AS {exact})"
    place = f'line."{column}"'
    text = place
    if kind in {"DOUBLE", "FLOAT"} and exact != amounts.NUMERIC:
        # By its shortest text: cast as it is, 2.1 would have noise from the 17th digit on.
        text = f"{place}::VARCHAR"
    elif kind == "VARCHAR":
        # DuckDB would take 1_000 for a thousand.
        text = f"CASE WHEN NOT contains({place}, '_') THEN {place} END"
    found = f"TRY_CAST({text} AS {exact})"
    if need.endswith("!") or exact == amounts.NUMERIC:
        return _checked(place, found, column, name, need)
    # Where what is billed has many digits, a list price may have no room: it is not added up.
    number = _checked(place, f"TRY_CAST({text} AS {amounts.NUMERIC})", column, name, need)
    return f"CASE WHEN {number} IS NOT NULL THEN {found} END"


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
    text = _unwrapped(text)
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
        text = _unwrapped(place)
        place = f"regexp_replace({text}, {literal(MONEY_IN_JSON)}, {literal(QUOTED)}, 'g')"
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
    """Tags as a list of keys and values, from an object, or from a list of Google's.

    A key that is there twice is left to a slower way: maps take each key once."""
    place = f'line."{column}"'
    if kind.startswith("MAP("):
        return f"coalesce(map_entries({place}), [])"
    text = _unwrapped(place if kind == "VARCHAR" else f"to_json({place})::VARCHAR")
    good = f"CASE WHEN json_valid({text}) THEN {text} END"
    by_key = (
        "[{'key': pair[1], 'value': pair[2]} FOR pair IN"
        f" list_zip(json_keys({good}), json_extract_string({good}, '$.*'))]"
    )
    value = (
        f"CASE json_type({good}) WHEN 'OBJECT' THEN coalesce("
        f"try(map_entries(CAST(CAST({good} AS JSON) AS MAP(VARCHAR, VARCHAR)))), {by_key})"
        f" WHEN 'ARRAY' THEN from_json({_small(good)}, {literal(TAGS)}) WHEN 'NULL' THEN [] END"
    )
    return f"CASE WHEN {text} IS NULL THEN [] ELSE {_required(value, text, column, name)} END"


def _unwrapped(text: str) -> str:
    """The JSON within a text of JSON: some write objects as they are, some as texts."""
    found, plain = f"json_extract_string({text}, '$')", f"CAST({text} AS VARCHAR)"
    return f"CASE WHEN starts_with({plain}, '\"') THEN {found} ELSE {plain} END"


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
    asked = re.findall(r'"(\w+)":', GOOGLE.get(column, ("", ""))[1])
    return kind.startswith("STRUCT") and all(name in kind for name in asked)


def _q(name: str) -> str:
    return f'"{name}"'


MARK = "cannot be read: "
"""What DuckDB's error has before the JSON that says where."""

_BILLED = ' AS "BilledCost"'
_READ: dict[str, Callable[[str, str | None, str, str, str], str]] = {
    "text": _text,
    "time": _time,
    "money": _money,
    "number": _number,
    "struct": _struct,
    "list": _struct,
    "credits": _credits,
}
