# SPDX-License-Identifier: Apache-2.0
"""Print incidents with stolen keys, for people or as JSON.

The words are those of `reports/theft.py`; here they are put on lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec
from rich.text import Text

from twinguard.cli.scale_output import console, print_json, say, table
from twinguard.decide.thefts import Theft
from twinguard.policy import Policy
from twinguard.reports.theft import clean, held_words, theft_report


def listed(thefts: Sequence[Theft], environment: str, *, as_json: bool) -> None:
    """The open incidents."""
    ordered = sorted(thefts, key=lambda one: (-one.level.rank, one.opened_at))
    if as_json:
        print_json({"environment": environment, "incidents": [_row(one) for one in ordered]})
        return
    if not ordered:
        say(f"{environment} has no open incident.")
        return
    headings = ("Incident", "Level", "Findings", "Last", "Key")
    shown = table(f"Open incidents of {environment}", *headings)
    for one in ordered:
        last = f"{one.last_at:%Y-%m-%d %H:%M:%S}"
        shown.add_row(
            Text(clean(one.name)), one.level, str(len(one.findings)), last, held_words(one)
        )
    console().print(shown)


def report(theft: Theft, policy: Policy, now: dt.datetime, *, as_json: bool) -> None:
    """One incident, as an incident report begins."""
    told = theft_report(theft, policy)
    if as_json:
        print_json({**_row(theft), **msgspec.to_builtins(theft), "next": list(told.next_steps)})
        return
    say(f"Incident {told.name}")
    say(f"  level      {told.level}, {told.found} findings")
    say(f"  opened     {told.opened_at:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - told.opened_at)} ago")
    say(f"  key        {told.key}; rotation: {told.rotation}")
    if told.ended:
        say(f"  ended      {told.ended}")
    say("")
    say("Timeline")
    for one in told.timeline:
        say(f"  {one.at:%Y-%m-%d %H:%M:%S}  {one.level:8} {one.words}")
    say("")
    say("Evidence of the worst finding")
    for name, fact in told.evidence:
        say(f"  {name:38} {fact}")
    say("")
    say("What was served since it opened")
    if not told.served:
        say("  nothing that was reported")
    for source in told.served:
        say(f"  {source.address:24} {source.words}")
        say(f"    paths  {source.paths}")
        say(f"    agents {source.agents}")
    say("")
    say("Next steps")
    for number, line in enumerate(told.next_steps, start=1):
        say(f"  {number}. {line}")


def plan(title: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """What would be done."""
    if as_json:
        print_json({"applied": False, "plan": list(lines)})
        return
    say(f"Plan: {clean(title)}")
    for number, line in enumerate(lines, start=1):
        say(f"  {number}. {clean(line)}")
    say("Nothing is changed without --apply (with make: APPLY=1).")


def done(said: str, *, as_json: bool) -> None:
    """What was done."""
    if as_json:
        print_json({"applied": True, "result": said})
        return
    say(f"{clean(said)}.")


def _row(theft: Theft) -> dict[str, object]:
    return {"incident": theft.name, "level": theft.level, "open": theft.is_open}


def _ago(span: dt.timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004
