# SPDX-License-Identifier: Apache-2.0
"""What models cost: by day, class and tier, rounded as said; what nobody knows is an alarm."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinguard.decide.rates import Cost, Rate, Tier, Unpriced, cost, estimate
from twinguard.decide.tokens import OUTPUTS, TokenClass, Usage
from twinguard.errors import Misconfigured
from twinguard.llm.prices import LOCAL, Prices, Table, TableRate

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
MILLION = 1_000_000
PRICES = Prices()


def priced(model, usage, provider="openai", at=NOW, **more):
    return PRICES.cost(model, usage, provider=provider, at=at, **more)


def rate(**dollars):
    prices = {TokenClass(name): (Tier(0, Decimal(price)),) for name, price in dollars.items()}
    return Rate("m", "p", "v1", prices)


# --- where prices come from ----------------------------------------------------------------------


def test_a_million_tokens_cost_what_the_provider_publishes():
    found = priced("gpt-4o", Usage(input=MILLION, output=MILLION))

    assert found.nanos == 12_500_000_000
    assert found.version.startswith("genai-prices ")


def test_a_dated_name_of_a_model_costs_the_same():
    usage = Usage(input=1000, output=10)

    assert priced("gpt-4o-2024-08-06", usage) == priced("gpt-4o", usage)


def test_a_price_counts_from_its_day_on():
    """o3 became cheaper on 10 June 2025; calls before that day are priced as they were."""
    usage = Usage(input=MILLION)
    before = priced("o3", usage, at=dt.datetime(2025, 6, 9, 12, tzinfo=dt.UTC))
    after = priced("o3", usage, at=dt.datetime(2025, 6, 10, 12, tzinfo=dt.UTC))

    assert (before.nanos, after.nanos) == (10_000_000_000, 2_000_000_000)


@pytest.mark.parametrize(
    ("model", "nanos"),
    [
        ("text-embedding-3-small", 20_000_000),
        ("text-embedding-3-large", 130_000_000),
        ("text-embedding-ada-002", 100_000_000),
    ],
)
def test_embeddings_are_in_the_table(model, nanos):
    found = priced(model, Usage(input=MILLION))

    assert found == Cost(nanos, f"table {Table.read().version}")


def test_a_local_model_costs_nothing_explicitly():
    assert priced("llama2", Usage(input=9, output=9), LOCAL) == Cost(0, "local")


def test_an_unknown_model_is_an_alarm_and_never_zero():
    found = priced("gpt-99-nobody", Usage(input=1))

    assert isinstance(found, Unpriced)
    assert "unknown model" in found.why


def test_a_model_that_is_not_priced_by_tokens_is_an_alarm():
    assert "not priced by tokens" in priced("whisper-1", Usage(input=1)).why


def test_audio_without_a_price_of_its_own_is_an_alarm_and_not_text():
    """It costs many times what text does."""
    found = priced("gpt-4o-audio-preview", Usage(audio_in=5))

    assert found.why == "no price for its audio_in tokens"


def test_a_contract_goes_before_the_library_from_its_day_on():
    contract = Table(
        version="contract 7",
        rates=(
            TableRate(
                provider="openai", model="gpt-4o", since=dt.date(2026, 1, 1), input=Decimal(2)
            ),
            TableRate(
                provider="openai", model="gpt-4o", since=dt.date(2026, 12, 1), input=Decimal(1)
            ),
        ),
    )
    prices = Prices([contract])
    usage = Usage(input=MILLION)

    found = [
        prices.cost("gpt-4o", usage, provider="openai", at=dt.datetime(*day, tzinfo=dt.UTC))
        for day in ((2025, 12, 31), (2026, 11, 30), (2026, 12, 1))
    ]

    assert [one.nanos for one in found] == [2_500_000_000, 2_000_000_000, 1_000_000_000]
    assert found[1].version == "table contract 7"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        json.dumps({"version": "1"}),
        json.dumps({"version": "1", "rates": [{"provider": "p", "model": "m", "input": "-1"}]}),
        json.dumps({"version": "1", "rates": [{"provider": "p", "model": "m", "imput": "1"}]}),
    ],
)
def test_a_table_that_cannot_be_read_stops_here(tmp_path, text):
    """A malformed table that is passed over means yesterday's prices, unseen."""
    path = tmp_path / "prices.json"
    path.write_text(text)

    with pytest.raises(Misconfigured, match=r"prices\.json"):
        Table.read(path)


# --- arithmetic ----------------------------------------------------------------------------------


def test_a_settlement_is_rounded_half_to_even():
    prices = rate(input="0.0005")

    assert [cost(prices, Usage(input=n)).nanos for n in (1, 3, 5)] == [0, 2, 2]


def test_a_hold_is_rounded_up():
    assert estimate(rate(input="0.0001", output="0"), 1, 0).nanos == 7


def test_a_batch_costs_its_share():
    assert cost(rate(input="2"), Usage(input=100), Decimal("0.5")).nanos == 100_000


def test_every_class_has_its_own_price():
    dollars = {kind.value: str(number) for number, kind in enumerate(TokenClass, start=1)}
    usage = Usage(**{kind.value: 1 for kind in TokenClass})

    assert cost(rate(**dollars), usage).nanos == 1000 * sum(range(1, len(TokenClass) + 1))


COUNT = st.integers(0, 400_000)


@settings(deadline=None)
@given(COUNT, COUNT, COUNT, COUNT, st.integers(0, 5000), st.integers(0, 5000))
@pytest.mark.parametrize(
    ("model", "provider"),
    [("gpt-4o", "openai"), ("gemini-2.5-pro", "google"), ("claude-sonnet-4-5", "anthropic")],
)
def test_no_call_within_its_bounds_costs_more_than_its_estimate(
    model, provider, fresh, read, written, image, output, reasoning
):
    usage = Usage(
        input=fresh,
        cache_read=read,
        cache_write=written,
        image_in=image,
        output=output,
        reasoning=reasoning,
    )
    bound = PRICES.estimate(model, usage.input_total, usage.output_total, provider=provider, at=NOW)

    assert cost(PRICES.rate(model, provider, NOW), usage).nanos <= bound.nanos


def test_an_estimate_without_a_price_for_output_is_an_alarm():
    assert "output" in estimate(rate(input="1"), 10, 5).why
    assert estimate(rate(input="1"), 10, 0).nanos > 0
    assert "input" in estimate(rate(output="1"), 10, 5).why


def test_pictures_and_several_answers_raise_the_bound():
    prices = rate(input="1", output="1")
    plain = estimate(prices, 10, 5).nanos

    assert estimate(prices, 10, 5, images=1).nanos > plain
    assert estimate(prices, 10, 5, choices=3).nanos == plain + 10_000


def test_sound_raises_the_bound_only_where_there_is_some():
    prices = rate(input="1", audio_in="40", output="1")

    assert estimate(prices, 10, 0).nanos < estimate(prices, 10, 0, audio=True).nanos


def test_classes_are_inputs_or_outputs():
    usage = Usage(**{kind.value: 1 for kind in TokenClass})

    assert usage.output_total == len(OUTPUTS)
    assert usage.input_total + usage.output_total == usage.total == len(TokenClass)
