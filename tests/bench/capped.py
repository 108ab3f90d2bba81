# SPDX-License-Identifier: Apache-2.0
"""Callers that spend against a cap, through the ledger or by check-then-spend, and their provider.

`bench_cap.py` starts these workers, kills some of them, and counts. The provider writes down what
it charged as it charges: that is the truth that a ledger is compared with."""

from __future__ import annotations

import contextlib
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import redis

from twinguard.decide.ledger import (
    Budgets,
    Known,
    Outcome,
    Reason,
    Refused,
    Scope,
    ScopeKind,
    Wanted,
)
from twinguard.llm.ledger import KeepsCount
from twinguard.llm.ledger_redis import RedisLedger, connected
from twinguard.redis_servers import target_of

CAP: Final = 5_000_000_000
LEASE: Final = 5
"""Seconds; far longer than a call takes, as a gateway ends calls before their leases end."""
CONNECTIONS: Final = 200
LARGEST: Final = 40_000_000
PATIENCE: Final = 0.05
CANCELLED, LOST, HUNG_UP = 0.10, 0.05, 0.05
"""Clients that leave before the call, releases that are lost, clients that leave after it."""

ENVIRONMENT: Final = Scope(ScopeKind.ENVIRONMENT, "bench")
TENANTS: Final = tuple(Scope(ScopeKind.TENANT, f"t{n}") for n in range(8))
BUDGETS: Final = Budgets({ENVIRONMENT: CAP})
CHARGES, LATE, SPENT = "provider:charges", "provider:late", "check-then-spend"


class Provider(Protocol):
    """Who is paid."""

    def charge(self, attempt: str, nanos: int) -> None:
        """Take money for a call."""

    def outlasted(self, nanos: int) -> None:
        """Note a call that took longer than its lease."""


class RedisProvider:
    """A provider whose log of charges survives the callers."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def charge(self, attempt: str, nanos: int) -> None:
        """Take money for a call."""
        self._client.hset(CHARGES, attempt, nanos)

    def outlasted(self, nanos: int) -> None:
        """Note a call that took longer than its lease."""
        self._client.incrby(LATE, nanos)

    @property
    def late(self) -> int:
        """What calls cost that took longer than their leases."""
        found: Any = self._client.get(LATE)
        return int(found or 0)

    def charges(self) -> dict[str, int]:
        """What was charged, by attempt."""
        found: Any = self._client.hgetall(CHARGES)
        return {attempt: int(nanos) for attempt, nanos in found.items()}


class MemoryProvider(RedisProvider):
    """A provider in this process."""

    def __init__(self) -> None:
        self._charges: dict[str, int] = {}
        self._late = 0

    def charge(self, attempt: str, nanos: int) -> None:
        """Take money for a call."""
        self._charges[attempt] = nanos

    def outlasted(self, nanos: int) -> None:
        """Note a call that took longer than its lease."""
        self._late += nanos

    @property
    def late(self) -> int:
        """What calls cost that took longer than their leases."""
        return self._late

    def charges(self) -> dict[str, int]:
        """What was charged, by attempt."""
        return dict(self._charges)


Caller = Callable[[random.Random], bool]
"""One call; False once there is no money for another."""


def through(ledger: KeepsCount, provider: Provider) -> Caller:
    """Calls that hold before and settle after."""

    def call(chance: random.Random) -> bool:
        bound = chance.randint(1, LARGEST)
        scopes = (ENVIRONMENT, chance.choice(TENANTS))
        name = uuid.UUID(int=chance.getrandbits(128)).hex
        answer = ledger.hold(Wanted(name, 1, scopes, bound, LEASE))
        if isinstance(answer, Refused):
            time.sleep(PATIENCE)
            return answer.reason is Reason.BUDGET_HELD
        fate = chance.random()
        if fate < LOST:
            return True
        if fate < LOST + CANCELLED:
            ledger.release(answer)
            return True
        time.sleep(chance.random() / 50)
        cost = chance.randint(0, bound)
        provider.charge(name, cost)
        if fate > 1 - HUNG_UP:  # the client is gone; whoever settles in a `finally` is not
            time.sleep(chance.random() / 20)
        if ledger.settle(answer, cost).outcome is Outcome.LATE:
            provider.outlasted(cost)
        return True

    return call


def checking(client: redis.Redis, provider: Provider) -> Caller:
    """Calls that look at what is spent, spend, and add it: GET, compare, INCRBY."""

    def call(chance: random.Random) -> bool:
        bound = chance.randint(1, LARGEST)
        found: Any = client.get(SPENT)
        if int(found or 0) + bound > CAP:
            time.sleep(PATIENCE)
            return False
        if chance.random() < LOST + CANCELLED:
            return True
        time.sleep(chance.random() / 50)
        cost = chance.randint(0, bound)
        provider.charge(uuid.UUID(int=chance.getrandbits(128)).hex, cost)
        client.incrby(SPENT, cost)
        return True

    return call


def busy(call: Caller, callers: int, seconds: float, seed: int) -> None:
    """So many callers at once, until the time is over or each was refused for good."""
    ends = time.monotonic() + seconds
    gate = threading.Barrier(callers)

    def run(number: int) -> None:
        chance = random.Random(f"{seed}/{number}")
        gate.wait()
        while time.monotonic() < ends and call(chance):
            continue

    threads = [threading.Thread(target=run, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def client_of(port: int) -> redis.Redis:
    """A client that waits long: it is the cap that is measured here."""
    return connected(target_of(f"redis://127.0.0.1:{port}/0"), timeout=60, connections=CONNECTIONS)


def ledger_of(port: int) -> RedisLedger:
    """The ledger of all workers."""
    return RedisLedger(client_of(port), "bench", BUDGETS, restore=lambda _period: Known())


@contextlib.contextmanager
def redis_running() -> Iterator[int]:
    """A Redis server of our own; its port."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is not installed: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            for _ in range(100):
                with contextlib.suppress(redis.ConnectionError):
                    client_of(port).ping()
                    break
                time.sleep(0.05)
            yield port
        finally:
            server.terminate()


def main() -> None:
    """A worker: the way, the port, callers, seconds and a seed are its arguments."""
    way, port, callers, seconds, seed = sys.argv[1:]
    provider = RedisProvider(client_of(int(port)))
    call = (
        through(ledger_of(int(port)), provider)
        if way == "ledger"
        else checking(client_of(int(port)), provider)
    )
    busy(call, int(callers), float(seconds), int(seed))


if __name__ == "__main__":
    main()
