# SPDX-License-Identifier: Apache-2.0
"""One request to an application in this process, as a server would hand it over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERVED, BLOCKED, UNAVAILABLE = 200, 403, 503
_HERE = ("127.0.0.1", 1)


async def served(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401, ARG001 - ASGI
    """An application that serves everything."""
    await send({"type": "http.response.start", "status": SERVED, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def answered(app: Any, headers: Mapping[str, str] | None = None) -> int:  # noqa: ANN401
    """The status that an application answers with."""
    statuses: list[int] = []

    async def send(message: Any) -> None:  # noqa: ANN401
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/chat",
        "client": _HERE,
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    await app(scope, _receive, send)
    return statuses[0]


async def _receive() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}
