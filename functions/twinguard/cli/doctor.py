# SPDX-License-Identifier: Apache-2.0
"""`make doctor`: does each control exist, and does it work? Here, or where it is deployed.

What is seen is judged in `decide/health*.py`; printing is in `doctor_output.py`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from twinguard import config
from twinguard.cli import doctor_output as output
from twinguard.cli.desk import AsJson, exiting
from twinguard.cli.doctor_deployed import examined
from twinguard.cli.resources_output import watched
from twinguard.decide.health import exit_code
from twinguard.decide.health_deployed import checks


def main(
    *,
    env: Annotated[str, typer.Option(help="A deployed environment: staging, production, …")] = "",
    as_json: AsJson = False,
) -> None:
    """Say of each control whether it exists and works, and what helps where it does not.

    Exit codes: 0 healthy, 1 something is broken, 2 wrong usage, 3 something could not be checked.
    """
    with exiting():
        policy = config.load(config.path_of(config.environment_named(env)))
        now = dt.datetime.now(dt.UTC)
        with watched() as watch:
            seen = examined(policy, now, watch)
        found = checks(policy, seen)
        output.report(policy.environment.value, found, now, as_json=as_json)
        raise typer.Exit(exit_code(found))


if __name__ == "__main__":
    typer.run(main)
