# SPDX-License-Identifier: Apache-2.0
"""Read everything about an environment's project, part by part.

What cannot be read becomes a gap with its reason; nothing is left out in silence."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import TypeVar

from twinguard.decide.inventory import (
    Address,
    Gap,
    Inventory,
    RunService,
    Secret,
    Subscription,
    short,
)
from twinguard.errors import Unavailable
from twinguard.inventory.listing import SwitchedOff
from twinguard.inventory.reader import Reader
from twinguard.policy import Policy

T = TypeVar("T")
Watch = Callable[[str, int, int], None]
"""Told what is being read, how much of it is done, and of how much."""


def regions_of(policy: Policy) -> tuple[str, ...]:
    """The regions that the policy speaks of: Cloud Run lists none but by its name."""
    others = {target.region for target in policy.services.values() if target.region}
    return tuple(sorted({policy.region} | others))


class Survey:
    """Reads one part after the other, and keeps a gap for each that could not be read."""

    def __init__(self, reader: Reader, now: dt.datetime, watch: Watch) -> None:
        self.reader = reader
        self.now = now
        self.watch = watch
        self.gaps: list[Gap] = []

    def services(self, regions: tuple[str, ...]) -> tuple[frozenset[str], tuple[RunService, ...]]:
        """The regions that answered, and their services."""
        answered, found = set(), list[RunService]()
        for number, region in enumerate(regions):
            self.watch("Cloud Run", number, len(regions))
            what = f"Cloud Run services in {region}"
            read = self.tried(what, functools.partial(self.reader.services, region))
            if read is not None:
                answered.add(region)
                found += read
        return frozenset(answered), tuple(found)

    def subscriptions(self) -> tuple[Subscription, ...] | None:
        """Subscriptions with the age of their backlog, as far as it is known."""
        self.watch("Pub/Sub", 0, 1)
        wire = self.tried("Pub/Sub subscriptions", self.reader.subscriptions)
        if not wire:
            return wire if wire is None else ()
        ages = self.tried("unread messages", lambda: self.reader.ages(self.now), needed=True)
        zero = dt.timedelta(0)
        return self.tried(
            "Pub/Sub subscriptions",
            lambda: tuple(
                one.read(None if ages is None else ages.get(short(one.name), zero)) for one in wire
            ),
        )

    def secrets(self) -> tuple[Secret, ...] | None:
        """Secrets with their versions."""
        wire = self.tried("secrets", self.reader.secrets)
        if wire is None:
            return None
        found = []
        for number, one in enumerate(wire):
            self.watch("Secret Manager", number, len(wire))
            what = f"versions of secret {short(one.name)}"
            read = functools.partial(self.reader.versions, one.name)
            found.append(one.read(self.tried(what, read)))
        return tuple(found)

    def addresses(self) -> tuple[Address, ...] | None:
        """External and internal addresses."""
        self.watch("addresses", 0, 1)
        return self.tried("addresses", self.reader.addresses)

    def tried(self, what: str, read: Callable[[], T], *, needed: bool = False) -> T | None:
        """What was read, or None and a gap.

        `needed`: it says something of other APIs' resources, so its being off leaves that open."""
        try:
            return read()
        except SwitchedOff as err:
            self.gaps.append(Gap(what, str(err), off=not needed))
        except (Unavailable, ValueError) as err:
            self.gaps.append(Gap(what, str(err)))
        return None


def survey(policy: Policy, reader: Reader, now: dt.datetime, watch: Watch) -> Inventory:
    """Everything about an environment's project that its APIs show to us."""
    run = Survey(reader, now, watch)
    regions, services = run.services(regions_of(policy))
    return Inventory(
        at=now,
        regions=regions,
        services=services,
        subscriptions=run.subscriptions(),
        secrets=run.secrets(),
        addresses=run.addresses(),
        gaps=tuple(run.gaps),
    )
