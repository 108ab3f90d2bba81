# SPDX-License-Identifier: Apache-2.0
"""What our translation to DuckDB changes gives the same numbers as sqlglot's plain one."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import duckdb
import pytest
import sqlglot
from hypothesis import example, given
from hypothesis import strategies as st

from twinguard.billing import queries
from twinguard.billing.dialect import exact, translated

PACIFIC = zoneinfo.ZoneInfo("America/Los_Angeles")
LIST = "[STRUCT('a' AS key, 'x' AS value), ('b', 'y'), ('a', 'z')]"


@pytest.fixture(scope="module")
def db():
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        yield db


def plain(sql: str) -> str:
    return exact(sqlglot.parse_one(sql, read="bigquery")).sql(dialect="duckdb")


@pytest.mark.parametrize(
    "expression",
    [
        f"(SELECT MAX(tag.value) FROM UNNEST({LIST}) AS tag WHERE tag.key = 'a')",
        f"(SELECT MAX(tag.value) FROM UNNEST({LIST}) AS tag WHERE tag.key = 'c')",
        f"(SELECT MAX(tag.value) FROM UNNEST({LIST}) AS tag)",
        "(SELECT SUM(CAST(n AS NUMERIC)) FROM UNNEST(['0.1', '0.2', NULL]) AS n)",
        "IFNULL((SELECT SUM(CAST(n AS NUMERIC)) FROM UNNEST(['1']) AS n WHERE n = '2'), 0)",
        f"(SELECT COUNT(*) FROM UNNEST({LIST}) AS tag WHERE tag.key = 'a')",
        f"(SELECT MAX(tag.value) FROM UNNEST({LIST}) AS tag LIMIT 1)",
        "CAST('0.123456789' AS NUMERIC) + CAST('12345678901234567890' AS NUMERIC)",
    ],
)
def test_lists_are_judged_as_subqueries_are(db, expression):
    """Through a row, as in costs.sql: a constant would be folded before it is seen."""
    sql = f"SELECT {expression} AS found"

    assert db.execute(translated(sql)).fetchall() == db.execute(plain(sql)).fetchall()


def test_the_subqueries_of_the_normalised_rows_are_all_rewritten():
    """One that is not would be joined, and ten million rows would not fit."""
    for name in ("costs.sql", "focus.sql"):
        tree = sqlglot.parse_one(translated(queries.text(name)), read="duckdb")

        assert list(tree.find_all(sqlglot.exp.Unnest)) == []
        assert list(tree.find_all(sqlglot.exp.Subquery)) == []


MOMENTS = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001 - UTC below


@given(moment=MOMENTS)
@example(dt.datetime(2026, 11, 1, 6, 59, 59))  # noqa: DTZ001
@example(dt.datetime(2026, 11, 1, 7))  # noqa: DTZ001
@example(dt.datetime(2026, 11, 2, 7, 59, 59))  # noqa: DTZ001
@example(dt.datetime(2026, 11, 2, 8))  # noqa: DTZ001
@example(dt.datetime(2026, 3, 8, 7, 59, 59))  # noqa: DTZ001
@example(dt.datetime(2026, 3, 9, 6, 59, 59))  # noqa: DTZ001
@example(dt.datetime(2026, 3, 9, 7))  # noqa: DTZ001
def test_a_pacific_date_is_that_of_the_calendar(db, moment):
    sql = translated("SELECT DATE(@moment, 'America/Los_Angeles')")

    ((found,),) = db.execute(sql, {"moment": moment}).fetchall()

    assert found == moment.replace(tzinfo=dt.UTC).astimezone(PACIFIC).date()


def test_a_date_in_another_zone_is_left_to_the_calendar(db):
    sql = translated("SELECT DATE(TIMESTAMP '2026-10-01 22:30:00', 'Europe/Brussels')")

    assert db.execute(sql).fetchall() == [(dt.date(2026, 10, 2),)]


@pytest.mark.parametrize("name", ["costs.sql", "focus.sql"])
def test_the_normalised_rows_have_the_same_columns_in_the_same_order(name):
    tree = sqlglot.parse_one(queries.text("costs.sql"), read="bigquery")
    other = sqlglot.parse_one(queries.text(name), read="bigquery")

    assert other.named_selects == tree.named_selects
