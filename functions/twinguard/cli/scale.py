# SPDX-License-Identifier: Apache-2.0
"""Put an environment to sleep by hand, wake it, and show what is held and why.

Every change prints its plan and needs `--apply`. Exit codes: 0 done or planned, 1 something failed
or was left alone, 2 wrong usage, 3 unavailable. Printing is in `scale_output.py`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from twinguard.cli import scale_output as output
from twinguard.cli.desk import (
    DONE,
    INCOMPLETE,
    Apply,
    AsJson,
    By,
    Desk,
    Env,
    at_desk,
    is_incomplete,
    require_project,
    show_plan,
    tell,
)
from twinguard.decide import hours
from twinguard.decide.model import Kind, Result, Strength, Why
from twinguard.errors import Misconfigured
from twinguard.pipeline import MANUAL, Pipeline
from twinguard.waking import Waking, Which

DEFAULT_HOURS = 12

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)


WhichHolds = Annotated[
    list[Which] | None, typer.Option("--hold", help="Repeatable; night and manual by default.")
]


@app.command()
def down(
    *,
    env: Env,
    project: Annotated[str, typer.Option(help="The project you mean; must be the policy's.")],
    hard: Annotated[
        bool, typer.Option("--hard", help="Stop services; without this they go idle.")
    ] = False,
    for_hours: Annotated[
        int | None, typer.Option("--hours", min=1, max=744, help="How long it is meant to last.")
    ] = None,
    apply: Apply = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Put the schedule's resources to sleep, or all that is not critical without a schedule.

    It is meant to last until the schedule's next morning, or for --hours; only `wake` ends it."""
    with at_desk(env, by) as desk:
        require_project(desk.pipeline.policy.project.id, desk.name, project)
        services, subscriptions = _sleepers(desk.pipeline)
        strength = Strength.STOP if hard else Strength.IDLE
        why = Why(MANUAL, strength, desk.now, _until(desk, for_hours), desk.by)
        actions = desk.pipeline.takes(services, subscriptions, why)
        planned = desk.pipeline.executor(desk.by).plan(actions, desk.now)
        until = f"{why.until:%Y-%m-%d %H:%M} UTC"
        title = f"{desk.name} sleeps by hand, meant until {until}"
        show_plan(title, planned, apply=apply, as_json=as_json)
        results = desk.pipeline.executor(desk.by).carry_out(actions, desk.now)
        verb = "stopped" if hard else "put to sleep"
        _finish(desk, results, f"{desk.name} was {verb} by hand by {desk.by}", as_json=as_json)


@app.command()
def wake(
    *, env: Env, hold: WhichHolds = None, apply: Apply = False, by: By = "", as_json: AsJson = False
) -> None:
    """End reasons to hold; what nothing else holds is put back.

    Ending the budget's lifts its cap until spend has grown on."""
    with at_desk(env, by) as desk:
        waking = Waking.of(desk.pipeline, frozenset(hold or (Which.NIGHT, Which.MANUAL)))
        planned = waking.planned(desk.by, desk.now)
        show_plan(f"{desk.name} wakes", planned, apply=apply, as_json=as_json)
        if waking.caps and not desk.tells:
            raise Misconfigured("set TWINGUARD_ALERTS_TOPIC: people must hear that a cap is lifted")
        results = waking.carried_out(desk.by, desk.now)
        _finish(desk, results, f"{desk.name} was woken by hand by {desk.by}", as_json=as_json)


@app.command(name="holds")
def show_holds(*, env: Env, as_json: AsJson = False) -> None:
    """Show what is held: why, since when, until when, by whom, before and now."""
    with at_desk(env, "nobody") as desk:
        held = desk.pipeline.journal.active_holds()
        scalers = desk.pipeline.ports.scalers
        live = {
            hold.resource: scalers[hold.resource.kind].read(hold.resource.name) for hold in held
        }
        breaker = desk.pipeline.journal.breaker().value
        output.held(desk.name, held, live, breaker, as_json=as_json)


def _sleepers(pipeline: Pipeline) -> tuple[tuple[str, ...], tuple[str, ...]]:
    schedule = pipeline.policy.schedule
    if schedule is not None:
        return schedule.services, schedule.subscriptions
    free = pipeline.non_critical()
    services = tuple(one.short for one in free if one.kind is Kind.SERVICE)
    return services, tuple(one.short for one in free if one.kind is Kind.SUBSCRIPTION)


def _until(desk: Desk, for_hours: int | None) -> dt.datetime:
    schedule = desk.pipeline.policy.schedule
    if schedule is None or for_hours is not None:
        return desk.now + dt.timedelta(hours=for_hours or DEFAULT_HOURS)
    return hours.wakes_at(schedule, desk.now)


def _finish(desk: Desk, results: tuple[Result, ...], title: str, *, as_json: bool) -> None:
    told = tell(desk, results, title, MANUAL) if results else "nothing to tell"
    output.done(results, told, as_json=as_json)
    raise typer.Exit(INCOMPLETE if is_incomplete(results, told) else DONE)


if __name__ == "__main__":
    app()
