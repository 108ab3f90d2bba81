# SPDX-License-Identifier: Apache-2.0
"""`make check-resources ENV=…`: compare what is in the project with the policy. Changes nothing.

What to change is decided by people; `savings.py` applies what is safe. Printing is in
`resources_output.py`."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from typing import Annotated

import typer
from msgspec.structs import replace

from twinguard import config, state
from twinguard.cli import resources_output as output
from twinguard.cli.deployed import settings
from twinguard.cli.desk import AsJson, Env, exiting, require_project
from twinguard.decide import resources
from twinguard.decide.inventory import Gap, Inventory
from twinguard.errors import TwinguardError
from twinguard.inventory.reader import Reader
from twinguard.inventory.survey import survey
from twinguard.journal import Journal
from twinguard.policy import Level, Policy

CLEAN, FOUND, _USAGE, UNKNOWN = range(4)


def main(
    *,
    env: Env,
    project: Annotated[str, typer.Option(help="The project you mean, to be sure.")] = "",
    level: Annotated[Level, typer.Option(help="Leave out what is below this.")] = Level.LOW,
    max_cpu: Annotated[
        float | None, typer.Option(min=0.1, help="vCPU of an instance that are not oversized.")
    ] = None,
    max_memory: Annotated[
        float | None, typer.Option(min=0.1, help="GiB of an instance that are not oversized.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find what costs or risks more than the policy wants: services, subscriptions, secrets.

    Oversized means above 1 vCPU or 1 GiB, in staging 2 and 2, in production 4 and 8. Savings are
    computed from Google's list prices.

    Exit codes: 0 nothing found, 1 something found, 2 wrong usage, 3 something could not be
    checked."""
    with exiting():
        policy = config.load(config.path_of(config.environment_named(env)))
        if project:
            require_project(policy.project.id, policy.environment, project)
        inventory = _inventory(policy, dt.datetime.now(dt.UTC))
        limit = resources.limit_of(policy, _exact(max_cpu), _exact(max_memory))
        everything = resources.findings(policy, inventory, limit)
        found = tuple(finding for finding in everything if finding.level.rank >= level.rank)
        mine = resources.ours(policy, inventory)
        output.report(policy, mine, found, as_json=as_json)
        if any(not gap.off for gap in inventory.gaps):
            raise typer.Exit(UNKNOWN)
        raise typer.Exit(FOUND if found else CLEAN)


def _inventory(policy: Policy, now: dt.datetime) -> Inventory:
    with Reader(policy.project.id, os.environ) as reader, output.watched() as watch:
        read = survey(policy, reader, now, watch)
    try:
        held = state.open_records(settings(policy, os.environ)["TWINGUARD_RECORDS"])
        holds = Journal(held, policy.retention).active_holds()
    except TwinguardError as err:  # without credentials nothing can be opened, wherever it is
        return replace(
            read, gaps=(*read.gaps, Gap("holds", f"cannot read Twinguard's holds: {err}"))
        )
    return replace(read, holds={hold.resource.name: hold for hold in holds})


def _exact(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(str(number))


if __name__ == "__main__":
    typer.run(main)
