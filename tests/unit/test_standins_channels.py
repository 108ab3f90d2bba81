# SPDX-License-Identifier: Apache-2.0
"""The stand-ins refuse what the vendors' published formats refuse, in the vendors' words."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import jsonschema
import pytest
import requests

from twinguard.standins import channels, vendors
from twinguard.standins.channels import HttpSink

DATA = Path(__file__).parents[1] / "data" / "vendors"


def valid(vendor: str, body: object) -> bool:
    schema = json.loads((DATA / f"{vendor}.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema).is_valid(body)


@pytest.fixture
def twilio_sink():
    vendor = vendors.twilio(channels.ACCOUNT, channels.TOKEN, channels.SENDER)
    with HttpSink(vendor) as sink:
        yield sink


TRIGGER = {
    "routing_key": channels.INTEGRATION,
    "event_action": "trigger",
    "dedup_key": "k",
    "payload": {"summary": "s", "source": "h", "severity": "info"},
}
PAGERDUTY_BODIES = [
    (TRIGGER, 202),
    (TRIGGER | {"routing_key": "short"}, 400),
    ({"event_action": "trigger"}, 400),
    (TRIGGER | {"event_action": "open"}, 400),
    (TRIGGER | {"dedup_key": "k" * 256}, 400),
    (TRIGGER | {"payload": TRIGGER["payload"] | {"summary": "s" * 1025}}, 400),
    (TRIGGER | {"payload": TRIGGER["payload"] | {"severity": "high"}}, 400),
    (TRIGGER | {"payload": {"summary": "s"}}, 400),
    (TRIGGER | {"payload": TRIGGER["payload"] | {"custom_details": "text"}}, 400),
    ({k: v for k, v in TRIGGER.items() if k != "payload"}, 400),
    ({"routing_key": channels.INTEGRATION, "event_action": "resolve"}, 400),
    ({"routing_key": channels.INTEGRATION, "event_action": "resolve", "dedup_key": "k"}, 202),
    ("text", 400),
]


@pytest.mark.parametrize(("body", "status"), PAGERDUTY_BODIES)
def test_pagerduty_refuses_what_its_schema_refuses(body, status):
    answer = vendors.pagerduty(channels.INTEGRATION)("/v2/enqueue", {}, json.dumps(body).encode())

    assert (answer.status, valid("pagerduty", body)) == (status, status == 202)


def test_pagerduty_refuses_half_a_megabyte():
    large = TRIGGER | {"payload": TRIGGER["payload"] | {"custom_details": {"x": "x" * 524_288}}}

    answer = vendors.pagerduty(channels.INTEGRATION)("/v2/enqueue", {}, json.dumps(large).encode())

    assert answer.status == 413


SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "t"}}
SLACK_BODIES = [
    ({"text": "t"}, 200),
    ({"text": "t", "blocks": [SECTION, {"type": "divider"}]}, 200),
    ({"text": "t", "blocks": [SECTION] * 51}, 400),
    ({"text": "t", "blocks": [{"type": "section"}]}, 400),
    ({"text": "t", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]}, 400),
    ({"text": "t", "blocks": [{"type": "header", "text": SECTION["text"]}]}, 400),
    ({"text": "t", "blocks": [{"type": "context", "elements": []}]}, 400),
    ({"text": "t", "blocks": [{"type": "context", "elements": [SECTION["text"]]}]}, 200),
    ({"text": "t", "blocks": ["text"]}, 400),
    ({}, 400),
    ([], 400),
]


@pytest.mark.parametrize(("body", "status"), SLACK_BODIES)
def test_slack_refuses_what_its_schema_refuses(body, status):
    vendor = vendors.slack("/hook", "#room")
    answer = vendor("/hook", {"content-type": "application/json"}, json.dumps(body).encode())

    assert (answer.status, valid("slack", body)) == (status, status == 200)


@pytest.mark.parametrize(
    ("path", "kind", "body", "told"),
    [
        ("/other", "application/json", b"{}", (404, "no_service")),
        ("/hook", "text/plain", b"{}", (400, "invalid_payload")),
        ("/hook", "application/json", b"{", (400, "invalid_payload")),
        ("/hook", "application/json", b'{"text":"t","channel":"#x"}', (404, "channel_not_found")),
    ],
)
def test_slack_answers_in_a_word(path, kind, body, told):
    answer = vendors.slack("/hook", "#room")(path, {"content-type": kind}, body)

    assert (answer.status, answer.body) == told


FORM = {"To": channels.PHONE, "From": channels.SENDER, "Body": "b"}
TWILIO_FORMS = [
    (FORM, None),
    (FORM | {"To": ""}, 21604),
    (FORM | {"To": "0470"}, 21211),
    (FORM | {"From": ""}, 21603),
    (FORM | {"From": "x"}, 21606),
    (FORM | {"Body": ""}, 21602),
    (FORM | {"Body": "b" * 1601}, 21617),
]


@pytest.mark.parametrize(("form", "code"), TWILIO_FORMS)
def test_twilio_refuses_what_its_schema_refuses(twilio_sink, form, code):
    response = requests.post(
        f"{twilio_sink.url}/2010-04-01/Accounts/{channels.ACCOUNT}/Messages.json",
        data=urlencode(form),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=(channels.ACCOUNT, channels.TOKEN),
        timeout=5,
    )

    assert (response.json().get("code"), valid("twilio", form)) == (code, code is None)


@pytest.mark.parametrize(
    ("path", "auth", "status"),
    [
        ("/2010-04-01/Accounts/other/Messages.json", (channels.ACCOUNT, channels.TOKEN), 404),
        (f"/2010-04-01/Accounts/{channels.ACCOUNT}/Messages.json", ("x", "y"), 401),
    ],
)
def test_twilio_asks_who_is_there(twilio_sink, path, auth, status):
    response = requests.post(twilio_sink.url + path, data=FORM, auth=auth, timeout=5)

    assert (response.status_code, twilio_sink.accepted) == (status, [])
