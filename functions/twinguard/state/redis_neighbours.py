# SPDX-License-Identifier: Apache-2.0
"""What sources do across keys, in Redis: as `decide/threats/neighbours.py` keeps it in memory.

Asked only when a stranger comes; `neighbours.lua` looks after one source in a slot of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinguard.decide.threats.neighbours import Seen
from twinguard.state.redis_calls import RedisCalls, Script
from twinguard.state.redis_watch import named, packed

_FAMILIES = b"families"
"""A hash: whose family a key belongs to, by the first key that was at home where it is."""


class RedisNeighbours:
    """Sources by the keys they were strange to, at home with, or found with."""

    def __init__(self, calls: RedisCalls) -> None:
        self._calls = calls
        text = (Path(__file__).parent / "neighbours.lua").read_text(encoding="utf-8")
        self._script = Script(text)

    def seen(self, address: str, agent: str, key_id: str, at: float) -> Seen:
        """Note a strange source on a key and say what it did on others within the hour."""
        asked = {"key": key_id, "agent": agent, "at": at}
        near, flagged, home = self._ask(address, b"seen", **asked)
        others = self._of_others(_bytes(key_id), near)
        return Seen(len(others), any(others), bool(flagged), bool(home))

    def home(self, address: str, key_id: str) -> None:
        """Note that a source belongs to a key; keys at home in one place have one owner."""
        key, owner = _bytes(key_id), self._ask(address, b"home", key=key_id)
        if owner != key:
            head = self._calls.ask(_FAMILIES, b"HGET", _FAMILIES, owner) or owner
            self._calls.ask(_FAMILIES, b"HSETNX", _FAMILIES, key, head)

    def flag(self, address: str, key_id: str, at: float) -> None:
        """Note that a source was found with a stolen key."""
        self._ask(address, b"flag", key=key_id, at=at)

    def _of_others(self, key: bytes, near: list[list[Any]]) -> list[bool]:
        """Which keys nearby are of other owners; of each, whether the agent is the same."""
        if not near:
            return []
        names = [key, *(name for name, _ in near)]
        own, *families = self._calls.ask(_FAMILIES, b"HMGET", _FAMILIES, *names)
        return [
            bool(same)
            for family, (name, same) in zip(families, near, strict=True)
            if (family or name) != (own or key)
        ]

    def _ask(self, address: str, word: bytes, **fields: object) -> Any:  # noqa: ANN401
        return self._calls.run(self._script, b"source:" + named(address), word, packed(**fields))


def _bytes(key_id: str) -> bytes:
    """A key's id as the scripts see it."""
    return key_id.encode("utf-8", "surrogatepass")
