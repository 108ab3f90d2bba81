# SPDX-License-Identifier: Apache-2.0
"""Decide whether an environment sleeps at a moment, and when it slept and wakes.

Pure. Slots are wall-clock times in the schedule's zone: where a clock change skips one it falls on
the next instant that exists, where it repeats one the first counts (PEP 495, fold 0)."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from twinguard.policy import Day, Schedule, Slot

_HORIZON = 15
"""Days to look back and ahead: a slot has at least one weekday, so two weeks contain it."""


def fell_asleep_at(schedule: Schedule, now: dt.datetime) -> dt.datetime | None:
    """The start of the first night since the last morning; None while it is awake.

    Nights without a morning between them are one: Saturday's lasts until Monday."""
    mornings = _instants(schedule, schedule.morning, now, frozenset())
    woke = max(morning for morning in mornings if morning <= now)
    nights = _instants(schedule, schedule.night, now, frozenset(schedule.skip))
    return min((night for night in nights if woke < night <= now), default=None)


def is_asleep(schedule: Schedule, now: dt.datetime) -> bool:
    """True from a night's start until the next morning."""
    return fell_asleep_at(schedule, now) is not None


def wakes_at(schedule: Schedule, now: dt.datetime) -> dt.datetime:
    """The next morning after `now`."""
    return min(m for m in _instants(schedule, schedule.morning, now, frozenset()) if m > now)


def night_of(schedule: Schedule, now: dt.datetime) -> str:
    """The local date on which this sleep began, as the name of its record and incident."""
    night = fell_asleep_at(schedule, now) or now
    return f"{night.astimezone(ZoneInfo(schedule.time_zone)):%Y-%m-%d}"


def _instants(
    schedule: Schedule, slot: Slot, now: dt.datetime, skip: frozenset[dt.date]
) -> list[dt.datetime]:
    zone = ZoneInfo(schedule.time_zone)
    at = dt.time.fromisoformat(slot.at)
    days = [list(Day).index(day) for day in slot.days]
    today = now.astimezone(zone).date()
    dates = (today + dt.timedelta(days=n) for n in range(-_HORIZON, _HORIZON + 1))
    return [
        dt.datetime.combine(date, at, tzinfo=zone).astimezone(dt.UTC)
        for date in dates
        if date.weekday() in days and date not in skip
    ]
