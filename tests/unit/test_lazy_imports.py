# SPDX-License-Identifier: Apache-2.0
"""What an entry point must not load before it answers: each of these costs the cold start 10 to
300 ms. The cold start itself is measured by `make bench`."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from twinguard import config
from twinguard.parse import Event
from twinguard.policy import Environment
from world import message

SOURCE = Path(__file__).parents[2] / "functions" / "main.py"
FORBIDDEN = {
    *("google.api_core", "google.auth", "google.protobuf", "google.pubsub_v1"),
    *("google.cloud.billing_v1", "google.cloud.firestore", "google.cloud.run_v2"),
    *("cryptography", "email.mime", "grpc", "pydantic", "redis", "requests", "rich", "smtplib"),
    *("stamina", "tenacity", "typer", "yaml"),
    *("twinguard.cli", "twinguard.refusal", "twinguard.standins"),
}
ONLY_FOR_KEYS = {"twinguard.key_flow", "twinguard.act.openai_admin", "twinguard.decide.rotation"}
ONLY_FOR_ALERTS = {"twinguard.dispatch", "twinguard.notify"}
SERVE = """
import json, sys
import functions_framework
target, source, body = sys.argv[1:]
app = functions_framework.create_app(target, source, "http")
status = app.test_client().post("/", data=body, content_type="application/json").status_code
sys.__stdout__.write("\\n" + json.dumps([status, sorted(sys.modules)]))
"""
SETTINGS = {
    "TWINGUARD_ALERTS_TOPIC": "projects/living-twin-staging/topics/alerts",
    "TWINGUARD_CLOCK": "event",
    "TWINGUARD_RECORDS": "sqlite://",
    **dict.fromkeys(("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD"), "unused"),
    "SMTP_FROM": "alerts@example.com",
    "SECURITY_EMAIL": "security@example.com",
    "SLACK_WEBHOOK_URL": "https://example.com/unused",
    **dict.fromkeys(("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"), "unused"),
    "SECURITY_PHONE": "+32470123456",
    "PAGERDUTY_INTEGRATION_KEY": "unused",
}
BUDGET = message(10)


SECRET = {"eventType": "SECRET_ROTATE", "secretId": "projects/1/secrets/production-other"}
OF_SOMEBODY_ELSE = Event("1", BUDGET.published_at, b"{}", SECRET)


def task(name: str) -> Event:
    return Event("1", BUDGET.published_at, b"", {"task": name})


def push(event: Event) -> str:
    fields = {
        "messageId": event.message_id,
        "publishTime": event.published_at.isoformat(),
        "data": base64.b64encode(event.data).decode(),
        "attributes": event.attributes,
    }
    return json.dumps({"message": fields})


def served(entry_point: str, event: Event) -> tuple[int, set[str]]:
    """The status of a clean process's first answer, and the modules it has loaded by then."""
    policy = config.render(config.load(config.path_of(Environment.STAGING)))
    done = subprocess.run(
        [sys.executable, "-c", SERVE, entry_point, str(SOURCE), push(event)],
        env={**SETTINGS, "TWINGUARD_POLICY": policy, "PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    status, modules = json.loads(done.stdout.splitlines()[-1])
    return status, set(modules)


@pytest.mark.parametrize(
    ("entry_point", "event", "forbidden"),
    [
        ("on_budget_alert", BUDGET, FORBIDDEN | ONLY_FOR_ALERTS | ONLY_FOR_KEYS),
        ("on_schedule", task("expire"), FORBIDDEN | ONLY_FOR_ALERTS | ONLY_FOR_KEYS),
        ("on_secret_event", OF_SOMEBODY_ELSE, FORBIDDEN | ONLY_FOR_ALERTS),
        ("dispatch_alert", task("flush"), FORBIDDEN),
    ],
)
def test_an_entry_point_answers_without_loading_what_it_does_not_need(
    entry_point, event, forbidden
):
    status, modules = served(entry_point, event)

    assert (status, modules & forbidden) == (200, set())
