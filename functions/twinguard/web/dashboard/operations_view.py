# SPDX-License-Identifier: Apache-2.0
"""Make of the records what the operations page shows: holds, rotations, health, the trail. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import cast

from msgspec import Struct

from twinguard.decide.holds import described
from twinguard.decide.model import NEVER, Hold
from twinguard.policy import Policy
from twinguard.ports import Json, Stored
from twinguard.waking import BUDGET, Which
from twinguard.web.dashboard.health_view import Control, Rotation, controls, rotation
from twinguard.web.dashboard.watched import Beside, RecordsSeen

SHOWN = 40
ENDS = {
    Which.NIGHT.value: "Wake from the night",
    Which.MANUAL.value: "End holds made by hand",
    Which.SAVINGS.value: "End what savings hold",
    Which.BUDGET.value: "Lift the cap",
}
"""What ending each reason is called."""


class Reason(Struct, frozen=True):
    """Why something is held."""

    key: str
    since: dt.datetime
    until: dt.datetime | None
    by: str


class Held(Struct, frozen=True):
    """A resource that is held, and what will be put back."""

    name: str
    kind: str
    reasons: tuple[Reason, ...]
    now: str
    back: str


class Done(Struct, frozen=True):
    """An effect in the audit trail."""

    id: str
    at: dt.datetime
    actor: str
    action: str
    subject: str
    detail: str
    outcome: str
    told: str


class Letter(Struct, frozen=True):
    """An event that can never be handled."""

    at: dt.datetime
    entry_point: str
    reason: str
    size: int


class OperationsPage(Struct, frozen=True, kw_only=True):
    """All that the operations page shows. `ends` are the reasons that a person can end now."""

    controls: tuple[Control, ...]
    held: tuple[Held, ...]
    ends: tuple[tuple[str, str], ...]
    breaker: tuple[str, ...]
    rotations: tuple[Rotation, ...]
    unknown_keys: tuple[str, ...]
    letters: tuple[Letter, ...]
    letters_more: int
    audit: tuple[Done, ...]


def operations_page(
    seen: RecordsSeen, beside: Beside, policy: Policy, now: dt.datetime
) -> OperationsPage:
    """The page of what the records know."""
    letters = sorted((_letter(one) for one in seen.dead_letters), key=lambda one: one.at)[::-1]
    return OperationsPage(
        controls=controls(seen, beside, policy, now),
        held=tuple(_held(hold) for hold in seen.holds),
        ends=tuple((key, ENDS[key]) for key in endable(seen)),
        breaker=tuple(reason for _, reason in seen.breaker.open_by),
        rotations=tuple(rotation(state, policy, now) for state in seen.keys),
        unknown_keys=seen.unknown_keys,
        letters=tuple(letters[:SHOWN]),
        letters_more=max(0, len(letters) - SHOWN),
        audit=audit_trail(seen.audit),
    )


def endable(seen: RecordsSeen) -> tuple[str, ...]:
    """The reasons that hold something now and that a person can end."""
    keys = {key for hold in seen.holds for key in hold.keys}
    found = [one.value for one in (Which.NIGHT, Which.MANUAL, Which.SAVINGS) if one.value in keys]
    if seen.breaker.open or any(key.startswith(f"{BUDGET}/") for key in keys):
        found.append(Which.BUDGET.value)
    return tuple(found)


def audit_trail(records: Iterable[Stored], most: int = SHOWN) -> tuple[Done, ...]:
    """Effects, the newest first, each with how it ended."""
    ended: dict[str, Mapping[str, Json]] = {}
    begun: list[Stored] = []
    for stored in records:
        if stored.value.get("phase") == "ended":
            ended[str(stored.value.get("begun"))] = stored.value
        else:
            begun.append(stored)
    found = [_done(one, ended.get(one.id, {})) for one in begun[:most]]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True))


def _held(hold: Hold) -> Held:
    reasons = tuple(Reason(why.key, why.since, why.until, why.by) for why in hold.reasons)
    now = described(hold.expected[-1])
    return Held(hold.resource.short, hold.resource.kind.value, reasons, now, described(hold.before))


def _letter(stored: Stored) -> Letter:
    value = stored.value
    size = value.get("bytes")
    return Letter(
        _at(value),
        str(value.get("entry_point", "")),
        str(value.get("reason", "")),
        size if isinstance(size, int) else 0,
    )


def _done(begun: Stored, ended: Mapping[str, Json]) -> Done:
    value = begun.value
    return Done(
        id=begun.id,
        at=_at(value),
        actor=str(value.get("actor", "")),
        action=str(value.get("action", "")),
        subject=str(value.get("subject", "")),
        detail=str(value.get("detail", "")),
        outcome=str(ended.get("outcome", "under way")),
        told=str(ended.get("detail", "")),
    )


def _at(value: Mapping[str, Json]) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(cast("str", value.get("at", "")))
    except (TypeError, ValueError):
        return NEVER
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
