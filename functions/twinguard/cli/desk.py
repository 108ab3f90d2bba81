# SPDX-License-Identifier: Apache-2.0
"""What the commands share that change an environment by hand: who, where, plan first, tell after.

Exit codes: 0 done or planned, 1 something failed or was left alone, 2 usage, 3 unavailable."""

from __future__ import annotations

import datetime as dt
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from twinguard import config
from twinguard.cli import scale_output as output
from twinguard.cli.deployed import settings
from twinguard.decide import wording
from twinguard.decide.model import Outcome, Result
from twinguard.errors import Misconfigured, TwinguardError, Unavailable
from twinguard.pipeline import Pipeline
from twinguard.policy import Level
from twinguard.wiring import ports_from

DONE, INCOMPLETE, USAGE, UNAVAILABLE = range(4)

Env = Annotated[str, typer.Option(help="The environment: staging, development, …")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this, only plan it.")]
By = Annotated[str, typer.Option(help="Who asks for it; your login name by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """The environment a command works on, on whose behalf, and when."""

    pipeline: Pipeline
    by: str
    now: dt.datetime
    tells: bool

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.pipeline.policy.environment.value


@contextmanager
def at_desk(env: str, by: str) -> Iterator[Desk]:
    """The environment to work on; its errors become messages and exit codes."""
    with exiting():
        policy = config.load(config.path_of(config.environment_named(env)))
        found = settings(policy, os.environ)
        tells = "TWINGUARD_ALERTS_TOPIC" in found
        silent = {"TWINGUARD_ALERTS_TOPIC": f"projects/{policy.project.id}/topics/nobody"}
        pipeline = Pipeline(policy, ports_from(silent | found))
        yield Desk(pipeline, by or _user(), dt.datetime.now(dt.UTC), tells)


@contextmanager
def exiting() -> Iterator[None]:
    """Turn our errors into a message on standard error and an exit code."""
    try:
        yield
    except Misconfigured as err:
        output.complain(str(err))
        raise typer.Exit(USAGE) from err
    except TwinguardError as err:
        output.complain(str(err), output.REMEDY)
        raise typer.Exit(UNAVAILABLE) from err


def require_project(known: str, name: str, project: str) -> None:
    """Refuse a project that is not the environment's."""
    if project != known:
        raise Misconfigured(
            f"--project is {project}, but {name}'s policy says {known}; nothing was done: "
            "name the project you mean"
        )


def show_plan(title: str, planned: tuple[Result, ...], *, apply: bool, as_json: bool) -> None:
    """Print the plan, and end here unless it is to be applied."""
    if not (apply and as_json):
        output.plan(title, planned, as_json=as_json)
    if apply:
        return
    end_of_plan(planned, as_json=as_json)


def end_of_plan(planned: tuple[Result, ...], *, as_json: bool) -> None:
    """End without having changed anything."""
    failed = [result for result in planned if result.outcome is Outcome.FAILED]
    if planned and len(failed) == len(planned):
        raise Unavailable(failed[0].detail)
    if planned and not as_json:
        output.say("Nothing was changed; add --apply to do it (with make: APPLY=1).")
    raise typer.Exit(DONE)


def is_incomplete(results: tuple[Result, ...], told: str) -> bool:
    """True where something failed, was left alone, or was told to nobody who should hear it."""
    bad = {Outcome.FAILED, Outcome.SKIPPED}
    return any(result.outcome in bad for result in results) or told.startswith("NOBODY")


def tell(desk: Desk, results: tuple[Result, ...], title: str, kind: str) -> str:
    """Tell the operations team who changed what; in words, what came of that."""
    if not desk.tells:
        return "nobody was told: TWINGUARD_ALERTS_TOPIC is not set"
    lines = "; ".join(wording.worded(result) for result in results)
    scope = f"{desk.by}-{desk.now:%H%M%S}"
    policy = desk.pipeline.policy
    alert = wording.oddity(policy, kind, scope, Level.MEDIUM, title, lines, desk.now)
    try:
        desk.pipeline.publish(alert)
    except Unavailable as err:
        return f"NOBODY was told: {err}"
    return "the operations team is told"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as err:
        raise Misconfigured("nobody is logged in; say who asks: --by NAME") from err
