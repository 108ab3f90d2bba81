# SPDX-License-Identifier: Apache-2.0
"""Look at incidents with stolen keys, and lift what holds a key back.

A lift prints its plan and needs `--apply`; no command takes or shows a key, only key ids. Exit
codes: 0 done or planned, 2 wrong usage, 3 unavailable."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from msgspec.structs import replace

from twinguard.cli import thefts_output as output
from twinguard.cli.deployed import usage_topic
from twinguard.cli.desk import DONE, Apply, AsJson, By, Desk, Env, at_desk
from twinguard.cli.key_ids import id_of
from twinguard.errors import Misconfigured
from twinguard.reports.theft import lift_lines
from twinguard.theft_flow import TheftFlow
from twinguard.theft_lifts import Lifting, Nobody

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)


@app.command()
def incident(
    *,
    env: Env,
    id: Annotated[
        str, typer.Option("--id", help="The incident's name, or a key's id for its newest one.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show an incident: evidence, timeline, what was served, what to do next; or list the open."""
    with at_desk(env, "nobody") as desk:
        journal = _flow(desk).theft_journal
        if not id:
            output.listed(journal.open_thefts(), desk.name, as_json=as_json)
            return
        theft = journal.named(id_of(id))
        if theft is None:
            raise Misconfigured(
                f"{desk.name} has no incident {id}; make incident ENV={desk.name} lists the open "
                "ones"
            )
        output.report(theft, desk.pipeline.policy, desk.now, as_json=as_json)


@app.command()
def unblock(
    *,
    env: Env,
    key: Annotated[str, typer.Option("--key", help="The key's id, as alerts name it.")],
    reason: Annotated[str, typer.Option(help="Why it may be used again, for the audit.")],
    owner: Annotated[
        bool, typer.Option("--owner", help="It was the owner: what was strange is trusted.")
    ] = False,
    apply: Apply = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Lift a block or a throttle on every instance, and end the incident.

    Where TWINGUARD_COUNTERS is not set, `on_usage` is asked to: it reaches the private network."""
    with at_desk(env, by) as desk:
        key = id_of(key)
        if not reason.strip():
            raise Misconfigured("say why the key may be used again: --reason 'found and fixed'")
        is_near = bool(os.environ.get("TWINGUARD_COUNTERS"))
        flow = _flow(desk, needs_counters=is_near)
        lines = (
            *lift_lines(key, flow.theft_journal.theft(key)),
            "trust what was strange: it was the owner"
            if owner
            else "go on suspecting what was strange",
        )
        if not (apply and as_json):
            output.plan(f"unblock {key} in {desk.name}: {reason}", lines, as_json=as_json)
        if not apply:
            raise typer.Exit(DONE)
        lifting = Lifting(flow, "" if is_near else usage_topic(desk.pipeline.policy))
        said = lifting.lift(key, desk.by, reason, desk.now, is_owner=owner)
        silent = is_near and not desk.tells
        told = "; nobody was told: TWINGUARD_ALERTS_TOPIC is not set" if silent else ""
        output.done(said + told, as_json=as_json)


def _flow(desk: Desk, *, needs_counters: bool = False) -> TheftFlow:
    """The flow over the desk's ports; the counters are those of the settings."""
    from twinguard.places import Places
    from twinguard.wiring import counters_from

    counters = counters_from(os.environ, Places()) if needs_counters else None
    ports = desk.pipeline.ports
    if not desk.tells and needs_counters:
        ports = replace(ports, publisher=Nobody())
    return TheftFlow(desk.pipeline.policy, ports, counters)


if __name__ == "__main__":
    app()
