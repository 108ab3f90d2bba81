# SPDX-License-Identifier: Apache-2.0
"""In-memory doubles for the ports, as strict as the real adapters; shared by all tests.

They never relax a rule of `twinguard.ports` or `state/document.py`."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from twinguard.errors import Conflict
from twinguard.ports import Json, Stored
from twinguard.state import document

APPENDED = "appended"


@dataclass(slots=True)
class _Row:
    text: str
    version: str
    expires: dt.datetime | None


@dataclass
class MemoryRecords:
    """`Records` in a dictionary: compare-and-set, append-only kinds, values copied both ways."""

    _rows: dict[tuple[str, str], _Row] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(self, kind: str, id: str) -> Stored | None:
        key = document.checked_kind(kind), document.checked_id(kind, id)
        with self._lock:
            row = self._rows.get(key)
            return None if row is None else _stored(id, row)

    def put(
        self,
        kind: str,
        id: str,
        value: Mapping[str, Json],
        version: str | None,
        expires: dt.datetime | None = None,
    ) -> Stored:
        key = document.checked_kind(kind), document.checked_id(kind, id)
        text = _text(kind, value)
        with self._lock:
            row = self._rows.get(key)
            if row is not None and version is not None and row.version.startswith(APPENDED):
                raise document.never_changes(kind, id)
            if version != (None if row is None else row.version):
                raise Conflict(f"{kind} {id!r} changed since it was read; read it and decide again")
            self._rows[key] = _Row(text, f"v{next(self._numbers)}", _in_utc(expires))
            return _stored(id, self._rows[key])

    def find(self, kind: str, /, **equal: str | bool) -> tuple[Stored, ...]:
        document.checked_kind(kind)
        with self._lock:
            found = [
                _stored(key[1], row) for key, row in sorted(self._rows.items()) if key[0] == kind
            ]
        return tuple(stored for stored in found if document.matches(stored.value, equal))

    def newest(self, kind: str, limit: int) -> tuple[Stored, ...]:
        return self.find(kind)[::-1][:limit]

    def append(
        self, kind: str, value: Mapping[str, Json], expires: dt.datetime | None = None
    ) -> str:
        document.checked_kind(kind)
        text = _text(kind, value)
        with self._lock:
            number = next(self._numbers)
            key = kind, f"{number:020d}"
            self._rows[key] = _Row(text, f"{APPENDED}{number}", _in_utc(expires))
            return key[1]

    def purge(self, now: dt.datetime) -> int:
        now = document.in_utc(now)
        with self._lock:
            dead = [key for key, row in self._rows.items() if row.expires and row.expires < now]
            for key in dead:
                del self._rows[key]
            return len(dead)


def _stored(id: str, row: _Row) -> Stored:
    return Stored(id, document.decoded(row.text), row.version)


def _text(kind: str, value: Mapping[str, Json]) -> str:
    document.searchable(kind, value)
    return document.encoded(kind, value)


def _in_utc(expires: dt.datetime | None) -> dt.datetime | None:
    return None if expires is None else document.in_utc(expires)
