# SPDX-License-Identifier: Apache-2.0
"""One call, tried until somebody answers: retries with pauses, then the next route.

Each attempt has a hold of its own. Once a byte has gone to the client nothing is tried again: what
is returned here is an answer whose first bytes are there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_requests import sent
from twinguard.decide.llm_routes import Route
from twinguard.decide.llm_usage import Outcome
from twinguard.llm import wire
from twinguard.llm.breaker import OPEN_SECONDS, pause
from twinguard.llm.meter import Attempt, Call, Meter, measured
from twinguard.llm.providers import Provider, Providers
from twinguard.llm.upstream import Answer, Lost, NothingSent
from twinguard.policy import LOCAL

RETRIED: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
UNHEALTHY: Final = frozenset({500, 502, 503, 504})
LONGEST_WAIT: Final = 10.0
"""Seconds that a provider may ask us to wait; beyond, the next route or the client hears of it."""
_ERROR_BODY = 64 * 1024
_OK, _REDIRECT = 200, 300
_log = logging.getLogger("twinguard.gateway")


class Opened(Struct):
    """An answer that has begun: whole in `body`, or a stream whose first piece is `first`."""

    attempt: Attempt
    reply: Answer
    deadline: float
    body: bytes | None = None
    first: bytes = b""
    rest: AsyncIterator[bytes] | None = None


class Failed(Struct):
    """An attempt without an answer: try it again, or elsewhere, or tell the client.

    `status`, where it is not the code's own; `body`: the provider's words about a mistake."""

    code: Code
    message: str
    status: int = 0
    again: bool = False
    elsewhere: bool = False
    wait: float | None = None
    body: bytes = b""

    def __post_init__(self) -> None:
        self.status = self.status or self.code.status


class Attempts:
    """Tries calls at providers."""

    def __init__(self, providers: Providers, meter: Meter, seconds: float, retries: int) -> None:
        self._providers, self._meter = providers, meter
        self._seconds, self._retries = seconds, retries

    async def open(self, call: Call, routes: tuple[Route, ...]) -> Opened | Failed:
        """The first answer; else how the last attempt failed."""
        number = 0
        told = "no provider answers now; try again in a moment"
        failed = Failed(Code.PROVIDER_UNAVAILABLE, told, wait=OPEN_SECONDS)
        for route in routes:
            provider = self._providers.named(route.provider)
            if not provider.breaker.lets():
                continue
            tries = 1 + (self._retries if provider.retries else 0)
            for retry in range(tries):
                if retry and not await self._waited(provider, retry, failed):
                    break
                number += 1
                found = await self._once(call, number, route, provider)
                if isinstance(found, Opened):
                    return found
                failed = found
                if not failed.again:
                    break
            if not failed.elsewhere:
                break
        return failed

    async def _waited(self, provider: Provider, retry: int, failed: Failed) -> bool:
        """Wait for the next try; False where there should be none."""
        if failed.wait is not None and failed.wait > LONGEST_WAIT:
            return False
        if not (provider.breaker.may_retry() and provider.breaker.lets()):
            return False
        await asyncio.sleep(max(pause(retry), failed.wait or 0.0))
        return True

    async def _once(
        self, call: Call, number: int, route: Route, provider: Provider
    ) -> Opened | Failed:
        body = wire.encoded(sent(call.asked, route.model, provider.limit))
        headers = provider.headers(call.asked, call.id)
        attempt = await self._meter.hold(call, number, route)
        deadline = time.monotonic() + self._seconds
        reply: Answer | None = None
        try:
            async with asyncio.timeout(self._seconds):
                reply = await provider.send(call.asked, body, headers, call.caller.tenant)
                found = await self._judged(attempt, reply, deadline)
        except NothingSent as err:
            self._meter.release(attempt)
            _fails(provider, str(err))
            told = f"{provider.name} cannot be reached"
            return Failed(Code.PROVIDER_UNREACHABLE, told, again=True, elsewhere=True)
        except (Lost, TimeoutError) as err:
            self._broke_off(attempt, reply)
            _fails(provider, str(err) or "no answer in time")
            if isinstance(err, Lost):
                told = f"{provider.name} broke off its answer"
                return Failed(Code.PROVIDER_BROKE_OFF, told, again=True, elsewhere=True)
            told = f"{provider.name} took more than {self._seconds:g} seconds"
            return Failed(Code.PROVIDER_TIMEOUT, told)
        except BaseException:
            self._broke_off(attempt, reply, Outcome.LEFT)
            raise
        if isinstance(found, Failed) and found.status in UNHEALTHY:
            _fails(provider, found.message)
        elif provider.breaker.worked():
            _log.info("%s answers again", provider.name)
        return found

    async def _judged(self, attempt: Attempt, reply: Answer, deadline: float) -> Opened | Failed:
        """The answer, if it is one."""
        if not _OK <= reply.status < _REDIRECT:
            with contextlib.suppress(Lost):  # half an error is one, too
                body = await reply.read(_ERROR_BODY)
                self._meter.release(attempt)
                return _refused(reply, body, attempt.route.provider)
            self._meter.release(attempt)
            return _refused(reply, b"", attempt.route.provider)
        streams = reply.headers.get("content-type", "").startswith("text/event-stream")
        if not (attempt.call.asked.stream and streams):
            return Opened(attempt, reply, deadline, body=await reply.read())
        rest = reply.pieces()
        first = await anext(rest, b"")
        return Opened(attempt, reply, deadline, first=first, rest=rest)

    def _broke_off(
        self, attempt: Attempt, reply: Answer | None, outcome: Outcome = Outcome.BROKEN
    ) -> None:
        """The request was out: the provider may have worked, so its input counts at least."""
        if reply is not None:
            reply.close()
        self._meter.settle(attempt, measured(attempt, None, 0, outcome))


def _fails(provider: Provider, why: str) -> None:
    """A provider that is away is told once, not with each request."""
    if provider.breaker.failed():
        _log.warning("%s fails: %s; told again once it has answered", provider.name, why)


def _refused(reply: Answer, body: bytes, provider: str) -> Failed:
    status = reply.status
    if status in {wire.UNAUTHENTICATED, wire.FORBIDDEN}:
        # It is our key that was refused: the client can do nothing, and its words may quote it.
        _log.error("%s refuses the gateway's key (%d)", provider, status)
        told = f"{provider} refuses to serve this gateway; an operator is told"
        return Failed(Code.PROVIDER_REFUSED, told, elsewhere=True)
    if status < wire.BAD_REQUEST:
        told = f"{provider} answered {status}, which is no answer"
        return Failed(Code.PROVIDER_ANSWER, told, elsewhere=True)
    again = status in RETRIED
    told = f"{provider} answered {status}"
    return Failed(
        Code.PROVIDER_ERROR,
        told,
        status=status,
        again=again,
        elsewhere=again or provider == LOCAL,
        wait=_seconds(reply.headers.get("retry-after", "")),
        body=b"" if again else body,
    )


def _seconds(text: str) -> float | None:
    """What `Retry-After` says, where it says seconds."""
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else None
