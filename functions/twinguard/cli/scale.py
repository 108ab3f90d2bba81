# SPDX-License-Identifier: Apache-2.0
"""Put an environment to sleep by hand, wake it, and show what is held and why.

Every change prints its plan and needs `--apply`. Exit codes: 0 done or planned, 1 something failed
or was left alone, 2 wrong usage, 3 unavailable. Printing is in `scale_output.py`."""

from __future__ import annotations

import datetime as dt
import enum
import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from twinguard import config
from twinguard.cli import scale_output as output
from twinguard.decide import budgets, hours, wording
from twinguard.decide.model import Action, DropHold, Hold, Kind, Outcome, Result, Strength, Why
from twinguard.errors import Misconfigured, TwinguardError, Unavailable
from twinguard.pipeline import MANUAL, NIGHT, Pipeline
from twinguard.policy import Level
from twinguard.wiring import ports_from

DONE, INCOMPLETE, USAGE, UNAVAILABLE = range(4)
DEFAULT_HOURS = 12
BUDGET = "budget"

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)

Env = Annotated[str, typer.Option(help="The environment: staging, development, …")]
Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this, only plan it.")]
By = Annotated[str, typer.Option(help="Who asks for it; your login name by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


class Which(enum.StrEnum):
    """Reasons that a person can end."""

    NIGHT = "night"
    MANUAL = "manual"
    BUDGET = "budget"
    ALL = "all"


WhichHolds = Annotated[
    list[Which] | None, typer.Option("--hold", help="Repeatable; night and manual by default.")
]


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
    with _at_desk(env, by) as desk:
        _require_project(desk, project)
        services, subscriptions = _sleepers(desk.pipeline)
        strength = Strength.STOP if hard else Strength.IDLE
        why = Why(MANUAL, strength, desk.now, _until(desk, for_hours), desk.by)
        actions = desk.pipeline.takes(services, subscriptions, why)
        planned = desk.pipeline.executor(desk.by).plan(actions, desk.now)
        until = f"{why.until:%Y-%m-%d %H:%M} UTC"
        title = f"{desk.name} sleeps by hand, meant until {until}"
        _show_plan(title, planned, apply=apply, as_json=as_json)
        results = desk.pipeline.executor(desk.by).carry_out(actions, desk.now)
        verb = "stopped" if hard else "put to sleep"
        _finish(desk, results, f"{desk.name} was {verb} by hand by {desk.by}", as_json=as_json)


@app.command()
def wake(
    *, env: Env, hold: WhichHolds = None, apply: Apply = False, by: By = "", as_json: AsJson = False
) -> None:
    """End reasons to hold; what nothing else holds is put back.

    Ending the budget's lifts its cap until spend has grown on."""
    with _at_desk(env, by) as desk:
        which = frozenset(hold or (Which.NIGHT, Which.MANUAL))
        held = desk.pipeline.journal.active_holds()
        keys = _keys(held, which)
        drops = tuple(a for key in sorted(keys) for a in desk.pipeline.drops(key))
        caps = _cap_actions(desk.pipeline) if which & {Which.BUDGET, Which.ALL} else ()
        planned = _planned(desk, held, (*drops, *caps))
        _show_plan(f"{desk.name} wakes", planned, apply=apply, as_json=as_json)
        if caps and not desk.tells:
            raise Misconfigured("set TWINGUARD_ALERTS_TOPIC: people must hear that a cap is lifted")
        results = desk.pipeline.executor(desk.by).carry_out(drops, desk.now)
        if caps:
            results = (*results, *desk.pipeline.lift(desk.by, desk.now).results)
        _finish(desk, results, f"{desk.name} was woken by hand by {desk.by}", as_json=as_json)


@app.command(name="holds")
def show_holds(*, env: Env, as_json: AsJson = False) -> None:
    """Show what is held: why, since when, until when, by whom, before and now."""
    with _at_desk(env, "nobody") as desk:
        held = desk.pipeline.journal.active_holds()
        scalers = desk.pipeline.ports.scalers
        live = {
            hold.resource: scalers[hold.resource.kind].read(hold.resource.name) for hold in held
        }
        breaker = desk.pipeline.journal.breaker().value
        output.held(desk.name, held, live, breaker, as_json=as_json)


@contextmanager
def _at_desk(env: str, by: str) -> Iterator[Desk]:
    """The environment to work on; its errors become messages and exit codes."""
    try:
        policy = config.load(config.path_of(config.environment_named(env)))
        project = policy.project.id
        settings = {
            "TWINGUARD_RECORDS": f"firestore://{project}/(default)",
            "TWINGUARD_ALERTS_TOPIC": f"projects/{project}/topics/alerts",
            **{name: value for name, value in os.environ.items() if value},
        }
        tells = bool(os.environ.get("TWINGUARD_ALERTS_TOPIC"))
        pipeline = Pipeline(policy, ports_from(settings))
        yield Desk(pipeline, by or _user(), dt.datetime.now(dt.UTC), tells)
    except Misconfigured as err:
        output.complain(str(err))
        raise typer.Exit(USAGE) from err
    except TwinguardError as err:
        output.complain(str(err), output.REMEDY)
        raise typer.Exit(UNAVAILABLE) from err


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as err:
        raise Misconfigured("nobody is logged in; say who asks: --by NAME") from err


def _require_project(desk: Desk, project: str) -> None:
    known = desk.pipeline.policy.project.id
    if project != known:
        raise Misconfigured(
            f"--project is {project}, but {desk.name}'s policy says {known}; nothing was done: "
            "name the project you mean"
        )


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


def _keys(held: tuple[Hold, ...], which: frozenset[Which]) -> frozenset[str]:
    """The reasons to end, but for budgets: those are lifted, or they would hold again at once."""
    if Which.ALL in which:
        found = {key for hold in held for key in hold.keys}
        return frozenset(key for key in found if not key.startswith(f"{BUDGET}/"))
    return frozenset(key for key in (NIGHT, MANUAL) if key in which)


def _cap_actions(pipeline: Pipeline) -> tuple[Action, ...]:
    journal = pipeline.journal
    held, breaker = journal.active_holds(), journal.breaker().value
    return budgets.lift_actions(budgets.ENVIRONMENT, held, breaker)


def _planned(desk: Desk, held: tuple[Hold, ...], actions: tuple[Action, ...]) -> tuple[Result, ...]:
    """The plan with one line for each resource, which says where all these drops leave it."""
    records = {hold.resource: hold for hold in held}
    ended: dict[object, set[str]] = {}
    for action in actions:
        if isinstance(action, DropHold):
            ended.setdefault(action.resource, set()).add(action.key)
    found: dict[object, Result] = {}
    for result in desk.pipeline.executor(desk.by).plan(actions, desk.now):
        action, detail = result.action, result.detail
        if isinstance(action, DropHold) and result.outcome is Outcome.DONE:
            detail = output.left(records[action.resource], ended[action.resource])
        key = getattr(action, "resource", action)
        found[key] = Result(action, result.outcome, detail)
    return tuple(found.values())


def _show_plan(title: str, planned: tuple[Result, ...], *, apply: bool, as_json: bool) -> None:
    """Print the plan, and end here unless it is to be applied."""
    if not (apply and as_json):
        output.plan(title, planned, as_json=as_json)
    if apply:
        return
    failed = [result for result in planned if result.outcome is Outcome.FAILED]
    if planned and len(failed) == len(planned):
        raise Unavailable(failed[0].detail)
    if planned and not as_json:
        output.say("Nothing was changed; add --apply to do it (with make: APPLY=1).")
    raise typer.Exit(DONE)


def _finish(desk: Desk, results: tuple[Result, ...], title: str, *, as_json: bool) -> None:
    told = _tell(desk, results, title) if results else "nothing to tell"
    output.done(results, told, as_json=as_json)
    bad = {Outcome.FAILED, Outcome.SKIPPED}
    incomplete = any(result.outcome in bad for result in results) or told.startswith("NOBODY")
    raise typer.Exit(INCOMPLETE if incomplete else DONE)


def _tell(desk: Desk, results: tuple[Result, ...], title: str) -> str:
    """Tell the operations team who changed what; in words, what came of that."""
    if not desk.tells:
        return "nobody was told: TWINGUARD_ALERTS_TOPIC is not set"
    lines = "; ".join(wording.worded(result) for result in results)
    scope = f"{desk.by}-{desk.now:%H%M%S}"
    policy = desk.pipeline.policy
    alert = wording.oddity(policy, MANUAL, scope, Level.MEDIUM, title, lines, desk.now)
    try:
        desk.pipeline.publish(alert)
    except Unavailable as err:
        return f"NOBODY was told: {err}"
    return "the operations team is told"


if __name__ == "__main__":
    app()
