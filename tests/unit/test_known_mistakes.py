# SPDX-License-Identifier: Apache-2.0
"""Mistakes that users reported of others who count what models cost. None of them is made here.

Each test is named after the thread, in the repository of that name."""

from __future__ import annotations

import datetime as dt
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from fakes import MemoryRecords
from ledgers import ACME, DECEMBER, KEY, NOON, STAGING, Clock, made, redis_ledger
from twinguard import config
from twinguard.decide.ledger import (
    NANOS,
    Budgets,
    Held,
    Limit,
    Outcome,
    Period,
    Reason,
    Scope,
    Wanted,
)
from twinguard.decide.rates import Unpriced
from twinguard.decide.tokens import Usage, gemini, openai
from twinguard.errors import Unavailable
from twinguard.llm.budgets import budgets_of
from twinguard.llm.ledger_book import Book
from twinguard.llm.ledger_kept import KeptLedger
from twinguard.llm.prices import Prices
from twinguard.policy import Environment, Policy, Retention

PRICES = Prices()
LEASE = 60


def ledger_of(dollars, clock=None):
    return made("memory", "", Budgets({STAGING: int(dollars * NANOS)}), clock or Clock())


def hold(ledger, name, nanos, scopes=(STAGING,)):
    return ledger.hold(Wanted(name, 1, scopes, nanos, LEASE))


# 1. Look, then spend.


def test_litellm_26672_34732_40095_a_burst_does_not_pass_on_one_old_balance():
    ledger = ledger_of(1)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda n: hold(ledger, f"r{n}", NANOS // 10), range(200)))

    assert sum(isinstance(answer, Held) for answer in answers) == 10


# 2. What is set aside and never given back.


def test_litellm_27639_a_cancelled_call_blocks_nobody_after_its_lease():
    clock = Clock()
    ledger = ledger_of(1, clock)
    hold(ledger, "cancelled", NANOS)
    clock.passes(LEASE)

    assert isinstance(hold(ledger, "next", NANOS), Held)


def test_litellm_pr_29493_30460_counters_do_not_grow_to_twice_what_was_spent():
    """Held and spent are apart: a settlement replaces what was held, it is not added to it."""
    ledger = ledger_of(10)
    for number in range(50):
        ledger.settle(hold(ledger, f"r{number}", NANOS // 10), NANOS // 10)

    (standing,) = ledger.totals([STAGING])
    assert (standing.spent, standing.held) == (5 * NANOS, 0)


def test_litellm_36926_40050_calls_one_after_the_other_are_never_refused_for_what_was_held():
    ledger = ledger_of(1)
    for number in range(500):
        held = hold(ledger, f"r{number}", NANOS - 500_000)

        assert isinstance(held, Held)
        ledger.settle(held, 1000)


# 3. Bounds that fill a budget, and bounds that are too low.


def test_litellm_pr_38647_a_budget_filled_by_bounds_is_busy_and_not_spent():
    """A coding agent's worst cases fill 25 USD while nothing is spent: wait, do not give up."""
    ledger = ledger_of(25)
    for number in range(25):
        hold(ledger, f"r{number}", NANOS)

    refused = hold(ledger, "one more", NANOS)

    assert (refused.reason, refused.spent, refused.retry_after) == (Reason.BUDGET_HELD, 0, 10)


def test_litellm_pr_40002_a_long_context_is_held_at_its_own_price():
    at = {"provider": "google", "at": NOON}
    short = PRICES.estimate("gemini-2.5-pro", 199_000, 0, **at).nanos
    long = PRICES.estimate("gemini-2.5-pro", 201_000, 0, **at).nanos
    real = PRICES.cost("gemini-2.5-pro", Usage(input=201_000), **at).nanos

    assert real <= long
    assert long > 1.9 * short


# 4. Resets.


def test_litellm_20532_25495_no_scope_is_forgotten_when_a_month_begins():
    clock = Clock()
    ledger = ledger_of(1, clock)
    ledger.settle(hold(ledger, "r1", NANOS, (STAGING, ACME, KEY)), NANOS)
    clock.now = DECEMBER

    assert [one.spent for one in ledger.totals([STAGING, ACME, KEY])] == [0, 0, 0]


def test_litellm_22013_what_is_spent_as_a_month_begins_is_not_wiped():
    """There is no reset job that could come late: the month is part of the name."""
    clock = Clock(DECEMBER + dt.timedelta(milliseconds=1))
    ledger = ledger_of(1, clock)
    ledger.settle(hold(ledger, "r1", NANOS), NANOS)
    clock.passes(3600)

    assert hold(ledger, "r2", 1).reason is Reason.BUDGET_SPENT


def test_litellm_34492_a_new_limit_on_an_old_key_is_not_used_up_by_its_past():
    clock = Clock()
    ledger = ledger_of(100, clock)
    ledger.settle(hold(ledger, "r1", 90 * NANOS, (STAGING, KEY)), 90 * NANOS)
    clock.now = DECEMBER
    ledger.set_limit(Limit(KEY, NANOS, 1))

    assert isinstance(hold(ledger, "r2", NANOS, (STAGING, KEY)), Held)


def test_litellm_8364_it_says_when_it_begins_anew_and_keeps_the_history():
    clock = Clock()
    ledger = ledger_of(1, clock)
    ledger.settle(hold(ledger, "r1", NANOS), NANOS)
    refused = hold(ledger, "r2", 1)
    clock.now = DECEMBER

    assert "until 2026-12-01" in refused.remedy
    assert ledger.totals([STAGING], Period("2026-11"))[0].spent == NANOS


# 6. Clients that leave.


def test_litellm_14457_13245_a_call_whose_client_left_is_settled_however_late():
    clock = Clock()
    ledger = ledger_of(1, clock)
    held = hold(ledger, "r1", NANOS)
    clock.passes(10 * LEASE)

    assert ledger.settle(held, 1000).outcome is Outcome.LATE
    assert ledger.totals([STAGING])[0].spent == 1000


def test_litellm_pr_36008_37992_an_explicit_zero_is_not_billed_as_a_bound():
    told = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

    assert openai(told) == Usage()
    assert openai(None) is None
    assert PRICES.cost("gpt-4o", Usage(), provider="openai", at=NOON).nanos == 0


# 7. Tokens in two classes.


def test_litellm_6215_9812_14849_cached_tokens_are_billed_once():
    told = {
        "prompt_tokens": 10_000,
        "completion_tokens": 0,
        "total_tokens": 10_000,
        "prompt_tokens_details": {"cached_tokens": 9_000},
    }

    usage = openai(told)

    # 1,000 fresh at 2.50 USD and 9,000 cached at 1.25 USD a million.
    assert PRICES.cost("gpt-4o", usage, provider="openai", at=NOON).nanos == 13_750_000


def test_litellm_pr_37407_cached_and_image_counts_that_overlap_are_billed_once():
    told = {
        "prompt_tokens": 1_000,
        "completion_tokens": 0,
        "total_tokens": 1_000,
        "prompt_tokens_details": {"cached_tokens": 900, "image_tokens": 800},
    }

    assert openai(told).input_total == 1_000


# 8. Thoughts.


def test_langfuse_13792_14144_16321_geminis_thoughts_are_output():
    told = {
        "promptTokenCount": 10,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 1_000,
        "totalTokenCount": 1_030,
    }

    found = PRICES.cost("gemini-2.5-pro", gemini(told), provider="google", at=NOON)

    assert gemini(told).output_total == 1_020
    assert found.nanos == 10 * 1_250 + 1_020 * 10_000


def test_langfuse_13792_thoughts_count_where_a_compatible_endpoint_only_has_them_in_its_total():
    told = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 1_030}

    assert openai(told) == Usage(input=10, output=20, reasoning=1_000)


# 9. Budgets that nothing enforces.


def test_bifrost_5673_a_budget_that_is_written_is_enforced_and_one_that_is_misspelt_is_refused():
    """The other half, routes that go past the budgets, is in flows/test_gateway_failures.py."""
    limits = {"tenant:*": 9, "tenant:acme": 7, "feature:chat": 5, "key:k1": 3, "model:a/b": 1}
    raw = msgspec.to_builtins(config.load(config.path_of(Environment.STAGING)))

    budgets = budgets_of(msgspec.convert({**raw, "spending": {"limits": limits}}, Policy))

    for name, dollars in limits.items():
        assert budgets.limit_of(Scope.of(name)) == dollars * NANOS
    assert budgets.limit_of(STAGING) == int(raw["openai"]["monthly_budget"]) * NANOS
    for wrong in ({"budget": limits}, {"limits": {"tenants:acme": 7}}):
        with pytest.raises(msgspec.ValidationError, match=r"unknown field|matching regex"):
            msgspec.convert({**raw, "spending": wrong}, Policy)


# 10. Limiters that never fill.


def test_wso2_api_platform_2936_a_budget_does_not_refill_as_time_passes():
    clock = Clock(dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    ledger = ledger_of(1, clock)
    for number in range(29):
        held = hold(ledger, f"r{number}", NANOS // 25)
        if isinstance(held, Held):
            ledger.settle(held, NANOS // 25)
        clock.passes(24 * 3600)

    assert ledger.totals([STAGING])[0].spent == NANOS
    assert hold(ledger, "next", 1).reason is Reason.BUDGET_SPENT


def test_wso2_api_platform_2932_a_call_counts_what_it_costs_and_not_one():
    ledger = ledger_of(1)
    ledger.settle(hold(ledger, "r1", 777), 555)

    assert ledger.totals([STAGING])[0].spent == 555


def test_langwatch_6141_the_smallest_costs_add_up():
    """One token of a cheap embedding costs 20 nano-dollars: no rounding swallows it."""
    ledger = ledger_of(1)
    cheap = PRICES.cost("text-embedding-3-small", Usage(input=1), provider="openai", at=NOON)
    for number in range(1_000):
        ledger.settle(hold(ledger, f"r{number}", cheap.nanos), cheap.nanos)

    assert ledger.totals([STAGING])[0].spent == 20_000


# 11. Buffered writes after an administrator's.


def test_unkey_5529_a_limit_that_was_on_its_way_does_not_undo_a_newer_one():
    ledger = ledger_of(1)
    ledger.set_limit(Limit(ACME, 80, 2))

    assert not ledger.set_limit(Limit(ACME, 50, 1))
    assert ledger.totals([ACME])[0].limit == 80


def test_unkey_5529_sums_that_were_on_their_way_do_not_count_twice_after_a_rebuild():
    book = Book(MemoryRecords(), Retention())
    ledger = KeptLedger(made("memory", "", Budgets(), Clock(), book.known), book)
    ledger.settle(hold(ledger, "r1", 30), 30)
    ledger.flush()
    ledger.heal(Period("2026-11"))
    ledger.settle(hold(ledger, "r2", 5), 5)
    ledger.flush()
    ledger.heal(Period("2026-11"))

    assert ledger.totals([STAGING])[0].spent == 35


# 12. A store that is slow or down.


def test_autogpt_pr_12990_litellm_rs_836_a_store_that_does_not_answer_lets_nobody_spend():
    """No fallback to a limit of one's own: so many processes would have as many budgets."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        ledger = redis_ledger(f"redis://127.0.0.1:{port}/0", Budgets({STAGING: 1}), timeout=0.05)
        started = time.monotonic()

        with pytest.raises(Unavailable, match="got no answer"):
            hold(ledger, "r1", 1)

        assert time.monotonic() - started < 30
        ledger._client.close()


# The incident reports of LiteLLM's blog.


def test_litellm_model_cost_map_incident_an_unknown_model_is_not_free():
    found = PRICES.cost("gpt-4o-of-next-year", Usage(input=5), provider="nobody", at=NOON)

    assert isinstance(found, Unpriced)
