# SPDX-License-Identifier: Apache-2.0
"""What an environment consists of, as it was read, and what can be found about it. Pure values.

`inventory/reader.py` reads it, `resources.py` and `savings.py` judge it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from twinguard.decide.model import Hold, Mode, Scaling
from twinguard.policy import Level


class RunService(Struct, frozen=True, kw_only=True):
    """A Cloud Run service by its full name; `cpu` in vCPU and `memory` in GiB of one instance."""

    name: str
    labels: Mapping[str, str]
    scaling: Scaling
    cpu: Decimal
    memory: Decimal
    gpus: int = 0
    always: bool = False

    @property
    def region(self) -> str:
        """Where it runs."""
        return self.name.split("/")[3]


class Subscription(Struct, frozen=True, kw_only=True):
    """A subscription by its full name.

    `oldest` is how long its oldest unread message waits (None: not known), `expires` after how long
    without activity it is deleted (None: never)."""

    name: str
    labels: Mapping[str, str]
    topic: str
    pushes: bool
    exports: bool
    detached: bool
    retention: dt.timedelta
    expires: dt.timedelta | None
    dead_letter: str
    oldest: dt.timedelta | None


class Version(Struct, frozen=True, kw_only=True):
    """A version of a secret that is not destroyed."""

    number: str
    created: dt.datetime
    enabled: bool


class Secret(Struct, frozen=True, kw_only=True):
    """A secret by its full name, never its value; `versions` None: they could not be listed."""

    name: str
    labels: Mapping[str, str]
    rotates: bool
    versions: tuple[Version, ...] | None


class Address(Struct, frozen=True, kw_only=True):
    """A reserved address by its full name."""

    name: str
    external: bool
    used: bool


class Gap(Struct, frozen=True):
    """Something that was not checked, and why; `off`: its API is switched off in the project.

    What is behind an API that is off cannot run or be used: that is known, so nothing is open."""

    what: str
    why: str
    off: bool = False


class Inventory(Struct, frozen=True, kw_only=True):
    """An environment's project at one moment. None stands for what could not be read.

    `regions` are those whose services were read; `holds` are Twinguard's own, by resource name."""

    at: dt.datetime
    regions: frozenset[str] = frozenset()
    services: tuple[RunService, ...] = ()
    subscriptions: tuple[Subscription, ...] | None = None
    secrets: tuple[Secret, ...] | None = None
    addresses: tuple[Address, ...] | None = None
    holds: Mapping[str, Hold] = {}
    gaps: tuple[Gap, ...] = ()


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that costs or risks more than it should.

    `rule` is its name for machines, `resource` the full name; `saving` is what mending it saves in
    a month at list price, at most; None where nobody can say."""

    level: Level
    rule: str
    resource: str
    why: str
    remedy: str
    saving: Decimal | None = None

    @property
    def subject(self) -> str:
        """The resource in a few words: `service living-twin-api`."""
        return subject(self.resource)


_SINGULAR = {"addresses": "address"}


def short(name: str) -> str:
    """The last part of a full name."""
    return name.rsplit("/", 1)[-1]


def subject(name: str) -> str:
    """A resource in a few words, from its full name."""
    kind, last = name.split("/")[-2:]
    return f"{_SINGULAR.get(kind, kind.removesuffix('s'))} {last}"


def floor(scaling: Scaling) -> int:
    """How many instances are kept whatever happens: the service's, or its revision's if more."""
    if scaling.mode is Mode.MANUAL:
        return scaling.count
    return max(scaling.minimum, scaling.revision_minimum)
