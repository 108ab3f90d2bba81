# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the contract suites: Google's stand-in, and a Pub/Sub of either kind."""

from __future__ import annotations

import pytest

from contract.brokers import Broker, Endpoint
from twinguard.standins.google import Google


@pytest.fixture
def google():
    with Google() as google:
        yield google


@pytest.fixture(params=["stand-in", "emulator"])
def broker(request, google, project):
    if request.param == "stand-in":
        return Broker(google.url, google, project)
    emulator = request.getfixturevalue("pubsub_emulator")
    return Broker(f"http://{emulator.address}", google, project)


@pytest.fixture
def shop():
    with Endpoint() as shop:
        yield shop


@pytest.fixture
def witness():
    with Endpoint() as witness:
        yield witness


@pytest.fixture
def local(google, project):
    return Broker(google.url, google, project)


@pytest.fixture
def orders(local):
    return local.subscription("orders-push", pushConfig={"pushEndpoint": "http://127.0.0.1:9/x"})
