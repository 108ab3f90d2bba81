# SPDX-License-Identifier: Apache-2.0
"""A client of Redis for requests that wait for it: bounded in time and in connections.

Nothing is tried twice: what timed out may have been counted. A burst waits for a connection, and a
store that is slow, which is worse than a dead one, is left alone for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from twinguard.errors import Unavailable

CONNECTIONS: Final = 50
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
        from redis.exceptions import RedisError

        if self._clock() < self._rests_until:
            raise Unavailable(f"{what} did not answer a moment ago")
        try:
            yield
        except (RedisError, OSError, TimeoutError) as err:
            self._rests_until = self._clock() + REST
            raise Unavailable(f"{what} does not answer ({type(err).__name__})") from err


def opened(url: str, seconds: float) -> Any:  # noqa: ANN401 - its types differ by version
    """A client; nothing is contacted yet."""
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)
