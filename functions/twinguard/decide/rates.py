# SPDX-License-Identifier: Apache-2.0
"""What tokens cost, in whole nano-dollars: exact for a settlement, an upper bound for a hold.

Pure. Where rates come from: `llm/prices.py`. A holding is rounded up, a settlement half to even, so
that what is set aside is never too little and many settlements do not drift."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from typing import Final

from msgspec import Struct

from twinguard.decide.tokens import OUTPUTS, TokenClass, Usage

PER_TOKEN: Final = 1_000
"""Nano-dollars for a token where a million of them cost one dollar."""

IMAGE_TOKENS: Final = 50_000
"""No image counts as more: the dearest tiling known is below."""

FRAME_TOKENS: Final = 64
"""What a provider's own template may add to a request."""


_INPUTS = frozenset(TokenClass) - OUTPUTS
_SOUND = frozenset({TokenClass.AUDIO_IN, TokenClass.AUDIO_CACHE_READ})


class Tier(Struct, frozen=True):
    """A price for all tokens of calls with more input tokens than `above`. Dollars a million."""

    above: int
    price: Decimal


class Rate(Struct, frozen=True):
    """What a model's tokens cost on a day. Classes that are missing have no price.

    `prices` has the tiers of each class, ascending; `version` says where they are from."""

    model: str
    provider: str
    version: str
    prices: Mapping[TokenClass, tuple[Tier, ...]]


class Unpriced(Struct, frozen=True):
    """Nobody knows what this costs: an alarm, never zero."""

    model: str
    provider: str
    why: str


class Cost(Struct, frozen=True):
    """What a call cost, and the version of the price it was computed with."""

    nanos: int
    version: str


def cost(rate: Rate, usage: Usage, share: Decimal = Decimal(1)) -> Cost | Unpriced:
    """What usage costs, rounded half to even; `share` of it, as 0.5 for a batch at half price."""
    sent = usage.input_total
    exact = Decimal(0)
    for kind, count in usage.each():
        price = _price(rate, kind, sent)
        if price is None:
            return Unpriced(rate.model, rate.provider, f"no price for its {kind} tokens")
        exact += count * price * PER_TOKEN
    nanos = int((exact * share).to_integral_value(ROUND_HALF_EVEN))
    return Cost(nanos, rate.version)


def estimate(
    rate: Rate,
    request_bytes: int,
    max_tokens: int,
    *,
    images: int = 0,
    audio: bool = False,
    choices: int = 1,
) -> Cost | Unpriced:
    """The most a call can cost, rounded up.

    No tokenizer makes more tokens of a text than it has bytes; `images` are the pictures that are
    linked to or come in the request, and are bounded on their own."""
    sent = request_bytes + FRAME_TOKENS + images * IMAGE_TOKENS
    dearest = {}
    silent = frozenset() if audio else _SOUND
    for direction, kinds in (("in", _INPUTS - silent), ("out", OUTPUTS)):
        prices = [price for kind in kinds if (price := _price(rate, kind, sent)) is not None]
        dearest[direction] = max(prices, default=None)
    if dearest["in"] is None or (max_tokens and dearest["out"] is None):
        missing = "input" if dearest["in"] is None else "output"
        return Unpriced(rate.model, rate.provider, f"no price for its {missing} tokens")
    exact = sent * dearest["in"] + choices * max_tokens * (dearest["out"] or 0)
    return Cost(int((exact * PER_TOKEN).to_integral_value(ROUND_CEILING)), rate.version)


def _price(rate: Rate, kind: TokenClass, sent: int) -> Decimal | None:
    """Dollars for a million tokens of a class, in a call with so many input tokens."""
    found = None
    for tier in rate.prices.get(kind, ()):
        if sent > tier.above or tier.above == 0:
            found = tier.price
    return found
