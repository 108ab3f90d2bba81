# SPDX-License-Identifier: Apache-2.0
"""Hold the newest findings of one environment in memory, counted, and hand out what is new.

One look at the store for all readers. `live.py` tells listeners."""

from __future__ import annotations

import heapq
import threading
from collections import deque

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


class Tally(Struct, gc=False):
    """How many findings of each level a key has."""

    low: int = 0
    medium: int = 0
    high: int = 0
    critical: int = 0

    def add(self, level: ThreatLevel, number: int) -> None:
        """Count a finding, or one less."""
        name = level.level.value
        setattr(self, name, getattr(self, name) + number)

    @property
    def total(self) -> int:
        """All of them."""
        return self.low + self.medium + self.high + self.critical

    @property
    def worst(self) -> tuple[ThreatLevel, int]:
        """The worst level that there is, and how many of it."""
        counts = (self.critical, self.high, self.medium, self.low)
        pairs = zip(reversed(ThreatLevel), counts, strict=True)
        return next(pair for pair in pairs if pair[1])


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
        self._all = Tally()
        self._keys: dict[str, Tally] = {}
        self._ranked: tuple[tuple[str, str, int], ...] | None = None
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
            picked = self._picked(wanted, size + 1)
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
            one = self._all
            counts = (one.critical, one.high, one.medium, one.low)
        return {level.value: n for level, n in zip(reversed(ThreatLevel), counts, strict=True)}

    def worst_keys(self, most: int = 8) -> tuple[tuple[str, str, int], ...]:
        """Keys with their worst level and how many findings, the worst first."""
        with self._lock:
            if self._ranked is None:
                worst = ((key, of, *of.worst) for key, of in self._keys.items())
                order = heapq.nsmallest(
                    most, worst, key=lambda one: (-one[2].rank, -one[3], one[0])
                )
                self._ranked = tuple((key, level.value, of.total) for key, of, level, _ in order)
            return self._ranked

    def _picked(self, wanted: Wanted, most: int) -> list[Found]:
        """One pass from the newest on, which ends when all of a key's findings were seen."""
        level, key, detector = wanted.level, wanted.key_id, wanted.detector
        before = wanted.before or "~"  # after every id
        left = self._keys[key].total if key in self._keys else 0
        picked: list[Found] = []
        if key and not left:
            return picked
        for found in reversed(self._kept):
            if key:
                if found.key_id != key:
                    continue
                left -= 1
            if (
                (not level or found.level.value == level)
                and (not detector or found.detector == detector)
                and found.id < before
            ):
                picked.append(found)
            if len(picked) == most or (key and not left):
                break
        return picked

    def _add(self, found: Found) -> None:
        self._ranked = None
        self._kept.append(found)
        self._all.add(found.level, 1)
        self._keys.setdefault(found.key_id, Tally()).add(found.level, 1)
        if len(self._kept) > self._most:
            gone = self._kept.popleft()
            self._all.add(gone.level, -1)
            of = self._keys[gone.key_id]
            of.add(gone.level, -1)
            if not of.total:
                del self._keys[gone.key_id]
