# SPDX-License-Identifier: Apache-2.0
"""Applications behind the middleware, called in the process; doubles of what it reports to."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping

import httpx2
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from threats import PLACES, START
from twinguard.errors import Unavailable
from twinguard.guard import Guard
from twinguard.peppers import Peppers
from twinguard.policy import Security
from twinguard.reporter import Reporter
from twinguard.state.counters import Options, open_counters
from twinguard.tallies import Tallies
from twinguard.usage import Batch
from twinguard.web.middleware import SecurityMiddleware

PEPPERS = Peppers({"1": "p" * 32})
KEY = "ltk_live_0h3kq2m8x1nz_" + "7" * 39
KEY_ID = PEPPERS.key_id(KEY)


class Clock:
    """A clock that stands where it was put."""

    def __init__(self, days: float = 0.0) -> None:
        self.days = days

    def __call__(self) -> dt.datetime:
        return START + dt.timedelta(days=self.days)


class Topic:
    """A topic that keeps what it is handed, or refuses it."""

    def __init__(self) -> None:
        self.events = []
        self.messages = 0
        self.is_down = False

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        if self.is_down:
            raise Unavailable("the topic does not answer")
        self.events += msgspec.json.decode(data, type=Batch).events
        self.messages += 1
        return str(self.messages)


async def limit(request: Request) -> JSONResponse:
    return JSONResponse({"limit": getattr(request.state, "rate_limit", None)})


async def fails(_: Request) -> PlainTextResponse:
    return PlainTextResponse("no", 403)


async def breaks(_: Request) -> PlainTextResponse:
    raise RuntimeError("broken")


async def streams(_: Request) -> StreamingResponse:
    async def parts():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts(), media_type="text/event-stream")


def application() -> Starlette:
    return Starlette(
        routes=[
            Route("/v1/chat/completions", limit, methods=["GET", "POST"]),
            Route("/v1/fails", fails),
            Route("/v1/breaks", breaks),
            Route("/v1/streams", streams),
            Route("/healthz", limit),
            Route("/paid/thing", limit),
        ]
    )


class Site:
    """An application with the middleware in front, and a client beside it."""

    def __init__(
        self,
        url="memory://",
        security=None,
        *,
        clock=None,
        timeout=2.0,
        key_id_of=PEPPERS.key_id,
        **more,
    ) -> None:
        self.tallies = Tallies()
        counters = open_counters(url, Options(place_of=PLACES.get, timeout=timeout))
        self.guard = Guard(counters, security or Security(), self.tallies)
        self.topic = Topic()
        self.reporter = Reporter(self.topic, "projects/p/topics/usage-events", self.tallies)
        self.clock = clock or Clock()
        self.app = SecurityMiddleware(
            application(),
            guard=self.guard,
            key_id_of=key_id_of,
            reporter=self.reporter,
            clock=self.clock,
            **more,
        )

    async def get(self, path="/v1/chat/completions", key=KEY, ip="9.9.9.9", agent=None, **more):
        headers = dict(more.pop("headers", {}))
        if key:
            headers["X-API-Key"] = key
        if ip:
            headers["X-Forwarded-For"] = ip
        headers["User-Agent"] = agent or "acme-backend/1.4 httpx/0.27"
        transport = httpx2.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://site") as client:
            return await client.get(path, headers=headers, **more)

    def close(self) -> None:
        self.app.close()
