# SPDX-License-Identifier: Apache-2.0
"""Answers that are given again: the same tenant's same question, to the byte of its meaning.

The tenant is a part of the key and stands in the entry as well: an answer for another is no hit,
whatever the store returns. Only complete answers whose cost is known are kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from twinguard.decide.llm_requests import Asked
from twinguard.decide.llm_routes import Route
from twinguard.decide.tokens import Usage
from twinguard.errors import Misconfigured, Unavailable
from twinguard.llm.patience import Patience
from twinguard.readers import ready
from twinguard.redis_servers import FORMS, Target, awaited, shown, target_of

__all__ = ["Cache", "Entry", "Key", "MemoryCache", "RedisCache", "key_of", "open_cache"]

SETTING: Final = "TWINGUARD_CACHE"
LARGEST_ENTRY: Final = 1024 * 1024
_WHAT: Final = "the cache"
_OVERHEAD: Final = 500
_TIMEOUT: Final = 0.25
_MEGABYTE: Final = 1024 * 1024


class Key(Struct, frozen=True):
    """A tenant's question."""

    tenant: str
    digest: str


class Entry(Struct, frozen=True):
    """An answer, and what it cost when somebody was asked."""

    tenant: str
    kind: bytes
    body: bytes
    route: Route
    usage: Usage
    nanos: int
    version: str


ready(Entry)


class Cache(Protocol):
    """Where answers are kept."""

    async def get(self, key: Key) -> Entry | None:
        """The answer to a question, if it is there and this tenant's."""

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep an answer for a while, or not."""

    async def close(self) -> None:
        """Drop what is kept open."""


def key_of(tenant: str, asked: Asked, route: Route) -> Key:
    """The question as a key: who asks, and everything that could change the answer."""
    told = [tenant, asked.endpoint, route.model, asked.longest, asked.body]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return Key(tenant, hashlib.sha256(text.encode()).hexdigest())


class MemoryCache:
    """`Cache` in one process, of so many bytes; what was used longest ago goes first."""

    def __init__(
        self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._kept: OrderedDict[Key, tuple[float, Entry]] = OrderedDict()
        self.size = 0

    async def get(self, key: Key) -> Entry | None:
        """The answer to a question, if it is there and still good."""
        until, entry = self._kept.get(key, (0.0, None))
        if entry is None:
            return None
        if until <= self._clock():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return entry if entry.tenant == key.tenant else None

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep an answer."""
        if len(entry.body) > LARGEST_ENTRY or entry.tenant != key.tenant:
            return
        self._drop(key)
        self._kept[key] = (self._clock() + self._seconds, entry)
        self.size += len(entry.body) + _OVERHEAD
        while self.size > self._most:
            self._drop(next(iter(self._kept)))

    async def close(self) -> None:
        """Nothing is open."""

    def _drop(self, key: Key) -> None:
        if (found := self._kept.pop(key, None)) is not None:
            self.size -= len(found[1].body) + _OVERHEAD


class RedisCache:
    """`Cache` that all instances share. A store that does not answer holds nothing.

    A call has one key, and keys have no tag: a cluster spreads answers over all of its shards."""

    def __init__(self, target: Target, environment: str, seconds: int) -> None:
        self._prefix = f"twinguard:{environment}:answers:"
        self._seconds = seconds
        self._client = awaited(target, _TIMEOUT)
        self._patience = Patience()

    async def get(self, key: Key) -> Entry | None:
        """The answer to a question, if it is there and this tenant's."""
        try:
            with self._patience.asking(_WHAT):
                found = await self._client.get(self._name(key))
            entry = None if found is None else msgspec.msgpack.decode(found, type=Entry)
        except (Unavailable, msgspec.DecodeError):
            return None
        return entry if entry is not None and entry.tenant == key.tenant else None

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep an answer."""
        if len(entry.body) > LARGEST_ENTRY or entry.tenant != key.tenant:
            return
        data = msgspec.msgpack.encode(entry)
        with self._patience.asking(_WHAT):
            await self._client.set(self._name(key), data, ex=self._seconds)

    async def close(self) -> None:
        """Drop the connections."""
        await self._client.aclose()

    def _name(self, key: Key) -> str:
        owner = hashlib.sha256(key.tenant.encode()).hexdigest()[:16]
        return f"{self._prefix}{owner}:{key.digest}"


def open_cache(
    url: str, environment: str, seconds: int, megabytes: int, authorities: str = ""
) -> Cache | None:
    """The cache a URL names: `memory://` or a Redis; None where nothing is kept."""
    scheme = url.partition("://")[0]
    if not seconds:
        return None
    if scheme == "memory":
        return MemoryCache(seconds, megabytes * _MEGABYTE)
    if scheme in {"redis", "rediss"}:
        return RedisCache(target_of(url, authorities, SETTING), environment, seconds)
    raise Misconfigured(
        f"{SETTING} is {shown(url)!r}, which names no cache; set it to memory:// (each process its "
        f"own) or {FORMS}"
    )
