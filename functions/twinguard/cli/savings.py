# SPDX-License-Identifier: Apache-2.0
"""`make cost-optimize-dev PROJECT=…`: save what is safe to save in development, as holds.

Prints its plan and needs `--apply`. What is saved is chosen in `decide/savings.py`; every hold is
recorded, and `make wake ENV=development HOLD=savings` undoes exactly them."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

import typer

from twinguard.cli import resources_output, scale_output
from twinguard.cli.desk import (
    DONE,
    INCOMPLETE,
    Apply,
    AsJson,
    By,
    Desk,
    at_desk,
    end_of_plan,
    is_incomplete,
    require_project,
    tell,
)
from twinguard.cli.resources_output import BASIS, amount
from twinguard.decide.inventory import Inventory
from twinguard.decide.model import Action, Outcome, Result, Strength, Why
from twinguard.decide.money import money
from twinguard.decide.run_prices import CURRENCY
from twinguard.decide.savings import savings
from twinguard.decide.wording import subject
from twinguard.errors import Unavailable
from twinguard.inventory.reader import Reader
from twinguard.inventory.survey import Survey, regions_of
from twinguard.pipeline import SAVINGS
from twinguard.policy import Environment

ENVIRONMENT = Environment.DEVELOPMENT
UNDO = f"make wake ENV={ENVIRONMENT} HOLD=savings APPLY=1"


def main(
    *,
    project: Annotated[str, typer.Option(help="The project you mean; must be the policy's.")],
    days: Annotated[
        int, typer.Option(min=1, max=30, help="How long subscriptions stay paused.")
    ] = 3,
    apply: Apply = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Let what development does not need scale to zero, and pause what pushes in vain.

    Only resources that the policy calls not critical. Services stay idle, and still answer, until
    you undo it; subscriptions are paused for --days, then they push again.

    Exit codes: 0 done or planned, 1 something failed or was left alone, 2 wrong usage,
    3 unavailable."""
    with at_desk(ENVIRONMENT, by) as desk:
        require_project(desk.pipeline.policy.project.id, desk.name, project)
        until = desk.now + dt.timedelta(days=days)
        why = Why(SAVINGS, Strength.IDLE, desk.now, until, desk.by)
        found = savings(desk.pipeline.policy, _inventory(desk), desk.pipeline.non_critical(), why)
        months: dict[Action, Decimal | None] = {one.action: one.month for one in found}
        executor = desk.pipeline.executor(desk.by)
        actions = tuple(one.action for one in found)
        planned = executor.plan(actions, desk.now)
        if not (apply and as_json):
            _show(f"Plan: {desk.name} scales to zero", planned, months, as_json=as_json)
        if not apply:
            end_of_plan(_open(planned), as_json=as_json)
        results = executor.carry_out(actions, desk.now)
        _finish(desk, results, months, as_json=as_json)


def _inventory(desk: Desk) -> Inventory:
    """Services, subscriptions and holds; without all of them nothing is done."""
    policy = desk.pipeline.policy
    holds = {hold.resource.name: hold for hold in desk.pipeline.journal.active_holds()}
    with (
        Reader(policy.project.id, os.environ) as reader,
        resources_output.watched() as watch,
    ):
        run = Survey(reader, desk.now, watch)
        regions, services = run.services(regions_of(policy))
        subscriptions = run.subscriptions()
    if run.gaps:
        raise Unavailable("; ".join(gap.why for gap in run.gaps) + "; nothing was done")
    return Inventory(
        at=desk.now, regions=regions, services=services, subscriptions=subscriptions, holds=holds
    )


def _open(results: tuple[Result, ...]) -> tuple[Result, ...]:
    """Those that are not as they should be yet."""
    return tuple(result for result in results if result.outcome is not Outcome.ALREADY)


def _finish(
    desk: Desk,
    results: tuple[Result, ...],
    months: Mapping[Action, Decimal | None],
    *,
    as_json: bool,
) -> None:
    """Tell the team if anything moved: doing it again is no news."""
    moved, told = _open(results), "nothing to tell"
    if moved:
        saves = money(_saved(results, months, Outcome.DONE), CURRENCY)
        title = f"{desk.by} let {desk.name} scale to zero, which saves up to {saves} a month"
        told = tell(desk, moved, title, SAVINGS)
    if as_json:
        document = _document(results, months) | {"applied": True, "told": told, "undo": UNDO}
        scale_output.print_json(document)
    elif moved:
        _table("Done", results, months, scale_output.DONE)
        scale_output.say(f"{told[0].upper()}{told[1:]}. Undo it with: {UNDO}")
    raise typer.Exit(INCOMPLETE if is_incomplete(results, told) else DONE)


def _show(
    title: str,
    planned: tuple[Result, ...],
    months: Mapping[Action, Decimal | None],
    *,
    as_json: bool,
) -> None:
    if as_json:
        scale_output.print_json(_document(planned, months) | {"applied": False, "undo": UNDO})
        return
    if planned:
        _table(title, planned, months, scale_output.PLANNED)
    for outcome, words in ((Outcome.ALREADY, "Saved already"), (Outcome.DONE, "Saves")):
        if saved := _saved(planned, months, outcome):
            scale_output.say(f"{words}: up to {money(saved, CURRENCY)} a month ({BASIS}).")
    if not _open(planned):
        scale_output.say(f"There is nothing {'more ' if planned else ''}to save.")


def _table(
    title: str,
    results: tuple[Result, ...],
    months: Mapping[Action, Decimal | None],
    words: Mapping[Outcome, str],
) -> None:
    shown = scale_output.table(title, "What", "", "How")
    shown.add_column("Saves up to", justify="right", no_wrap=True)
    for result in results:
        saved = months[result.action] if result.outcome in _SAVES else None
        shown.add_row(
            subject(result.action),
            words.get(result.outcome, "FAILED"),
            result.detail,
            resources_output.saving(saved),
        )
    scale_output.console().print(shown)


_SAVES = (Outcome.DONE, Outcome.ALREADY)


def _saved(
    results: tuple[Result, ...], months: Mapping[Action, Decimal | None], outcome: Outcome
) -> Decimal:
    found = (months[result.action] for result in results if result.outcome is outcome)
    return sum((month for month in found if month is not None), Decimal(0))


def _document(
    results: tuple[Result, ...], months: Mapping[Action, Decimal | None]
) -> dict[str, object]:
    def month(result: Result) -> str | None:
        saved = months[result.action] if result.outcome in _SAVES else None
        return None if saved is None else amount(saved)

    return {
        "actions": [{**scale_output.row(result), "month": month(result)} for result in results],
        "month": amount(_saved(results, months, Outcome.DONE)),
        "month_already": amount(_saved(results, months, Outcome.ALREADY)),
        "currency": CURRENCY,
        "prices": BASIS,
    }


if __name__ == "__main__":
    typer.run(main)
