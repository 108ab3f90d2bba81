# SPDX-License-Identifier: Apache-2.0
"""Fourth act: the environment goes to sleep, the function that does it is killed, and it wakes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from e2e.place import Place
from twinguard.decide.model import Resource

SCHEDULE = "on_schedule"
_TUESDAY = 1


@dataclass
class NightSeen:
    """What the act showed."""

    before: dict[Resource, str]
    asleep: dict[Resource, str] = field(default_factory=dict)
    early: dict[Resource, str] = field(default_factory=dict)
    after: dict[Resource, str] = field(default_factory=dict)
    was_killed: bool = False


def slept(place: Place) -> NightSeen:
    """Play the act."""
    seen = NightSeen(place.states())
    night, morning = _slots(place)
    minute = dt.timedelta(minutes=1)
    place.schedule("morning", night - 60 * minute)  # nobody sleeps yet
    _killed_in_the_night(place, seen, night + minute)
    place.schedule("night", night + 2 * minute)
    seen.asleep = place.states()
    place.schedule("morning", morning - 60 * minute)  # too early
    seen.early = place.states()
    place.schedule("morning", morning + minute)
    place.schedule("night", morning + 2 * minute)  # a night that comes late
    place.schedule("expire", morning + 60 * minute)
    seen.after = place.states()
    return seen


def _killed_in_the_night(place: Place, seen: NightSeen, at: dt.datetime) -> None:
    place.google.gate.arm("PATCH", "/services/")
    seen.was_killed = place.killing(
        SCHEDULE, place.google.gate, lambda: place.schedule("night", at)
    )


def _slots(place: Place) -> tuple[dt.datetime, dt.datetime]:
    """The night to the next Wednesday and its morning: no weekend, no change of clocks near."""
    schedule = place.policy.schedule
    assert schedule is not None
    zone = ZoneInfo(schedule.time_zone)
    today = dt.datetime.now(zone).date()
    day = today + dt.timedelta(days=(_TUESDAY + 1 - today.weekday() - 1) % 7 + 7)
    at = [
        dt.datetime.combine(day, dt.time.fromisoformat(slot.at), tzinfo=zone).astimezone(dt.UTC)
        for slot in (schedule.night, schedule.morning)
    ]
    return at[0], at[1]
