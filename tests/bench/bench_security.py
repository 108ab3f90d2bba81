# SPDX-License-Identifier: Apache-2.0
"""Measure one whole decision, and the middleware, against what others do with the same store.

Measures and never asserts. Peers in the same round: `limits` (moving window) in memory and on
Redis, a bare EVALSHA and a bare PING of redis-py; slowapi and fastapi-limiter around the same bare
application. They count requests and know nothing else of them; ours also looks for theft."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import http.client
import itertools
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import limits
import limits.strategies
import redis
import uvicorn
from fastapi import Depends, FastAPI
from fastapi_limiter.depends import RateLimiter
from paired import ratios, spread
from pyrate_limiter import Duration, Limiter, Rate, RedisBucket
from slowapi import Limiter as SlowLimiter
from slowapi.middleware import SlowAPIASGIMiddleware
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import servers
from twinguard.counters import Counters
from twinguard.decide.threats.values import Use
from twinguard.guard import Guard
from twinguard.peppers import Peppers
from twinguard.policy import Security
from twinguard.state.counters import Options, open_counters
from twinguard.web.middleware import SecurityMiddleware

ROUNDS, CALLS, REQUESTS = 21, 500, 300
MANY = 1_000_000
KEY = "ltk_live_0h3kq2m8x1nz_" + "7" * 39
PEPPERS = Peppers({"1": "p" * 32})
Work = Callable[[], object]
App = Callable[..., Awaitable[None]]


class Uses:
    """The owner's uses, one after the other, a few a second."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._at = dt.datetime.now(dt.UTC)

    def __call__(self) -> Use:
        self._at += dt.timedelta(milliseconds=700, microseconds=1)
        return Use(self._at, self._key, "9.9.9.9", "acme/1.4 httpx/0.27", "/v1/chat/completions")


def decisions(url: str) -> dict[str, Work]:
    """One call of each."""
    memory, shared = open_counters("memory://"), open_counters(url, Options(timeout=5.0))
    mine, ours = Uses("bench-memory"), Uses("bench-redis")
    rate = limits.RateLimitItemPerMinute(MANY)
    near = limits.strategies.MovingWindowRateLimiter(limits.storage.MemoryStorage())
    far = limits.strategies.MovingWindowRateLimiter(limits.storage.storage_from_string(url))
    client = redis.Redis.from_url(url)
    digest = client.script_load("return 1")
    names = itertools.count()
    return {
        "ours, memory": lambda: whole(memory, mine()),
        "limits, memory": lambda: near.hit(rate, "bench"),
        "ours, Redis": lambda: whole(shared, ours()),
        "limits, Redis": lambda: far.hit(rate, f"bench-{next(names) // 10_000}"),
        "bare EVALSHA": lambda: client.evalsha(digest, 1, "k", "v"),
        "PING": client.ping,
    }


def whole(counters: Counters, use: Use) -> None:
    """A request's way through a store: admitted, and settled when it ended."""
    counters.admit(use)
    counters.settle(use)


def measured(work: Work, calls: int) -> float:
    """Microseconds a call."""
    begun = time.perf_counter()
    for _ in range(calls):
        work()
    return 1e6 * (time.perf_counter() - begun) / calls


async def hello(_: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


def bare() -> Starlette:
    """An application of one route."""
    return Starlette(routes=[Route("/v1/chat/completions", hello)])


def guarded(url: str) -> App:
    """Ours in front of it."""
    guard = Guard(open_counters(url, Options(timeout=5.0)), Security())
    return SecurityMiddleware(bare(), guard=guard, key_id_of=PEPPERS.key_id)


def slow(url: str) -> App:
    """slowapi's pure ASGI middleware in front of it."""
    app = bare()
    app.state.limiter = SlowLimiter(
        key_func=lambda: "bench",
        default_limits=[f"{MANY}/minute"],
        storage_uri=url,
        strategy="moving-window",
    )
    app.add_middleware(SlowAPIASGIMiddleware)
    return app


def fast(url: str) -> App:
    """fastapi-limiter as a dependency of the route; its own application is FastAPI."""
    bucket = RedisBucket.init(
        [Rate(MANY, Duration.MINUTE)], redis.Redis.from_url(url), "bench-fastapi"
    )

    async def who(_: Any) -> str:
        return "bench"

    limiter = RateLimiter(limiter=Limiter(bucket), identifier=who)
    app = FastAPI()
    app.get("/v1/chat/completions", dependencies=[Depends(limiter)])(hello_fast)
    return app


def plain_fast() -> App:
    app = FastAPI()
    app.get("/v1/chat/completions")(hello_fast)
    return app


async def hello_fast() -> PlainTextResponse:
    return PlainTextResponse("hello")


async def requests(app: App, times: int) -> float:
    """Microseconds a request, one after the other, without a network."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"x-api-key", KEY.encode()),
            (b"user-agent", b"acme/1.4 httpx/0.27"),
            (b"x-forwarded-for", b"9.9.9.9"),
        ],
        "client": ("10.0.0.1", 1),
        "server": ("site", 80),
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise AssertionError(message)

    begun = time.perf_counter()
    for _ in range(times):
        await app(dict(scope), receive, send)
    return 1e6 * (time.perf_counter() - begun) / times


def table(found: dict[str, list[float]], pairs: list[tuple[str, str]]) -> None:
    for name, numbers in found.items():
        line = spread(numbers)
        sys.stdout.write(
            f"  {name:28} {line.median:9.1f} us  ({line.lower:.1f} to {line.upper:.1f})\n"
        )
    for ours, theirs in pairs:
        sys.stdout.write(f"  {ours} / {theirs}: {ratios(found[ours], found[theirs])}\n")


def of_decisions(url: str) -> None:
    works = decisions(url)
    found: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        measured(work, CALLS)
    for number in range(ROUNDS):
        names = list(works)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(measured(works[name], CALLS))
    sys.stdout.write(f"One decision ({ROUNDS} rounds of {CALLS} calls)\n")
    table(
        found,
        [
            ("ours, memory", "limits, memory"),
            ("ours, Redis", "limits, Redis"),
            ("ours, Redis", "bare EVALSHA"),
            ("ours, Redis", "PING"),
        ],
    )


async def of_middleware(url: str) -> None:
    apps: dict[str, App] = {
        "bare Starlette": bare(),
        "ours, memory": guarded("memory://"),
        "slowapi, memory": slow("memory://"),
        "ours, Redis": guarded(url),
        "slowapi, Redis": slow(url),
        "bare FastAPI": plain_fast(),
        "fastapi-limiter, Redis": fast(url),
    }
    found: dict[str, list[float]] = {name: [] for name in apps}
    for app in apps.values():
        await requests(app, REQUESTS)
    for number in range(ROUNDS):
        names = list(apps)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            found[name].append(await requests(apps[name], REQUESTS))
    sys.stdout.write(f"One request through the middleware ({ROUNDS} rounds of {REQUESTS})\n")
    added = {
        name: [n - b for n, b in zip(found[name], found[base], strict=True)]
        for name, base in (
            ("ours, memory", "bare Starlette"),
            ("slowapi, memory", "bare Starlette"),
            ("ours, Redis", "bare Starlette"),
            ("slowapi, Redis", "bare Starlette"),
            ("fastapi-limiter, Redis", "bare FastAPI"),
        )
    }
    table(found, [])
    sys.stdout.write("Added to the bare application\n")
    table(
        added,
        [
            ("ours, memory", "slowapi, memory"),
            ("ours, Redis", "slowapi, Redis"),
            ("ours, Redis", "fastapi-limiter, Redis"),
        ],
    )
    for app in apps.values():
        if isinstance(app, SecurityMiddleware):
            await asyncio.to_thread(app.close)


APPS: dict[str, Callable[[str], App]] = {
    "bare": lambda _: bare(),
    "ours": guarded,
    "slowapi": slow,
}


def serve(name: str, url: str, port: int) -> None:
    """One of the applications, as a process of its own."""
    logging.disable(logging.WARNING)
    uvicorn.run(APPS[name](url), host="127.0.0.1", port=port, log_level="error")


def latencies(port: int, seconds: float) -> list[float]:
    """Milliseconds of every request that four callers could make meanwhile."""
    ends = time.perf_counter() + seconds
    found: list[float] = []

    def caller() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while time.perf_counter() < ends:
            begun = time.perf_counter()
            connection.request(
                "GET",
                "/v1/chat/completions",
                headers={"X-API-Key": KEY, "X-Forwarded-For": "9.9.9.9", "User-Agent": "acme/1.4"},
            )
            if connection.getresponse().read() != b"hello":
                raise AssertionError(port)
            found.append(1000 * (time.perf_counter() - begun))
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(caller) for _ in range(4)]:
            done.result()
    return found


def of_latencies(url: str, folder: Path) -> None:
    """Percentiles under load from this process, the applications in others."""
    with contextlib.ExitStack() as stack:
        ports = {}
        for name in APPS:
            ports[name] = port = servers.free_port()
            command = [sys.executable, __file__, "--serve", name, url, str(port)]
            log, ready = folder / f"{name}.log", functools.partial(servers.answers_http, port)
            stack.enter_context(servers.running(command, log, ready))
        found: dict[str, list[float]] = {name: [] for name in APPS}
        for number in range(9):
            names = list(APPS)
            for name in names[number % 3 :] + names[: number % 3]:
                found[name] += latencies(ports[name], 1.0)
    sys.stdout.write("Latency under load from another process, four callers, Redis (ms)\n")
    for name, numbers in found.items():
        cut = statistics.quantiles(numbers, n=100)
        sys.stdout.write(
            f"  {name:10} p50 {cut[49]:6.2f}  p95 {cut[94]:6.2f}  p99 {cut[98]:6.2f}"
            f"  ({len(numbers)} requests)\n"
        )


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
        return
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.redis(Path(folder)))
        url = f"redis://{server.address}/0"  # a form that the peers read as well
        of_decisions(url)
        asyncio.run(of_middleware(url))
        of_latencies(url, Path(folder))


if __name__ == "__main__":
    main()
