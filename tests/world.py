# SPDX-License-Identifier: Apache-2.0
"""A small world for the pipeline's tests: resources, topics and a process that can die.

`Mortal` counts every step that reaches the outside and raises `Died` at the one it is told to."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from fakes import MemoryRecords
from twinguard.decide.model import Alert, Kind, Live, Push, Scaling, Value
from twinguard.errors import Conflict, Unavailable
from twinguard.parse import Event
from twinguard.pipeline import Pipeline, Ports
from twinguard.policy import Policy

TOPIC = "projects/living-twin-staging/topics/alerts"
PROJECT = "projects/living-twin-staging"
API = f"{PROJECT}/locations/europe-west1/services/living-twin-api"
WORKER = f"{PROJECT}/locations/europe-west1/services/living-twin-worker"
INGEST = f"{PROJECT}/subscriptions/living-twin-ingest-push"
PUSHING = Push('{"pushEndpoint":"https://worker.example/ingest"}')
STOPPED = Scaling(mode="manual")  # type: ignore[arg-type]
POLICY = msgspec.convert(
    {
        "environment": "staging",
        "project": {"id": "living-twin-staging"},
        "region": "europe-west1",
        "budget": {
            "name": "living-twin-staging-budget",
            "amount": 500,
            "thresholds": [
                {"percent": 75, "level": "medium"},
                {"percent": 90, "level": "high"},
                {"percent": 100, "level": "critical"},
            ],
            "forecast": [{"percent": 100, "level": "medium"}],
            "cap": {"enabled": True, "stop_serving": True},
        },
        "services": {
            "living-twin-api": {"critical": True},
            "living-twin-worker": {"critical": False},
        },
        "subscriptions": {"living-twin-ingest-push": {"critical": False}},
    },
    Policy,
    strict=False,
)
STARTED = dt.datetime(2026, 11, 1, 7, tzinfo=dt.UTC)  # midnight Pacific, still in summer time


class Died(BaseException):
    """The process ended between two lines."""


@dataclass
class Mortal:
    """Counts steps; dies before step `dies_at` (1-based), or after the effect of that step."""

    dies_at: int | None = None
    after: bool = False
    taken: int = 0

    def before(self) -> None:
        self.taken += 1
        if self.taken == self.dies_at and not self.after:
            raise Died

    def done(self) -> None:
        if self.taken == self.dies_at and self.after:
            raise Died


@dataclass
class World:
    """What is outside the process and survives it."""

    values: dict[str, Value] = field(
        default_factory=lambda: {
            API: Scaling(minimum=2, maximum=20),
            WORKER: Scaling(minimum=1, maximum=5, revision_minimum=1),
            INGEST: PUSHING,
        }
    )
    writes: list[tuple[str, Value]] = field(default_factory=list)
    broken: dict[str, int] = field(default_factory=dict)
    patience: dt.timedelta = dt.timedelta(days=31)
    linked: bool = True
    published: list[Alert] = field(default_factory=list)
    deaf: int = 0
    records: MemoryRecords = field(default_factory=MemoryRecords)
    life: Mortal = field(default_factory=Mortal)

    def pipeline(self, policy: Policy, may_unlink: str = "") -> Pipeline:
        scaler = _Scaler(self)
        scalers = {Kind.SERVICE: scaler, Kind.SUBSCRIPTION: scaler}
        records = _Records(self)
        ports = Ports(records, scalers, _Billing(self), _Publisher(self), TOPIC, may_unlink)
        return Pipeline(policy, ports)

    def titles(self) -> list[str]:
        return [alert.title for alert in self.published]

    def identities(self) -> list[tuple[str, int, str]]:
        return [(alert.incident, alert.step, alert.state.value) for alert in self.published]


@dataclass
class _Scaler:
    world: World

    def read(self, name: str) -> Live | None:
        value = self.world.values.get(name)
        if value is None:
            return None
        return Live(value, etag=repr(value))

    def patience(self, name: str) -> dt.timedelta | None:
        is_push = isinstance(self.world.values[name], Push)
        return self.world.patience if is_push else None

    def write(self, name: str, value: Value, seen: Live) -> None:
        world = self.world
        world.life.before()
        if world.broken.get(name, 0):
            world.broken[name] -= 1
            raise Unavailable(f"{name} does not answer")
        if repr(world.values[name]) != seen.etag:
            raise Conflict(f"{name} changed since it was read")
        world.values[name] = value
        world.writes.append((name, value))
        world.life.done()


@dataclass
class _Billing:
    world: World

    def is_linked(self, project: str) -> bool:
        return self.world.linked

    def unlink(self, project: str) -> None:
        self.world.life.before()
        self.world.linked = False
        self.world.life.done()


@dataclass
class _Publisher:
    world: World

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        assert topic == TOPIC
        self.world.life.before()
        if self.world.deaf:
            self.world.deaf -= 1
            raise Unavailable("the topic does not answer")
        self.world.published.append(msgspec.json.decode(data, type=Alert))
        self.world.life.done()
        return str(len(self.world.published))


@dataclass
class _Records:
    """The store, through which the process can die as well."""

    world: World

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.world.records, name)
        if name not in {"put", "append"}:
            return inner

        def mortal(*args: Any, **kwargs: Any) -> Any:
            self.world.life.before()
            result = inner(*args, **kwargs)
            self.world.life.done()
            return result

        return mortal


def message(
    cost: object,
    *,
    hours: float = 1,
    id: str = "",
    budget: str = "living-twin-staging-budget",
    amount: object = 500,
    start: dt.datetime = STARTED,
    forecast: object = None,
    budget_id: str = "de72f49d-779b-4945-a127-4d6ce8def0bb",
    **fields: object,
) -> Event:
    """A budget notification as Google sends it, `hours` after its period began."""
    body: dict[str, object] = {
        "budgetDisplayName": budget,
        "costAmount": float(Decimal(str(cost))),
        "costIntervalStart": start.isoformat().replace("+00:00", "Z"),
        "budgetAmount": amount,
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": "USD",
    }
    if forecast is not None:
        body["forecastThresholdExceeded"] = forecast
    published = start + dt.timedelta(hours=hours)
    attributes = {
        "billingAccountId": "01D4EE-079462-DFD6EC",
        "budgetId": budget_id,
        "schemaVersion": "1.0",
    }
    data = json.dumps(body | fields).encode()
    return Event(id or f"m-{published.isoformat()}-{cost}", published, data, attributes)
