# SPDX-License-Identifier: Apache-2.0
"""Providers' usage becomes classes that never overlap, and add up to the provider's own total."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinguard.decide.tokens import PROVIDER_SHAPES, Usage, anthropic, gemini, openai

# The shapes that the providers' API references document, and what each of them adds up to.
DOCUMENTED = {
    "OpenAI chat": (
        openai,
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 192,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        Usage(input=86, cache_read=1920, output=108, reasoning=192),
    ),
    "OpenAI chat with audio": (
        openai,
        {
            "prompt_tokens": 500,
            "completion_tokens": 120,
            "total_tokens": 620,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 300},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 90},
        },
        Usage(input=200, audio_in=300, output=30, audio_out=90),
    ),
    "OpenAI responses": (
        openai,
        {
            "input_tokens": 328,
            "input_tokens_details": {"cached_tokens": 128},
            "output_tokens": 52,
            "output_tokens_details": {"reasoning_tokens": 20},
            "total_tokens": 380,
        },
        Usage(input=200, cache_read=128, output=32, reasoning=20),
    ),
    "OpenAI embeddings": (openai, {"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
    "a server without details": (
        openai,
        {
            "prompt_tokens": 26,
            "completion_tokens": 259,
            "total_tokens": 285,
            "prompt_tokens_details": None,
        },
        Usage(input=26, output=259),
    ),
    "Anthropic": (
        anthropic,
        {
            "input_tokens": 2095,
            "cache_creation_input_tokens": 2051,
            "cache_read_input_tokens": 2051,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 1051,
                "ephemeral_1h_input_tokens": 1000,
            },
            "output_tokens": 503,
        },
        Usage(input=2095, cache_read=2051, cache_write=1051, cache_write_1h=1000, output=503),
    ),
    "Anthropic without a cache": (
        anthropic,
        {
            "input_tokens": 10,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
            "output_tokens": 5,
        },
        Usage(input=10, output=5),
    ),
    "Gemini that thinks": (
        gemini,
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 40,
            "candidatesTokenCount": 25,
            "thoughtsTokenCount": 700,
            "toolUsePromptTokenCount": 30,
            "totalTokenCount": 855,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}],
        },
        Usage(input=90, cache_read=40, output=25, reasoning=700),
    ),
    "Gemini that sees, hears and draws": (
        gemini,
        {
            "promptTokenCount": 1000,
            "cachedContentTokenCount": 150,
            "candidatesTokenCount": 1300,
            "totalTokenCount": 2300,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 342},
                {"modality": "IMAGE", "tokenCount": 258},
                {"modality": "AUDIO", "tokenCount": 400},
            ],
            "cacheTokensDetails": [
                {"modality": "AUDIO", "tokenCount": 100},
                {"modality": "TEXT", "tokenCount": 50},
            ],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1290}],
        },
        Usage(
            input=292,
            cache_read=50,
            audio_in=300,
            audio_cache_read=100,
            image_in=258,
            output=10,
            image_out=1290,
        ),
    ),
}


def total_of(told) -> int:
    """The provider's own total; Anthropic tells none, its parts are apart."""
    for name in ("total_tokens", "totalTokenCount"):
        if name in told:
            return told[name]
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(told[name] or 0 for name in (*parts, "output_tokens"))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_documented_shape_is_told_apart_and_adds_up(name):
    reader, told, usage = DOCUMENTED[name]

    assert reader(told) == usage
    assert usage.total == total_of(told)


def test_every_provider_of_prices_has_a_reader():
    assert {"openai", "anthropic", "google", "local"} <= set(PROVIDER_SHAPES)


@pytest.mark.parametrize(
    "told",
    [
        None,
        "usage",
        [],
        {},
        {"total_tokens": 5},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": "7", "completion_tokens": 2},
        {"prompt_tokens": 1.5},
        {"prompt_tokens": True},
        {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": -5}},
    ],
)
def test_usage_that_cannot_be_read_is_missing_and_never_zero(told):
    assert openai(told) is None


@pytest.mark.parametrize("reader", [anthropic, gemini])
def test_a_shape_of_somebody_else_is_missing(reader):
    assert reader({"prompt_tokens": 5}) is None
    assert reader({"promptTokenCount": -1, "input_tokens": -1}) is None


COUNT = st.integers(0, 10**7)
MAYBE = st.one_of(st.none(), COUNT)


@settings(deadline=None)
@given(COUNT, COUNT, st.lists(MAYBE, min_size=5, max_size=5))
def test_openais_parts_always_add_up_however_they_overlap(prompt, answer, parts):
    cached, audio, image, thought, spoken = parts
    usage = openai(
        {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
            "prompt_tokens_details": {
                "cached_tokens": cached,
                "audio_tokens": audio,
                "image_tokens": image,
            },
            "completion_tokens_details": {"reasoning_tokens": thought, "audio_tokens": spoken},
        }
    )

    assert (usage.input_total, usage.output_total) == (prompt, answer)
    assert all(count > 0 for _, count in usage.each())


@settings(deadline=None)
@given(COUNT, COUNT, COUNT, COUNT, COUNT, st.lists(COUNT, min_size=3, max_size=3))
def test_geminis_parts_always_add_up_however_they_overlap(
    prompt, cached, answer, thoughts, tools, details
):
    heard, seen, kept = details
    cached = min(cached, prompt)
    usage = gemini(
        {
            "promptTokenCount": prompt,
            "cachedContentTokenCount": cached,
            "candidatesTokenCount": answer,
            "thoughtsTokenCount": thoughts,
            "toolUsePromptTokenCount": tools,
            "totalTokenCount": prompt + answer + thoughts + tools,
            "promptTokensDetails": [
                {"modality": "AUDIO", "tokenCount": heard},
                {"modality": "IMAGE", "tokenCount": seen},
            ],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": kept}],
        }
    )

    assert usage.total == prompt + answer + thoughts + tools
    assert all(count > 0 for _, count in usage.each())


@settings(deadline=None)
@given(COUNT, COUNT, COUNT, COUNT, COUNT)
def test_anthropics_parts_always_add_up(fresh, written, long, read, answer):
    usage = anthropic(
        {
            "input_tokens": fresh,
            "cache_creation_input_tokens": written,
            "cache_creation": {"ephemeral_1h_input_tokens": long},
            "cache_read_input_tokens": read,
            "output_tokens": answer,
        }
    )

    assert usage.total == fresh + written + read + answer
