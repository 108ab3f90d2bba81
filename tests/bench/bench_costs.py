# SPDX-License-Identifier: Apache-2.0
"""Measure month by service over ten million made-up rows, against what people write by hand.

Measures and never asserts. Peers: the same sums by a bare DuckDB query over the same Parquet file,
and by a loop of Python's csv module and Decimals over a smaller CSV."""

from __future__ import annotations

import csv
import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
from paired import ratios, spread
from rich.console import Console

from twinguard.billing.duckdb import ExportFiles
from twinguard.decide.spend import Basis, Dimension, Query
from twinguard.standins import export_files, exports

ROUNDS, ROWS, COPIES, CSV_ROUNDS, CSV_COPIES = 5, 20_000, 500, 3, 10
QUERY = Query(
    by=(Dimension.MONTH, Dimension.SERVICE),
    first=dt.date(2026, 9, 1),
    last=dt.date(2026, 11, 30),
    basis=Basis.INVOICE,
)
BARE = """
SELECT invoice.month, service.description, currency,
  SUM(CAST(cost AS DECIMAL(38, 9))),
  SUM(COALESCE(list_sum([CAST(c.amount AS DECIMAL(38, 9)) FOR c IN credits]), 0)),
  SUM(CASE WHEN adjustment_info IS NOT NULL OR cost_type = 'adjustment'
        OR strftime(CAST(timezone('America/Los_Angeles', usage_start_time) AS DATE), '%Y%m')
          < invoice.month
      THEN CAST(cost AS DECIMAL(38, 9))
        + COALESCE(list_sum([CAST(c.amount AS DECIMAL(38, 9)) FOR c IN credits]), 0)
      ELSE 0 END)
FROM read_parquet($path) GROUP BY ALL
"""


def ours(path: Path) -> Callable[[], int]:
    """Open the file, ask, close."""

    def work() -> int:
        with ExportFiles(path) as files:
            return len(files.lines(QUERY))

    return work


def memory(path: Path) -> str:
    """The most memory that a process of its own holds while it asks, made by this file alone."""
    subprocess.run([sys.executable, __file__, str(path)], check=True)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return f"{most / 2**20:.2f} GB"


def bare(path: Path) -> Callable[[], int]:
    """A query as one would write it for this one file."""

    def work() -> int:
        with duckdb.connect() as db:
            db.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
            return len(db.execute(BARE, {"path": str(path)}).fetchall())

    return work


def loop(path: Path) -> Callable[[], int]:
    """Row by row, cost and credits only."""

    def work() -> int:
        sums: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                month = json.loads(row["invoice"])["month"]
                service = json.loads(row["service"])["description"]
                given = json.loads(row["credits"], parse_float=Decimal)
                net = Decimal(row["cost"]) + sum(each["amount"] for each in given)
                sums[month, service, row["currency"]] += net
        return len(sums)

    return work


def seconds(work: Callable[[], int], groups: int) -> float:
    """How long the work takes, if it finds all groups."""
    started = time.perf_counter()
    found = work()
    taken = time.perf_counter() - started
    if found != groups:
        raise SystemExit(f"{found} groups instead of {groups}: the numbers are of no use")
    return taken


def paired(mine: Callable[[], int], other: Callable[[], int], rounds: int, groups: int) -> None:
    """Measure in turn and print."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            taken[which].append(seconds((mine, other)[which], groups))
    console = Console()
    console.print(f"  ours:  {spread(taken[0])} s")
    console.print(f"  peer:  {spread(taken[1])} s")
    console.print(f"  ratio: {ratios(*taken)}")


def main() -> int:
    """Make the files, measure each pair; with a file's name, ask it once."""
    if len(sys.argv) > 1:
        return 0 if ours(Path(sys.argv[1]))() else 1
    console = Console()
    export = exports.made(ROWS)
    groups = len(export.ledger.lines(QUERY))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = export_files.parquet(export, folder / "a.parquet", copies=COPIES)
        header, *lines = export_files.google_csv(export, folder / "a.csv").read_text().splitlines()
        text = folder / "many.csv"
        text.write_text("\n".join([header, *(lines * CSV_COPIES)]) + "\n")
        total, less = (f"{len(export.rows) * n:,} rows" for n in (COPIES, CSV_COPIES))
        console.print(f"Parquet, {total}, month by service, against a bare query of the same sums:")
        console.print(f"  memory: {memory(table)}, the whole process")
        paired(ours(table), bare(table), ROUNDS, groups)
        console.print(f"CSV, {less}, month by service, against a loop of csv and Decimal:")
        paired(ours(text), loop(text), CSV_ROUNDS, groups)
    return 0


if __name__ == "__main__":
    sys.exit(main())
