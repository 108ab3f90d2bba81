# SPDX-License-Identifier: Apache-2.0
"""Measure a hold and a settlement against a bare EVALSHA with as many keys and arguments.

Measures and never asserts. Pairs take turns, so what else the machine does weighs on both."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable

from capped import BUDGETS, ENVIRONMENT, TENANTS, client_of, ledger_of, redis_running
from paired import ratios, spread
from rich.console import Console
from rich.table import Table

from twinguard.decide.ledger import Held, Scope, ScopeKind, Wanted
from twinguard.llm.ledger import Ledger
from twinguard.llm.ledger_memory import MemoryLedger

SCOPES = (ENVIRONMENT, TENANTS[0], Scope(ScopeKind.FEATURE, "chat"), Scope(ScopeKind.KEY, "k1"))
LEASE = 60
_names = itertools.count()

Times = dict[str, list[float]]


def held(ledger: Ledger) -> Held:
    """A hold of one nano-dollar."""
    found = ledger.hold(Wanted(f"r{next(_names)}", 1, SCOPES, 1, LEASE))
    if not isinstance(found, Held):
        sys.exit(f"the bench's own budget is used up: {found}")
    return found


def timed(work: Callable[[], object]) -> float:
    """Microseconds of one piece of work."""
    started = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - started) / 1_000


def measured(rounds: int) -> Times:
    """The times of each operation, taken in turns."""
    times: Times = {name: [] for name in ("hold", "settle", "bare of hold", "bare of settle")}
    times |= {"hold in memory": [], "settle in memory": [], "PING": []}
    memory = MemoryLedger(BUDGETS)
    with redis_running() as port:
        ledger, client = ledger_of(port), client_of(port)
        bare = client.script_load("return {'held', '1', '2', 'three', '2026-11'}")
        # What a hold and a settlement of four scopes send: keys, then arguments.
        sizes = {"bare of hold": (8, 17), "bare of settle": (8, 6)}
        tag = "{twinguard:bench}:2026-11:environment:bench"
        for number in range(rounds + 20):
            taken, kept = held(ledger), held(memory)
            found = {
                "hold": timed(lambda: held(ledger)),
                "settle": timed(lambda taken=taken: ledger.settle(taken, 1)),
                "hold in memory": timed(lambda: held(memory)),
                "settle in memory": timed(lambda kept=kept: memory.settle(kept, 1)),
                "PING": timed(client.ping),
            }
            for name, (keys, arguments) in sizes.items():
                parts = [tag] * keys + ["1764072000000000"] * arguments
                found[name] = timed(lambda p=parts, k=keys: client.evalsha(bare, k, *p))
            for name, microseconds in found.items() if number >= 20 else ():
                times[name].append(microseconds)
    return times


def main() -> None:
    """One row for each operation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2_000)
    times = measured(parser.parse_args().rounds)
    console = Console(width=None if sys.stdout.isatty() else 110)
    table = Table(title="The ledger, four scopes, microseconds")
    for name in ("", "median (middle half)", "p99", "against a bare EVALSHA"):
        table.add_column(name, justify="left" if not name else "right")
    for name, taken in times.items():
        p99 = sorted(taken)[int(0.99 * len(taken))]
        bare = times.get(f"bare of {name}")
        ratio = f"{ratios(taken, bare)}" if bare else ""
        table.add_row(name, str(spread(taken)), f"{p99:.1f}", ratio)
    console.print(table)


if __name__ == "__main__":
    main()
