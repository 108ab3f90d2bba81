# SPDX-License-Identifier: Apache-2.0
"""List incidents for people: what, how bad, how it stands, who was told. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from msgspec import Struct

from twinguard.decide.incidents import Incident
from twinguard.web.dashboard.words import about


class Told(Struct, frozen=True):
    """An incident in a list."""

    id: str
    title: str
    level: str
    state: str
    at: dt.datetime
    channels: str


def alert_history(incidents: Iterable[Incident], kind: str, most: int = 50) -> tuple[Told, ...]:
    """Incidents about `costs`, `operations` or `security` (or any, for ""), the newest first."""
    found = [_told(one) for one in incidents if _is_about(one, kind)]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True)[:most])


def _is_about(incident: Incident, kind: str) -> bool:
    alert = incident.opened or incident.ended
    return alert is not None and (not kind or about(alert) == kind)


def _told(incident: Incident) -> Told:
    heard = [one for one in (incident.opened, incident.acknowledged, incident.ended) if one]
    alert = incident.opened or heard[0]
    state = "ended" if incident.ended else "acknowledged" if incident.acknowledged else "open"
    channels = ", ".join(line.channel.value for line in incident.lines if line.receipts)
    at = max(one.at for one in heard)
    return Told(incident.id, alert.title, alert.level.value, state, at, channels)
