# SPDX-License-Identifier: Apache-2.0
"""`make demo`: a month of staging on this machine, with everything that can go wrong in it.

Exit code 0 only if every promise was kept. `drill.py` does the same for any environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twinguard import config
from twinguard.cli.performance import BROKEN, perform
from twinguard.policy import Environment


def main(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep logs and database in this new folder.")
    ] = None,
) -> None:
    """Play a month of staging: real functions, stand-ins for Google and the alert channels.

    Exit codes: 0 every promise kept, 1 a promise broken or the demo cannot run."""
    path = config.path_of(Environment.STAGING)
    code = perform(lambda: config.load(path), as_json=as_json, keep=keep, cannot_run=BROKEN)
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
