# SPDX-License-Identifier: Apache-2.0
"""Answers without a provider: what was recorded for this request, else a line that says so.

For CI (strategy.md 6.2). Recording is done by a gateway that really asks, and pays; a fixture holds
the request's body and the answer's, never a header."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from twinguard.errors import Misconfigured
from twinguard.llm.providers import Sender
from twinguard.llm.upstream import LARGEST_ANSWER, Answer
from twinguard.readers import ready

__all__ = ["Mock", "Recorder"]

SAID: Final = "This is a mock answer."
_DIMENSIONS = 8
_OK, _JSON, _EVENTS = 200, "application/json", "text/event-stream"


class Fixture(Struct, frozen=True):
    """A recorded answer, with its request for whoever reads the file."""

    path: str
    request: Any
    kind: str
    answer: str


ready(Fixture)


class Mock:
    """`Sender` that asks nobody."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        if folder is not None and not folder.is_dir():
            raise Misconfigured(f"TWINGUARD_LLM_FIXTURES: {folder} is no folder; make one")

    async def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], group: str = ""
    ) -> Answer:
        """The recorded answer, or a made-up one."""
        del method, headers, group
        if self._folder is not None:
            place = self._folder / _name(path, body)
            if place.is_file():
                found = _read(place)
                return Told(found.kind, found.answer.encode())
        asked = json.loads(body)
        if asked.get("stream"):
            return Told(_EVENTS, b"".join(_events(path, asked)))
        return Told(_JSON, msgspec.json.encode(_document(path, asked)))

    def close(self) -> None:
        """Nothing is open."""


class Recorder:
    """`Sender` that asks another one and writes down what it answers."""

    def __init__(self, inner: Sender, folder: Path) -> None:
        self._inner, self._folder = inner, folder
        folder.mkdir(parents=True, exist_ok=True)

    async def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], group: str = ""
    ) -> Answer:
        """The real answer; kept once it is complete and one."""
        answer = await self._inner.send(method, path, body, headers, group)
        if answer.status != _OK:
            return answer
        try:
            whole = await answer.read()
        finally:
            answer.close()
        kind = answer.headers.get("content-type", _JSON)
        fixture = Fixture(path, json.loads(body), kind, whole.decode())
        text = json.dumps(msgspec.to_builtins(fixture), indent=1, ensure_ascii=False)
        (self._folder / _name(path, body)).write_text(text + "\n", encoding="utf-8")
        return Told(kind, whole)

    def close(self) -> None:
        """Drop what the other one keeps open."""
        self._inner.close()


class Told:
    """`Answer` that is there already."""

    def __init__(self, kind: str, body: bytes, status: int = _OK) -> None:
        self.status = status
        self.headers = {"content-type": kind}
        self._body = body

    async def read(self, most: int = LARGEST_ANSWER) -> bytes:
        """The whole body."""
        return self._body[:most]

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The body, event by event."""
        for event in self._body.split(b"\n\n"):
            if event:
                yield event + b"\n\n"

    def close(self) -> None:
        """Nothing is open."""


def _name(path: str, body: bytes) -> str:
    """The file of a request: the same for the same meaning, however a provider wants it written."""
    asked = json.loads(body)
    if "max_completion_tokens" in asked:
        asked["max_tokens"] = asked.pop("max_completion_tokens")
    text = json.dumps([path, asked], sort_keys=True, separators=(",", ":"))
    return f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _read(place: Path) -> Fixture:
    try:
        return msgspec.json.decode(place.read_bytes(), type=Fixture)
    except (OSError, msgspec.DecodeError) as err:
        raise Misconfigured(f"{place}: is no recorded answer ({err}); record it again") from err


def _usage(asked: Mapping[str, Any], names: tuple[str, str], written: int) -> dict[str, int]:
    told = asked.get("messages", asked.get("input", ""))
    read = max(1, len(json.dumps(told)) // 4)
    return {names[0]: read, names[1]: written, "total_tokens": read + written}


_CHAT, _RESPONSE = ("prompt_tokens", "completion_tokens"), ("input_tokens", "output_tokens")


def _document(path: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    if path == "/embeddings":
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        found = [
            {"object": "embedding", "index": index, "embedding": _vector(json.dumps(text))}
            for index, text in enumerate(texts)
        ]
        usage = _usage(asked, ("prompt_tokens", "completion_tokens"), 0)
        del usage["completion_tokens"]
        return {"object": "list", "model": asked["model"], "data": found, "usage": usage}
    if path == "/responses":
        return _response(asked, "completed")
    choice = {"index": 0, "message": {"role": "assistant", "content": SAID}, "logprobs": None}
    choices = [choice | {"finish_reason": "stop"}]
    return _chat(asked, "chat.completion") | {
        "choices": choices,
        "usage": _usage(asked, _CHAT, len(SAID.split())),
    }


def _events(path: str, asked: Mapping[str, Any]) -> Iterator[bytes]:
    if path == "/responses":
        place = {"item_id": "msg_mock", "output_index": 0, "content_index": 0, "logprobs": []}
        told: tuple[dict[str, Any], ...] = (
            {"type": "response.created", "response": _response(asked, "in_progress")},
            {"type": "response.output_text.delta", "delta": SAID, **place},
            {"type": "response.completed", "response": _response(asked, "completed")},
        )
        for number, event in enumerate(told):
            yield b"event: " + str(event["type"]).encode() + b"\n"
            yield b"data: " + msgspec.json.encode(event | {"sequence_number": number}) + b"\n\n"
        return
    chunk = _chat(asked, "chat.completion.chunk")
    deltas: tuple[tuple[dict[str, Any], str | None], ...] = (
        ({"role": "assistant", "content": SAID}, None),
        ({}, "stop"),
    )
    for delta, reason in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        yield b"data: " + msgspec.json.encode(chunk | {"choices": [choice]}) + b"\n\n"
    usage = _usage(asked, _CHAT, len(SAID.split()))
    yield b"data: " + msgspec.json.encode(chunk | {"choices": [], "usage": usage}) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _chat(asked: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-mock", "object": kind, "created": 0, "model": asked["model"]}


def _response(asked: Mapping[str, Any], status: str) -> dict[str, Any]:
    done = status == "completed"
    text = {"type": "output_text", "text": SAID, "annotations": []}
    message = {"id": "msg_mock", "type": "message", "role": "assistant", "status": status}
    return {
        "id": "resp_mock",
        "object": "response",
        "created_at": 0,
        "status": status,
        "model": asked["model"],
        "output": [message | {"content": [text]}] if done else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage(asked, _RESPONSE, len(SAID.split())) if done else None,
    }


def _vector(text: str) -> list[float]:
    digest = hashlib.sha256(text.encode()).digest()
    return [byte / 255 for byte in digest[:_DIMENSIONS]]
