# SPDX-License-Identifier: Apache-2.0
"""DuckDB's errors about a file, as `Misconfigured` that says where it is and what to do."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from twinguard.billing.amounts import FINER
from twinguard.billing.sniff import Format, Source, opened
from twinguard.billing.staged import MARK
from twinguard.errors import Misconfigured

_LINE = re.compile(r"(?:CSV Error on Line: |in line )(\d+)")
_HINTS = (
    ("unicode", "it is not UTF-8 text; convert it: iconv -t UTF-8, or export it again"),
    ("utf-8", "it is not UTF-8 text; convert it: iconv -t UTF-8, or export it again"),
    ("Expected Number of Columns", "the line has another number of columns than the header"),
    ("unterminated quote", "a quote is never closed; the file may be cut off"),
    ("Maximum line size", "a line is longer than 2 MB"),
    ("Malformed JSON", "the line is no JSON; the file may be cut off"),
    ("gzip", "it cannot be unpacked; it may be cut off"),
    ("Out of Range", "the sum has too many digits; an amount in it is no amount of money"),
    ("Overflow", "the sum has too many digits; an amount in it is no amount of money"),
    ("to DECIMAL(38,", "an amount is no number that money can have"),
    ("Out of Memory", "it needs more memory than allowed; give ExportFiles more"),
)


class TooFine(Exception):
    """An amount has more digits after the point than were looked for: look, and read again."""


@contextmanager
def refused(paths: Sequence[str], source: Source | None = None) -> Iterator[None]:
    """Turn what DuckDB raises about these files into `Misconfigured`, and FINER into `TooFine`."""
    import duckdb

    try:
        yield
    except (duckdb.Error, UnicodeDecodeError, OSError, EOFError) as err:
        if FINER in str(err):
            raise TooFine from err
        raise Misconfigured(_told(str(err), paths, source)) from err


def _told(message: str, paths: Sequence[str], source: Source | None) -> str:
    name = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    found = re.search(re.escape(MARK) + r"(\{.*\})", message)
    if found:
        try:
            return _value(json.loads(found[1]), source)
        except ValueError:
            pass
    line = _LINE.search(message)
    at = f", line {line[1]}" if line else ""
    for word, hint in _HINTS:
        if word.lower() in message.lower():
            return f"{name}{at}: {hint}; export it again, nothing of it was counted"
    first = message.strip().splitlines()[0]
    return f"{name}{at}: cannot be read ({first}); export it again, nothing of it was counted"


def _value(told: dict[str, Any], source: Source | None) -> str:
    value = told["value"]
    line = _line_of(source, told["column"], value) if source else None
    at = f", line {line}" if line else ""
    what = "nothing" if value in {None, "NULL"} else repr(value)
    return (
        f"{told['file']}{at}: {told['column']} is {what}, which cannot be read as what belongs "
        "there; correct it or export the file again, nothing of it was counted"
    )


def _line_of(source: Source, column: str, value: str | None) -> int | None:
    """The first line on which the column begins with this value; only a hint, so None is fine."""
    try:
        with opened(source.path, source.is_gzipped) as file:
            if source.format is Format.JSON:
                return _json_line(file, column, value)
            return _csv_line(csv.reader(file, delimiter=source.delimiter), column, value)
    except (ValueError, csv.Error, OSError):
        return None


def _csv_line(rows: Any, column: str, value: str | None) -> int | None:  # noqa: ANN401 - csv.reader's
    header = [name.lower() for name in next(rows)]
    place = header.index(column.lower())
    for row in rows:
        text = row[place] if place < len(row) else ""
        is_nothing = text in {"", "NULL", "null"}
        if (is_nothing and value in {None, "NULL"}) or text[:80] == value:
            return int(rows.line_num)
    return None


def _json_line(file: Any, column: str, value: str | None) -> int | None:  # noqa: ANN401 - a text file
    for number, line in enumerate(file, 1):
        row = json.loads(line) if line.strip() else {}
        found = row.get(column) if isinstance(row, dict) else None
        if found is None:
            if value in {None, "NULL"} and line.strip():
                return number
        elif value is not None and value in _forms(line, column, found):
            return number
    return None


def _forms(line: str, column: str, found: Any) -> set[str]:  # noqa: ANN401 - whatever JSON has
    """The texts that DuckDB may have for a value: amounts are quoted before it reads them."""
    quoted = json.loads(line, parse_float=str, parse_int=str)[column]
    forms = {
        json.dumps(each, separators=(",", ":"), ensure_ascii=False) for each in (found, quoted)
    }
    return {form[:80] for form in forms | {str(found), str(quoted)}}
