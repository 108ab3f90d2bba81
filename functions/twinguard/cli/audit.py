# SPDX-License-Identifier: Apache-2.0
"""Who touched which secret, whether the security audit log is sound, and which keys are exposed.

Changes nothing but the log itself, with `--log`. Exit codes: 0 nothing found, 1 something found, 2
wrong usage, 3 something could not be read. Printing is in `audit_output.py`."""

from __future__ import annotations

import datetime as dt
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from twinguard import audit_log, config, state
from twinguard.audit_log import Anchor, AuditLog
from twinguard.cli import audit_output as output
from twinguard.cli.deployed import settings
from twinguard.cli.desk import AsJson, Env, exiting
from twinguard.decide import accesses, exposure
from twinguard.decide.accesses import Access
from twinguard.decide.inventory import Gap
from twinguard.errors import Misconfigured
from twinguard.inventory.exposed import NO_READS, exposed, tried
from twinguard.inventory.security import Security
from twinguard.policy import Policy
from twinguard.ports import Records

CLEAN, FOUND, _USAGE, UNKNOWN = range(4)
app = typer.Typer(
    add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False
)
File = Annotated[Path | None, typer.Option("--file", help="The log; security_audit_ENV.log here.")]


@app.command()
def show(
    *,
    env: Env,
    secret: Annotated[str, typer.Option(help="Only this secret or key.")] = "",
    actor: Annotated[str, typer.Option(help="Only who has this in their name.")] = "",
    since: Annotated[str, typer.Option(help="From when: 7d, 12h, or 2026-11-01.")] = "30d",
    limit: Annotated[int, typer.Option(min=1, help="Show the newest ones only.")] = 200,
    log: Annotated[bool, typer.Option("--log", help="Add our records to the log file.")] = False,
    file: File = None,
    as_json: AsJson = False,
) -> None:
    """Show who read or changed which secret, by Google's audit logs and our own records."""
    with exiting():
        policy, now, gaps = _policy(env), dt.datetime.now(dt.UTC), list[Gap]()
        start = _since(since, now)
        own = tried("our audit records", gaps, lambda: _ours(_records(policy))) or ()
        google = _google(policy, secret, start, gaps)
        found = accesses.merged((*own, *google), secret=secret, actor=actor, since=start)
        added = None
        if log:
            path = file or Path(audit_log.name_of(policy.environment))
            kept = AuditLog(path, policy.environment, _anchor(policy, path))
            added = kept.export([accesses.entry(one) for one in own], now)
        output.shown(policy, found, gaps, start, limit, added, as_json=as_json)
        raise typer.Exit(UNKNOWN if gaps else CLEAN)


@app.command()
def verify(*, env: Env, file: File = None, as_json: AsJson = False) -> None:
    """Check the security audit log, rotated files included: every byte, every line, its end."""
    with exiting():
        policy, gaps = _policy(env), list[Gap]()
        path = file or Path(audit_log.name_of(policy.environment))
        if not audit_log.files_of(path):
            raise Misconfigured(f"{path} is not there; make audit ENV={env} LOG=1 begins it")
        anchor = tried("the log's anchor", gaps, lambda: _anchor(policy, path).head())
        if anchor is None and not gaps:
            gaps.append(Gap("the log's anchor", "no end of a log at this place is on record"))
        verdict = audit_log.verify(path, policy.environment, anchor)
        output.verified(path, verdict, gaps, as_json=as_json)
        if verdict.problems:
            raise typer.Exit(FOUND)
        raise typer.Exit(UNKNOWN if gaps else CLEAN)


@app.command(name="exposure")
def audit_exposure(*, env: Env, as_json: AsJson = False) -> None:
    """Find keys that anybody could use, secrets that nobody reads, and turns that were missed."""
    with exiting():
        policy, now, gaps = _policy(env), dt.datetime.now(dt.UTC), list[Gap]()
        with Security(policy.project.id, os.environ) as reader, output.watched() as watch:
            read = exposed(reader, now, gaps, watch)
        found = exposure.findings(policy, read, now)
        output.exposure(policy, read, found, gaps, as_json=as_json)
        if any(not gap.off for gap in gaps):
            raise typer.Exit(UNKNOWN)
        raise typer.Exit(FOUND if found else CLEAN)


def _policy(env: str) -> Policy:
    return config.load(config.path_of(config.environment_named(env)))


def _records(policy: Policy) -> Records:
    return state.open_records(settings(policy, os.environ)["TWINGUARD_RECORDS"])


def _anchor(policy: Policy, path: Path) -> Anchor:
    return Anchor(_records(policy), policy.environment, path)


def _ours(records: Records) -> tuple[Access, ...]:
    return accesses.ours((one.id, one.value) for one in records.find("audit"))


def _since(text: str, now: dt.datetime) -> dt.datetime:
    """A moment from a day, or from a number of days or hours before now."""
    if ago := re.fullmatch(r"([0-9]{1,5})([dh])", text):
        return now - int(ago[1]) * dt.timedelta(days=ago[2] == "d", hours=ago[2] == "h")
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
    except ValueError as err:
        raise Misconfigured(f"--since is {text[:20]!r}; write 7d, 12h or 2026-11-01") from err


def _google(policy: Policy, secret: str, start: dt.datetime, gaps: list[Gap]) -> list[Access]:
    found: list[Access] = []
    with Security(policy.project.id, os.environ) as reader, output.watched() as watch:

        def read() -> None:
            for page in reader.accesses(start, secret):
                found.extend(page)
                watch(f"audit logs ({len(found)} lines)", 0, 0)

        tried("Google's audit logs", gaps, read)
    silent = not any(one.action == accesses.READ for one in found)
    if not gaps and silent and not secret:
        gaps.append(Gap("reads of secrets", NO_READS))
    return found


if __name__ == "__main__":
    app()
