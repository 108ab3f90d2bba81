# SPDX-License-Identifier: Apache-2.0
"""`SecurityMiddleware`: strategy.md 12.2's, as a pure ASGI class for Starlette and FastAPI.

A raw key is named in `_named` and goes no further. Bodies are never touched, so streaming
works as without it. What is decided is decided in `guard.py`."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.response import BLOCKED
from twinguard.decide.restraints import Curb
from twinguard.decide.threats.values import Use
from twinguard.guard import Guard, Verdict
from twinguard.keyring import Named
from twinguard.places import Places
from twinguard.reporter import Reporter
from twinguard.usage import UsageEvent
from twinguard.web.requests import LONGEST, MOST_KEYS, address_of, keys_in, text_of

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Name: TypeAlias = str | Named
Refuse: TypeAlias = Callable[[Scope, Send, "Refused"], Awaitable[None]]

_THREADS = 16
_POLICY_VIOLATION = 1008


class Refused(Struct, frozen=True):
    """Why a request is turned away, whose key it showed, in how many seconds it may come again."""

    status: int
    words: str
    key_id: str = ""
    wait: int = 0


class SecurityMiddleware:
    """Turns stolen keys away, tells routes of suspicious ones, and reports what was used.

    `key_id_of` turns a raw key into its id: `Keyring.named`, or a look-up of the application's,
    which may be awaited. The look-up must check the key: an id that is only claimed is nobody's,
    and nobody's key has an empty one: such a request is as one without a key.
    `places` hears the client's country where the policy names the load balancer's header for it.
    What `ignores` says is only held back, neither counted nor reported. `refuse` answers HTTP
    instead of the application, in its own shape.
    Requests without a key pass: whether they may is the application's own question."""

    def __init__(
        self,
        app: App,
        *,
        guard: Guard,
        key_id_of: Callable[[str], Name | Awaitable[Name]],
        reporter: Reporter | None = None,
        places: Places | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        ignores: Callable[[Use, Named], bool] = lambda _, __: False,
        refuse: Refuse | None = None,
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
        self._ignores = ignores
        self._refuse = refuse or _refuse
        self._exempt = guard.security.exempt_paths
        self._proxies = guard.security.proxies
        self._threads: ThreadPoolExecutor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one websocket, or the life of the application."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] not in {"http", "websocket"} or self._is_exempt(scope["path"]):
            await self.app(scope, receive, send)
            return
        shown = keys_in(scope["headers"])
        if not shown:
            await self.app(scope, receive, send)
            return
        if len(shown) > MOST_KEYS:
            await self._end_here(scope, send, Refused(400, "send one API key"))
            return
        self.guard.start()
        named = [one for raw in shown if (one := await self._named(raw)).id]
        uses = self._uses(scope, named)
        verdicts = [await self._verdict(*one) for one in zip(uses, named, strict=True)]
        for use, verdict in zip(uses, verdicts, strict=True):
            if not verdict.passes:
                await self._turn_away(scope, send, use, verdict)
                return
        rates = [verdict.rate for verdict in verdicts if verdict.rate]
        if rates:
            scope.setdefault("state", {})["rate_limit"] = min(rates)
        await self._serve(scope, receive, send, uses, verdicts)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the application's life on; hand over what waits before its end is told."""
        self.guard.start()

        async def ending(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await asyncio.to_thread(self.close)
            await send(message)

        await self.app(scope, receive, ending)

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

    async def _named(self, raw: str) -> Named:
        """What a key is called, by whoever the application asks."""
        found = self._key_id_of(raw)
        name = found if isinstance(found, str | Named) else await found
        return Named(name) if isinstance(name, str) else name

    def _uses(self, scope: Scope, named: list[Named]) -> list[Use]:
        """What the request is, once for each key that it shows."""
        headers, now = scope["headers"], self._clock()
        address = address_of(headers, scope.get("client"), self._proxies)
        if self._places is not None and self._region:
            self._places.tell(address, text_of(headers, self._region))
        agent, path = text_of(headers, b"user-agent"), _plain(scope["path"])
        return [Use(now, one.id, address, agent, path) for one in named]

    async def _verdict(self, use: Use, named: Named) -> Verdict:
        known = self.guard.known(use, named.others)
        if known is not None:
            return known
        if not named.is_sure:
            return self.guard.unchecked(use)
        if self._ignores(use, named):
            return Verdict(is_silent=True)
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
        if self._reporter is None or verdict.is_silent:
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
            refused = Refused(503, "the request cannot be checked now", use.key_id, 1)
        elif verdict.restraint is not None and verdict.restraint.curb is Curb.BLOCK:
            refused = Refused(403, BLOCKED, verdict.restraint.key_id)
        else:
            wait = max(1, math.ceil(verdict.retry_after))
            words = f"this API key is slowed down; retry in {wait} seconds"
            refused = Refused(429, words, use.key_id, wait)
        if verdict.findings:  # what was refused for another reason is no use of the key
            self._report(replace(use, status=refused.status), verdict)
        await self._end_here(scope, send, refused)

    async def _end_here(self, scope: Scope, send: Send, refused: Refused) -> None:
        """Answer instead of the application; a websocket is closed before it opens."""
        if scope["type"] == "http":
            await self._refuse(scope, send, refused)
            return
        reason = {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refused.words}
        await send(reason)

    def _pool(self) -> ThreadPoolExecutor:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="twinguard")
        return self._threads


async def _refuse(_: Scope, send: Send, refused: Refused) -> None:
    data = json.dumps({"error": refused.words}).encode()
    wait = ((b"retry-after", str(refused.wait).encode()),) if refused.wait else ()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
        *wait,
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


def _plain(path: str) -> str:
    """A path that can be stored anywhere: lone surrogates are replaced."""
    return path[:LONGEST].encode("utf-8", "replace").decode()
