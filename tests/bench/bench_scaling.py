# SPDX-License-Identifier: Apache-2.0
"""How far each step carries: requests, budget events, records and usage, by store and processes.

Measures and never asserts. docs/scaling.md has the numbers of one machine, and what to do next."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "functions"), str(HERE.parents[1])]

import requests  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import servers  # noqa: E402
from twinguard import config, usage  # noqa: E402
from twinguard.act.pubsub import TopicPublisher  # noqa: E402
from twinguard.decide.threats.values import Use  # noqa: E402
from twinguard.parse import Event  # noqa: E402
from twinguard.policy import Environment  # noqa: E402
from twinguard.state import open_records  # noqa: E402
from twinguard.state.counters import Options, open_counters  # noqa: E402
from twinguard.theft_flow import TheftFlow  # noqa: E402
from twinguard.wiring import ports_from  # noqa: E402

POLICY = config.load(config.path_of(Environment.STAGING))
PROJECT, TOPIC = "demo-scaling", "projects/demo-scaling/topics/usage-events"
PROCESSES, BATCHES = (1, 2, 4), (1, 10, 200)
_numbers = itertools.count()

Work = Callable[[], object]


def requests_at(url: str, name: str) -> Work:
    """A guarded request of one of a thousand keys: admitted, and settled when it ended."""
    counters, at = open_counters(url, Options(timeout=5.0)), dt.datetime.now(dt.UTC)

    def one() -> None:
        number = next(_numbers)
        moment = at + dt.timedelta(milliseconds=number)
        use = Use(moment, f"{name}-{number % 1000}", "9.9.9.9", "acme/1.4", "/v1/chat")
        counters.admit(use)
        counters.settle(use)

    return one


def records_at(url: str, name: str) -> Work:
    """A record that is read, and written where nobody else wrote it meanwhile."""
    records = open_records(url)

    def one() -> None:
        kept = records.get("scaling", name)
        records.put("scaling", name, {"n": next(_numbers)}, kept.version if kept else None)

    return one


KINDS = {"requests": requests_at, "records": records_at}


def rate(work: Work, seconds: float) -> float:
    """How often a second, after a warm-up."""
    for _ in range(20):
        work()
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        work()
        count += 1
    return count / took


def together(kind: str, url: str, processes: int, seconds: float) -> float:
    """The sum over so many processes at the same time."""
    command = [sys.executable, __file__, "--work", kind, url, "--seconds", str(seconds)]
    running = [
        subprocess.Popen([*command, "--name", f"p{number}"], stdout=subprocess.PIPE, text=True)
        for number in range(processes)
    ]
    return sum(float(process.communicate()[0]) for process in running)


def batches(url: str, folder: Path, size: int, seconds: float) -> float:
    """Uses a second that `on_usage` decides on, in messages of this size."""
    alerts = f"projects/{PROJECT}/topics/alerts"
    records = f"sqlite:///{folder / f'batches-{size}.db'}"
    ports = ports_from({"TWINGUARD_RECORDS": records, "TWINGUARD_ALERTS_TOPIC": alerts})
    flow = TheftFlow(POLICY, ports, open_counters(url, Options(timeout=5.0)))

    def one() -> None:
        now = dt.datetime.now(dt.UTC)
        flow.on_usage(Event(f"message-{next(_numbers)}", now, events(size, now), {}), now)

    return size * rate(one, seconds)


def events(size: int, now: dt.datetime) -> bytes:
    """A batch of ordinary uses, ten of each key."""
    numbers = itertools.islice(_numbers, size)
    return usage.encoded(
        [
            usage.UsageEvent(at=now, key_id=f"key-{n // 10}", ip="9.9.9.9", user_agent="acme/1.4")
            for n in numbers
        ]
    )


def published(address: str, size: int, seconds: float) -> float:
    """Uses a second that one process hands to the Pub/Sub emulator."""
    publisher, data = TopicPublisher(f"http://{address}"), events(size, dt.datetime.now(dt.UTC))
    return size * rate(lambda: publisher.publish(TOPIC, data, {}), seconds)


@contextlib.contextmanager
def everything(folder: Path) -> Iterator[dict[str, servers.Server]]:
    """Each real server, on a free port."""
    with contextlib.ExitStack() as stack:
        found = {}
        for name in ("redis", "redis_cluster", "firestore", "pubsub"):
            own = folder / name
            own.mkdir()
            found[name] = stack.enter_context(getattr(servers, name)(own))
        address = f"http://{found['pubsub'].address}/v1/{TOPIC}"
        requests.put(address, json={}, timeout=20).raise_for_status()
        yield found


def rows(folder: Path, found: dict[str, servers.Server], seconds: float) -> Iterator[list[object]]:
    """What is measured, with which store, by how many processes, how often a second."""
    stores = {
        name: found[name].environment["TWINGUARD_COUNTERS"] for name in ("redis", "redis_cluster")
    }
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield ["requests", "memory", 1, rate(requests_at("memory://", "own"), seconds)]
    held = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun) / 1024
    yield ["MiB for their 1,000 keys", "memory", 1, held]
    for name, url in stores.items():
        for processes in PROCESSES:
            yield ["requests", name, processes, together("requests", url, processes, seconds)]
    kept = {"SQLite": f"sqlite:///{folder / 'records.db'}"}
    for name, url in kept.items():
        for processes in PROCESSES:
            yield ["records", name, processes, together("records", url, processes, seconds)]
    for size in BATCHES:
        told = f"uses at on_usage, {size} a message"
        yield [told, "SQLite, redis", 1, batches(stores["redis"], folder, size, seconds)]
    for size in BATCHES:
        told = f"uses published, {size} a message"
        yield [told, "Pub/Sub emulator", 1, published(found["pubsub"].address, size, seconds)]


def main() -> None:
    """One row for each point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", nargs=2, metavar=("KIND", "URL"))
    parser.add_argument("--name", default="p0")
    told = parser.parse_args()
    if told.work:
        kind, url = told.work
        sys.stdout.write(f"{rate(KINDS[kind](url, told.name), told.seconds)}\n")
        return
    with tempfile.TemporaryDirectory() as scratch, everything(Path(scratch)) as found:
        measured = list(rows(Path(scratch), found, told.seconds))
    if told.json:
        sys.stdout.write(json.dumps(measured, indent=2) + "\n")
        return
    table = Table("what", "store", "processes", "a second")
    for what, store, processes, number in measured:
        table.add_row(str(what), str(store), str(processes), f"{number:,.0f}")
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    main()
