# SPDX-License-Identifier: Apache-2.0
"""Only the channels that are routed to are opened, and all that is missing is named at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from twinguard.errors import Misconfigured
from twinguard.notify import SETTINGS, open_notifiers
from twinguard.notify.email import Email
from twinguard.notify.pagerduty import PagerDuty
from twinguard.notify.slack import Slack
from twinguard.notify.sms import Sms
from twinguard.policy import Alerts, Channel, Environment, Level, Policy, Project

ENV = {
    "SMTP_HOST": "smtp.example.com",
    "SMTP_USER": "alerts@example.com",
    "SMTP_PASSWORD": "password",
    "SECURITY_EMAIL": "security@example.com, oncall@example.com,security@example.com",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x/y/z",
    "SLACK_CHANNEL": "#security-alerts",
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_FROM": "+1234567890",
    "SECURITY_PHONE": "+0987654321,+32470123456",
    "PAGERDUTY_INTEGRATION_KEY": "key",
    "PAGERDUTY_SERVICE_ID": "P1",
}
ALL = {
    Level.LOW: (Channel.EMAIL,),
    Level.HIGH: (Channel.EMAIL, Channel.SLACK),
    Level.CRITICAL: tuple(Channel),
}


def policy(routes) -> Policy:
    return Policy(
        environment=Environment.PRODUCTION,
        project=Project(id="living-twin-prod"),
        region="europe-west1",
        alerts=Alerts(routes=routes),
    )


def test_every_routed_channel_is_opened_from_its_variables():
    opened = open_notifiers(policy(ALL), ENV)

    expected = {
        Channel.EMAIL: Email(
            host="smtp.example.com",
            port=587,
            user="alerts@example.com",
            password="password",
            sender="alerts@example.com",
            recipients=("security@example.com", "oncall@example.com"),
        ),
        Channel.SLACK: Slack("https://hooks.slack.com/services/x/y/z", "#security-alerts"),
        Channel.SMS: Sms("AC1", "token", "+1234567890", ("+0987654321", "+32470123456")),
        Channel.PAGERDUTY: PagerDuty("key", "P1"),
    }
    assert {channel: (type(one), vars(one)) for channel, one in opened.items()} == {
        channel: (type(one), vars(one)) for channel, one in expected.items()
    }


def test_a_channel_nobody_routes_to_needs_nothing():
    assert list(open_notifiers(policy({Level.LOW: (Channel.SLACK,)}), ENV)) == [Channel.SLACK]
    assert open_notifiers(policy({}), {}) == {}


def test_all_that_is_missing_is_named_with_the_routes_that_need_it():
    env = ENV | {"SMTP_HOST": " ", "TWILIO_FROM": ""}
    del env["SECURITY_EMAIL"], env["PAGERDUTY_INTEGRATION_KEY"]

    with pytest.raises(Misconfigured) as caught:
        open_notifiers(policy(ALL), env)

    assert str(caught.value) == (
        "email (routes low, high, critical) lacks SMTP_HOST, SECURITY_EMAIL; "
        "sms (routes critical) lacks TWILIO_FROM; "
        "pagerduty (routes critical) lacks PAGERDUTY_INTEGRATION_KEY: "
        "set them, or take the channel out of alerts.routes"
    )


def test_port_465_is_tls_from_the_start():
    opened = open_notifiers(policy({Level.LOW: (Channel.EMAIL,)}), ENV | {"SMTP_PORT": "465"})

    assert (opened[Channel.EMAIL].port, opened[Channel.EMAIL].smtps) == (465, True)


def test_a_user_that_is_no_address_needs_a_sender():
    env = ENV | {"SMTP_USER": "apikey", "SMTP_FROM": "alerts@example.com"}

    opened = open_notifiers(policy({Level.LOW: (Channel.EMAIL,)}), env)

    assert opened[Channel.EMAIL].sender == "alerts@example.com"


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("SMTP_PORT", "smtp", "SMTP_PORT must be a number, as 587 or 465"),
        ("SMTP_USER", "apikey", "SMTP_FROM (or SMTP_USER) must be one address"),
        ("SECURITY_EMAIL", "a@example.com\r\nBcc: b@example.com", "SECURITY_EMAIL must be one"),
        ("SECURITY_EMAIL", " , ", "SECURITY_EMAIL must be one or more of the form"),
        ("SECURITY_PHONE", "0470123456", "SECURITY_PHONE must be one or more of the form"),
        ("SLACK_WEBHOOK_URL", "http://hooks.slack.com/s3cret", "SLACK_WEBHOOK_URL must be an"),
        ("SLACK_WEBHOOK_URL", "https://[s3cret", "SLACK_WEBHOOK_URL must be an https:// address"),
        ("TWILIO_API_URL", "ftp://x", "TWILIO_API_URL must be an https:// address"),
        ("PAGERDUTY_EVENTS_URL", "http://events", "PAGERDUTY_EVENTS_URL must be an https://"),
    ],
)
def test_an_impossible_value_is_refused_by_its_name_only(name, value, remedy):
    with pytest.raises(Misconfigured) as caught:
        open_notifiers(policy(ALL), ENV | {name: value})

    assert str(caught.value).startswith(remedy)
    assert "s3cret" not in str(caught.value)


def test_a_stand_in_on_this_machine_may_speak_http():
    env = ENV | {"PAGERDUTY_EVENTS_URL": "http://127.0.0.1:1/v2/enqueue"}

    opened = open_notifiers(policy({Level.LOW: (Channel.PAGERDUTY,)}), env)

    assert opened[Channel.PAGERDUTY].url == "http://127.0.0.1:1/v2/enqueue"


def test_every_channel_has_settings():
    assert list(SETTINGS) == list(Channel)


def test_opening_imports_nothing_that_only_sending_needs():
    code = (
        "import sys, twinguard.notify, twinguard.dispatch;"
        "slow = {'requests', 'smtplib', 'stamina', 'email.message', 'yaml'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    functions = Path(__file__).parents[2] / "functions"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=functions,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
