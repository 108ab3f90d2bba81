# SPDX-License-Identifier: Apache-2.0
"""Print incidents with stolen keys, for people or as JSON.

Addresses, agents and paths are a thief's own words: control characters are shown as marks."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence

import msgspec
from rich.text import Text

from twinguard.cli.scale_output import console, print_json, say, table
from twinguard.decide.restraints import Curb
from twinguard.decide.thefts import Theft
from twinguard.decide.threats.values import Finding
from twinguard.policy import Policy

_SHOWN = 12
"""Facts of a finding that are shown."""


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
        shown.add_row(Text(_clean(one.name)), one.level, str(len(one.findings)), last, _held(one))
    console().print(shown)


def report(theft: Theft, policy: Policy, now: dt.datetime, *, as_json: bool) -> None:
    """One incident, as an incident report begins."""
    steps = next_steps(theft, policy)
    if as_json:
        print_json({**_row(theft), **msgspec.to_builtins(theft), "next": list(steps)})
        return
    say(f"Incident {_clean(theft.name)}")
    say(f"  level      {theft.level}, {len(theft.findings)} findings")
    say(f"  opened     {theft.opened_at:%Y-%m-%d %H:%M:%S} UTC, {_ago(now - theft.opened_at)} ago")
    say(f"  key        {_held(theft)}; rotation: {theft.rotation or 'not asked for'}")
    if theft.ended_at is not None:
        why = f"{_clean(theft.ended_why)} ({_clean(theft.ended_by)})"
        say(f"  ended      {theft.ended_at:%Y-%m-%d %H:%M:%S} UTC: {why}")
    say("")
    say("Timeline")
    for found in theft.findings:
        say(f"  {found.timestamp:%Y-%m-%d %H:%M:%S}  {found.threat_level:8} {_words(found)}")
    say("")
    say("Evidence of the worst finding")
    worst = max(theft.findings, key=lambda one: one.threat_level.rank, default=None)
    for name, fact in list(worst.evidence.items())[:_SHOWN] if worst else ():
        say(f"  {name.replace('_', ' '):38} {_clean(_fact(fact))}")
    _served(theft)
    say("Next steps")
    for number, line in enumerate(steps, start=1):
        say(f"  {number}. {line}")


def next_steps(theft: Theft, policy: Policy) -> tuple[str, ...]:
    """What a person does now, in the order of docs/playbook.md."""
    env, key = policy.environment, theft.key_id
    rotate = f"make key-rotate ENV={env} KEY=<id of the customer's key> REASON='…' APPLY=1"
    if key in policy.secrets:
        rotate = f"make rotate ENV={env} KEY={key} APPLY=1"
    if not theft.is_open:
        return (f"Write the incident report: make incident ID={theft.name} ENV={env} JSON=1",)
    return (
        "Ask the key's owner about the addresses below 'What was served'.",
        f"Not theirs: replace the key: {rotate}",
        f"Theirs: make unblock KEY={key} ENV={env} REASON='…' OWNER=1 APPLY=1",
        f"Replaced: make unblock KEY={key} ENV={env} REASON='…' APPLY=1",
        f"See who touched the secrets meanwhile: make audit ENV={env} SINCE=1d",
    )


def plan(title: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """What would be done."""
    if as_json:
        print_json({"applied": False, "plan": list(lines)})
        return
    say(f"Plan: {_clean(title)}")
    for number, line in enumerate(lines, start=1):
        say(f"  {number}. {_clean(line)}")
    say("Nothing is changed without --apply (with make: APPLY=1).")


def done(said: str, *, as_json: bool) -> None:
    """What was done."""
    if as_json:
        print_json({"applied": True, "result": said})
        return
    say(f"{_clean(said)}.")


def _served(theft: Theft) -> None:
    say("")
    say("What was served since it opened")
    if not theft.sources:
        say("  nothing that was reported")
    for address, source in sorted(theft.sources.items(), key=lambda one: -one[1].requests):
        span = f"{source.first:%m-%d %H:%M:%S} to {source.last:%m-%d %H:%M:%S}"
        say(
            f"  {_clean(address) or 'no address':24} {source.requests} requests,"
            f" {source.failed} failed, {span}"
        )
        say(f"    paths  {_clean(', '.join(source.paths))}")
        say(f"    agents {_clean(', '.join(source.agents))}")
    say("")


def _row(theft: Theft) -> dict[str, object]:
    return {"incident": theft.name, "level": theft.level, "open": theft.is_open}


def _held(theft: Theft) -> str:
    held = theft.held
    if not theft.is_open:
        return "not held back any more"
    if held is None:
        return "watched"
    return "blocked" if held.curb is Curb.BLOCK else f"throttled to {held.rate} a minute"


def _words(found: Finding) -> str:
    reasons = found.evidence.get("reasons")
    ordered = sorted(reasons, key=lambda name: -reasons[name]) if isinstance(reasons, dict) else []
    words = ", ".join(name.replace("_", " ") for name in ordered[:4])
    return _clean(f"{found.detector.replace('_', ' ')}: {words}")


def _fact(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in fact.items())
    if isinstance(fact, list):
        return ", ".join(map(str, fact)) or "none"
    return "unknown" if fact is None else str(fact)


def _ago(span: dt.timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"  # noqa: PLR2004


def _clean(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", "�", text)
