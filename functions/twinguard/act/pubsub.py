# SPDX-License-Identifier: Apache-2.0
"""Pause and resume push subscriptions, and publish to topics.

A subscription is never detached: that would drop its backlog. What may be paused is decided in
`decide/scaling.py` and `decide/holds.py`."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from twinguard.act.backlog import oldest_age
from twinguard.act.endpoints import checked, client_arguments, named, translated
from twinguard.decide.model import Live, Push, Value
from twinguard.decide.scaling import pausable
from twinguard.errors import Conflict, Unavailable

_EXPORTS = ("bigquery_config", "cloud_storage_config", "bigtable_config", "detached")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Subscriptions:
    """`Scaler` for subscriptions named `projects/…/subscriptions/…`.

    `Push("")` is a subscription without an endpoint: paused, or a pull subscription; the API makes
    no difference, only our record of a hold does. One that exports (BigQuery, Cloud Storage) or was
    detached has its own settings as value, which no hold lowers and no restore mistakes for ours.
    """

    def __init__(
        self,
        endpoint: str = "",
        monitoring_endpoint: str = "",
        timeout: float = 30.0,
        clock: Callable[[], dt.datetime] = _now,
    ) -> None:
        self.endpoint = checked(endpoint, "PUBSUB_ENDPOINT")
        self.monitoring_endpoint = checked(monitoring_endpoint, "MONITORING_ENDPOINT")
        self.timeout = timeout
        self.clock = clock

    def read(self, name: str) -> Live | None:
        """How the subscription delivers, or None where there is none of that name."""
        found = self._subscription(name)
        if found is None:
            return None
        return Live(_push(found))

    def patience(self, name: str) -> dt.timedelta | None:
        """The retention that is left to the oldest message nobody has acknowledged."""
        found = self._subscription(name)
        if found is None:
            return None
        value = _push(found)
        if value.config and not pausable(value):
            return None
        age = oldest_age(name, self.monitoring_endpoint, self.timeout, self.clock())
        retention: dt.timedelta = found.message_retention_duration
        return retention - age

    def write(self, name: str, value: Value, seen: Live) -> None:
        """Set the push configuration and read it back.

        This API has no etags: the subscription is read again just before, which leaves a gap of
        one request in which another change can be overwritten."""
        if not isinstance(value, Push) or not isinstance(seen.value, Push):
            raise TypeError(f"{name} is a subscription; it cannot become {value!r}")
        if any(
            config and not pausable(Push(config)) for config in (value.config, seen.value.config)
        ):
            raise Unavailable(f"{name} does not push; remove it from the policy's subscriptions")
        if self._confirmed(name) != seen.value:
            raise Conflict(f"{name} changed since it was read; read it again")
        if value == seen.value:
            return
        with translated(f"cannot change {name}"):
            self._client.modify_push_config(
                subscription=name,
                push_config=_parsed(value),
                retry=None,
                timeout=self.timeout,
            )
        if (found := self._confirmed(name)) != value:
            raise Unavailable(f"{name}: {value} was written but not confirmed; found {found}")

    def _confirmed(self, name: str) -> Push | None:
        found = self._subscription(name)
        return None if found is None else _push(found)

    def _subscription(self, name: str) -> Any:  # noqa: ANN401 - the generated client has no types
        from google.api_core.exceptions import NotFound

        what = f"cannot read {name}"
        with translated(what):
            try:
                found = self._client.get_subscription(
                    subscription=name, retry=None, timeout=self.timeout
                )
            except NotFound:
                return None
        return named(found, what)

    @functools.cached_property
    def _client(self) -> Any:  # noqa: ANN401
        from google.pubsub_v1 import SubscriberClient

        return _made(SubscriberClient, self.endpoint)


class TopicPublisher:
    """`Publisher` for topics named `projects/…/topics/…`: one request each, no batching thread."""

    def __init__(self, endpoint: str = "", timeout: float = 30.0) -> None:
        self.endpoint = checked(endpoint, "PUBSUB_ENDPOINT")
        self.timeout = timeout

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """The id of the message, once the topic has it."""
        from google.pubsub_v1 import PubsubMessage

        message = PubsubMessage(data=data, attributes=dict(attributes))
        with translated(f"cannot publish to {topic}"):
            answer = self._client.publish(
                topic=topic, messages=[message], retry=None, timeout=self.timeout
            )
        ids = tuple(answer.message_ids)
        if len(ids) != 1:
            raise Unavailable(f"{topic} did not confirm the message; it is published again")
        return str(ids[0])

    @functools.cached_property
    def _client(self) -> Any:  # noqa: ANN401
        from google.pubsub_v1 import PublisherClient

        return _made(PublisherClient, self.endpoint)


def _made(client: Any, endpoint: str) -> Any:  # noqa: ANN401
    """A client that minds nothing but the endpoint.

    With PUBSUB_EMULATOR_HOST set, the generated clients put a gRPC channel into every transport
    they make themselves, which the one we use cannot work with."""
    arguments = client_arguments(endpoint)
    if endpoint.startswith("http://"):
        rest = client.get_transport_class(arguments["transport"])
        return client(transport=rest(host=endpoint, credentials=arguments["credentials"]))
    return client(**arguments)


def _push(subscription: Any) -> Push:  # noqa: ANN401
    """How it delivers, as canonical JSON in the API's own words."""
    from google.protobuf.json_format import MessageToDict

    whole = type(subscription).pb(subscription)
    for name in _EXPORTS:
        if getattr(whole, name) and (name == "detached" or whole.HasField(name)):
            fields = MessageToDict(whole)
            return Push(_canonical({key: fields[key] for key in fields if _is_export(key)}))
    if not whole.push_config.push_endpoint:
        return Push()
    return Push(_canonical(MessageToDict(whole.push_config)))


def _is_export(key: str) -> bool:
    return key.lower() in {name.replace("_", "") for name in _EXPORTS}


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _parsed(value: Push) -> Any:  # noqa: ANN401
    from google.protobuf.json_format import Parse
    from google.pubsub_v1 import PushConfig

    config = PushConfig()
    Parse(value.config or "{}", PushConfig.pb(config))
    return config
