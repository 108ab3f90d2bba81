# SPDX-License-Identifier: Apache-2.0
"""What the doctor reads of Google: in Google's words, all pages, and gaps by name."""

from __future__ import annotations

import datetime as dt

import pytest

from contract.discovery import problems
from infirmary import policy_of_staging, variables, ward
from twinguard.decide.health import Exit, State, exit_code
from twinguard.errors import Unavailable
from twinguard.inventory.deployment import Deployed
from twinguard.inventory.listing import SwitchedOff
from twinguard.standins.deployment import Deployment
from twinguard.standins.server import Fault

POLICY = policy_of_staging()


@pytest.fixture
def here(tmp_path, monkeypatch):
    now = dt.datetime.now(dt.UTC)
    with Deployment(POLICY, now) as google:
        found = ward(tmp_path, google, now)
        for name, value in variables(found).items():
            monkeypatch.setenv(name, value)
        yield found


def test_every_request_and_every_answer_is_as_googles_documents_have_it(here):
    here.checks()

    assert here.google.exchanges
    assert [found for each in here.google.exchanges for found in problems(each)] == []


def test_the_doctor_only_reads(here):
    here.checks()

    asked = {(each.method, each.path.rpartition(":")[2]) for each in here.google.exchanges}
    assert {method for method, _ in asked} == {"GET", "POST"}
    assert {verb for method, verb in asked if method == "POST"} == {"getIamPolicy"}


@pytest.mark.parametrize(
    ("path", "needed", "names"),
    [
        ("/functions", "roles/cloudfunctions.viewer", {"function on-usage", "settings of email"}),
        ("/jobs", "roles/cloudscheduler.viewer", {"job night"}),
        ("/subscriptions", "roles/pubsub.viewer", {"subscription of on-usage", "night plan"}),
        ("/topics", "roles/pubsub.viewer", {
            "publishers of budget messages",
            "roles beyond that",
        }),
        ("/secrets", "roles/secretmanager.viewer", {"secret openai-api-key", "roles beyond that"}),
        ("/budgets", "roles/billing.viewer", {"Google's budget"}),
        ("/roles", "roles/iam.roleViewer", {"roles of our own"}),
        ("projects/living-twin-staging:getIamPolicy", "roles/iam.securityReviewer", {
            "roles that are needed",
            "roles beyond that",
            "audit log of secrets",
        }),
        ("topics/twinguard-staging-alerts:getIamPolicy", "roles/iam.securityReviewer", {
            "roles that are needed",
            "roles beyond that",
        }),
        ("topics/twinguard-staging-budget-alerts:getIamPolicy", "roles/iam.securityReviewer", {
            "publishers of budget messages",
        }),
        ("/keys", "roles/serviceusage.apiKeysViewer", {"Google API keys"}),
        ("/timeSeries", "roles/monitoring.viewer", {"backlog of on-usage"}),
        ("/billingInfo", "", {"billing account"}),
    ],
)  # fmt: skip
def test_what_may_not_be_read_is_unknown_and_says_which_role_it_takes(here, path, needed, names):
    here.google.fail(Fault(code=403, status="PERMISSION_DENIED"), path=path)

    wrong = here.wrong()

    assert {check.state for check in wrong} == {State.UNKNOWN}
    assert names <= {check.name for check in wrong}
    assert all(needed in check.says for check in wrong)
    assert exit_code(here.checks()) is Exit.HEALTHY


def test_what_is_switched_off_cannot_work(here):
    fault = Fault(code=403, status="PERMISSION_DENIED", reason="SERVICE_DISABLED")
    here.google.fail(fault, path="/jobs")

    wrong = here.wrong()

    assert {check.name for check in wrong} == {
        f"job {task}"
        for task in (
            *("expire", "flush", "rotate", "night", "morning", "costs", "report", "reconcile"),
        )
    }
    assert {check.state for check in wrong} == {State.FAILED}
    assert {check.remedy for check in wrong} == {"make apply ENV=staging"}
    assert "the API is switched off in living-twin-staging" in wrong[0].says


def test_a_list_of_several_pages_is_read_to_its_end(here):
    for number in range(700):
        here.google.pubsub.add_topic(f"{here.names.project}/topics/more-{number}")
    with Deployed(POLICY.project.id, here.google.environment) as reader:
        found = reader.topics()

    assert sum("/more-" in name for name in found) == 700


def test_a_region_that_does_not_answer_is_no_empty_one(here):
    here.google.plane.unreachable.append("europe-west1")
    with (
        Deployed(POLICY.project.id, here.google.environment) as reader,
        pytest.raises(Unavailable, match="a region does not answer"),
    ):
        reader.functions("europe-west1")


def test_an_api_that_is_off_is_told_apart(here):
    fault = Fault(code=403, status="PERMISSION_DENIED", reason="SERVICE_DISABLED")
    here.google.fail(fault, path="/functions")
    with Deployed(POLICY.project.id, here.google.environment) as reader, pytest.raises(SwitchedOff):
        reader.functions("europe-west1")
