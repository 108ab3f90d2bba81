# SPDX-License-Identifier: Apache-2.0
"""BigQuery's jobs.query and getQueryResults over one made-up table, as a context manager.

The SQL really runs: sqlglot checks that it is BigQuery's and DuckDB answers. Plain translation, not
that of `billing/dialect.py`, so that the two check each other."""

from __future__ import annotations

import datetime as dt
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeAlias

from twinguard.standins import export_files
from twinguard.standins.exports import Export
from twinguard.standins.server import Refused, Request, Route, Server, route

Messages: TypeAlias = Sequence[tuple[dt.datetime, bytes]]
_TYPES = {"BIGINT": "INTEGER", "DATE": "DATE", "VARCHAR": "STRING", "DECIMAL(38,9)": "NUMERIC"}
_KNOWN = {
    *("query", "useLegacySql", "parameterMode", "queryParameters", "maximumBytesBilled", "dryRun"),
    *("maxResults", "timeoutMs", "location", "labels"),
}
_ROW_BYTES = 400


@dataclass(slots=True)
class _Job:
    """A query's answer; `unfinished` is how often it says so before it tells it."""

    schema: list[dict[str, str]]
    rows: list[list[str | None]]
    size: int
    unfinished: int


class BigQuery(Server):
    """One table: of an export, or of messages as Pub/Sub writes them, each with its time.

    `unfinished` answers of each job say that it still runs.

    `forbidden` refuses everybody; `fail()` of the server plays outages."""

    def __init__(
        self, table: str, rows: Export | Messages, *, location: str = "EU", unfinished: int = 0
    ) -> None:
        self.table, self.location = table, location
        self.unfinished, self.forbidden = unfinished, False
        self.size = len(rows.rows if isinstance(rows, Export) else rows) * _ROW_BYTES
        self._jobs: dict[str, _Job] = {}
        self._turn = threading.Lock()
        self._db = _loaded(table, rows)
        super().__init__(*self._offered())

    def __exit__(self, *details: object) -> None:
        super().__exit__(*details)
        self._db.close()

    @property
    def environment(self) -> dict[str, str]:
        """The variable that sends our adapter here."""
        return {"BIGQUERY_ENDPOINT": self.url}

    def _offered(self) -> tuple[Route, ...]:
        path = "/bigquery/v2/{project=projects/*}/queries"
        return (
            route("POST", path, self._query),
            route("GET", path + "/{job=*}", self._results),
        )

    def _query(self, request: Request) -> dict[str, Any]:
        body = request.body
        if not isinstance(body, dict) or not body.get("query") or body.keys() - _KNOWN:
            raise Refused(400, "INVALID_ARGUMENT", "Required parameter is missing: query")
        if self.forbidden:
            message = f"Access Denied: Table {self._told}: User does not have permission"
            raise Refused(403, "PERMISSION_DENIED", message)
        if body.get("useLegacySql") is not False:
            raise Refused(400, "INVALID_ARGUMENT", "Legacy SQL is not spoken here")
        with self._turn:
            sql, values = self._checked(body)
            project = request.match["project"].split("/")[1]
            if body.get("dryRun"):
                return self._dry(project)
            allowed = int(body.get("maximumBytesBilled", self.size))
            if self.size > allowed:
                message = f"Query exceeded limit for bytes billed: {allowed}. {self.size} or higher"
                raise Refused(400, "INVALID_ARGUMENT", f"{message} required.")
            name = self._run(sql, values)
        return self._page(project, name, 0, int(body.get("maxResults", 1000)))

    def _results(self, request: Request) -> dict[str, Any]:
        name, project = request.match["job"], request.match["project"].split("/")[1]
        if name not in self._jobs or request.query.get("location", "US") != self.location:
            raise Refused(404, "NOT_FOUND", f"Not found: Job {project}:{name}")
        start = int(request.query.get("pageToken", "0"))
        return self._page(project, name, start, int(request.query.get("maxResults", "1000")))

    def _page(self, project: str, name: str, start: int, most: int) -> dict[str, Any]:
        job = self._jobs[name]
        answer: dict[str, Any] = {
            "kind": "bigquery#queryResponse",
            "jobReference": {"projectId": project, "jobId": name, "location": self.location},
            "jobComplete": job.unfinished <= 0,
        }
        if job.unfinished > 0:
            job.unfinished -= 1
            return answer
        rows = job.rows[start : start + most]
        answer |= {
            "schema": {"fields": job.schema},
            "totalRows": str(len(job.rows)),
            "totalBytesProcessed": str(job.size),
            "cacheHit": False,
        }
        if rows:
            answer["rows"] = [{"f": [{"v": value} for value in row]} for row in rows]
        if start + most < len(job.rows):
            answer["pageToken"] = str(start + most)
        return answer

    def _dry(self, project: str) -> dict[str, Any]:
        return {
            "kind": "bigquery#queryResponse",
            "jobReference": {"projectId": project, "location": self.location},
            "jobComplete": True,
            "totalBytesProcessed": str(self.size),
            "cacheHit": False,
        }

    def _checked(self, body: Mapping[str, Any]) -> tuple[str, dict[str, object]]:
        """The query in DuckDB's words and its parameters, as BigQuery would accept them."""
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError

        try:
            (tree,) = sqlglot.parse(body["query"], read="bigquery")
        except (SqlglotError, ValueError) as err:
            raise Refused(400, "INVALID_ARGUMENT", f"Syntax error: {err}") from err
        if not isinstance(tree, exp.Query):
            raise Refused(400, "INVALID_ARGUMENT", "Only queries are answered here")
        inner = {each.alias_or_name for each in tree.find_all(exp.CTE)}
        for place in tree.find_all(exp.Table):
            name = ".".join(part.name for part in place.parts)
            if name not in inner and name != self.table:
                raise self._missing(name)
        if body.get("location", "US") != self.location:
            raise self._missing(self.table)
        values = dict(map(_value, body.get("queryParameters", ())))
        for asked in tree.find_all(exp.Parameter):
            if asked.name not in values:
                message = f"Query parameter '{asked.name}' not found"
                raise Refused(400, "INVALID_ARGUMENT", message)
        for kind in tree.find_all(exp.DataType):
            if kind.is_type("decimal") and not kind.expressions:
                kind.replace(exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb"))
        return tree.sql(dialect="duckdb", comments=False), values

    def _run(self, sql: str, values: dict[str, object]) -> str:
        import duckdb

        try:
            # Not the cursor's description: its types outlive the interpreter, which complains.
            described = self._db.execute(f"DESCRIBE {sql}", values or None).fetchall()
            rows = self._db.execute(sql, values or None).fetchall()
        except duckdb.Error as err:
            raise Refused(400, "INVALID_ARGUMENT", str(err).splitlines()[0]) from err
        schema = [
            {"name": name, "type": _TYPES.get(kind, "STRING"), "mode": "NULLABLE"}
            for name, kind, *_ in described
        ]
        name = f"job_{len(self._jobs) + 1}"
        told = [[None if value is None else _told(value) for value in row] for row in rows]
        self._jobs[name] = _Job(schema, told, self.size, self.unfinished)
        return name

    def _missing(self, name: str) -> Refused:
        project, _, rest = name.partition(".")
        where = f"was not found in location {self.location}"
        return Refused(404, "NOT_FOUND", f"Not found: Table {project}:{rest} {where}")

    @property
    def _told(self) -> str:
        project, _, rest = self.table.partition(".")
        return f"{project}:{rest}"


def _loaded(table: str, rows: Export | Messages) -> Any:  # noqa: ANN401 - DuckDB's own
    """A database with the table."""
    import duckdb

    project, dataset, name = (f'"{part}"' for part in table.split("."))
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute(f"ATTACH ':memory:' AS {project}")
    db.execute(f"CREATE SCHEMA {project}.{dataset}")
    place = f"{project}.{dataset}.{name}"
    if isinstance(rows, Export):
        _load_export(db, place, rows)
    else:
        db.execute(f"CREATE TABLE {place} (publish_time TIMESTAMPTZ, data JSON)")
        for at, data in rows:
            db.execute(f"INSERT INTO {place} VALUES (?, ?)", [at, data.decode()])  # noqa: S608
    return db


def _load_export(db: Any, place: str, export: Export) -> None:  # noqa: ANN401 - DuckDB's own
    """Put rows into a table that is partitioned by when they came in, as Google's is."""
    with tempfile.TemporaryDirectory() as folder:
        path = export_files.parquet(export, Path(folder, "export.parquet"))
        db.execute(
            f"CREATE TABLE {place} AS SELECT *,"  # noqa: S608
            " date_trunc('day', export_time) AS _PARTITIONTIME FROM read_parquet(?)",
            [str(path)],
        )


def _value(parameter: Mapping[str, Any]) -> tuple[str, object]:
    """A named parameter, converted as its type says."""
    kind, text = parameter["parameterType"]["type"], parameter["parameterValue"]["value"]
    try:
        match kind:
            case "DATE":
                return parameter["name"], dt.date.fromisoformat(text)
            case "NUMERIC":
                return parameter["name"], Decimal(text)
            case "STRING":
                return parameter["name"], str(text)
    except (ValueError, InvalidOperation) as err:
        message = f"Invalid value for parameter {parameter['name']}: {text!r}"
        raise Refused(400, "INVALID_ARGUMENT", message) from err
    raise Refused(400, "INVALID_ARGUMENT", f"Unknown parameter type {kind!r}")


def _told(value: object) -> str:
    """A value as BigQuery's JSON has it: text, and NUMERIC without zeros at its end."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
