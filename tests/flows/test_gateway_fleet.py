# SPDX-License-Identifier: Apache-2.0
"""Two gateways on one Redis under load, clients that leave, and `kill -9` in the middle of it.

The cap is never passed, what the killed one held comes back with its lease, the usage log tells
what the ledger tells, and the other one serves on."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import random
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import httpx2
import openai
import pytest
from msgspec.structs import replace

import gateways
import servers
from gateways import HELLO, MODEL
from twinguard import config, state
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.decide.ledger import Scope, nanos_of
from twinguard.llm.budgets import budgets_of
from twinguard.llm.ledger import KeepsCount, open_ledger
from twinguard.llm.ledger_book import Book
from twinguard.llm.ledger_events import counted
from twinguard.peppers import Peppers
from twinguard.standins.openai_provider import Manner, OpenAIProvider

FACTORY = ("-m", "uvicorn", "--factory", "twinguard.gateway_wiring:application")
CAP = Decimal("0.08")
ALL = Scope.of("environment:staging")
CALL = {"model": MODEL, "messages": HELLO, "max_tokens": 20}
MANNERS = (
    *[Manner()] * 5,
    Manner(usage=None),
    Manner(events=2),
    Manner(hang_up=True),
    Manner(status=500),
    Manner(apart=0.002),
)


@dataclass
class Instance:
    """A gateway in a process of its own, with a provider and a customer of its own."""

    port: int
    pid: int
    provider: OpenAIProvider
    key: str
    usage: Path

    def client(self) -> openai.OpenAI:
        base = f"http://127.0.0.1:{self.port}/v1"
        return openai.OpenAI(api_key=self.key, base_url=base, max_retries=0)

    def lines(self) -> list[bytes]:
        return self.usage.read_bytes().splitlines()


@dataclass
class Fleet:
    """Both gateways, and their ledger as a third party sees it."""

    first: Instance
    second: Instance
    ledger: KeepsCount
    gate: threading.Event
    """Until it is set, streams of a provider that has it stop after their first event."""

    def told(self) -> Counter[Scope]:
        """What the usage lines of both add up to, for each scope."""
        found: Counter[Scope] = Counter()
        for one in counted([*self.first.lines(), *self.second.lines()], "staging"):
            found.update(dict.fromkeys(one.scopes, one.nanos))
        return found

    def spent(self) -> int:
        return self.ledger.totals([ALL])[0].spent

    def settled(self) -> int:
        """What is spent as soon as nothing is held and every line is written."""
        return gateways.until(
            lambda: (self.ledger.totals([ALL])[0], self.told()[ALL]),
            lambda found: not found[0].held and found[0].spent == found[1],
            seconds=60,
        )[1]


@pytest.fixture
def fleet(redis_server, tmp_path, monkeypatch) -> Iterator[Fleet]:
    usual = gateways.policy(seconds=8, lease_margin_seconds=1, retries=1)
    policy = replace(usual, openai=replace(usual.openai, monthly_budget=CAP))
    place = f"sqlite:///{tmp_path / 'records.db'}"
    records = state.open_records(place)
    peppers = Peppers.read(gateways.PEPPER)
    keys = CustomerKeys(records, policy.environment, policy.retention, peppers)
    for name in [name for name in os.environ if name.startswith(("TWINGUARD_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    shared = {
        **gateways.PEPPER,
        **redis_server.environment,
        "PYTHONPATH": str(Path(__file__).parents[2] / "functions"),
        "TWINGUARD_POLICY": config.render(policy),
        "TWINGUARD_RECORDS": place,
        "OPENAI_API_KEY": gateways.PROVIDER_KEY,
    }
    with contextlib.ExitStack() as stack:

        def start(name: str) -> Instance:
            key = keys.issue(Order(tenant=name), "test", "to test", gateways.now()).raw
            return stack.enter_context(instance(name, key, tmp_path, shared, monkeypatch))

        book = Book(records, policy.retention)
        counters = redis_server.environment["TWINGUARD_COUNTERS"]
        ledger = open_ledger(counters, "staging", budgets_of(policy), book.known)
        found = Fleet(start("first"), start("second"), ledger, threading.Event())
        stack.callback(found.gate.set)
        yield found


@contextlib.contextmanager
def instance(
    name: str, key: str, folder: Path, shared: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Instance]:
    port, usage = servers.free_port(), folder / f"{name}.jsonl"
    command = [sys.executable, *FACTORY, "--port", str(port), "--log-level", "warning"]
    with OpenAIProvider() as provider:
        own = {"OPENAI_ENDPOINT": provider.url, "TWINGUARD_LLM_USAGE": str(usage)}
        for setting, value in {**shared, **own}.items():
            monkeypatch.setenv(setting, value)
        log = folder / f"{name}.log"
        with servers.running(command, log, lambda: servers.answers_http(port)) as process:
            yield Instance(port, process.pid, provider, key, usage)


def one_call(at: Instance, client: openai.OpenAI, kind: str) -> str:
    """A call as a client of any temper makes it; the code of a budget's refusal, if it is one."""
    try:
        if kind == "whole":
            client.chat.completions.create(**CALL)
        elif kind == "stream":
            list(client.chat.completions.create(**CALL, stream=True))
        elif kind == "left":
            stream = client.chat.completions.create(**CALL, stream=True)
            next(iter(stream), None)
            stream.close()
        else:
            gone(at)
    except openai.APIStatusError as err:
        return str(err.code) if str(err.code).startswith("budget_") else ""
    except (openai.APIError, httpx2.HTTPError):
        return ""
    return ""


def gone(at: Instance) -> None:
    """Ask for a whole answer and leave without it."""
    body = httpx2.Request("POST", "http://x", json=CALL).read()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {at.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", at.port)) as connection:
        connection.sendall(head.encode() + body)


def worked(at: Instance, seed: int, most: int) -> str:
    """So many calls one after the other, up to the first that a budget refuses; its code."""
    chance = random.Random(seed)
    with at.client() as client:
        for _ in range(most):
            kind = chance.choice(["whole", "stream", "left", "gone"])
            if refused := one_call(at, client, kind):
                return refused
    return ""


@contextlib.contextmanager
def watched(ledger: KeepsCount) -> Iterator[list[int]]:
    """The most that was spent and held at once; looked at all the time."""
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            (standing,) = ledger.totals([ALL])
            most[0] = max(most[0], standing.spent + standing.held)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def test_a_killed_gateway_costs_nobody_a_cent_too_much_and_leaves_nothing_behind(fleet):
    first, second = fleet.first, fleet.second
    for at in (first, second):
        at.provider.then(*random.Random(at.usage.name).choices(MANNERS, k=60))
    with watched(fleet.ledger) as most, concurrent.futures.ThreadPoolExecutor(8) as pool:
        both = [pool.submit(worked, at, seed, 4) for seed in range(4) for at in (first, second)]
        concurrent.futures.wait(both)
        before = fleet.settled()

        first.provider.always(Manner(gate=fleet.gate))
        with first.client() as client:
            streams = [iter(client.chat.completions.create(**CALL, stream=True)) for _ in range(3)]
            begun = [next(stream).choices[0].delta.content for stream in streams]
            load = [pool.submit(worked, second, seed, 1_000) for seed in range(4, 10)]
            gateways.until(fleet.spent, lambda spent: spent > before)
            os.kill(first.pid, signal.SIGKILL)
            (killed,) = fleet.ledger.totals([Scope.of("tenant:first")])
            for stream in streams:
                with pytest.raises((openai.APIError, httpx2.HTTPError)):
                    list(stream)
        refused = {task.result() for task in load}

        assert begun == ["Twinguard"] * 3
        assert killed.held > 0, "what the killed one held stays held until its lease ends"
        assert refused <= {"budget_held", "budget_spent"}
        spent = fleet.settled()
        gateways.until(
            lambda: worked(second, 10, 1_000), lambda code: code == "budget_spent", seconds=60
        )

    assert fleet.settled() > spent > before, "what came back with the lease was used"
    told = fleet.told()
    assert {one.scope: one.spent for one in fleet.ledger.totals(tuple(told))} == told
    assert told[ALL] <= most[0] <= nanos_of(CAP)
    assert httpx2.get(f"http://127.0.0.1:{second.port}/healthz").status_code == 200
