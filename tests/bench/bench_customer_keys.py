# SPDX-License-Identifier: Apache-2.0
"""Measure a key's look-up among 1,000 to 1,000,000 keys, and the check of a long audit log.

Measures and never asserts. Peers of a look-up, side by side: a bare dictionary, and a bare Redis
GET where a server and its client are there. They find a digest; ours also proves the key."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import hashlib
import json
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from paired import ratios, spread
from rich.console import Console

from twinguard.audit_log import Anchor, AuditLog, verify
from twinguard.customer_keys import KIND, CustomerKeys, Order
from twinguard.decide import customer_keys as rules
from twinguard.decide.audit_chain import Entry
from twinguard.decide.customer_keys import CustomerKey, KeyClass
from twinguard.peppers import Peppers
from twinguard.policy import Environment, Retention
from twinguard.state.sqlite import SqliteRecords

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
SIZES = (1_000, 30_000, 1_000_000)
ROUNDS, LOOK_UPS, BATCH = 15, 300, 10_000
PEPPERS = Peppers({"1": "a pepper of the bench, which nobody uses"})
Look = Callable[[str], object]


def store(path: Path, size: int) -> tuple[CustomerKeys, list[str]]:
    """A store with this many keys, and some of them to look up.

    Written in bulk, past `Records`: a commit for each would take an hour. The look-up is real."""
    records = SqliteRecords(str(path))
    keys = CustomerKeys(records, Environment.PRODUCTION, Retention(), PEPPERS)
    first = keys.issue(Order(tenant="tenant-0"), "bench", "to measure", NOW)
    (pattern,) = (json.dumps(one.value, separators=(",", ":")) for one in records.find(KIND))
    digest = PEPPERS.digests(first.raw)["1"]
    numbers, chosen = random.Random(size), {first.raw}
    wanted = set(random.Random(1).sample(range(1, size), min(size - 1, 3 * LOOK_UPS)))

    def rows() -> Iterator[tuple[str, str, str, int, int]]:
        for number in range(1, size):
            name = rules.text_of(numbers.getrandbits(rules.ID_BITS), rules.ID_BITS)
            own = f"{number:064x}"
            if number in wanted:
                made = rules.composed(KeyClass.LIVE, name, numbers.getrandbits(rules.SECRET_BITS))
                chosen.add(made.raw)
                own = PEPPERS.digests(made.raw)["1"]
            yield KIND, name, pattern.replace(first.key.id, name).replace(digest, own), number, 0

    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA synchronous = OFF")
        db.executemany("INSERT OR IGNORE INTO records VALUES (?, ?, ?, ?, ?, NULL)", rows())
    return keys, sorted(chosen)


def ours(keys: CustomerKeys) -> Look:
    """A look-up as a request makes it; a refusal would be a mistake of this bench."""

    def look(raw: str) -> object:
        found = keys.look_up(raw, NOW)
        if not isinstance(found, CustomerKey):
            raise TypeError(f"{found} in a bench of good keys")
        return found

    return look


def bare_dictionary(size: int, chosen: list[str]) -> Look:
    """As many digests in memory, found by the digest of the key."""
    held = {f"{number:064x}": number for number in range(size)}
    held |= {hashlib.sha256(raw.encode()).hexdigest(): 1 for raw in chosen}
    return lambda raw: held[hashlib.sha256(raw.encode()).hexdigest()]


@contextlib.contextmanager
def bare_redis(size: int, chosen: list[str]) -> Iterator[Look | str]:
    """As many digests in a Redis server of our own, or what is missing for that."""
    program = shutil.which("redis-server")
    try:
        import redis
    except ImportError:
        redis = None
    if program is None or redis is None:
        missing = "redis-server" if program is None else "redis, its Python client,"
        yield f"{missing} is not installed"
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--save", "", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            client: Any = redis.Redis(port=port)
            for _ in range(100):
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    break
                time.sleep(0.05)
            for first in range(0, size, BATCH):
                numbers = range(first, min(size, first + BATCH))
                client.mset({f"{number:064x}": number for number in numbers})
            client.mset({hashlib.sha256(raw.encode()).hexdigest(): 1 for raw in chosen})
            yield lambda raw: client.get(hashlib.sha256(raw.encode()).hexdigest())
        finally:
            server.terminate()


def microseconds(look: Look, chosen: list[str]) -> float:
    """What one look-up takes, over different keys."""
    started = time.perf_counter()
    for raw in chosen:
        look(raw)
    return 1e6 * (time.perf_counter() - started) / len(chosen)


def look_ups(folder: Path, console: Console, largest: int) -> None:
    """Measure all sizes and peers in turn and print them."""
    sizes = [size for size in SIZES if size <= largest]
    looks: dict[str, tuple[Look, list[str]]] = {}
    for size in sizes:
        console.print(f"writing a store of {size:,} keys", style="dim")
        keys, chosen = store(folder / f"{size}.db", size)
        looks[f"ours, {size:,} keys"] = ours(keys), chosen
    name = f"bare dictionary, {sizes[-1]:,}"
    looks[name] = bare_dictionary(sizes[-1], chosen), chosen
    with bare_redis(sizes[-1], chosen) as found:
        if isinstance(found, str):
            console.print(f"left out: bare Redis GET ({found})")
        else:
            looks[f"bare Redis GET, {sizes[-1]:,}"] = found, chosen
        times: dict[str, list[float]] = {name: [] for name in looks}
        for number in range(ROUNDS):
            order = list(looks.items())
            for name, (look, known) in order if number % 2 else reversed(order):
                times[name].append(
                    microseconds(look, random.Random(number).sample(known, LOOK_UPS))
                )
    for name, samples in times.items():
        console.print(f"{name + ':':32} {spread(samples)} µs")
    first, last = times[f"ours, {sizes[0]:,} keys"], times[f"ours, {sizes[-1]:,} keys"]
    console.print(f"{sizes[-1]:,} to {sizes[0]:,} keys: {ratios(last, first)}")
    for name, samples in times.items():
        if name.startswith("bare"):
            console.print(f"ours to {name}: {ratios(last, samples)}")


def audit(folder: Path, console: Console, lines: int) -> None:
    """Write and check one long log."""
    path = folder / "audit.log"
    anchor = Anchor(SqliteRecords(str(folder / "anchor.db")), "production", path)
    log = AuditLog(path, "production", anchor)
    started = time.perf_counter()
    for first in range(0, lines, BATCH):
        numbers = range(first, min(lines, first + BATCH))
        told = {"actor": "bench", "action": "Read", "detail": "version 3"}
        log.append([Entry(at=NOW, subject=f"secret {number}", **told) for number in numbers], NOW)
    written = time.perf_counter() - started
    started = time.perf_counter()
    verdict = verify(path, "production", anchor.head())
    seconds = time.perf_counter() - started
    size = path.stat().st_size / 1e6
    console.print(f"audit log: {verdict.lines:,} lines, {size:,.0f} MB, written in {written:.1f} s")
    console.print(f"checked in {seconds:.2f} s, {verdict.lines / seconds:,.0f} lines per second")
    if verdict.problems:
        raise ValueError(f"a log that nobody touched has {verdict.problems[:3]}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=SIZES[-1], help="of the largest store")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the audit log")
    asked = parser.parse_args()
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        look_ups(Path(folder), console, max(asked.keys, SIZES[0]))
        audit(Path(folder), console, asked.lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
