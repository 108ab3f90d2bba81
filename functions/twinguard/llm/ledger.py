# SPDX-License-Identifier: Apache-2.0
"""The ledger's port: hold before a call, settle or release after it.

Values and rules are in `decide/ledger.py`; `open_ledger` picks the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from twinguard.decide.ledger import (
    Budgets,
    Held,
    Known,
    Limit,
    Period,
    Refused,
    Scope,
    Settlement,
    Standing,
    Wanted,
)
from twinguard.errors import Misconfigured
from twinguard.redis_servers import FORMS, target_of

__all__ = ["KeepsCount", "Ledger", "Raisable", "Restore", "is_common", "open_ledger"]


class Ledger(Protocol):
    """What may still be spent. Every method is one atomic step and safe in any thread.

    Raises Unavailable where the store does not answer: the caller's policy says what that means."""

    def hold(self, wanted: Wanted) -> Held | Refused:
        """Set money aside in all scopes or in none, for as long as the lease lasts at most.

        Asked again for an attempt that is held, it gives the same answer."""

    def settle(self, held: Held, nanos: int) -> Settlement:
        """Count what the call really cost, once, however often and however late it is told."""

    def release(self, held: Held) -> bool:
        """Give back what was set aside; False where nothing was (any more)."""

    def totals(self, scopes: Sequence[Scope], period: Period | None = None) -> tuple[Standing, ...]:
        """How the scopes stand, in the order asked for; by default in the current period."""

    def set_limit(self, limit: Limit) -> bool:
        """Take over an administrator's limit; False where a newer generation is known."""


class Raisable(Protocol):
    """A ledger that can be told what else was spent."""

    def raise_to(self, period: Period, spent: Mapping[Scope, int]) -> None:
        """Raise what is spent to at least this: what is known already is never counted twice."""


class KeepsCount(Ledger, Raisable, Protocol):
    """What every store of a ledger is."""


Restore = Callable[[Period], Known]
"""What is known of a period from elsewhere, asked for by a store that has lost it."""


def open_ledger(
    url: str, environment: str, budgets: Budgets, restore: Restore, authorities: str = ""
) -> KeepsCount:
    """The ledger a URL names: `memory://`, or a Redis as `redis_servers.py` reads it.

    Misconfigured where it names none. Nothing is contacted before the first call."""
    scheme = url.partition("://")[0]
    if scheme == "memory":
        from twinguard.llm.ledger_memory import MemoryLedger

        return MemoryLedger(budgets, restore=restore)
    if scheme in {"redis", "rediss"}:
        from twinguard.llm.ledger_redis import RedisLedger, connected

        target = target_of(url, authorities)
        return RedisLedger(lambda: connected(target), environment, budgets, restore=restore)
    if scheme == "firestore":
        raise Misconfigured(
            "TWINGUARD_COUNTERS is in Firestore, which holds blocks of keys, but no ledger; "
            f"set it to {FORMS}, for the application as well, so that all share both; or for a "
            "gateway of one process to memory://, which hears of no block that others set"
        )
    raise Misconfigured(
        f"TWINGUARD_COUNTERS begins with {scheme!r}: no ledger; set it to memory:// (one process) "
        f"or {FORMS}"
    )


def is_common(url: str) -> bool:
    """True for a ledger that other processes can look into: Firestore holds none at all."""
    return not url.startswith(("memory://", "firestore://"))
