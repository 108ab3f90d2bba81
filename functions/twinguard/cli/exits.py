# SPDX-License-Identifier: Apache-2.0
"""Turn our errors into a line on standard error and a documented exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from twinguard.errors import Misconfigured, TwinguardError

USAGE, UNAVAILABLE = 2, 3


@contextmanager
def exiting(remedy: str = "", usage: int = USAGE) -> Iterator[None]:
    """Exit with `usage` where something is set or named wrong, with 3 where it does not answer.

    The remedy is said after what does not answer."""
    try:
        yield
    except Misconfigured as err:
        typer.secho(str(err), err=True, fg=typer.colors.RED)
        raise typer.Exit(usage) from err
    except TwinguardError as err:
        typer.secho(str(err), err=True, fg=typer.colors.RED)
        if remedy:
            typer.echo(remedy, err=True)
        raise typer.Exit(UNAVAILABLE) from err
