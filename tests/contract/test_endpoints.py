# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from twinguard.act import endpoints
from twinguard.act.billing import Billing
from twinguard.act.cloud_run import CloudRun
from twinguard.act.pubsub import Subscriptions, TopicPublisher
from twinguard.errors import Misconfigured


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8085",
        "http://localhost:8085",
        "http://[::1]:8085",
        "https://europe-west1-run.googleapis.com",
        "",
    ],
)
def test_this_machine_and_google_are_the_only_endpoints(address):
    assert endpoints.checked(address, "X_ENDPOINT") == address


@pytest.mark.parametrize(
    "address",
    [
        "http://run.googleapis.com",
        "http://10.0.0.1:80",
        "https://run.example.com",
        "https://googleapis.com.example.com",
        "https://run.googleapis.com/v2",
        "http://127.0.0.1.example.com",
        "run.googleapis.com",
    ],
)
@pytest.mark.parametrize(
    "make", [CloudRun, Billing, Subscriptions, TopicPublisher, lambda x: Subscriptions("", x)]
)
def test_no_adapter_starts_with_an_endpoint_that_could_catch_a_token(make, address):
    with pytest.raises(Misconfigured, match="_ENDPOINT is"):
        make(address)


def test_an_emulator_host_is_an_endpoint_without_a_scheme():
    environ = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"}

    assert endpoints.override(environ, "PUBSUB_ENDPOINT", "PUBSUB_EMULATOR_HOST") == (
        "http://127.0.0.1:8085"
    )


def test_the_first_variable_that_is_set_wins_and_none_means_google():
    environ = {"A": "", "B": "http://127.0.0.1:1", "C": "http://127.0.0.1:2"}

    assert endpoints.override(environ, "A", "B", "C") == "http://127.0.0.1:1"
    assert endpoints.override(environ, "D") == ""
