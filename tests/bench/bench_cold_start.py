# SPDX-License-Identifier: Apache-2.0
"""Measure a cold start: process start to first event answered, ours against a bare function.

Measures and never asserts: exit code 1 only where it cannot measure. Bytecode is compiled first,
for deployed functions ship it. Run by `make bench`; `--pairs`, `--limit` and `--json` are here."""

from __future__ import annotations

import argparse
import base64
import contextlib
import datetime as dt
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from paired import Spread, ratios, spread
from rich.console import Console
from rich.progress import track
from rich.table import Table

from twinguard import config
from twinguard.cli import processes
from twinguard.policy import Environment, Policy

PROMISE = 1.2
"""Our median cold start, divided by the bare function's."""

PATIENCE = 30.0
WIDE = 165
LOOK = 0.001  # seconds between two looks whether the process listens yet
BARE = """import functions_framework


@functions_framework.http
def bare(request):
    request.get_data()
    return {"outcome": "done"}, 200
"""
NOBODY = {
    **dict.fromkeys(("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD"), "unused"),
    "SMTP_FROM": "alerts@example.com",
    "SECURITY_EMAIL": "security@example.com",
    "SLACK_WEBHOOK_URL": "https://example.com/unused",
    **dict.fromkeys(("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"), "unused"),
    "SECURITY_PHONE": "+32470123456",
    "PAGERDUTY_INTEGRATION_KEY": "unused",
}
"""Settings of channels to nobody, which `dispatch_alert` wants; no message is sent."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A function to start, and the request that it answers first."""

    target: str
    source: Path
    body: bytes
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Start:
    """One cold start. `cpu` counts all processes of it; None where the system does not tell."""

    seconds: float
    cpu: float | None


class CannotMeasureError(Exception):
    """The subject did not start, or did not answer as it should."""


# --- what is measured ----------------------------------------------------------------------------


def subjects(folder: Path, policy: Policy, now: dt.datetime) -> tuple[Subject, tuple[Subject, ...]]:
    """The bare function, and ours with events that need no Google API and reach nobody."""
    (folder / "bare").mkdir()
    source = folder / "bare" / "main.py"
    source.write_text(BARE)
    ours = {
        "on_budget_alert": budget_message(policy, now),
        "on_schedule": push(b"", {"task": "expire"}, now),
        "dispatch_alert": push(ended_alert(policy, now), {}, now),
    }
    environment = {
        "TWINGUARD_POLICY": config.render(policy),
        "TWINGUARD_ALERTS_TOPIC": f"projects/{policy.project.id}/topics/alerts",
        "PYTHONPATH": str(processes.SOURCE),
        **NOBODY,
    }
    return Subject("bare", source, ours["on_budget_alert"], {}), tuple(
        Subject(name, processes.SOURCE / "main.py", body, environment)
        for name, body in ours.items()
    )


def budget_message(policy: Policy, now: dt.datetime) -> bytes:
    """A budget notification of the current period, below every threshold."""
    budget = policy.budget
    if budget is None or budget.amount is None:
        raise CannotMeasureError("the policy has no budget")
    lowest = min(threshold.percent for threshold in budget.thresholds)
    notice = {
        "budgetDisplayName": budget.name,
        "costAmount": float(budget.amount * lowest / Decimal(200)),
        "costIntervalStart": (now - dt.timedelta(days=1)).isoformat(),
        "budgetAmount": float(budget.amount),
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": budget.currency,
    }
    attributes = {
        "billingAccountId": "01D4EE-079462-DFD6EC",
        "budgetId": "de72f49d-779b-4945-a127-4d6ce8def0bb",
        "schemaVersion": "1.0",
    }
    return push(json.dumps(notice).encode(), attributes, now)


def ended_alert(policy: Policy, now: dt.datetime) -> bytes:
    """The end of an incident nobody heard of: it is recorded, and there is nobody to tell."""
    environment = policy.environment.value
    return json.dumps(
        {
            "incident": f"{environment}/night/all/2026-11-01",
            "environment": environment,
            "kind": "night",
            "level": "low",
            "step": 1,
            "state": "ended",
            "title": "awake again",
            "at": now.isoformat(),
        }
    ).encode()


def push(data: bytes, attributes: Mapping[str, str], now: dt.datetime) -> bytes:
    """A push request's body, as Pub/Sub sends it."""
    message = {
        "messageId": "1",
        "publishTime": now.isoformat(),
        "data": base64.b64encode(data).decode(),
        "attributes": attributes,
    }
    return json.dumps({"message": message}).encode()


# --- one cold start ------------------------------------------------------------------------------


def measured(subject: Subject, folder: Path) -> Start:
    """Start the subject as a new process, over a store that knows its event, until it answers."""
    port = processes.free_port()
    with (
        tempfile.TemporaryDirectory(dir=folder) as own,
        tempfile.TemporaryFile(dir=folder) as output,
    ):
        started = time.perf_counter()
        with running(subject, port, Path(own), output.fileno()) as process:
            status = first_answer(process, port, subject.body)
            seconds = time.perf_counter() - started
            cpu = cpu_of_session(process.pid)
        if status != http.HTTPStatus.OK:
            output.seek(0)
            words = output.read().decode(errors="replace").strip().splitlines()[-1:]
            raise CannotMeasureError(f"{subject.target}: status {status}; {' '.join(words)}")
    return Start(seconds, cpu)


@contextlib.contextmanager
def running(
    subject: Subject, port: int, own: Path, output: int
) -> Iterator[subprocess.Popen[bytes]]:
    """The process in a group of its own; the whole group is gone afterwards."""
    inherited = {name: os.environ[name] for name in processes.INHERITED if name in os.environ}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "functions_framework", "--source", str(subject.source)),
            *("--target", subject.target, "--signature-type", "http"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        env={
            **inherited,
            "PYTHONPYCACHEPREFIX": str(own.parent / "bytecode"),
            "TWINGUARD_RECORDS": f"sqlite:///{own.parent / subject.target}.db",
            **subject.environment,
        },
        cwd=own,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=processes.die_with_parent(),  # noqa: PLW1509 - calls prctl and getppid only
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def first_answer(process: subprocess.Popen[bytes], port: int, body: bytes) -> int:
    """The status of the first answer; 0 if there is none."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                connection.connect()
            except OSError:
                time.sleep(LOOK)
                continue
            try:
                connection.request("POST", "/", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return 0
            return answer.status
    return 0


def cpu_of_session(leader: int) -> float | None:
    """CPU seconds of all threads of a session so far, as Linux tells them to the nanosecond."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            session = int(stat.read_text().rpartition(")")[2].split()[3])
            if session == leader:
                threads = stat.parent.glob("task/*/schedstat")
                total += sum(int(thread.read_text().split()[0]) for thread in threads)
    return total / 1e9 or None


# --- pairs ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pairs:
    """The cold starts of one entry point, each next to one of the bare function."""

    target: str
    ours: list[Start]
    bare: list[Start]

    def ratio(self) -> Spread:
        """Ours to bare in seconds."""
        return ratios([one.seconds for one in self.ours], [one.seconds for one in self.bare])

    def cpu_ratio(self) -> Spread | None:
        """Ours to bare in CPU seconds."""
        ours, bare = cpu_seconds(self.ours), cpu_seconds(self.bare)
        return ratios(ours, bare) if len(ours) == len(bare) == len(self.ours) else None


def cpu_seconds(starts: list[Start]) -> list[float]:
    """The CPU seconds that are known."""
    return [one.cpu for one in starts if one.cpu is not None]


def all_pairs(count: int, limit: float, folder: Path, console: Console) -> list[Pairs]:
    """Measure in turn, bare first in every second pair; stop early when the time is up."""
    policy = config.load(config.path_of(Environment.STAGING))
    bare, ours = subjects(folder, policy, dt.datetime.now(dt.UTC))
    for subject in (bare, *ours):
        measured(subject, folder)  # thrown away: it compiles the bytecode
    found = {subject.target: Pairs(subject.target, [], []) for subject in ours}
    deadline = time.monotonic() + limit
    rounds = [(number, subject) for number in range(count) for subject in ours]
    for number, subject in track(rounds, "cold starts", console=console, transient=True):
        if time.monotonic() > deadline and number:
            break
        order = (bare, subject) if number % 2 else (subject, bare)
        starts = {one.target: measured(one, folder) for one in order}
        found[subject.target].ours.append(starts[subject.target])
        found[subject.target].bare.append(starts["bare"])
    return list(found.values())


def table(found: list[Pairs]) -> Table:
    """The numbers for people."""
    shown = Table(title="Cold start: process start to first event answered")
    for name in ("function", "pairs", "seconds: median (middle half)", "least", "most"):
        shown.add_column(name, justify="left" if name == "function" else "right")
    for name in ("CPU seconds: median (middle half)", "ratio to bare", "CPU ratio", "promise"):
        shown.add_column(name, justify="right")
    shown.add_row("bare", *numbers([start for pairs in found for start in pairs.bare]))
    for pairs in found:
        ratio = pairs.ratio()
        verdict = "[green]kept[/]" if ratio.median <= PROMISE else "[red]missed[/]"
        shown.add_row(
            pairs.target,
            *numbers(pairs.ours),
            str(ratio),
            str(pairs.cpu_ratio() or "-"),
            f"{verdict} (≤ {PROMISE})",
        )
    return shown


def numbers(starts: list[Start]) -> tuple[str, ...]:
    """The cells of one kind of start."""
    wall, cpu = spread([one.seconds for one in starts]), cpu_seconds(starts)
    least, most = f"{wall.least:.3f}", f"{wall.most:.3f}"
    return str(len(starts)), str(wall), least, most, str(spread(cpu)) if cpu else "-"


def main() -> int:
    """Measure, print, and write the samples where `--json` says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15, help="pairs per entry point (15)")
    parser.add_argument("--limit", type=float, default=300, help="seconds to measure at most (300)")
    parser.add_argument("--json", type=Path, help="write all samples to this file")
    asked = parser.parse_args()
    console = Console()
    try:
        with processes.orderly_end(), tempfile.TemporaryDirectory() as folder:
            found = all_pairs(max(asked.pairs, 1), asked.limit, Path(folder), console)
    except CannotMeasureError as err:
        console.print(f"[red]cannot measure[/]: {err}")
        return 1
    console.width = max(console.width, WIDE)  # a wrapped number is hard to read
    console.print(table(found))
    console.print(
        "Every process starts with bytecode, compiled by a run that is not counted, and a SQLite "
        "file that knows its event from that run; the events need no Google API and no channel."
    )
    if asked.json:
        asked.json.write_text(json.dumps([asdict(pairs) for pairs in found], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
