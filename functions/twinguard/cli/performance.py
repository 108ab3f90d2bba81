# SPDX-License-Identifier: Apache-2.0
"""Run a rehearsal for people: progress while it plays, tables after it, an exit code.

Shared by `demo.py` and `drill.py`; what is played is in `rehearsal.py`, its words in `story.py`."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from twinguard.cli import story
from twinguard.cli.processes import orderly_end
from twinguard.cli.promised_effects import Promise
from twinguard.cli.promises import promises
from twinguard.cli.rehearsal import Rehearsed, Watch, rehearsable, rehearse, span
from twinguard.errors import Misconfigured, TwinguardError
from twinguard.policy import Channel, Policy

PASSED, BROKEN, STOPPED = 0, 1, 130
NARROWEST, WIDEST = 80, 140
_TOOLS = ("aiosmtpd", "cryptography", "functions_framework")


def perform(
    load: Callable[[], Policy],
    *,
    as_json: bool,
    keep: Path | None,
    cannot_run: int,
    play: Callable[..., Rehearsed] = rehearse,
) -> int:
    """Rehearse this policy's month, print it and return the exit code."""
    console = _console()
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    try:
        with orderly_end() as stop, folder_for(keep) as folder:
            policy = load()
            rehearsable(policy)
            require_tools()
            with _watched(console, policy, quiet=as_json) as watch:
                done = play(policy, folder, watch=watch, stop=stop)
    except TwinguardError as err:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"cannot run: {err}")
        return cannot_run
    except KeyboardInterrupt:
        Console(stderr=True, highlight=False).print("stopped; nothing is left running")
        return STOPPED
    found = promises(done)
    if as_json:
        sys.stdout.write(json.dumps(story.as_data(done, found), indent=2) + "\n")
    else:
        show(console, done, found)
        if keep is not None:
            console.print(f"Logs and database: {keep}")
    return PASSED if all(promise.is_kept for promise in found) else BROKEN


def show(console: Console, done: Rehearsed, found: tuple[Promise, ...]) -> None:
    """Print everything: the timeline, what people received, the resources, the promises."""
    console.print(_timeline(done))
    console.print(_alerts(done))
    for sample in story.samples(done):
        console.print(Text(f"The message about the cap, by {sample.channel}", style="bold"))
        console.print(Padding(Text(sample.text), (0, 2, 1, 2)))
    if done.before:
        console.print(_resources(done))
    console.print(_promises(found))
    broken = [promise for promise in found if not promise.is_kept]
    for promise in broken:
        text = f"BROKEN: {promise.name}: expected {promise.expected}, seen {promise.seen}"
        console.print(Text(text, style="bold red"))
    kept = f"{len(found) - len(broken)} of {len(found)} promises kept"
    text = f"{kept}; {len(done.steps)} messages in {done.seconds:.0f} s"
    console.print(Text(text, style="bold red" if broken else "bold green"))


def _timeline(done: Rehearsed) -> Table:
    title = f"{span(done.month)} of {done.policy.environment}, times in UTC"
    table = _table(title, "When", "What arrived", "What came of it")
    table.columns[0].no_wrap = True
    table.columns[1].ratio, table.columns[2].ratio = 4, 7
    table.expand = True
    for moment in story.timeline(done):
        style = "yellow" if moment.is_wrong else ""
        what, came = Text(moment.what, style=style), Text("\n".join(moment.came_of_it))
        table.add_row(moment.when, what, came)
    return table


def _alerts(done: Rehearsed) -> Table:
    told = story.alerts(done)
    used = [channel for channel in Channel if any(one.channels[channel] for one in told)]
    table = _table("What people received", "When", "Message", *(c.value for c in used))
    table.columns[0].no_wrap = True
    for column in table.columns[2:]:
        column.justify, column.no_wrap = "right", True
    for one in told:
        counts = [str(one.channels[channel] or "") for channel in used]
        table.add_row(one.when, Text(one.title), *counts)
    table.add_section()
    sums = [str(sum(one.channels[channel] for one in told)) for channel in used]
    table.add_row("", "in all", *sums)
    return table


def _resources(done: Rehearsed) -> Table:
    night = ["At night"] if done.policy.schedule else []
    headings = ("Resource", "Before", *night, "At the cap", "In the end")
    title = "What became of the resources (services: instances, least to most)"
    table = _table(title, *headings)
    for row in story.resources(done):
        table.add_row(*row)
    return table


def _promises(found: tuple[Promise, ...]) -> Table:
    table = _table("What was promised", "", "Promise", "Expected", "Seen")
    table.columns[0].no_wrap = True
    table.columns[1].ratio, table.columns[2].ratio, table.columns[3].ratio = 5, 3, 3
    table.expand = True
    for promise in found:
        word = Text("kept", style="green") if promise.is_kept else Text("BROKEN", style="bold red")
        table.add_row(word, promise.name, promise.expected, promise.seen)
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.pad_edge = False
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


@contextlib.contextmanager
def _watched(console: Console, policy: Policy, *, quiet: bool) -> Iterator[Watch | None]:
    """A moving bar at a terminal, one line elsewhere, nothing for machines."""
    name = f"A month of {policy.environment}"
    if quiet or not console.is_terminal:
        if not quiet:
            console.print(f"{name}: real functions, stand-ins around them, nothing leaves here.")
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


@contextlib.contextmanager
def folder_for(keep: Path | None) -> Iterator[Path]:
    """A folder for logs and database: a temporary one, or the one that is to be kept."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="twinguard-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        is_taken = any(keep.iterdir())
    except OSError as err:
        raise Misconfigured(f"--keep {keep}: {err.strerror}; name another folder") from err
    if is_taken:
        raise Misconfigured(f"--keep {keep}: is not empty; name a new folder")
    yield keep


def require_tools() -> None:
    """Refuse, by name, to begin without what a rehearsal needs."""
    missing = [name for name in _TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        raise Misconfigured(
            f"{', '.join(missing)} missing; run pip install -r requirements-cli.txt"
        )


def _console() -> Console:
    """Standard output, between 80 and 140 columns wide; NO_COLOR and pipes get plain text."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without arrows gets question marks
    console = Console(highlight=False)
    console.width = max(NARROWEST, min(WIDEST, console.width))
    return console
