# SPDX-License-Identifier: Apache-2.0
"""Follow a file of findings as `scripts/api_security_monitor.py --output` writes it.

Reads what was added since the last look. A line that cannot be read is counted, never shown."""

from __future__ import annotations

import datetime as dt
import threading
from collections import deque
from collections.abc import Collection
from pathlib import Path

import msgspec
from msgspec import Struct

from twinguard.decide.threats.values import ThreatLevel
from twinguard.errors import Misconfigured, Unavailable
from twinguard.readers import ready

KEPT = 100_000
"""So many of the newest findings are kept in memory."""


class Line(Struct, frozen=True, gc=False):
    """One finding as it is written."""

    timestamp: dt.datetime
    key_id: str
    detector: str
    threat_level: ThreatLevel
    evidence: msgspec.Raw = msgspec.Raw(b"{}")


ready(Line)
_DECODER = msgspec.json.Decoder(Line)


class FindingsFile:
    """A growing file, or one that is whole; it need not be there yet."""

    def __init__(self, path: Path) -> None:
        if path.is_dir() or path.suffix == ".gz":
            raise Misconfigured(f"{path}: name a file of findings, JSON lines, not compressed")
        self.path = path
        self.unreadable = 0
        self._kept: deque[tuple[int, Line]] = deque(maxlen=KEPT)
        self._offset = self._number = self._file = 0
        self._lock = threading.Lock()

    def after(self, number: int, limit: int) -> tuple[tuple[int, Line], ...]:
        """The newest findings after that number, at most `limit`, the oldest of them first."""
        with self._lock:
            self._read_on()
            found: list[tuple[int, Line]] = []
            for entry in reversed(self._kept):
                if entry[0] <= number or len(found) == limit:
                    break
                found.append(entry)
        return tuple(reversed(found))

    def names_of(self, keys: Collection[str]) -> set[tuple[str, str, dt.datetime]]:
        """Key, detector and time of what is kept of these keys."""
        with self._lock:
            return {
                (line.key_id, line.detector, line.timestamp)
                for _, line in self._kept
                if line.key_id in keys
            }

    def _read_on(self) -> None:
        try:
            with self.path.open("rb") as file:
                status = self.path.stat()
                if status.st_ino != self._file or status.st_size < self._offset:
                    self._file, self._offset = status.st_ino, 0  # another file took the name
                file.seek(self._offset)
                for raw in file:
                    if not raw.endswith(b"\n"):
                        break  # it is being written
                    self._offset += len(raw)
                    self._take(raw)
        except FileNotFoundError:
            return
        except OSError as err:
            raise Unavailable(f"{self.path} cannot be read now: {err.strerror}") from err

    def _take(self, raw: bytes) -> None:
        try:
            line = _DECODER.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.unreadable += bool(raw.strip())
            return
        if line.timestamp.tzinfo is None:
            self.unreadable += 1
            return
        self._number += 1
        self._kept.append(
            (self._number, msgspec.structs.replace(line, evidence=line.evidence.copy()))
        )
