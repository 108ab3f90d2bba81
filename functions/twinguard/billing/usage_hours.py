# SPDX-License-Identifier: Apache-2.0
"""A log of requests as hours of keys, by one text of SQL: DuckDB over files, BigQuery over a table.

What the hours teach is decided in `decide/threats/bulk.py`."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from twinguard.billing import queries
from twinguard.billing.bigquery import BigQuery
from twinguard.billing.dialect import translated
from twinguard.billing.queries import Statement
from twinguard.decide.threats.bulk import Group
from twinguard.errors import Misconfigured

_READ = """
CREATE TABLE events AS SELECT * FROM read_json(
  ?, format = 'newline_delimited', ignore_errors = true, filename = 'file',
  columns = {
    key_id: 'VARCHAR', timestamp: 'TIMESTAMPTZ', ip: 'VARCHAR', user_agent: 'VARCHAR',
    path: 'VARCHAR', status: 'BIGINT'
  }
)
"""
_UNREADABLE = """
WITH lines AS (
  SELECT
    rowid, file, key_id IS NULL OR timestamp IS NULL AS is_bad,
    row_number() OVER (PARTITION BY file ORDER BY rowid) AS number
  FROM events
)
SELECT file, number, COUNT(*) OVER () FROM lines WHERE is_bad ORDER BY rowid LIMIT 1
"""
"""The first line that is no event, by its number among those that are not blank; how many are."""

_FETCHED = 10_000


def statement(table: str) -> str:
    """BigQuery's text over a table or view with the columns of an event."""
    return queries.text("usage_hours.sql").replace("{table}", table)


class UsageFiles:
    """Files of events, JSONL or JSONL.gz. Lines that cannot be read are left out and counted:
    `unreadable`, of which `first` is the first one's place."""

    def __init__(self, paths: Sequence[Path], memory: str = "800MB") -> None:
        missing = next((path for path in paths if not path.is_file()), None)
        if missing is not None or not paths:
            raise Misconfigured(f"{missing or 'no file'} cannot be read; name files of events")
        self._paths, self._memory = paths, memory
        self.unreadable, self.first = 0, ""

    def hours(self) -> Iterator[Group]:
        """Each key's hours in order, by what used it."""
        import duckdb

        with duckdb.connect(":memory:") as db:
            db.execute("SET TimeZone = 'UTC'")
            db.execute("SET memory_limit = ?", [self._memory])
            try:
                db.execute(_READ, [[str(path) for path in self._paths]])
            except duckdb.Error as err:
                raise Misconfigured(f"the events cannot be read: {err}") from err
            if bad := db.execute(_UNREADABLE).fetchone():
                path, number, self.unreadable = bad
                self.first = f"{path}, line {_line_of(Path(path), number)}"
            found = db.execute(translated(statement("events")))
            while rows := found.fetchmany(_FETCHED):
                yield from map(_group, rows)


class UsageTable(BigQuery):
    """A table of events in BigQuery, as PROJECT.DATASET.TABLE: there are no lines to be read."""

    unreadable, first = 0, ""

    def hours(self) -> Iterator[Group]:
        """Each key's hours in order, by what used it."""
        yield from map(_group, self._answers(Statement(statement(self.table))))


def _line_of(path: Path, number: int) -> int:
    """The number of a file's line, given its number among those that are not blank."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        filled = (at for at, line in enumerate(lines, 1) if line.strip())
        return next(islice(filled, number - 1, None), number)


def _group(row: Iterable[Any]) -> Group:
    key_id, hour, ip, agent, path, *numbers = row
    requests, fine, *quarters, peak_60, peak_10 = map(int, numbers)
    return Group(
        key_id=str(key_id),
        hour=int(hour),
        ip=str(ip),
        user_agent=str(agent),
        path=str(path),
        requests=requests,
        fine=fine,
        quarters=tuple(number for number, count in enumerate(quarters) if count),
        peak_60=peak_60,
        peak_10=peak_10,
    )
