# SPDX-License-Identifier: Apache-2.0
"""`make e2e`: the whole system on this machine, once or several times, and what came of it.

Exit codes: 0 every promise was kept each time, 1 one was broken, 2 wrong usage, or something
that is needed is missing, 130 stopped."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from e2e import whole
from e2e.whole import Run
from twinguard.errors import TwinguardError

KEPT, BROKEN, MISSING, STOPPED = 0, 1, 2, 130


def main() -> int:
    """Run as often as asked; the table of the last run, or of the first that broke a promise."""
    asked = _asked()
    console = Console(highlight=False)
    console.width = max(80, min(140, console.width))
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    runs: list[Run] = []
    if not asked.json:
        console.print("The whole system: emulators, Redis, functions, two applications, a gateway.")
    try:
        for number in range(1, asked.times + 1):
            with tempfile.TemporaryDirectory(prefix="twinguard-e2e-") as folder:
                runs.append(whole.run(Path(folder)))
            if asked.times > 1 and not asked.json:
                console.print(f"run {number} of {asked.times}: {_sum(runs[-1])}")
            if not runs[-1].is_kept:
                break
    except pytest.skip.Exception as err:
        Console(stderr=True, highlight=False).print(f"cannot run: {err}")
        return MISSING
    except (AssertionError, TwinguardError) as err:  # something did not come about at all
        Console(stderr=True, highlight=False).print(Text(f"BROKEN: {err}", style="bold red"))
        return BROKEN
    except KeyboardInterrupt:
        Console(stderr=True, highlight=False).print("stopped; nothing is left running")
        return STOPPED
    if asked.json:
        sys.stdout.write(json.dumps([_data(run) for run in runs], indent=2) + "\n")
    else:
        show(console, runs[-1])
    return KEPT if all(run.is_kept for run in runs) else BROKEN


def show(console: Console, run: Run) -> None:
    """Print what was promised and what was seen."""
    table = Table(box=box.SIMPLE_HEAD, title="What was promised", title_justify="left", expand=True)
    for name, ratio in (("", None), ("Promise", 5), ("Expected", 4), ("Seen", 4)):
        table.add_column(name, ratio=ratio, overflow="fold", no_wrap=ratio is None)
    for one in run.promises:
        word = Text("kept", style="green") if one.is_kept else Text("BROKEN", style="bold red")
        table.add_row(word, one.name, one.expected, one.seen)
    console.print(table)
    for line in broken(run):
        console.print(Text(f"BROKEN: {line}", style="bold red"))
    console.print(Text(_sum(run), style="bold green" if run.is_kept else "bold red"))


def broken(run: Run) -> Iterable[str]:
    """The promises that were not kept, in words."""
    return [
        f"{one.name}: expected {one.expected}, seen {one.seen}"
        for one in run.promises
        if not one.is_kept
    ]


def _sum(run: Run) -> str:
    kept = sum(one.is_kept for one in run.promises)
    of = len(run.promises)
    return f"{kept} of {of} promises kept; {run.requests} requests in {run.seconds:.0f} s"


def _data(run: Run) -> dict[str, object]:
    promises = [
        {"name": p.name, "expected": p.expected, "seen": p.seen, "kept": p.is_kept}
        for p in run.promises
    ]
    told = {"passed": run.is_kept, "seconds": round(run.seconds, 1), "requests": run.requests}
    return {**told, "promises": promises}


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="how often")
    parser.add_argument("--json", action="store_true", help="print JSON instead")
    asked = parser.parse_args()
    if asked.times < 1:
        parser.error("--times counts runs: write 1 or more")
    return asked


if __name__ == "__main__":
    sys.exit(main())
