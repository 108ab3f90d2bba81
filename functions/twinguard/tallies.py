# SPDX-License-Identifier: Apache-2.0
"""Numbers that a process keeps of its own work, for the application to read and to export.

Counts only go up; a gauge is worked out when it is read. Safe to use from several threads."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable


class Tallies:
    """Counts and gauges by name."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._gauges: dict[str, Callable[[], float]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, many: int = 1) -> None:
        """Count so many more."""
        with self._lock:
            self._counts[name] += many

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Have a value read whenever somebody asks."""
        self._gauges[name] = read

    def read(self) -> dict[str, float]:
        """All of them as they are now, by name."""
        with self._lock:
            counts: dict[str, float] = dict(self._counts)
        return dict(sorted((counts | {n: read() for n, read in self._gauges.items()}).items()))
