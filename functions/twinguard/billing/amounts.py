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
    """The value; DuckDB raises FINER where its text has a digit that the places do not hold."""
    more = f"{_is_long(text, places)} AND {places_of(text)} > {places}"
    return f"CASE WHEN {more} THEN error('{FINER}') ELSE {value} END"


def needed(select: str, billed: str, credits: str = "") -> str:
    """A query for the most digits that amounts have after the point, and their sum before it.

    `billed` is a column of amounts, `credits` one of JSON or of lists with amounts in it."""
    found = [f"CASE WHEN {_is_long('billed', USUAL)} THEN {places_of('billed')} ELSE 0 END"]
    columns = [f'CAST("{billed}" AS VARCHAR) AS billed']
    if credits:
        columns.append(f'CAST("{credits}" AS VARCHAR) AS given')
        each = f"regexp_extract_all(given, '{_AMOUNT_WITHIN}', 1)"
        found.append(f"coalesce(list_max([{places_of('one')} FOR one IN {each}]), 0)")
    return (
        f"SELECT max(greatest({', '.join(found)})),"  # noqa: S608 - quoted
        " len(CAST(TRY_CAST(sum(abs(TRY_CAST(billed AS DOUBLE)))"
        f" FILTER (isfinite(TRY_CAST(billed AS DOUBLE))) AS HUGEINT) AS VARCHAR))"
        f" FROM (SELECT {', '.join(columns)} FROM ({select}))"
    )


def _is_long(text: str, places: int) -> str:
    """Whether a text may need more digits: most are too short to be looked at."""
    return f"(length({text}) > {places} OR contains(lower({text}), 'e-'))"


def fitting(most: int, before: int) -> int | None:
    """The digits after the point that are kept: all of them; None where a sum has no room for them.

    Where what is before the point has no room itself, no digit after it matters."""
    if most <= USUAL or before >= DIGITS:
        return USUAL
    return most if most + before < DIGITS else None


_AMOUNT_WITHIN = r"(?i)amount[^0-9.+-]{1,6}([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)"
