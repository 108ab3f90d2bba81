# SPDX-License-Identifier: Apache-2.0
"""Stop asking a store that does not answer: a slow one is worse than a dead one.

After some failures in a row nobody asks for a while; then one call tries, and the others wait for
how it goes."""

from __future__ import annotations

import threading

FAILURES = 3
PAUSE = 1.0


class Fuse:
    """Times are seconds of any clock that only goes forward."""

    def __init__(self, failures: int = FAILURES, pause: float = PAUSE) -> None:
        self._failures = failures
        self._pause = pause
        self._failed = 0
        self._until = 0.0
        self._lock = threading.Lock()

    @property
    def is_blown(self) -> bool:
        """True while nobody asks, or only one does."""
        return self._failed >= self._failures

    def may_ask(self, now: float) -> bool:
        """True for who may ask now; where it is blown, for one at a time."""
        with self._lock:
            if not self.is_blown:
                return True
            if now < self._until:
                return False
            self._until = now + self._pause
            return True

    def went_well(self) -> None:
        """The store answered."""
        with self._lock:
            self._failed = 0

    def failed(self, now: float) -> bool:
        """The store did not answer; True where that blew it."""
        with self._lock:
            self._failed += 1
            self._until = now + self._pause
            return self._failed == self._failures
