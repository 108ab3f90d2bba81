# SPDX-License-Identifier: Apache-2.0
"""Refuse requests with 503 while a budget says stop (strategy.md 9.1). Pure ASGI, every route.

Looking is not enough to keep a budget: the gateway holds money before each call. This stops the
rest of an application, within seconds. The decision is in `decide/stops.py`."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final

from twinguard import state
from twinguard.decide.ledger import Standing, period_of
from twinguard.decide.stops import Stop, is_open_route, stop
from twinguard.errors import Misconfigured, Unavailable
from twinguard.journal import Journal
from twinguard.llm.budgets import budgets_of, environment_of, written
from twinguard.llm.ledger import is_common, open_ledger
from twinguard.llm.ledger_book import Book
from twinguard.policy import Policy
from twinguard.wiring import policy_from

__all__ = ["BudgetWatch", "CostControlMiddleware"]

FRESH: Final = 3.0
"""Seconds for which one look at the budgets is good."""

_log = logging.getLogger("twinguard.cost_control")
_ASGI = Callable[
    [MutableMapping[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]
]


class BudgetWatch:
    """An environment's breaker, and how what it spends on models stands, where that is known."""

    def __init__(self, journal: Journal, standing: Callable[[], Standing] | None) -> None:
        self._journal, self._standing = journal, standing

    @classmethod
    def of(cls, policy: Policy, env: Mapping[str, str]) -> BudgetWatch:
        """Those that the settings name; without TWINGUARD_COUNTERS the breaker alone.

        Another process's memory cannot be looked into, and Firestore holds no ledger: then what
        gateways wrote down counts."""
        if not env.get("TWINGUARD_RECORDS"):
            raise Misconfigured("TWINGUARD_RECORDS is missing; set it to where the breaker is kept")
        records = state.open_records(env["TWINGUARD_RECORDS"])
        book, budgets = Book(records, policy.retention), budgets_of(policy)
        scope, journal = environment_of(policy), Journal(records, policy.retention)
        counters = env.get("TWINGUARD_COUNTERS", "")
        if not counters:
            return cls(journal, None)
        if is_common(counters):
            name, authorities = policy.environment.value, env.get("TWINGUARD_COUNTERS_CA", "")
            ledger = open_ledger(counters, name, budgets, book.known, authorities)
            return cls(journal, lambda: ledger.totals([scope])[0])

        def standing() -> Standing:
            now = dt.datetime.now(dt.UTC)
            return written(budgets, book.known(period_of(now)), [scope], now)[0]

        return cls(journal, standing)

    def look(self) -> Stop | None:
        """Why to stop, as far as is known now."""
        standing = None if self._standing is None else self._standing()
        return stop(self._journal.breaker().value, standing)


class CostControlMiddleware:
    """Answers 503 instead of `app` while a budget is used up, but for `open_routes`.

    Without `watch`, all is read from the settings. Where the budgets cannot be looked at, what
    was last known counts, and if nothing was, `when_unknown` ("open" or "closed")."""

    def __init__(
        self,
        app: _ASGI,
        *,
        watch: BudgetWatch | None = None,
        open_routes: tuple[str, ...] | None = None,
        when_unknown: str = "open",
        fresh_seconds: float = FRESH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if when_unknown not in {"open", "closed"}:
            raise Misconfigured(f"when_unknown is {when_unknown!r}; write open or closed")
        if watch is None or open_routes is None:
            policy = policy_from(os.environ)
            watch = watch or BudgetWatch.of(policy, os.environ)
            open_routes = policy.spending.open_routes if open_routes is None else open_routes
        self.app = app
        self._watch, self._open_routes = watch, open_routes
        self._fresh, self._clock = fresh_seconds, clock
        self._closed_when_unknown = when_unknown == "closed"
        self._known: Stop | None = None
        self._looked_at: float | None = None
        self._tried_at: float | None = None
        self._looking: asyncio.Task[None] | None = None

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[..., Any],
        send: Callable[..., Any],
    ) -> None:
        """Pass on what may be served; other things than requests pass untouched."""
        if scope["type"] != "http" or is_open_route(scope["path"], self._open_routes):
            await self.app(scope, receive, send)
            return
        await self._looked()
        if self._looked_at is None and self._closed_when_unknown:
            await _answer(scope, send, _UNKNOWN, 5)
        elif self._known is not None:
            now = dt.datetime.now(dt.UTC)
            await _answer(scope, send, self._known.body(), self._known.retry_after(now))
        else:
            await self.app(scope, receive, send)

    async def _looked(self) -> None:
        """Look anew where the last look is old. Only the first requests ever wait for it."""
        now = self._clock()
        if self._looking is None and (
            self._tried_at is None or now - self._tried_at >= self._fresh
        ):
            self._tried_at = now
            self._looking = asyncio.get_running_loop().create_task(self._look(now))
        if self._looking is not None and self._looked_at is None:
            await asyncio.shield(self._looking)

    async def _look(self, now: float) -> None:
        try:
            self._known = await asyncio.to_thread(self._watch.look)
            self._looked_at = now
        except Unavailable as err:
            _log.warning("budgets cannot be looked at: %s", err)
        finally:
            self._looking = None


_UNKNOWN = {
    "error": "Service temporarily unavailable due to budget limits",
    "reason": "budget_unknown",
    "remedy": "budgets cannot be checked right now; try again",
}


async def _answer(
    scope: MutableMapping[str, Any],
    send: Callable[..., Any],
    content: Mapping[str, str],
    retry_after: int | None,
) -> None:
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    sent = b"" if scope.get("method") == "HEAD" else body
    await send({"type": "http.response.body", "body": sent})
