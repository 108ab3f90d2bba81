# SPDX-License-Identifier: Apache-2.0
"""The four channels over real SMTP and HTTP, in the forms that the vendors published."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import stamina

from audience import (
    ACKNOWLEDGED,
    ENDED,
    NOW,
    alert,
    everybody,
    minutes,
    policy,
)
from fakes import MemoryRecords
from twinguard import state
from twinguard.dispatch import dispatch, flush
from twinguard.errors import Unavailable
from twinguard.notify import open_notifiers
from twinguard.policy import Level
from twinguard.standins.channels import Fault, Sinks


@pytest.fixture(params=["memory", "sqlite"])
def records(request):
    return MemoryRecords() if request.param == "memory" else state.open_records("sqlite://")


@pytest.fixture
def people():
    return everybody()


VENDORS = Path(__file__).parents[1] / "data" / "vendors"


@pytest.fixture
def sinks():
    with stamina.set_testing(True, attempts=3, cap=True), Sinks() as running:
        yield running


def check_requests(sinks: Sinks) -> None:
    """Everything that was sent is of the form that its vendor published."""
    for vendor in ("slack", "twilio", "pagerduty"):
        schema = json.loads((VENDORS / f"{vendor}.schema.json").read_text())
        for request in getattr(sinks, vendor).requests:
            jsonschema.Draft202012Validator(schema).validate(request.content)


def test_a_critical_incident_reaches_four_real_servers_from_opening_to_end(sinks, records):
    notifiers = open_notifiers(policy(), sinks.environment())
    opened = alert(level=Level.CRITICAL)
    end = alert(step=9, state=ENDED, level=Level.CRITICAL)
    for one in (opened, opened, alert(state=ACKNOWLEDGED), end, opened):
        dispatch(one, records, notifiers, policy(), NOW)

    check_requests(sinks)
    headlines = ["[staging] CRITICAL: a opened at 1", "[staging] ENDED (critical): a ended at 9"]
    assert [mail["Subject"] for mail in sinks.mail.received] == headlines
    assert [body["text"] for body in sinks.slack.accepted] == headlines
    assert [form["Body"][:34] for form in sinks.twilio.accepted] == [
        "(staging) CRITICAL: a opened at 1.",
        "(staging) ENDED (critical): a ende",
    ]
    assert [event["event_action"] for event in sinks.pagerduty.accepted] == [
        "trigger",
        "acknowledge",
        "resolve",
    ]


def test_a_real_outage_is_reported_over_the_next_real_channel(sinks, records):
    notifiers = open_notifiers(policy(), sinks.environment())
    sinks.slack.fail(Fault(status=404, body="no_service"))
    with pytest.raises(Unavailable) as caught:
        dispatch(alert(), records, notifiers, policy(), NOW)
    dispatch(alert(), records, notifiers, policy(), minutes(1))

    check_requests(sinks)
    assert "status 404, no_service" in str(caught.value)
    assert [mail["Subject"] for mail in sinks.mail.received] == [
        "[staging] MEDIUM: a opened at 1",
        "[staging] HIGH: Alerts cannot be delivered by slack",
        "[staging] ENDED (high): Alerts are delivered by slack again",
    ]
    assert [body["text"] for body in sinks.slack.accepted] == ["[staging] MEDIUM: a opened at 1"]


def test_a_storm_reaches_real_servers_as_a_digest(sinks, records):
    notifiers = open_notifiers(policy(2), sinks.environment())
    for number in range(60):
        dispatch(alert(f"alert {number}"), records, notifiers, policy(2), NOW)
    flush(records, notifiers, policy(2), minutes(10))

    check_requests(sinks)
    assert [mail["Subject"] for mail in sinks.mail.received][2:] == [
        "[staging] MEDIUM: 58 alerts in one message"
    ]
    assert [body["text"] for body in sinks.slack.accepted][2:] == [
        "[staging] MEDIUM: 58 alerts in one message"
    ]
    assert len(sinks.slack.accepted) == 3
