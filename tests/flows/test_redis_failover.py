# SPDX-License-Identifier: Apache-2.0
"""A cluster's node is killed and its replica takes over, as when Memorystore fails over.

Real servers; what one process counted and blocked is there for it afterwards, unrestarted."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
import uuid

import pytest
import redis

import servers
from guarding import KEY_ID, Clock, Site
from ledgers import ACME, nothing
from threats import START
from twinguard.decide.ledger import NANOS, Budgets, Held, Refused, ScopeKind, Wanted
from twinguard.decide.minutes import Allowance, Taken
from twinguard.decide.restraints import Curb, Restraint
from twinguard.errors import Unavailable
from twinguard.llm.ledger import open_ledger
from twinguard.llm.limits import open_limits
from twinguard.state.counters import Options, open_counters

WITHIN = 10.0
"""Seconds in which everything must go on by itself; it takes far less."""


class Cluster:
    """One master with all slots, its replica, and a second master that only votes."""

    def __init__(self, folder, nodes):
        binary = shutil.which("redis-server") or servers.skip_or_fail("redis-server: install it")
        self.ends, ports = contextlib.ExitStack(), []
        self.master = self.ends.enter_context(servers.cluster_node(binary, folder))
        self.replica = nodes.enter_context(servers.cluster_node(binary, folder))
        nodes.callback(self.ends.close)
        ports = [self.master, self.replica]
        self.url = f"redis://127.0.0.1:{self.replica}?cluster=true"
        self.asked(self.master, "CONFIG", "SET", "repl-diskless-sync-delay", "0")
        slots = " ".join(map(str, range(16_384)))
        servers.redis_answer(self.master, f"CLUSTER ADDSLOTS {slots}")
        servers.redis_answer(self.replica, f"CLUSTER MEET 127.0.0.1 {self.master}")
        assert soon(lambda: all(servers.knows_cluster(port, 2) for port in ports))
        name = self.asked(self.master, "CLUSTER", "MYID").decode()
        assert soon(lambda: self.follows(name))
        assert soon(lambda: b"master_link_status:up" in self.info())

    def asked(self, port, *command):
        with redis.Redis(port=port, socket_timeout=5) as client:
            return client.execute_command(*command)

    def follows(self, name):
        try:
            return self.asked(self.replica, "CLUSTER", "REPLICATE", name)
        except redis.ResponseError:  # it has not heard of that node yet
            return False

    def info(self):
        return servers.redis_answer(self.replica, "INFO replication").encode()

    def fails_over(self):
        """What was told is with the replica; then the master is gone, and the replica is one."""
        assert self.asked(self.master, "WAIT", "1", "5000") == 1
        self.ends.close()
        self.asked(self.replica, "CLUSTER", "FAILOVER", "TAKEOVER")


@pytest.fixture
def cluster(tmp_path):
    with contextlib.ExitStack() as nodes:
        yield Cluster(tmp_path, nodes)


def soon(is_so, within=servers.PATIENCE):
    deadline = time.monotonic() + within
    while not (found := is_so()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return found


def answered(ask):
    """What is answered once somebody answers again, within the time."""

    def tried():
        try:
            return ask()
        except Unavailable:
            return None

    return soon(tried, WITHIN)


def wanted(name, dollars):
    return Wanted(name, 1, (ACME,), dollars * NANOS, 60)


def test_what_was_spent_stays_spent_and_nothing_is_spent_twice(cluster):
    ledger = open_ledger(
        cluster.url, uuid.uuid4().hex, Budgets({}, {ScopeKind.TENANT: 10 * NANOS}), nothing, ""
    )
    first, kept = (ledger.hold(wanted(f"r{number}", 4)) for number in (1, 2))
    assert isinstance(first, Held)
    ledger.settle(first, 3 * NANOS)

    cluster.fails_over()

    (standing,) = answered(lambda: ledger.totals([ACME]))
    assert (standing.spent, standing.held) == (3 * NANOS, 4 * NANOS)
    again = ledger.settle(first, 3 * NANOS)
    assert isinstance(ledger.hold(wanted("r3", 4)), Refused)
    ledger.release(kept)
    assert isinstance(ledger.hold(wanted("r4", 7)), Held)
    assert again is not None
    assert ledger.totals([ACME])[0].spent == 3 * NANOS


def test_limits_of_a_minute_go_on(cluster):
    async def work():
        limits = open_limits(cluster.url, uuid.uuid4().hex)
        allowed = (Allowance("key:a", 2, None), Allowance("env", 100, None))
        try:
            before = await limits.take(allowed, 1)
            await asyncio.to_thread(cluster.fails_over)
            deadline = time.monotonic() + WITHIN
            while time.monotonic() < deadline:
                with contextlib.suppress(Unavailable):
                    return before, await limits.take(allowed, 1)
                await asyncio.sleep(0.01)
            return before, None
        finally:
            await limits.close()

    assert [type(one) for one in asyncio.run(work())] == [Taken, Taken]


def test_blocks_hold_throughout_and_new_ones_are_heard_of_afterwards(cluster):
    site = Site(cluster.url, clock=Clock(1.0), timeout=0.5)
    other = open_counters(cluster.url, Options(timeout=2.0))
    try:
        site.guard.start()
        assert soon(lambda: site.guard.blocks.age() < 1)
        other.restrain(Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp()))
        at = START.timestamp() + 86_400
        assert soon(lambda: site.guard.blocks.held(KEY_ID, at))

        cluster.fails_over()

        assert asyncio.run(site.get()).status_code == 403
        late = f"{KEY_ID[:-1]}x"
        block = Restraint(key_id=late, curb=Curb.BLOCK, since=START.timestamp())
        assert answered(lambda: other.restrain(block) or True)
        assert soon(lambda: site.guard.blocks.held(late, at), WITHIN)
        assert asyncio.run(site.get()).status_code == 403
        assert site.guard.blocks.age() < 1
    finally:
        site.close()
