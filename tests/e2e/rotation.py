# SPDX-License-Identifier: Apache-2.0
"""Third act: the provider's key is replaced while customers ask, and no request fails."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from e2e.place import OPENAI_KEY, Place
from e2e.traffic import OK, Asked, Caller
from twinguard.parse import Event

SECRETS = "on_secret_event"
_A_DAY = dt.timedelta(hours=26)


@dataclass
class RotationSeen:
    """What the act showed."""

    old: str
    new: str = ""
    failed: list[Asked] = field(default_factory=list)
    served: int = 0
    used: list[str] = field(default_factory=list)
    refused_by_provider: int = 0
    old_at_provider: bool = True
    versions: dict[int, str] = field(default_factory=dict)


def rotated(place: Place, callers: Sequence[Caller]) -> RotationSeen:
    """Play the act; the callers ask all the while."""
    models, admin = place.models, place.openai
    marks = [len(one.asked) for one in callers]
    used, refused = len(models.keys_used), models.refused
    seen = RotationSeen(_last(place))
    place.tell(SECRETS, _due(place))
    place.until(lambda: _last(place) != seen.old, "the gateway uses the new key", 20)
    seen.new = _last(place)
    _some_more(place, callers)
    end = dt.datetime.now(dt.UTC) + _A_DAY
    admin.clock = end.timestamp
    place.schedule("rotate", end)
    _some_more(place, callers)
    seen.old_at_provider = seen.old in admin.keys
    seen.used = list(dict.fromkeys(models.keys_used[used:]))
    seen.refused_by_provider = models.refused - refused
    asked = [a for mark, one in zip(marks, callers, strict=True) for a in tuple(one.asked)[mark:]]
    seen.failed = [one for one in asked if one.status != OK]
    seen.served = len(asked) - len(seen.failed)
    secret = f"projects/{place.project}/secrets/staging-{OPENAI_KEY}"
    seen.versions = place.google.secrets.states(secret)
    return seen


def _some_more(place: Place, callers: Sequence[Caller]) -> None:
    """Wait until everybody was served twice more."""
    goals = [len(one.asked) + 2 for one in callers]
    place.until(
        lambda: all(len(one.asked) >= goal for one, goal in zip(callers, goals, strict=True)),
        "traffic goes on",
    )


def _last(place: Place) -> str:
    """The key that the provider saw last."""
    used = place.models.keys_used
    return used[-1] if used else ""


def _due(place: Place) -> Event:
    """Secret Manager's notification that a secret is to be rotated."""
    now = dt.datetime.now(dt.UTC)
    attributes = {
        "eventType": "SECRET_ROTATE",
        "secretId": f"projects/1234567890/secrets/staging-{OPENAI_KEY}",
        "dataFormat": "JSON_API_V1",
        "timestamp": now.isoformat(),
    }
    return Event("", now, b"{}", attributes)
