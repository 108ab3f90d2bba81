# SPDX-License-Identifier: Apache-2.0
"""Who is held back, in Redis: a record in each key's own slot, an index for people, a channel.

`throttled:<id>` and `blocked_keys` are what strategy.md 12.5 looks at. The record is written before
the index and the message, so a process that dies in between leaves a key that is held."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec

from twinguard.counters import BLOCKED_KEYS
from twinguard.decide.restraints import Curb, Restraint
from twinguard.errors import Unavailable
from twinguard.state.redis_calls import RedisCalls
from twinguard.state.redis_watch import named

CHANNEL = "blocks"
THROTTLED_KEYS = b"throttled_keys"
_HEARTBEAT = 0.25
_PATIENCE = 2.0
"""Seconds that a ping may stay without an answer."""

_LONGEST = 400 * 86400


class RedisRestraints:
    """Restraints over a Redis server or cluster."""

    def __init__(self, calls: RedisCalls) -> None:
        self._calls = calls

    def put(self, restraint: Restraint) -> None:
        """Hold a key back, or lift what does, and tell every instance."""
        name, data = named(restraint.key_id), msgspec.msgpack.encode(restraint)
        key, block = _names(name)
        ask, index = self._calls.ask, BLOCKED_KEYS.encode()
        seconds = str(_seconds(restraint)).encode()
        match restraint.curb:
            case Curb.BLOCK:
                ask(key, b"SET", block, data, b"EX", seconds)
                ask(index, b"SADD", index, name)
            case Curb.THROTTLE:
                ask(key, b"SET", _record(name), data, b"EX", seconds)
                ask(key, b"SET", key, str(restraint.rate).encode(), b"EX", seconds)
                ask(THROTTLED_KEYS, b"SADD", THROTTLED_KEYS, name)
            case Curb.NONE:
                ask(key, b"DEL", block, key, _record(name))
                ask(index, b"SREM", index, name)
                ask(THROTTLED_KEYS, b"SREM", THROTTLED_KEYS, name)
        ask(key, b"PUBLISH", CHANNEL.encode(), data)

    def all(self) -> tuple[Restraint, ...]:
        """Everything in force. What has ended leaves the index."""
        found: list[Restraint] = []
        for index, record in (
            (BLOCKED_KEYS.encode(), lambda name: _names(name)[1]),
            (THROTTLED_KEYS, _record),
        ):
            for name in self._calls.ask(index, b"SMEMBERS", index):
                data = self._calls.ask(_names(name)[0], b"GET", record(name))
                if data is None:
                    self._calls.ask(index, b"SREM", index, name)
                else:
                    found.append(read_restraint(data))
        return tuple(found)

    def follow(self) -> Iterator[tuple[Restraint, ...]]:
        """First everything that is in force, then what changes."""
        with self._calls.listening(CHANNEL) as subscription:
            yield self.all()
            asked = heard = time.monotonic()
            while True:
                message = subscription.get_message(timeout=_HEARTBEAT)
                now = time.monotonic()
                if message is not None:
                    heard = now
                    is_change = message["type"] == "message"
                    yield (read_restraint(message["data"]),) if is_change else ()
                elif asked <= heard:
                    asked = now
                    subscription.ping()
                elif now - asked > _PATIENCE:
                    raise Unavailable("Redis is silent; follow its blocks anew")


def read_restraint(data: bytes) -> Restraint:
    """A restraint as it is stored."""
    try:
        return msgspec.msgpack.decode(data, type=Restraint)
    except msgspec.MsgspecError as err:
        raise Unavailable(f"a stored restraint cannot be read: {err}; another version?") from err


def _names(name: bytes) -> tuple[bytes, bytes]:
    """The name that people look for, and the block's record in the same slot."""
    key = b"throttled:" + name
    return key, b"{" + key + b"}:block"


def _record(name: bytes) -> bytes:
    return b"{throttled:" + name + b"}:throttle"


def _seconds(restraint: Restraint) -> int:
    if restraint.until is None:
        return _LONGEST
    return max(1, round(restraint.until - restraint.since))
