# SPDX-License-Identifier: Apache-2.0
"""Make of findings, incidents and blocked keys what the security pages show. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from msgspec import Struct

from twinguard.decide.incidents import Incident
from twinguard.decide.model import Alert, AlertState
from twinguard.decide.theft_tell import KIND as THEFT
from twinguard.decide.threats.values import Fact, reasons_of
from twinguard.ports import Stored
from twinguard.web.dashboard.operations_view import Done, audit_trail
from twinguard.web.dashboard.security import Found, Restrained
from twinguard.web.dashboard.words import age

REASONS = 3
_LISTED = 6


class FoundRow(Struct, frozen=True, kw_only=True):
    """A finding as a row."""

    id: str
    at: dt.datetime
    level: str
    key_id: str
    detector: str
    reasons: str
    facts: tuple[tuple[str, str], ...]


class Held(Struct, frozen=True):
    """A key that is blocked or throttled, with how long."""

    key: Restrained
    age: str


class Event(Struct, frozen=True):
    """A point of an incident's timeline."""

    at: dt.datetime
    what: str
    words: str
    kind: str


class IncidentPage(Struct, frozen=True, kw_only=True):
    """An incident with its evidence and what happened when."""

    id: str
    title: str
    level: str
    kind: str
    state: str
    opened_at: dt.datetime | None
    lasted: str
    evidence: tuple[str, ...]
    timeline: tuple[Event, ...]
    waiting: tuple[str, ...]


def row(found: Found) -> FoundRow:
    """A finding with its strongest reasons, and all of its evidence in words."""
    facts = found.facts
    return FoundRow(
        id=found.id,
        at=found.at,
        level=found.level.value.lower(),
        key_id=found.key_id,
        detector=found.detector,
        reasons=", ".join(name for name, _ in reasons_of(facts)[:REASONS]),
        facts=tuple(
            (name.replace("_", " "), fact_in_words(value)) for name, value in facts.items()
        ),
    )


def fact_in_words(value: Fact) -> str:
    """A piece of evidence on one line."""
    match value:
        case bool() | None:
            found = {True: "yes", False: "no", None: "none"}[value]
        case int():
            found = f"{value:,}"
        case float():
            found = f"{value:,.1f}".removesuffix(".0")
        case dict():
            pairs = sorted(value.items(), key=lambda one: -one[1])
            found = ", ".join(f"{name.replace('_', ' ')} {fact_in_words(n)}" for name, n in pairs)
        case list():
            more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
            found = ", ".join(str(one) for one in value[:_LISTED]) + more
        case _:
            found = value
    return found


def held(keys: Iterable[Restrained], now: dt.datetime) -> tuple[Held, ...]:
    """Blocked or throttled keys, the newest first."""
    ordered = sorted(keys, key=lambda one: one.since, reverse=True)
    return tuple(Held(one, age(one.since, now)) for one in ordered)


def incident_page(incident: Incident, audit: Iterable[Stored], now: dt.datetime) -> IncidentPage:
    """The page of one incident, which has at least one alert."""
    heard = [one for one in (incident.opened, incident.acknowledged, incident.ended) if one]
    first = incident.opened or heard[0]
    begun = min(one.at for one in heard)
    over = incident.ended.at if incident.ended else None
    state = "ended" if over else "acknowledged" if incident.acknowledged else "open"
    waiting = tuple(
        f"{line.channel.value}: {'waits in the next digest' if line.deferred else 'being sent'}"
        for line in incident.lines
        if line.deferred or line.claim
    )
    return IncidentPage(
        id=incident.id,
        title=first.title,
        level=first.level.value,
        kind=first.kind.replace("-", " "),
        state=state,
        opened_at=incident.opened.at if incident.opened else None,
        lasted=age(begun, over or now),
        evidence=tuple(dict.fromkeys(line for one in heard for line in one.lines)),
        timeline=_timeline(incident, audit, begun, over or now),
        waiting=waiting,
    )


def theft_name(incident: Incident) -> str:
    """The name of the theft that an incident is about, empty for another matter."""
    _, kind, name = (*incident.id.split("/", 2), "", "")[:3]
    return name if kind == THEFT else ""


def _timeline(
    incident: Incident, audit: Iterable[Stored], begun: dt.datetime, over: dt.datetime
) -> tuple[Event, ...]:
    found = [*_alerts(incident), *_receipts(incident)]
    scope = incident.id.split("/")[2:]
    slack = dt.timedelta(minutes=10)
    for done in audit_trail(audit, most=1_000):
        is_near = begun - slack <= done.at <= over + slack
        if is_near and _concerns(done, scope):
            words = f"{done.subject}: {done.told or done.detail} ({done.outcome})"
            found.append(Event(done.at, f"{_spaced(done.action)} by {done.actor}", words, "effect"))
    return tuple(sorted(found, key=lambda one: one.at))


def _alerts(incident: Incident) -> Iterable[Event]:
    words: Mapping[AlertState, str] = {
        AlertState.OPENED: "Opened",
        AlertState.ACKNOWLEDGED: "Acknowledged",
        AlertState.ENDED: "Ended",
    }
    for alert in (incident.opened, incident.acknowledged, incident.ended):
        if alert is not None:
            yield Event(alert.at, words[alert.state], _worded(alert), "alert")


def _receipts(incident: Incident) -> Iterable[Event]:
    for line in incident.lines:
        for receipt in line.receipts:
            words = f"{receipt.mark.state.value}, receipt {receipt.receipt}"
            yield Event(receipt.at, f"Told by {line.channel.value}", words, "told")


def _worded(alert: Alert) -> str:
    return f"{alert.title} ({alert.level.value})"


def _concerns(done: Done, scope: list[str]) -> bool:
    """True for an effect that names what the incident is about, or was made for it."""
    text = f"{done.actor} {done.subject} {done.detail}"
    return any(len(part) > 3 and part in text for part in scope)  # noqa: PLR2004 - no stray letters


def _spaced(name: str) -> str:
    """`TakeHold` as `Take hold`."""
    text = "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
    return text[:1].upper() + text[1:]
