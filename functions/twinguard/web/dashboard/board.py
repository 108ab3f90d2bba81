# SPDX-License-Identifier: Apache-2.0
"""Hold the newest findings of one environment in memory, counted, and hand out what is new.

One look at the store for all readers. `live.py` tells listeners."""

from __future__ import annotations

import threading
from collections import Counter, deque

from msgspec import Struct

from twinguard.decide.threats.values import ThreatLevel
from twinguard.web.dashboard.findings_file import KEPT
from twinguard.web.dashboard.security import Found, SecurityView

PAGE = 50
"""Findings on a page."""


class Wanted(Struct, frozen=True):
    """Which findings a reader asks for: none of the texts means all."""

    level: str = ""
    key_id: str = ""
    detector: str = ""
    before: str = ""

    def fits(self, found: Found) -> bool:
        """True for a finding that is asked for."""
        return (
            (not self.before or found.id < self.before)
            and (not self.level or found.level.value == self.level)
            and (not self.key_id or found.key_id == self.key_id)
            and (not self.detector or found.detector == self.detector)
        )


class Seen(Struct, frozen=True):
    """A page of findings, the newest first; `older` is where the next page begins, if any."""

    findings: tuple[Found, ...]
    older: str
    newest: str


class Board:
    """The newest findings, the oldest first."""

    def __init__(self, view: SecurityView, kept: int = KEPT) -> None:
        self._view, self._most = view, kept
        self._kept: deque[Found] = deque()
        self._levels: Counter[str] = Counter()
        self._keys: dict[str, Counter[str]] = {}
        self._lock = threading.Lock()
        self._polling = threading.Lock()

    @property
    def newest(self) -> str:
        """The id of the newest finding that is known."""
        with self._lock:
            return self._kept[-1].id if self._kept else ""

    def poll(self) -> tuple[Found, ...]:
        """Look once for new findings; those, the oldest first."""
        with self._polling:
            fresh = self._view.findings(self.newest, self._most)
            with self._lock:
                for found in fresh:
                    self._add(found)
        return fresh

    def page(self, wanted: Wanted, size: int = PAGE) -> Seen:
        """The newest findings that are asked for."""
        with self._lock:
            picked: list[Found] = []
            for found in reversed(self._kept):
                if wanted.fits(found):
                    picked.append(found)
                    if len(picked) > size:
                        break
            newest = self._kept[-1].id if self._kept else ""
        older = picked[size - 1].id if len(picked) > size else ""
        return Seen(tuple(picked[:size]), older, newest)

    def after(self, id: str, most: int) -> tuple[Found, ...] | None:
        """What came after an id, the oldest first; None where that is more than `most`."""
        with self._lock:
            missed: list[Found] = []
            for found in reversed(self._kept):
                if found.id <= id:
                    break
                missed.append(found)
                if len(missed) > most:
                    return None
        return tuple(reversed(missed))

    def levels(self) -> dict[str, int]:
        """How many of each level, the worst first."""
        with self._lock:
            return {level.value: self._levels[level.value] for level in reversed(ThreatLevel)}

    def worst_keys(self, most: int) -> tuple[tuple[str, str, int], ...]:
        """Keys with their worst level and how many findings, the worst first."""
        with self._lock:
            ranked = [
                (max((ThreatLevel(level) for level in of), key=lambda one: one.rank), key, of)
                for key, of in self._keys.items()
            ]
        ranked.sort(key=lambda one: (-one[0].rank, -one[2][one[0].value], one[1]))
        return tuple((key, level.value, of.total()) for level, key, of in ranked[:most])

    def _add(self, found: Found) -> None:
        self._kept.append(found)
        self._levels[found.level.value] += 1
        self._keys.setdefault(found.key_id, Counter())[found.level.value] += 1
        if len(self._kept) > self._most:
            gone = self._kept.popleft()
            self._levels[gone.level.value] -= 1
            of = self._keys[gone.key_id]
            of[gone.level.value] -= 1
            if of[gone.level.value] == 0:
                del of[gone.level.value]
            if not of:
                del self._keys[gone.key_id]
