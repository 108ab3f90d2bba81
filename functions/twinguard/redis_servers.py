# SPDX-License-Identifier: Apache-2.0
"""Where a Redis is and how it is opened: the one reader of its addresses, for all who use one.

A server or a cluster, encrypted or not, with a password or with tokens of the service account."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from twinguard.errors import Misconfigured
from twinguard.redis_tokens import Tokens

if TYPE_CHECKING:
    from redis import Redis, RedisCluster

__all__ = ["FORMS", "Target", "awaited", "opened", "shown", "target_of"]

COUNTERS: Final = "TWINGUARD_COUNTERS"
FORMS: Final = (
    "redis://HOST:PORT/0, rediss://HOST:PORT (encrypted), with ?cluster=true for a cluster,"
    " &iam=true for tokens of the service account and &timeout=SECONDS to wait longer for it"
)
CONNECTIONS: Final = 50
_SCHEMES: Final = frozenset({"redis", "rediss"})
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "false": False}
_LONGEST = 60.0


class Target(Struct, frozen=True, kw_only=True):
    """Which server. `has_tokens`: it takes tokens of the service account instead of a password.

    `authorities` are the certificates (PEM) that the server's own is checked against; `timeout` is
    how long to wait for each answer (seconds), whatever else its users think; `setting` is what
    named it."""

    url: str
    is_cluster: bool = False
    has_tokens: bool = False
    authorities: str = ""
    timeout: float | None = None
    setting: str = COUNTERS

    @property
    def named(self) -> str:
        """The server without a password."""
        return f"Redis {shown(self.url)}"


def target_of(url: str, authorities: str = "", setting: str = COUNTERS) -> Target:
    """The server that an address names; Misconfigured, by the setting's name, if it names none."""
    place, _, query = url.partition("?")
    asked = dict(parse_qsl(query, keep_blank_values=True))
    try:
        flags = {name: _FLAGS[asked.pop(name, "false")] for name in ("cluster", "iam")}
        parts = urlsplit(place)
        port, database = parts.port, int(parts.path.strip("/") or "0")
        timeout = float(asked.pop("timeout")) if "timeout" in asked else None
    except (KeyError, ValueError):
        raise _nowhere(url, setting) from None
    if parts.scheme not in _SCHEMES or not parts.hostname or port == 0 or database < 0 or asked:
        raise _nowhere(url, setting)
    if timeout is not None and not 0 < timeout <= _LONGEST:
        raise Misconfigured(f"{setting}: timeout must be above 0 and at most {_LONGEST:g} seconds")
    if flags["cluster"] and database:
        raise Misconfigured(f"{setting}: a cluster has no database {database}; leave /{database}")
    if flags["iam"] and "@" in parts.netloc:
        raise Misconfigured(
            f"{setting} has a password and asks for tokens (iam=true); leave one of them out"
        )
    return Target(
        url=place,
        is_cluster=flags["cluster"],
        has_tokens=flags["iam"],
        authorities=authorities,
        timeout=timeout,
        setting=setting,
    )


def opened(target: Target, seconds: float, **options: Any) -> Redis | RedisCluster:  # noqa: ANN401
    """A client for threads; a server is contacted by its first call, a cluster at once.

    Nothing is sent twice, unless `options` say so. More threads than `max_connections` wait."""
    import redis

    seconds = target.timeout or seconds
    told = _options(target, seconds) | options
    if target.is_cluster:
        if "max_connections" in told:
            pool = functools.partial(redis.BlockingConnectionPool, timeout=seconds)
            told["connection_pool_class"] = pool
        client = redis.RedisCluster.from_url(target.url, **told)
        begin = client.nodes_manager.initialize

        def initialize(*words: Any, **more: Any) -> None:  # noqa: ANN401
            _remind(client)
            begin(*words, **more)

        client.nodes_manager.initialize = initialize  # type: ignore[method-assign]
        return client
    if "max_connections" not in told:
        return redis.Redis.from_url(target.url, **told)
    return redis.Redis.from_pool(
        redis.BlockingConnectionPool.from_url(target.url, timeout=seconds, **told)
    )


def awaited(target: Target, seconds: float) -> Any:  # noqa: ANN401 - its types differ by version
    """A client for one event loop; nothing is contacted yet, and a burst waits for a connection."""
    from redis.asyncio import BlockingConnectionPool, Redis

    seconds = target.timeout or seconds
    options = _options(target, seconds) | {"max_connections": CONNECTIONS}
    if target.is_cluster:
        # A slot that moved is noted; to begin anew instead would cut off all calls under way.
        found = _bounded_cluster().from_url(target.url, reinitialize_steps=0, **options)
        found.gate = _Gate(CONNECTIONS, seconds)
        return found
    return Redis.from_pool(BlockingConnectionPool.from_url(target.url, timeout=seconds, **options))


def _remind(client: Any) -> None:  # noqa: ANN401 - a cluster's, for threads or for tasks
    """Have the address itself asked who the nodes are: all that were known last may have gone."""
    known = client.nodes_manager.startup_nodes
    for node in client.startup_nodes:
        known.setdefault(node.name, node)


def shown(url: str) -> str:
    """An address as people may see it: without a password."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme}{slashes}{rest.rsplit('@', 1)[-1]}"


class _Gate:
    """So many calls at once; the others wait, but not for long."""

    def __init__(self, most: int, seconds: float) -> None:
        self._free, self._seconds = asyncio.Semaphore(most), seconds

    async def __aenter__(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        async with asyncio.timeout(self._seconds):
            await self._free.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._free.release()


@functools.cache
def _bounded_cluster() -> Any:  # noqa: ANN401 - a class of redis-py, which is loaded late
    """redis-py's own refuses a call when a node's connections are all in use."""
    from redis.asyncio import RedisCluster

    class Bounded(RedisCluster):
        gate: _Gate

        async def initialize(self, *words: Any, **more: Any) -> RedisCluster:  # noqa: ANN401
            if self._initialize:
                _remind(self)
            return await super().initialize(*words, **more)

        async def execute_command(self, *words: Any, **options: Any) -> Any:  # noqa: ANN401
            async with self.gate:
                return await super().execute_command(*words, **options)

        async def aclose(self) -> None:
            """redis-py's own leaves nodes open that it could not ask for the others."""
            await super().aclose()
            for node in (*self.startup_nodes, *self.nodes_manager.startup_nodes.values()):
                await node.disconnect()

    return Bounded


def _options(target: Target, seconds: float) -> dict[str, Any]:
    """What every client is told."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),  # a script that is sent twice would count twice
        "protocol": 2,
    }
    if target.has_tokens:
        options["credential_provider"] = Tokens(target.setting)
    if target.authorities and target.url.startswith("rediss://"):
        options["ssl_ca_data"] = target.authorities
    return options


def _nowhere(url: str, setting: str) -> Misconfigured:
    return Misconfigured(f"{setting} is {shown(url)!r}, which names no Redis; write {FORMS}")
