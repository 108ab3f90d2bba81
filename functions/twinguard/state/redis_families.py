# SPDX-License-Identifier: Apache-2.0
"""Keys that are at home in the same place have one owner: which keys belong together, in Redis.

Asked only when a stranger comes, or a key is found at home where another one lives."""

from __future__ import annotations

from twinguard.state.redis_calls import RedisCalls
from twinguard.state.redis_watch import named

_KEPT = str(60 * 86400).encode()
_MOST = 20_000


class Families:
    """The family of a key is the first key that was at home where it is; its own where none was.

    It is set once and never changes, so what is known of it can be kept."""

    def __init__(self, calls: RedisCalls) -> None:
        self._calls = calls
        self._known: dict[str, str] = {}

    def of(self, key_id: str) -> str:
        """A key's family."""
        if (known := self._known.get(key_id)) is not None:
            return known
        found = self._calls.ask(_key(key_id), b"GET", _place(key_id))
        if found is None:
            return key_id
        return self._keep(key_id, found.decode())

    def join(self, key_id: str, owner: str) -> None:
        """Put a key into the family of the one whose home it shares, unless it has one."""
        family = self.of(owner).encode()
        self._calls.ask(_key(key_id), b"SET", _place(key_id), family, b"EX", _KEPT, b"NX")

    def _keep(self, key_id: str, family: str) -> str:
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key_id] = family
        return family


def _key(key_id: str) -> bytes:
    return b"throttled:" + named(key_id)


def _place(key_id: str) -> bytes:
    return b"{" + _key(key_id) + b"}:family"
