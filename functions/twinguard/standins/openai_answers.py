# SPDX-License-Identifier: Apache-2.0
"""What an OpenAI-compatible provider answers, as documents and as events. No network in here.

Tokens are counted by four characters each; `openai_provider.py` serves these, well or badly."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

WORDS = ("Twinguard", " keeps", " the", " budget", ".")
REASONING, CACHED = 0, 0
_DIMENSIONS = 8


def counted(body: Json) -> int:
    """The input's tokens, as this provider counts them."""
    told = body.get("messages", body.get("input", ""))
    return max(1, len(json.dumps(told, ensure_ascii=False)) // 4)


def chat_usage(body: Json) -> Json:
    """Usage as the chat API tells it."""
    read, written = counted(body), len(WORDS) * int(body.get("n") or 1)
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": CACHED, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": REASONING, "audio_tokens": 0},
    }


def responses_usage(body: Json) -> Json:
    """Usage as the responses API tells it."""
    read, written = counted(body), len(WORDS)
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": REASONING},
        "total_tokens": read + written,
    }


def embeddings_usage(body: Json) -> Json:
    """Usage as the embeddings API tells it."""
    read = sum(max(1, len(str(text)) // 4) for text in _inputs(body))
    return {"prompt_tokens": read, "total_tokens": read}


def document(path: str, body: Json, number: int, usage: Json | None) -> Json:
    """The whole answer to a request; `number` tells answers apart."""
    told = {} if usage is None else {"usage": usage}
    if path.endswith("/embeddings"):
        found = [
            {"object": "embedding", "index": index, "embedding": _vector(str(text))}
            for index, text in enumerate(_inputs(body))
        ]
        return {"object": "list", "data": found, "model": body.get("model"), **told}
    if path.endswith("/responses"):
        return _response(body, number, "completed", [_message()]) | told
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": "".join(WORDS), "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
        for index in range(int(body.get("n") or 1))
    ]
    return _chat(body, number, "chat.completion") | {"choices": choices, **told}


def events(path: str, body: Json, number: int, usage: Json | None) -> Iterator[bytes]:
    """The answer as server-sent events, one at a time."""
    if path.endswith("/responses"):
        yield from _response_events(body, number, usage)
        return
    options = body.get("stream_options") or {}
    counts = bool(options.get("include_usage"))
    told: Json = {"usage": None} if counts else {}
    for index, word in enumerate((*WORDS, None)):
        delta: Json = {} if word is None else {"content": word}
        if not index:
            delta |= {"role": "assistant"}
        choice = {"index": 0, "delta": delta, "logprobs": None}
        choice["finish_reason"] = "stop" if word is None else None
        yield _event(_chat(body, number, "chat.completion.chunk") | {"choices": [choice]} | told)
    if counts and usage is not None:
        last = {"choices": [], "usage": usage}
        yield _event(_chat(body, number, "chat.completion.chunk") | last)
    yield b"data: [DONE]\n\n"


def models() -> Json:
    """The provider's list of models, longer than any policy's."""
    names = ("gpt-4", "gpt-3.5-turbo", "text-embedding-3-small", "gpt-secret-preview")
    listed = [{"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in names]
    return {"object": "list", "data": listed}


def error(status: int, code: str = "") -> Json:
    """An error in OpenAI's shape."""
    kind = "rate_limit_exceeded" if status == 429 else "server_error"  # noqa: PLR2004
    told = f"the stand-in was asked to answer {status}"
    return {"error": {"message": told, "type": kind, "param": None, "code": code or kind}}


def _response_events(body: Json, number: int, usage: Json | None) -> Iterator[bytes]:
    begun = _response(body, number, "in_progress", [])
    yield _event({"type": "response.created", "sequence_number": 0, "response": begun}, named=True)
    place = {"item_id": f"msg_{number}", "output_index": 0, "content_index": 0, "logprobs": []}
    for index, word in enumerate(WORDS):
        delta = {"type": "response.output_text.delta", "sequence_number": index + 1, "delta": word}
        yield _event(delta | place, named=True)
    done = _response(body, number, "completed", [_message()])
    done |= {} if usage is None else {"usage": usage}
    last = {"type": "response.completed", "sequence_number": len(WORDS) + 1, "response": done}
    yield _event(last, named=True)


def _event(content: Mapping[str, Any], *, named: bool = False) -> bytes:
    name = f"event: {content['type']}\n" if named else ""
    return f"{name}data: {json.dumps(content, separators=(',', ':'))}\n\n".encode()


def _chat(body: Json, number: int, kind: str) -> Json:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1, "model": body.get("model")}


def _response(body: Json, number: int, status: str, output: list[Json]) -> Json:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": body.get("model"),
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "temperature": 1,
        "top_p": 1,
    }


def _message() -> Json:
    text = {"type": "output_text", "text": "".join(WORDS), "annotations": []}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }


def _inputs(body: Json) -> list[Any]:
    told = body.get("input", "")
    return told if isinstance(told, list) else [told]


def _vector(text: str) -> list[float]:
    return [round(((hash_of(text) >> shift) & 255) / 255, 6) for shift in range(_DIMENSIONS)]


def hash_of(text: str) -> int:
    """A number that is the same for the same text, in every process."""
    found = 5381
    for character in text:
        found = (found * 33 + ord(character)) & 0xFFFFFFFF
    return found
