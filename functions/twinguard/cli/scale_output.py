# SPDX-License-Identifier: Apache-2.0
"""Print plans, results and holds for `scale.py`, as tables or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twinguard.decide.holds import described
from twinguard.decide.model import Breaker, Hold, Live, Outcome, Resource, Result, Why
from twinguard.decide.wording import subject

REMEDY = (
    "Check the network; if credentials are missing: gcloud auth application-default login; "
    "without Firestore: set TWINGUARD_RECORDS"
)

_PLANNED = {Outcome.DONE: "will change", Outcome.ALREADY: "stays", Outcome.SKIPPED: "left alone"}
_DONE = {Outcome.DONE: "changed", Outcome.ALREADY: "as it was", Outcome.SKIPPED: "left alone"}


def plan(title: str, planned: tuple[Result, ...], *, as_json: bool) -> None:
    """What would be done, resource by resource."""
    if as_json:
        _json({"applied": False, "plan": [_row(result) for result in planned]})
    elif planned:
        _results(f"Plan: {title}", planned, _PLANNED)
    else:
        say("There is nothing to do.")


def done(results: tuple[Result, ...], told: str, *, as_json: bool) -> None:
    """What was done, and who heard of it."""
    if as_json:
        _json({"applied": True, "results": [_row(result) for result in results], "told": told})
        return
    if results:
        _results("Done", results, _DONE)
        say(f"{told[0].upper()}{told[1:]}.")


def held(
    name: str,
    holds: tuple[Hold, ...],
    live: Mapping[Resource, Live | None],
    breaker: Breaker,
    *,
    as_json: bool,
) -> None:
    """Every hold with its reasons."""
    reasons = [reason for _, reason in breaker.open_by]
    if as_json:
        rows = [_hold(hold, live[hold.resource]) for hold in holds]
        _json({"environment": name, "breaker_open": breaker.open, "why": reasons, "holds": rows})
        return
    say(f"The breaker is {'open: ' + '; '.join(reasons) if reasons else 'closed'}.")
    if not holds:
        say(f"Nothing of {name} is held.")
        return
    table = _table(f"Held in {name}", "Resource", "Why", "Since and until", "By", "Before → now")
    for hold in holds:
        change = f"{described(hold.before)} → {_now(live[hold.resource])}"
        for why in hold.reasons or (None,):
            table.add_row(hold.resource.short, *_why(why), Text(change))
    _console().print(table)


def left(hold: Hold, ended: set[str]) -> str:
    """Where a resource stands once these reasons are gone."""
    others = sorted(hold.keys - ended)
    if others:
        return f"stays {described(hold.expected[-1])}: held for {', '.join(others)}"
    return f"{described(hold.expected[-1])} → {described(hold.before)}"


def say(text: str) -> None:
    """One line for people."""
    _console().print(Text(text), soft_wrap=True)


def complain(message: str, remedy: str = "") -> None:
    """Say on standard error what is wrong, and what helps."""
    console = Console(stderr=True, highlight=False)
    console.print(Text("\n".join(part for part in (message, remedy) if part)), soft_wrap=True)


def _results(title: str, results: tuple[Result, ...], words: Mapping[Outcome, str]) -> None:
    table = _table(title, "What", "", "How")
    for result in results:
        word = words.get(result.outcome, "FAILED")
        table.add_row(subject(result.action), word, Text(result.detail))
    _console().print(table)


def _row(result: Result) -> dict[str, str]:
    resource = getattr(result.action, "resource", None)
    return {
        "what": subject(result.action),
        "resource": resource.name if resource is not None else "",
        "outcome": result.outcome.value,
        "detail": result.detail,
    }


def _hold(hold: Hold, live: Live | None) -> dict[str, object]:
    return {
        "resource": hold.resource.name,
        "before": described(hold.before),
        "now": _now(live),
        "reasons": [
            {
                "key": why.key,
                "strength": why.strength.value,
                "since": why.since.isoformat(),
                "until": why.until.isoformat() if why.until else None,
                "by": why.by,
            }
            for why in hold.reasons
        ],
    }


def _why(why: Why | None) -> tuple[str, str, str]:
    if why is None:
        return "a change is under way", "", ""
    until = f"{why.until:%m-%d %H:%M}" if why.until else "no end"
    return why.key, f"{why.since:%m-%d %H:%M} to {until} UTC", why.by


def _now(live: Live | None) -> str:
    return "gone" if live is None else described(live.value)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _console() -> Console:
    return Console(highlight=False)


def _json(value: Mapping[str, object]) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
