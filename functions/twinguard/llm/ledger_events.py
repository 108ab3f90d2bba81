# SPDX-License-Identifier: Apache-2.0
"""Usage events as the ledger's settlements: what a lost ledger is rebuilt from.

An event is a line of the gateway's usage log. Credits and answers from the cache cost nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct, field

from twinguard.decide.ledger import Period, Scope, ScopeKind, period_of
from twinguard.errors import BadEvent
from twinguard.llm.ledger_kept import Counted

__all__ = ["counted"]


class _Event(Struct, frozen=True):
    """What of an event is needed here. `period`: the month its money was held in."""

    request_id: str
    attempt: int
    at: dt.datetime
    environment: str
    cost_nanos: int
    tenant: str = ""
    feature: str = ""
    key_id: str = ""
    kind: str = "usage"
    cached: bool = False
    period: str = ""
    provider: str = field(name="gen_ai.provider.name", default="")
    model: str = field(name="gen_ai.request.model", default="")


def counted(lines: Iterable[bytes], environment: str) -> Iterator[Counted]:
    """The settlements that lines tell of: one event each, or a list of them as a topic has it."""
    one, several = msgspec.json.Decoder(_Event), msgspec.json.Decoder(list[_Event])
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        try:
            events = several.decode(text) if text.startswith(b"[") else [one.decode(text)]
        except msgspec.DecodeError as err:
            raise BadEvent(
                f"line {number} is no usage event ({err}); give the lines of a usage log"
            ) from err
        for event in events:
            if event.kind == "usage" and not event.cached and event.environment == environment:
                yield _counted(event)


def _counted(event: _Event) -> Counted:
    named = (
        (ScopeKind.ENVIRONMENT, event.environment),
        (ScopeKind.TENANT, event.tenant),
        (ScopeKind.FEATURE, event.feature),
        (ScopeKind.KEY, event.key_id),
        (ScopeKind.MODEL, f"{event.provider}/{event.model}" if event.provider else ""),
    )
    scopes = tuple(Scope(kind, name) for kind, name in named if name)
    period = Period(event.period) if event.period else period_of(event.at)
    return Counted(event.request_id, event.attempt, period, scopes, event.cost_nanos)
