# SPDX-License-Identifier: Apache-2.0
"""Say on a terminal how far long work is; say nothing where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

T = TypeVar("T")


def watched(items: Iterable[T], verb: str) -> Iterator[T]:
    """The items, with a line on a terminal that says which one it is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    with console.status(verb) as status:
        for number, item in enumerate(items, 1):
            status.update(f"{verb} {number}")
            yield item


@contextmanager
def reading() -> Iterator[Callable[[str, float], None] | None]:
    """A progress bar for long files, on a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("reading {task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda path, done: progress.update(
            task, completed=done, description=escape(path.rpartition("/")[2])
        )
