# SPDX-License-Identifier: Apache-2.0
"""Rotate the keys in an environment's secrets, block one in an emergency, see how they stand.

Every change prints its plan and needs `--apply`; no command takes or shows a key. Exit codes:
0 done or planned, 1 it waits for somebody, 2 wrong usage, 3 unavailable."""

from __future__ import annotations

from typing import Annotated

import typer

from twinguard.cli import keys_output as output
from twinguard.cli.desk import DONE, INCOMPLETE, Apply, AsJson, By, Desk, Env, at_desk
from twinguard.decide import key_plan
from twinguard.decide.key_actions import Shelf
from twinguard.decide.keys import KeyState
from twinguard.errors import Misconfigured
from twinguard.key_flow import KeyFlow

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)

Key = Annotated[str, typer.Option("--key", help="The secret's name in the policy.")]


@app.command()
def rotate(
    *,
    env: Env,
    key: Key,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="A person renewed it, and the new version works.")
    ] = False,
    apply: Apply = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one, or go on with that; the old one ends a day later."""
    with at_desk(env, by) as desk:
        keys, (state, shelf) = desk.pipeline.keys, _known(desk, key)
        lines = (key_plan.confirmation if confirm else key_plan.rotation)(state, shelf)
        if confirm:
            keys.confirmable(key, desk.now)
        _plan(f"rotate {key} of {desk.name}", lines, apply=apply, as_json=as_json)
        act = keys.confirm if confirm else keys.rotate
        report = act(key, desk.by, desk.now)
        _done(keys, desk, key, report.decision, as_json=as_json)


@app.command()
def block(
    *, env: Env, key: Key, apply: Apply = False, by: By = "", as_json: AsJson = False
) -> None:
    """End every key of a secret at its provider, now, and see that it is refused."""
    with at_desk(env, by) as desk:
        keys, (state, _) = desk.pipeline.keys, _known(desk, key)
        lines = key_plan.block(state)
        _plan(f"block {key} of {desk.name}", lines, apply=apply, as_json=as_json)
        report = keys.block(key, desk.by, desk.now)
        _done(keys, desk, key, report.decision, as_json=as_json)


@app.command()
def rotations(*, env: Env, as_json: AsJson = False) -> None:
    """Show how each key stands: step, since when, the version in use, when it is due."""
    with at_desk(env, "nobody") as desk:
        policy = desk.pipeline.policy
        states = desk.pipeline.keys.states(desk.now)
        missing = sorted(set(policy.secrets) - {state.secret for state in states})
        output.table_of(policy, states, missing, desk.now, as_json=as_json)


def _known(desk: Desk, key: str) -> tuple[KeyState, Shelf]:
    """What is known of a key, and its secret as it is."""
    keys, policy = desk.pipeline.keys, desk.pipeline.policy
    keys.require(key)
    found = {state.secret: state for state in keys.states(desk.now)}
    shelf = keys.keys.secrets.read(f"{policy.environment}-{key}")
    if key not in found or shelf is None:
        raise Misconfigured(
            f"{policy.environment}-{key} has no version in {policy.project.id} yet; apply "
            "Terraform, and add the first one by hand"
        )
    return found[key], shelf


def _plan(title: str, lines: tuple[str, ...], *, apply: bool, as_json: bool) -> None:
    """Print the plan, and end here unless it is to be applied."""
    if not (apply and as_json):
        output.plan(title, lines, applied=apply, as_json=as_json)
    if not apply:
        raise typer.Exit(DONE)


def _done(keys: KeyFlow, desk: Desk, key: str, decision: str, *, as_json: bool) -> None:
    """Say what came of it; waiting for a person is no success yet."""
    state = next(one for one in keys.states(desk.now) if one.secret == key)
    output.done(decision, state, as_json=as_json)
    raise typer.Exit(INCOMPLETE if state.trouble is not None and state.under_way else DONE)


if __name__ == "__main__":
    app()
