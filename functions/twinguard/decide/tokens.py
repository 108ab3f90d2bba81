# SPDX-License-Identifier: Apache-2.0
"""What a call used, in classes that never overlap, whatever the provider's own fields overlap in.

Pure. The sum of the classes is the provider's total; usage that is missing is None, never zero."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

__all__ = ["PROVIDER_SHAPES", "TokenClass", "Usage", "anthropic", "gemini", "openai"]


class TokenClass(enum.StrEnum):
    """A class of tokens with a price of its own; the values are `Usage`'s field names."""

    INPUT = "input"
    CACHE_READ = "cache_read"
    CACHE_WRITE = "cache_write"
    CACHE_WRITE_1H = "cache_write_1h"
    AUDIO_IN = "audio_in"
    AUDIO_CACHE_READ = "audio_cache_read"
    IMAGE_IN = "image_in"
    OUTPUT = "output"
    REASONING = "reasoning"
    AUDIO_OUT = "audio_out"
    IMAGE_OUT = "image_out"


OUTPUTS: Final = frozenset(
    {TokenClass.OUTPUT, TokenClass.REASONING, TokenClass.AUDIO_OUT, TokenClass.IMAGE_OUT}
)


class Usage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of one call by class. `input` and `output` are what is in no other class."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    audio_in: int = 0
    audio_cache_read: int = 0
    image_in: int = 0
    output: int = 0
    reasoning: int = 0
    audio_out: int = 0
    image_out: int = 0

    def each(self) -> Iterator[tuple[TokenClass, int]]:
        """The tokens of each class that has some."""
        for kind, count in zip(TokenClass, _each(self), strict=True):
            if count:
                yield kind, count

    @property
    def input_total(self) -> int:
        """All that went in, cached or not."""
        return sum(_in(self))

    @property
    def output_total(self) -> int:
        """All that came out, thoughts included."""
        return sum(_out(self))

    @property
    def total(self) -> int:
        """The provider's total."""
        return self.input_total + self.output_total


_each = operator.attrgetter(*(kind.value for kind in TokenClass))
_in = operator.attrgetter(*(kind.value for kind in TokenClass if kind not in OUTPUTS))
_out = operator.attrgetter(*(kind.value for kind in OUTPUTS))


class _Unreadable(ValueError):
    """Usage that says less than nothing, or no number at all."""


def openai(usage: object) -> Usage | None:
    """Usage of OpenAI's chat, responses and embeddings, and of what speaks like them.

    Input counts include cached ones, output counts reasoning. Where a total is larger than its two
    parts (Gemini's and Grok's compatible endpoints), the rest is reasoning that output leaves out.
    """
    return _read(usage, _openai)


def anthropic(usage: object) -> Usage | None:
    """Usage of Anthropic's messages: input leaves cached tokens out, output includes thinking."""
    return _read(usage, _anthropic)


def gemini(usage: object) -> Usage | None:
    """Gemini's usageMetadata: the prompt includes cached tokens, candidates leave thoughts out."""
    return _read(usage, _gemini)


PROVIDER_SHAPES: Final[Mapping[str, Callable[[object], Usage | None]]] = {
    "openai": openai,
    "azure": openai,
    "local": openai,
    "anthropic": anthropic,
    "google": gemini,
}
"""Who reads a provider's usage."""


def _read(usage: object, reader: Callable[[Mapping[str, object]], Usage | None]) -> Usage | None:
    if not isinstance(usage, Mapping):
        return None
    try:
        return reader(usage)
    except _Unreadable:
        return None


def _openai(usage: Mapping[str, object]) -> Usage | None:
    asks = "prompt_tokens" if "prompt_tokens" in usage else "input_tokens"
    if asks not in usage:
        return None
    prompt = _count(usage, asks)
    answer = _count(usage, "completion_tokens") or _count(usage, "output_tokens")
    within = _block(usage, "prompt_tokens_details") or _block(usage, "input_tokens_details")
    without = _block(usage, "completion_tokens_details") or _block(usage, "output_tokens_details")
    fresh, (audio, image, cached) = _split(
        prompt,
        _count(within, "audio_tokens"),
        _count(within, "image_tokens"),
        _count(within, "cached_tokens"),
    )
    beyond = max(0, _count(usage, "total_tokens") - prompt - answer)
    output, (spoken, drawn, thought) = _split(
        answer,
        _count(without, "audio_tokens"),
        _count(without, "image_tokens"),
        max(0, _count(without, "reasoning_tokens") - beyond),
    )
    return Usage(
        input=fresh,
        cache_read=cached,
        audio_in=audio,
        image_in=image,
        output=output,
        reasoning=thought + beyond,
        audio_out=spoken,
        image_out=drawn,
    )


def _anthropic(usage: Mapping[str, object]) -> Usage | None:
    if "input_tokens" not in usage:
        return None
    written = _count(usage, "cache_creation_input_tokens")
    by_age = _block(usage, "cache_creation")
    short, (long,) = _split(written, _count(by_age, "ephemeral_1h_input_tokens"))
    return Usage(
        input=_count(usage, "input_tokens"),
        cache_read=_count(usage, "cache_read_input_tokens"),
        cache_write=short,
        cache_write_1h=long,
        output=_count(usage, "output_tokens"),
    )


def _gemini(usage: Mapping[str, object]) -> Usage | None:
    if "promptTokenCount" not in usage:
        return None
    prompt, cached = _count(usage, "promptTokenCount"), _count(usage, "cachedContentTokenCount")
    fresh_or_kept = _by_modality(usage, "promptTokensDetails")
    kept = _by_modality(usage, "cacheTokensDetails")
    heard_before = min(kept.get("AUDIO", 0), cached)
    heard = max(0, fresh_or_kept.get("AUDIO", 0) - heard_before)
    seen = max(0, fresh_or_kept.get("IMAGE", 0) - kept.get("IMAGE", 0))
    fresh, (audio_read, audio, image, read) = _split(
        prompt, heard_before, heard, seen, cached - heard_before
    )
    answer = _count(usage, "candidatesTokenCount")
    made = _by_modality(usage, "candidatesTokensDetails")
    output, (spoken, drawn) = _split(answer, made.get("AUDIO", 0), made.get("IMAGE", 0))
    tools, thoughts = _count(usage, "toolUsePromptTokenCount"), _count(usage, "thoughtsTokenCount")
    beyond = max(0, _count(usage, "totalTokenCount") - prompt - answer - tools - thoughts)
    return Usage(
        input=fresh + tools,
        cache_read=read,
        audio_in=audio,
        audio_cache_read=audio_read,
        image_in=image,
        output=output,
        reasoning=thoughts + beyond,
        audio_out=spoken,
        image_out=drawn,
    )


def _split(total: int, *parts: int) -> tuple[int, tuple[int, ...]]:
    """What is in no part, and the parts, cut so that all of them together are the total.

    Parts that overlap are cut from the last on: name the dearest first."""
    cut = []
    for part in parts:
        cut.append(min(part, total))
        total -= cut[-1]
    return total, tuple(cut)


def _block(usage: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = usage.get(name)
    return found if isinstance(found, Mapping) else {}


def _count(usage: Mapping[str, object], name: str) -> int:
    found = usage.get(name)
    if found is None:
        return 0
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise _Unreadable(name)
    return found


def _by_modality(usage: Mapping[str, object], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    parts = usage.get(name)
    for part in parts if isinstance(parts, Sequence) and not isinstance(parts, str) else ():
        if isinstance(part, Mapping):
            kind = str(part.get("modality", ""))
            found[kind] = found.get(kind, 0) + _count(part, "tokenCount")
    return found
