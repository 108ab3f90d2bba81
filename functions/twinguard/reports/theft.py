# SPDX-License-Identifier: Apache-2.0
"""An incident with a stolen key in words, for a terminal as for a page, and what a lift does. Pure.

Addresses, agents and paths are a thief's own words: control characters are shown as marks."""

from __future__ import annotations

import datetime as dt
import re

from msgspec import Struct

from twinguard.decide.customer_keys import is_id
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.thefts import Theft
from twinguard.decide.threats.values import Finding, ThreatLevel, reasons_of
from twinguard.policy import Policy

_SHOWN = 12
"""Facts of a finding that are shown."""


class Moment(Struct, frozen=True):
    """A finding on the timeline."""

    at: dt.datetime
    level: ThreatLevel
    words: str


class Served(Struct, frozen=True):
    """What one address was served."""

    address: str
    words: str
    paths: str
    agents: str


class TheftReport(Struct, frozen=True, kw_only=True):
    """An incident as an incident report begins; `ended` is empty while it is open."""

    name: str
    key_id: str
    is_open: bool
    level: ThreatLevel
    found: int
    opened_at: dt.datetime
    key: str
    rotation: str
    ended: str
    timeline: tuple[Moment, ...]
    evidence: tuple[tuple[str, str], ...]
    served: tuple[Served, ...]
    next_steps: tuple[str, ...]


def theft_report(theft: Theft, policy: Policy) -> TheftReport:
    """All that people are shown of an incident."""
    worst = max(theft.findings, key=lambda one: one.threat_level.rank, default=None)
    facts = list(worst.evidence.items())[:_SHOWN] if worst else []
    ended = f"{theft.ended_at:%Y-%m-%d %H:%M:%S} UTC: " if theft.ended_at else ""
    return TheftReport(
        name=clean(theft.name),
        key_id=theft.key_id,
        is_open=theft.is_open,
        level=theft.level,
        found=len(theft.findings),
        opened_at=theft.opened_at,
        key=held_words(theft),
        rotation=theft.rotation or "not asked for",
        ended=ended and f"{ended}{clean(theft.ended_why)} ({clean(theft.ended_by)})",
        timeline=tuple(
            Moment(one.timestamp, one.threat_level, _words(one)) for one in theft.findings
        ),
        evidence=tuple((name.replace("_", " "), clean(_fact(fact))) for name, fact in facts),
        served=_served(theft),
        next_steps=next_steps(theft, policy),
    )


def next_steps(theft: Theft, policy: Policy) -> tuple[str, ...]:
    """What a person does now, in the order of docs/playbook.md."""
    env, key = policy.environment, theft.key_id
    rotate = "where it was issued, for it is none of ours"
    if key in policy.secrets:
        rotate = f"make rotate ENV={env} KEY={key} APPLY=1"
    elif is_id(key):
        rotate = f"make key-rotate ENV={env} KEY={key} REASON='…' OVERLAP=0 APPLY=1"
    if not theft.is_open:
        return (f"Write the incident report: make incident ID={theft.name} ENV={env} JSON=1",)
    return (
        "Ask the key's owner about the addresses below 'What was served'.",
        f"Not theirs: replace the key: {rotate}",
        f"Theirs: make unblock KEY={key} ENV={env} REASON='…' OWNER=1 APPLY=1",
        f"Replaced: make unblock KEY={key} ENV={env} REASON='…' APPLY=1",
        f"See who touched the secrets meanwhile: make audit ENV={env} SINCE=1d",
    )


def lift_lines(key_id: str, theft: Theft | None) -> tuple[str, ...]:
    """What a lift ends."""
    held = restraint_of(theft)
    what = held.curb if held else "block or throttle, if there is one,"
    return (
        f"lift the {what} of {key_id} on every instance",
        f"end incident {theft.name}" if theft and theft.is_open else "no incident is open",
    )


def restraint_of(theft: Theft | None) -> Restraint | None:
    """What an open incident holds its key back with."""
    held = theft.held if theft is not None and theft.is_open else None
    return held if held is not None and held.curb is not Curb.NONE else None


def held_words(theft: Theft) -> str:
    """What became of the key."""
    held = theft.held
    if not theft.is_open:
        return "not held back any more"
    if held is None:
        return "watched"
    return "blocked" if held.curb is Curb.BLOCK else f"throttled to {held.rate} a minute"


def clean(text: str) -> str:
    """A text without what a terminal obeys or a line is turned round by."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", "�", text)


def _served(theft: Theft) -> tuple[Served, ...]:
    """By address, the busiest first."""
    return tuple(
        Served(
            clean(address) or "no address",
            f"{source.requests} requests, {source.failed} failed,"
            f" {source.first:%m-%d %H:%M:%S} to {source.last:%m-%d %H:%M:%S}",
            clean(", ".join(source.paths)),
            clean(", ".join(source.agents)),
        )
        for address, source in sorted(theft.sources.items(), key=lambda one: -one[1].requests)
    )


def _words(found: Finding) -> str:
    words = ", ".join(name for name, _ in reasons_of(found.evidence)[:4])
    return clean(f"{found.detector.replace('_', ' ')}: {words}")


def _fact(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in fact.items())
    if isinstance(fact, list):
        return ", ".join(map(str, fact)) or "none"
    return "unknown" if fact is None else str(fact)
