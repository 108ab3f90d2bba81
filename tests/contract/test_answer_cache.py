# SPDX-License-Identifier: Apache-2.0
"""One suite for every cache of answers, in memory and in a real Redis: tenants never meet in it."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import servers
from twinguard.decide import llm_requests
from twinguard.decide.llm_requests import Endpoint
from twinguard.decide.llm_routes import Route
from twinguard.decide.tokens import Usage
from twinguard.errors import Misconfigured, Unavailable
from twinguard.llm.cache import (
    LARGEST_ENTRY,
    Entry,
    Key,
    MemoryCache,
    RedisCache,
    key_of,
    open_cache,
)
from twinguard.redis_servers import target_of

ROUTE = Route("gpt-4", "openai", "openai")


def entry(tenant, body=b"{}"):
    return Entry(tenant, b"application/json", body, ROUTE, Usage(input=1), 5, "v1")


def question(tenant, /, **body):
    found = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}]} | body
    raw = json.dumps(found).encode()
    asked = llm_requests.asked(Endpoint.CHAT, found, len(raw), 100)
    return key_of(tenant, asked, ROUTE)


@pytest.fixture(params=["memory", "redis", "cluster"])
def cache(request):
    """What makes a cache; of one event loop each, on the same store."""
    if request.param == "memory":
        kept = MemoryCache(60, 10**8)
        return lambda: kept
    target, name = target_of(servers.redis_of(request, request.param)), uuid.uuid4().hex
    return lambda: RedisCache(target, name, 60)


def run(cache, work):
    async def running():
        store = cache()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(running())


def test_what_was_kept_is_found_and_nothing_else(cache):
    async def work(store):
        await store.put(question("acme"), entry("acme", b"one"))
        return await store.get(question("acme")), await store.get(question("acme", seed=1))

    assert run(cache, work) == (entry("acme", b"one"), None)


tenants = st.sampled_from(["acme", "globex", "Acme", "acme ", "acme\x00", "a", "b", "acme:x"])
bodies = st.dictionaries(
    st.sampled_from(["seed", "user", "temperature", "tenant", "top_p"]),
    st.sampled_from([0, 1, "acme", "globex", None]),
    max_size=3,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.tuples(tenants, bodies, st.booleans()), max_size=30))
def test_no_order_of_questions_gives_one_tenants_answer_to_another(cache, steps):
    """BerriAI/litellm#29955, #12234, #29086."""

    async def work(store):
        found = []
        for number, (tenant, body, keeps) in enumerate(steps):
            key = question(tenant, **body)
            if keeps:
                told = json.dumps([tenant, body, number]).encode()
                await store.put(key, entry(tenant, told))
            if (hit := await store.get(key)) is not None:
                found.append((tenant, body, json.loads(hit.body)))
        return found

    for tenant, body, (owner, asked, _number) in run(cache, work):
        assert (owner, asked) == (tenant, body)


def test_an_entry_in_the_wrong_place_is_no_hit(cache):
    """Whatever a store returns: an entry says whose it is."""

    async def work(store):
        await store.put(Key("globex", "d"), entry("acme"))
        if isinstance(store, RedisCache):
            import msgspec

            await store._client.set(
                store._name(Key("globex", "d")), msgspec.msgpack.encode(entry("acme"))
            )
        else:
            store._kept[Key("globex", "d")] = (1e12, entry("acme"))
        return await store.get(Key("globex", "d"))

    assert run(cache, work) is None


def test_an_answer_that_is_too_large_is_not_kept(cache):
    async def work(store):
        await store.put(question("acme"), entry("acme", b"x" * (LARGEST_ENTRY + 1)))
        return await store.get(question("acme"))

    assert run(cache, work) is None


def test_everything_that_changes_an_answer_changes_the_key():
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}]}
    asked = llm_requests.asked(Endpoint.CHAT, body, 100, 100)
    keys = {
        key_of("acme", asked, ROUTE),
        key_of("globex", asked, ROUTE),
        key_of("acme", asked, replace(ROUTE, model="gpt-3.5-turbo")),
        key_of("acme", replace(asked, longest=50), ROUTE),
        key_of("acme", replace(asked, endpoint=Endpoint.RESPONSES), ROUTE),
        *(question("acme", **{name: 1}) for name in ("seed", "temperature", "n", "top_p", "new")),
        question("acme", stream=True),
        question("acme", messages=[{"role": "user", "content": "y"}]),
        question("acme", messages=[{"role": "system", "content": "x"}]),
    }

    assert len(keys) == 13


def test_memory_is_bounded_and_the_longest_unused_goes_first():
    store = MemoryCache(60, 2_000)

    async def work():
        for seed in range(3):
            await store.put(question("acme", seed=seed), entry("acme", b"x" * 400))
            await store.get(question("acme", seed=0))
        return [await store.get(question("acme", seed=seed)) is not None for seed in range(3)]

    assert asyncio.run(work()) == [True, False, True]
    assert store.size <= 2_000


def test_memory_forgets_in_time():
    now = [0.0]
    store = MemoryCache(60, 10**6, lambda: now[0])

    async def work():
        await store.put(question("acme"), entry("acme"))
        now[0] = 60.0
        return await store.get(question("acme"))

    assert asyncio.run(work()) is None
    assert store.size == 0


def test_redis_forgets_in_time(redis_server):
    name = uuid.uuid4().hex

    async def work():
        store = RedisCache(target_of(redis_server.environment["TWINGUARD_COUNTERS"]), name, 77)
        await store.put(question("acme"), entry("acme"))
        left = await store._client.ttl(store._name(question("acme")))
        await store.close()
        return left

    assert 70 <= asyncio.run(work()) <= 77


def test_a_cache_that_does_not_answer_holds_nothing():
    store = f"redis://127.0.0.1:{servers.free_port()}/0"

    async def work():
        cache = RedisCache(target_of(store), "test", 60)
        with pytest.raises(Unavailable):
            await cache.put(question("acme"), entry("acme"))
        found = await cache.get(question("acme"))
        await cache.close()
        return found

    assert asyncio.run(work()) is None


def test_caches_are_opened_by_address():
    assert open_cache("memory://", "staging", 0, 1) is None
    assert isinstance(open_cache("memory://", "staging", 60, 1), MemoryCache)
    with pytest.raises(Misconfigured, match="TWINGUARD_CACHE is 'file:///x'"):
        open_cache("file:///x", "staging", 60, 1)
