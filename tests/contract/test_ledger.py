# SPDX-License-Identifier: Apache-2.0
"""What every ledger promises, in memory and in a real Redis. Rules: `decide/ledger.py`."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.crc import key_slot

import servers
from ledgers import (
    ACME,
    CHAT,
    DECEMBER,
    GLOBEX,
    KEY,
    NOON,
    SECOND,
    STAGING,
    Clock,
    made,
    nothing,
    redis_ledger,
)
from twinguard.decide.ledger import (
    MOST,
    Budgets,
    Held,
    Known,
    Limit,
    Outcome,
    Period,
    Reason,
    Refused,
    Scope,
    ScopeKind,
    Settlement,
    Standing,
    Wanted,
)
from twinguard.decide.ledger_rules import REMEMBERED
from twinguard.errors import Misconfigured
from twinguard.llm.ledger import open_ledger

NOVEMBER = Period("2026-11")
LEASE = 60
BUDGETS = Budgets({STAGING: 100}, {ScopeKind.TENANT: 50})


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["memory", "redis", "cluster"])
def make(request, clock):
    """Makes a ledger for budgets, by the test's clock."""
    address = ""
    if request.param != "memory":
        address = servers.redis_of(request, request.param)
    opened = []

    def make(*budgets, **options):
        opened.append(made(request.param, address, *budgets, **({"clock": clock} | options)))
        return opened[-1]

    yield make
    for ledger in opened if request.param == "cluster" else ():
        ledger._client.close()


@pytest.fixture
def ledger(make):
    return make(BUDGETS)


def taken(ledger, name, nanos, scopes=(STAGING, ACME), attempt=1, lease=LEASE):
    return ledger.hold(Wanted(name, attempt, scopes, nanos, lease))


def stands(ledger, scope=STAGING):
    (standing,) = ledger.totals([scope])
    return standing.spent, standing.held


# --- holding -------------------------------------------------------------------------------------


def test_a_hold_sets_money_aside_in_all_scopes(ledger):
    held = taken(ledger, "r1", 30)

    assert held == Held("r1", 1, (STAGING, ACME), 30, NOVEMBER, NOON + LEASE * SECOND)
    assert ledger.totals([STAGING, ACME, GLOBEX]) == (
        Standing(STAGING, NOVEMBER, 100, 0, 30),
        Standing(ACME, NOVEMBER, 50, 0, 30),
        Standing(GLOBEX, NOVEMBER, 50),
    )


def test_a_hold_that_one_scope_refuses_changes_none(ledger):
    taken(ledger, "r1", 30)

    refused = taken(ledger, "r2", 30)

    assert refused == Refused(Reason.BUDGET_HELD, ACME, 50, 0, 30, NOVEMBER, 10)
    assert stands(ledger) == (0, 30)


def test_the_last_nano_dollar_can_be_held_and_not_one_more(ledger):
    taken(ledger, "r1", 50)
    taken(ledger, "r2", 50, (STAGING, GLOBEX))

    assert taken(ledger, "r3", 1, (STAGING, CHAT)).reason is Reason.BUDGET_HELD
    assert isinstance(taken(ledger, "r4", 0, (STAGING, CHAT)), Held)


def test_asking_again_for_what_is_held_gives_the_same_answer(ledger, clock):
    first = taken(ledger, "r1", 30)
    clock.passes(5)

    assert taken(ledger, "r1", 40) == first
    assert stands(ledger) == (0, 30)


def test_an_attempt_that_has_ended_cannot_be_held_again(ledger):
    ledger.settle(taken(ledger, "r1", 10), 10)
    ledger.release(taken(ledger, "r2", 10))

    assert taken(ledger, "r1", 10).reason is Reason.FINISHED
    assert taken(ledger, "r2", 10).reason is Reason.FINISHED
    assert isinstance(taken(ledger, "r1", 10, attempt=2), Held)


def test_a_scope_without_a_limit_is_counted_only(ledger):
    held = taken(ledger, "r1", MOST, (CHAT,))
    ledger.settle(held, MOST)

    assert ledger.totals([CHAT]) == (Standing(CHAT, NOVEMBER, None, MOST),)


def test_names_with_colons_and_accents_stay_apart(ledger):
    odd = Scope(ScopeKind.TENANT, "a:b:ünïcode {x} | y")
    held = taken(ledger, "id:with:colons", 5, (STAGING, odd, KEY))

    assert held.scopes == (STAGING, odd, KEY)
    assert ledger.settle(held, 5).outcome is Outcome.SETTLED
    assert stands(ledger, odd) == (5, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", 1, (STAGING,), 1, LEASE), "request id"),
        (("r1", -1, (STAGING,), 1, LEASE), "attempt"),
        (("r1", 1, (), 1, LEASE), "one scope or more"),
        (("r1", 1, (STAGING, STAGING), 1, LEASE), "each once"),
        (("r1", 1, (STAGING,), -1, LEASE), "out of range"),
        (("r1", 1, (STAGING,), MOST + 1, LEASE), "out of range"),
        (("r1", 1, (STAGING,), 1, 0), "lease"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_is_asked(ledger, arguments, message):
    with pytest.raises(ValueError, match=message):
        ledger.hold(Wanted(*arguments))


# --- reasons -------------------------------------------------------------------------------------


def test_a_budget_that_is_spent_says_so_and_that_waiting_does_not_help(ledger):
    ledger.settle(taken(ledger, "r1", 45), 45)

    refused = taken(ledger, "r2", 6)

    assert refused == Refused(Reason.BUDGET_SPENT, ACME, 50, 45, 0, NOVEMBER, None)
    assert "until 2026-12-01" in refused.remedy


def test_a_request_larger_than_the_whole_budget_is_told_apart(ledger):
    refused = taken(ledger, "r1", 51)

    assert refused == Refused(Reason.TOO_LARGE, ACME, 50, 0, 0, NOVEMBER, None)
    assert "max_tokens" in refused.remedy


def test_the_reason_that_lasts_longest_is_told(make):
    ledger = make(Budgets({STAGING: 100, ACME: 10, CHAT: 20}))
    taken(ledger, "r1", 85, (STAGING,))
    ledger.settle(taken(ledger, "r2", 10, (CHAT,)), 10)

    assert taken(ledger, "r3", 16, (STAGING, CHAT)).scope == CHAT
    assert taken(ledger, "r4", 16, (STAGING, CHAT, ACME)).reason is Reason.TOO_LARGE


def test_a_wait_is_never_longer_than_the_next_lease(ledger, clock):
    taken(ledger, "r1", 50, lease=8)
    clock.passes(5.5)

    assert taken(ledger, "r2", 50).retry_after == 3


# --- settling and releasing ----------------------------------------------------------------------


def test_settling_turns_held_into_spent(ledger):
    held = taken(ledger, "r1", 30)

    assert ledger.settle(held, 12) == Settlement(Outcome.SETTLED)
    assert stands(ledger) == (12, 0)
    assert stands(ledger, ACME) == (12, 0)


def test_settling_twice_counts_once(ledger):
    held = taken(ledger, "r1", 30)
    ledger.settle(held, 12)

    assert ledger.settle(held, 20) == Settlement(Outcome.REPEATED)
    assert stands(ledger) == (12, 0)


def test_each_attempt_of_a_request_is_counted(ledger):
    ledger.settle(taken(ledger, "r1", 10, attempt=1), 3)
    ledger.settle(taken(ledger, "r1", 10, attempt=2), 4)

    assert stands(ledger) == (7, 0)


def test_what_costs_more_than_was_held_is_counted_and_told(ledger):
    held = taken(ledger, "r1", 30)

    assert ledger.settle(held, 130) == Settlement(Outcome.OVER, 100)
    assert stands(ledger) == (130, 0)
    assert taken(ledger, "r2", 0).reason is Reason.BUDGET_SPENT


def test_a_call_that_cost_nothing_is_settled_at_nothing(ledger):
    held = taken(ledger, "r1", 30)

    assert ledger.settle(held, 0) == Settlement(Outcome.SETTLED)
    assert stands(ledger) == (0, 0)


def test_releasing_gives_all_back_once(ledger):
    held = taken(ledger, "r1", 30)

    assert ledger.release(held)
    assert not ledger.release(held)
    assert stands(ledger) == (0, 0)


def test_money_spent_after_a_release_is_counted_and_told(ledger):
    held = taken(ledger, "r1", 30)
    ledger.release(held)

    assert ledger.settle(held, 12) == Settlement(Outcome.LATE, 12)
    assert stands(ledger) == (12, 0)


def test_releasing_what_was_settled_changes_nothing(ledger):
    held = taken(ledger, "r1", 30)
    ledger.settle(held, 12)

    assert not ledger.release(held)
    assert stands(ledger) == (12, 0)


# --- leases --------------------------------------------------------------------------------------


def test_a_lost_release_heals_itself_when_its_lease_ends(ledger, clock):
    taken(ledger, "r1", 50)
    clock.passes(LEASE - 0.001)
    before = taken(ledger, "r2", 50)
    clock.passes(0.001)

    assert before.reason is Reason.BUDGET_HELD
    assert isinstance(taken(ledger, "r3", 50), Held)


def test_thousands_of_lost_holds_free_their_budget_for_the_first_who_asks(make, clock):
    ledger = make(Budgets({STAGING: 2_500}))
    for number in range(2_500):
        taken(ledger, f"r{number}", 1, (STAGING,))
    clock.passes(LEASE)

    assert isinstance(taken(ledger, "next", 2_500, (STAGING,)), Held)


def test_money_spent_after_the_lease_is_counted_and_told(ledger, clock):
    held = taken(ledger, "r1", 30)
    clock.passes(LEASE + 1)

    assert ledger.settle(held, 12) == Settlement(Outcome.LATE, 12)
    assert ledger.settle(held, 12) == Settlement(Outcome.REPEATED)
    assert stands(ledger) == (12, 0)


def test_an_attempt_whose_lease_has_ended_is_held_anew(ledger, clock):
    taken(ledger, "r1", 30)
    clock.passes(LEASE)

    again = taken(ledger, "r1", 40)

    assert again == Held("r1", 1, (STAGING, ACME), 40, NOVEMBER, clock.now + LEASE * SECOND)
    assert stands(ledger) == (0, 40)


def test_nobody_settles_what_nobody_can_know_any_more(ledger, clock):
    held = taken(ledger, "r1", 30)
    ledger.settle(held, 12)
    clock.passes(LEASE + REMEMBERED.total_seconds())

    forgotten = Held("r9", 1, held.scopes, 30, held.period, held.until)

    assert ledger.settle(forgotten, 12) == Settlement(Outcome.TOO_LATE)
    assert stands(ledger) == (12, 0)


def test_a_hold_that_the_store_lost_is_still_counted(ledger):
    unknown = Held("r1", 1, (STAGING, ACME), 30, NOVEMBER, NOON + LEASE * SECOND)

    assert ledger.settle(unknown, 12) == Settlement(Outcome.LATE, 12)
    assert ledger.settle(unknown, 12) == Settlement(Outcome.REPEATED)
    assert stands(ledger, ACME) == (12, 0)


# --- periods -------------------------------------------------------------------------------------


def test_a_new_month_begins_with_nothing_spent_and_keeps_the_old_one(ledger, clock):
    ledger.settle(taken(ledger, "r1", 50), 50)
    clock.now = DECEMBER

    held = taken(ledger, "r2", 50)

    assert held.period == Period("2026-12")
    assert ledger.totals([ACME]) == (Standing(ACME, Period("2026-12"), 50, 0, 50),)
    assert ledger.totals([ACME], NOVEMBER) == (Standing(ACME, NOVEMBER, 50, 50),)


def test_a_call_over_midnight_counts_for_the_month_it_began_in(ledger, clock):
    clock.now = DECEMBER - SECOND
    held = taken(ledger, "r1", 30)
    clock.passes(2)

    ledger.settle(held, 20)

    assert ledger.totals([ACME], NOVEMBER)[0].spent == 20
    assert stands(ledger, ACME) == (0, 0)


def test_a_clock_that_is_set_back_over_midnight_changes_no_total(ledger, clock):
    clock.now = DECEMBER
    ledger.settle(taken(ledger, "r1", 30), 30)
    clock.now = DECEMBER - SECOND

    assert stands(ledger, ACME) == (0, 0)
    assert ledger.totals([ACME], Period("2026-12"))[0].spent == 30


# --- limits --------------------------------------------------------------------------------------


def test_a_raise_counts_until_it_ends(ledger, clock):
    ledger.settle(taken(ledger, "r1", 50), 50)
    raised = ledger.set_limit(Limit(ACME, 80, 1, NOON + 100 * SECOND))

    assert raised
    assert ledger.totals([ACME]) == (Standing(ACME, NOVEMBER, 80, 50, 0, 1),)
    assert isinstance(taken(ledger, "r2", 30, lease=1), Held)
    clock.passes(100)
    assert ledger.totals([ACME]) == (Standing(ACME, NOVEMBER, 50, 50),)
    assert taken(ledger, "r3", 1).reason is Reason.BUDGET_SPENT


def test_a_limit_below_what_is_spent_keeps_the_count(ledger):
    ledger.settle(taken(ledger, "r1", 40), 40)
    ledger.set_limit(Limit(ACME, 10, 1))

    assert taken(ledger, "r2", 0).reason is Reason.BUDGET_SPENT
    assert stands(ledger, ACME) == (40, 0)


def test_a_limit_given_back_is_the_policys_again(ledger):
    ledger.set_limit(Limit(ACME, 80, 1))
    ledger.set_limit(Limit(ACME, None, 2))

    assert ledger.totals([ACME]) == (Standing(ACME, NOVEMBER, 50),)


def test_a_limit_of_nothing_refuses_everything(ledger):
    ledger.set_limit(Limit(ACME, 0, 1))

    assert taken(ledger, "r1", 1).reason is Reason.TOO_LARGE


@pytest.mark.parametrize("nanos", [-1, MOST + 1])
def test_a_limit_that_cannot_be_compared_exactly_is_refused(nanos):
    with pytest.raises(ValueError, match="a limit is 0 to"):
        Limit(ACME, nanos, 1)


# --- large amounts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "spent", "more", "fits"),
    [
        (MOST, MOST - 1, 1, True),
        (MOST, MOST - 1, 2, False),
        (MOST, MOST, 1, False),
        (MOST - 1, MOST - 2, 1, True),
        (MOST - 1, MOST - 2, 2, False),
    ],
)
def test_the_highest_limits_are_kept_to_one_nano_dollar(make, limit, spent, more, fits):
    """Redis compares in doubles; below 2^53 they are exact, beyond it they never round below."""
    ledger = make(Budgets({STAGING: limit}))
    ledger.settle(taken(ledger, "r1", spent, (STAGING,)), spent)

    assert isinstance(taken(ledger, "r2", more, (STAGING,)), Held) is fits


def test_totals_beyond_doubles_keep_every_nano_dollar(ledger):
    amounts = [MOST, MOST, MOST, 2, 1]
    for number, nanos in enumerate(amounts):
        ledger.settle(taken(ledger, f"r{number}", nanos, (CHAT,)), nanos)

    assert stands(ledger, CHAT) == (sum(amounts), 0)
    ledger.set_limit(Limit(CHAT, MOST, 1))
    assert taken(ledger, "next", 1, (CHAT,)).reason is Reason.BUDGET_SPENT


# --- restoring -----------------------------------------------------------------------------------


def test_what_is_known_from_elsewhere_is_never_counted_twice(ledger):
    ledger.settle(taken(ledger, "r1", 30), 30)

    ledger.raise_to(NOVEMBER, {ACME: 20, STAGING: 70})

    assert stands(ledger, ACME) == (30, 0)
    assert stands(ledger) == (70, 0)


def test_a_new_store_asks_what_was_spent_before_it_answers(make):
    known = Known({STAGING: 90, ACME: 40}, (Limit(ACME, 45, 3),))
    ledger = make(BUDGETS, restore=lambda period: known if period == NOVEMBER else Known())

    assert taken(ledger, "r1", 6) == Refused(Reason.BUDGET_SPENT, ACME, 45, 40, 0, NOVEMBER, None)
    assert stands(ledger) == (90, 0)


# --- many at once --------------------------------------------------------------------------------


def test_many_threads_never_hold_more_than_there_is(make):
    ledger = make(Budgets({STAGING: 100}))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: taken(ledger, f"r{n}", 7, (STAGING,)), range(60)))

    assert sum(isinstance(answer, Held) for answer in answers) == 14
    assert stands(ledger) == (0, 98)


def test_many_threads_settle_an_attempt_once(ledger):
    held = taken(ledger, "r1", 30)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ledger.settle(held, 12).outcome, range(16)))

    assert sorted(found) == [Outcome.REPEATED] * 15 + [Outcome.SETTLED]
    assert stands(ledger) == (12, 0)


# --- any sequence --------------------------------------------------------------------------------

SCOPES = st.sampled_from([(STAGING,), (STAGING, ACME), (STAGING, GLOBEX, CHAT), (ACME, CHAT)])
STEP = st.one_of(
    st.tuples(st.just("hold"), st.integers(0, 12), SCOPES, st.integers(0, 60), st.integers(1, 90)),
    st.tuples(st.just("settle"), st.integers(0, 12), st.integers(0, 70)),
    st.tuples(st.just("release"), st.integers(0, 12)),
    st.tuples(st.just("passes"), st.sampled_from([0.5, 1, 30, 60, 90, 10_800, -2])),
    st.tuples(st.just("month"), st.just(0)),
    st.tuples(st.just("limit"), st.integers(0, 120), st.integers(1, 5), st.integers(1, 200)),
)
LIMITED = Budgets({STAGING: 100, CHAT: 70}, {ScopeKind.TENANT: 50})
ALL = (STAGING, ACME, GLOBEX, CHAT)


def played(ledger, clock, steps, watch):
    """What each step answered; a hold that is never ended is a crash."""
    holds, answers = {}, []
    for step, which, *rest in steps:
        if step == "hold":
            scopes, nanos, lease = rest
            answer = ledger.hold(Wanted(f"r{which}", 1, scopes, nanos, lease))
            watch(answer)
            if isinstance(answer, Held):
                holds[which] = answer
        elif step == "settle" and which in holds:
            answer = ledger.settle(holds[which], rest[0])
            watch(answer, holds[which], rest[0])
        elif step == "release" and which in holds:
            answer = ledger.release(holds[which])
        elif step == "limit":
            until = clock.now + dt.timedelta(seconds=rest[1])
            answer = ledger.set_limit(Limit(ACME, which, rest[0], until))
        else:
            answer = None
            clock.now = max(clock.now, DECEMBER) if step == "month" else clock.now
            clock.passes(which)
        answers.append((answer, ledger.totals(ALL)))
    return answers


@given(st.lists(STEP, max_size=40))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_sequence_spends_what_was_not_allowed_or_loses_what_was_spent(steps):
    clock = Clock()
    ledger = made("memory", "", LIMITED, clock)
    counted: dict[tuple[Period, Scope], int] = {}
    granted: list[Held] = []

    def watch(answer, held=None, nanos=0):
        if isinstance(answer, Held) and answer not in granted:
            granted.append(answer)
            for standing in ledger.totals(answer.scopes, answer.period):
                assert standing.limit is None or standing.spent + standing.held <= standing.limit
        if held is not None and answer.counted:
            for scope in held.scopes:
                place = held.period, scope
                counted[place] = counted.get(place, 0) + nanos

    played(ledger, clock, steps, watch)
    clock.passes(200)

    for period in (NOVEMBER, Period("2026-12")):
        for standing in ledger.totals(ALL, period):
            assert standing.spent == counted.get((period, standing.scope), 0)
            assert standing.held == 0


@given(st.lists(STEP, max_size=25))
@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_redis_answers_every_sequence_as_memory_does(redis_server, steps):
    address = redis_server.environment["TWINGUARD_COUNTERS"]
    answers = []
    for kind in ("memory", "redis"):
        clock = Clock()
        ledger = made(kind, address, LIMITED, clock)
        answers.append(played(ledger, clock, steps, lambda *_: None))

    assert answers[1] == answers[0]


# --- Redis alone ---------------------------------------------------------------------------------


def test_redis_takes_the_time_from_its_own_server(redis_server):
    ledger = made("redis", redis_server.environment["TWINGUARD_COUNTERS"], BUDGETS, None)
    seconds, micro = ledger._client.time()

    held = taken(ledger, "r1", 30)

    server = dt.datetime.fromtimestamp(seconds, dt.UTC) + dt.timedelta(microseconds=micro)
    assert abs(held.until - server - LEASE * SECOND) < 30 * SECOND


def test_every_key_of_an_environment_is_on_one_shard_of_a_cluster(redis_server):
    address = redis_server.environment["TWINGUARD_COUNTERS"]
    ledger = redis_ledger(address, BUDGETS, environment="one-shard")
    ledger.settle(taken(ledger, "r1", 30), 12)
    taken(ledger, "r2", 30)

    keys = ledger._client.keys("{twinguard:one-shard}*")

    assert len(keys) == 6
    assert {key_slot(key.encode()) for key in keys} == {key_slot(b"{twinguard:one-shard}")}


def test_every_key_of_redis_but_the_fixed_ones_ends_by_itself(redis_server):
    address = redis_server.environment["TWINGUARD_COUNTERS"]
    ledger = redis_ledger(address, BUDGETS, environment="ends")
    ledger.settle(taken(ledger, "r1", 30), 12)
    ledger.settle(Held("lost", 1, (GLOBEX,), 1, NOVEMBER, NOON + dt.timedelta(days=99)), 1)
    ledger.raise_to(NOVEMBER, {CHAT: 5})
    taken(ledger, "r2", 30)

    keys = ledger._client.keys("{twinguard:ends}*")

    lasting = {key for key in keys if ledger._client.pttl(key) == -1}
    assert lasting == {f"{{twinguard:ends}}:{name}" for name in ("ledger", "leases")}


IN_A_CLUSTER = """
import sys
from ledgers import ACME, STAGING, nothing
from twinguard.decide.ledger import Budgets, ScopeKind, Wanted
from twinguard.llm.ledger import open_ledger

budgets = Budgets({STAGING: 100}, {ScopeKind.TENANT: 50})
ledger = open_ledger(sys.argv[1], "staging", budgets, nothing)
ledger.settle(ledger.hold(Wanted("r1", 1, (STAGING, ACME), 30, 60)), 12)
ledger.hold(Wanted("r2", 1, (STAGING, ACME), 30, 60))
refused = ledger.hold(Wanted("r3", 1, (STAGING, ACME), 30, 60))
print(refused.reason, refused.spent, refused.held)
"""


def test_a_ledger_in_a_real_cluster_keeps_its_promises(redis_server, tmp_path):
    """A script may only touch what is on its own shard, undeclared keys included.

    In a process of its own: redis-py leaves the connection open by which it found the nodes."""
    del redis_server  # only skips where there is none
    bus = ("--cluster-port", str(servers.free_port()))  # by default 10,000 higher: no port may be
    cluster = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", *bus)
    with servers.redis(tmp_path, *cluster) as server:
        with redis.Redis(port=server.port) as node:
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in node.execute_command("CLUSTER", "INFO"):
                continue
        address = f"redis://127.0.0.1:{server.port}/0?cluster=true"
        done = subprocess.run(
            [sys.executable, "-c", IN_A_CLUSTER, address],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.stdout == "budget_held 12 30\n", done.stderr


@pytest.mark.parametrize("address", ["redis://h:1/0?iam=1", "redis://h:nowhere/0", "http://h"])
def test_an_address_that_names_no_ledger_is_refused_by_the_settings_name(address):
    with pytest.raises(Misconfigured, match="TWINGUARD_COUNTERS"):
        open_ledger(address, "staging", BUDGETS, nothing)


def test_an_address_names_its_ledger(redis_server):
    address = redis_server.environment["TWINGUARD_COUNTERS"]
    for url in ("memory://", address):
        ledger = open_ledger(url, "opened", BUDGETS, nothing)

        assert ledger.totals([ACME])[0].limit == 50
