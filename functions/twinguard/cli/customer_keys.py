# SPDX-License-Identifier: Apache-2.0
"""Issue, list, check and change customers' keys. Every change prints its plan and needs `--apply`.

No command takes a key itself: `check` reads it from standard input, all others take its id. Exit
codes: 0 done or planned, 1 refused key, 2 wrong usage, 3 unavailable."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from twinguard.cli import customer_keys_output as output
from twinguard.cli.desk import Apply, AsJson, By, Desk, Env, at_desk
from twinguard.cli.key_ids import id_of
from twinguard.cli.scale_output import complain
from twinguard.customer_keys import CustomerKeys, Issued, Order
from twinguard.decide import customer_keys as rules
from twinguard.decide.customer_keys import CustomerKey, KeyState, Quota, Refusal
from twinguard.errors import Misconfigured
from twinguard.peppers import Peppers

REFUSED = 1
OVERLAP_HOURS = 24
_LONGEST, _DIGITS = 1000, 20

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)

KeyId = Annotated[str, typer.Option("--key", help="The key's id: 12 characters, not the key.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with the key and in the audit.")]
Output = Annotated[str, typer.Option("--output", help="`-`: print the key into a pipe or file.")]


@app.command(name="list")
def show(
    *,
    env: Env,
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    label: Annotated[str, typer.Option(help="Only with this in their label.")] = "",
    key: Annotated[str, typer.Option(help="Only the one with this id.")] = "",
    state: Annotated[KeyState | None, typer.Option(help="Only those that stand there.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show no more than this.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List keys; deleted ones only with --state deleted."""
    with at_desk(env, "nobody") as desk:
        keys = _keys(desk)
        if key:
            found: tuple[CustomerKey, ...] = (keys.get(id_of(key)),)
        else:
            found = keys.find(desk.now, tenant=tenant, label=label, state=state)
        output.listed(desk.name, found, limit, desk.now, as_json=as_json)


@app.command()
def issue(
    *,
    env: Env,
    tenant: Annotated[str, typer.Option(help="Whose key it is.")],
    reason: Why,
    label: Annotated[str, typer.Option(help="What it is for.")] = "",
    scopes: Annotated[
        str, typer.Option(help="What it may do, with commas: llm:chat, or llm:* for all of llm.")
    ] = ",".join(rules.DEFAULT_SCOPES),
    expires: Annotated[str, typer.Option(help="Until when: 2027-03-31, or 90d.")] = "",
    requests: Annotated[int | None, typer.Option(help="Requests a minute, at most.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Tokens a minute, at most.")] = None,
    budget: Annotated[str, typer.Option(help="Money a month, at most, as 25.50.")] = "",
    out: Output = "",
    apply: Apply = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, this once."""
    with at_desk(env, by) as desk:
        order = Order(
            tenant=tenant,
            label=label,
            scopes=tuple(part.strip() for part in scopes.split(",") if part.strip()),
            quota=Quota(
                requests_per_minute=requests,
                tokens_per_minute=tokens,
                monthly_budget=_money(budget),
                currency=_currency(desk),
            ),
            expires_at=_until(expires, desk.now),
        )
        mistake = rules.mistake(order.tenant, order.label, order.scopes, reason, order.quota)
        if mistake:
            raise Misconfigured(mistake)
        until = f", until {order.expires_at:%Y-%m-%d %H:%M} UTC" if order.expires_at else ""
        what = f"a key of {desk.name} for {tenant}, for {', '.join(order.scopes)}{until}"
        with _planned(what, out, apply=apply, as_json=as_json):
            issued = _keys(desk, secret=True).issue(order, desk.by, reason, desk.now)
            _reveal(issued, desk, out, as_json=as_json)


@app.command()
def rotate(
    *,
    env: Env,
    key: KeyId,
    reason: Why,
    overlap: Annotated[
        int, typer.Option(min=0, help="Hours for which the old secret works, too.")
    ] = OVERLAP_HOURS,
    out: Output = "",
    apply: Apply = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Give a key a new secret and show it, this once. Its id, budget and history stay."""
    with at_desk(env, by) as desk:
        found = _keys(desk).get(id_of(key))
        what = f"a new secret for key {found.id} of {found.tenant}; the old one works {overlap} h"
        with _planned(what, out, apply=apply, as_json=as_json):
            hours = dt.timedelta(hours=overlap)
            keys = _keys(desk, secret=True)
            _reveal(keys.rotate(found.id, hours, desk.by, reason, desk.now), desk, out, as_json)


@app.command()
def disable(
    *, env: Env, key: KeyId, reason: Why, apply: Apply = False, by: By = "", as_json: AsJson = False
) -> None:
    """Switch a key off: the next look-up refuses it."""
    with at_desk(env, by) as desk:
        found = _keys(desk).get(id_of(key))
        with _planned(f"disable {_named(found)}", apply=apply, as_json=as_json):
            changed = _keys(desk).disable(found.id, desk.by, reason, desk.now)
            output.changed(changed, "disabled", desk.now, as_json=as_json)


@app.command()
def enable(
    *, env: Env, key: KeyId, reason: Why, apply: Apply = False, by: By = "", as_json: AsJson = False
) -> None:
    """Switch a key on again."""
    with at_desk(env, by) as desk:
        found = _keys(desk).get(id_of(key))
        with _planned(f"enable {_named(found)}", apply=apply, as_json=as_json):
            changed = _keys(desk).enable(found.id, desk.by, reason, desk.now)
            output.changed(changed, "enabled", desk.now, as_json=as_json)


@app.command()
def delete(
    *, env: Env, key: KeyId, reason: Why, apply: Apply = False, by: By = "", as_json: AsJson = False
) -> None:
    """Delete a key for good; whose it was stays in the audit."""
    with at_desk(env, by) as desk:
        found = _keys(desk).get(id_of(key))
        with _planned(f"delete {_named(found)} for good", apply=apply, as_json=as_json):
            changed = _keys(desk).delete(found.id, desk.by, reason, desk.now)
            output.changed(changed, "deleted", desk.now, as_json=as_json)


@app.command()
def check(
    *,
    env: Env,
    source: Annotated[str, typer.Argument(help="`-`: standard input.", metavar="-")],
    scope: Annotated[str, typer.Option(help="Whether it may do this, too.")] = "",
    as_json: AsJson = False,
) -> None:
    """Say whether a key works and whose it is; the key comes from standard input alone."""
    with at_desk(env, "nobody") as desk:
        if source != "-":
            raise Misconfigured(
                "a key on a command line is seen by others and kept in the shell's history; "
                "write - and hand it over on standard input"
            )
        answer = _keys(desk, secret=True).look_up(_from_stdin(), desk.now)
        output.checked(answer, desk.now, as_json=as_json)
        if isinstance(answer, Refusal):
            raise typer.Exit(REFUSED)
        if scope and not answer.allows(scope):
            complain(f"It may not do {scope}.")
            raise typer.Exit(REFUSED)


def _keys(desk: Desk, *, secret: bool = False) -> CustomerKeys:
    policy = desk.pipeline.policy
    peppers = Peppers.read(os.environ) if secret else None
    return CustomerKeys(desk.pipeline.ports.records, policy.environment, policy.retention, peppers)


@contextmanager
def _planned(what: str, out: str | None = None, *, apply: bool, as_json: bool) -> Iterator[None]:
    """Print the plan and end, or go on; refuse first to show a key where others would read it.

    `out` is None for a change that shows none."""
    if out not in {None, "", "-"}:
        raise Misconfigured("--output takes only -; redirect it yourself, to where nobody reads")
    if apply and out == "" and not sys.stdout.isatty():
        raise Misconfigured(
            "the key would be shown on what is no terminal, perhaps a log; nothing was done: "
            "add --output - (with make: OUTPUT=-) if that is what you want"
        )
    if not (apply and out == "-"):
        output.planned(what, applied=apply, as_json=as_json)
    if not apply:
        raise typer.Exit
    yield


def _reveal(issued: Issued, desk: Desk, out: str, as_json: bool) -> None:
    output.revealed(issued, desk.now, piped=out == "-", as_json=as_json)


def _named(key: CustomerKey) -> str:
    return f"key {key.id} of {key.tenant}{f' ({key.label})' if key.label else ''}"


def _from_stdin() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Key (not shown): ").strip()
    return sys.stdin.read(_LONGEST).strip()


def _currency(desk: Desk) -> str:
    budget = desk.pipeline.policy.budget
    return budget.currency if budget is not None else "USD"


def _money(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation as err:
        raise Misconfigured(f"--budget is {text[:20]!r}; write it as 25.50") from err
    if not amount.is_finite() or amount.adjusted() > _DIGITS or amount != round(amount, 2):
        raise Misconfigured(f"--budget is {text[:20]!r}; write it as 25.50")
    return amount


def _until(text: str, now: dt.datetime) -> dt.datetime | None:
    """A day (its end, UTC) or a number of days from now."""
    if not text:
        return None
    if days := re.fullmatch(r"([1-9][0-9]{0,3})d", text):
        return now + dt.timedelta(days=int(days[1]))
    try:
        day = dt.date.fromisoformat(text) + dt.timedelta(days=1)
    except (OverflowError, ValueError) as err:
        raise Misconfigured(f"--expires is {text[:20]!r}; write 2027-03-31, or 90d") from err
    until = dt.datetime.combine(day, dt.time(), dt.UTC)
    if until <= now:
        raise Misconfigured(f"--expires {text} is over; name a later day")
    return until


if __name__ == "__main__":
    app()
