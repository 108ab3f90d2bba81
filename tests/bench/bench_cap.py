# SPDX-License-Identifier: Apache-2.0
"""Is the cap kept? 1,000 callers against 5 USD, workers killed, clients gone, releases lost.

Measures and never asserts, but for its exit code: 1 where the ledger went over the cap by a
nano-dollar, lost one, or refused what was free after the lease."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capped import (
    BUDGETS,
    CANCELLED,
    CAP,
    ENVIRONMENT,
    LEASE,
    LOST,
    SPENT,
    MemoryProvider,
    RedisProvider,
    busy,
    client_of,
    ledger_of,
    redis_running,
    through,
)
from rich import box
from rich.console import Console
from rich.table import Table

from twinguard.decide.ledger import Held, Wanted, dollars_of, period_of
from twinguard.llm.ledger import KeepsCount
from twinguard.llm.ledger_memory import MemoryLedger

WORKERS = 4
WORKER = Path(__file__).with_name("capped.py")
PEER = Path(__file__).with_name("peer_budget_manager.py")


@dataclass
class Seen:
    """What one run came to, in nano-dollars."""

    way: str
    callers: int
    is_ledger: bool = True
    kills: int = 0
    charged: int = 0
    counted: int = 0
    unsettled: int = 0
    late: int = 0
    most: int = 0
    held_after: int = 0
    free_after: bool = True
    final: int = 0

    @property
    def over(self) -> int:
        """By how much the store let the cap be exceeded."""
        return max(0, self.most - CAP)

    @property
    def failed(self) -> bool:
        """True where a promise of the ledger is broken."""
        return bool(
            self.over > self.late
            or self.held_after
            or not self.free_after
            or self.final < self.charged
        )


def watched(look: Callable[[], int], work: Callable[[], None]) -> int:
    """The most that was spent and held at once, looked at all the time while something works."""
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, look())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(most, look())


def workers(way: str, port: int, callers: int, seconds: float, kills: int) -> int:
    """Run the callers in processes; kill -9 some at random and start others for them.

    Each dies at a random part of the cap: while money is spent, however fast that is."""
    chance, each = random.Random(way), callers // WORKERS
    provider = RedisProvider(client_of(port))
    ends, done = time.monotonic() + seconds, 0

    def start(seed: int) -> subprocess.Popen[bytes]:
        left = max(1.0, ends - time.monotonic())
        arguments = (way, str(port), str(each), f"{left:.1f}", str(seed))
        return subprocess.Popen([sys.executable, str(WORKER), *arguments])

    running = [start(seed) for seed in range(WORKERS)]
    try:
        for part in sorted(chance.randrange(CAP) for _ in range(kills)):
            while sum(provider.charges().values()) < part and time.monotonic() < ends:
                time.sleep(0.002)
            which = chance.randrange(WORKERS)
            if running[which].poll() is None:
                running[which].kill()
                done += 1
            running[which].wait()
            running[which] = start(WORKERS + done)
        for process in running:
            process.wait()
    finally:
        for process in running:
            process.kill()
            process.wait()
    return done


def ended(seen: Seen, ledger: KeepsCount, provider: RedisProvider) -> Seen:
    """Wait for the leases; then everything that is not spent must be free, to the last unit."""
    time.sleep(LEASE + 0.1)
    (standing,) = ledger.totals([ENVIRONMENT])
    charges, seen.late = provider.charges(), provider.late
    seen.counted, seen.held_after = standing.spent, standing.held
    seen.charged = sum(charges.values())
    left = max(0, CAP - standing.spent)
    all_of_it = ledger.hold(Wanted("all-of-it", 1, (ENVIRONMENT,), left, LEASE))
    one_more = ledger.hold(Wanted("one-more", 1, (ENVIRONMENT,), 1, LEASE))
    seen.free_after = isinstance(all_of_it, Held) and not isinstance(one_more, Held)
    if isinstance(all_of_it, Held):
        ledger.release(all_of_it)
    seen.unsettled, seen.final = reconciled(ledger, charges, standing.spent)
    return seen


def reconciled(ledger: KeepsCount, charges: dict[str, int], before: int) -> tuple[int, int]:
    """Settle every charge of the provider's log again: only those of killed workers count."""
    now = dt.datetime.now(dt.UTC)
    for attempt, nanos in charges.items():
        ledger.settle(Held(attempt, 1, (ENVIRONMENT,), 0, period_of(now), now), nanos)
    after = ledger.totals([ENVIRONMENT])[0].spent
    return after - before, after


def in_redis(callers: int, seconds: float, kills: int) -> Seen:
    """The ledger in Redis, its callers in processes that are killed."""
    with redis_running() as port:
        ledger, provider = ledger_of(port), RedisProvider(client_of(port))
        seen = Seen("ledger in Redis", callers)

        def work() -> None:
            seen.kills = workers("ledger", port, callers, seconds, kills)

        seen.most = watched(lambda: committed(ledger), work)
        return ended(seen, ledger, provider)


def in_memory(callers: int, seconds: float) -> Seen:
    """The ledger in memory, its callers threads of one process."""
    ledger, provider = MemoryLedger(BUDGETS), MemoryProvider()
    seen = Seen("ledger in memory", callers)
    call = through(ledger, provider)
    seen.most = watched(lambda: committed(ledger), lambda: busy(call, callers, seconds, 1))
    return ended(seen, ledger, provider)


def committed(ledger: KeepsCount) -> int:
    """What is spent and held."""
    (standing,) = ledger.totals([ENVIRONMENT])
    return standing.spent + standing.held


def plain(callers: int, seconds: float, kills: int) -> Seen:
    """Check-then-spend in Redis, under the same load."""
    with redis_running() as port:
        client, provider = client_of(port), RedisProvider(client_of(port))
        seen = Seen("check-then-spend", callers, is_ledger=False)
        seen.kills = workers("plain", port, callers, seconds, kills)
        seen.charged = seen.most = seen.final = sum(provider.charges().values())
        seen.counted = int(client.get(SPENT) or 0)  # type: ignore[arg-type]
        seen.unsettled = seen.charged - seen.counted
        return seen


def peer(python: Path, callers: int, seconds: float) -> Seen:
    """LiteLLM's BudgetManager, in the interpreter that has it, as threads of one process."""
    command = [str(python), str(PEER), str(callers), str(seconds), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{python} cannot run the peer: {done.stderr.strip().splitlines()[-1:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    seen = Seen(f"litellm {found['version']}", callers, is_ledger=False)
    seen.charged = seen.most = found["charged"]
    seen.unsettled = found["charged"] - found["counted"]
    return seen


def _usd(nanos: int) -> str:
    return f"{dollars_of(nanos):.9f}"


def _over(seen: Seen) -> str:
    return f"[{'red' if seen.over else 'green'}]{_usd(seen.over)}[/]"


def _of_ledgers(told: Callable[[Seen], str]) -> Callable[[Seen], str]:
    return lambda seen: told(seen) if seen.is_ledger else "-"


ROWS: dict[str, Callable[[Seen], str]] = {
    "callers": lambda seen: f"{seen.callers:,}",
    "processes killed": lambda seen: str(seen.kills),
    "charged": lambda seen: _usd(seen.charged),
    "most at once": lambda seen: _usd(seen.most),
    "over the cap": _over,
    "by calls past a lease": _of_ledgers(lambda seen: _usd(seen.late)),
    "hidden by kills": lambda seen: _usd(seen.unsettled),
    "held after the lease": _of_ledgers(lambda seen: _usd(seen.held_after)),
    "the rest usable again": _of_ledgers(lambda seen: "yes" if seen.free_after else "NO"),
}


def shown(runs: list[Seen], console: Console) -> None:
    """One column for each run."""
    table = Table(title=f"A cap of {dollars_of(CAP):.2f} USD", box=box.SIMPLE_HEAD)
    table.add_column("USD")
    for seen in runs:
        table.add_column(seen.way, justify="right")
    for name, told in ROWS.items():
        table.add_row(name, *map(told, runs))
    console.print(table)
    console.print(
        f"{CANCELLED:.0%} of the clients leave before their call, {LOST:.0%} of the releases are"
        f" lost; a lease lasts {LEASE} s.\nMost at once: spent and held. Hidden by kills: charged"
        " while the worker was killed that would\nhave settled it; it is counted once the"
        " provider's log is settled again, each attempt once."
    )


def main() -> None:
    """All of them, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--peer", type=Path, help="A Python that has litellm installed.")
    wanted = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 100)
    runs = [
        in_memory(wanted.callers, wanted.seconds),
        in_redis(wanted.callers, wanted.seconds, wanted.kills),
        plain(wanted.callers, wanted.seconds, wanted.kills),
    ]
    if wanted.peer:
        runs.append(peer(wanted.peer, wanted.callers, wanted.seconds))
    shown(runs, console)
    sys.exit(any(seen.failed for seen in runs[:2]))


if __name__ == "__main__":
    main()
