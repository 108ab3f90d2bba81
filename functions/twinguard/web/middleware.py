# SPDX-License-Identifier: Apache-2.0
"""`SecurityMiddleware`: strategy.md 12.2's, as a pure ASGI class for Starlette and FastAPI.

A raw key becomes a key id in `_ids` and goes no further. Bodies are never touched, so streaming
works as without it. What is decided is decided in `guard.py`."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from msgspec.structs import replace

from twinguard.decide.response import BLOCKED
from twinguard.decide.restraints import Curb
from twinguard.decide.threats.values import Use
from twinguard.guard import Guard, Verdict
from twinguard.places import Places
from twinguard.reporter import Reporter
from twinguard.usage import UsageEvent
from twinguard.web.requests import LONGEST, MOST_KEYS, address_of, keys_in, text_of

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_THREADS = 16
_POLICY_VIOLATION = 1008


class SecurityMiddleware:
    """Turns stolen keys away, tells routes of suspicious ones, and reports what was used.

    `key_id_of` turns a raw key into its id: `Peppers.key_id`, or a look-up of the application's,
    which may be awaited. The look-up must check the key: an id that is only claimed is nobody's.
    `places` hears the client's country where the policy names the load balancer's header for it.
    Requests without a key pass: whether they may is the application's own question."""

    def __init__(
        self,
        app: App,
        *,
        guard: Guard,
        key_id_of: Callable[[str], str | Awaitable[str]],
        reporter: Reporter | None = None,
        places: Places | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        if not isinstance(guard, Guard):
            raise TypeError("guard must be a Guard; web.opened.protection() makes the whole of it")
        if not callable(key_id_of):
            raise TypeError("key_id_of must be a function that turns a raw key into its id")
        self.app = app
        self.guard = guard
        self._key_id_of = key_id_of
        self._reporter = reporter
        self._places = places
        self._region = (guard.security.region_header or "").lower().encode()
        self._clock = clock
        self._exempt = guard.security.exempt_paths
        self._proxies = guard.security.proxies
        self._threads: ThreadPoolExecutor | None = None
        self._later: set[asyncio.Future[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one websocket, or the life of the application."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"} or self._is_exempt(scope["path"]):
            await self.app(scope, receive, send)
            return
        uses = await self._uses(scope)
        if not uses:
            await self.app(scope, receive, send)
            return
        if len(uses) > MOST_KEYS:
            await _refuse(scope, send, 400, {"error": "send one API key"}, ())
            return
        self.guard.start()
        verdicts = [await self._verdict(use) for use in uses]
        for use, verdict in zip(uses, verdicts, strict=True):
            if not verdict.passes:
                await self._turn_away(scope, send, use, verdict)
                return
        rates = [verdict.rate for verdict in verdicts if verdict.rate]
        if rates:
            scope.setdefault("state", {})["rate_limit"] = min(rates)
        await self._serve(scope, receive, send, uses, verdicts)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the application's life on; when it ends, hand over what waits."""
        try:
            await self.app(scope, receive, send)
        finally:
            await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Stop what runs beside the requests, after what is due was done."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)
            self._threads = None
        self.guard.close()
        if self._reporter is not None:
            self._reporter.close()

    def _is_exempt(self, path: str) -> bool:
        return path in self._exempt

    async def _uses(self, scope: Scope) -> list[Use]:
        """What the request is, once for each key that it shows."""
        headers = scope["headers"]
        ids = await self._ids(headers)
        if not ids:
            return []
        now = self._clock()
        address = address_of(headers, scope.get("client"), self._proxies)
        if self._places is not None and self._region:
            self._places.tell(address, text_of(headers, self._region))
        agent, path = text_of(headers, b"user-agent"), _plain(scope["path"])
        return [Use(now, key_id, address, agent, path) for key_id in ids]

    async def _ids(self, headers: list[tuple[bytes, bytes]]) -> list[str]:
        """The ids of the keys in a request: the only place that sees a raw key."""
        found = [self._key_id_of(raw) for raw in keys_in(headers)[: MOST_KEYS + 1]]
        return [each if isinstance(each, str) else await each for each in found]

    async def _verdict(self, use: Use) -> Verdict:
        known = self.guard.known(use)
        if known is not None:
            return known
        if self.guard.is_instant:
            return self.guard.admit(use)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool(), self.guard.admit, use)

    async def _serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        uses: list[Use],
        verdicts: list[Verdict],
    ) -> None:
        status = 500 if scope["type"] == "http" else 101

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watching)
        finally:
            for use, verdict in zip(uses, verdicts, strict=True):
                self._end(replace(use, status=status), verdict)

    def _end(self, use: Use, verdict: Verdict) -> None:
        """Say how it ended, beside the next requests."""
        if verdict.is_counted:
            if self.guard.is_instant:
                self.guard.settle(use)
            else:
                self._pool().submit(self.guard.settle, use)
        self._report(use, verdict)

    def _report(self, use: Use, verdict: Verdict) -> None:
        if self._reporter is None:
            return
        is_shared = verdict.is_counted and self.guard.counters.is_shared
        event = UsageEvent(
            at=use.at,
            key_id=use.key_id,
            ip=use.ip,
            user_agent=use.user_agent,
            path=use.path,
            status=use.status,
            country=self._country(use.ip),
            counted=is_shared,
            strange=is_shared and verdict.is_strange,
            findings=verdict.findings,
        )
        self._reporter.report(event)

    def _country(self, address: str) -> str:
        """What the load balancer said, for whoever decides across instances."""
        return self._places.told(address) if self._places is not None else ""

    async def _turn_away(self, scope: Scope, send: Send, use: Use, verdict: Verdict) -> None:
        if verdict.is_closed:
            status, body, wait = 503, {"error": "the request cannot be checked now"}, 1
        elif verdict.restraint is not None and verdict.restraint.curb is Curb.BLOCK:
            status, body, wait = 403, {"error": BLOCKED}, 0
        else:
            wait = max(1, math.ceil(verdict.retry_after))
            status, body = 429, {"error": f"this API key is slowed down; retry in {wait} seconds"}
        extra = ((b"retry-after", str(wait).encode()),) if wait else ()
        if verdict.findings:  # what was refused for another reason is no use of the key
            self._report(replace(use, status=status), verdict)
        await _refuse(scope, send, status, body, extra)

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="twinguard")
        return self._threads


async def _refuse(
    scope: Scope,
    send: Send,
    status: int,
    body: dict[str, str],
    extra: tuple[tuple[bytes, bytes], ...],
) -> None:
    """Answer instead of the application; a websocket is closed before it opens."""
    if scope["type"] == "websocket":
        reason = {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": body["error"]}
        await send(reason)
        return
    data = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


def _plain(path: str) -> str:
    """A path that can be stored anywhere: lone surrogates are replaced."""
    return path[:LONGEST].encode("utf-8", "replace").decode()
