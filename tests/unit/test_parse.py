# SPDX-License-Identifier: Apache-2.0
"""What may arrive over HTTP, and what is refused with which words."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinguard import parse
from twinguard.decide.model import Alert, AlertState, BudgetNotice
from twinguard.errors import BadEvent
from twinguard.policy import Level
from world import message

EVENTS = Path(__file__).parents[1] / "data" / "events"
NOW = dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC)
PUBSUB_TYPE = "google.cloud.pubsub.topic.v1.messagePublished"


def push(data: bytes = b"{}", **attributes: str) -> dict[str, object]:
    return {
        "message": {
            "messageId": "12345",
            "publishTime": "2026-11-01T09:00:00.123Z",
            "data": base64.b64encode(data).decode(),
            "attributes": attributes,
        },
        "subscription": "projects/p/subscriptions/s",
        "deliveryAttempt": 3,
    }


def notice(event):
    return parse.budget(event, event.published_at)


def test_a_raw_push_and_both_kinds_of_cloud_event_are_the_same_event():
    body = push(b'{"a": 1}', budgetId="b")
    json_type = {"content-type": "application/json"}
    binary = json_type | {"ce-type": PUBSUB_TYPE, "ce-id": "1", "ce-specversion": "1.0"}
    structured = {"specversion": "1.0", "type": PUBSUB_TYPE, "id": "1", "data": body}

    raw = parse.event(json_type, json.dumps(body).encode())

    assert raw == parse.Event(
        "12345",
        dt.datetime(2026, 11, 1, 9, 0, 0, 123000, tzinfo=dt.UTC),
        b'{"a": 1}',
        {"budgetId": "b"},
    )
    assert parse.event(binary, json.dumps(body).encode()) == raw
    headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
    assert parse.event(headers, json.dumps(structured).encode()) == raw


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, b"", "the push request cannot be read: Input data was truncated"),
        ({}, b"\xff\xfe", "the push request cannot be read: JSON is malformed"),
        ({}, b"[]", "the push request cannot be read: Expected `object`, got `array`"),
        ({}, b"[" * 100_000, "the push request cannot be read"),
        ({}, b"x" * 1_000_001, "the request has 1000001 bytes; at most 1000000 are read"),
        ({}, b'{"message": {}}', "Object missing required field `messageId` - at `$.message`"),
        (
            {"ce-type": "google.cloud.audit.log.v1.written"},
            b"{}",
            "the CloudEvent is a 'google.cloud.audit.log.v1.written'; only Pub/Sub messages",
        ),
        ({"content-type": "application/cloudevents+json"}, b"{}", "the CloudEvent cannot be read"),
    ],
)
def test_a_request_that_is_no_pubsub_message_is_refused(headers, body, reason):
    with pytest.raises(BadEvent) as refusal:
        parse.event(headers, body)

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("data", "not base64!", "data is not base64"),
        ("publishTime", "2026-11-01T09:00:00", "publishTime has no time zone"),
        ("publishTime", "0001-01-01T00:00:00+14:00", "publishTime is in the year 1"),
        ("attributes", {"a": 1}, "Expected `str`, got `int`"),
    ],
)
def test_a_message_with_a_wrong_field_is_refused_by_its_name(field, value, reason):
    body = push()
    body["message"][field] = value

    with pytest.raises(BadEvent) as refusal:
        parse.event({}, json.dumps(body).encode())

    assert reason in str(refusal.value)


@pytest.mark.parametrize("path", sorted(EVENTS.glob("budget-*.json")), ids=lambda p: p.stem)
def test_notifications_in_googles_published_form_are_read_exactly(path):
    captured = json.loads(path.read_text())
    event = parse.event({}, json.dumps(captured["push"]).encode())

    found = parse.budget(event, event.published_at)

    assert found == msgspec.convert(captured["means"], BudgetNotice, strict=False)


def test_money_is_exact_and_a_fraction_becomes_a_per_cent():
    event = message(1, costAmount=140.321, forecast=0.2)

    found = notice(event)

    assert (found.cost, found.forecast) == (Decimal("140.321"), Decimal("20.0"))


def test_googles_cost_anomalies_are_told_apart_from_budgets():
    attributes = {"SchemaVersion": "1.0", "billingAccountName": "b", "scope": "projects/1"}
    data = json.dumps({"detectionDate": "2026-11-01", "deviationPercentage": "Infinity"}).encode()
    event = parse.Event("7", NOW, data, attributes)

    assert parse.budget(event, NOW) == parse.AnomalyNotice("7", "projects/1", "2026-11-01")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"costAmount": None}, "Expected `decimal`, got `null` - at `$.costAmount`"),
        ({"costAmount": "NaN"}, "costAmount is not an amount of money"),
        ({"costAmount": "-Infinity"}, "costAmount is not an amount of money"),
        ({"costAmount": "1e-900000000"}, "costAmount is not an amount of money"),
        ({"costAmount": "1e400"}, "costAmount is not an amount of money"),
        ({"budgetAmount": 10**15}, "budgetAmount is not an amount of money"),
        ({"costIntervalStart": "yesterday"}, "Invalid RFC3339 encoded datetime"),
        ({"costIntervalStart": "2026-12-01T08:00:00Z"}, "does not fit a message published at"),
        ({"costIntervalStart": "2020-01-01T08:00:00Z"}, "does not fit a message published at"),
        ({"budgetDisplayName": 5}, "Expected `str`, got `int` - at `$.budgetDisplayName`"),
    ],
)
def test_a_notification_with_an_impossible_value_is_refused_by_its_name(fields, reason):
    with pytest.raises(BadEvent) as refusal:
        notice(message(1, **fields))

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({}, "schemaVersion is None; this version reads budget messages of 1.0"),
        ({"schemaVersion": "2.0", "budgetId": "b"}, "schemaVersion is '2.0'; this version reads"),
        ({"schemaVersion": "1.0"}, "attribute budgetId is missing"),
        ({"schemaVersion": "1.0", "budgetId": "b" * 101}, "attribute budgetId is missing"),
    ],
)
def test_a_message_that_is_not_a_budgets_is_refused(attributes, reason):
    event = parse.Event("1", NOW, message(1).data, attributes)

    with pytest.raises(BadEvent) as refusal:
        parse.budget(event, NOW)

    assert reason in str(refusal.value)


def test_a_period_from_the_future_cannot_make_true_messages_look_old():
    event = message(1, start=dt.datetime(2099, 1, 1, 8, tzinfo=dt.UTC))

    with pytest.raises(BadEvent, match="publishTime 2099-01-01T09:00:00\\+00:00 lies in the fut"):
        parse.budget(event, NOW)


def test_an_alert_comes_back_as_it_was_sent():
    alert = Alert("a/b/c", "ci", "b", Level.HIGH, 9000, AlertState.OPENED, "t", ("x", "ü"), NOW)

    assert parse.alert(parse.Event("1", NOW, msgspec.json.encode(alert), {})) == alert


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
budget_fields = st.dictionaries(
    st.sampled_from(
        ["costAmount", "budgetAmount", "costIntervalStart", "currencyCode", "budgetDisplayName",
         "alertThresholdExceeded", "forecastThresholdExceeded", "unknown"]
    ),
    json_values,
)  # fmt: skip


@given(st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode()))
def test_no_body_ends_in_anything_but_an_event_or_a_refusal(body):
    with contextlib.suppress(BadEvent):
        assert isinstance(parse.event({}, body), parse.Event)


@given(budget_fields)
def test_no_notification_ends_in_anything_but_a_notice_or_a_refusal(fields):
    event = message(1)
    data = json.dumps(json.loads(event.data) | fields).encode()
    with contextlib.suppress(BadEvent):
        found = notice(parse.Event("1", event.published_at, data, event.attributes))
        assert abs(found.cost) < 10**15
