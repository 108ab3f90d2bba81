# SPDX-License-Identifier: Apache-2.0
"""Measure what the gateway adds to a call, to a stream's first byte, and what it can carry.

Measures and never asserts. Direct and through the gateway are paired, interleaved, and asked by the
same client; the stand-in provider and the gateway each have a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import httpx2
from msgspec.structs import replace
from paired import Spread, ratios, spread
from rich.console import Console

from twinguard import config, state
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.gateway_wiring import parts_from
from twinguard.llm.upstream import Upstream
from twinguard.peppers import Peppers
from twinguard.policy import Environment, Policy, Spending

ROUNDS, CALLS = 20, 100
CONNECTIONS = (1, 8, 64)
BODY = b'{"model":"gpt-4","messages":[{"role":"user","content":"%s"}],"stream":%s}'
QUESTION = b"Which of these invoices are overdue? " * 40
ROOT = Path(__file__).parents[2]
PATH = "/chat/completions"
NOW = dt.datetime.now(dt.UTC)
PEPPER = "1:" + "b" * 40
Milliseconds = list[float]


def body(stream: bool = False) -> bytes:
    """A request of some 1.5 kB."""
    return BODY % (QUESTION, b"true" if stream else b"false")


class Side:
    """One way to the provider."""

    def __init__(self, base: str, key: str) -> None:
        self.base, self.upstream = base, Upstream(base)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def whole(self) -> float:
        """Milliseconds of one whole answer."""
        started = time.perf_counter()
        reply = await self.upstream.send("POST", PATH, body(), self.headers)
        await reply.read()
        _check(reply.status)
        return 1000 * (time.perf_counter() - started)

    async def streamed(self) -> tuple[float, float]:
        """Milliseconds to the first byte of a stream, and to its end."""
        started = time.perf_counter()
        reply = await self.upstream.send("POST", PATH, body(stream=True), self.headers)
        first = 0.0
        async for _ in reply.pieces():
            first = first or time.perf_counter()
        _check(reply.status)
        return 1000 * (first - started), 1000 * (time.perf_counter() - started)


def _check(status: int) -> None:
    if status != 200:
        raise ValueError(f"{status} in a bench of good requests")


async def paired(direct: Side, ours: Side, console: Console) -> None:
    """Latency of single calls, one side after the other."""
    for side in (direct, ours):
        for _ in range(CALLS):
            await side.whole()
            await side.streamed()
    wholes: dict[Side, list[Milliseconds]] = {direct: [], ours: []}
    firsts: dict[Side, list[Milliseconds]] = {direct: [], ours: []}
    ends: dict[Side, list[Milliseconds]] = {direct: [], ours: []}
    for number in range(ROUNDS):
        for side in (direct, ours) if number % 2 else (ours, direct):
            wholes[side].append([await side.whole() for _ in range(CALLS)])
        for side in (direct, ours) if number % 2 else (ours, direct):
            found = [await side.streamed() for _ in range(CALLS // 2)]
            firsts[side].append([first for first, _ in found])
            ends[side].append([end for _, end in found])
    console.print(f"{ROUNDS} rounds of {CALLS} calls each; ms, median of rounds (middle half)")
    for title, found in (
        ("whole answer", wholes),
        ("stream, first byte", firsts),
        ("stream, last byte", ends),
    ):
        for percent in (50, 95, 99):
            there, here = (_percentile(found[side], percent) for side in (direct, ours))
            _print(console, f"{title:20} p{percent}", there, here)


def _percentile(rounds: Sequence[Milliseconds], percent: int) -> list[float]:
    return [statistics.quantiles(one, n=100, method="inclusive")[percent - 1] for one in rounds]


async def clients(direct: Side, console: Console) -> None:
    """Our bare streams against an HTTP client, on the same calls."""
    theirs: list[Milliseconds] = []
    ours: list[Milliseconds] = []
    url = f"{direct.base}{PATH}"
    async with httpx2.AsyncClient() as client:

        async def ask() -> float:
            started = time.perf_counter()
            answer = await client.post(url, content=body(), headers=direct.headers)
            _check(answer.status_code)
            return 1000 * (time.perf_counter() - started)

        for _ in range(ROUNDS):
            theirs.append([await ask() for _ in range(CALLS)])
            ours.append([await direct.whole() for _ in range(CALLS)])
    for percent in (50, 99):
        there, here = _percentile(ours, percent), _percentile(theirs, percent)
        console.print(
            f"a call to a provider p{percent}  ours {spread(there)}   httpx2 {spread(here)}"
            f"   times {ratios(here, there)}"
        )


async def carried(direct: Side, ours: Side, console: Console, seconds: float) -> None:
    """Requests a second at so many connections, one side after the other."""
    for count in CONNECTIONS:
        rates: dict[Side, list[float]] = {direct: [], ours: []}
        for number in range(4):
            for side in (direct, ours) if number % 2 else (ours, direct):
                rates[side].append(await _rate(side, count, seconds))
        there, here = spread(rates[direct]), spread(rates[ours])
        console.print(
            f"{count:3} connections  direct {_whole(there)} a second   gateway {_whole(here)}"
        )


async def _rate(side: Side, count: int, seconds: float) -> float:
    done, until = 0, time.perf_counter() + seconds

    async def ask() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await side.whole()
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(count)))
    return done / (time.perf_counter() - started)


def _whole(found: Spread) -> str:
    return f"{found.median:,.0f} ({found.lower:,.0f} to {found.upper:,.0f})"


async def in_process(env: Mapping[str, str], key: str, console: Console) -> None:
    """What our own code adds: the ASGI application called as a server would, without a socket."""
    gateway = parts_from(roomy(), env).app
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/v1{PATH}",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/json"),
        ],
    }
    raw = body()

    async def call() -> float:
        asked = asyncio.Event()

        async def receive() -> dict[str, object]:
            if asked.is_set():
                await asyncio.Event().wait()
            asked.set()
            return {"type": "http.request", "body": raw}

        async def send(message: Mapping[str, object]) -> None:
            if message["type"] == "http.response.start":
                _check(int(str(message["status"])))

        started = time.perf_counter()
        await gateway(scope, receive, send)
        return 1000 * (time.perf_counter() - started)

    direct = Side(env["OPENAI_ENDPOINT"], "none")
    for _ in range(CALLS):
        await direct.whole()
        await call()
    times: dict[str, list[Milliseconds]] = {"direct": [], "gateway": []}
    used: dict[str, list[float]] = {"direct": [], "gateway": []}
    for number in range(ROUNDS):
        for name in ("direct", "gateway") if number % 2 else ("gateway", "direct"):
            ask = direct.whole if name == "direct" else call
            started = time.process_time()
            times[name].append([await ask() for _ in range(CALLS)])
            used[name].append(1000 * (time.process_time() - started) / CALLS)
    for percent in (50, 95, 99):
        there, here = (_percentile(times[name], percent) for name in ("direct", "gateway"))
        _print(console, f"in process           p{percent}", there, here)
    _print(console, "in process           CPU", used["direct"], used["gateway"])


def _print(console: Console, title: str, there: list[float], here: list[float]) -> None:
    added = spread([b - a for a, b in zip(there, here, strict=True)])
    console.print(f"{title}  direct {spread(there)}   gateway {spread(here)}   added {added}")


@contextlib.contextmanager
def process(command: Sequence[str], env: Mapping[str, str], port: int) -> Iterator[None]:
    """A process that listens, until the block ends."""
    own = {**os.environ, **env, "PYTHONPATH": str(ROOT / "functions")}
    with subprocess.Popen(
        [sys.executable, *command], env=own, stdout=subprocess.DEVNULL, cwd=ROOT
    ) as running:
        try:
            for _ in range(400):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield
        finally:
            running.terminate()


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def roomy() -> Policy:
    """Production's policy with limits that nothing here meets."""
    policy = config.load(config.path_of(Environment.PRODUCTION))
    if policy.openai is None or policy.gateway is None:
        raise ValueError("production serves no models")
    openai = replace(policy.openai, requests_per_minute=1_000_000, monthly_budget=Decimal(10**6))
    gateway = replace(policy.gateway, tokens_per_minute=None)
    return replace(policy, openai=openai, gateway=gateway, spending=Spending())


async def measure(direct: Side, ours: Side, console: Console, seconds: float) -> None:
    """All that needs both processes."""
    await clients(direct, console)
    await paired(direct, ours, console)
    await carried(direct, ours, console, seconds)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    asked = parser.parse_args()
    console = Console(highlight=False, width=150)
    console.print(f"load of this machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    there, here = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        name = f"sqlite:///{folder}/records.db"
        env = {
            "TWINGUARD_RECORDS": name,
            "TWINGUARD_KEY_PEPPER": PEPPER,
            "TWINGUARD_POLICY": config.render(roomy()),
            "OPENAI_API_KEY": "a-key-of-the-bench",
            "OPENAI_ENDPOINT": f"http://127.0.0.1:{there}/v1",
        }
        keys = CustomerKeys(
            state.open_records(env["TWINGUARD_RECORDS"]),
            Environment.PRODUCTION,
            roomy().retention,
            Peppers.read(env),
        )
        key = keys.issue(Order(tenant="bench"), "bench", "to measure", NOW).raw
        provider = ["-m", "twinguard.standins.openai_provider", "--port", str(there)]
        gateway = ["-m", "uvicorn", "--factory", "twinguard.gateway_wiring:application"]
        gateway += ["--port", str(here), "--no-access-log", "--log-level", "warning"]
        with process(provider, {}, there), process(gateway, env, here):
            direct = Side(f"http://127.0.0.1:{there}/v1", "none")
            ours = Side(f"http://127.0.0.1:{here}/v1", key)
            asyncio.run(measure(direct, ours, console, asked.seconds))
        with process(provider, {}, there):
            asyncio.run(in_process(env, key, console))
    return 0


if __name__ == "__main__":
    sys.exit(main())
