# SPDX-License-Identifier: Apache-2.0
"""Decide whether a message goes out at once or waits for its channel's digest. Pure.

A pending entry is removed only after its receipt is in the incident (`incidents.py`)."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.incidents import LEASE, Mark
from twinguard.decide.model import Alert, AlertState
from twinguard.policy import Channel, Environment, Level, Storm

DIGESTED = (Channel.EMAIL, Channel.SLACK)
"""Channels that take digests. PagerDuty groups by its key, and an SMS is only for emergencies."""


class Slot(Struct, frozen=True):
    """A message that counts against the window."""

    id: str
    at: dt.datetime


class Pending(Struct, frozen=True):
    """An incident that the next digest has news of; `mark` tells later news from what was read."""

    incident: str
    mark: Mark


class Digest(Struct, frozen=True):
    """A digest that the vendor accepted, until every incident in it has its receipt.

    `entries` are the pending entries it was made of, `told` what it said about each."""

    receipt: str
    at: dt.datetime
    entries: tuple[Pending, ...]
    told: tuple[Pending, ...]


class ChannelState(Struct, frozen=True):
    """One channel's window, what waits for its digest, and the incident of its own outage.

    `claimed` is the end of the lease of the instance that sends the digest."""

    channel: Channel
    sent: tuple[Slot, ...] = ()
    pending: tuple[Pending, ...] = ()
    claimed: dt.datetime | None = None
    digest: Digest | None = None
    trouble: str | None = None


def passes(channel: Channel, level: Level) -> bool:
    """True for what is never kept for a digest."""
    return channel not in DIGESTED or level is Level.CRITICAL


def admit(
    state: ChannelState, entry: Pending, level: Level, id: str, rule: Storm, now: dt.datetime
) -> ChannelState:
    """The channel with a slot for the message, or with the message kept for the digest.

    Whatever is pending goes first, so news joins it rather than overtaking it."""
    if passes(state.channel, level):
        return _with_slot(state, id, rule, now)
    if state.pending or not has_room(state, rule, now, id):
        others = tuple(known for known in state.pending if known.incident != entry.incident)
        return replace(state, pending=(*others, entry))
    return _with_slot(state, id, rule, now)


def has_room(state: ChannelState, rule: Storm, now: dt.datetime, id: str = "") -> bool:
    """True while the window takes one more message besides this one's own slot."""
    return len([slot for slot in _window(state, rule, now) if slot.id != id]) < rule.messages


def claim_digest(state: ChannelState, rule: Storm, now: dt.datetime) -> ChannelState:
    """The channel with its digest claimed; as it is when there is nothing to do or no room."""
    if state.claimed is not None and state.claimed > now:
        return state
    if state.digest is not None:
        return replace(state, claimed=now + LEASE)
    if not state.pending or not has_room(state, rule, now, digest_slot(now)):
        return state
    return replace(_with_slot(state, digest_slot(now), rule, now), claimed=now + LEASE)


def digest_slot(now: dt.datetime) -> str:
    """The slot of the digest claimed now."""
    return f"digest/{now.isoformat()}"


def accepted(state: ChannelState, digest: Digest) -> ChannelState:
    """The channel once the vendor took the digest: from here on it is never sent again."""
    return replace(state, digest=digest)


def settle(state: ChannelState, digest: Digest) -> ChannelState:
    """The channel once every incident has its receipt; news since then stays pending.

    A digest that had nothing to tell gives its slot back."""
    left = tuple(entry for entry in state.pending if entry not in digest.entries)
    kept = state.sent if digest.told else _without(state, digest_slot(digest.at))
    return replace(state, sent=kept, pending=left, claimed=None, digest=None)


def fail(state: ChannelState, slot: str, incident: str) -> ChannelState:
    """The channel after a failed delivery: the slot is free; an outage keeps its first incident."""
    return replace(state, sent=_without(state, slot), trouble=state.trouble or incident)


def release_digest(state: ChannelState, held: dt.datetime | None) -> ChannelState:
    """The channel without our claim on its digest; somebody else's stays."""
    return replace(state, claimed=None) if state.claimed == held else state


def recover(state: ChannelState, incident: str) -> ChannelState:
    """The channel once the end of its outage was told."""
    return replace(state, trouble=None) if state.trouble == incident else state


def digest_alert(
    environment: Environment, channel: Channel, alerts: tuple[Alert, ...], now: dt.datetime
) -> Alert:
    """The alert that stands for all of these; as bad as the worst of them."""
    worst = max((alert.level for alert in alerts), key=lambda level: level.rank)
    return Alert(
        incident=f"{environment}/digest/{channel}",
        environment=environment,
        kind="digest",
        level=worst,
        step=len(alerts),
        state=AlertState.OPENED,
        title=f"{len(alerts)} alerts in one message",
        lines=(_counts(alerts),),
        at=now,
    )


def _counts(alerts: tuple[Alert, ...]) -> str:
    found = [(level, sum(a.level is level for a in alerts)) for level in reversed(Level)]
    ended = sum(alert.state is AlertState.ENDED for alert in alerts)
    parts = [f"{number} {level}" for level, number in found if number]
    return ", ".join(parts) + (f"; {ended} already ended" if ended else "")


def _without(state: ChannelState, slot: str) -> tuple[Slot, ...]:
    return tuple(known for known in state.sent if known.id != slot)


def _window(state: ChannelState, rule: Storm, now: dt.datetime) -> tuple[Slot, ...]:
    since = now - dt.timedelta(minutes=rule.minutes)
    return tuple(slot for slot in state.sent if slot.at > since)


def _with_slot(state: ChannelState, id: str, rule: Storm, now: dt.datetime) -> ChannelState:
    others = tuple(slot for slot in _window(state, rule, now) if slot.id != id)
    return replace(state, sent=(*others, Slot(id, now)))
