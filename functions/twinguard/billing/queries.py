# SPDX-License-Identifier: Apache-2.0
"""Questions about costs as SQL in BigQuery's dialect, over the normalised rows of `costs.sql`.

Values are named parameters, never part of the text; names come from the enums of `decide/spend.py`.
`dialect.py` turns the same text into DuckDB's."""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import importlib.resources
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

from twinguard.decide.spend import Basis, Dimension, Freshness, Line, Query
from twinguard.errors import Misconfigured, Unavailable

INVOICE_ZONE = ZoneInfo("America/Los_Angeles")
"""The time zone of Google's invoices: a day of usage ends at midnight there."""

EXPORT_LAG = dt.timedelta(hours=40)
"""How late rows of Google's export have been seen (1.6 days); Google promises nothing."""

_SLACK = dt.timedelta(days=7)
"""Rows are written after the usage, and months begin Pacific; a week costs next to nothing."""

_COLUMNS = {
    Dimension.DAY: "usage_date",
    Dimension.ENVIRONMENT: "environment",
    Dimension.PROJECT: "project_id",
    Dimension.SERVICE: "service",
    Dimension.SKU: "sku",
    Dimension.TENANT: "tenant",
    Dimension.FEATURE: "feature",
    Dimension.MODEL: "model",
    Dimension.KEY: "api_key",
    Dimension.COST_TYPE: "cost_type",
}
_MONTHS = {
    Basis.USAGE: "DATE_TRUNC(usage_date, MONTH)",
    Basis.INVOICE: "invoice_month",
}
_FILTERS = {"environment": "environment", "project": "project_id", "tenant": "tenant"}
_TABLE = re.compile(r"[a-z][a-z0-9.:-]*[a-z0-9]\.[A-Za-z0-9_]+\.[A-Za-z0-9_]+")


class Parameter(Struct, frozen=True):
    """A named parameter: its type by BigQuery's name, and its value as text."""

    name: str
    type: str
    value: str


class Statement(Struct, frozen=True):
    """A query's text and its parameters."""

    sql: str
    parameters: tuple[Parameter, ...] = ()


def rows(table: str, since: bool = False) -> str:
    """The SELECT of the normalised rows of an export's table.

    With `since`, only partitions from the day @since on are read: what was written before a day
    cannot be about usage after it. There is no upper end, since corrections come months later."""
    if not _TABLE.fullmatch(table):
        raise Misconfigured(f"{table!r} is no table; write PROJECT.DATASET.TABLE")
    place = f"`{table}`"
    if since:
        place = f"(SELECT * FROM {place} WHERE _PARTITIONTIME >= TIMESTAMP(@since))"  # noqa: S608 - checked
    return text("costs.sql").replace("`{table}`", place)


def sums(query: Query, source: str, since: bool = False) -> Statement:
    """The costs of each group and currency; `source` is a SELECT of normalised rows.

    Columns: k0, k1, … in the query's order, currency, cost, credits, corrections."""
    keys = [_key(dimension, query.basis) for dimension in query.by]
    groups = [*(f"{key} AS k{place}" for place, key in enumerate(keys)), "currency"]
    conditions, parameters = _conditions(query)
    if since:
        start = _first(query) - _SLACK
        parameters.append(Parameter("since", "DATE", start.isoformat()))
    sql = (  # names come from enums, values go as parameters
        f"WITH costs AS (\n{source}\n)\n"
        f"SELECT\n  {', '.join(groups)},\n"
        "  SUM(cost) AS cost,\n  SUM(credits) AS credits,\n"
        "  SUM(IF(is_correction, net, 0)) AS corrections\n"
        f"FROM costs\nWHERE {' AND '.join(conditions)}\n"
        f"GROUP BY {', '.join(str(place) for place in range(1, len(groups) + 1))}"
    )
    return Statement(sql, tuple(parameters))


def freshness(source: str, since: dt.date | None = None) -> Statement:
    """The newest row, the last day of usage and its end; moments are in microseconds."""
    sql = (
        f"WITH costs AS (\n{source}\n)\n"
        "SELECT UNIX_MICROS(MAX(export_time)) AS newest, MAX(usage_date) AS last,"
        " UNIX_MICROS(MAX(usage_end)) AS until\nFROM costs"
    )
    return Statement(sql, (Parameter("since", "DATE", since.isoformat()),) if since else ())


def lines(answers: Iterable[Sequence[object]], query: Query) -> tuple[Line, ...]:
    """The rows of an answer to `sums`, in a fixed order."""
    count = len(query.by)
    found = [
        Line(
            keys=tuple(map(_told, query.by, row)),
            currency=str(row[count]),
            cost=_money(row[count + 1]),
            credits=_money(row[count + 2]),
            corrections=_money(row[count + 3]),
        )
        for row in answers
    ]
    return ordered(found)


def ordered(found: Iterable[Line]) -> tuple[Line, ...]:
    """Lines by their keys and currency; what has no key comes last."""
    return tuple(
        sorted(found, key=lambda line: ([(key is None, key) for key in line.keys], line.currency))
    )


def fresh(source: str, newest: dt.datetime | None, last: dt.date | None) -> Freshness:
    """What can be said of an export whose newest row was written then, about usage until `last`.

    A day is complete when it was over for as long as rows are known to be late."""
    through = None
    if newest is not None and last is not None:
        settled = (newest - EXPORT_LAG).astimezone(INVOICE_ZONE).date() - dt.timedelta(days=1)
        through = min(settled, last)
    return Freshness(source=source, through=through, newest=newest, lag=EXPORT_LAG)


def moment(micros: object) -> dt.datetime | None:
    """A moment from microseconds since 1970."""
    if micros is None:
        return None
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(str(micros)))


def day(text: object) -> dt.date | None:
    """A day from its ISO text."""
    return None if text is None else dt.date.fromisoformat(str(text))


def months(query: Query) -> tuple[str, str]:
    """The first and the last month of a query, as YYYYMM."""
    return f"{query.first:%Y%m}", f"{query.last:%Y%m}"


def span(query: Query) -> tuple[dt.date, dt.date]:
    """The first and last day that a query is about: by invoice, whole months."""
    end = query.last
    if query.basis is Basis.INVOICE:
        end = end.replace(day=calendar.monthrange(end.year, end.month)[1])
    return _first(query), end


@functools.cache
def text(name: str) -> str:
    """A file of SQL that lies beside this one."""
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _first(query: Query) -> dt.date:
    return query.first.replace(day=1) if query.basis is Basis.INVOICE else query.first


def _key(dimension: Dimension, basis: Basis) -> str:
    return _MONTHS[basis] if dimension is Dimension.MONTH else _COLUMNS[dimension]


def _told(dimension: Dimension, key: object) -> str | None:
    """A key as text. Months come as their first day, or as the invoice's YYYYMM."""
    if key is None:
        return None
    if dimension is Dimension.MONTH:
        digits = str(key).replace("-", "")
        return f"{digits[:4]}-{digits[4:6]}"
    return str(key)


def _conditions(query: Query) -> tuple[list[str], list[Parameter]]:
    if query.basis is Basis.INVOICE:
        column, kind, ends = "invoice_month", "STRING", months(query)
    else:
        column, kind = "usage_date", "DATE"
        ends = query.first.isoformat(), query.last.isoformat()
    conditions = [f"{column} BETWEEN @first AND @last"]
    parameters = [Parameter("first", kind, ends[0]), Parameter("last", kind, ends[1])]
    for field, name in _FILTERS.items():
        if (wanted := getattr(query, field)) is not None:
            conditions.append(f"{name} = @{field}")
            parameters.append(Parameter(field, "STRING", wanted))
    return conditions, parameters


def _money(value: object) -> Decimal:
    amount = value if isinstance(value, Decimal) else Decimal(str(value))
    if not amount.is_finite():
        raise Unavailable(f"{value!r} is no amount of money; the source answered nonsense")
    return amount
