# SPDX-License-Identifier: Apache-2.0
"""Requests and tokens a minute, taken before a call for all scopes at once or for none.

Tokens are guessed, and corrected once the call is counted; what is refused counts for nothing.
Rules are in `decide/minutes.py`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from twinguard.decide import minutes
from twinguard.decide.minutes import Allowance, Exceeded, Taken
from twinguard.errors import Misconfigured
from twinguard.redis_servers import FORMS, shown, target_of

__all__ = ["Limits", "MemoryLimits", "open_limits"]


class Limits(Protocol):
    """What may still be asked in this minute."""

    async def take(self, allowances: tuple[Allowance, ...], tokens: int) -> Taken | Exceeded:
        """Count a request and its tokens in all scopes or none; Unavailable without an answer."""

    async def correct(self, taken: Taken, tokens: int) -> None:
        """Count the tokens that there really were instead of those that were taken."""

    async def close(self) -> None:
        """Drop what is kept open."""


class MemoryLimits:
    """`Limits` in one process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._requests: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._tokens: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._swept = 0

    async def take(self, allowances: tuple[Allowance, ...], tokens: int) -> Taken | Exceeded:
        """Count a request, if all scopes have room."""
        now = int(1000 * self._clock())
        cell = minutes.cell_of(now)
        self._sweep(cell)
        found = (
            minutes.exceeded(
                one, self._requests.get(one.scope, {}), self._tokens.get(one.scope, {}), tokens, now
            )
            for one in allowances
        )
        if (over := minutes.worst(one for one in found if one is not None)) is not None:
            return over
        for one in allowances:
            for used, amount in ((self._requests, 1), (self._tokens, tokens)):
                cells = used[one.scope]
                cells[cell] = cells.get(cell, 0) + amount
        return Taken(allowances, cell, tokens)

    async def correct(self, taken: Taken, tokens: int) -> None:
        """Count the real tokens, unless their minute is over."""
        for one in taken.allowances:
            cells = self._tokens.get(one.scope, {})
            if taken.cell in cells:
                cells[taken.cell] += tokens - taken.tokens

    async def close(self) -> None:
        """Nothing is open."""

    def _sweep(self, cell: int) -> None:
        """Forget what is over; nothing grows."""
        if cell == self._swept:
            return
        self._swept = cell
        for used in (self._requests, self._tokens):
            for scope, cells in list(used.items()):
                for old in [known for known in cells if known <= cell - minutes.CELLS]:
                    del cells[old]
                if not cells:
                    del used[scope]


def open_limits(url: str, environment: str, authorities: str = "") -> Limits:
    """The limits a URL names: `memory://`, or a Redis as `redis_servers.py` reads it."""
    scheme = url.partition("://")[0]
    if scheme == "memory":
        return MemoryLimits()
    if scheme in {"redis", "rediss"}:
        from twinguard.llm.limits_redis import RedisLimits

        return RedisLimits(target_of(url, authorities), environment)
    raise Misconfigured(
        f"TWINGUARD_COUNTERS is {shown(url)!r}, which names no counters; set it to memory:// (one "
        f"process) or {FORMS}"
    )
