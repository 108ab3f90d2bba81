# SPDX-License-Identifier: Apache-2.0
"""Print plans, results and holds, as tables or as JSON."""

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

PLANNED = {Outcome.DONE: "will change", Outcome.ALREADY: "stays", Outcome.SKIPPED: "left alone"}
DONE = {Outcome.DONE: "changed", Outcome.ALREADY: "as it was", Outcome.SKIPPED: "left alone"}


def plan(title: str, planned: tuple[Result, ...], *, as_json: bool) -> None:
    """What would be done, resource by resource."""
    if as_json:
        print_json({"applied": False, "plan": [row(result) for result in planned]})
    elif planned:
        _results(f"Plan: {title}", planned, PLANNED)
    else:
        say("There is nothing to do.")


def done(results: tuple[Result, ...], told: str, *, as_json: bool) -> None:
    """What was done, and who heard of it."""
    if as_json:
        print_json({"applied": True, "results": [row(result) for result in results], "told": told})
        return
    if results:
        _results("Done", results, DONE)
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
        print_json(
            {"environment": name, "breaker_open": breaker.open, "why": reasons, "holds": rows}
        )
        return
    say(f"The breaker is {'open: ' + '; '.join(reasons) if reasons else 'closed'}.")
    if not holds:
        say(f"Nothing of {name} is held.")
        return
    shown = table(f"Held in {name}", "Resource", "Why", "Since and until", "By", "Before → now")
    for hold in holds:
        change = f"{described(hold.before)} → {_now(live[hold.resource])}"
        for why in hold.reasons or (None,):
            shown.add_row(hold.resource.short, *_why(why), Text(change))
    console().print(shown)


def say(text: str) -> None:
    """One line for people."""
    console().print(Text(text), soft_wrap=True)


def complain(message: str, remedy: str = "") -> None:
    """Say on standard error what is wrong, and what helps."""
    errors = Console(stderr=True, highlight=False)
    errors.print(Text("\n".join(part for part in (message, remedy) if part)), soft_wrap=True)


def _results(title: str, results: tuple[Result, ...], words: Mapping[Outcome, str]) -> None:
    shown = table(title, "What", "", "How")
    for result in results:
        word = words.get(result.outcome, "FAILED")
        shown.add_row(subject(result.action), word, Text(result.detail))
    console().print(shown)


def row(result: Result) -> dict[str, str]:
    """A result for machines."""
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


def table(title: str, *headings: str) -> Table:
    """A table as all commands print it."""
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def console() -> Console:
    """Standard output."""
    return Console(highlight=False)


def print_json(value: Mapping[str, object]) -> None:
    """A document for machines."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
