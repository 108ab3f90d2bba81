# SPDX-License-Identifier: Apache-2.0
"""BigQuery's SQL as DuckDB understands it: the same text runs in production and offline.

sqlglot translates; three things are ours, and the contract tests compare both ways of running."""

from __future__ import annotations

import functools
from typing import Any

PACIFIC = "America/Los_Angeles"
"""The zone of Google's invoices: since 1970 either 7 or 8 hours behind UTC."""


@functools.lru_cache(maxsize=64)
def translated(sql: str) -> str:
    """The DuckDB text of one BigQuery statement; parameters @name become $name.

    A sum or maximum over UNNEST of a row's own list becomes a list expression: as a subquery DuckDB
    joins it, which takes several times as long and all the memory there is. A Pacific date is
    computed without the calendar of time zones wherever the hour leaves no doubt."""
    import sqlglot

    tree = sqlglot.parse_one(sql, read="bigquery")
    tree = tree.transform(_listed).transform(_dated)
    return str(exact(tree).sql(dialect="duckdb", comments=False))


def exact(tree: Any) -> Any:  # noqa: ANN401 - sqlglot's trees
    """NUMERIC has 38 digits, 9 of them after the point; a bare DECIMAL in DuckDB has 18 and 3."""
    from sqlglot import exp

    for kind in tree.find_all(exp.DataType):
        if kind.is_type("decimal") and not kind.expressions:
            kind.replace(exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb"))
    return tree


def _listed(node: Any) -> Any:  # noqa: ANN401
    """`(SELECT MAX(x.value) FROM UNNEST(list) AS x WHERE …)` as `LIST_MAX([x.value FOR x IN …])`.

    What has another form stays the subquery it is: slower, and right."""
    from sqlglot import exp

    names = {exp.Sum: "LIST_SUM", exp.Max: "LIST_MAX"}
    query = node.this if isinstance(node, exp.Subquery) else None
    if not isinstance(query, exp.Select) or len(query.expressions) != 1:
        return node
    used = {name for name, part in query.args.items() if part} - {"kind"}
    total, source = query.expressions[0], query.args.get("from_") or query.args.get("from")
    unnest = source.this if source else None
    if type(total) not in names or not isinstance(unnest, exp.Unnest):
        return node
    alias = unnest.args.get("alias")
    if alias is None or not alias.columns or not used <= {"expressions", "from_", "from", "where"}:
        return node
    where = query.args.get("where")
    listed = exp.Comprehension(
        this=total.this.copy(),
        expression=alias.columns[0].copy(),
        iterator=unnest.expressions[0].copy(),
        condition=where.this.copy() if where else None,
    )
    return exp.func(names[type(total)], exp.Array(expressions=[listed]))


def _dated(node: Any) -> Any:  # noqa: ANN401
    """The Pacific date of a moment: 7 or 8 hours behind UTC, mostly the same date by both."""
    import sqlglot
    from sqlglot import exp

    zone = node.args.get("zone") if isinstance(node, exp.Date) else None
    if zone is None or zone.name != PACIFIC:
        return node
    moment = f"CAST({node.this.sql(dialect='duckdb')} AS TIMESTAMP)"
    summer, winter = (f"CAST({moment} - INTERVAL {hours} HOUR AS DATE)" for hours in (7, 8))
    exactly = f"CAST({moment} AT TIME ZONE 'UTC' AT TIME ZONE '{PACIFIC}' AS DATE)"
    return sqlglot.parse_one(
        f"CASE WHEN {summer} = {winter} THEN {winter} ELSE {exactly} END", read="duckdb"
    )
