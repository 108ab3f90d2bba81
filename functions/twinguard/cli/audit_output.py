# SPDX-License-Identifier: Apache-2.0
"""Print who touched which secret, what is wrong with a log, and what is exposed."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from rich.console import Console
from rich.text import Text

from twinguard.cli.scale_output import console, print_json, say, table
from twinguard.decide.accesses import Access
from twinguard.decide.chain_check import Problem, Verdict
from twinguard.decide.exposure import Exposed
from twinguard.decide.inventory import Finding, Gap
from twinguard.inventory.exposed import Watch
from twinguard.policy import Level, Policy

_STYLES = {Level.CRITICAL: "bold red", Level.HIGH: "red", Level.MEDIUM: "yellow", Level.LOW: ""}


def shown(
    policy: Policy,
    found: tuple[Access, ...],
    gaps: Sequence[Gap],
    start: dt.datetime,
    limit: int,
    added: int | None,
    *,
    as_json: bool,
) -> None:
    """Accesses by time, the newest last."""
    name, newest = policy.environment.value, found[-limit:]
    if as_json:
        rows = [msgspec.to_builtins(one) for one in newest]
        about = {"environment": name, "since": start.isoformat(), "found": len(found)}
        print_json({**about, "accesses": rows, "logged": added, "not_read": _gaps(gaps)})
        return
    if newest:
        made = table(f"Secrets and keys of {name}", "When, UTC", "Who", "What", "How", "By")
        for one in newest:
            cells = (f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, f"{one.action}\n{one.subject}")
            made.add_row(*(Text(cell) for cell in (*cells, one.detail, one.source)))
        console().print(made)
    if len(found) > limit:
        say(f"{len(found) - limit} older ones are left out; raise --limit, or narrow the search.")
    say(f"{len(found)} since {start:%Y-%m-%d %H:%M} UTC.")
    if added is not None:
        say(f"{added} of our own records were added to the security audit log.")
    _not_read("Not read", gaps)


def verified(path: Path, verdict: Verdict, gaps: Sequence[Gap], *, as_json: bool) -> None:
    """What is wrong with a log, and where."""
    if as_json:
        rows = [msgspec.to_builtins(one) for one in verdict.problems]
        about = {"file": str(path), "lines": verdict.lines, "sound": not rows}
        not_anchored = {"newer_than_anchor": verdict.newer, "not_checked": _gaps(gaps)}
        print_json({**about, "problems": rows, **not_anchored})
        return
    for one in verdict.problems:
        console().print(
            Text.assemble((one.kind.upper(), "red"), f"  {_place(one)}: {one.what}"),
            soft_wrap=True,
        )
    if verdict.newer:
        say(
            f"{verdict.newer} lines are newer than the anchor: their writer did not finish, or "
            "they are not ours; the next entry will note it."
        )
    bad = len(verdict.problems)
    told = f"{bad} problems; keep a copy before you do anything" if bad else "sound"
    say(f"{path}: {verdict.lines} lines, {told}.")
    for gap in gaps:
        say(f"Not checked: whether the end was cut off ({gap.why}).")


def exposure(
    policy: Policy,
    read: Exposed,
    found: tuple[Finding, ...],
    gaps: Sequence[Gap],
    *,
    as_json: bool,
) -> None:
    """Findings with what helps, and what could not be checked."""
    counts = {
        "Google API keys": read.api_keys,
        "keys of service accounts": read.account_keys,
        "secrets": read.secrets,
    }
    if as_json:
        rows = [cast("dict[str, Any]", msgspec.to_builtins(one)) for one in found]
        for row in rows:
            row.pop("saving")
        about = {"environment": policy.environment.value, "project": policy.project.id}
        checked = {name: None if held is None else len(held) for name, held in counts.items()}
        print_json({**about, "checked": checked, "findings": rows, "not_checked": _gaps(gaps)})
        return
    if found:
        made = table(f"Exposed in {policy.environment}", "Level", "What, and what helps")
        for one in found:
            text = Text(f"{one.subject}\n", style="bold")
            text.append(f"{one.why}\n→ {one.remedy}", style="not bold")
            made.add_row(Text(one.level, style=_STYLES[one.level]), text, end_section=True)
        console().print(made)
    told = ", ".join(f"{name}: {len(held)}" for name, held in counts.items() if held is not None)
    say(f"Checked: {told or 'nothing'}. Found: {len(found)}.")
    _not_read("Not checked", gaps)


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """What is being read, on a terminal; nothing elsewhere."""
    errors = Console(stderr=True)
    if not errors.is_terminal:
        yield lambda what, done, of: None  # noqa: ARG005 - nobody watches
        return
    with errors.status("Reading") as status:
        yield lambda what, done, of: status.update(
            Text(f"Reading {what}" + (f" ({done + 1} of {of})" if of > 1 else ""))
        )


def _place(problem: Problem) -> str:
    spot = problem.spot
    byte = "" if problem.byte is None else f", byte {problem.byte}"
    return f"{spot.file} line {spot.line}{byte}" if spot.file else "the log"


def _gaps(gaps: Sequence[Gap]) -> list[dict[str, object]]:
    return [{"what": gap.what, "why": gap.why, "switched_off": gap.off} for gap in gaps]


def _not_read(word: str, gaps: Sequence[Gap]) -> None:
    for gap in gaps:
        line = Text.assemble((f"{word}: ", "" if gap.off else "yellow"), gap.why)
        console().print(line, soft_wrap=True)
