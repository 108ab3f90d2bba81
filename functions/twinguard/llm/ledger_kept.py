# SPDX-License-Identifier: Apache-2.0
"""A ledger whose sums outlive its store: counted beside it, written behind it, rebuilt from there.

Nothing here runs by itself: who serves calls `flush` every few seconds and once at the end, `heal`
every quarter of a minute, in a thread. A settlement never waits for the records."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from twinguard.decide.ledger import (
    Held,
    Limit,
    Period,
    Refused,
    Scope,
    ScopeKind,
    Settlement,
    Standing,
    Wanted,
)
from twinguard.llm.ledger import KeepsCount
from twinguard.llm.ledger_book import Book, Sums, total_of
from twinguard.llm.ledger_memory import system_clock

__all__ = ["Counted", "KeptLedger", "rebuild"]


class KeptLedger:
    """`Ledger` over another one, with its sums in a book. `clock` tells models' days apart."""

    def __init__(
        self,
        inner: KeepsCount,
        book: Book,
        writer: str = "",
        clock: Callable[[], dt.datetime] = system_clock,
    ) -> None:
        self._inner, self._clock = inner, clock
        self._book = book
        self._writer = writer or uuid.uuid4().hex
        self._sums: dict[Period, dict[str, int]] = {}
        self._days: dict[Period, dict[str, int]] = {}
        self._changed: set[Period] = set()
        self._kept: dict[Period, tuple[Sums, Sums]] = {}
        self._counting, self._writing = threading.Lock(), threading.Lock()

    def hold(self, wanted: Wanted) -> Held | Refused:
        """Set money aside in all scopes or in none."""
        return self._inner.hold(wanted)

    def settle(self, held: Held, nanos: int) -> Settlement:
        """Count what the call really cost, once, and remember to write it down."""
        found = self._inner.settle(held, nanos)
        if found.counted and nanos:
            self._count(held, nanos)
        return found

    def release(self, held: Held) -> bool:
        """Give back what was set aside."""
        return self._inner.release(held)

    def totals(self, scopes: Sequence[Scope], period: Period | None = None) -> tuple[Standing, ...]:
        """How the scopes stand."""
        return self._inner.totals(scopes, period)

    def set_limit(self, limit: Limit) -> bool:
        """Take over an administrator's limit; a stale one is dropped."""
        return self._inner.set_limit(limit)

    def flush(self) -> int:
        """Write down what was counted since the last time; how many periods changed.

        Unavailable or not, nothing is forgotten: sums are written whole."""
        with self._writing:
            with self._counting:
                due = {
                    period: (dict(self._sums[period]), dict(self._days.get(period, {})))
                    for period in self._changed
                }
                self._changed.clear()
            try:
                for period, found in due.items():
                    for kept, sums in zip(self._kept_in(period), found, strict=True):
                        kept.write(sums)
            except BaseException:
                with self._counting:
                    self._changed |= set(due)
                raise
            return len(due)

    def heal(self, period: Period) -> None:
        """Take over the limits that people set, and what others had not yet written when the store
        was lost."""
        known = self._book.known(period)
        for limit in known.limits:
            self._inner.set_limit(limit)
        self._inner.raise_to(period, known.spent)

    def _count(self, held: Held, nanos: int) -> None:
        with self._counting:
            sums = self._sums.setdefault(held.period, {})
            for scope in held.scopes:
                _add(sums, str(scope), nanos)
                if scope.kind is ScopeKind.MODEL:
                    day = self._clock().astimezone(dt.UTC).date()
                    _add(self._days.setdefault(held.period, {}), f"{day} {scope.name}", nanos)
            self._changed.add(held.period)

    def _kept_in(self, period: Period) -> tuple[Sums, Sums]:
        if period not in self._kept:
            book, writer = self._book, self._writer
            self._kept[period] = book.sums(period, writer), book.days(period, writer)
        return self._kept[period]


def _add(sums: dict[str, int], name: str, nanos: int) -> None:
    sums[name] = sums.get(name, 0) + nanos


class Counted(Struct, frozen=True):
    """One settlement, as a usage event tells of it."""

    request_id: str
    attempt: int
    period: Period
    scopes: tuple[Scope, ...]
    nanos: int


def rebuild(
    ledger: KeepsCount, book: Book, period: Period, events: Iterable[Counted] = ()
) -> dict[Scope, int]:
    """Bring a ledger back that lost everything; what it has spent at least then.

    By each scope the higher of what the book has and of what the events add up to, each attempt
    once: neither can know of more than was spent. The book itself stays as it is, for what a
    writer has not written yet will come."""
    known = book.known(period).spent
    once = {(event.request_id, event.attempt): event for event in events if event.period == period}
    told = total_of(dict.fromkeys(event.scopes, event.nanos) for event in once.values())
    spent = {scope: max(known.get(scope, 0), told.get(scope, 0)) for scope in {*known, *told}}
    ledger.totals(tuple(spent))  # a store that was lost first asks for all that the book has
    ledger.raise_to(period, spent)
    return spent
