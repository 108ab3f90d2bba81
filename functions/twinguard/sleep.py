# SPDX-License-Identifier: Apache-2.0
"""The block of a policy that says when the environment sleeps. The whole is in `policy.py`."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
import datetime as dt
from typing import Annotated

from msgspec import Meta

from twinguard.blocks import Block, refuse
from twinguard.words import Day

__all__ = ["Schedule", "Slot"]


class Slot(Block, frozen=True, kw_only=True):
    """A time of day on some days of the week, in the schedule's time zone."""

    at: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM.")]
    days: Annotated[tuple[Day, ...], Meta(description="Each by default.")] = tuple(Day)

    def __post_init__(self) -> None:
        refuse(not self.days, "days must name at least one day; remove the schedule to stop it")
        refuse(len(set(self.days)) != len(self.days), "days must not repeat a day")


class Schedule(Block, frozen=True, kw_only=True):
    """When the environment sleeps, and what sleeps (strategy.md 6.3 and 9.2)."""

    time_zone: Annotated[str, Meta(description="A name of the tz database, as Europe/Brussels.")]
    night: Slot
    morning: Slot
    services: Annotated[tuple[str, ...], Meta(description="Which of `services` sleep.")] = ()
    subscriptions: Annotated[
        tuple[str, ...], Meta(description="Which of `subscriptions` are paused.")
    ] = ()
    skip: Annotated[
        tuple[dt.date, ...], Meta(description="Local dates on which nothing is put to sleep.")
    ] = ()

    def __post_init__(self) -> None:
        import zoneinfo

        try:
            zoneinfo.ZoneInfo(self.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as err:
            raise ValueError(
                f"schedule.time_zone {self.time_zone!r} is not in the tz database; "
                "write it like Europe/Brussels"
            ) from err
        refuse(self.night.at == self.morning.at, "schedule.night and schedule.morning are the same")
