# SPDX-License-Identifier: Apache-2.0
"""`make check-costs`, `make cost-report` and `make budget-gate`: read costs, change nothing.

Judging is in `twinguard/costs.py`; printing is in `costs_output.py`, the choice of the source in
`costs_source.py`."""

from __future__ import annotations

import datetime as dt
import enum
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from twinguard.cli import costs_export as export
from twinguard.cli import costs_output as output
from twinguard.cli.costs_source import Opened, opened
from twinguard.cli.exits import USAGE, exiting
from twinguard.cli.progress import watched
from twinguard.costs import EVER
from twinguard.decide import gate
from twinguard.decide.months import last_of
from twinguard.decide.spend import Basis, Dimension
from twinguard.decide.stands import limit_of
from twinguard.errors import Misconfigured
from twinguard.notify import open_email
from twinguard.reports import files, mail

FINE, USED_UP = 0, 1
UNKNOWN = gate.Verdict.OLD.value

REMEDY = (
    "Check the network; if credentials are missing: gcloud auth application-default login; "
    "to read a file instead: --source FILE (with make: SOURCE=FILE)"
)

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

Env = Annotated[str, typer.Option(help="production, staging, development, ci (or dev, prod, …).")]
Project = Annotated[str, typer.Option(help="Only this project's costs; else the policy's.")]
Source = Annotated[
    str, typer.Option(help="A file, a folder, bigquery://, openai://; else the policy's export.")
]
Month = Annotated[str, typer.Option(help="As 2026-10; else the newest month with costs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


class Kind(enum.StrEnum):
    """Reports that can be written."""

    MONTHLY = "monthly"
    STATEMENT = "statement"
    QUARTERLY = "quarterly"


@app.command()
def check(
    *,
    env: Env,
    project: Project = "",
    source: Source = "",
    month: Month = "",
    tenant: Annotated[str, typer.Option(help="Only one customer's costs.")] = "",
    by: Annotated[
        list[Dimension] | None, typer.Option(help="A table by these instead; repeatable.")
    ] = None,
    basis: Annotated[
        Basis, typer.Option(help="With --by: days of use, or months of invoices.")
    ] = Basis.USAGE,
    top: Annotated[int, typer.Option(min=1, help="Rows of a table; the rest is one row.")] = 8,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, by day and parts.")] = False,
    as_focus: Annotated[bool, typer.Option("--focus", help="Print FOCUS 1.2 CSV.")] = False,
) -> None:
    """Show an environment's month: spent, on what, by whom, against the budget, where it ends.

    Examples:
      check --env dev               a sample: no account needed
      check --env staging --source export.parquet --json
      check --env prod --month 2026-10 --by tenant --by model

    Exit codes: 0 there is room, 1 the budget is used up,
    2 wrong usage or source, 3 the source does not answer."""
    if as_json + as_csv + as_focus > 1:
        raise typer.BadParameter("choose one of --json, --csv and --focus")
    with _open(env, project, source) as found:
        last = last_of(_month(month) or found.ledger.this_month)
        if as_csv or as_focus:
            export.write(found.ledger, _month(month), tenant or None, is_focus=as_focus)
            output.beside(found, last)
            raise typer.Exit(FINE)
        if by:
            lines = found.ledger.told_by(tuple(by), basis, _month(month), tenant or None)
            output.breakdown(found, tuple(by), lines, basis, top, last, as_json=as_json)
            raise typer.Exit(FINE)
        told = found.ledger.month(_month(month), tenant or None)
        output.month(found, told, top, as_json=as_json)
        stands = (one.budget for one in told.overviews if one.budget is not None)
        used_up = any(stand.basis >= limit_of(stand) for stand in stands)
        raise typer.Exit(USED_UP if used_up else FINE)


@app.command(name="gate")
def budget_gate(
    *,
    env: Env,
    project: Project = "",
    source: Source = "",
    oldest: Annotated[int, typer.Option(min=1, help="Hours after which costs are too old.")] = 72,
    comment: Annotated[
        Path | None, typer.Option(help="Write a Markdown comment to this file; - prints it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a deployment may go on, by the budget.

    Examples:
      gate --env prod
      gate --env staging --source export.jsonl --comment comment.md

    Exit codes: 0 there is room, 1 the budget is used up,
    2 the month is likely to end over it, 3 nobody can tell:
    the costs are too old, missing, or the command was wrong."""
    with _open(env, project, source, UNKNOWN, may_sample=False) as found:
        ruling = found.ledger.ruled(dt.timedelta(hours=oldest))
        text = gate.comment(ruling, found.policy.environment)
        if comment is not None and str(comment) != "-":
            _written(comment, text)
        output.ruling(found, ruling, text if str(comment) == "-" else "", as_json=as_json)
        raise typer.Exit(ruling.verdict.value)


@app.command()
def report(
    *,
    env: Env,
    project: Project = "",
    source: Source = "",
    month: Month = "",
    kind: Annotated[Kind, typer.Option(help="What to write.")] = Kind.MONTHLY,
    tenant: Annotated[str, typer.Option(help="Whose statement; else everybody's.")] = "",
    form: Annotated[
        list[files.Form] | None, typer.Option(help="Repeatable; md, html and png by default.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("reports"),
    by_mail: Annotated[
        bool, typer.Option("--mail", help="Mail them too, with the SMTP_ settings.")
    ] = False,
) -> None:
    """Write the monthly report, customers' statements, or the quarterly review.

    Examples:
      report --env prod --month 2026-10 --form html --form pdf
      report --env prod --kind statement --tenant acme
      report --env prod --kind quarterly --mail

    Exit codes: 0 written, 2 wrong usage or source, 3 the source does not answer."""
    forms = form or [files.Form.MARKDOWN, files.Form.HTML, files.Form.PNG]
    with _open(env, project, source) as found:
        documents = found.documents(kind.value, _month(month), tenant or None)
        server = open_email(found.policy, os.environ) if by_mail else None
        for document in watched(documents, "writing"):
            written = files.write(document, to, forms)
            for line in (*map(str, written.paths), *written.notes):
                output.say(line)
            if server is not None:
                composed = mail.compose(document, server.sender, server.recipients, now())
                output.say(f"mailed: {server.deliver(composed)}")
        if found.note:
            output.say(found.note)


def now() -> dt.datetime:
    """The time at which the costs are looked at."""
    return dt.datetime.now(dt.UTC)


def _month(text: str) -> dt.date | None:
    if not text:
        return None
    try:
        found = dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC).date()
    except ValueError as err:
        raise Misconfigured(f"--month {text!r} is no month; write it like 2026-10") from err
    if not EVER[0] <= found <= EVER[1]:
        raise Misconfigured(f"--month {text!r}: nobody has costs of then; write it like 2026-10")
    return found


def _written(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise Misconfigured(
            f"{path}: the comment cannot be written there ({err.strerror}); name another file"
        ) from err


@contextmanager
def _open(
    env: str, project: str, source: str, usage: int = USAGE, *, may_sample: bool = True
) -> Iterator[Opened]:
    """The environment's ledger; its errors become messages and exit codes."""
    chosen = opened(env, project, source, now(), may_sample=may_sample)
    with exiting(REMEDY, usage), chosen as found:
        yield found


if __name__ == "__main__":
    app()
