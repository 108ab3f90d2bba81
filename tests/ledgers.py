# SPDX-License-Identifier: Apache-2.0
"""What the tests of the ledger share: a clock that is set by hand, scopes, and every adapter."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from twinguard.decide.ledger import Budgets, Known, Scope, ScopeKind
from twinguard.llm.ledger import KeepsCount, Restore
from twinguard.llm.ledger_memory import MemoryLedger
from twinguard.llm.ledger_redis import RedisLedger, connected
from twinguard.redis_servers import target_of

STAGING = Scope(ScopeKind.ENVIRONMENT, "staging")
ACME = Scope(ScopeKind.TENANT, "acme")
GLOBEX = Scope(ScopeKind.TENANT, "globex")
CHAT = Scope(ScopeKind.FEATURE, "chat")
KEY = Scope(ScopeKind.KEY, "k1:…wxyz")

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DECEMBER = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@dataclass
class Clock:
    """The time, set by hand."""

    now: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


def nothing(_period) -> Known:
    return Known()


def made(
    kind: str, address: str, budgets: Budgets, clock: Clock | None, restore: Restore = nothing
) -> KeepsCount:
    """A ledger of a kind that shares nothing with another; without a clock, by the true time."""
    if kind == "memory":
        return MemoryLedger(budgets, restore=restore, **({"clock": clock} if clock else {}))
    return redis_ledger(address, budgets, clock, restore, uuid.uuid4().hex)


def redis_ledger(
    address: str,
    budgets: Budgets,
    clock: Clock | None = None,
    restore: Restore = nothing,
    environment: str = "staging",
    timeout: float = 10,
) -> RedisLedger:
    """A ledger over its own connection; one environment is the same ledger everywhere."""
    client = connected(target_of(address), timeout=timeout)
    return RedisLedger(client, environment, budgets, restore=restore, clock=clock)
