# SPDX-License-Identifier: Apache-2.0
"""`make drill ENV=…`: rehearse an environment's budget end to end, touching nothing outside.

The same month as the demo with the environment's own policy; see `rehearsal.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twinguard import config
from twinguard.cli.performance import perform
from twinguard.errors import Misconfigured
from twinguard.policy import Policy

CANNOT_RUN = 2


def main(
    environment: Annotated[str, typer.Argument(help="production, staging, …")] = "",
    *,
    env: Annotated[str, typer.Option(help="The same, as an option.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    keep: Annotated[
        Path | None, typer.Option(help="Keep logs and database in this new folder.")
    ] = None,
) -> None:
    """Rehearse an environment's budget, its nights and its alerts on this machine.

    Exit codes: 0 passed, 1 a promise was broken, 2 cannot run."""
    code = perform(
        lambda: _policy(environment, env), as_json=as_json, keep=keep, cannot_run=CANNOT_RUN
    )
    raise typer.Exit(code)


def _policy(environment: str, env: str) -> Policy:
    if bool(environment) == bool(env):
        raise Misconfigured("name one environment, as in: drill staging")
    return config.load(config.path_of(config.environment_named(environment or env)))


if __name__ == "__main__":
    typer.run(main)
