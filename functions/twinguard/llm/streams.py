# SPDX-License-Identifier: Apache-2.0
"""A provider's stream on its way to the client: whole events, at once, and what they used.

An event is never held back for the next one. What only the gateway asked for is taken out again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_requests import BYTES_A_TOKEN, Asked, Endpoint
from twinguard.errors import Unavailable
from twinguard.readers import ready

LARGEST_EVENT: Final = 4 * 1024 * 1024
_DONE = b"[DONE]"
_NO_USAGE = (b',"usage":null', b', "usage": null')
_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_LAST = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Garbled(Unavailable):
    """A stream that cannot be one."""


class _Delta(Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw()


class _Choice(Struct):
    delta: _Delta | None = None


class _Response(Struct):
    usage: Any = None
    model: str | None = None


class _Event(Struct):
    """The few fields that matter of a chat's chunk or a response's event."""

    choices: tuple[_Choice, ...] | None = None
    usage: Any = None
    model: str | None = None
    type: str = ""
    delta: Any = None
    response: _Response | None = None
    error: Any = None


ready(_Event)
_decoder = msgspec.json.Decoder(_Event)


class Splitter:
    """Bytes into whole events, each with its own blank line."""

    def __init__(self) -> None:
        self._rest = b""

    def events(self, piece: bytes) -> Iterator[bytes]:
        """The events that are complete with this piece."""
        data = self._rest + piece if self._rest else piece
        while (end := _end(data)) > 0:
            yield data[:end]
            data = data[end:]
        self._rest = data
        if len(data) > LARGEST_EVENT:
            raise Garbled(f"an event of more than {LARGEST_EVENT} bytes")

    def rest(self) -> bytes:
        """What came after the last blank line."""
        rest, self._rest = self._rest, b""
        return rest


def _end(data: bytes) -> int:
    """Where the first event ends; 0 where none does."""
    found = [at + len(end) for end in _ENDS if (at := data.find(end)) >= 0]
    return min(found, default=0)


class Watch:
    """What a stream has told so far."""

    def __init__(self, asked: Asked) -> None:
        self._chat = asked.endpoint is Endpoint.CHAT
        self._hides = not asked.wants_usage
        self._written = 0
        self._deltas = 0
        self.usage: object = None
        self.model = ""
        self.finished = False
        """The provider said that this is all."""

    @property
    def written(self) -> int:
        """At least how many tokens came: one an event, or by their length."""
        return max(self._deltas, -(-self._written // BYTES_A_TOKEN))

    def see(self, event: bytes) -> bytes:
        """The event as the client gets it; empty where it gets none."""
        data = _data(event)
        if data == _DONE:
            self.finished = True
            return event
        if not data:
            return event
        try:
            found = _decoder.decode(data)
        except (msgspec.DecodeError, RecursionError):
            self._deltas += 1
            self._written += len(data)
            return event
        return self._seen(found, event)

    def _seen(self, found: _Event, event: bytes) -> bytes:
        self.model = found.model or self.model
        if not self._chat:
            self._count(found.delta if found.type.endswith(".delta") else None)
            if found.response is not None:
                self.model = found.response.model or self.model
                self.usage = found.response.usage or self.usage
            self.finished = self.finished or found.type in _LAST
            return event
        for choice in found.choices or ():
            if choice.delta is not None:
                self._count(choice.delta.content)
                self._count(choice.delta.refusal)
                self._count(choice.delta.reasoning_content)
                self._count(bytes(choice.delta.tool_calls))
        if found.usage is not None:
            self.usage = found.usage
            if self._hides and not found.choices:
                return b""
        if self._hides:
            for told in _NO_USAGE:
                # Inside a text its quotes would be escaped: this is the field.
                event = event.replace(told, b"")
        return event

    def _count(self, text: object) -> None:
        if text:
            self._deltas += 1
            self._written += len(text if isinstance(text, bytes) else str(text).encode())


def _data(event: bytes) -> bytes:
    """What an event's data lines say."""
    if event.startswith(b"data: ") and b"\n" not in (one := event[6:].rstrip(b"\r\n")):
        return one
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))


def broken(message: str, code: Code) -> bytes:
    """The event that tells a client that its stream ends here, and is not complete."""
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return b"data: " + msgspec.json.encode({"error": error}) + b"\n\n"
