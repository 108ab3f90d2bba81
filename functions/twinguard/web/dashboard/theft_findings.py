# SPDX-License-Identifier: Apache-2.0
"""What `on_usage` found, in the order in which it became known here, beside a file of findings.

A finding may become known late; it comes after those that were known before all the same."""

from __future__ import annotations

import datetime as dt
import heapq
import threading
import time

import msgspec

from twinguard.decide.threats.values import Finding
from twinguard.theft_records import TheftJournal
from twinguard.web.dashboard.findings_file import KEPT, FindingsFile, Line

FRESH = 10.0
"""Seconds for which the open incidents are not read again."""

Place = tuple[int, int]
"""How far the file and the incidents were told of; neither ever goes back."""

Name = tuple[str, str, dt.datetime]
"""What makes two findings the same one: key, detector and time."""


class TheftFindings:
    """The findings of incidents that are, or were, open while this process runs.

    One that the file has is left to it; one that was told of first is left out of the file."""

    def __init__(
        self, journal: TheftJournal, file: FindingsFile | None = None, fresh: float = FRESH
    ) -> None:
        self._journal, self._file, self._fresh = journal, file, fresh
        self._told: dict[Name, tuple[int, Finding]] = {}
        self._last, self._due = 0, 0.0
        self._lock = threading.Lock()

    def after(self, place: int) -> tuple[tuple[int, Finding], ...]:
        """Those that became known after that place, the oldest first."""
        with self._lock:
            if time.monotonic() >= self._due:
                self._due = time.monotonic() + self._fresh  # also where the store fails
                self._take()
            return tuple(one for one in self._told.values() if one[0] > place)

    def has(self, line: Line) -> bool:
        """True for a line of the file whose finding was told of as a theft's."""
        return (line.key_id, line.detector, line.timestamp) in self._told

    def _take(self) -> None:
        """Number what is new by its time, or after what was known before."""
        found = {
            (one.key_id, one.detector.value, one.timestamp): one
            for theft in self._journal.open_thefts()
            for one in theft.findings
        }
        fresh = found.keys() - self._told.keys()
        if fresh and self._file:
            fresh -= self._file.names_of({key for key, _, _ in fresh})
        for name in sorted(fresh, key=lambda name: (name[2], name)):
            self._last = max(self._last + 1, int(name[2].timestamp() * 1_000))
            self._told[name] = (self._last, found[name])
        while len(self._told) > KEPT:
            del self._told[next(iter(self._told))]


def merged(
    file: FindingsFile | None, thefts: TheftFindings, since: str, limit: int
) -> tuple[tuple[str, Line], ...]:
    """The newest of both after an id, the oldest of them first, with ids that order as text."""
    number, place = _place(since)
    lines = file.after(number, limit) if file else ()
    of_keys = ((one.timestamp, 1, at, _line(one)) for at, one in thefts.after(place))
    of_file = ((line.timestamp, 0, at, line) for at, line in lines if not thefts.has(line))
    found: list[tuple[str, Line]] = []
    for _, source, at, line in heapq.merge(of_file, of_keys, key=lambda one: one[0]):
        number, place = (number, at) if source else (at, place)
        found.append((f"{number:012d}-{place:015d}", line))
    return tuple(found[-limit:])


def _place(id: str) -> Place:
    number, _, place = id.partition("-")
    return int(number or 0), int(place or 0)


def _line(found: Finding) -> Line:
    evidence = msgspec.Raw(msgspec.json.encode(found.evidence))
    return Line(found.timestamp, found.key_id, found.detector.value, found.threat_level, evidence)
