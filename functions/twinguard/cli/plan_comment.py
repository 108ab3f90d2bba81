# SPDX-License-Identifier: Apache-2.0
"""`make plan-comment`: what a plan changes and whether the budget has room, for a pull request.

Names of resources only: a plan's values may be anything, and a pull request is read by many."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec import Struct

from twinguard.cli.costs_source import opened
from twinguard.cli.deploy import PLAN
from twinguard.cli.exits import exiting
from twinguard.cli.terraform import REPOSITORY, heard, program, root_of, settings
from twinguard.decide import gate
from twinguard.errors import Misconfigured, TwinguardError

app = typer.Typer(add_completion=False)

LISTED = 40
"""Resources that a comment names; the rest is counted."""


class Change(Struct, frozen=True):
    """What becomes of one resource, as Terraform says it."""

    actions: tuple[str, ...]


class Resource(Struct, frozen=True):
    """One resource of a plan."""

    address: str
    change: Change


class Plan(Struct, frozen=True):
    """What is read of `terraform show -json`."""

    resource_changes: tuple[Resource, ...] = ()


_VERBS: Mapping[tuple[str, ...], str] = {
    ("create",): "create",
    ("update",): "change",
    ("delete",): "destroy",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
    ("forget",): "forget",
}
"""Anything else (`no-op`, `read`) changes nothing."""

_ORDER = ("destroy", "replace", "forget", "change", "create")
"""What cannot be undone first."""


@app.command()
def main(
    *,
    env: Annotated[str, typer.Option(help="The environment that was planned.")],
    to: Annotated[Path | None, typer.Option(help="File to write; else it is printed.")] = None,
) -> None:
    """Say as Markdown what the last plan changes, and how the budget stands."""
    with exiting():
        folder = root_of(REPOSITORY, env)
        answer = heard([program(), "show", "-json", PLAN], folder, settings())
        if answer.code:
            raise Misconfigured(
                f"{folder.name} has no plan that terraform can read; make plan ENV={folder.name} "
                "writes one"
            )
        text = comment(folder.name, _read(answer.text), _budget(env))
        if to is None:
            typer.echo(text)
        else:
            to.write_text(text, encoding="utf-8")


def comment(environment: str, plan: Plan, budget: str) -> str:
    """The comment about one environment."""
    planned = [
        (verb, each.address)
        for each in plan.resource_changes
        if (verb := _VERBS.get(each.change.actions)) is not None
    ]
    planned.sort(key=lambda change: (_ORDER.index(change[0]), change[1]))
    counts = {verb: sum(verb == found for found, _ in planned) for verb in _ORDER}
    summary = ", ".join(f"{count} to {verb}" for verb, count in counts.items() if count)
    lines = [f"## Plan of {environment}: {summary or 'nothing changes'}", ""]
    if planned:
        lines += ["<details><summary>Resources</summary>", "", *_table(planned), "", "</details>"]
        lines.append("")
    return "\n".join([*lines, budget, ""])


def _table(planned: Sequence[tuple[str, str]]) -> list[str]:
    rows = [f"| {verb} | `{_cell(address)}` |" for verb, address in planned[:LISTED]]
    if len(planned) > LISTED:
        rows.append(f"| | and {len(planned) - LISTED} more, in the job's log |")
    return ["| | |", "| --- | --- |", *rows]


def _cell(address: str) -> str:
    """An address inside a table's code span: keys of maps may hold any character."""
    return " ".join(address.split()).replace("`", "'").replace("|", "\\|")


def _read(text: str) -> Plan:
    try:
        return msgspec.json.decode(text, type=Plan)
    except msgspec.MsgspecError as err:
        raise Misconfigured(f"terraform shows a plan in a form unknown here: {err}") from err


def _budget(env: str) -> str:
    """The gate's comment, or why there is none: a plan is worth reading without it."""
    try:
        with opened(env, "", "", dt.datetime.now(dt.UTC), may_sample=False) as found:
            return gate.comment(found.ledger.ruled(), found.policy.environment)
    except TwinguardError as err:
        return f"How the budget stands is not known: {' '.join(str(err).split())}"


if __name__ == "__main__":
    app()
