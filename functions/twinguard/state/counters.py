# SPDX-License-Identifier: Apache-2.0
"""The fast counters by URL: process memory, Redis or a Redis cluster, Firestore.

The port is in `counters.py`, what every store promises in tests/contract/test_counters.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct

from twinguard.counters import Store
from twinguard.decide.threats.rules import RULES, Rules
from twinguard.decide.threats.values import KeyFacts, Place
from twinguard.errors import Misconfigured
from twinguard.redis_servers import FORMS, shown, target_of

__all__ = ["Options", "open_counters"]


def _nowhere(_: str) -> None:
    return None


class Options(Struct, frozen=True, kw_only=True):
    """What a store needs to decide: quotas of keys, places of addresses, the rules; `timeout` is
    how many seconds one call may take, `authorities` the certificates (PEM) that are trusted."""

    keys: Iterable[KeyFacts] = ()
    place_of: Callable[[str], Place | None] = _nowhere
    rules: Rules = RULES
    timeout: float = 0.1
    authorities: str = ""


def open_counters(url: str, options: Options | None = None) -> Store:
    """The store a URL names; nothing is contacted yet. Misconfigured where it names none."""
    scheme, _, rest = url.partition("://")
    factory = _FACTORIES.get(scheme)
    if factory is None or "://" not in url:
        raise _unknown(url)
    return factory(scheme, rest, options or Options())


def _memory(_: str, rest: str, options: Options) -> Store:
    from twinguard.state.counters_memory import MemoryCounters

    if rest:
        raise _unknown(f"memory://{rest}")
    return MemoryCounters(options)


def _redis(scheme: str, rest: str, options: Options) -> Store:
    from twinguard.state.counters_redis import RedisCounters
    from twinguard.state.redis_calls import RedisCalls

    target = target_of(f"{scheme}://{rest}", options.authorities)
    return RedisCounters(RedisCalls(target, options.timeout), options)


def _firestore(_: str, rest: str, options: Options) -> Store:
    from twinguard.state import open_records
    from twinguard.state.counters_records import RecordsCounters

    return RecordsCounters(open_records(f"firestore://{rest}"), options)


def _unknown(url: str) -> Misconfigured:
    return Misconfigured(
        f"TWINGUARD_COUNTERS is {shown(url)!r}, which names no store; set it to one of: memory:// "
        f"(this process alone), {FORMS}; firestore://PROJECT/DATABASE"
    )


_FACTORIES: dict[str, Callable[[str, str, Options], Store]] = {
    "firestore": _firestore,
    "memory": _memory,
    "redis": _redis,
    "rediss": _redis,
}
