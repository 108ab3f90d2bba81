# SPDX-License-Identifier: Apache-2.0
"""A process whose settings are wrong ends at once, with one line that names what to set."""

from __future__ import annotations

import json

import pytest

from flows.stage import ALERTS, BUDGET, POLICY
from twinguard import config
from twinguard.cli.processes import Function
from twinguard.standins.channels import ACCOUNT, INTEGRATION, PHONE, SENDER, TOKEN

GOOD = {
    "TWINGUARD_POLICY": config.render(POLICY),
    "TWINGUARD_RECORDS": "sqlite://",
    "TWINGUARD_ALERTS_TOPIC": "projects/living-twin-staging/topics/alerts",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_USER": "alerts@example.com",
    "SMTP_PASSWORD": "made-up-for-this-test",
    "SECURITY_EMAIL": "security@example.com",
    "SLACK_WEBHOOK_URL": "https://hooks.example.com/services/T0/B0/madeUpForThisTest",
    "TWILIO_ACCOUNT_SID": ACCOUNT,
    "TWILIO_AUTH_TOKEN": TOKEN,
    "TWILIO_FROM": SENDER,
    "SECURITY_PHONE": PHONE,
    "PAGERDUTY_INTEGRATION_KEY": INTEGRATION,
}
TOKENS = {"TWINGUARD_PUSH_AUTH": "token", "TWINGUARD_PUSH_ACCOUNT": "push@example.com"}


def ended(folder, entry_point, settings):
    """The exit status and the output of a process with these settings; None leaves one out."""
    env = {name: value for name, value in (GOOD | settings).items() if value is not None}
    function = Function(entry_point, env, folder / "log")
    function.start()
    try:
        return function.process.wait(30), function.log.read_text().splitlines()
    finally:
        function.kill()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"TWINGUARD_POLICY": None}, "TWINGUARD_POLICY is missing; set it to"),
        ({"TWINGUARD_POLICY": "{"}, "TWINGUARD_POLICY: "),
        (
            {"TWINGUARD_POLICY": config.render(POLICY).replace('"amount":500', '"amounts":500')},
            "TWINGUARD_POLICY: budget.amounts: unknown key; did you mean amount?",
        ),
        ({"TWINGUARD_RECORDS": None}, "TWINGUARD_RECORDS is missing; set it, for example to"),
        ({"TWINGUARD_RECORDS": "mysql://x"}, "TWINGUARD_RECORDS is 'mysql://x', which names no"),
        ({"TWINGUARD_RECORDS": "sqlite:////dev/null/no.db"}, "or set TWINGUARD_RECORDS to another"),
        ({"TWINGUARD_ALERTS_TOPIC": ""}, "TWINGUARD_ALERTS_TOPIC is missing; set it"),
        ({"TWINGUARD_CLOCK": "fast"}, "TWINGUARD_CLOCK is 'fast'; set it to system, or event"),
        ({"PUBSUB_ENDPOINT": "http://10.0.0.1:1"}, "PUBSUB_ENDPOINT is 'http://10.0.0.1:1'; write"),
        ({"K_SERVICE": "x"}, "TWINGUARD_PUSH_AUTH is ''; set it to iam or token"),
        (
            {"K_SERVICE": "x", "TWINGUARD_PUSH_AUTH": "none"},
            "TWINGUARD_PUSH_AUTH is 'none'; set it to iam or token",
        ),
        (TOKENS, "TWINGUARD_PUSH_AUTH=token needs TWINGUARD_PUSH_AUDIENCE; set them"),
    ],
)
def test_a_wrong_setting_ends_any_function_with_one_line_that_names_it(tmp_path, settings, says):
    status, lines = ended(tmp_path, BUDGET, settings)

    assert (status, len(lines)) == (78, 1)
    line = json.loads(lines[0])
    assert (line["severity"], line["logger"]) == ("CRITICAL", "twinguard")
    assert line["message"].startswith("on_budget_alert cannot start: ")
    assert says in line["message"]


def test_the_alerts_function_names_all_missing_channel_settings_at_once(tmp_path):
    settings = {"SMTP_HOST": None, "SECURITY_EMAIL": "", "TWILIO_FROM": None}

    status, lines = ended(tmp_path, ALERTS, settings)

    assert (status, len(lines)) == (78, 1)
    assert json.loads(lines[0])["message"] == (
        "dispatch_alert cannot start: "
        "email (routes low, medium, high, critical) lacks SMTP_HOST, SECURITY_EMAIL; "
        "sms (routes critical) lacks TWILIO_FROM: "
        "set them, or take the channel out of alerts.routes"
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SMTP_PORT", "mail", "SMTP_PORT must be a number, as 587 or 465"),
        ("SLACK_WEBHOOK_URL", "http://hooks.example.com/services/T0/B0/x", "SLACK_WEBHOOK_URL"),
        ("SECURITY_PHONE", "0470123456", "SECURITY_PHONE must be one or more"),
    ],
)
def test_the_alerts_function_refuses_a_malformed_channel_setting(tmp_path, name, value, says):
    status, lines = ended(tmp_path, ALERTS, {name: value})

    assert (status, len(lines)) == (78, 1)
    assert says in json.loads(lines[0])["message"]
    assert value not in lines[0]


def test_an_entry_point_that_does_not_exist_is_refused_by_name(tmp_path):
    status, lines = ended(tmp_path, "on_nothing", {})

    assert (status, len(lines)) == (78, 1)
    assert json.loads(lines[0])["message"] == (
        "on_nothing cannot start: there is no entry point 'on_nothing'; "
        "there are dispatch_alert, on_budget_alert, on_schedule, on_secret_event, on_usage"
    )
