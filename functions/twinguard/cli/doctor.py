# SPDX-License-Identifier: Apache-2.0
"""`make doctor`: does each control exist, and does it work? Here, or where it is deployed.

What is seen is judged in `decide/health*.py`; printing is in `doctor_output.py`."""

from __future__ import annotations

import datetime as dt
import logging
import os
from typing import Annotated

import typer

from twinguard import config, state
from twinguard.act.endpoints import override
from twinguard.act.pubsub import TopicPublisher
from twinguard.cli import doctor_output as output
from twinguard.cli.deployed import settings
from twinguard.cli.desk import AsJson, exiting
from twinguard.cli.doctor_deployed import examined
from twinguard.cli.doctor_embedded import examined_here
from twinguard.cli.doctor_live import Live, plan
from twinguard.cli.performance import STOPPED, folder_for, require_tools
from twinguard.cli.processes import orderly_end
from twinguard.cli.resources_output import watched
from twinguard.decide.health import Check, exit_code
from twinguard.decide.health_deployed import checks
from twinguard.errors import Misconfigured
from twinguard.policy import Environment, Policy

HERE = Environment.STAGING
"""Whose policy is worked on this machine where none is named."""


def main(
    *,
    env: Annotated[str, typer.Option(help="A deployed environment: staging, production, …")] = "",
    embedded: Annotated[bool, typer.Option(help="On this machine, by that policy.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Also send a budget message and test alerts through it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say of each control whether it exists and works, and what helps where it does not.

    Without --env, everything is started and worked on this machine. With it, a deployed environment
    is read and nothing in it is changed; with --live, a budget message that repeats Google's last
    and test alerts are sent through it, after the plan is said.

    Exit codes: 0 healthy, 1 something is broken, 2 wrong usage, 3 something could not be checked.
    """
    with exiting():
        policy = config.load(config.path_of(config.environment_named(env) if env else HERE))
        now = dt.datetime.now(dt.UTC)
        here = embedded or not env
        if live and here:
            raise Misconfigured(
                "--live needs a deployed environment; name it: --env staging "
                "(with make: ENV=staging)"
            )
        found = _worked(policy, now) if here else _read(policy, now)
        found += _sent(policy) if live else ()
        where = f"{policy.environment} on this machine" if here else policy.environment.value
        output.report(where, found, now, as_json=as_json)
        if here and not as_json:
            output.beyond()
        raise typer.Exit(exit_code(found))


def _read(policy: Policy, now: dt.datetime) -> tuple[Check, ...]:
    with watched() as watch:
        return checks(policy, examined(policy, now, watch))


def _sent(policy: Policy) -> tuple[Check, ...]:
    """Say what is sent, and send it."""
    output.planned(plan(policy))
    given = settings(policy, os.environ)
    records, now = state.open_records(given["TWINGUARD_RECORDS"]), dt.datetime.now(dt.UTC)
    publisher = TopicPublisher(override(os.environ, "PUBSUB_ENDPOINT", "PUBSUB_EMULATOR_HOST"))
    return tuple(Live(policy, publisher, records, now).checks())


def _worked(policy: Policy, now: dt.datetime) -> tuple[Check, ...]:
    require_tools()
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    logging.getLogger("twinguard").setLevel(logging.CRITICAL)  # a theft is played
    counters = os.environ.get("TWINGUARD_COUNTERS") or "memory://"
    try:
        with orderly_end() as stop, folder_for(None) as folder, watched() as watch:
            return examined_here(policy, folder, counters, now, watch, stop)
    except KeyboardInterrupt:
        output.stopped()
        raise typer.Exit(STOPPED) from None


if __name__ == "__main__":
    typer.run(main)
