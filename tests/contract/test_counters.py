# SPDX-License-Identifier: Apache-2.0
"""What every store of counters promises: the same answers for the same uses.

Memory, a Redis server and a Redis cluster of three masters; `test_counters_records.py` has what
Firestore is used for."""

from __future__ import annotations

import datetime as dt
import itertools
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes import MemoryRecords
from servers import redis_answer
from threats import AGENT, AWAY, CALL, HOME, PLACES, RUNNER, START, owned, use
from twinguard.counters import Answer
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.values import ThreatLevel, Use
from twinguard.errors import Misconfigured, Unavailable
from twinguard.state.counters import Options, open_counters
from twinguard.state.counters_records import RecordsCounters

SECOND = 1 / 86400
OWNED = owned(9, per_hour=2)
THEFT = [use(9.3 + 5 * n * SECOND, AWAY, "curl/8.1", CALL) for n in range(40)]
OPTIONS = Options(place_of=PLACES.get, timeout=5.0)


@pytest.fixture(params=["memory", "redis", "cluster"])
def opened(request):
    """Opens the same store as often as it is called, as several instances would."""
    if request.param == "memory":
        only = open_counters("memory://", OPTIONS)
        return lambda: only
    server = request.getfixturevalue(f"redis_{'server' if request.param == 'redis' else 'cluster'}")
    return emptied(server.environment["TWINGUARD_COUNTERS"])


@pytest.fixture(params=["redis", "cluster"])
def shared(request):
    """The stores that outlive a process."""
    server = request.getfixturevalue(f"redis_{'server' if request.param == 'redis' else 'cluster'}")
    return emptied(server.environment["TWINGUARD_COUNTERS"])


def emptied(url):
    store = open_counters(url, OPTIONS)
    store._calls._client().flushall()
    return lambda: open_counters(url, OPTIONS)


@pytest.fixture
def key():
    return f"key-{uuid.uuid4().hex[:12]}"


def of(key, uses):
    return [replace(one, key_id=key) for one in uses]


def seen(counters, uses):
    return [finding for one in uses for finding in counters.observe(one).findings]


def observed(watch, one):
    """What a watch says of a use, as stores do."""
    return Answer(findings=watch.observe(one), is_strange=watch.is_strange(one))


def watched(uses):
    watch = Watch(place_of=PLACES.get)
    return [finding for one in uses for finding in watch.observe(one)], watch


def worst(found):
    return max((finding.threat_level.rank for finding in found), default=0)


def blocked(key, at=START, **more):
    return Restraint(key_id=key, curb=Curb.BLOCK, since=at.timestamp(), reason="stolen", **more)


def throttled(key, at=START, rate=10, **more):
    since = at.timestamp()
    return Restraint(key_id=key, curb=Curb.THROTTLE, since=since, rate=rate, **more)


# --- the same answers ----------------------------------------------------------------------------


def test_a_theft_is_found_as_in_memory(opened, key):
    uses = of(key, [*OWNED, *THEFT])
    found = seen(opened(), uses)

    assert found == watched(uses)[0]
    assert worst(found) >= ThreatLevel.HIGH.rank


def test_a_thief_with_several_keys_is_found_as_in_memory(opened):
    names = [f"key-{uuid.uuid4().hex[:12]}" for _ in range(3)]
    own = [replace(one, key_id=name) for one in OWNED for name in names]
    tried = [
        use(9.3 + (9 * k + n) * SECOND, AWAY, "curl/8.1", "/v1/models", key_id=name)
        for k, name in enumerate(names)
        for n in range(4)
    ]
    found = seen(opened(), [*own, *tried])

    assert found == watched([*own, *tried])[0]
    assert {one.key_id for one in found if one.threat_level.rank >= 3} == set(names)


def test_several_instances_find_together_what_one_would_find(shared, key):
    uses = of(key, [*OWNED, *THEFT])
    instances = itertools.cycle([shared() for _ in range(3)])
    found = [finding for one in uses for finding in next(instances).observe(one).findings]

    assert worst(found) >= ThreatLevel.HIGH.rank
    assert [one.threat_level for one in found] == sorted(
        {one.threat_level for one in found}, key=lambda level: level.rank
    )


def test_late_and_repeated_uses_change_nothing(opened, key):
    exact = [replace(one, at=one.at.replace(microsecond=7)) for one in of(key, THEFT)]
    late = [replace(one, at=one.at - dt.timedelta(days=3)) for one in exact]
    store = opened()
    seen(store, of(key, OWNED))
    found = seen(
        store, [again for one, old in zip(exact, late, strict=True) for again in (one, one, old)]
    )

    assert found == watched([*of(key, OWNED), *exact])[0]


ADDRESSES = [HOME, HOME, HOME, AWAY, RUNNER, *(f"10.{n}.0.1" for n in range(6)), "", "host.example"]
AGENTS = [AGENT, AGENT, "curl/8.1", "sqlmap/1", "", "Mozilla/5.0 (X11; Linux) Firefox/120.0"]
PATHS = [CALL, CALL, "/v1/models", "/v1/files/8", "/admin"]
GAPS = [0, 0.25, 1, 3, 7, 20, 61, 600, 1000, 3700, 7 * 3600, 26 * 3600, 4 * 86400, -2, -9]
STEPS = st.tuples(
    st.sampled_from(GAPS),
    st.sampled_from(["a", "a", "b"]),
    st.sampled_from(ADDRESSES),
    st.sampled_from(AGENTS),
    st.sampled_from(PATHS),
    st.sampled_from([200, 200, 200, 401, 404]),
    st.integers(1, 12),
)


def told(steps, begin):
    """Uses from steps: each happens several times, a few milliseconds apart."""
    at = begin
    for gap, key, ip, agent, path, status, times in steps:
        at += dt.timedelta(seconds=gap)
        for n in range(times):
            yield Use(at + dt.timedelta(milliseconds=7 * n), key, ip, agent, path, status)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(  # a use that came late leaves no trace, not even of whose home its address is
    days=5,
    steps=[
        (0, "a", HOME, AGENT, CALL, 200, 11),
        (0, "a", "10.2.0.1", AGENT, CALL, 200, 10),
        (-9, "a", "10.2.0.1", AGENT, CALL, 200, 4),
        (0, "b", "10.2.0.1", AGENT, CALL, 200, 12),
    ],
    accepts=True,
)
@example(  # what was told of a network counts for its known use too
    days=2,
    steps=[
        (25200, "a", HOME, "curl/8.1", CALL, 200, 2),
        (3, "a", "10.3.0.1", "curl/8.1", "/v1/models", 401, 10),
        (93600, "a", "10.3.0.1", "", CALL, 200, 7),
        (-2, "a", HOME, AGENT, CALL, 200, 10),
    ],
    accepts=False,
)
@given(days=st.integers(0, 5), steps=st.lists(STEPS, max_size=40), accepts=st.booleans())
def test_redis_answers_as_memory_does_whatever_comes(shared, days, steps, accepts):
    """Findings with their evidence, and what is learned."""
    shared()._calls._client().flushall()
    own = [replace(one, key_id=k) for one in owned(days, per_hour=1) for k in ("a", "b")]
    uses = [*own, *told(steps, START + dt.timedelta(days=days, hours=3.5))]
    store, watch = shared(), Watch(place_of=PLACES.get)
    for number, one in enumerate(uses):
        assert store.observe(one) == observed(watch, one)
        if accepts and number == len(own) + 20:
            lifted = Restraint(key_id="a", curb=Curb.NONE, since=0.0, is_owner=True)
            store.restrain(lifted)
            watch.accept("a")

    for name in {one.key_id for one in uses}:
        known = store._baselines.known.get(name)
        assert (known and known.base) == watch.baseline(name)


def test_a_small_bound_on_strangers_is_kept_as_in_memory(shared, key):
    rules = Rules(strangers=4)
    options = Options(place_of=PLACES.get, timeout=5.0, rules=rules)
    url = shared()._calls._target
    store = type(shared())(type(shared()._calls)(url, 5.0), options)
    watch = Watch(place_of=PLACES.get, rules=rules)
    many = [
        use(9.3 + n * 7 * SECOND, f"10.{n}.0.1", f"agent{chr(97 + n % 26)} x", f"/p{n}", key_id=key)
        for n in range(60)
    ]
    for one in [*of(key, OWNED), *many]:
        assert store.observe(one) == observed(watch, one)


# --- uses that have not ended yet ----------------------------------------------------------------


def test_what_is_admitted_and_settled_counts_like_what_is_observed(opened, key):
    store = opened()
    for one in of(key, OWNED):
        assert store.admit(one) == Answer()
        store.settle(one)
    found = [finding for one in of(key, THEFT) for finding in store.admit(one).findings]

    assert found == watched(of(key, [*OWNED, *THEFT]))[0]


def test_a_request_says_whether_its_key_is_used_to_the_like_of_it(opened, key):
    store = opened()
    seen(store, of(key, OWNED))
    asked = [use(9.1, key_id=key), use(9.2, AWAY, "curl/8.1", key_id=key), use(9.3, key_id=key)]

    assert [store.admit(one).is_strange for one in asked] == [False, True, False]


def test_what_failed_in_the_end_teaches_nothing(shared, key):
    """A stranger who only ever fails must not become known by staying."""
    store = shared()
    for one in of(key, OWNED):
        store.observe(one)
    for day in range(6):
        for one in of(key, [use(9 + day, RUNNER), use(9 + day + 0.01, HOME)]):
            store.admit(one)
            store.settle(replace(one, status=401 if one.ip == RUNNER else 200))
    store.observe(use(16.0, key_id=key))

    assert RUNNER not in store._baselines.known[key].base.typical_ips
    assert HOME in store._baselines.known[key].base.typical_ips


def test_a_strangers_failures_are_counted_once_they_are_known(opened, key):
    store = opened()
    seen(store, of(key, OWNED))
    tried = [
        use(9.3 + n * SECOND, AWAY, "curl/8.1", f"/v1/{name}", key_id=key)
        for n, name in enumerate(["models", "files", "usage", "me", "billing", "engines"])
    ]
    found = []
    for one in tried:
        found += store.admit(one).findings
        store.settle(replace(one, status=403))

    assert found[-1].evidence["failed_requests"] >= 2


# --- what holds a key back -----------------------------------------------------------------------


def test_a_blocked_key_is_refused_on_every_instance_until_it_is_lifted(opened, key):
    one, other = opened(), opened()
    one.restrain(blocked(key))

    assert other.admit(use(0.1, key_id=key)).refused == blocked(key)
    one.restrain(Restraint(key_id=key, curb=Curb.NONE, since=START.timestamp()))
    assert other.admit(use(0.2, key_id=key)).refused is None


def test_other_keys_are_served(opened, key):
    opened().restrain(blocked(key))

    assert opened().admit(use(0.1, key_id=f"{key}-2")).refused is None


def test_a_throttled_key_gets_ten_a_minute_over_all_instances(opened, key):
    one, other = opened(), opened()
    one.restrain(throttled(key))
    calls = [use((60 + n / 4) * SECOND, key_id=key) for n in range(240)]
    answers = [(one, other)[n % 2].admit(call) for n, call in enumerate(calls)]
    served = [answer for answer in answers if answer.refused is None]

    assert len(served) == 10
    assert {answer.rate for answer in answers} == {10}
    assert all(0 < answer.retry_after <= 120 for answer in answers if answer.refused)


def test_who_waits_as_told_is_served(opened, key):
    store = opened()
    store.restrain(throttled(key))
    for n in range(10):
        assert store.admit(use((30 + n) * SECOND, key_id=key)).refused is None
    refused = store.admit(use(45 * SECOND, key_id=key))
    later = use((45 + refused.retry_after + 0.01) * SECOND, key_id=key)

    assert store.admit(later).refused is None


def test_a_throttle_does_not_lift_a_block(opened, key):
    store = opened()
    store.restrain(blocked(key))
    store.restrain(throttled(key))

    assert store.admit(use(0.1, key_id=key)).refused.curb is Curb.BLOCK


def test_what_is_refused_is_not_learned_from(shared, key):
    store = shared()
    seen(store, of(key, OWNED))
    store.restrain(blocked(key))
    for n in range(50):
        store.admit(use(9.2 + n * SECOND, AWAY, key_id=key))
    store.restrain(Restraint(key_id=key, curb=Curb.NONE, since=START.timestamp()))

    assert store.admit(use(9.3, key_id=key)) == Answer()


def test_a_follower_hears_first_what_is_in_force_and_then_each_change(opened, key):
    store = opened()
    store.restrain(blocked(key))
    store.restrain(throttled(f"{key}-2"))
    following = opened().follow()
    first = next(following)
    store.restrain(lifted := Restraint(key_id=key, curb=Curb.NONE, since=START.timestamp()))
    changes = next(change for change in following if lifted in change)
    following.close()

    assert {blocked(key), throttled(f"{key}-2")} <= set(first)
    assert changes == (lifted,)


def test_memory_forgets_what_is_over():
    """A process that lives for months has throttled more keys than it could remember."""
    store = open_counters("memory://", OPTIONS)
    most = 0
    for n in range(5_000):
        key, at = f"key-{n}", START.timestamp() + n
        store.restrain(throttled(key, START + dt.timedelta(seconds=n), until=at + 60))
        store.admit(use((n + 1) * SECOND, key_id=key))
        most = max(most, len(store._held), len(store._served))
    store.restrain(throttled("last"))
    store.admit(use(1, key_id="last"))
    store.restrain(blocked("last"))

    assert most <= 1_001
    assert "last" in store._held
    assert "last" not in store._served


def test_a_throttle_that_is_over_and_a_lifted_one_leave_nothing():
    store = open_counters("memory://", OPTIONS)
    for key in ("over", "lifted"):
        store.restrain(throttled(key, until=START.timestamp() + 60))
        store.admit(use(SECOND, key_id=key))
    store.admit(use(61 * SECOND, key_id="over"))
    store.restrain(Restraint(key_id="lifted", curb=Curb.NONE, since=START.timestamp()))

    assert (store._held, store._served) == ({}, {})


def test_who_says_it_was_the_owner_ends_the_suspicion(opened, key):
    store = opened()
    seen(store, of(key, [*OWNED, *THEFT]))
    store.restrain(Restraint(key_id=key, curb=Curb.NONE, since=0.0, is_owner=True))
    again = [replace(one, at=one.at + dt.timedelta(hours=2)) for one in of(key, THEFT)]

    assert seen(store, again) == []


def test_after_a_lift_only_the_stranger_is_found_again(opened, key):
    """The owner's first use then must not pay for what the stranger did before."""
    store = opened()
    seen(store, of(key, [*OWNED, *THEFT]))
    store.restrain(Restraint(key_id=key, curb=Curb.NONE, since=0.0))
    own = [use(9.3 + (300 + n / 10) * SECOND, key_id=key) for n in range(20)]
    back = [replace(one, at=one.at + dt.timedelta(minutes=10)) for one in of(key, THEFT[:3])]

    assert {one.threat_level for one in seen(store, own)} <= {ThreatLevel.LOW}  # a burst
    assert [one.threat_level for one in seen(store, back)] == [ThreatLevel.CRITICAL]


def test_who_lifts_a_block_without_saying_so_is_told_again(opened, key):
    """Otherwise a thief would be free for two weeks once a block was lifted too early."""
    store = opened()
    before = seen(store, of(key, [*OWNED, *THEFT]))
    store.restrain(Restraint(key_id=key, curb=Curb.NONE, since=0.0))
    again = [replace(one, at=one.at + dt.timedelta(hours=2)) for one in of(key, THEFT)]

    assert worst(seen(store, again)) == worst(before)


def test_a_request_that_is_here_now_counts_whatever_its_instances_clock_says(opened, key):
    """An instance whose clock is behind must not be blind."""
    store = opened()
    seen(store, of(key, OWNED))
    store.admit(use(9.5, key_id=key))
    found = [finding for one in of(key, THEFT) for finding in store.admit(one).findings]

    assert worst(found) >= ThreatLevel.HIGH.rank


# --- keys that somebody made up ------------------------------------------------------------------


def made_up(number, address=AWAY, **more):
    """A request with a key that there is not."""
    return use(9.3 + number / 1000 * SECOND, address, key_id=f"made-up-{number}", **more)


def tried(store, number, status, **more):
    call = made_up(number, **more)
    store.admit(call)
    store.settle(replace(call, status=status))


def test_keys_that_nothing_is_served_to_leave_nothing(shared):
    store = shared()
    for number in range(300):
        tried(store, number, 401)
        tried(store, number, 200, path="/health")
        store.observe(made_up(number, status=403))
    client = store._calls._client()
    names = list(client.scan_iter(count=1000))

    assert len(names) == 300
    assert max(client.ttl(name) for name in names) <= 120
    assert len(store._baselines.known) == 0


def test_in_memory_they_are_few_and_push_out_nobody(key):
    store = open_counters("memory://", Options(place_of=PLACES.get, rules=Rules(newcomers=50)))
    seen(store, of(key, OWNED))
    for number in range(5_000):
        tried(store, number, 401)

    assert store._watch.tracked == 1
    assert len(store._watch._newcomers) == 50


def test_records_keep_nothing_of_them():
    records = MemoryRecords()
    store = RecordsCounters(records, OPTIONS, every=0.0)
    for number in range(300):
        tried(store, number, 401)

    assert records.find("restraints") == records.find("served") == ()
    assert store._memory._watch.tracked == 0


@pytest.mark.parametrize("served", [True, False])
def test_a_key_whose_baseline_was_evicted_is_counted_where_no_more_may_begin(shared, key, served):
    """A full server forgets first what is seldom read; that is no failure of it."""
    store, last = shared(), replace(made_up(0), key_id=key, status=200)
    store.observe(last)
    for number in range(100):
        store.observe(made_up(number, status=200))
    table = b"throttled:" + key.encode()
    store._calls.ask(table, b"DEL", b"{%s}:base" % table)
    other, later = shared(), replace(last, at=last.at + dt.timedelta(seconds=9))
    count = other.observe if served else other.admit

    assert count(later) == Answer()


def begun(store):
    """The keys that a store remembers."""
    if hasattr(store, "_watch"):
        return store._watch.tracked
    return sum(b":base" in name for name in store._calls._client().scan_iter(count=1000))


def test_a_page_that_answers_everybody_makes_few_keys_known(opened):
    store = opened()
    for number in range(250):
        tried(store, number, 200)
        store.observe(made_up(number, path="/"))

    assert begun(store) == 100
    for number in range(250):
        tried(store, number, 200, address="10.0.0.9")
    assert begun(store) == 250, "a private network is nobody's on the Internet"


def test_a_late_use_of_the_hour_before_lets_no_more_keys_begin(opened):
    store, hour = opened(), dt.timedelta(hours=1)
    for number in range(150):
        call = made_up(number, status=200)
        store.observe(call)
        store.observe(replace(call, at=call.at - hour, key_id=f"late-{number}"))

    assert begun(store) <= 200


def test_a_key_begins_with_the_first_request_that_is_served(opened):
    for status, count in ((401, 0), (200, 1), (200, 1)):
        store = opened()
        tried(store, 1, status)

        assert begun(store) == count


def test_a_key_that_was_never_served_is_found_by_its_volume_all_the_same(opened, key):
    calls = [use(9.3 + n / 50 * SECOND, AWAY, key_id=key, status=401) for n in range(400)]
    found = seen(opened(), calls)

    assert found == watched(calls)[0]
    assert worst(found) >= ThreatLevel.LOW.rank


def test_what_a_pause_or_another_hour_lies_behind_counts_no_more(opened, key):
    calls = [use(9.3 + n * 121 * SECOND, AWAY, key_id=key, status=401) for n in range(60)]
    store = opened()
    seen(store, calls)
    store.observe(replace(calls[-1], at=calls[-1].at + dt.timedelta(seconds=1), status=200))
    tally = watched([*calls, replace(calls[-1], status=200)])[1]._keys[key].tally

    assert (tally.requests, tally.hour) == (2, int(calls[-1].at.timestamp() / 3600))
    assert begun(store) == 1


# --- what people look at -------------------------------------------------------------------------


def test_people_find_what_is_held_under_the_names_they_know(redis_server, key):
    """strategy.md 12.5: SMEMBERS blocked_keys and KEYS throttled:*."""
    store = emptied(redis_server.environment["TWINGUARD_COUNTERS"])()
    store.restrain(blocked(key))
    store.restrain(throttled(f"{key}-2", until=START.timestamp() + 3600))
    port = redis_server.port

    assert f"\r\n{key}\r\n" in redis_answer(port, "SMEMBERS blocked_keys")
    assert redis_answer(port, "KEYS throttled:*").splitlines()[2] == f"throttled:{key}-2"
    assert 3500 < int(redis_answer(port, f"TTL throttled:{key}-2").strip(":\r\n")) <= 3600


def test_all_that_is_kept_of_a_key_is_in_one_slot_and_ends_by_itself(shared, key):
    store = shared()
    store.restrain(throttled(key))
    seen(store, of(key, [*OWNED, *THEFT, use(20, AWAY, key_id=key)]))
    client = store._calls._client()
    names = [name for name in client.scan_iter(count=1000) if key.encode() in name]

    assert len(names) > 5
    assert all(
        name == f"throttled:{key}".encode() or name.startswith(f"{{throttled:{key}}}:".encode())
        for name in names
    )
    assert all(client.ttl(name) > 0 for name in names)


@pytest.mark.parametrize("name", ["", "a{b}c", "x" * 5000, "ключ", "a\r\nDEL b", "\ud800"])
def test_hostile_key_ids_stay_apart(shared, name):
    store = shared()
    store.restrain(blocked(name.encode("utf-8", "replace").decode()))
    store.observe(use(0.1, key_id=name))

    assert store.admit(use(0.1, key_id="another")).refused is None


# --- when processes and servers are lost ---------------------------------------------------------


def test_an_hour_that_nobody_learned_from_is_handed_to_somebody_else(shared, key, monkeypatch):
    uses = of(key, owned(3, per_hour=2))
    dying, other = shared(), shared()
    for one in uses[:-2]:
        dying.observe(one)
    monkeypatch.setattr(dying._baselines, "learn", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        dying.observe(uses[-2])
    other.observe(uses[-2])
    before = other._baselines.known[key].base.through
    for n in range(30):
        other.observe(replace(uses[-2], at=uses[-2].at + dt.timedelta(seconds=n)))

    assert other._baselines.known[key].base.through == before + 1


def test_who_says_less_at_the_same_moment_does_not_silence_who_says_more(shared, key):
    """The thief may stop: there may be no later use that says it again."""
    store = shared()
    seen(store, of(key, OWNED))
    run, meanwhile = store._script.run, []

    def told(key_id, word, *data, **fields):
        if word == b"tell" and fields["rank"] == 4 and not meanwhile:
            meanwhile.append(run(key_id, word, *data, **fields | {"rank": 3}))
        return run(key_id, word, *data, **fields)

    theft = of(key, [replace(one, user_agent="sqlmap/1.7") for one in THEFT])
    store._script.run = told

    assert seen(store, theft) == watched([*of(key, OWNED), *theft])[0]
    assert meanwhile == [1]


def test_two_that_learn_at_once_learn_once(shared, key):
    uses = of(key, owned(2, per_hour=2))
    stores = [shared() for _ in range(4)]
    for one in uses:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda store, one=one: store.observe(one), stores))
    base = max(
        (store._baselines.known[key] for store in stores), key=lambda known: known.version
    ).base

    assert base.avg_requests_per_hour == pytest.approx(8.0)
    assert base.active == pytest.approx(47, abs=6)


def test_a_store_that_lost_everything_is_taught_again(shared, key):
    store = shared()
    seen(store, of(key, OWNED))
    known = store._baselines.known[key].base
    store._calls._client().flushall()
    store.observe(use(9.01, key_id=key))

    other = shared()
    other.observe(use(9.02, key_id=key))
    assert other._baselines.known[key].base == known


def lost(opened):
    """Another process over a store that lost everything."""
    store = opened()
    if not hasattr(store, "_calls"):
        return open_counters("memory://", OPTIONS)
    store._calls._client().flushall()
    return opened()


@pytest.mark.parametrize("begins_anew", [False, True])
def test_a_baseline_that_was_kept_elsewhere_is_put_back(opened, key, begins_anew):
    first = opened()
    seen(first, of(key, OWNED))
    base, now = first.baseline(key), START + dt.timedelta(days=9.2)
    store = lost(opened)
    assert store.baseline(key) is None
    if begins_anew:
        store.observe(use(9.1, key_id=key))
    store.restore(key, base, now)

    assert store.baseline(key) == base
    assert worst(seen(store, of(key, THEFT))) >= ThreatLevel.HIGH.rank


def test_a_script_the_server_forgot_is_sent_again(shared, key):
    store = shared()
    store.observe(use(0.1, key_id=key))
    store._calls._client().script_flush()

    assert store.observe(use(0.2, key_id=key)) == Answer()


def test_a_store_that_does_not_answer_is_unavailable_within_its_time():
    store = open_counters("redis://127.0.0.1:1/0", Options(timeout=0.2))
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="does not answer"):
        store.admit(use(0.1))

    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "url",
    ["", "redis", "redis://", "mysql://x", "memory://x", "redis://h?cluster=yes", "redis://h?x=1"],
)
def test_an_address_that_names_no_store_is_refused(url):
    with pytest.raises(Misconfigured, match="TWINGUARD_COUNTERS"):
        open_counters(url)
