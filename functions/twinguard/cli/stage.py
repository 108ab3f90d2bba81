# SPDX-License-Identifier: Apache-2.0
"""What surrounds the functions in a rehearsal: Google's APIs with the policy's resources, played.

Watches every write, can hold one back, and gives messages simulated times. See `rehearsal.py`."""

from __future__ import annotations

import copy
import datetime as dt
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twinguard.decide.model import Kind, Resource
from twinguard.standins.cloud_run import CloudRun
from twinguard.standins.delivery import Message, Pending
from twinguard.standins.google import Google
from twinguard.standins.pubsub import PubSub
from twinguard.standins.server import Body, Request

COUNTED = ("etag", "generation", "observedGeneration", "updateTime")
COUNTED_REVISIONS = ("latestCreatedRevision", "latestReadyRevision")
"""What Google itself counts up with each change, and nobody can put back."""

_MONTH = "2678400s"
_HELD_LONGEST = 60.0
_ACCEPTED = 200


@dataclass(frozen=True, slots=True)
class Write:
    """One request that would change a resource: how it stood before, after, and the answer."""

    at: dt.datetime
    resource: Resource
    before: str
    after: str
    status: int

    @property
    def is_accepted(self) -> bool:
        """True unless it was refused."""
        return self.status == _ACCEPTED


@dataclass
class Gate:
    """Holds the answer to one request back: what it asked for is done, but nobody is told."""

    method: str = ""
    path: str = ""
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def arm(self, method: str, path: str) -> None:
        """Hold the next request with this method and this text in its path."""
        self.reached.clear()
        self.opened.clear()
        self.method, self.path = method, path

    def disarm(self) -> None:
        """Let the held answer go, and hold no other one."""
        self.method = self.path = ""
        self.opened.set()

    def passed(self, request: Request) -> None:
        """Return at once, or once the gate is opened."""
        if not self.path or request.method != self.method or self.path not in request.path:
            return
        self.path = ""
        self.reached.set()
        self.opened.wait(_HELD_LONGEST)


class ClockedPubSub(PubSub):
    """Pub/Sub whose messages are published at the rehearsal's time, and can come twice."""

    def __init__(self) -> None:
        super().__init__(backoff=(0.05, 0.4), timeout=_HELD_LONGEST)
        self.now = dt.datetime.fromtimestamp(0, dt.UTC)
        self.messages: dict[str, Message] = {}

    def publish(
        self,
        topic: str,
        data: bytes,
        attributes: Mapping[str, str] | None = None,
        published: str = "",
        ordering_key: str = "",
    ) -> str:
        """As Pub/Sub does, at the rehearsal's time."""
        at = published or wire_time(self.now)
        number = super().publish(topic, data, attributes, at, ordering_key)
        self.messages[number] = Message(number, data, dict(attributes or {}), at, ordering_key)
        return number

    def repeat(self, number: str, subscription: str) -> None:
        """Deliver a message once more under its old id, as at-least-once allows."""
        with self._changed:
            pending = Pending(self.messages[number], time.monotonic())
            self._found(subscription).pending.append(pending)
            self._changed.notify_all()


class Stage(Google):
    """Google's APIs with a policy's resources running, as a context manager."""

    def __init__(self, cloud_run: CloudRun | None = None) -> None:
        self.clocked = ClockedPubSub()
        super().__init__(cloud_run or CloudRun(polls=0), self.clocked)
        self.resources: tuple[Resource, ...] = ()
        self.writes: list[Write] = []
        self.gate = Gate()

    def add(self, resources: tuple[Resource, ...]) -> None:
        """Let these resources run, each with settings that are not trivial to put back."""
        for index, resource in enumerate(resources):
            self._add(resource, index)
        self.resources += resources

    def answered(self, request: Request) -> tuple[int, Body]:
        """Answer, note what changed, and hold the answer back if the gate says so."""
        resource = self._written(request)
        if resource is None:
            answer = super().answered(request)
        else:
            before = self.state(resource)
            answer = super().answered(request)
            after = self.state(resource)
            self.writes.append(Write(self.clocked.now, resource, before, after, answer[0]))
        self.gate.passed(request)
        return answer

    def state(self, resource: Resource) -> str:
        """The whole resource as JSON, without what Google itself counts up."""
        if resource.kind is Kind.SERVICE:
            whole = self.cloud_run.service(resource.name)
        else:
            whole = self.pubsub.subscription(resource.name)
        kept = {k: v for k, v in whole.items() if k not in (*COUNTED, *COUNTED_REVISIONS)}
        return json.dumps(kept, sort_keys=True)

    def states(self) -> dict[Resource, str]:
        """The state of every resource."""
        return {resource: self.state(resource) for resource in self.resources}

    def _written(self, request: Request) -> Resource | None:
        if request.method == "PATCH" or request.path.endswith(":modifyPushConfig"):
            named = request.path.split("/", 2)[2].partition(":")[0]
            return next((one for one in self.resources if one.name == named), None)
        return None

    def _add(self, resource: Resource, index: int) -> None:
        if resource.kind is Kind.SERVICE:
            self.cloud_run.add(resource.name, **copy.deepcopy(_SCALINGS[index % len(_SCALINGS)]))
            return
        topic = resource.name.replace("/subscriptions/", "/topics/")
        push = {
            "pushEndpoint": f"https://{resource.short}.example/receive",
            "oidcToken": {"serviceAccountEmail": f"push@{resource.name.split('/')[1]}.example"},
        }
        self.pubsub.add_topic(topic)
        self.pubsub.add_subscription(
            resource.name, topic, pushConfig=push, messageRetentionDuration=_MONTH
        )


_SCALINGS: tuple[dict[str, dict[str, Any]], ...] = (
    {"scaling": {"minInstanceCount": 2, "maxInstanceCount": 20}, "revision": {}},
    {"scaling": {"minInstanceCount": 1}, "revision": {"maxInstanceCount": 5}},
    {"scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 3}, "revision": {}},
    {"scaling": {}, "revision": {"minInstanceCount": 1, "maxInstanceCount": 8}},
)
"""How services are scaled before anything happens: one of each kind that is hard to put back."""


def wire_time(moment: dt.datetime) -> str:
    """A moment as Google's APIs write it."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def shown(state: str) -> str:
    """A resource's state in a person's few words."""
    whole = json.loads(state)
    if "pushConfig" in whole:
        return "pushing" if whole["pushConfig"].get("pushEndpoint") else "paused"
    scaling = whole["scaling"]
    if scaling.get("scalingMode") == "MANUAL":
        count = scaling.get("manualInstanceCount", 0)
        return f"manual: {count}" if count else "stopped"
    revision = whole["template"].get("scaling", {})
    least = max(scaling.get("minInstanceCount", 0), revision.get("minInstanceCount", 0))
    most = scaling.get("maxInstanceCount", 0) or revision.get("maxInstanceCount", 0)
    return f"{least} to {most}" if most else f"{least} or more"
