# SPDX-License-Identifier: Apache-2.0
"""What is down for a while loses nothing, and what failed is never reported as done."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from flows.gate import Gate
from flows.stage import ALERTS, BEFORE, BUDGET, CAP, HELD, LAST, POLICY, STOPPED, fresh, staged
from twinguard import config
from twinguard.decide.model import Alert, AlertState
from twinguard.policy import Alerts, Channel, Level
from twinguard.standins.channels import Fault as Refusal
from twinguard.standins.server import Fault
from twinguard.state import open_records

USED_UP = "[staging] CRITICAL: living-twin-staging-budget is used up: 512.50 of 500 USD (102 %)"
ATTEMPTS = 3  # of one delivery to a channel
CAPPED = {"living-twin-api": BEFORE, **dict.fromkeys(HELD, STOPPED)}
UNTOUCHED = dict.fromkeys(CAPPED, BEFORE)
NEWS = Alert(
    "staging/x/news", "staging", "x", Level.HIGH, 1, AlertState.OPENED, "news",
    at=dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC),
)  # fmt: skip


@pytest.fixture
def people(tmp_path, project, pubsub_emulator):
    """Alerts that go to e-mail and Slack."""
    routes = Alerts(routes={Level.HIGH: (Channel.EMAIL, Channel.SLACK)})
    policy = config.render(msgspec.structs.replace(POLICY, alerts=routes))
    with staged(
        tmp_path, project, ALERTS, emulator=pubsub_emulator, TWINGUARD_POLICY=policy
    ) as stage:
        yield stage


@pytest.fixture
def stage(tmp_path, project, pubsub_emulator):
    with staged(tmp_path, project, BUDGET, ALERTS, emulator=pubsub_emulator) as stage:
        yield stage


def test_slack_hears_once_after_its_outage_which_is_reported_by_email(people):
    people.sinks.slack.fail(Refusal(status=500), times=2 * ATTEMPTS)

    people.tell_alert(NEWS)
    people.wait_for(ALERTS, "retry", "retry", "done")

    heard = people.heard()
    assert heard["slack"] == ["[staging] HIGH: news"]
    assert heard["email"] == [
        "[staging] HIGH: news",
        "[staging] HIGH: Alerts cannot be delivered by slack",
        "[staging] ENDED (high): Alerts are delivered by slack again",
    ]


def test_people_get_their_mail_once_the_mail_server_is_back(people):
    people.mail.shut()
    people.tell_alert(NEWS)
    people.wait_for(ALERTS, "retry")
    people.mail.open()
    people.wait_done(ALERTS, 1)

    heard = people.heard()
    assert heard["email"] == ["[staging] HIGH: news"]
    assert heard["slack"] == [
        "[staging] HIGH: news",
        "[staging] HIGH: Alerts cannot be delivered by email",
        "[staging] ENDED (high): Alerts are delivered by email again",
    ]


def test_the_cap_holds_while_the_alerts_function_is_dead_and_people_hear_after_it(stage):
    killed = stage.functions[ALERTS].kill()
    stage.tell_budget(512.5)
    stage.wait_done(BUDGET, 1)

    assert killed == -9
    assert stage.services() == CAPPED
    assert stage.heard() == {"email": [], "slack": [], "sms": [], "pagerduty": []}

    stage.restart(ALERTS)
    stage.wait_done(ALERTS, 1)

    assert stage.outcomes(ALERTS) == ["done"]
    assert stage.heard()["email"] == [USED_UP]
    assert stage.heard()["slack"] == [USED_UP]
    assert stage.heard()["pagerduty"] == [("trigger", CAP)]


def test_nothing_happens_while_the_store_is_down_and_everything_after_it(
    tmp_path, project, pubsub_emulator, firestore_server
):
    with Gate(firestore_server.port) as store, staged(
        tmp_path, project, BUDGET, ALERTS, emulator=pubsub_emulator,
        FIRESTORE_EMULATOR_HOST=store.address,
        TWINGUARD_RECORDS=f"firestore://{project}/(default)",
    ) as stage:  # fmt: skip
        store.shut()
        stage.tell_budget(512.5)
        stage.wait_for(BUDGET, "retry")

        assert stage.services() == UNTOUCHED
        assert all(stage.endpoints().values())

        store.open()
        stage.wait_done(ALERTS, 1)

        assert stage.services() == CAPPED
        assert set(stage.endpoints().values()) == {""}
        assert len(stage.breaker()) == 1
        assert stage.heard()["email"] == [USED_UP]
        assert stage.heard()["pagerduty"] == [("trigger", CAP)]


def test_what_can_be_stopped_is_stopped_while_cloud_run_is_down_and_the_rest_after_it(stage):
    stage.cloud_run.shut()
    stage.tell_budget(512.5)
    stage.wait_for(BUDGET, "retry")
    stage.wait_done(ALERTS, 2)

    assert stage.services() == UNTOUCHED
    assert set(stage.endpoints().values()) == {""}
    assert len(stage.breaker()) == 1

    stage.cloud_run.open()
    stage.wait_done(BUDGET, 1)
    stage.wait_done(ALERTS, 3)

    failing = f"staging/enforcement/environment/{LAST:%Y-%m-%dT%HZ}.1"
    assert stage.services() == CAPPED
    assert stage.heard()["email"].count(USED_UP) == 1
    assert sorted(stage.heard()["pagerduty"]) == [
        ("resolve", failing),
        ("trigger", CAP),
        ("trigger", failing),
    ]


@pytest.mark.parametrize("way", ["refused", "failed operation", "no answer"])
def test_a_failed_scale_down_is_answered_with_retry_and_never_called_done(tmp_path, project, way):
    with staged(tmp_path, project, BUDGET) as stage:
        stage.subscribe("alerts-witness", "alerts")
        if way == "refused":
            stage.google.fail(Fault(code=500), times=100, method="PATCH")
        elif way == "failed operation":
            stage.google.cloud_run.failing += [13] * 100
        else:
            stage.google.fail(Fault(hang_up=True), times=100, method="PATCH")

        response = stage.push(BUDGET, fresh(512.5))

        holds = {one["resource"]["name"]: len(one["expected"]) for one in stage.records("holds")}
        assert (response.status_code, response.json()["outcome"]) == (503, "retry")
        assert stage.outcomes(BUDGET) == ["retry"]
        assert stage.services() == UNTOUCHED
        assert audited(stage) == {short: {"failed"} for short in HELD}
        assert {holds[stage.service_name(short)] > 1 for short in HELD} == {True}  # unconfirmed
        assert said_of_services(stage) == [f"FAILED: service {short}" for short in HELD] * 2


def audited(stage):
    """How the effects on each service ended, by the audit trail."""
    entries = open_records(stage.settings["TWINGUARD_RECORDS"]).find("audit")
    ended = {e.value["begun"]: e.value["outcome"] for e in entries if e.value["phase"] == "ended"}
    found = {}
    for entry in entries:
        short = entry.value.get("resource", "").rpartition("/services/")[2]
        if entry.value["phase"] == "begun" and short in HELD:
            found.setdefault(short, set()).add(ended[entry.id])
    return found


def said_of_services(stage):
    """What people are told of services, by the two alerts: of the cap, and of its failing."""
    backlog = stage.google.pubsub.backlog(stage.name("subscriptions", "alerts-witness"))
    alerts = [msgspec.json.decode(one.data, type=Alert) for one in backlog]
    assert [alert.kind for alert in alerts] == ["cap", "enforcement"]
    lines = [line for alert in alerts for line in sorted(alert.lines)]
    return [
        line[: line.index(short) + len(short)]
        for line in lines
        for short in HELD
        if f"service {short}:" in line
    ]
