# SPDX-License-Identifier: Apache-2.0
"""What requests do that wait for Redis: a store that did not answer is left alone for a moment.

A slow one is worse than a dead one. Clients are made in `redis_servers.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from twinguard.errors import Unavailable

REST: Final = 1.0
"""Seconds for which nobody waits again for a store that did not answer."""


class Patience:
    """One store's answers: the first that fails to come spares all others the wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests_until = 0.0

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """Turn what Redis raises into Unavailable."""
        from redis.exceptions import RedisClusterException, RedisError

        if self._clock() < self._rests_until:
            raise Unavailable(f"{what} did not answer a moment ago")
        try:
            yield
        except (RedisError, RedisClusterException, OSError) as err:
            self._rests_until = self._clock() + REST
            raise Unavailable(f"{what} does not answer ({type(err).__name__})") from err
