# SPDX-License-Identifier: Apache-2.0
"""Records in one SQLite file (or in memory), for any number of threads and processes.

Every write is on disk before it returns. What the store promises: `document.py`."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from twinguard.errors import Conflict, Misconfigured, TwinguardError, Unavailable
from twinguard.ports import Json, Stored
from twinguard.state.document import (
    checked_id,
    checked_kind,
    decoded,
    encoded,
    in_utc,
    is_searchable,
    lost,
    matches,
    never_changes,
    searchable,
)
from twinguard.state.sqlite_layout import APPLICATION, LAYOUT, SCHEMA

MEMORY: Final = ":memory:"
"""The path of a store that lives and dies with its process."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class SqliteRecords:
    """`Records` in a SQLite file. `timeout`: seconds to wait for another process's write.

    One connection for each process, used by one thread at a time; a fork opens its own."""

    def __init__(self, path: str, timeout: float = 10.0) -> None:
        self._path = path if path == MEMORY else str(Path(path).absolute())
        self._timeout = timeout
        # By process id. A parent's is kept, unused: to close it in a fork would drop locks and the
        # log that the parent still works with.
        self._connections = {os.getpid(): (threading.Lock(), self._open())}

    def get(self, kind: str, id: str) -> Stored | None:
        """The record, or None."""
        checked_kind(kind)
        checked_id(kind, id)
        with self._connected() as db:
            row = db.execute(
                "SELECT value, version FROM records WHERE kind = ? AND id = ?",
                (kind, id),
            ).fetchone()
        return None if row is None else Stored(id, decoded(row[0]), str(row[1]))

    def put(
        self,
        kind: str,
        id: str,
        value: Mapping[str, Json],
        version: str | None,
        expires: dt.datetime | None = None,
    ) -> Stored:
        """Write if the record still has `version` (None: if there is none yet), else Conflict."""
        checked_kind(kind)
        checked_id(kind, id)
        text, until = encoded(kind, value), _microseconds(expires)
        searchable(kind, value)
        with self._writing() as db:
            _refuse_stale(db, kind, id, version)
            written = _next(db)
            db.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, 0, ?) ON CONFLICT (kind, id) DO UPDATE"
                " SET value = excluded.value, version = excluded.version,"
                " expires_at = excluded.expires_at",
                (kind, id, text, written, until),
            )
        return Stored(id, decoded(text), str(written))

    def find(self, kind: str, /, **equal: str | bool) -> tuple[Stored, ...]:
        """All records of a kind whose top-level fields equal these, ordered by id."""
        where = ["kind = ?"]
        arguments: list[str | bool] = [checked_kind(kind)]
        for name, field in equal.items():
            if is_searchable(name, field) and "\0" not in str(field):  # JSON1 cuts texts there
                where.append(
                    "EXISTS (SELECT 1 FROM json_each(records.value) AS field"
                    " WHERE field.key = ? AND field.type = ? AND field.atom = ?)"
                )
                type_of = "text" if isinstance(field, str) else str(field).lower()
                arguments += [name, type_of, field]
        query = f"SELECT id, value, version FROM records WHERE {' AND '.join(where)} ORDER BY id"  # noqa: S608 -- the parts are the literals above
        with self._connected() as db:
            rows = db.execute(query, arguments).fetchall()
        found = (Stored(row[0], decoded(row[1]), str(row[2])) for row in rows)
        return tuple(stored for stored in found if matches(stored.value, equal))

    def append(
        self,
        kind: str,
        value: Mapping[str, Json],
        expires: dt.datetime | None = None,
    ) -> str:
        """Add a record that can never be changed; ids count up over all processes."""
        checked_kind(kind)
        text, until = encoded(kind, value), _microseconds(expires)
        searchable(kind, value)
        with self._writing() as db:
            number = _next(db)
            record_id = f"{number:020d}"
            db.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, 1, ?)",
                (kind, record_id, text, number, until),
            )
        return record_id

    def purge(self, now: dt.datetime) -> int:
        """Delete the records that expired before `now`; how many."""
        until = _microseconds(now)
        with self._writing() as db:
            db.execute("INSERT INTO purging VALUES (?)", (until,))
            deleted = db.execute("DELETE FROM records WHERE expires_at < ?", (until,)).rowcount
            db.execute("DELETE FROM purging")
        return deleted

    def close(self) -> None:
        """Give the file back; the store cannot be used afterwards."""
        lock, db = self._own()
        with lock:
            db.close()

    def _own(self) -> tuple[threading.Lock, sqlite3.Connection]:
        """This process's connection and the lock of its threads, made anew after a fork."""
        own = self._connections.get(os.getpid())
        if own is None:
            _, parents = next(iter(self._connections.values()))
            db = parents if self._path == MEMORY else self._open()
            own = self._connections.setdefault(os.getpid(), (threading.Lock(), db))
        return own

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        lock, db = self._own()
        with lock, self._explained():
            yield db

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its start, so nothing comes between."""
        with self._connected() as db, _transaction(db, "BEGIN IMMEDIATE"):
            yield db

    def _open(self) -> sqlite3.Connection:
        with self._explained(opening=True):
            if self._path != MEMORY:
                _make_private(self._path)
            db = sqlite3.connect(
                self._path,
                timeout=self._timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._prepare(db)
            except BaseException:
                db.close()
                raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Refuse a file that is not ours before a byte of it changes, then lay out a new one.

        In transactions: another process may be laying it out between two looks at it."""
        with _transaction(db, "BEGIN"):
            self._is_laid_out(db)
        self._switch_to_wal(db)
        db.execute("PRAGMA synchronous = FULL")  # an audit record survives a power cut as well
        with _transaction(db, "BEGIN IMMEDIATE"):
            if not self._is_laid_out(db):
                for statement in SCHEMA:
                    db.execute(statement)

    def _switch_to_wal(self, db: sqlite3.Connection) -> None:
        """SQLite's own waiting does not cover this step, so wait here for others at it."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as err:
                if err.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _is_laid_out(self, db: sqlite3.Connection) -> bool:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (layout,) = db.execute("PRAGMA user_version").fetchone()
        (things,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application == 0 and things == 0:
            return False
        if application != APPLICATION:
            raise Misconfigured(
                f"{self._path} is a database of some other program;"
                " point TWINGUARD_RECORDS to a new file",
            )
        if layout != LAYOUT:
            raise Misconfigured(
                f"{self._path} has layout {layout} and this version knows layout {LAYOUT};"
                " install the version that wrote it, or point TWINGUARD_RECORDS to a new file",
            )
        return True

    @contextmanager
    def _explained(self, *, opening: bool = False) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as err:
            raise _meaning(err, self._path, opening=opening) from err


@contextmanager
def _transaction(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            with suppress(sqlite3.DatabaseError):  # the first error tells more
                db.execute("ROLLBACK")
        raise


def _refuse_stale(db: sqlite3.Connection, kind: str, id: str, version: str | None) -> None:
    row = db.execute(
        "SELECT version, appended FROM records WHERE kind = ? AND id = ?",
        (kind, id),
    ).fetchone()
    if row is not None and row[1] and version is not None:
        raise never_changes(kind, id)
    if version != (None if row is None else str(row[0])):
        raise lost(kind, id, version, exists=row is not None)


def _next(db: sqlite3.Connection) -> int:
    rows = db.execute("UPDATE counter SET last = last + 1 RETURNING last").fetchall()
    number: int = rows[0][0]
    return number


def _make_private(path: str) -> None:
    """A new file is its owner's alone; SQLite gives its log and index the same rights.

    Whatever cannot be made here is SQLite's to explain."""
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _microseconds(time: dt.datetime | None) -> int | None:
    return None if time is None else (in_utc(time) - _EPOCH) // dt.timedelta(microseconds=1)


def _meaning(err: sqlite3.DatabaseError, path: str, *, opening: bool) -> TwinguardError:
    code = getattr(err, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return Misconfigured(
            f"{path} is not a sound SQLite database ({err}); restore it from a backup,"
            " or move it away and start again with a new file",
        )
    if opening and code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return Misconfigured(
            f"{path} cannot be opened for writing ({err}); create its folder and let this user"
            " write there, or set TWINGUARD_RECORDS to another place",
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Conflict(f"{path} holds such a record already ({err}); read it and decide again")
    return Unavailable(f"{path} cannot be used now ({err}); check the disk and other writers")
