# SPDX-License-Identifier: Apache-2.0
"""Pub/Sub for one machine: topics, push subscriptions that really push, retries, dead letters.

Delivery is one message at a time for each subscription. `google.py` serves it over HTTP."""

from __future__ import annotations

import base64
import copy
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from twinguard.standins.delivery import ACKNOWLEDGED, Delivery, Message, Pending, parcel
from twinguard.standins.server import Refused, Request, Route, paged, route, timestamp

_TOPIC = "projects/*/topics/*"
_SUBSCRIPTION = "projects/*/subscriptions/*"
_EXPORTS = ("bigqueryConfig", "cloudStorageConfig", "bigtableConfig")
_DEFAULTS = {
    "ackDeadlineSeconds": 10,
    "messageRetentionDuration": "604800s",
    "pushConfig": {},
    "expirationPolicy": {"ttl": "2678400s"},
    "state": "ACTIVE",
}


@dataclass(slots=True)
class _Subscription:
    resource: dict[str, Any]
    pending: list[Pending] = field(default_factory=list)
    sending: bool = False

    @property
    def endpoint(self) -> str:
        return str(self.resource.get("pushConfig", {}).get("pushEndpoint", ""))


class PubSub:
    """Topics and subscriptions by full name, in the API's JSON.

    `backoff` is the first and the longest pause after a failed delivery, in seconds. Nobody waits
    for a message that was refused `tries` times, if that is set."""

    def __init__(self, backoff: tuple[float, float] = (0.05, 1.0), timeout: float = 10.0) -> None:
        self.deliveries: list[Delivery] = []
        self.tries: int | None = None
        self._backoff, self._timeout = backoff, timeout
        self._topics: dict[str, dict[str, Any]] = {}
        self._subscriptions: dict[str, _Subscription] = {}
        self._signers: dict[str, Callable[[], str]] = {}
        self._numbers = itertools.count(1)
        self._changed = threading.Condition(threading.RLock())
        self._threads: list[threading.Thread] = []
        self._closed = False

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        named = f"/v1/{{name={_SUBSCRIPTION}}}"
        return (
            route("PUT", f"/v1/{{name={_TOPIC}}}", self._put_topic),
            route("POST", f"/v1/{{name={_TOPIC}}}:publish", self._publish),
            route("PUT", named, self._put_subscription),
            route("GET", named, lambda request: self.subscription(request.match["name"])),
            route("POST", f"{named}:modifyPushConfig", self._modify),
            route("GET", "/v1/{project=projects/*}/subscriptions", self._list),
            route("GET", "/v1/{project=projects/*}/topics", self._list_topics),
        )

    def add_topic(self, name: str) -> None:
        """A topic without subscriptions."""
        with self._changed:
            self._topics[name] = {"name": name}

    def add_subscription(self, name: str, topic: str, **fields: Any) -> None:  # noqa: ANN401
        """A subscription; `fields` are the API's, as `pushConfig` and `deadLetterPolicy`."""
        with self._changed:
            if topic not in self._topics:
                raise Refused(404, "NOT_FOUND", f"Topic not found: {topic}")
            if name in self._subscriptions:
                raise Refused(409, "ALREADY_EXISTS", f"Subscription exists: {name}")
            resource = copy.deepcopy(_DEFAULTS | fields | {"name": name, "topic": topic})
            self._subscriptions[name] = _Subscription(resource)
            thread = threading.Thread(target=self._deliver, args=(name,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def remove_subscription(self, name: str) -> None:
        """Delete a subscription with all that it holds."""
        with self._changed:
            del self._subscriptions[name]
            self._changed.notify_all()

    def edit(self, name: str, **fields: Any) -> None:  # noqa: ANN401
        """Replace fields of a subscription, as another person would."""
        with self._changed:
            self._found(name).resource.update(copy.deepcopy(fields))
            self._changed.notify_all()

    def sign(self, subscription: str, authorization: Callable[[], str]) -> None:
        """Send this `Authorization` header with each delivery of the subscription."""
        with self._changed:
            self._signers[subscription] = authorization

    def publish(
        self,
        topic: str,
        data: bytes,
        attributes: Mapping[str, str] | None = None,
        published: str = "",
        ordering_key: str = "",
    ) -> str:
        """Hand a message to every subscription of the topic; `published` may be any past time."""
        with self._changed:
            if topic not in self._topics:
                raise Refused(404, "NOT_FOUND", f"Resource not found (resource={topic})")
            number = str(next(self._numbers))
            message = Message(
                number, data, dict(attributes or {}), published or timestamp(), ordering_key
            )
            for subscription in self._subscriptions.values():
                if subscription.resource["topic"] == topic:
                    subscription.pending.append(Pending(message, time.monotonic()))
            self._changed.notify_all()
            return number

    def subscription(self, name: str) -> dict[str, Any]:
        """A copy of the subscription as it stands."""
        with self._changed:
            return copy.deepcopy(self._found(name).resource)

    def names(self, project: str) -> tuple[str, ...]:
        """The full names of a project's subscriptions."""
        with self._changed:
            return tuple(n for n in sorted(self._subscriptions) if n.split("/")[1] == project)

    def backlog(self, name: str) -> tuple[Message, ...]:
        """Messages that the subscription has not delivered yet."""
        with self._changed:
            return tuple(pending.message for pending in self._found(name).pending)

    def oldest_age(self, name: str) -> float | None:
        """Seconds since the oldest undelivered message arrived; None for an unknown one."""
        with self._changed:
            if name not in self._subscriptions:
                return None
            arrivals = [pending.arrived for pending in self._subscriptions[name].pending]
            return time.monotonic() - min(arrivals) if arrivals else 0.0

    def wait_idle(self, timeout: float = 5.0) -> bool:
        """True once nothing is left that a push endpoint could be given."""
        with self._changed:
            return self._changed.wait_for(self._idle, timeout)

    def close(self) -> None:
        """Stop delivering."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(self._timeout)

    def _idle(self) -> bool:
        return not any(
            known.sending or (known.endpoint and any(map(self._is_awaited, known.pending)))
            for known in self._subscriptions.values()
        )

    def _is_awaited(self, pending: Pending) -> bool:
        return self.tries is None or pending.attempts < self.tries

    def _list(self, request: Request) -> dict[str, Any]:
        names = self.names(request.match["project"].split("/")[1])
        return paged([self.subscription(name) for name in names], request, "subscriptions")

    def _list_topics(self, request: Request) -> dict[str, Any]:
        project = f"{request.match['project']}/"
        with self._changed:
            found = [copy.deepcopy(one) for one in self._topics.values()]
        mine = [one for one in found if one["name"].startswith(project)]
        return paged(mine, request, "topics")

    def _put_topic(self, request: Request) -> dict[str, Any]:
        if request.match["name"] in self._topics:
            raise Refused(409, "ALREADY_EXISTS", "Topic exists")
        self.add_topic(request.match["name"])
        return {"name": request.match["name"]}

    def _put_subscription(self, request: Request) -> dict[str, Any]:
        fields = {key: value for key, value in request.body.items() if key not in {"name", "topic"}}
        self.add_subscription(request.match["name"], request.body.get("topic", ""), **fields)
        return self.subscription(request.match["name"])

    def _publish(self, request: Request) -> dict[str, Any]:
        messages = (request.body or {}).get("messages", [])
        if not messages or not all(each.get("data") or each.get("attributes") for each in messages):
            raise Refused(400, "INVALID_ARGUMENT", "each message needs data or attributes")
        return {"messageIds": [self._taken(request.match["name"], each) for each in messages]}

    def _taken(self, topic: str, message: Mapping[str, Any]) -> str:
        data = base64.b64decode(message.get("data", ""))
        published, key = message.get("publishTime", ""), message.get("orderingKey", "")
        return self.publish(topic, data, message.get("attributes"), published, key)

    def _modify(self, request: Request) -> dict[str, Any]:
        with self._changed:
            resource = self._found(request.match["name"]).resource
            if any(resource.get(name) for name in _EXPORTS):
                raise Refused(400, "INVALID_ARGUMENT", "an export subscription cannot push")
            resource["pushConfig"] = (request.body or {}).get("pushConfig", {})
            self._changed.notify_all()
        return {}

    def _found(self, name: str) -> _Subscription:
        if name not in self._subscriptions:
            raise Refused(404, "NOT_FOUND", f"Resource not found (resource={name})")
        return self._subscriptions[name]

    def _deliver(self, name: str) -> None:
        """Push one message after the other until closed."""
        while (pending := self._next(name)) is not None:
            with self._changed:
                known = self._subscriptions[name]
                resource = copy.deepcopy(known.resource)
                signer = self._signers.get(name)
            attempt = pending.attempts + 1
            sent = parcel(pending.message, resource, attempt, signer() if signer else "")
            status = sent.send(self._timeout)
            with self._changed:
                self.deliveries.append(Delivery(name, pending.message.id, attempt, status))
                self._judged(known, pending, status)
                known.sending = False
                self._changed.notify_all()

    def _next(self, name: str) -> Pending | None:
        """The next message that is due, waiting for it; None when closed."""
        with self._changed:
            known = self._subscriptions[name]
            while not self._closed and self._subscriptions.get(name) is known:
                now = time.monotonic()
                waiting = known.pending if known.endpoint else []
                due = next((each for each in waiting if each.not_before <= now), None)
                if due is not None:
                    known.sending = True
                    return due
                pauses = [each.not_before - now for each in waiting]
                self._changed.wait(min(pauses, default=None))
            return None

    def _judged(self, known: _Subscription, pending: Pending, status: int) -> None:
        """Acknowledge, put off, or hand to the dead-letter topic."""
        if status in ACKNOWLEDGED:
            known.pending.remove(pending)
            return
        pending.attempts += 1
        first, longest = self._backoff
        pending.not_before = time.monotonic() + min(longest, first * 2 ** (pending.attempts - 1))
        policy = known.resource.get("deadLetterPolicy")
        if policy and pending.attempts >= policy.get("maxDeliveryAttempts", 5):
            with suppress(Refused):  # without its dead-letter topic it is retried for ever
                self._buried(known, pending, policy["deadLetterTopic"])
                known.pending.remove(pending)

    def _buried(self, known: _Subscription, pending: Pending, topic: str) -> None:
        message, name = pending.message, known.resource["name"]
        source = "CloudPubSubDeadLetterSource"
        origin = {
            f"{source}DeliveryCount": str(pending.attempts),
            f"{source}Subscription": name.rsplit("/", 1)[-1],
            f"{source}SubscriptionProject": name.split("/")[1],
            f"{source}TopicPublishTime": message.published,
        }
        self.publish(topic, message.data, {**message.attributes, **origin})
