# SPDX-License-Identifier: Apache-2.0
"""One metered request from its body to its last byte: checked, routed, limited, answered, settled.

A client that leaves stops its stream, never the settlement; a whole answer is waited for and paid
for as it comes. Attempts are in `attempts.py`, money in `meter.py`."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Coroutine
from typing import Any, Final

import msgspec
from msgspec import Struct

from twinguard.decide import llm_requests, llm_routes
from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_requests import BYTES_A_TOKEN, Endpoint, Mistake
from twinguard.decide.llm_routes import Route
from twinguard.decide.llm_usage import Outcome
from twinguard.decide.minutes import Allowance, Exceeded, Taken
from twinguard.decide.rates import Unpriced
from twinguard.errors import Unavailable
from twinguard.llm import wire
from twinguard.llm.attempts import Attempts, Failed, Opened
from twinguard.llm.cache import Cache, Entry, Key, key_of
from twinguard.llm.doorkeeper import Caller
from twinguard.llm.gather import GATHERED
from twinguard.llm.limits import Limits
from twinguard.llm.meter import Call, Measured, Meter, measured
from twinguard.llm.relay import Copy, relayed
from twinguard.llm.streams import Watch
from twinguard.llm.wire import Headers, Message, Refusal, Request, Send
from twinguard.policy import Gateway, Policy
from twinguard.readers import ready

TASK, LOCAL, CACHE = b"x-twinguard-task", b"x-twinguard-local", b"x-twinguard-cache"
LONGEST_ANSWER: Final = 4096
"""Tokens of one answer, where a policy has no `openai.max_tokens`."""
_TASK = re.compile(r"([a-z][a-z0-9-]{0,39})?")
_KILOBYTE = 1024


class _Way:
    """The way to the client, and whether it was gone to its end."""

    def __init__(self, send: Send) -> None:
        self._send, self.at_end = send, False

    async def __call__(self, message: Message) -> None:
        await self._send(message)
        if message["type"] == "http.response.body":
            self.at_end = not message.get("more_body", False)


class _Whole(Struct):
    """What matters of a whole answer."""

    usage: Any = None
    model: str | None = None


ready(_Whole)
_decoder = msgspec.json.Decoder(_Whole)


class Serving:
    """Serves the three endpoints."""

    def __init__(
        self,
        policy: Policy,
        meter: Meter,
        attempts: Attempts,
        limits: Limits,
        cache: Cache | None,
    ) -> None:
        self._policy, self._meter, self._attempts = policy, meter, attempts
        self._limits, self._cache = limits, cache
        block = policy.gateway or Gateway()
        openai = policy.openai
        self._most = block.body_kilobytes * _KILOBYTE
        self._longest = openai.max_tokens if openai is not None else LONGEST_ANSWER
        requests = openai.requests_per_minute if openai is not None else None
        self._allowance = Allowance("environment", requests, block.tokens_per_minute)
        self._busy: set[asyncio.Task[Any]] = set()

    async def serve(
        self, endpoint: Endpoint, request: Request, caller: Caller, send: Send, id: str
    ) -> int:
        """Answer one request; its status."""
        raw = await request.body(self._most)
        asked = llm_requests.asked(endpoint, wire.decoded(raw), len(raw), self._longest)
        if isinstance(asked, Mistake):
            raise Refusal.of(asked)
        task = request.text(TASK)
        if not _TASK.fullmatch(task):
            raise Refusal(Code.INVALID_TASK, "X-Twinguard-Task: write one word")
        call = Call(id=id, caller=caller, asked=asked, task=task)
        routes = self._routes(call, request)
        key = self._key(call, routes[0], request)
        if key is not None and (entry := await self._known(key)) is not None:
            return await self._again(call, entry, send)
        taken = await self._admitted(call)
        if not asked.stream:
            return await self._worked(call, routes, key, taken, send)
        way = _Way(send)
        return await self._until_left(self._worked(call, routes, key, taken, way), request, way)

    async def finish(self) -> None:
        """Wait for answers whose clients have left."""
        while self._busy:
            await asyncio.wait(self._busy, timeout=5)
        await self._limits.close()
        if self._cache is not None:
            await self._cache.close()

    def _routes(self, call: Call, request: Request) -> tuple[Route, ...]:
        def priced(model: str, prices: str) -> int | None:
            bound = self._meter.bound(call.asked, model, prices)
            return None if isinstance(bound, Unpriced) else bound.nanos

        local = request.text(LOCAL) != "off"
        found = llm_routes.routes(self._policy, call.asked, call.task, priced, local=local)
        if isinstance(found, Mistake):
            raise Refusal.of(found)
        return found

    def _key(self, call: Call, route: Route, request: Request) -> Key | None:
        wish = request.text(CACHE)
        if self._cache is None or wish == "off" or not (call.asked.deterministic or wish == "on"):
            return None
        return key_of(call.caller.tenant, call.asked, route)

    async def _known(self, key: Key) -> Entry | None:
        return None if self._cache is None else await self._cache.get(key)

    async def _again(self, call: Call, entry: Entry, send: Send) -> int:
        """Give a kept answer once more; what it saves is recorded."""
        self._meter.saved(call, entry.route, entry.usage, entry.nanos, entry.version)
        headers = [*_told(call, entry.route), (b"x-twinguard-cache", b"hit")]
        await wire.answer(send, wire.OK, entry.body, headers, entry.kind)
        return wire.OK

    async def _admitted(self, call: Call) -> Taken:
        quota = call.caller.quota
        own = Allowance(
            f"key:{call.caller.key_id}", quota.requests_per_minute, quota.tokens_per_minute
        )
        found = await self._limits.take((self._allowance, own), call.asked.tokens_guess)
        if isinstance(found, Exceeded):
            whose = "this key" if found.scope == own.scope else "the environment"
            told = f"{whose} may use {found.limit} {found.unit} a minute; "
            told += "slow down" if found.wait is not None else "this request alone is more"
            raise Refusal(Code(f"{found.unit}_per_minute_exceeded"), told, retry_after=found.wait)
        return found

    async def _until_left(self, work: Coroutine[Any, Any, int], request: Request, way: _Way) -> int:
        """Work until it is done, or until the client leaves before it has its answer."""
        working, left = asyncio.current_task(), False

        def leave(_: object) -> None:
            nonlocal left
            if working is not None and not way.at_end:
                left = working.cancel()

        leaving = asyncio.ensure_future(request.gone())
        leaving.add_done_callback(leave)
        try:
            return await work
        except asyncio.CancelledError:
            if left and working is not None and not working.uncancel():
                raise wire.Gone from None
            raise  # the server ends
        finally:
            leaving.remove_done_callback(leave)
            leaving.cancel()

    async def _worked(
        self, call: Call, routes: tuple[Route, ...], key: Key | None, taken: Taken, send: Send
    ) -> int:
        used = 0
        try:
            opened = await self._attempts.open(call, routes)
            if isinstance(opened, Failed):
                raise _failed(opened)
            if opened.body is not None:
                used = await self._whole(call, opened, opened.body, key, send)
            else:
                used = await self._streamed(call, opened, key, send)
            return opened.reply.status
        finally:
            correction = asyncio.ensure_future(self._corrected(taken, used))
            self._busy.add(correction)
            correction.add_done_callback(self._busy.discard)

    async def _whole(
        self, call: Call, opened: Opened, body: bytes, key: Key | None, send: Send
    ) -> int:
        """Send a whole answer; how many tokens it took."""
        try:
            told = _decoder.decode(body)
        except (msgspec.DecodeError, RecursionError):
            told = _Whole()
        written = len(body) // BYTES_A_TOKEN
        found = measured(
            opened.attempt,
            told.usage,
            written,
            Outcome.DONE,
            told.model or "",
            batch=GATHERED in opened.reply.headers,
        )
        self._meter.settle(opened.attempt, found)
        kind = opened.reply.headers.get("content-type", "application/json").encode("latin-1")
        headers = _told(call, opened.attempt.route)
        if key is not None:
            headers.append((b"x-twinguard-cache", b"miss"))
        await wire.answer(send, opened.reply.status, body, headers, kind)
        await self._keep(key, opened, found, kind, body)
        return found.usage.total

    async def _streamed(self, call: Call, opened: Opened, key: Key | None, send: Send) -> int:
        """Send a stream as it comes; how many tokens it took."""
        watch, outcome = Watch(call.asked), Outcome.LEFT
        copy = Copy(key is not None)
        headers = [(b"content-type", wire.EVENTS), (b"cache-control", b"no-cache")]
        headers += _told(call, opened.attempt.route)
        status = opened.reply.status
        try:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            outcome = await relayed(opened, watch, copy, send)
        finally:
            opened.reply.close()
            found = measured(opened.attempt, watch.usage, watch.written, outcome, watch.model)
            self._meter.settle(opened.attempt, found)
        if outcome is Outcome.DONE and copy.body is not None:
            await self._keep(key, opened, found, wire.EVENTS, copy.body)
        return found.usage.total

    async def _keep(
        self, key: Key | None, opened: Opened, found: Measured, kind: bytes, body: bytes
    ) -> None:
        if key is None or self._cache is None or found.estimated:
            return
        route = opened.attempt.route
        cost = self._meter.cost(route, found.usage)
        if isinstance(cost, Unpriced):
            return
        entry = Entry(key.tenant, kind, body, route, found.usage, cost.nanos, cost.version)
        with contextlib.suppress(Unavailable):  # then the next one is asked again
            await self._cache.put(key, entry)

    async def _corrected(self, taken: Taken, used: int) -> None:
        with contextlib.suppress(Unavailable):  # a minute later it is forgotten anyway
            await self._limits.correct(taken, used)


def _told(call: Call, route: Route) -> Headers:
    return [
        (b"x-request-id", call.id.encode()),
        (b"x-twinguard-model", route.model.encode()),
        (b"x-twinguard-provider", route.provider.encode()),
    ]


def _failed(failed: Failed) -> Refusal:
    return Refusal(
        failed.code,
        failed.message,
        status=failed.status,
        retry_after=failed.wait,
        body=failed.body,
    )
