# SPDX-License-Identifier: Apache-2.0
"""One suite for every store of limits: in memory, and in a real Redis."""

from __future__ import annotations

import asyncio
import random
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servers
from twinguard.decide import minutes
from twinguard.decide.minutes import CELL, CELLS, Allowance, Exceeded, Taken
from twinguard.errors import Misconfigured, Unavailable
from twinguard.llm.limits import MemoryLimits, open_limits
from twinguard.llm.limits_redis import RedisLimits
from twinguard.llm.patience import REST, Patience
from twinguard.redis_servers import target_of


@pytest.fixture(params=["memory", "redis", "cluster"])
def limits(request):
    """What makes a store; stores of one event loop each, on the same counters."""
    name = uuid.uuid4().hex
    if request.param == "memory":
        kept = MemoryLimits()
        return lambda: kept
    target = target_of(servers.redis_of(request, request.param))
    return lambda: RedisLimits(target, name)


def run(limits, work):
    async def running():
        store = limits()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(running())


def both(requests=None, tokens=None):
    return (Allowance("environment", requests, tokens), Allowance("key:a", None, None))


def test_as_many_requests_pass_as_are_allowed(limits):
    async def work(store):
        return [await store.take(both(requests=3), 10) for _ in range(5)]

    found = run(limits, work)

    assert [type(one) for one in found] == [Taken] * 3 + [Exceeded] * 2
    assert (found[3].scope, found[3].unit, found[3].limit) == ("environment", "requests", 3)
    assert 59 < found[3].wait <= 66


def test_of_many_at_once_no_more_pass_than_are_allowed(limits):
    async def work(store):
        return await asyncio.gather(*(store.take(both(requests=20), 1) for _ in range(200)))

    found = run(limits, work)

    assert sum(isinstance(one, Taken) for one in found) == 20


def test_tokens_are_counted_as_taken_until_they_are_corrected(limits):
    async def work(store):
        first = await store.take(both(tokens=1000), 900)
        second = await store.take(both(tokens=1000), 900)
        await store.correct(first, 50)
        third = await store.take(both(tokens=1000), 900)
        await store.correct(third, 2_000)  # more than was taken counts as well
        return second, third, await store.take(both(tokens=1000), 1)

    second, third, last = run(limits, work)

    assert isinstance(second, Exceeded)
    assert second.unit == "tokens"
    assert isinstance(third, Taken)
    assert isinstance(last, Exceeded)


def test_a_request_larger_than_the_limit_will_never_pass(limits):
    async def work(store):
        return await store.take(both(tokens=1000), 1001)

    found = run(limits, work)

    assert (found.unit, found.limit, found.wait) == ("tokens", 1000, None)


def test_what_one_scope_refuses_counts_in_none(limits):
    allowances = (Allowance("environment", 2, None), Allowance("key:a", 1, None))
    other = (Allowance("environment", 2, None), Allowance("key:b", 1, None))

    async def work(store):
        first = await store.take(allowances, 1)
        refused = [await store.take(allowances, 1) for _ in range(5)]
        return first, refused, await store.take(other, 1)

    first, refused, last = run(limits, work)

    assert isinstance(first, Taken)
    assert {one.scope for one in refused} == {"key:a"}
    assert isinstance(last, Taken)


def test_nothing_is_limited_where_nothing_is_said(limits):
    async def work(store):
        return [await store.take(both(), 10**9) for _ in range(50)]

    assert all(isinstance(one, Taken) for one in run(limits, work))


def test_a_correction_for_a_minute_that_is_over_changes_nothing(limits):
    async def work(store):
        await store.correct(Taken(both(tokens=10), 1, 5), 10**6)
        return await store.take(both(tokens=10), 10)

    assert isinstance(run(limits, work), Taken)


def test_counters_that_do_not_answer_are_unavailable():
    nowhere = f"redis://127.0.0.1:{servers.free_port()}/0"

    with pytest.raises(Unavailable, match="store of limits does not answer"):
        run(lambda: RedisLimits(target_of(nowhere), "test"), lambda store: store.take(both(), 1))


def test_counters_that_nobody_knows_are_refused():
    with pytest.raises(Misconfigured, match="TWINGUARD_COUNTERS is 'nats://x'"):
        open_limits("nats://x", "staging")


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_wait_that_is_told_is_long_enough_and_no_longer_than_a_cell_too_long():
    clock = Clock()
    store = MemoryLimits(clock)

    async def work():
        await store.take(both(requests=1), 1)
        clock.now += 20
        over = await store.take(both(requests=1), 1)
        clock.now += over.wait - 0.002
        still = await store.take(both(requests=1), 1)
        clock.now += 0.002
        return over, still, await store.take(both(requests=1), 1)

    over, still, after = asyncio.run(work())

    assert 40 <= over.wait <= 46
    assert isinstance(still, Exceeded)
    assert isinstance(after, Taken)


@settings(max_examples=100, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 30_000), min_size=1, max_size=80),
    limit=st.integers(1, 10),
)
def test_no_minute_ever_has_more_than_the_limit_wherever_it_begins(gaps, limit):
    clock, passed = Clock(), []
    store = MemoryLimits(clock)

    async def work():
        for gap in gaps:
            clock.now += gap / 1000
            if isinstance(await store.take(both(requests=limit), 1), Taken):
                passed.append(clock.now)

    asyncio.run(work())

    assert all(sum(start <= other < start + 60 for other in passed) <= limit for start in passed)
    assert passed


def test_memory_forgets_what_is_over():
    clock = Clock()
    store = MemoryLimits(clock)

    async def work():
        for number in range(500):
            await store.take((Allowance(f"key:{number}", 5, 5),), 1)
        clock.now += 120
        await store.take((Allowance("key:new", 5, 5),), 1)

    asyncio.run(work())

    assert set(store._requests) == set(store._tokens) == {"key:new"}


def test_eleven_cells_hold_a_whole_minute():
    assert (CELLS - 1) * CELL == 60_000


def test_the_limit_that_lasts_longest_is_told():
    found = [Exceeded("a", "requests", 1, 5.0), Exceeded("b", "tokens", 1, None)]
    random.shuffle(found)

    assert minutes.worst(found).scope == "b"
    assert minutes.worst([]) is None


def test_a_store_that_did_not_answer_is_left_alone_for_a_moment():
    clock = Clock()
    patience = Patience(clock)
    asked = []

    def ask(fails):
        with patience.asking("the store"):
            asked.append(clock.now)
            if fails:
                raise TimeoutError

    with pytest.raises(Unavailable, match="does not answer"):
        ask(True)
    with pytest.raises(Unavailable, match="a moment ago"):
        ask(False)
    clock.now += REST
    ask(False)

    assert len(asked) == 2
