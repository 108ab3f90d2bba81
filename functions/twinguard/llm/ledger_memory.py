# SPDX-License-Identifier: Apache-2.0
"""The ledger in the memory of one process: the default, and the measure for every other store.

Rules are in `decide/ledger.py`; a lock makes each method one step."""

from __future__ import annotations

import datetime as dt
import heapq
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from twinguard.decide import ledger_rules as rules
from twinguard.decide.ledger import (
    Budgets,
    Held,
    Known,
    Limit,
    Outcome,
    Period,
    Reason,
    Refused,
    Scope,
    Settlement,
    Standing,
    Wanted,
    checked_nanos,
    period_of,
)
from twinguard.decide.ledger_rules import State

__all__ = ["MemoryLedger", "system_clock"]


class _Entry(Struct):
    """One attempt; it is forgotten some time after its lease."""

    held: Held
    state: State = State.HELD


def system_clock() -> dt.datetime:
    """The time of this machine."""
    return dt.datetime.now(dt.UTC)


def _nothing(_period: Period) -> Known:
    return Known()


class MemoryLedger:
    """`Ledger` in dictionaries. `restore` is asked once for what a period has spent already."""

    def __init__(
        self,
        budgets: Budgets,
        *,
        clock: Callable[[], dt.datetime] = system_clock,
        restore: Callable[[Period], Known] = _nothing,
    ) -> None:
        self._budgets = budgets
        self._clock = clock
        self._restore = restore
        self._spent: dict[Period, defaultdict[Scope, int]] = {}
        self._held: defaultdict[tuple[Period, Scope], int] = defaultdict(int)
        self._limits: dict[Scope, Limit] = {}
        self._entries: dict[tuple[str, int], _Entry] = {}
        self._leases: list[tuple[dt.datetime, str, int]] = []
        self._ended: list[tuple[dt.datetime, str, int]] = []
        self._lock = threading.Lock()

    def hold(self, wanted: Wanted) -> Held | Refused:
        """Set money aside in all scopes or in none."""
        with self._lock:
            now = self._swept()
            period, key = period_of(now), (wanted.request_id, wanted.attempt)
            standings = [self._standing(scope, period, now) for scope in wanted.scopes]
            known = self._entries.get(key)
            if known is not None and known.state is State.HELD:
                return known.held
            if known is not None and known.state is not State.EXPIRED:
                return rules.refused(standings[0], Reason.FINISHED, 0)
            if refused := rules.refusal(standings, wanted.nanos, self._patience(now)):
                return refused
            until = now + dt.timedelta(seconds=wanted.lease_seconds)
            held = Held(*key, wanted.scopes, wanted.nanos, period, until)
            for scope in wanted.scopes:
                self._held[period, scope] += wanted.nanos
            self._entries[key] = _Entry(held)
            heapq.heappush(self._leases, (until, *key))
            return held

    def settle(self, held: Held, nanos: int) -> Settlement:
        """Count what the call really cost, once."""
        checked_nanos(nanos)
        with self._lock:
            now = self._swept()
            entry = self._entries.get((held.request_id, held.attempt))
            known = held if entry is None else entry.held
            if entry is None and now >= held.until + rules.REMEMBERED:
                return Settlement(Outcome.TOO_LATE)
            found = rules.settled(None if entry is None else entry.state, known.nanos, nanos)
            if found.counted:
                if entry is not None and entry.state is State.HELD:
                    self._give_back(entry)
                for scope in known.scopes:
                    self._in(known.period)[scope] += nanos
                self._end(known, State.SETTLED)
            return found

    def release(self, held: Held) -> bool:
        """Give back what was set aside."""
        with self._lock:
            self._swept()
            entry = self._entries.get((held.request_id, held.attempt))
            if entry is None or entry.state is not State.HELD:
                return False
            self._give_back(entry)
            self._end(entry.held, State.RELEASED)
            return True

    def totals(self, scopes: Sequence[Scope], period: Period | None = None) -> tuple[Standing, ...]:
        """How the scopes stand."""
        with self._lock:
            now = self._swept()
            period = period or period_of(now)
            return tuple(self._standing(scope, period, now) for scope in scopes)

    def set_limit(self, limit: Limit) -> bool:
        """Take over an administrator's limit; a stale one is dropped."""
        with self._lock:
            return self._take(limit)

    def raise_to(self, period: Period, spent: Mapping[Scope, int]) -> None:
        """Raise what is spent to at least this."""
        with self._lock:
            kept = self._in(period)
            for scope, nanos in spent.items():
                kept[scope] = max(kept[scope], nanos)

    # The lock is held from here on.

    def _take(self, limit: Limit) -> bool:
        known = self._limits.get(limit.scope)
        if known is not None and known.generation >= limit.generation:
            return False
        self._limits[limit.scope] = limit
        return True

    def _in(self, period: Period) -> defaultdict[Scope, int]:
        if period not in self._spent:
            known = self._restore(period)
            for limit in known.limits:
                self._take(limit)
            self._spent[period] = defaultdict(int, known.spent)
        return self._spent[period]

    def _standing(self, scope: Scope, period: Period, now: dt.datetime) -> Standing:
        spent, held = self._in(period).get(scope, 0), self._held.get((period, scope), 0)
        limit = rules.limit_now(self._budgets, scope, self._limits.get(scope), now)
        return Standing(scope, period, limit.nanos, spent, held, limit.generation)

    def _swept(self) -> dt.datetime:
        """The time, after everything whose lease has ended is free again."""
        now = self._clock()
        while self._leases and self._leases[0][0] <= now:
            until, request_id, attempt = heapq.heappop(self._leases)
            entry = self._entries.get((request_id, attempt))
            if entry is not None and entry.state is State.HELD and entry.held.until == until:
                self._give_back(entry)
                self._end(entry.held, State.EXPIRED)
        while self._ended and self._ended[0][0] <= now:
            _, request_id, attempt = heapq.heappop(self._ended)
            entry = self._entries.get((request_id, attempt))
            if entry is not None and entry.held.until + rules.REMEMBERED <= now:
                del self._entries[request_id, attempt]
        return now

    def _patience(self, now: dt.datetime) -> int:
        left = (self._leases[0][0] - now) if self._leases else dt.timedelta()
        return rules.patience(left)

    def _give_back(self, entry: _Entry) -> None:
        for scope in entry.held.scopes:
            self._held[entry.held.period, scope] -= entry.held.nanos
            if not self._held[entry.held.period, scope]:
                del self._held[entry.held.period, scope]

    def _end(self, held: Held, state: State) -> None:
        self._entries[held.request_id, held.attempt] = _Entry(held, state)
        heapq.heappush(self._ended, (held.until + rules.REMEMBERED, held.request_id, held.attempt))
