# SPDX-License-Identifier: Apache-2.0
"""A client of Redis for requests that wait for it: bounded in time and in connections.

Nothing is tried twice: what timed out may have been counted. A burst waits for a connection."""

from __future__ import annotations

from typing import Any

CONNECTIONS = 50


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
