# SPDX-License-Identifier: Apache-2.0
"""What the doctor takes for needed is what Terraform grants, in every environment."""

from __future__ import annotations

import pytest

from planning import ENVIRONMENTS, NUMBER, SERVED, Plan
from twinguard import config
from twinguard.decide import grants
from twinguard.decide.deployment import ENTRY_POINTS, NARROWED, Names
from twinguard.decide.health_delivery import REQUIRED
from twinguard.decide.health_deployed import channel_secrets
from twinguard.notify import SETTINGS
from twinguard.policy import Environment, Policy

pytestmark = pytest.mark.timeout(600)

PLACES = {
    "google_project_iam_member": lambda names, it: names.project,
    "google_pubsub_topic_iam_member": lambda names, it: f"{names.project}/topics/{it['topic']}",
    "google_pubsub_subscription_iam_member": lambda names, it: (
        f"{names.project}/subscriptions/{it['subscription']}"
    ),
    "google_secret_manager_secret_iam_member": lambda names, it: (
        f"{names.project}/secrets/{it['secret_id']}"
    ),
    "google_cloud_run_v2_service_iam_member": lambda names, it: (
        f"{names.project}/locations/{it['location']}/services/{it['name']}"
    ),
}
"""Where each kind of grant is made."""

DELIVERY = "module.delivery"
"""Pipelines are no control of the environment's; the doctor leaves them alone."""


def names_of(policy: Policy) -> Names:
    return Names(policy, NUMBER)


def planned(plan: Plan, names: Names) -> set[tuple[str, str, str]]:
    """Every grant of a plan on what the doctor reads."""
    return {
        (
            place(names, after),
            after["role"] + (NARROWED if after.get("condition") else ""),
            after["member"],
        )
        for kind, place in PLACES.items()
        for at, after in plan.of(kind).items()
        if DELIVERY not in at
    }


def told(policy: Policy) -> set[tuple[str, str, str]]:
    found = grants.expected(names_of(policy), channel_secrets(policy))
    return {(one.resource, one.role, one.member) for one in found if not one.may}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_doctor_expects_exactly_what_terraform_grants(workspace, environment):
    policy = config.load(config.path_of(Environment(environment)))

    assert told(policy) == planned(workspace.plan(environment), names_of(policy))


CONNECTED = (
    ("  requests_per_minute: 1000", "  requests_per_minute: 1000\n  project: proj_abc"),
    ("  create: true\n", "  create: true\n  connected: true\n"),
)


@pytest.mark.parametrize(
    ("environment", "edits"),
    [("production", CONNECTED), ("staging", SERVED)],
    ids=["keys made and costs read", "a gateway deployed"],
)
def test_it_follows_the_policy(workspace, tmp_path, environment, edits):
    path = config.path_of(Environment(environment))
    text = path.read_text()
    for old, new in edits:
        text = text.replace(old, new)
    edited = tmp_path / environment / "policy.yaml"
    edited.parent.mkdir()
    edited.write_text(text)
    policy = config.load(edited)
    plan = workspace.plan(environment, *edits)
    assert plan.refusal == ""

    assert told(policy) == planned(plan, names_of(policy))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_roles_of_our_own_are_those_of_terraform(workspace, environment):
    policy = config.load(config.path_of(Environment(environment)))
    plan = workspace.plan(environment)
    prefix = names_of(policy).role("").rpartition("/")[2]

    made = {
        after["role_id"].removeprefix(prefix): frozenset(after["permissions"])
        for at, after in plan.of("google_project_iam_custom_role").items()
        if at.startswith("module.functions.")
    }

    assert made == {short: grants.ROLES[short] for short in grants.roles(policy)}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_functions_subscriptions_jobs_and_topics_have_the_names_it_looks_for(
    workspace, environment
):
    policy = config.load(config.path_of(Environment(environment)))
    plan, names = workspace.plan(environment), names_of(policy)

    subscriptions = {
        f"{names.project}/subscriptions/{after['name']}"
        for after in plan.of("google_pubsub_subscription").values()
    }
    functions = {after["name"] for after in plan.of("google_cloudfunctions2_function").values()}

    assert functions == {f"{names.prefix}-{function}" for function in ENTRY_POINTS}
    assert subscriptions == {
        names.subscription(f"{function}{end}")
        for function in (*ENTRY_POINTS, *(("llm-usage",) if policy.gateway else ()))
        for end in ("", "-dead-letters")
    }


def test_what_a_channel_needs_is_what_its_notifier_needs():
    assert {channel: set(needs) for channel, needs in REQUIRED.items()} == {
        channel: set(settings.required) for channel, settings in SETTINGS.items()
    }
