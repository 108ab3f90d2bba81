# SPDX-License-Identifier: Apache-2.0
"""Connections to one provider: a request goes out whole, the answer comes back as it arrives.

Written on bare streams: an HTTP client takes half a millisecond for a request, this a seventh.
It says whether anything was sent, for then the provider may want money."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import time
import urllib.parse
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from twinguard.errors import Misconfigured, Unavailable

IDLE_SECONDS = 15.0
"""A connection that nobody used for longer is not used again: providers close theirs later."""

LARGEST_ANSWER = 32 * 1024 * 1024
_PIECE = 64 * 1024
_HEAD = 64 * 1024
_KEPT = 100
_NO_BODY = frozenset({204, 304})
_ERRORS = (OSError, EOFError, asyncio.LimitOverrunError, ValueError, IndexError)


class Answer(Protocol):
    """An answer: status and headers are there, the body comes. Close it in any case."""

    status: int
    headers: dict[str, str]

    async def read(self, most: int = LARGEST_ANSWER) -> bytes:
        """The whole body."""

    def pieces(self) -> AsyncGenerator[bytes]:
        """The body as it arrives."""

    def close(self) -> None:
        """Drop what has not been read."""


class NothingSent(Unavailable):
    """The provider could not be reached: it cannot have done anything."""


class Lost(Unavailable):
    """The request went out and no answer, or half of one, came back."""


class Upstream:
    """The connections to one provider, kept and used again."""

    def __init__(self, base: str, connect_seconds: float = 5.0) -> None:
        parts = urllib.parse.urlsplit(base)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise Misconfigured(f"{base!r} is no provider's address; write https://host/v1")
        self.host, self.path = parts.hostname, parts.path.rstrip("/")
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._authority = parts.netloc
        self._connect_seconds = connect_seconds
        self._idle: deque[_Connection] = deque()

    def __repr__(self) -> str:
        return f"Upstream({self._authority})"

    async def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], group: str = ""
    ) -> Reply:
        """The beginning of the answer. Close the reply in any case."""
        del group  # each is asked by itself
        lines = [f"{method} {self.path}{path} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        head = "\r\n".join(lines).encode("latin-1")
        connection = self._reusable() or await self._connected()
        try:
            connection.writer.write(head + body)
            await connection.writer.drain()
            return await connection.reply(self)
        except _ERRORS as err:
            connection.abort()
            raise Lost(f"{self._authority} gave no answer ({type(err).__name__})") from err
        except BaseException:  # cancelled: whatever still comes must not be read as another answer
            connection.abort()
            raise

    def keep(self, connection: _Connection) -> None:
        """Take back a connection whose answer was read to its end."""
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        if len(self._idle) > _KEPT:
            self._idle.popleft().abort()

    def close(self) -> None:
        """Drop every connection that is not in use."""
        while self._idle:
            self._idle.pop().abort()

    def _reusable(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            fresh = time.monotonic() - connection.idle_since < IDLE_SECONDS
            if fresh and not connection.is_closed():
                return connection
            connection.abort()
        return None

    async def _connected(self) -> _Connection:
        try:
            async with asyncio.timeout(self._connect_seconds):
                reader, writer = await asyncio.open_connection(
                    self.host, self.port, ssl=self._tls, limit=_HEAD
                )
        except (OSError, TimeoutError) as err:
            number = err.errno or 0
            told = os.strerror(number) if number > 0 else str(err) or "no answer"
            raise NothingSent(f"{self._authority} cannot be reached ({told})") from err
        return _Connection(reader, writer)


class _Connection:
    """One connection; it carries one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.idle_since = 0.0

    def is_closed(self) -> bool:
        return self.reader.at_eof() or self.writer.is_closing()

    def abort(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may have ended before us
            self.writer.transport.abort()

    async def reply(self, upstream: Upstream) -> Reply:
        """Status and headers of the next answer that is not provisional."""
        while True:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head[:-4].split("\r\n")
            version, status = first.split(" ", 2)[:2]
            if not version.startswith("HTTP/1."):
                raise ValueError(version)
            if int(status) >= 200:  # noqa: PLR2004 - 1xx announce the answer
                break
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise ValueError(line)
            headers[name.lower()] = value.strip()
        keeps = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return Reply(int(status), headers, self, upstream if keeps else None)


class Reply:
    """`Answer` from a connection."""

    def __init__(
        self, status: int, headers: dict[str, str], connection: _Connection, home: Upstream | None
    ) -> None:
        self.status, self.headers = status, headers
        self._connection: _Connection | None = connection
        self._home = home
        self._reader = connection.reader

    async def read(self, most: int = LARGEST_ANSWER) -> bytes:
        """The whole body."""
        pieces, size = [], 0
        async with contextlib.aclosing(self.pieces()) as found:
            async for piece in found:
                size += len(piece)
                if size > most:
                    self.close()
                    raise Lost(f"an answer of more than {most} bytes")
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body as it arrives; nothing is waited for that is not needed."""
        try:
            if self.headers.get("transfer-encoding", "").lower() == "chunked":
                async for piece in self._chunks():
                    yield piece
            elif "content-length" in self.headers:
                left = int(self.headers["content-length"])
                while left:
                    piece = await self._some(left)
                    left -= len(piece)
                    yield piece
            elif self.status not in _NO_BODY:
                self._home = None
                while piece := await self._reader.read(_PIECE):
                    yield piece
        except _ERRORS as err:
            self.close()
            raise Lost(f"the answer broke off ({type(err).__name__})") from err
        if self._connection is not None and self._home is not None:
            self._home.keep(self._connection)
            self._connection = None

    def close(self) -> None:
        """Drop the connection, unless its answer was read to its end."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _chunks(self) -> AsyncGenerator[bytes]:
        while True:
            line = await self._reader.readuntil(b"\r\n")
            left = int(line.split(b";", 1)[0].strip(), 16)
            if not left:
                break
            if left < 0:
                raise ValueError(line)
            while left:
                piece = await self._some(left)
                left -= len(piece)
                yield piece
            if await self._reader.readexactly(2) != b"\r\n":
                raise ValueError("a chunk without an end")
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            continue  # trailers say nothing that we need

    async def _some(self, most: int) -> bytes:
        piece = await self._reader.read(min(most, _PIECE))
        if not piece:
            raise EOFError
        return piece
