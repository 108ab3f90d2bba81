# SPDX-License-Identifier: Apache-2.0
"""The gateway: OpenAI's API for our customers, each call paid for before it is made.

One pure ASGI application. Every route that reaches a provider goes through `Serving`; what is not
listed here does not exist, so nothing gets past the budgets."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_requests import Endpoint
from twinguard.decide.llm_routes import served
from twinguard.decide.stops import ERROR
from twinguard.errors import Misconfigured, Unavailable
from twinguard.llm import wire
from twinguard.llm.doorkeeper import Doorkeeper
from twinguard.llm.serving import Serving
from twinguard.llm.upkeep import Upkeep
from twinguard.llm.wire import Receive, Refusal, Request, Scope, Send
from twinguard.policy import AUTO, Policy

__all__ = ["Gateway"]

MODELS: Final = "/v1/models"
HEALTH: Final = "/healthz"
_BITS = 96
_LEFT: Final = 499
"""In the log: the client left its stream, or before its body had come."""
_log = logging.getLogger("twinguard.gateway")


class Gateway:
    """The ASGI application."""

    def __init__(
        self,
        policy: Policy,
        doorkeeper: Doorkeeper,
        serving: Serving,
        upkeep: Upkeep,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._doorkeeper, self._serving = doorkeeper, serving
        self._upkeep, self._close = upkeep, close
        self._endpoints: Mapping[str, Endpoint] = {one.value: one for one in Endpoint}
        self._models = _listed(policy)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or start and end with the server."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        name = _name()
        started = time.perf_counter()
        request, code = Request(scope, receive), ""
        try:
            status = await self._answered(request, send, name)
        except wire.Gone:
            status = _LEFT
        except Refusal as refusal:
            status, code = await _refused(send, refusal, name), refusal.code
        except (Unavailable, Misconfigured) as err:
            _log.error("request %s failed: %s", name, err)
            told = "something that is needed does not answer; try again in a moment"
            sorry = Refusal(Code.UNAVAILABLE, told, retry_after=5)
            status, code = await _refused(send, sorry, name), sorry.code
        _tell(request.path, request.key_id, status, code, name, started)

    async def turn_away(
        self, scope: Scope, send: Send, status: int, words: str, key_id: str, wait: int
    ) -> None:
        """Refuse a request that was not let through to here, as any other."""
        name, started = _name(), time.perf_counter()
        refusal = _refusal(status, words, wait)
        await _refused(send, refusal, name)
        _tell(scope["path"], key_id, status, refusal.code, name, started)

    async def _answered(self, request: Request, send: Send, id: str) -> int:
        endpoint = self._endpoints.get(request.path)
        if endpoint is not None:
            _require(request, "POST")
            caller = await self._doorkeeper.caller(request, endpoint.scope)
            if (stop := self._upkeep.stop) is not None:
                raise Refusal(Code(stop.reason), f"{ERROR}: {stop.remedy}")
            return await self._serving.serve(endpoint, request, caller, send, id)
        if request.path == HEALTH:
            _require(request, "GET")
            await wire.answer(send, wire.OK, b'{"status":"ok"}', [])
            return wire.OK
        if request.path == MODELS or request.path.startswith(f"{MODELS}/"):
            _require(request, "GET")
            await self._doorkeeper.caller(request, "llm:models")
            found = self._found(request.path.removeprefix(MODELS).removeprefix("/"))
            headers = [(b"x-request-id", id.encode())]
            await wire.answer(send, wire.OK, msgspec.json.encode(found), headers)
            return wire.OK
        told = f"{request.path[:100]} is not served: every way to a model passes the budgets"
        raise Refusal(Code.UNKNOWN_ROUTE, told)

    def _found(self, name: str) -> Mapping[str, Any]:
        if not name:
            return {"object": "list", "data": list(self._models.values())}
        if name not in self._models:
            told = f"the model {name[:100]!r} is not served here"
            raise Refusal(Code.MODEL_NOT_FOUND, told, param="model")
        return self._models[name]

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._upkeep.begin()
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.shield(self._close())
                await send({"type": "lifespan.shutdown.complete"})
                return


def _name() -> str:
    return f"req_{secrets.token_hex(_BITS // 8)}"


def _tell(path: str, key_id: str, status: int, code: str, name: str, started: float) -> None:
    """The log line of a request."""
    if _log.isEnabledFor(logging.INFO):
        fields = {
            "event": "gateway",
            "request_id": name,
            "key_id": key_id,
            "path": path[:100],
            "status": status,
            "code": code,
            "ms": round(1000 * (time.perf_counter() - started), 1),
        }
        _log.info("gateway: %s %d", path[:100], status, extra={"fields": fields})


def _refusal(status: int, words: str, wait: int) -> Refusal:
    """What the guard in front refuses, in OpenAI's shape."""
    codes = (Code.KEY_BLOCKED, Code.REQUESTS_PER_MINUTE_EXCEEDED, Code.UNAVAILABLE)
    code = next((code for code in codes if code.status == status), Code.SEVERAL_KEYS)
    return Refusal(code, words, retry_after=wait or None)


async def _refused(send: Send, refusal: Refusal, name: str) -> int:
    headers = [(b"x-request-id", name.encode()), *refusal.headers]
    await wire.answer(send, refusal.status, refusal.body, headers)
    return refusal.status


def _require(request: Request, method: str) -> None:
    if request.method != method:
        told = f"{request.path} is for {method}"
        raise Refusal(Code.METHOD_NOT_ALLOWED, told)


def _listed(policy: Policy) -> dict[str, Mapping[str, Any]]:
    """The policy's models as OpenAI lists its own."""
    models = served(policy)
    names = {name: model.provider for name, model in models.items()}
    if policy.gateway is not None and policy.gateway.models:
        names[AUTO] = "twinguard"
    return {
        name: {"id": name, "object": "model", "created": 0, "owned_by": owner}
        for name, owner in names.items()
    }
