# SPDX-License-Identifier: Apache-2.0
"""Show what may be spent on language models, change a limit for a while, rebuild a lost ledger.

Every change prints its plan and needs `--apply`. Exit codes: 0 done or planned, 2 wrong usage,
3 unavailable. Printing is in `budgets_output.py`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from twinguard.billing import gateway_usage
from twinguard.cli import budgets_output as output
from twinguard.cli.deployed import settings
from twinguard.cli.desk import Apply, AsJson, By, Desk, Env, at_desk
from twinguard.decide.ledger import Limit, Period, period_of
from twinguard.errors import BadEvent, Misconfigured
from twinguard.llm.budgets import environment_of
from twinguard.llm.ledger_events import counted
from twinguard.llm.ledger_kept import rebuild as rebuilt
from twinguard.policy import Policy
from twinguard.raising import Allowance, Raising, amount_of, ledger_from, scope_of, until_of

POLICY = "policy"
"""The amount that gives a scope back to the policy."""

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)

ScopeText = Annotated[
    str, typer.Option("--scope", help="environment, tenant:acme, feature:chat or key:ID.")
]


@app.command()
def show(
    *,
    env: Env,
    scope: ScopeText = "",
    top: Annotated[int, typer.Option(min=1, help="Show no more than this.")] = 40,
    as_json: AsJson = False,
) -> None:
    """Show limits, what is spent and held, what is left, when it resets, and who set a limit."""
    with at_desk(env, "nobody") as desk:
        raising, policy = _raising(desk), desk.pipeline.policy
        if scope:
            found: tuple[Allowance, ...] = (raising.of_scope(scope_of(scope, policy), desk.now),)
        else:
            found = raising.allowances(desk.now)
        live = raising.ledger is not None
        output.shown(policy, found, top, desk.now, live=live, as_json=as_json)
        if not live and not as_json:
            output.say(
                "By what gateways wrote down; what is held only the ledger knows: set "
                "TWINGUARD_COUNTERS to their Redis to see it."
            )


@app.command(name="raise")
def raise_limit(
    *,
    env: Env,
    scope: ScopeText,
    amount: Annotated[str, typer.Option(help="USD a month, as 80 or 12.50; policy: undo it.")],
    reason: Annotated[str, typer.Option(help="Why; kept with the limit and in the audit.")],
    until: Annotated[str, typer.Option(help="As 2026-12-01, 7d or 12h.")] = "",
    apply: Apply = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Give a scope another limit until a day; what was spent stays spent."""
    with at_desk(env, by) as desk:
        raising, policy = _raising(desk), desk.pipeline.policy
        which = scope_of(scope, policy)
        nanos = None if amount == POLICY else amount_of(amount)
        ends = None if nanos is None else until_of(until, desk.now)
        if not reason.strip():
            raise Misconfigured("--reason is empty; say why (with make: REASON='…')")
        before = raising.of_scope(which, desk.now).standing
        wanted = Limit(which, nanos, before.generation + 1, ends)
        output.planned(policy, before, wanted, applied=apply, as_json=as_json)
        if not apply:
            raise typer.Exit
        done = raising.carried_out(which, nanos, ends, desk.by, reason.strip(), desk.now)
        output.done(done, as_json=as_json)


@app.command()
def rebuild(
    *,
    env: Env,
    events: Annotated[str, typer.Option(help="The usage log: a file, or usage:// for BigQuery's.")],
    month: Annotated[str, typer.Option(help="As 2026-11; else this month.")] = "",
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Bring back what a lost ledger had spent: by the book, and by usage events, each once."""
    with at_desk(env, "nobody") as desk:
        raising, policy = _raising(desk), desk.pipeline.policy
        if raising.ledger is None:
            raise Misconfigured("TWINGUARD_COUNTERS names no Redis; set it to the ledger's store")
        period = Period(_month(month)) if month else period_of(desk.now)
        try:
            with _lines(events, policy, period) as lines:
                found = list(counted(lines, policy.environment.value))
        except BadEvent as err:
            raise Misconfigured(f"{events}: {err}") from err
        output.rebuilding(period, len(found), applied=apply, as_json=as_json)
        if not apply:
            raise typer.Exit
        spent = rebuilt(raising.ledger, raising.book, period, found)
        output.rebuilt(period, spent, environment_of(policy), as_json=as_json)


@contextmanager
def _lines(place: str, policy: Policy, period: Period) -> Iterator[Iterable[bytes]]:
    """The lines of a file, or of what the table was told since the month began."""
    if place == "usage://":
        yield gateway_usage(policy, os.environ).messages(period.start.date())
        return
    try:
        with Path(place).open("rb") as lines:
            yield lines
    except OSError as err:
        raise Misconfigured(f"{place}: cannot be read ({err.strerror}); check it") from err


def _raising(desk: Desk) -> Raising:
    policy, records = desk.pipeline.policy, desk.pipeline.ports.records
    ledger = ledger_from(policy, records, settings(policy, os.environ))
    return Raising(desk.pipeline, ledger, desk.tells)


def _month(text: str) -> str:
    if not re.fullmatch(r"2[0-9]{3}-(0[1-9]|1[0-2])", text):
        raise Misconfigured(f"--month {text!r} is no month; write it like 2026-11")
    return text


if __name__ == "__main__":
    app()
