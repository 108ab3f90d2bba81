# SPDX-License-Identifier: Apache-2.0
"""`LIVE=1`: what the doctor sends arrives, changes nothing, and hides nothing."""

from __future__ import annotations

import datetime as dt

import pytest
from msgspec.structs import replace

from infirmary import HOUR, policy_of_staging, variables, ward
from twinguard import config
from twinguard.act.pubsub import TopicPublisher
from twinguard.cli.doctor_live import Live, plan
from twinguard.cli.heard import Ears
from twinguard.cli.processes import Function, running
from twinguard.decide.budgets import ENVIRONMENT
from twinguard.decide.health import State
from twinguard.policy import Channel
from twinguard.standins.channels import Sinks
from twinguard.standins.deployment import Deployment
from twinguard.standins.server import Fault

POLICY = policy_of_staging()
ENTRY_POINTS = ("on-budget-alert", "dispatch-alert")


@pytest.fixture
def here(tmp_path, monkeypatch):
    now = dt.datetime.now(dt.UTC)
    with Deployment(POLICY, now) as google:
        found = ward(tmp_path, google, now)
        for name, value in variables(found).items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def ears(here, tmp_path):
    """The two functions at work behind their subscriptions, and what people hear of them."""
    with Sinks() as sinks:
        settings = {
            **variables(here),
            **sinks.environment(),
            "TWINGUARD_POLICY": config.render(POLICY),
            "TWINGUARD_ALERTS_TOPIC": here.names.topic("alerts"),
        }
        functions = {
            name: Function(name.replace("-", "_"), settings, tmp_path / f"{name}.log")
            for name in ENTRY_POINTS
        }
        with running(tuple(functions.values()), lambda: None):
            for name, function in functions.items():
                push = {"pushEndpoint": function.url}
                here.google.pubsub.edit(here.names.subscription(name), pushConfig=push)
            yield Ears(sinks)


def live(here, patience=10.0, pause=0.05):
    publisher = TopicPublisher(here.google.environment["PUBSUB_ENDPOINT"])
    at = Live(POLICY, publisher, here.records, here.now, patience=patience, pause=pause)
    return tuple(at.checks())


def told(found):
    return {check.name: check.state for check in found}


def test_everything_arrives_and_nothing_is_changed(here, ears):
    before = here.journal.budget(ENVIRONMENT).value

    found = live(here)

    assert here.google.pubsub.wait_idle(10)
    after = here.journal.budget(ENVIRONMENT).value
    assert told(found) == {
        "a message walks the loop": State.OK,
        **{f"test alert by {channel}": State.OK for channel in Channel},
    }
    assert replace(after, readings=before.readings) == before
    assert here.journal.active_holds() == ()
    assert not here.journal.breaker().value.open
    heard = ears.news()
    assert {one.channel for one in heard} == set(Channel)
    assert any("Test by the doctor" in one.headline for one in heard)
    assert [one.ends for one in heard if one.channel is Channel.PAGERDUTY][-1]


def test_a_message_of_the_doctors_own_does_not_hide_that_google_is_silent(here, ears):
    here.read_budget(here.now - 60 * HOUR)

    found = live(here)

    assert told(found)["a message walks the loop"] is State.OK
    silent = [check for check in here.checks() if check.name == "budget messages"]
    assert [(check.state, check.says) for check in silent] == [
        (State.FAILED, "the last one came 60 hours ago; several a day do")
    ]


def test_a_message_that_nobody_acts_on_and_alerts_that_nobody_hears_are_named(here):
    found = live(here, patience=0.1)

    assert set(told(found).values()) == {State.FAILED}
    assert "was not acted on" in found[0].says
    assert "gcloud functions logs read twinguard-staging-on-budget-alert" in found[0].remedy
    assert found[1].says == "nobody received what was low, medium, high, critical there"


def test_while_the_cap_is_tripped_no_message_is_repeated(here):
    kept = here.journal.budget(ENVIRONMENT)
    here.journal.keep_budget(kept, replace(kept.value, tripped=True))

    found = live(here, patience=0.1)

    assert found[0].state is State.UNKNOWN
    assert "the cap is tripped" in found[0].says
    assert not any("budget-alerts:publish" in each.path for each in here.google.exchanges)


def test_who_may_not_publish_is_told_so(here):
    fault = Fault(code=403, status="PERMISSION_DENIED")
    here.google.fail(fault, times=2, path=":publish")

    found = live(here, patience=0.1)

    assert told(found) == {
        "a message walks the loop": State.UNKNOWN,
        "test alerts": State.UNKNOWN,
    }


def test_the_plan_names_what_is_sent_and_to_whom():
    topic = "projects/living-twin-staging/topics/twinguard-staging-budget-alerts"

    assert plan(POLICY) == (
        f"one budget message to {topic}: Google's last once more, no change",
        "4 test alerts, opened and ended at once, by email, pagerduty, slack, sms",
        "somebody's pager may ring",
    )
