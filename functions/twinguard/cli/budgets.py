# SPDX-License-Identifier: Apache-2.0
"""Show what may be spent on language models, change a limit for a while, rebuild a lost ledger.

Every change prints its plan and needs `--apply`. Exit codes: 0 done or planned, 2 wrong usage,
3 unavailable. Printing is in `budgets_output.py`."""

from __future__ import annotations

import datetime as dt
import os
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from twinguard import state
from twinguard.cli import budgets_output as output
from twinguard.cli.deployed import settings
from twinguard.cli.desk import Apply, AsJson, By, Desk, Env, at_desk
from twinguard.decide import ledger_rules as rules
from twinguard.decide import wording
from twinguard.decide.ledger import (
    MOST,
    Known,
    Limit,
    Period,
    Scope,
    ScopeKind,
    Standing,
    dollars_of,
    nanos_of,
    period_of,
)
from twinguard.errors import BadEvent, Misconfigured, Unavailable
from twinguard.llm.budgets import budgets_of, environment_of, written
from twinguard.llm.ledger import KeepsCount, is_common, open_ledger
from twinguard.llm.ledger_book import Book
from twinguard.llm.ledger_events import counted
from twinguard.llm.ledger_kept import rebuild as rebuilt
from twinguard.policy import Level, Policy

LONGEST = dt.timedelta(days=366)
POLICY = "policy"

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)

ScopeText = Annotated[
    str, typer.Option("--scope", help="environment, tenant:acme, feature:chat or key:ID.")
]


@dataclass(frozen=True, slots=True)
class Office:
    """An environment's ledger and its book. `ledger` is None where its store is not named."""

    desk: Desk
    policy: Policy
    book: Book
    ledger: KeepsCount | None

    @property
    def period(self) -> Period:
        """The month that is."""
        return period_of(self.desk.now)

    def standings(self, scopes: tuple[Scope, ...], known: Known) -> tuple[Standing, ...]:
        """How scopes stand: by the ledger itself, else by what gateways wrote down of it."""
        if self.ledger is not None:
            return self.ledger.totals(scopes)
        return written(budgets_of(self.policy), known, scopes, self.desk.now)


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
        office = _office(desk)
        known = office.book.known(office.period)
        set_by = {found.limit.scope: found for found in office.book.limits()}
        named = budgets_of(office.policy).named
        scopes = {environment_of(office.policy), *known.spent, *set_by, *named}
        wanted = (_scope(scope, office.policy),) if scope else tuple(sorted(scopes, key=_order))
        standings = office.standings(wanted, known)
        live = office.ledger is not None
        output.shown(office.policy, standings, set_by, top, desk.now, live=live, as_json=as_json)
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
        office = _office(desk)
        which, nanos = _scope(scope, office.policy), _nanos(amount)
        ends = None if nanos is None else _until(until, desk.now)
        if not reason.strip():
            raise Misconfigured("--reason is empty; say why (with make: REASON='…')")
        (before,) = office.standings((which,), office.book.known(office.period))
        wanted = Limit(which, nanos, before.generation + 1, ends)
        output.planned(office.policy, before, wanted, applied=apply, as_json=as_json)
        if not apply:
            raise typer.Exit
        done = office.book.set_limit(which, nanos, ends, desk.by, reason.strip(), desk.now)
        at_once = office.ledger is not None and office.ledger.set_limit(done.limit)
        told = _told(desk, office.policy, done.limit, reason.strip())
        output.done(done, told, at_once=at_once, as_json=as_json)


@app.command()
def rebuild(
    *,
    env: Env,
    events: Annotated[Path, typer.Option(help="The usage log: a JSON event on each line.")],
    month: Annotated[str, typer.Option(help="As 2026-11; else this month.")] = "",
    apply: Apply = False,
    as_json: AsJson = False,
) -> None:
    """Bring back what a lost ledger had spent: by the book, and by usage events, each once."""
    with at_desk(env, "nobody") as desk:
        office = _office(desk)
        if office.ledger is None:
            raise Misconfigured("TWINGUARD_COUNTERS names no Redis; set it to the ledger's store")
        period = Period(_month(month)) if month else office.period
        try:
            with events.open("rb") as lines:
                found = list(counted(lines, office.policy.environment.value))
        except OSError as err:
            raise Misconfigured(f"{events}: cannot be read ({err.strerror}); check it") from err
        except BadEvent as err:
            raise Misconfigured(f"{events}: {err}") from err
        output.rebuilding(period, len(found), applied=apply, as_json=as_json)
        if not apply:
            raise typer.Exit
        spent = rebuilt(office.ledger, office.book, period, found)
        output.rebuilt(period, spent, environment_of(office.policy), as_json=as_json)


def _office(desk: Desk) -> Office:
    policy = desk.pipeline.policy
    found = settings(policy, os.environ)
    book = Book(state.open_records(found["TWINGUARD_RECORDS"]), policy.retention)
    counters, ledger = found.get("TWINGUARD_COUNTERS", ""), None
    if counters and is_common(counters):
        name, authorities = policy.environment.value, found.get("TWINGUARD_COUNTERS_CA", "")
        ledger = open_ledger(counters, name, budgets_of(policy), book.known, authorities)
    return Office(desk, policy, book, ledger)


def _told(desk: Desk, policy: Policy, limit: Limit, reason: str) -> str:
    if not desk.tells:
        return "nobody was told: TWINGUARD_ALERTS_TOPIC is not set"
    title = f"{limit.scope} may spend {rules.worded(limit)}"
    why = f"by {desk.by}: {reason}"
    scope = f"{limit.scope}-{limit.generation}"
    alert = wording.oddity(policy, "limit", scope, Level.MEDIUM, title, why, desk.now)
    try:
        desk.pipeline.publish(alert)
    except Unavailable as err:
        return f"NOBODY was told: {err}"
    return "the operations team is told"


def _scope(text: str, policy: Policy) -> Scope:
    own = environment_of(policy)
    if text in {"environment", str(own)}:
        return own
    try:
        found = Scope.of(text)
    except ValueError as err:
        raise Misconfigured(f"--scope: {err}") from err
    if found.kind is ScopeKind.ENVIRONMENT:
        raise Misconfigured(f"--scope is {found}, but --env is {policy.environment}; choose one")
    return found


def _nanos(text: str) -> int | None:
    if text == POLICY:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as err:
        raise Misconfigured(f"--amount is {text[:20]!r}; write it as 80 or 12.50") from err
    if not amount.is_finite() or not 0 <= amount <= dollars_of(MOST):
        most = dollars_of(MOST)
        raise Misconfigured(f"--amount is {text[:20]!r}; write 0 to {most:,.0f} USD")
    return nanos_of(amount)


def _until(text: str, now: dt.datetime) -> dt.datetime:
    """A day (its start, UTC), or days or hours from now."""
    if span := re.fullmatch(r"([1-9][0-9]{0,3})([dh])", text):
        hours = int(span[1]) * (24 if span[2] == "d" else 1)
        until = now + dt.timedelta(hours=hours)
    else:
        try:
            until = dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
        except ValueError as err:
            raise Misconfigured(
                f"--until is {text[:20]!r}; a limit needs an end: write 2026-12-01, 7d or 12h"
            ) from err
    if not now < until <= now + LONGEST:
        raise Misconfigured(f"--until {text} must be ahead, and within a year")
    return until


def _month(text: str) -> str:
    if not re.fullmatch(r"2[0-9]{3}-(0[1-9]|1[0-2])", text):
        raise Misconfigured(f"--month {text!r} is no month; write it like 2026-11")
    return text


def _order(scope: Scope) -> tuple[int, str]:
    return list(ScopeKind).index(scope.kind), scope.name


if __name__ == "__main__":
    app()
