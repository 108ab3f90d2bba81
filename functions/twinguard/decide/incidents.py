# SPDX-License-Identifier: Apache-2.0
"""Decide what each channel has yet to be told about an incident. Pure: no I/O, no clock.

A channel is owed at most one message at a time; `dispatch.py` stores, sends and comes back."""

from __future__ import annotations

import datetime as dt
import hashlib

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.model import Alert, AlertState
from twinguard.policy import Channel

LEASE = dt.timedelta(seconds=60)
"""How long a claim keeps other instances from sending the same message, counted from `now`.

Longer than one vendor that hangs takes (about 25 s with its retries); while several hang in the
same run, a redelivery that overlaps it may repeat a message, under the same id."""


class Mark(Struct, frozen=True):
    """A point in an incident's life that a channel can be told of."""

    step: int
    state: AlertState


class Receipt(Struct, frozen=True):
    """Proof that a channel accepted a message: the vendor's own id, and when."""

    mark: Mark
    receipt: str
    at: dt.datetime


class Claim(Struct, frozen=True):
    """One instance is sending this; if it dies, the claim is lost at `until`."""

    mark: Mark
    until: dt.datetime


class Line(Struct, frozen=True):
    """One channel's part of an incident. `deferred` waits in the channel's next digest."""

    channel: Channel
    receipts: tuple[Receipt, ...] = ()
    deferred: Mark | None = None
    claim: Claim | None = None

    @property
    def knows(self) -> bool:
        """True if the channel was told, or may have been: a lost claim counts.

        Better one end too many than a page that nobody resolves."""
        return self.is_told or self.claim is not None

    def is_claimed(self, now: dt.datetime) -> bool:
        """True while an instance is sending."""
        return self.claim is not None and self.claim.until > now

    @property
    def is_told(self) -> bool:
        """True if the channel surely heard of the incident, or will in its next digest."""
        return bool(self.receipts) or self.deferred is not None

    def step(self, state: AlertState) -> int | None:
        """The highest step delivered in this state."""
        steps = [receipt.mark.step for receipt in self.receipts if receipt.mark.state is state]
        return max(steps, default=None)


class Incident(Struct, frozen=True):
    """All that is known and told about one incident.

    `opened` is the opening of the highest step; each of the three is the first of its kind."""

    id: str
    opened: Alert | None = None
    acknowledged: Alert | None = None
    ended: Alert | None = None
    lines: tuple[Line, ...] = ()

    def line(self, channel: Channel) -> Line:
        """The channel's part; an empty one where there is none yet."""
        return next((line for line in self.lines if line.channel is channel), Line(channel))


def absorb(incident: Incident, alert: Alert) -> Incident:
    """The incident once this alert is known. Repeats, lower steps and all after the end: as is."""
    if incident.ended is not None:
        return incident
    if alert.state is AlertState.ENDED:
        return replace(incident, ended=alert)
    if alert.state is AlertState.ACKNOWLEDGED:
        return replace(incident, acknowledged=_higher(incident.acknowledged, alert))
    return replace(incident, opened=_higher(incident.opened, alert))


def owed(incident: Incident, channel: Channel, routes: tuple[Channel, ...]) -> Mark | None:
    """The next thing this channel has no receipt for, whether it waits in a digest or not."""
    line = incident.line(channel)
    if incident.ended is not None:
        is_told = line.step(AlertState.ENDED) is not None
        return Mark(incident.ended.step, AlertState.ENDED) if line.knows and not is_told else None
    if incident.opened is None:
        return None
    told = line.step(AlertState.OPENED)
    if channel in routes and (told is None or told < incident.opened.step):
        return Mark(incident.opened.step, AlertState.OPENED)
    if channel is Channel.PAGERDUTY and told is not None:
        return _acknowledgement(incident, line)
    return None


def due(incident: Incident, channel: Channel, routes: tuple[Channel, ...]) -> Mark | None:
    """The next thing to send to this channel: owed, and not already waiting in its digest."""
    mark = owed(incident, channel, routes)
    return None if mark == incident.line(channel).deferred else mark


def alert_for(incident: Incident, mark: Mark) -> Alert:
    """The alert behind a mark that `owed` named for this very incident."""
    heard = (incident.opened, incident.acknowledged, incident.ended)
    return next(a for a in heard if a is not None and Mark(a.step, a.state) == mark)


def claim(incident: Incident, channel: Channel, mark: Mark, now: dt.datetime) -> Incident:
    """The incident with the channel reserved for whoever writes this first."""
    return _with(incident, replace(incident.line(channel), claim=Claim(mark, now + LEASE)))


def release(incident: Incident, channel: Channel, held: Claim) -> Incident:
    """The incident after a failed delivery; a claim that is not ours any more stays."""
    line = incident.line(channel)
    return _with(incident, replace(line, claim=None)) if line.claim == held else incident


def defer(incident: Incident, channel: Channel, held: Claim) -> Incident:
    """The incident once the claimed message waits in the channel's digest."""
    line = incident.line(channel)
    if line.claim != held:
        return incident
    if any(receipt.mark == held.mark for receipt in line.receipts):
        return _with(incident, replace(line, claim=None))
    return _with(incident, replace(line, claim=None, deferred=held.mark))


def deliver(incident: Incident, channel: Channel, receipt: Receipt) -> Incident:
    """The incident with a receipt, once for each mark; what it settles is no longer waiting."""
    line = incident.line(channel)
    is_known = any(known.mark == receipt.mark for known in line.receipts)
    is_ours = line.claim is not None and line.claim.mark == receipt.mark
    return _with(
        incident,
        replace(
            line,
            receipts=line.receipts if is_known else (*line.receipts, receipt),
            deferred=None if line.deferred == receipt.mark else line.deferred,
            claim=None if is_ours else line.claim,
        ),
    )


def message_id(incident: str, mark: Mark) -> str:
    """The same id however often this message is sent, so that receivers can fold repeats."""
    return _digest(f"{incident}\n{mark.step}\n{mark.state}")


def digest_id(channel: Channel, told: tuple[tuple[str, Mark], ...]) -> str:
    """The same id for a digest that says the same."""
    parts = (f"{incident}\n{mark.step}\n{mark.state}" for incident, mark in told)
    return _digest("\n".join((channel, *parts)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _higher(known: Alert | None, alert: Alert) -> Alert:
    return alert if known is None or alert.step > known.step else known


def _acknowledgement(incident: Incident, line: Line) -> Mark | None:
    if incident.acknowledged is None:
        return None
    told = line.step(AlertState.ACKNOWLEDGED)
    step = incident.acknowledged.step
    return Mark(step, AlertState.ACKNOWLEDGED) if told is None or told < step else None


def _with(incident: Incident, line: Line) -> Incident:
    others = {known.channel: known for known in incident.lines}
    others[line.channel] = line
    return replace(incident, lines=tuple(others[c] for c in Channel if c in others))
