# SPDX-License-Identifier: Apache-2.0
"""An OpenAI-compatible provider on this machine that answers well, badly, slowly or not at all.

For the tests, the demo and the bench; `python -m twinguard.standins.openai_provider --port 9000`
serves it alone. What it says is in `openai_answers.py`."""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from twinguard.standins import openai_answers as answers
from twinguard.standins.openai_batches import Batches

_END = b"\r\n\r\n"
TRUE = "true"
OK = 200


@dataclass(frozen=True, slots=True)
class Manner:
    """How one request is answered.

    `usage` is TRUE, None to leave it out, or what is told instead. `events` drops the connection
    after so many of them; `hang_up` without a byte; `wait` is for the first byte, `apart` between
    events, both in seconds. `raw` is sent as the whole stream."""

    status: int = OK
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    apart: float = 0.0
    usage: Mapping[str, Any] | str | None = TRUE
    events: int | None = None
    hang_up: bool = False
    raw: bytes | None = None
    body: Mapping[str, Any] | None = None
    whole: bool = False
    """Answers a stream with a document, as some servers do."""
    gate: threading.Event | None = None
    """A stream goes on after its first event only once this is set."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as the provider saw it."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    body: Any


class OpenAIProvider:
    """A provider on 127.0.0.1, in a thread of its own, as a context manager."""

    def __init__(self, port: int = 0) -> None:
        self.seen: list[Seen] = []
        self.left = threading.Event()
        """Set once a client has gone before its answer was complete."""
        self.manner = Manner()
        self.batches = Batches()
        self._next: deque[Manner] = deque()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._number = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def url(self) -> str:
        """Its address, as a policy names a provider."""
        return f"http://127.0.0.1:{self._port}/v1"

    def then(self, *manners: Manner) -> None:
        """How the next requests are answered, one after the other; all others as `manner` says."""
        self._next.extend(manners)

    def always(self, manner: Manner) -> None:
        """How all requests are answered from now on."""
        self._next.clear()
        self.manner = manner

    async def serve(self) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await server.serve_forever()

    def _run(self) -> None:
        serving = self._loop.create_task(self.serve())
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(serving, *tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (seen := await _request(reader)) is not None:
                self.seen.append(seen)
                manner = self._next.popleft() if self._next else self.manner
                if not await self._answered(seen, manner, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.transport.abort()

    async def _answered(self, seen: Seen, manner: Manner, writer: asyncio.StreamWriter) -> bool:
        """Answer; False where the connection is dropped."""
        if manner.wait:
            await asyncio.sleep(manner.wait)
        if manner.hang_up:
            return False
        if manner.status != OK:
            body = manner.body or answers.error(manner.status)
            return await _send(writer, manner.status, body, manner.headers)
        if seen.path.startswith(("/v1/files", "/v1/batches")):
            status, told = self.batches.answer(seen.method, seen.path, seen.raw, seen.headers)
            return await _send_raw(writer, status, told, manner.headers)
        if seen.method == "GET":
            return await _send(writer, OK, answers.models(), manner.headers)
        usage = _usage(seen, manner)
        self._number += 1
        if seen.body.get("stream") and not manner.whole:
            return await self._stream(seen, manner, usage, writer)
        document = manner.body or answers.document(seen.path, seen.body, self._number, usage)
        return await _send(writer, OK, document, manner.headers)

    async def _stream(
        self, seen: Seen, manner: Manner, usage: dict[str, Any] | None, writer: asyncio.StreamWriter
    ) -> bool:
        head = "".join(f"{name}: {value}\r\n" for name, value in manner.headers.items())
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\n" + head.encode() + b"\r\n"
        )
        pieces = [manner.raw] if manner.raw is not None else None
        for sent, event in enumerate(
            pieces or answers.events(seen.path, seen.body, self._number, usage)
        ):
            if sent == manner.events:
                await writer.drain()
                return False
            writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            await writer.drain()
            if manner.apart:
                await asyncio.sleep(manner.apart)
            if manner.gate is not None and not sent:
                await asyncio.to_thread(manner.gate.wait, 30)
            if writer.transport.is_closing():
                raise ConnectionResetError
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


async def _request(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(_END)).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    body: Any = {}
    with suppress(ValueError):
        body = json.loads(raw) if raw else {}
    return Seen(method, path, headers, raw, body)


def _usage(seen: Seen, manner: Manner) -> dict[str, Any] | None:
    if manner.usage is None:
        return None
    if not isinstance(manner.usage, str):
        return dict(manner.usage)
    if seen.path.endswith("/embeddings"):
        return answers.embeddings_usage(seen.body)
    if seen.path.endswith("/responses"):
        return answers.responses_usage(seen.body)
    return answers.chat_usage(seen.body)


async def _send(
    writer: asyncio.StreamWriter, status: int, body: Mapping[str, Any], headers: Mapping[str, str]
) -> bool:
    payload = json.dumps(body, separators=(",", ":")).encode()
    return await _send_raw(writer, status, payload, headers)


async def _send_raw(
    writer: asyncio.StreamWriter, status: int, payload: bytes, headers: Mapping[str, str]
) -> bool:
    told = {"Content-Type": "application/json", "Content-Length": str(len(payload)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + payload)
    await writer.drain()
    return True


def main() -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    with suppress(KeyboardInterrupt):
        asyncio.run(OpenAIProvider(parser.parse_args().port).serve())


if __name__ == "__main__":
    main()
