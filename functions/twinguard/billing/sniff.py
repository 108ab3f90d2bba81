# SPDX-License-Identifier: Apache-2.0
"""Which files there are, and by their first bytes and columns what each of them is.

A file's name says nothing; what is neither Google's export nor FOCUS is refused by column."""

from __future__ import annotations

import codecs
import csv
import enum
import glob
import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from msgspec import Struct

from twinguard.errors import Misconfigured

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LONGEST = 1 << 20
_FOCUS = (
    *("BilledCost", "BillingCurrency", "BillingPeriodStart", "ChargePeriodStart"),
    *("ChargePeriodEnd", "ChargeCategory", "ServiceName"),
)
_GOOGLE = ("cost", "currency", "invoice", "service", "usage_start_time")
_NESTED = frozenset({"invoice", "service"})
"""What is one column in Google's export, and several where somebody has flattened it."""
_ONLY_FOCUS = frozenset(name.lower() for name in _FOCUS)


class Format(enum.StrEnum):
    """How rows are written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class Shape(enum.StrEnum):
    """Whose columns a file has."""

    GOOGLE = "google"
    FOCUS = "focus"


class Source(Struct, frozen=True, kw_only=True):
    """A text file and how to read it. `columns` are as the file writes them, blanks around them
    left out; `is_marked` tells of a byte order mark."""

    path: str
    format: Format
    shape: Shape
    columns: tuple[str, ...]
    delimiter: str = ","
    is_gzipped: bool = False
    is_marked: bool = False


def files(places: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """The files that are named by paths, folders (whole) and patterns, each once and in order."""
    found: dict[str, None] = {}
    for place in (os.fspath(each) for each in places):
        if Path(place).is_dir():
            inside = (path for path in Path(place).rglob("*") if path.is_file())
            names = sorted(str(path) for path in inside if not path.name.startswith((".", "_")))
        elif Path(place).exists():
            names = [place]
        else:
            matches = glob.glob(place, recursive=True)  # noqa: PTH207 - patterns may be absolute
            names = sorted(name for name in matches if Path(name).is_file())
        if not names:
            raise Misconfigured(f"{place}: there is no such file, or the folder is empty")
        found |= dict.fromkeys(names)
    return tuple(found)


def is_parquet(path: str) -> bool:
    """True for a Parquet file, by its first bytes; an empty file is refused."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(4)
    except OSError as err:
        raise Misconfigured(
            f"{path}: cannot be read ({err.strerror}); check its name and rights"
        ) from err
    if not start:
        raise Misconfigured(f"{path} is empty; export it again")
    is_packed = start.startswith((_GZIP, _PARQUET))
    if not is_packed and (start[:2] in _MARKS or b"\x00" in start):
        raise Misconfigured(
            f"{path} is not UTF-8 text; convert it: iconv -t UTF-8, or export it again"
        )
    return start == _PARQUET


def text_source(path: str) -> Source:
    """How to read a file of text: CSV with a header, or an object of JSON on each line."""
    with Path(path).open("rb") as raw:
        is_gzipped = raw.read(2) == _GZIP
    first = _first_line(path, is_gzipped)
    with gzip.open(path) if is_gzipped else Path(path).open("rb") as raw:
        is_marked = raw.read(3) == codecs.BOM_UTF8
    if first.lstrip().startswith(("{", "[")):
        columns, delimiter, kind = _keys(path, first), ",", Format.JSON
    else:
        delimiter = max((",", ";", "\t", "|"), key=first.count)
        names = next(csv.reader([first], delimiter=delimiter, skipinitialspace=True))
        # A line that ends with a delimiter has a last column without a name.
        columns = tuple(name.strip() or f"unnamed {at}" for at, name in enumerate(names, 1))
        kind = Format.CSV
        _refuse_repeats(path, columns)
    return Source(
        path=path,
        format=kind,
        shape=shape_of(path, columns),
        columns=columns,
        delimiter=delimiter,
        is_gzipped=is_gzipped,
        is_marked=is_marked,
    )


def shape_of(path: str, columns: Iterable[str]) -> Shape:
    """Whose columns these are; Misconfigured names the ones that are missing."""
    known = {column.lower() for column in columns}
    shape, needed = (Shape.FOCUS, _FOCUS) if known & _ONLY_FOCUS else (Shape.GOOGLE, _GOOGLE)
    flat = {name.partition(mark)[0] for name in known for mark in "._" if shape is Shape.GOOGLE}
    missing = [name for name in needed if name.lower() not in known | (flat & _NESTED)]
    if not missing:
        return shape
    if shape is Shape.GOOGLE and len(missing) > len(_GOOGLE) // 2:
        raise Misconfigured(
            f"{path} is neither FOCUS nor Google's export: it has no column "
            f"{_FOCUS[0]} (FOCUS) or cost (Google's); export the costs again"
        )
    told = "FOCUS 1.0 to 1.2" if shape is Shape.FOCUS else "Google's billing export"
    raise Misconfigured(
        f"{path} has no column {', '.join(missing)}, which {told} has; export it with all columns"
    )


def opened(path: str, is_gzipped: bool) -> IO[str]:
    """The text of a file."""
    if is_gzipped:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return Path(path).open(encoding="utf-8-sig", newline="")


def _first_line(path: str, is_gzipped: bool) -> str:
    try:
        with opened(path, is_gzipped) as file:
            first = file.readline(_LONGEST)
    except UnicodeDecodeError as err:
        raise Misconfigured(
            f"{path} is not UTF-8 text; convert it: iconv -t UTF-8, or export it again"
        ) from err
    except (OSError, EOFError) as err:
        raise Misconfigured(f"{path}: cannot be unpacked ({err}); it may be cut off") from err
    if not first.strip():
        raise Misconfigured(f"{path}, line 1 is empty; a header or an object of JSON belongs there")
    return first.rstrip("\r\n")


def _keys(path: str, first: str) -> tuple[str, ...]:
    try:
        found = json.loads(first)
    except ValueError as err:
        raise Misconfigured(
            f"{path}, line 1 is no JSON ({err}); write one object on each line, as bq extract does"
        ) from err
    if not isinstance(found, dict):
        raise Misconfigured(
            f"{path}, line 1 is no object of JSON; write one object on each line: jq -c '.[]'"
        )
    return tuple(found)


def _refuse_repeats(path: str, columns: tuple[str, ...]) -> None:
    lower = [column.lower() for column in columns]
    twice = sorted({column for column in lower if lower.count(column) > 1})
    if twice:
        raise Misconfigured(f"{path}: column {', '.join(twice)} is there twice; remove one of them")
