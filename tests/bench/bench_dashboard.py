# SPDX-License-Identifier: Apache-2.0
"""How fast pages are with 100,000 findings and a year of costs, beside a bare Starlette page.

Both are servers in processes of their own, asked in turns; then 500 listeners join."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[2] / "functions"), str(HERE.parents[1]), str(HERE.parent)]

import uvicorn  # noqa: E402
from paired import spread  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.responses import HTMLResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from browser.furniture import STAGING, finding_line, furnish  # noqa: E402
from servers import free_port  # noqa: E402
from twinguard.cli.costs_source import opened  # noqa: E402
from twinguard.cli.stage import Stage  # noqa: E402
from twinguard.pipeline import Pipeline  # noqa: E402
from twinguard.settled import settled  # noqa: E402
from twinguard.standins import sample_costs  # noqa: E402
from twinguard.standins.export_files import json_lines  # noqa: E402
from twinguard.standins.exports import Export  # noqa: E402
from twinguard.web.dashboard.app import application  # noqa: E402
from twinguard.web.dashboard.findings_file import FindingsFile  # noqa: E402
from twinguard.web.dashboard.security import RecordedSecurity  # noqa: E402
from twinguard.web.dashboard.site import site_from  # noqa: E402
from twinguard.web.dashboard.watched import Source, Watched  # noqa: E402
from twinguard.wiring import ports_from  # noqa: E402

LEVELS = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
FINDINGS, LISTENERS, ROUNDS, PROMISED = 100_000, 500, 40, 200.0
PAGES = (
    "/",
    "/staging/costs",
    "/staging/operations",
    "/staging/security",
    "/staging/security?level=critical&detector=burst&key=nobody",
)
HEARD = 5


def main() -> None:
    """Measure, and print milliseconds."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        rows = prepare(folder)
        say(f"{FINDINGS:,} findings, {rows:,} rows of costs over a year")
        with serving("bare", folder) as bare, serving("dashboard", folder) as ours:
            measure("alone", bare, ours)
            asyncio.run(listening(folder, bare, ours))


def prepare(folder: Path) -> int:
    """Write the findings, and four exports of three months each as one."""
    at = now()
    with (folder / "findings.jsonl").open("w") as file:
        for number in range(FINDINGS):
            when = at - dt.timedelta(seconds=30 * (FINDINGS - number))
            file.write(
                finding_line(number, when, ("LOW", "MEDIUM", "HIGH", "CRITICAL")[number % 4])
            )
    ends = [at - dt.timedelta(days=days) for days in (275, 184, 92, 0)]
    made = [sample_costs.made(STAGING, end) for end in ends]
    rows = {}
    for export in made:  # a later export has the days of an earlier one anew
        first = min(row["usage_start_time"] for row in export.rows)
        rows = {key: row for key, row in rows.items() if row["usage_start_time"] < first}
        rows |= {(export.rows[0]["usage_start_time"], n): row for n, row in enumerate(export.rows)}
    json_lines(Export([*rows.values()], made[-1].ledger), folder / "export.jsonl")
    return len(rows)


def measure(what: str, bare: str, ours: str) -> None:
    """Ask both in turns, so that what else the machine does weighs on both."""
    for url in (bare, *(ours + page for page in PAGES)):
        fetch(url)
    base, took = [], {page: [] for page in PAGES}
    for _ in range(ROUNDS):
        base.append(fetch(bare))
        for page in PAGES:
            took[page].append(fetch(ours + page))
    say(
        f"\n{what}: milliseconds, the middle (and half of them), the slowest; promised {PROMISED:g}"
    )
    say(f"  {'a bare Starlette page':60} {spread(base)}  {max(base):.1f}")
    for page, times in took.items():
        held = "kept" if max(times) < PROMISED else "NOT KEPT"
        say(f"  {page:60} {spread(times)}  {max(times):.1f}  {held}")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def fetch(url: str) -> float:
    started = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()
    return 1000 * (time.perf_counter() - started)


async def listening(folder: Path, bare: str, ours: str) -> None:
    """Hold so many listeners, let findings come, and see that each hears each of them once."""
    started = time.perf_counter()
    lines = await asyncio.gather(*(listener(ours) for _ in range(LISTENERS)))
    say(f"\n{LISTENERS} listeners are connected after {time.perf_counter() - started:.1f} s")
    hearing = asyncio.gather(*(hear(reader) for reader, _ in lines))
    sent = []
    with (folder / "findings.jsonl").open("a") as file:
        for number in range(HEARD):
            await asyncio.sleep(1.5)
            file.write(finding_line(FINDINGS + number, now(), "CRITICAL"))
            file.flush()
            sent.append(time.perf_counter())
    heard = await asyncio.wait_for(hearing, 60)
    delays = [1000 * (at - sent[n]) for times in heard for n, at in enumerate(times)]
    whole = sum(len(times) == HEARD for times in heard)
    say(f"{whole} of {LISTENERS} heard all {HEARD} findings; looked for once a second")
    say(f"  from the file to a listener, ms: {spread(delays)}, the slowest {max(delays):.0f}")
    await asyncio.to_thread(measure, f"with {LISTENERS} listeners", bare, ours)
    for _, writer in lines:
        writer.close()


async def listener(ours: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = ours.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = f"/staging/security/stream?after={FINDINGS:012d}-{0:015d}"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    await reader.readuntil(b"retry: 2000")
    return reader, writer


async def hear(reader: asyncio.StreamReader) -> list[float]:
    """When each finding came."""
    times = []
    while len(times) < HEARD:
        await reader.readuntil(b"id: ")
        times.append(time.perf_counter())
    return times


# --- the servers, each in a process of its own ---------------------------------------------------


@contextlib.contextmanager
def serving(what: str, folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, str(HERE), what, str(folder), str(port)]
    process = subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path[:3])}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                fetch(url)
                break
            except OSError:
                assert process.poll() is None, f"{what} ended"
                assert time.monotonic() < deadline, f"{what} does not start"
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def serve(what: str, folder: Path, port: int) -> None:
    if what == "bare":
        page = "<!doctype html><title>bare</title>" + "<p>row</p>" * 1000
        app = Starlette(routes=[Route("/", lambda request: HTMLResponse(page))])
        uvicorn.run(app, port=port, log_level="error", access_log=False)
        return
    with Stage() as stage:
        stage.pubsub.add_topic(topic := f"projects/{STAGING.project.id}/topics/alerts")
        records = {"TWINGUARD_RECORDS": f"sqlite:///{folder / 'staging.sqlite'}"}
        ports = ports_from(stage.environment | records | {"TWINGUARD_ALERTS_TOPIC": topic})
        pipeline = Pipeline(STAGING, ports)
        stage.add(pipeline.resources())
        furnish(pipeline, folder / "others.jsonl", is_alarming=True)
        file = FindingsFile(folder / "findings.jsonl")
        security = RecordedSecurity(STAGING, ports.records, file)
        one = Watched(STAGING, ports, ports.records, costs(folder), security, now, tells=True)
        one.warm()
        one.board.poll()
        app = application({"staging": one}, site_from({}, "ada"), now, settled)
        uvicorn.run(app, port=port, log_level="error", access_log=False)


def costs(folder: Path):
    @contextlib.contextmanager
    def source(at):
        with opened("staging", "", str(folder / "export.jsonl"), at) as found:
            yield Source(found.ledger)

    return source


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
