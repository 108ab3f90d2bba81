# SPDX-License-Identifier: Apache-2.0
"""How many digits amounts have in files, and how all of them are kept; DuckDB's dialect.

A DECIMAL has 38 digits. Google's export has nine of them after the point, as BigQuery's NUMERIC;
FOCUS files eighteen, and more where they do: floats of others are written as 1.389999999999e-05."""

from __future__ import annotations

from typing import Final

GOOGLES: Final = 9
USUAL: Final = 18
DIGITS: Final = 38
FINER: Final = "an amount has more digits"
"""DuckDB's error where `strict` finds a digit that would be lost."""


def decimal(places: int) -> str:
    """The type of an amount with so many digits after the point."""
    return f"DECIMAL({DIGITS}, {places})"


NUMERIC = decimal(GOOGLES)


def places_of(text: str) -> str:
    """How many digits after the point the text of an amount needs: five for `1.25e-3`."""
    after = f"length(rtrim(regexp_extract({text}, '[.]([0-9]*)', 1), '0'))"
    power = f"coalesce(TRY_CAST(regexp_extract({text}, '[eE]([-+]?[0-9]+)', 1) AS INTEGER), 0)"
    return f"({after} - {power})"


def strict(text: str, places: int, value: str) -> str:
    """The value; DuckDB raises FINER where its text has a digit that the places do not hold.

    Texts that are too short for that are not looked at."""
    may = f"(length({text}) > {places} OR contains(lower({text}), 'e-'))"
    return (
        f"CASE WHEN {may} AND {places_of(text)} > {places} THEN error('{FINER}') ELSE {value} END"
    )


def needed(select: str, columns: tuple[str, ...]) -> str:
    """A query for the most digits after the point of some columns, and the sum of the first.

    A column may be JSON with amounts in it, or a list of credits."""
    texts = [f'CAST(line."{column}" AS VARCHAR)' for column in columns]
    found = [
        f"coalesce(list_max([{places_of('one')} FOR one IN"
        rf" regexp_extract_all({text}, '(?i)^[-+]?[0-9.]+(?:e[-+]?[0-9]+)?$"
        rf"|amount.{{1,4}}?[-+]?[0-9.]+(?:e[-+]?[0-9]+)?')]), 0)"
        for text in texts
    ]
    amount = f"coalesce(TRY_CAST({texts[0]} AS {NUMERIC}), 0)"
    return (
        f"SELECT max(greatest({', '.join(found)})), sum(abs({amount}))"  # noqa: S608 - quoted
        f" FROM ({select}) AS line"
    )


def fitting(most: int, total: object) -> int:
    """The digits after the point that are kept: all of them, unless the sum needs the room."""
    whole = len(f"{abs(int(str(total or 0).partition('.')[0] or 0))}") + 1
    return max(USUAL, min(most, DIGITS - whole))
