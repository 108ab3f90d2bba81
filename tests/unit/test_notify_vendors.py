# SPDX-License-Identifier: Apache-2.0
"""Every request the notifiers make is of a form the vendor published, and failures tell no secret.

The schemas in tests/data/vendors say where they come from."""

from __future__ import annotations

import datetime as dt
import json
import logging
import traceback
from pathlib import Path

import jsonschema
import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from twinguard.decide.model import Alert, AlertState
from twinguard.errors import Unavailable
from twinguard.notify import pagerduty, slack, sms
from twinguard.policy import Level
from twinguard.ports import Message
from twinguard.standins import channels, vendors
from twinguard.standins.channels import Fault, HttpSink

DATA = Path(__file__).parents[1] / "data" / "vendors"
NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
ALERT = Alert(
    incident="production/cap/Production/2026-11.1",
    environment="production",
    kind="cap",
    level=Level.CRITICAL,
    step=1,
    state=AlertState.OPENED,
    title="Production is used up: 5000.10 of 5000 USD (100 %)",
    lines=("service api: from 3 to 0 instances", "cost breaker: open"),
    at=NOW,
)


def valid(vendor: str, body: object) -> bool:
    schema = json.loads((DATA / f"{vendor}.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema).is_valid(body)


def message(**changes: object) -> Message:
    fields = {name: getattr(ALERT, name) for name in ALERT.__slots__} | changes
    alert = Alert(**fields)
    return Message("0123456789abcdef0123456789abcdef", alert.incident, alert)


@pytest.fixture(autouse=True)
def _no_waiting():
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def slack_sink():
    with HttpSink(vendors.slack(channels.WEBHOOK, channels.ROOM)) as sink:
        yield sink


@pytest.fixture
def twilio_sink():
    vendor = vendors.twilio(channels.ACCOUNT, channels.TOKEN, channels.SENDER)
    with HttpSink(vendor) as sink:
        yield sink


@pytest.fixture
def pagerduty_sink():
    with HttpSink(vendors.pagerduty(channels.INTEGRATION)) as sink:
        yield sink


def slack_at(sink: HttpSink) -> slack.Slack:
    return slack.Slack(sink.url + channels.WEBHOOK, channels.ROOM)


def sms_at(sink: HttpSink, *numbers: str) -> sms.Sms:
    to = numbers or (channels.PHONE,)
    return sms.Sms(channels.ACCOUNT, channels.TOKEN, channels.SENDER, to, sink.url)


def pagerduty_at(sink: HttpSink) -> pagerduty.PagerDuty:
    return pagerduty.PagerDuty(channels.INTEGRATION, "P123", f"{sink.url}/v2/enqueue")


NOTIFIERS = {
    "slack": (slack_at, "slack_sink"),
    "sms": (sms_at, "twilio_sink"),
    "pagerduty": (pagerduty_at, "pagerduty_sink"),
}


@pytest.fixture(params=sorted(NOTIFIERS))
def pair(request):
    build, fixture = NOTIFIERS[request.param]
    sink = request.getfixturevalue(fixture)
    return build(sink), sink


# --- what is sent ------------------------------------------------------------------------------


def test_slack_gets_a_headline_the_facts_and_what_to_do(slack_sink):
    receipt = slack_at(slack_sink).send(message())

    headline = "[production] CRITICAL: Production is used up: 5000.10 of 5000 USD (100 %)"
    facts = (
        "Environment: production | Level: critical | Time: 2026-11-23 12:00 UTC"
        " | Incident: production/cap/Production/2026-11.1 | Reference: 0123456789ab"
    )
    body = (
        "• service api: from 3 to 0 instances\n• cost breaker: open\n*What to do:* Find what spent"
        " the money first. Lift the cap only when that has stopped."
    )
    assert slack_sink.accepted == [
        {
            "channel": "#security-alerts",
            "text": headline,
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": f"*{headline}*"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": body}},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": facts}]},
            ],
        }
    ]
    assert len(receipt) == 32


def test_slack_cannot_be_made_to_mention_or_to_hide_a_link():
    body = slack.payload(message(title="<!channel> <https://evil|docs> & more"))

    assert body["text"] == (
        "[production] CRITICAL: &lt;!channel&gt; &lt;https://evil|docs&gt; &amp; more"
    )


def test_a_webhook_that_is_bound_to_a_channel_is_not_told_one():
    assert "channel" not in slack.payload(message())


def test_pagerduty_gets_a_common_event(pagerduty_sink):
    receipt = pagerduty_at(pagerduty_sink).send(message())

    assert pagerduty_sink.accepted == [
        {
            "routing_key": channels.INTEGRATION,
            "event_action": "trigger",
            "dedup_key": "production/cap/Production/2026-11.1",
            "client": "Twinguard",
            "payload": {
                "summary": "[production] CRITICAL: Production is used up: "
                "5000.10 of 5000 USD (100 %)",
                "source": "twinguard/production",
                "severity": "critical",
                "timestamp": "2026-11-23T12:00:00+00:00",
                "component": "cap",
                "group": "production",
                "class": "cap",
                "custom_details": {
                    "environment": "production",
                    "level": "critical",
                    "time": "2026-11-23 12:00 UTC",
                    "incident": "production/cap/Production/2026-11.1",
                    "reference": "0123456789ab",
                    "what happened": ["service api: from 3 to 0 instances", "cost breaker: open"],
                    "what to do": "Find what spent the money first. "
                    "Lift the cap only when that has stopped.",
                    "service": "P123",
                },
            },
        }
    ]
    assert receipt == "trigger production/cap/Production/2026-11.1"


@pytest.mark.parametrize(
    ("state", "action"),
    [(AlertState.ACKNOWLEDGED, "acknowledge"), (AlertState.ENDED, "resolve")],
)
def test_pagerduty_follows_an_incident_by_its_key(pagerduty_sink, state, action):
    pagerduty_at(pagerduty_sink).send(message(state=state))

    assert pagerduty_sink.accepted == [
        {
            "routing_key": channels.INTEGRATION,
            "event_action": action,
            "dedup_key": "production/cap/Production/2026-11.1",
        }
    ]


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        (Level.LOW, "info"),
        (Level.MEDIUM, "warning"),
        (Level.HIGH, "error"),
        (Level.CRITICAL, "critical"),
    ],
)
def test_pagerduty_severities_follow_the_levels(level, severity):
    assert pagerduty.payload(message(level=level))["payload"]["severity"] == severity


def test_two_long_keys_stay_apart():
    first, second = (pagerduty.dedup_key("k" * 300 + end) for end in "ab")

    assert (len(first), len(second), first == second) == (255, 255, False)


def test_every_number_gets_the_text_message(twilio_sink):
    receipt = sms_at(twilio_sink, "+32470000001", "+32470000002").send(message())

    body = (
        "(production) CRITICAL: Production is used up: 5000.10 of 5000 USD (100 %). "
        "service api: from 3 to 0 instances. cost breaker: open. Find what spent the money first. "
        "Lift the cap only when that has stopped"
    )
    assert twilio_sink.accepted == [
        {"To": number, "From": channels.SENDER, "Body": body}
        for number in ("+32470000001", "+32470000002")
    ]
    assert [part[:2] for part in receipt.split("; ")] == ["SM", "SM"]


def test_one_bad_number_keeps_nobody_from_being_told(twilio_sink):
    receipt = sms_at(twilio_sink, "+0", channels.PHONE).send(message())

    assert [form["To"] for form in twilio_sink.accepted] == [channels.PHONE]
    assert receipt.endswith("; 1 of 2 numbers refused")


def test_no_number_at_all_is_a_failure(twilio_sink):
    with pytest.raises(Unavailable) as caught:
        sms_at(twilio_sink, "+0").send(message())

    assert str(caught.value) == (
        "sms did not accept the message (status 400, error 21211); "
        "check the TWILIO_ settings, SECURITY_PHONE and the account's balance"
    )


def test_text_messages_keep_to_the_basic_alphabet():
    assert sms.gsm("[é] “ünï” — €5 漢 ç^") == '(é) "üni" - EUR5 ? c\''


TEXTS = st.text(max_size=2000) | st.text("&<>[]€漢'\"\r\n\0", max_size=4000)


@given(TEXTS, st.lists(TEXTS, max_size=8).map(tuple), st.sampled_from(AlertState))
def test_whatever_the_text_every_request_is_valid(title, lines, state):
    sent = message(title=title, lines=lines, state=state)

    event = pagerduty.payload(sent) | {"routing_key": channels.INTEGRATION}
    form = {"To": channels.PHONE, "From": channels.SENDER, "Body": sms.sms_text(sent)}

    assert valid("pagerduty", event)
    assert len(json.dumps(event)) <= vendors.PAGERDUTY_BYTES
    assert valid("slack", slack.payload(sent))
    assert valid("twilio", form)
    assert len(form["Body"]) <= sms.LENGTH
    assert set(form["Body"]) <= sms._BASIC


@given(st.integers(1, 400), st.sampled_from(Level))
def test_a_digest_of_any_size_is_valid(number, level):
    digest = tuple(
        message(title=f"alert {n} " + "<&>" * 60, level=level).alert for n in range(number)
    )
    sent = Message("0123456789abcdef", "production/digest/slack", ALERT, digest)

    body = slack.payload(sent)

    assert valid("slack", body)
    lines = body["blocks"][1]["text"]["text"].splitlines()
    shown = sum(line.startswith("•") for line in lines)
    more = [int(line.split()[1]) for line in lines if line.startswith("and ")]
    assert shown + sum(more) == number + len(ALERT.lines)
    assert shown >= min(number, 3)


# --- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_tried_again_at_once(pair, status):
    notifier, sink = pair
    sink.fail(Fault(status=status), times=2)

    notifier.send(message())

    assert [request.status >= 400 for request in sink.requests] == [True, True, False]
    assert len(sink.accepted) == 1


def test_a_dropped_connection_is_tried_again_at_once(pair):
    notifier, sink = pair
    sink.fail(Fault(hang_up=True))

    notifier.send(message())

    assert len(sink.accepted) == 1


def test_three_attempts_are_the_end(pair):
    notifier, sink = pair
    sink.fail(Fault(status=503), times=5)

    with pytest.raises(Unavailable):
        notifier.send(message())

    assert len(sink.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 302])
def test_a_refusal_is_not_repeated_and_not_followed(pair, status):
    notifier, sink = pair
    sink.fail(Fault(status=status, body="x", headers={"Location": sink.url + "/elsewhere"}))

    with pytest.raises(Unavailable):
        notifier.send(message())

    assert len(sink.requests) == 1


def test_a_vendor_that_wants_a_long_pause_is_left_to_the_trigger(pair):
    notifier, sink = pair
    sink.fail(Fault(status=429, headers={"Retry-After": "120"}))

    with pytest.raises(Unavailable):
        notifier.send(message())

    assert len(sink.requests) == 1


def test_a_vendor_that_wants_a_short_pause_gets_it(pair):
    notifier, sink = pair
    sink.fail(Fault(status=429, headers={"Retry-After": "3"}))

    notifier.send(message())

    assert len(sink.accepted) == 1


FAULTS = [
    Fault(status=404, body="no_service"),
    Fault(status=503, body=f"{channels.TOKEN} {channels.INTEGRATION} {channels.WEBHOOK}"),
    Fault(hang_up=True),
    Fault(status=302, headers={"Location": "https://example.com/" + channels.TOKEN}),
]
SECRETS = (
    channels.TOKEN,
    channels.ACCOUNT,
    channels.INTEGRATION,
    channels.WEBHOOK,
    "madeUpForTheStandIn",
    channels.PHONE,
    "127.0.0.1",
)


@pytest.mark.parametrize("fault", FAULTS, ids=["refused", "down", "hung-up", "redirected"])
def test_no_error_trace_or_log_shows_an_address_or_a_secret(pair, fault, caplog):
    notifier, sink = pair
    sink.fail(fault, times=3)
    caplog.set_level(logging.WARNING, "stamina")

    with pytest.raises(Unavailable) as caught:
        notifier.send(message())

    # What is printed, cause and context included; source lines name variables, never values.
    shown = "".join(traceback.format_exception(caught.value))
    logged = " ".join(str(vars(record)) for record in caplog.records)
    told = shown + logged + repr(notifier)
    assert [secret for secret in SECRETS[:-1] if secret in told] == []
    assert "127.0.0.1" not in shown + logged
    assert str(caught.value).startswith(f"{notifier.channel} did not accept the message (")


def test_a_server_that_is_not_there_is_unavailable():
    with HttpSink(vendors.pagerduty(channels.INTEGRATION)) as sink:
        notifier = pagerduty_at(sink)

    with pytest.raises(Unavailable) as caught:
        notifier.send(message())

    assert str(caught.value).startswith("pagerduty did not accept the message (ConnectionError);")


def test_slack_says_in_a_word_what_it_minds(slack_sink):
    notifier = slack.Slack(slack_sink.url + "/services/other")

    with pytest.raises(Unavailable) as caught:
        notifier.send(message())

    assert str(caught.value) == (
        "slack did not accept the message (status 404, no_service); "
        "check SLACK_WEBHOOK_URL and SLACK_CHANNEL, and that the app may post there"
    )


def test_a_sink_can_take_a_message_and_lose_the_answer(slack_sink):
    slack_sink.fail(Fault(lose_answer=True))

    slack_at(slack_sink).send(message())

    assert [request.status for request in slack_sink.requests] == [0, 200]
    assert len(slack_sink.accepted) == 2
