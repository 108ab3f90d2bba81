# SPDX-License-Identifier: Apache-2.0
"""The application that is guarded, one instance in each process: its models are the gateway's.

Started as `uvicorn --factory e2e.shop:application`, with the settings in its environment."""

from __future__ import annotations

import contextlib
import os

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twinguard import logs
from twinguard.web.cost_control import CostControlMiddleware
from twinguard.web.middleware import SecurityMiddleware
from twinguard.web.opened import protection

CHAT = "/v1/chat/completions"


async def chat(request: Request) -> Response:
    """Ask the gateway on the customer's behalf, with the customer's own key."""
    headers = {
        "Authorization": request.headers["authorization"],
        "Content-Type": "application/json",
        "X-Twinguard-Feature": "shop",
    }
    answer = await request.app.state.gateway.post(
        CHAT, content=await request.body(), headers=headers
    )
    return Response(answer.content, answer.status_code, media_type="application/json")


async def healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


@contextlib.asynccontextmanager
async def _life(app: Starlette):
    address = os.environ["SHOP_GATEWAY"]
    async with httpx2.AsyncClient(base_url=address, timeout=30) as client:
        app.state.gateway = client
        yield


def application() -> SecurityMiddleware:
    """The routes, behind the cost breaker, behind the guard of the keys."""
    logs.configure([])
    routes = [Route(CHAT, chat, methods=["POST"]), Route("/healthz", healthz)]
    app = CostControlMiddleware(Starlette(routes=routes, lifespan=_life))
    return SecurityMiddleware(app, **protection(os.environ))
