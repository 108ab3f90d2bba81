# SPDX-License-Identifier: Apache-2.0
"""`make reconcile`: the ledger against OpenAI's costs and the billing export. Changes nothing.

Exit codes: 0 they agree within the policy's limit, 1 they do not, 2 wrong usage, 3 unavailable."""

from __future__ import annotations

import datetime as dt
import os
import re
from typing import Annotated

import typer

from twinguard import config, state
from twinguard.cli.deployed import settings
from twinguard.cli.desk import AsJson, Env
from twinguard.cli.exits import exiting
from twinguard.cli.scale_output import REMEDY, console, print_json, say, table
from twinguard.decide.ledger import Period, dollars_of, period_of
from twinguard.decide.money import money, percent
from twinguard.decide.reconcile import Reconciliation, Row
from twinguard.errors import Misconfigured
from twinguard.llm.ledger_book import Book
from twinguard.policy import Policy
from twinguard.reconciliation import bills_of, compared

AGREE, DRIFTED = 0, 1

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def reconcile(
    *,
    env: Env,
    month: Annotated[str, typer.Option(help="As 2026-11; else this month.")] = "",
    source: Annotated[
        str, typer.Option(help="The billing export: a file, a folder, bigquery://.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Compare what the ledger counted with what is billed, model by model."""
    with exiting(REMEDY):
        policy = config.load(config.path_of(config.environment_named(env)))
        found, now = settings(policy, os.environ), dt.datetime.now(dt.UTC)
        book = Book(state.open_records(found["TWINGUARD_RECORDS"]), policy.retention)
        export = source or found.get("TWINGUARD_COSTS", "") or _connected(policy)
        period = Period(_month(month)) if month else period_of(now)
        told = compared(policy, book, bills_of(policy, found, export), period, now)
        if as_json:
            print_json({"environment": policy.environment, "bills": [_document(r) for r in told]})
        for each in () if as_json else told:
            _shown(policy, each)
        if not told and not as_json:
            say(f"No bill is complete for any day of {period.name} yet.")
    raise typer.Exit(DRIFTED if any(each.drifted for each in told) else AGREE)


def _shown(policy: Policy, found: Reconciliation) -> None:
    days = f"{found.first:%d} to {found.last:%d %B %Y}"
    title = f"{found.provider}, {policy.environment}, {days}"
    made = table(title, "Model", "Counted", "Billed", "Apart", "Perhaps")
    for column in made.columns[1:4]:
        column.justify = "right"
    for row in (*found.rows, found.total):
        made.add_row(row.model, _usd(row.counted), _usd(row.billed), percent(row.drift), row.cause)
    console().print(made)
    verdict = "above" if found.drifted else "within"
    say(f"USD; {verdict} the limit of {found.limit} % (spending.drift_percent).")


def _document(found: Reconciliation) -> dict[str, object]:
    return {
        "provider": found.provider,
        "first": found.first.isoformat(),
        "last": found.last.isoformat(),
        "limit_percent": found.limit,
        "drifted": [row.model for row in found.drifted],
        "total": _row(found.total),
        "models": [_row(row) for row in found.rows],
    }


def _row(row: Row) -> dict[str, object]:
    return {
        "model": row.model,
        "counted_nanos": row.counted,
        "billed_nanos": row.billed,
        "drift_percent": f"{row.drift:.2f}",
        "cause": row.cause,
    }


def _connected(policy: Policy) -> str:
    export = policy.billing_export
    return "bigquery://" if export is not None and export.connected else ""


def _month(text: str) -> str:
    if not re.fullmatch(r"2[0-9]{3}-(0[1-9]|1[0-2])", text):
        raise Misconfigured(f"--month {text!r} is no month; write it like 2026-11")
    return text


def _usd(nanos: int) -> str:
    return money(dollars_of(nanos), "USD").removesuffix(" USD")


if __name__ == "__main__":
    app()
