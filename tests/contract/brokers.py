# SPDX-License-Identifier: Apache-2.0
"""A Pub/Sub to talk to, whichever it is, and what the contract suites share about outside services.

The fixtures are in `conftest.py`."""

from __future__ import annotations

import datetime as dt
import queue

import requests

from twinguard.act.pubsub import Subscriptions, TopicPublisher
from twinguard.standins.server import Fault, Server, route

PATIENCE = 20
RETENTION = dt.timedelta(days=7)
FAULTS = [
    Fault(code=403, status="PERMISSION_DENIED"),
    Fault(code=500),
    Fault(code=503, status="UNAVAILABLE"),
    Fault(hang_up=True),
]


class Broker:
    """A Pub/Sub to set up over its own REST API, and endpoints it can push to."""

    def __init__(self, url, google, project):
        self.url, self.google, self.project = url, google, project
        self.topic = f"projects/{project}/topics/orders"
        self.put(self.topic, {})

    def put(self, name, body):
        with requests.Session() as http:
            http.put(f"{self.url}/v1/{name}", json=body, timeout=PATIENCE).raise_for_status()

    def subscription(self, short, **fields):
        name = f"projects/{self.project}/subscriptions/{short}"
        self.put(name, {"topic": self.topic, **fields})
        return name

    @property
    def subscriptions(self):
        return Subscriptions(self.url, self.google.url)

    def publish(self, data, **attributes):
        return TopicPublisher(self.url).publish(self.topic, data, attributes)


class Endpoint(Server):
    """A push endpoint that keeps what it was sent."""

    def __init__(self):
        self.received = queue.Queue()
        super().__init__(route("POST", "/push", self.received.put))

    @property
    def push(self):
        return f"{self.url}/push"

    def next(self):
        return self.received.get(timeout=PATIENCE)
