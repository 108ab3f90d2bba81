# SPDX-License-Identifier: Apache-2.0
"""From a budget message on the real Pub/Sub emulator to stopped services and to people's phones."""

from __future__ import annotations

import json

import pytest

from contract.brokers import Endpoint
from flows.stage import ALERTS, BEFORE, BUDGET, CAP, DEAD, NEXT, STOPPED, staged
from twinguard.standins.server import Fault
from world import message

BUDGET_ID = "environment"
USED_UP = "living-twin-staging-budget is used up: 512.50 of 500 USD (102 %)"


@pytest.fixture
def shop():
    """Where the environment's own work is pushed to."""
    with Endpoint() as shop:
        yield shop


@pytest.fixture
def stage(tmp_path, project, pubsub_emulator, shop):
    with staged(
        tmp_path, project, BUDGET, ALERTS, emulator=pubsub_emulator, work=shop.push
    ) as stage:
        yield stage


def test_a_budget_above_its_cap_stops_everything_and_the_next_period_restores_it(stage, shop):
    stage.tell_budget(512.5)
    stage.wait_done(ALERTS, 1)

    stopped = {"living-twin-worker": STOPPED, "living-twin-reports": STOPPED}
    assert stage.services() == {"living-twin-api": BEFORE, **stopped}
    assert set(stage.endpoints().values()) == {""}
    assert stage.breaker() == [BUDGET_ID]
    assert stage.heard() == {
        "email": [f"[staging] CRITICAL: {USED_UP}"],
        "slack": [f"[staging] CRITICAL: {USED_UP}"],
        "sms": [f"(staging) CRITICAL: {USED_UP}"],
        "pagerduty": [("trigger", CAP)],
    }

    stage.publish("work", b"came while paused", {})
    stage.tell_budget(1, start=NEXT)
    stage.wait_done(BUDGET, 2)
    stage.wait_until(lambda: len(stage.heard()["pagerduty"]) == 2)
    stage.wait_done(ALERTS, 3)  # the month's rungs end as well, of which nobody was told

    assert set(map(json.dumps, stage.services().values())) == {json.dumps(BEFORE)}
    assert set(stage.endpoints().values()) == {shop.push}
    assert stage.breaker() == []
    assert shop.next().body["message"]["data"] == "Y2FtZSB3aGlsZSBwYXVzZWQ="
    assert {channel: len(all_of) for channel, all_of in stage.heard().items()} == dict.fromkeys(
        ("email", "slack", "sms", "pagerduty"), 2
    )
    assert stage.heard()["pagerduty"] == [("trigger", CAP), ("resolve", CAP)]


def test_a_poison_message_is_kept_acknowledged_and_told_of_once(stage):
    attributes = dict(message(1).attributes)
    first = stage.publish("budget-alerts", b"{poison", attributes)
    stage.wait_for(BUDGET, "dead letter")
    stage.publish("budget-alerts", b"another poison", attributes)
    stage.tell_budget(1)
    stage.wait_done(BUDGET, 1)
    stage.wait_done(ALERTS, 2)

    kept = [json.loads(one["body"])["message"] for one in stage.records("dead_letters")]
    warning = "HIGH: on_budget_alert received an event that it can never handle"
    assert first in {one["messageId"] for one in kept}
    assert sorted(one["data"] for one in kept) == ["YW5vdGhlciBwb2lzb24=", "e3BvaXNvbg=="]
    assert sorted(stage.outcomes(BUDGET)) == ["dead letter", "dead letter", "done"]
    assert stage.heard() == {
        "email": [f"[staging] {warning}"],
        "slack": [f"[staging] {warning}"],
        "sms": [],
        "pagerduty": [],
    }


def test_a_message_that_fails_for_ever_ends_whole_in_the_dead_letter_topic(stage):
    stage.google.fail(Fault(code=500), times=1000, method="PATCH", path="/v2/")
    published = message(512.5)
    stage.publish("budget-alerts", published.data, {**published.attributes, "note": "keep me"})
    ((data, attributes),) = stage.wait_until(lambda: stage.pull(DEAD))

    source = "CloudPubSubDeadLetterSource"
    assert json.loads(data) == json.loads(published.data)
    assert (
        attributes.items()
        >= {
            **published.attributes,
            "note": "keep me",
            f"{source}DeliveryCount": "5",
            f"{source}Subscription": "budget-alerts-push",
        }.items()
    )
    assert stage.outcomes(BUDGET) == ["retry"] * 5
