# SPDX-License-Identifier: Apache-2.0
"""What the application reports of its requests: events in batches on the topic `usage-events`.

Key ids only, never a key. `theft_flow.py` reads them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from twinguard import parse
from twinguard.decide.threats.values import Finding, Use
from twinguard.errors import BadEvent
from twinguard.readers import ready

MOST = 1000
"""Events in one batch."""

Short = Annotated[str, Meta(max_length=1024)]


class UsageEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request that was made with a key. `counted`: a store that all instances share has taken
    it into account, `findings` is what it showed there, and `strange` that its key is not used to
    it."""

    at: dt.datetime
    key_id: Annotated[str, Meta(min_length=1, max_length=200)]
    ip: Annotated[str, Meta(max_length=256)] = ""
    user_agent: Short = ""
    path: Short = ""
    status: Annotated[int, Meta(ge=0, le=999)] = 200
    country: Annotated[str, Meta(max_length=2)] = ""
    counted: bool = False
    strange: bool = False
    findings: Annotated[tuple[Finding, ...], Meta(max_length=8)] = ()

    @property
    def use(self) -> Use:
        """What was used."""
        return Use(self.at, self.key_id, self.ip, self.user_agent, self.path, self.status)


class Batch(Struct, frozen=True):
    """Events as they travel."""

    events: Annotated[tuple[UsageEvent, ...], Meta(min_length=1, max_length=MOST)]


class Lift(Struct, frozen=True, kw_only=True):
    """A person's word that a key may be used again, for whoever reaches the counters.

    They are in a private network, where people's machines are not."""

    key_id: Annotated[str, Meta(min_length=1, max_length=200)]
    by: Annotated[str, Meta(min_length=1, max_length=200)]
    why: Annotated[str, Meta(min_length=1, max_length=500)]
    is_owner: bool = False


BATCH = "batch"
"""The attribute with a batch's name, the same in every message that carries it."""

LIFT = "lift"
"""The attribute `task` of a message that holds a `Lift`."""

ready(Batch, Lift)


def lift(event: parse.Event) -> Lift:
    """What a person asks for in a message."""
    try:
        return msgspec.json.decode(event.data, type=Lift)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise BadEvent(f"the lift cannot be read: {err}") from err


def read(event: parse.Event) -> tuple[UsageEvent, ...]:
    """The events in a message; BadEvent where they are not ours to read."""
    try:
        batch = msgspec.json.decode(event.data, type=Batch)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise BadEvent(f"the usage events cannot be read: {err}") from err
    if any(one.at.tzinfo is None for one in batch.events):
        raise BadEvent("a usage event has a time without a zone")
    if any(f.timestamp.tzinfo is None for one in batch.events for f in one.findings):
        raise BadEvent("a finding has a time without a zone")
    return batch.events


def name_of(event: parse.Event) -> str:
    """What a batch is known by: its name, or its message's where an older sender gave it none."""
    return event.attributes.get(BATCH) or event.message_id


def encoded(events: list[UsageEvent]) -> bytes:
    """A message's data."""
    return msgspec.json.encode(Batch(tuple(events)))
