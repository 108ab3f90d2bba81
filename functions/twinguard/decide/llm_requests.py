# SPDX-License-Identifier: Apache-2.0
"""What a request to a language model asks for, and the most that it can come to. Pure.

Whatever has no bound, or would reach what other customers left at the provider, is refused here."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from msgspec import Struct

from twinguard.decide.llm_codes import Code

Body: TypeAlias = "dict[str, Any]"
"""Decoded JSON from a client: anything, until it has been checked."""

BYTES_A_TOKEN: Final = 4
IMAGE_TOKENS: Final = 1_000
"""What a minute's tokens are taken with before they are known; money has bounds instead."""

DETERMINISTIC: Final = 0
_MODEL_LENGTH: Final = 200
_CHOICES: Final = 128


class Endpoint(enum.StrEnum):
    """What is metered; there is no other way through."""

    CHAT = "/v1/chat/completions"
    RESPONSES = "/v1/responses"
    EMBEDDINGS = "/v1/embeddings"

    @property
    def operation(self) -> str:
        """Its name in OpenTelemetry's words."""
        return {"/v1/embeddings": "embeddings"}.get(self.value, "chat")

    @property
    def scope(self) -> str:
        """What a customer's key must allow."""
        names = {"/v1/chat/completions": "chat", "/v1/responses": "chat"}
        return f"llm:{names.get(self.value, 'embeddings')}"


class Mistake(Struct, frozen=True):
    """Why a request is refused: what is wrong, in which field, and what to write instead."""

    message: str
    param: str | None = None
    code: Code = Code.INVALID_VALUE


class Asked(Struct, frozen=True, kw_only=True):
    """A request that may be made. `bytes`, `images`, `longest` (an answer's tokens) are bounds."""

    endpoint: Endpoint
    body: Mapping[str, Any]
    model: str
    stream: bool
    wants_usage: bool
    bytes: int
    images: int
    audio: bool
    longest: int
    choices: int
    deterministic: bool

    @property
    def input_guess(self) -> int:
        """About how many tokens it reads."""
        return -(-self.bytes // BYTES_A_TOKEN) + self.images * IMAGE_TOKENS

    @property
    def tokens_guess(self) -> int:
        """About how many tokens it may come to: for limits, never for money."""
        return self.input_guess + self.choices * self.longest


def asked(endpoint: Endpoint, body: object, size: int, longest: int) -> Asked | Mistake:
    """The request in this body of `size` bytes, whose answer may have `longest` tokens."""
    if not isinstance(body, dict):
        return Mistake("the body must be a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not 1 <= len(model) <= _MODEL_LENGTH:
        return Mistake("name a model; GET /v1/models lists them", "model", Code.MISSING_MODEL)
    if mistake := _unbounded(endpoint, body) or _misshapen(endpoint, body):
        return mistake
    written = _written(endpoint, body, longest)
    if isinstance(written, Mistake):
        return written
    choices = body.get("n") or 1
    images, hidden = _images(body)
    predicted = len(str(body.get("prediction") or ""))
    options = body.get("stream_options") or {}
    return Asked(
        endpoint=endpoint,
        body=body,
        model=model,
        stream=bool(body.get("stream")),
        wants_usage=endpoint is not Endpoint.CHAT or bool(options.get("include_usage")),
        bytes=size - hidden,
        images=images,
        audio=any(part.get("type") == "input_audio" for part in _parts(body)),
        longest=written + predicted,
        choices=choices,
        deterministic=_is_deterministic(endpoint, body),
    )


def sent(asked: Asked, model: str, limit: str) -> Body:
    """The body for a provider: its model, a bound of the answer under the name `limit`, no store.

    The usage is asked for in any case, or nobody would know what the stream cost."""
    body = dict(asked.body) | {"model": model}
    if asked.endpoint is Endpoint.CHAT:
        for name in ("max_tokens", "max_completion_tokens", "store"):
            body.pop(name, None)
        body[limit] = _given(Endpoint.CHAT, asked.body) or asked.longest
        if asked.stream:
            options = asked.body.get("stream_options") or {}
            body["stream_options"] = {**options, "include_usage": True}
    elif asked.endpoint is Endpoint.RESPONSES:
        body["max_output_tokens"] = asked.longest
        body["store"] = False
    return body


_LIMITS = {
    Endpoint.CHAT: ("max_completion_tokens", "max_tokens"),
    Endpoint.RESPONSES: ("max_output_tokens",),
    Endpoint.EMBEDDINGS: (),
}
_SHARED = "it reaches what is kept at the provider, which all customers share; send the content"
_REFUSED = {
    "previous_response_id": _SHARED,
    "conversation": _SHARED,
    "prompt": _SHARED,
    "background": "an answer must be waited for, or nobody would pay for it",
    "web_search_options": "searches have no bound; leave it out",
    "audio": "sound is not metered here; ask for text",
}
_REFUSED_TOOLS = "has no bound; use tools of type function or custom"
_TOOLS = frozenset({"function", "custom"})
_TIERS = frozenset({None, "auto", "default"})


def _unbounded(endpoint: Endpoint, body: Body) -> Mistake | None:
    for name, why in _REFUSED.items():
        if body.get(name):
            return Mistake(f"{name} is not served: {why}", name, Code.UNSUPPORTED_PARAMETER)
    if body.get("service_tier") not in _TIERS:
        return Mistake("service_tier changes the price; leave it out", "service_tier")
    return None if endpoint is Endpoint.EMBEDDINGS else _unbounded_parts(body)


def _unbounded_parts(body: Body) -> Mistake | None:
    tools = body.get("tools") or []
    if not isinstance(tools, list) or any(not isinstance(tool, dict) for tool in tools):
        return Mistake("tools must be a list of objects", "tools")
    for tool in tools:
        if tool.get("type") not in _TOOLS:
            return Mistake(f"the tool {str(tool.get('type'))[:40]!r} {_REFUSED_TOOLS}", "tools")
    for part in _parts(body):
        file = part.get("file")
        if part.get("file_id") or (isinstance(file, dict) and file.get("file_id")):
            return Mistake(
                f"file_id is not served: {_SHARED}", "file_id", Code.UNSUPPORTED_PARAMETER
            )
        if part.get("type") in {"item_reference", "input_file"} and not part.get("file_data"):
            return Mistake(f"{part['type']} is not served: {_SHARED}", "input")
    return None


def _misshapen(endpoint: Endpoint, body: Body) -> Mistake | None:
    wanted = "messages" if endpoint is Endpoint.CHAT else "input"
    found = body.get(wanted)
    choices = body.get("n")
    mistakes = (
        (not found, f"{wanted} is missing", wanted),
        (
            endpoint is Endpoint.CHAT and not isinstance(found, list),
            "messages must be a list",
            "messages",
        ),
        (not isinstance(found, (str, list)), f"{wanted} must be a text or a list", wanted),
        (
            not isinstance(body.get("stream") or False, bool),
            "stream must be true or false",
            "stream",
        ),
        (
            endpoint is Endpoint.EMBEDDINGS and bool(body.get("stream")),
            "embeddings are not streamed; leave it out",
            "stream",
        ),
        (
            not isinstance(body.get("stream_options") or {}, dict),
            "stream_options must be an object",
            "stream_options",
        ),
        (
            choices is not None and not (_is_count(choices) and choices <= _CHOICES),
            f"n must be a whole number from 1 to {_CHOICES}",
            "n",
        ),
    )
    for is_wrong, told, field in mistakes:
        if is_wrong:
            code = Code.INVALID_VALUE if found else Code.MISSING_REQUIRED_PARAMETER
            return Mistake(told, field, code)
    return None


def _written(endpoint: Endpoint, body: Body, longest: int) -> int | Mistake:
    """The bound of one answer: the request's own, else the longest that the policy allows."""
    if endpoint is Endpoint.EMBEDDINGS:
        return 0
    for name in _LIMITS[endpoint]:
        given = body.get(name)
        if given is None:
            continue
        if not _is_count(given):
            return Mistake(f"{name} must be a whole number above zero", name)
        if given > longest:
            return Mistake(f"{name} is {given}; here an answer has {longest} at most", name)
    return _given(endpoint, body) or longest


def _given(endpoint: Endpoint, body: Mapping[str, Any]) -> int:
    return min((body[name] for name in _LIMITS[endpoint] if body.get(name)), default=0)


def _is_deterministic(endpoint: Endpoint, body: Body) -> bool:
    """True where the same request means the same answer: it says so itself."""
    if endpoint is Endpoint.EMBEDDINGS:
        return True
    return body.get("temperature") == DETERMINISTIC or isinstance(body.get("seed"), int)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _parts(body: Body) -> Iterator[Body]:
    """Every part of every message's content."""
    for name in ("messages", "input"):
        found = body.get(name)
        for message in found if isinstance(found, list) else ():
            if not isinstance(message, dict):
                continue
            yield message
            content = message.get("content")
            if isinstance(content, list):
                yield from (part for part in content if isinstance(part, dict))


def _images(body: Body) -> tuple[int, int]:
    """How many images there are, and how many characters of the body hold them."""
    count = hidden = 0
    for part in _parts(body):
        image = part.get("image_url")
        if image is None:
            continue
        count += 1
        address = image.get("url") if isinstance(image, dict) else image
        hidden += len(address) if isinstance(address, str) else 0
    return count, hidden
