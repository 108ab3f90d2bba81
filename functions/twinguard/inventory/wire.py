# SPDX-License-Identifier: Apache-2.0
"""How Google's APIs write what `reader.py` lists, and what we make of it.

Only the fields that are judged. An unset boolean or number is left out on the wire."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from twinguard.decide import inventory
from twinguard.decide.model import Mode, Scaling
from twinguard.readers import ready

_GPU = "nvidia.com/gpu"
_CPU, _MEMORY = "1", "512Mi"
"""What Cloud Run gives a container that names no limits."""

_UNITS = {
    "": Decimal(1),
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "m": Decimal("0.001"),
}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Z]*)")


class _Wire(Struct, frozen=True, kw_only=True, rename="camel"):
    """Fields in the API's spelling; others are skipped."""


class _Limits(_Wire, frozen=True, kw_only=True, rename="camel"):
    limits: dict[str, str] = {}
    cpu_idle: bool = False


class _Container(_Wire, frozen=True, kw_only=True, rename="camel"):
    resources: _Limits | None = None


class _Counts(_Wire, frozen=True, kw_only=True, rename="camel"):
    scaling_mode: str = ""
    min_instance_count: int = 0
    max_instance_count: int = 0
    manual_instance_count: int = 0


class _Template(_Wire, frozen=True, kw_only=True, rename="camel"):
    scaling: _Counts = _Counts()
    containers: tuple[_Container, ...] = ()


class ServiceOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A Cloud Run service. A container with limits but without `cpuIdle` keeps its CPU."""

    name: str
    labels: dict[str, str] = {}
    scaling: _Counts = _Counts()
    template: _Template = _Template()

    def read(self) -> inventory.RunService:
        """The service in our words."""
        given = [one.resources or _Limits(cpu_idle=True) for one in self.template.containers]
        resources = given or [_Limits(cpu_idle=True)]
        return inventory.RunService(
            name=self.name,
            labels=self.labels,
            scaling=self._scaling(),
            cpu=sum((quantity(one.limits.get("cpu", _CPU)) for one in resources), Decimal(0)),
            memory=sum(
                (quantity(one.limits.get("memory", _MEMORY)) for one in resources), Decimal(0)
            )
            / _UNITS["Gi"],
            gpus=int(sum(quantity(one.limits.get(_GPU, "0")) for one in resources)),
            always=not all(one.cpu_idle for one in resources),
        )

    def _scaling(self) -> Scaling:
        whole, revision = self.scaling, self.template.scaling
        limits = (revision.min_instance_count, revision.max_instance_count)
        if whole.scaling_mode == "MANUAL":
            return Scaling(Mode.MANUAL, 0, 0, whole.manual_instance_count, *limits)
        least, most = whole.min_instance_count, whole.max_instance_count
        return Scaling(Mode.AUTOMATIC, least, most, 0, *limits)


class _Push(_Wire, frozen=True, kw_only=True, rename="camel"):
    push_endpoint: str = ""


class _Expiration(_Wire, frozen=True, kw_only=True, rename="camel"):
    ttl: str = ""


class _DeadLetters(_Wire, frozen=True, kw_only=True, rename="camel"):
    dead_letter_topic: str = ""


class SubscriptionOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A subscription. An expiration policy without a time is one that never ends it."""

    name: str
    topic: str = ""
    labels: dict[str, str] = {}
    push_config: _Push = _Push()
    bigquery_config: dict[str, object] = {}
    bigtable_config: dict[str, object] = {}
    cloud_storage_config: dict[str, object] = {}
    detached: bool = False
    message_retention_duration: str = "604800s"
    expiration_policy: _Expiration | None = None
    dead_letter_policy: _DeadLetters = _DeadLetters()

    def read(self, oldest: dt.timedelta | None) -> inventory.Subscription:
        """The subscription in our words; `oldest` is not part of it."""
        ttl = self.expiration_policy.ttl if self.expiration_policy else ""
        exports = (self.bigquery_config, self.bigtable_config, self.cloud_storage_config)
        return inventory.Subscription(
            name=self.name,
            labels=self.labels,
            topic=self.topic,
            pushes=bool(self.push_config.push_endpoint),
            exports=any(exports),
            detached=self.detached,
            retention=seconds(self.message_retention_duration),
            expires=seconds(ttl) if ttl else None,
            dead_letter=self.dead_letter_policy.dead_letter_topic,
            oldest=oldest,
        )


class _Rotation(_Wire, frozen=True, kw_only=True, rename="camel"):
    next_rotation_time: str = ""


class SecretOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A secret. Its rotation period is never shown, the next turn is."""

    name: str
    labels: dict[str, str] = {}
    rotation: _Rotation | None = None

    def read(self, versions: tuple[inventory.Version, ...] | None) -> inventory.Secret:
        """The secret in our words, with versions that are listed apart."""
        return inventory.Secret(
            name=self.name,
            labels=self.labels,
            rotates=self.rotation is not None and bool(self.rotation.next_rotation_time),
            versions=versions,
        )


class VersionOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A version of a secret."""

    name: str
    create_time: dt.datetime
    state: str = ""

    def read(self) -> inventory.Version | None:
        """The version in our words; None once it is destroyed."""
        if self.state == "DESTROYED":
            return None
        number = self.name.rsplit("/", 1)[-1]
        return inventory.Version(
            number=number, created=self.create_time, enabled=self.state == "ENABLED"
        )


class AddressOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """An address of Compute Engine, external where it does not say otherwise."""

    name: str
    address_type: str = "EXTERNAL"
    status: str = ""
    users: tuple[str, ...] = ()

    def read(self, parent: str) -> inventory.Address:
        """The address in our words, by the scope it is listed under."""
        return inventory.Address(
            name=f"{parent}/addresses/{self.name}",
            external=self.address_type == "EXTERNAL",
            used=self.status != "RESERVED" or bool(self.users),
        )


def quantity(text: str) -> Decimal:
    """An amount as Kubernetes writes it: `500m`, `1.5`, `512Mi`. Bytes for memory."""
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"{text!r} is not an amount like 500m or 512Mi")
    return Decimal(found[1]) * _UNITS[found[2]]


def seconds(text: str) -> dt.timedelta:
    """A duration as Google's JSON writes it: `604800s`."""
    try:
        return dt.timedelta(seconds=float(Decimal(text.removesuffix("s"))))
    except (InvalidOperation, OverflowError) as err:
        raise ValueError(f"{text!r} is not a duration like 600s") from err


ready(
    tuple[ServiceOnWire, ...],
    tuple[SubscriptionOnWire, ...],
    tuple[SecretOnWire, ...],
    tuple[VersionOnWire, ...],
    tuple[AddressOnWire, ...],
)
