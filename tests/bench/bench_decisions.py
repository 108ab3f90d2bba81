# SPDX-License-Identifier: Apache-2.0
"""Measure decisions per second, and whole budget events against bare SQLite commits.

Measures and never asserts. Each event below saves one record; its peer is one bare commit with the
same safety (`synchronous = FULL`), so the ratio is what deciding costs on top of saving."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from paired import ratios, spread
from rich.console import Console

from twinguard import config
from twinguard.decide import budgets
from twinguard.decide.model import Breaker, BudgetNotice
from twinguard.parse import Event
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment
from twinguard.wiring import ports_from

ROUNDS, EVENTS, DECISIONS = 15, 40, 2000
START = dt.datetime(2026, 11, 1, 8, tzinfo=dt.UTC)
POLICY = config.load(config.path_of(Environment.STAGING))
BUDGET_ID = "de72f49d-779b-4945-a127-4d6ce8def0bb"


def message(number: int) -> Event:
    """The budget notification of that minute; its cost grows, below every threshold."""
    notice = {
        "budgetDisplayName": POLICY.budget.name,
        "costAmount": number / 100,
        "costIntervalStart": START.isoformat(),
        "budgetAmount": float(POLICY.budget.amount),
        "currencyCode": POLICY.budget.currency,
    }
    at = START + dt.timedelta(minutes=number)
    attributes = {"budgetId": BUDGET_ID, "schemaVersion": "1.0"}
    return Event(str(number), at, json.dumps(notice).encode(), attributes)


def seconds(work: Callable[[int], object], numbers: range) -> float:
    """How long the work takes for all numbers."""
    started = time.perf_counter()
    for number in numbers:
        work(number)
    return time.perf_counter() - started


def decided(number: int) -> object:
    """One decision of the pure core, over the cap: the longest way through it."""
    at, amount = START + dt.timedelta(minutes=number), POLICY.budget.amount
    notice = BudgetNotice(
        *(str(number), at, BUDGET_ID, POLICY.budget.name, START),
        *(amount + Decimal(number), amount, POLICY.budget.currency),
    )
    state = budgets.judged(budgets.observe(None, notice, POLICY.budget), POLICY.budget, at)
    return budgets.actions(state, POLICY.budget, (), POLICY.project.id, (), Breaker(), at)


def main() -> int:
    """Measure in turn and print."""
    console = Console()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(sqlite3.connect(Path(folder, "bare.db"), isolation_level=None)) as db,
    ):
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, value TEXT)")
        settings = {
            "TWINGUARD_RECORDS": f"sqlite:///{Path(folder, 'ours.db')}",
            "TWINGUARD_ALERTS_TOPIC": f"projects/{POLICY.project.id}/topics/alerts",
        }
        pipeline = Pipeline(POLICY, ports_from(settings))

        def handled(number: int) -> None:
            event = message(number)
            pipeline.on_budget_alert(event, event.published_at)

        def committed(number: int) -> None:
            db.execute("INSERT INTO kept VALUES (?, ?)", (number, message(number).data.decode()))

        ours, bare, core = [], [], []
        for first in range(1, ROUNDS * EVENTS, EVENTS):
            numbers = range(first, first + EVENTS)
            works = ((handled, ours), (committed, bare))
            for work, found in works if first % (2 * EVENTS) == 1 else reversed(works):
                found.append(EVENTS / seconds(work, numbers))
            core.append(DECISIONS / seconds(decided, range(DECISIONS)))
    console.print(f"decisions per second, pure core:   {spread(core).median:10,.0f}")
    console.print(f"budget events per second, SQLite:  {spread(ours).median:10,.0f}")
    console.print(f"bare SQLite commits per second:    {spread(bare).median:10,.0f}")
    console.print(f"events to bare commits:            {ratios(ours, bare)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
