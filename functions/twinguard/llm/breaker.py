# SPDX-License-Identifier: Apache-2.0
"""When a provider is asked again: a breaker that opens, a budget of retries, pauses that differ.

Retries multiply load when a provider can least bear it; so they are a share of what is asked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 5
"""In a row; then the provider is left alone."""
OPEN_SECONDS: Final = 10.0
SHARE: Final = 0.2
"""Retries for each request."""
RESERVE: Final = 10.0
"""Retries that are there after a quiet time."""
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 8.0


class Breaker:
    """One provider's health, as this process saw it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._closed_at = 0.0
        self._retries = RESERVE

    def lets(self) -> bool:
        """True where a request may go; while it is open, one now and then tries."""
        if self._failures < FAILURES:
            return True
        now = self._clock()
        if now < self._closed_at:
            return False
        self._closed_at = now + OPEN_SECONDS  # this one tries, all others wait for what it finds
        return True

    def worked(self) -> bool:
        """The provider answered; True where it had not before."""
        is_back = self._failures > 0
        self._failures = 0
        self._retries = min(RESERVE, self._retries + SHARE)
        return is_back

    def failed(self) -> bool:
        """It did not; True for the first time in a row."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._closed_at = self._clock() + OPEN_SECONDS
        return self._failures == 1

    def may_retry(self) -> bool:
        """Take one retry out of the budget, if one is left."""
        if self._retries < 1:
            return False
        self._retries -= 1
        return True


def pause(retry: int, chance: Callable[[], float] = random.random) -> float:
    """Seconds before the retry of that number (from 1): anything up to a doubling bound."""
    bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (retry - 1))
    return bound * (0.5 + chance() / 2)
