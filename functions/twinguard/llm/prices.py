# SPDX-License-Identifier: Apache-2.0
"""What models cost: the kept library, offline, with a table of our own before it.

Never guesses: a model that nobody knows is `Unpriced`. Arithmetic is in `decide/rates.py`."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable
from decimal import Decimal
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from twinguard.blocks import refuse
from twinguard.decide import rates
from twinguard.decide.rates import Cost, Rate, Tier, Unpriced
from twinguard.decide.tokens import TokenClass, Usage
from twinguard.errors import Misconfigured

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

__all__ = ["LOCAL", "Prices", "Table", "TableRate"]

LOCAL: Final = "local"
"""The provider of models on one's own machines: they cost nothing, explicitly."""

_TABLE = Path(__file__).with_name("prices.json")

# The price keys of the library in which a class's price is looked for. Audio and images that are
# made cost several times what text costs: without a price of their own they have none. What is
# cached or thought without a price of its own costs what input and output cost.
_KEYS: dict[TokenClass, tuple[str, ...]] = {
    TokenClass.INPUT: ("input_mtok",),
    TokenClass.CACHE_READ: ("cache_read_mtok", "input_mtok"),
    TokenClass.CACHE_WRITE: ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    TokenClass.CACHE_WRITE_1H: ("cache_write_1h_mtok",),
    TokenClass.AUDIO_IN: ("input_audio_mtok",),
    TokenClass.AUDIO_CACHE_READ: ("cache_audio_read_mtok", "input_audio_mtok"),
    TokenClass.IMAGE_IN: ("input_image_mtok", "input_mtok"),
    TokenClass.OUTPUT: ("output_mtok",),
    TokenClass.REASONING: ("output_reasoning_mtok", "output_mtok"),
    TokenClass.AUDIO_OUT: ("output_audio_mtok",),
    TokenClass.IMAGE_OUT: ("output_image_mtok",),
}


class TableRate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of a model from a day on, in dollars for a million tokens; all zero for a local one.

    A class that is left out costs what the plain one costs: cached ones as input, thoughts as
    output; audio and made images have no price unless it is given."""

    provider: str
    model: str
    since: dt.date = msgspec.field(name="from", default=dt.date(1970, 1, 1))
    input: Decimal
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    image_in: Decimal | None = None
    audio_in: Decimal | None = None
    audio_cache_read: Decimal | None = None
    reasoning: Decimal | None = None
    audio_out: Decimal | None = None
    image_out: Decimal | None = None

    def __post_init__(self) -> None:
        for kind in TokenClass:
            price = getattr(self, kind.value)
            refuse(
                price is not None and not (price.is_finite() and price >= 0),
                f"{self.model}: {kind} must be zero or more dollars for a million tokens",
            )


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices that go before the library's: embeddings, own contracts, own machines."""

    version: str
    rates: tuple[TableRate, ...]

    @classmethod
    def read(cls, path: Path = _TABLE) -> Table:
        """The table in a JSON file; Misconfigured where it is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as err:
            raise Misconfigured(
                f"{path}: is no table of prices ({err}); write it like {_TABLE.name}"
            ) from err


class Prices:
    """Rates by model and day. `tables` go first, the first one foremost."""

    def __init__(self, tables: Iterable[Table] | None = None) -> None:
        self._tables = (Table.read(),) if tables is None else tuple(tables)
        self._rate = functools.lru_cache(maxsize=4096)(self._looked_up)

    def rate(self, model: str, provider: str, at: dt.datetime) -> Rate | Unpriced:
        """What a model's tokens cost at a time."""
        return self._rate(
            model, provider, at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        )

    def cost(
        self,
        model: str,
        usage: Usage,
        *,
        provider: str,
        at: dt.datetime,
        share: Decimal = Decimal(1),
    ) -> Cost | Unpriced:
        """What usage cost, for a settlement: half to even. `share` 0.5: at half price."""
        rate = self.rate(model, provider, at)
        return rate if isinstance(rate, Unpriced) else rates.cost(rate, usage, share)

    def estimate(
        self,
        model: str,
        request_bytes: int,
        max_tokens: int,
        *,
        provider: str,
        at: dt.datetime,
        images: int = 0,
        audio: bool = False,
        choices: int = 1,
    ) -> Cost | Unpriced:
        """The most a call can cost, for a hold: rounded up."""
        rate = self.rate(model, provider, at)
        if isinstance(rate, Unpriced):
            return rate
        return rates.estimate(
            rate, request_bytes, max_tokens, images=images, audio=audio, choices=choices
        )

    def _looked_up(self, model: str, provider: str, hour: dt.datetime) -> Rate | Unpriced:
        for table in self._tables:
            fitting = [
                rate
                for rate in table.rates
                if (rate.provider, rate.model) == (provider, model) and rate.since <= hour.date()
            ]
            if fitting:
                return _of_table(max(fitting, key=lambda rate: rate.since), table.version)
        if provider == LOCAL:
            free = {kind: (Tier(0, Decimal(0)),) for kind in TokenClass}
            return Rate(model, provider, "local", free)
        return _of_library(model, provider, hour)


def _of_table(found: TableRate, version: str) -> Rate:
    own = {kind: getattr(found, kind.value) for kind in TokenClass}
    usual = {
        TokenClass.CACHE_READ: found.input,
        TokenClass.CACHE_WRITE: found.input,
        TokenClass.IMAGE_IN: found.input,
        TokenClass.AUDIO_CACHE_READ: found.audio_in,
        TokenClass.REASONING: found.output,
    }
    prices = {
        kind: (Tier(0, price),)
        for kind in TokenClass
        if (price := own[kind] if own[kind] is not None else usual.get(kind)) is not None
    }
    return Rate(found.model, found.provider, f"table {version}", prices)


def _of_library(model: str, provider: str, hour: dt.datetime) -> Rate | Unpriced:
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, found = get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return Unpriced(
            model, provider, "unknown model; add it to the table of prices, zero if it is free"
        )
    price = found.get_prices(hour)
    prices = {
        kind: tiers
        for kind, keys in _KEYS.items()
        if (tiers := _tiers(price, (*keys, *_spoken(provider, kind)))) is not None
    }
    if TokenClass.INPUT not in prices:
        return Unpriced(
            model, provider, "it is not priced by tokens; add it to the table of prices"
        )
    return Rate(model, provider, f"genai-prices {_library()}", prices)


def _spoken(provider: str, kind: TokenClass) -> tuple[str, ...]:
    """Google prices audio that goes in like text, where it says nothing else."""
    audio = {TokenClass.AUDIO_IN: "input_mtok", TokenClass.AUDIO_CACHE_READ: "cache_read_mtok"}
    return (audio[kind],) if provider == "google" and kind in audio else ()


def _tiers(price: ModelPrice, keys: Iterable[str]) -> tuple[Tier, ...] | None:
    from genai_prices.types import TieredPrices

    for key in keys:
        found = getattr(price, key)
        if isinstance(found, TieredPrices):
            steps = (Tier(tier.start, tier.price) for tier in found.tiers)
            return (Tier(0, found.base), *steps)
        if found is not None:
            return (Tier(0, found),)
    return None


@functools.cache
def _library() -> str:
    return version_of("genai-prices")
