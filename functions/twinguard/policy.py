# SPDX-License-Identifier: Apache-2.0
"""The shape and the rules of `environments/<environment>/policy.yaml`: the only place numbers live.

Types only, no files and no clock; `config.py` reads the files and turns refusals into messages."""

from __future__ import annotations

import datetime as dt
import fnmatch
import re
from decimal import Decimal
from typing import Annotated

from msgspec import Meta, Struct

from twinguard.words import Channel, Day, Environment, Level, Setting

__all__ = [
    "CONTROL_PLANE",
    "Alerts",
    "Budget",
    "Cap",
    "Channel",
    "Day",
    "Environment",
    "Events",
    "Level",
    "Policy",
    "Project",
    "Release",
    "Retention",
    "Schedule",
    "Setting",
    "Slot",
    "Storm",
    "Target",
    "Threshold",
    "is_control_plane",
]


class _Block(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A block of the policy: immutable, named fields only, unknown keys refused."""


def _refuse(condition: bool, message: str) -> None:
    if condition:
        raise ValueError(message)


Percent = Annotated[Decimal, Meta(description="Per cent of the budget's amount.")]
ResourceName = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,61}[a-z0-9]$")]
Account = Annotated[
    str, Meta(pattern="^[a-z0-9][a-z0-9.-]*@[a-z0-9][a-z0-9.-]*\\.gserviceaccount\\.com$")
]


class Threshold(_Block, frozen=True, kw_only=True):
    """A percentage of the budget at which people are told."""

    percent: Percent
    level: Level


class Release(_Block, frozen=True, kw_only=True):
    """What it takes to lift the cap inside a period."""

    reads: Annotated[int, Meta(ge=1, le=5, description="Readings below the cap.")] = 2
    apart_minutes: Annotated[int, Meta(ge=0, le=720, description="Least time between them.")] = 10


class Cap(_Block, frozen=True, kw_only=True):
    """What happens when the budget is used up (strategy.md 9, `ENABLE_COST_CAPS`)."""

    enabled: bool
    percent: Percent = Decimal(100)
    stop_serving: Annotated[
        bool, Meta(description="Opt-in: trip the breaker and stop non-critical services.")
    ] = False
    unlink_billing: Annotated[
        bool, Meta(description="Opt-in: take the project off its billing account. Not reversible.")
    ] = False
    release: Release = Release()
    rearm_percent: Annotated[
        Decimal, Meta(description="Growth after a person lifted the cap that trips it again.")
    ] = Decimal(10)

    def __post_init__(self) -> None:
        _refuse(
            self.percent <= 0,
            "cap.percent must be above zero; set cap.enabled to false to run without a cap",
        )
        _refuse(self.rearm_percent <= 0, "cap.rearm_percent must be above zero")
        _refuse(
            self.unlink_billing and not self.stop_serving,
            "cap.unlink_billing stops everything; it needs cap.stop_serving: true as well",
        )


def _ascending(name: str, thresholds: tuple[Threshold, ...]) -> None:
    percents = [threshold.percent for threshold in thresholds]
    _refuse(any(p <= 0 for p in percents), f"{name}: every percent must be above zero")
    _refuse(
        percents != sorted(set(percents)),
        f"{name}: percents must ascend without repeats; got "
        f"{', '.join(f'{p:f}' for p in percents)}: sort them",
    )


class Budget(_Block, frozen=True, kw_only=True):
    """A monthly cap and the ladder that leads to it."""

    name: Annotated[str, Meta(max_length=60, description="Display name of the Google budget.")]
    amount: Annotated[
        Decimal | None, Meta(description="Per calendar month; leave out to watch without a cap.")
    ] = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "USD"
    thresholds: tuple[Threshold, ...] = ()
    forecast: tuple[Threshold, ...] = ()
    cap: Cap = Cap(enabled=False)

    def __post_init__(self) -> None:
        _refuse(
            self.amount is not None and self.amount <= 0,
            "budget.amount must be above zero; remove it to run without a cap",
        )
        _ascending("budget.thresholds", self.thresholds)
        _ascending("budget.forecast", self.forecast)
        wanted = "a cap" if self.cap.enabled else "thresholds"
        _refuse(
            self.amount is None
            and (self.cap.enabled or bool(self.thresholds) or bool(self.forecast)),
            f"budget.amount is missing; {wanted} cannot be computed without it: "
            "add an amount, or remove thresholds, forecast and cap",
        )
        _refuse(
            self.cap.enabled
            and self.cap.percent not in {threshold.percent for threshold in self.thresholds},
            f"budget.thresholds must contain the cap's percent ({self.cap.percent:f}), "
            "or the cap has no event to act on: add it",
        )


class Target(_Block, frozen=True, kw_only=True):
    """A service or subscription that Twinguard may touch."""

    critical: Annotated[bool, Meta(description="Critical ones are never held by the budget.")]
    region: Annotated[str | None, Meta(description="Only where it differs from `region`.")] = None
    account: Annotated[
        Account | None,
        Meta(
            description="Service account it runs as, or pushes as: who changes it must act as it."
        ),
    ] = None


class Slot(_Block, frozen=True, kw_only=True):
    """A time of day on some days of the week, in the schedule's time zone."""

    at: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="HH:MM.")]
    days: tuple[Day, ...] = tuple(Day)

    def __post_init__(self) -> None:
        _refuse(not self.days, "days must name at least one day; remove the schedule to stop it")
        _refuse(len(set(self.days)) != len(self.days), "days must not repeat a day")


class Schedule(_Block, frozen=True, kw_only=True):
    """When the environment sleeps, and what sleeps (strategy.md 6.3 and 9.2)."""

    time_zone: Annotated[str, Meta(description="A name of the tz database, as Europe/Brussels.")]
    night: Slot
    morning: Slot
    services: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
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
        _refuse(
            self.night.at == self.morning.at, "schedule.night and schedule.morning are the same"
        )


class Storm(_Block, frozen=True, kw_only=True):
    """More messages than this on one channel become one digest; critical ones always pass."""

    messages: Annotated[int, Meta(ge=1)] = 10
    minutes: Annotated[int, Meta(ge=1)] = 10


_ADDRESS = r"[^\s@,<>\"]+@[A-Za-z0-9.-]+"


class Alerts(_Block, frozen=True, kw_only=True):
    """Who hears of what (strategy.md 12.3)."""

    routes: dict[Level, tuple[Channel, ...]] = {}
    storm: Storm = Storm()
    contacts: Annotated[
        tuple[str, ...],
        Meta(max_length=5, description="E-mail addresses; Google's budget writes to them too."),
    ] = ()
    versions: Annotated[
        dict[Setting, Annotated[int, Meta(ge=1)]],
        Meta(
            description="Version of a setting's secret; 1 for what a route needs and is not here."
        ),
    ] = {}

    def __post_init__(self) -> None:
        wrong = [text for text in self.contacts if not re.fullmatch(_ADDRESS, text)]
        _refuse(
            bool(wrong),
            f"alerts.contacts: {', '.join(wrong)} is not an e-mail address; "
            "write it like security@example.com",
        )


class Project(_Block, frozen=True, kw_only=True):
    """The Google Cloud project of the environment."""

    id: Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{4,28}[a-z0-9]$")]
    shared: Annotated[
        bool, Meta(description="Another environment lives in it: budgets filter by label.")
    ] = False


class Retention(_Block, frozen=True, kw_only=True):
    """How long records are kept."""

    audit_days: Annotated[int, Meta(ge=1)] = 400
    history_days: Annotated[int, Meta(ge=1, description="Ended holds, periods, incidents.")] = 400


class Events(_Block, frozen=True, kw_only=True):
    """What is still worth acting on."""

    max_age_hours: Annotated[int, Meta(ge=1, le=744, description="Older events are refused.")] = 24


class Policy(_Block, frozen=True, kw_only=True):
    """Everything Twinguard knows about one environment."""

    environment: Environment
    project: Project
    billing_account: Annotated[
        Annotated[str, Meta(pattern="^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$")] | None,
        Meta(description="Who pays; needed to deploy a budget."),
    ] = None
    region: Annotated[str, Meta(pattern="^[a-z]+-[a-z]+[0-9]+$")]
    labels: dict[str, str] = {}
    budget: Budget | None = None
    services: dict[ResourceName, Target] = {}
    subscriptions: dict[ResourceName, Target] = {}
    schedule: Schedule | None = None
    alerts: Alerts = Alerts()
    events: Events = Events()
    retention: Retention = Retention()

    def __post_init__(self) -> None:
        if self.schedule is not None:
            for kind, wanted, known in (
                ("service", self.schedule.services, self.services),
                ("subscription", self.schedule.subscriptions, self.subscriptions),
            ):
                unknown = sorted(set(wanted) - set(known))
                _refuse(
                    bool(unknown),
                    f"schedule.{kind}s: unknown {kind} {', '.join(unknown)}; "
                    f"add it under {kind}s or remove it here",
                )
        for name in (*self.services, *self.subscriptions):
            _refuse(
                is_control_plane(name),
                f"{name} belongs to Twinguard's own control plane and can never be held; remove it",
            )


CONTROL_PLANE = ("twinguard-*", "eventarc-*", "gcf-*")
"""Names that are never held: our own functions and Eventarc's subscriptions."""


def is_control_plane(name: str) -> bool:
    """True for a resource (short or full name) that Twinguard itself lives on."""
    short = name.rsplit("/", 1)[-1]
    return any(fnmatch.fnmatchcase(short, pattern) for pattern in CONTROL_PLANE)
