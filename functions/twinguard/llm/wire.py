# SPDX-License-Identifier: Apache-2.0
"""HTTP as ASGI has it: read a request strictly, answer in OpenAI's shapes.

A body is read once, up to a limit, and refused where two readers could differ about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NoReturn, TypeAlias

import msgspec

from twinguard.decide.llm_codes import Code, kind_of
from twinguard.decide.llm_requests import Mistake

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = "list[tuple[bytes, bytes]]"

JSON, EVENTS = b"application/json", b"text/event-stream; charset=utf-8"
OK, BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, BUSY = 200, 400, 401, 403, 429
BODY_SECONDS = 30
"""That a client may take to send its request: a slow one holds nothing yet, but a connection."""


class Refusal(Exception):
    """An answer other than the one that was asked for, in OpenAI's shape."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        status: int = 0,
        param: str | None = None,
        retry_after: float | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param
        self.status = status or code.status
        self.retry_after = retry_after
        self._body = body

    @classmethod
    def of(cls, mistake: Mistake) -> Refusal:
        """The refusal of a request that cannot be made."""
        return cls(mistake.code, mistake.message, param=mistake.param)

    @property
    def body(self) -> bytes:
        """The error as OpenAI's SDKs read it: the provider's own words, if it has any."""
        if self._body:
            return self._body
        kind = kind_of(self.code, self.status)
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": error})

    @property
    def headers(self) -> Headers:
        """What says when to come back; `x-should-retry` is what the SDKs follow."""
        if self.retry_after is None:
            return [(b"x-should-retry", b"false")] if self.status >= BUSY else []
        wait = max(1, -int(-self.retry_after // 1))
        return [(b"retry-after", str(wait).encode()), (b"x-should-retry", b"true")]


class Gone(Exception):
    """The client left before its request was complete."""


class Request:
    """One request: its headers by lower-case name, its body when it is asked for."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.key_id = ""
        """Whose it is, once that is known; for the log."""
        self.headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            # Of two the later would win, and somebody in between may have read the first.
            self.headers[name] = b"" if name in self.headers else value
        self._receive = receive

    def text(self, name: bytes) -> str:
        """A header's value; empty where there is none, or two."""
        return self.headers.get(name, b"").decode("latin-1").strip()

    async def body(self, most: int) -> bytes:
        """The whole body; refused where it is larger, or not plain JSON."""
        kind, _, rest = self.text(b"content-type").lower().partition(";")
        if kind.strip() != "application/json" or ("charset" in rest and "utf-8" not in rest):
            raise Refusal(Code.WRONG_CONTENT_TYPE, "send application/json, in UTF-8")
        if self.text(b"content-encoding") not in {"", "identity"}:
            raise Refusal(Code.WRONG_ENCODING, "send the body as it is, not compressed")
        length = self.text(b"content-length")
        if length.isdigit() and int(length) > most:
            _too_large(most)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read(most)
        except TimeoutError:
            told = f"the body took more than {BODY_SECONDS} seconds to arrive"
            raise Refusal(Code.BODY_TOO_SLOW, told) from None

    async def _read(self, most: int) -> bytes:
        pieces, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            piece = message.get("body", b"")
            size += len(piece)
            if size > most:
                _too_large(most)
            pieces.append(piece)
            more = message.get("more_body", False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def gone(self) -> None:
        """Return once the client has left."""
        message: Message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await self._receive()


def _too_large(most: int) -> NoReturn:
    raise Refusal(Code.BODY_TOO_LARGE, f"a body has {most} bytes at most; send less")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{name[:40]!r} stands twice in one object; keep one")
    return found


def _not_json(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is not JSON")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_decoder = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_not_json)


def decoded(raw: bytes) -> Any:  # noqa: ANN401 - decoded JSON is anything
    """The JSON of a body, if every reader understands it alike."""
    try:
        return _decoder.decode(raw.decode("utf-8"))
    except RecursionError:
        told = "nested too deeply"
    except UnicodeDecodeError as err:
        told = f"byte {err.start} is not UTF-8"
    except json.JSONDecodeError as err:
        told = f"{err.msg} at line {err.lineno}, column {err.colno}"
    except ValueError as err:
        told = str(err)
    raise Refusal(Code.INVALID_JSON, f"the body cannot be read: {told}")


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body for a provider."""
    try:
        return _encoder.encode(body).encode()
    except (ValueError, RecursionError) as err:  # a lone surrogate, or a number beyond all bounds
        told = "a number or a character that JSON cannot hold, or nested too deeply"
        raise Refusal(Code.INVALID_JSON, f"the body cannot be sent on: {told}") from err


async def answer(
    send: Send, status: int, body: bytes, headers: Headers, kind: bytes = JSON
) -> None:
    """Send a whole answer."""
    told = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body})
