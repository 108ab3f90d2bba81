# SPDX-License-Identifier: Apache-2.0
"""One message on its way to a push endpoint, in the forms that Pub/Sub documents.

Knows nothing of topics and retries; `pubsub.py` decides what is sent when."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
"""Statuses that acknowledge a pushed message; every other one, and no answer, does not."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a topic holds it."""

    id: str
    data: bytes
    attributes: Mapping[str, str]
    published: str
    ordering_key: str = ""


@dataclass(slots=True)
class Pending:
    """A message that a subscription still has to deliver; `attempts` were made in vain."""

    message: Message
    arrived: float
    attempts: int = 0
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt; `status` 0 where the endpoint did not answer."""

    subscription: str
    message_id: str
    attempt: int
    status: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent: the endpoint, the headers and the body."""

    endpoint: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, timeout: float) -> int:
        """The endpoint's status, 0 where there was no answer."""
        parts = urllib.parse.urlsplit(self.endpoint)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=timeout)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        try:
            connection.request("POST", target, self.body, dict(self.headers))
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def parcel(
    message: Message, subscription: Mapping[str, Any], attempt: int, authorization: str
) -> Parcel:
    """The request for a message, wrapped or not as the subscription's push configuration says."""
    config = subscription["pushConfig"]
    headers = {
        "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"
    }
    if authorization:
        headers["Authorization"] = authorization
    if "noWrapper" in config:
        if config["noWrapper"].get("writeMetadata"):
            headers |= _metadata(message, subscription["name"])
        return Parcel(config["pushEndpoint"], message.data, headers)
    headers["Content-Type"] = "application/json"
    wrapped: dict[str, Any] = {"message": _wrapped(message), "subscription": subscription["name"]}
    if "deadLetterPolicy" in subscription:
        wrapped["deliveryAttempt"] = attempt
    return Parcel(config["pushEndpoint"], json.dumps(wrapped).encode(), headers)


def _wrapped(message: Message) -> dict[str, Any]:
    """Ids and times in both spellings, as Google sends them."""
    wrapped: dict[str, Any] = {
        "messageId": message.id,
        "message_id": message.id,
        "publishTime": message.published,
        "publish_time": message.published,
    }
    if message.data:
        wrapped["data"] = base64.b64encode(message.data).decode()
    if message.attributes:
        wrapped["attributes"] = dict(message.attributes)
    if message.ordering_key:
        wrapped["orderingKey"] = message.ordering_key
    return wrapped


def _metadata(message: Message, subscription: str) -> dict[str, str]:
    return {
        "x-goog-pubsub-subscription-name": subscription,
        "x-goog-pubsub-message-id": message.id,
        "x-goog-pubsub-publish-time": message.published,
        **message.attributes,
    }
