# SPDX-License-Identifier: Apache-2.0
"""What Terraform would make of the policies: as agreed, and as Python reads them."""

from __future__ import annotations

import ast

import pytest

import planning
from planning import ENVIRONMENTS, REGENERATE
from twinguard import config, plain, wiring
from twinguard.cli import deployed
from twinguard.policy import Environment

pytestmark = pytest.mark.timeout(600)

FUNCTIONS = ("on-budget-alert", "on-schedule", "on-secret-event", "on-usage", "dispatch-alert")
VARIABLES = {
    f'module.functions.google_cloudfunctions2_function.function["{name}"]' for name in FUNCTIONS
}
BUDGET = "module.budgets.google_billing_budget.budget"
VALUES = {
    "PAGERDUTY_INTEGRATION_KEY": "made-up",
    "SECURITY_PHONE": "+32470123456",
    "SLACK_WEBHOOK_URL": "https://example.com/made-up",
    "SMTP_HOST": "smtp.example.com",
    "SMTP_PASSWORD": "made-up",
    "SMTP_USER": "alerts@example.com",
    "TWILIO_ACCOUNT_SID": "made-up",
    "TWILIO_AUTH_TOKEN": "made-up",
    "TWILIO_FROM": "+32470123456",
}
MINIMAL = """\
environment: staging
project: {id: living-twin-staging}
billing_account: "012345-567890-ABCDEF"
region: europe-west1
budget: {name: watched}
services: {living-twin-api: {critical: false}}
schedule:
  time_zone: Europe/Brussels
  night: {at: "02:00"}
  morning: {at: "06:30"}
alerts: {contacts: [security@example.com]}
"""
WORKER = "worker@living-twin-staging.iam.gserviceaccount.com"
NAMES = (
    "account_id",
    "bucket_id",
    "dataset_id",
    "display_name",
    "instance_id",
    "name",
    "repository_id",
    "role_id",
    "secret_id",
    "workload_identity_pool_id",
)
NAMED_WITHIN = {"google_iam_workload_identity_pool_provider", "google_storage_bucket_object"}
"""Their names need to differ only within a pool or a bucket, whose own names differ."""
AWKWARD = (
    ("amount: 500", "amount: 512.75"),
    ("{percent: 75, level: medium}", "{percent: 33.3, level: medium}"),
    ("  time_zone: Europe/Brussels", "  skip: [2026-12-25, 2027-01-01]\n  time_zone: Europe/Rome"),
    ("contacts: [security@example.com]", "contacts: [a@example.com]\n  versions: {SMTP_PORT: 2}"),
    (
        "  living-twin-worker: {critical: false}",
        f"  living-twin-worker: {{critical: false, region: europe-west4, account: {WORKER}}}",
    ),
    ("  owner: platform", '  owner: ""'),
)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_plan_is_what_was_agreed(workspace, environment):
    plan = workspace.plan(environment)

    assert plan.refusal == ""
    assert planning.summary(plan) == planning.agreed(environment), f"if meant: {REGENERATE}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_terraform_and_python_read_the_same_policy(workspace, environment):
    policy = config.load(config.path_of(Environment(environment)))

    given = workspace.plan(environment).environment_of("on-budget-alert")["TWINGUARD_POLICY"]

    assert plain.from_json(given, "plan") == plain.from_json(config.render(policy), "render")
    assert config.parse(given, "TWINGUARD_POLICY") == policy


def test_terraform_and_python_fill_in_the_same_defaults(workspace, tmp_path):
    plan = workspace.plan("staging", policy=MINIMAL)
    (tmp_path / "policy.yaml").write_text(MINIMAL)
    policy = config.load(tmp_path / "policy.yaml")

    assert plan.refusal == ""
    given = plan.environment_of("dispatch-alert")["TWINGUARD_POLICY"]
    assert plain.from_json(given, "plan") == plain.from_json(config.render(policy), "render")


def test_terraform_and_python_read_awkward_values_alike(workspace, tmp_path):
    plan = workspace.plan("staging", *AWKWARD)
    text = config.path_of(Environment.STAGING).read_text()
    for old, new in AWKWARD:
        text = text.replace(old, new)
    (tmp_path / "policy.yaml").write_text(text)
    policy = config.load(tmp_path / "policy.yaml")

    assert plan.refusal == ""
    given = plan.environment_of("on-schedule")["TWINGUARD_POLICY"]
    assert plain.from_json(given, "plan") == plain.from_json(config.render(policy), "render")
    amount = plan.one(BUDGET)["amount"][0]["specified_amount"][0]
    assert (amount["units"], amount["nanos"]) == ("512", 750_000_000)


LATER = {"TWINGUARD_COUNTERS": "rediss://10.80.0.3:6379?cluster=true&iam=true"}
"""Known after apply, where there is a Redis."""


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_starts_with_the_settings_that_terraform_gives_it(
    workspace, environment, function
):
    plan = workspace.plan(environment)
    secrets = {name: VALUES[name] for name in plan.secrets_of(function)}
    env = {**LATER, **plan.environment_of(function), **secrets, "K_SERVICE": function}

    assert callable(wiring.start(env, function.replace("-", "_")))


def test_every_entry_point_is_deployed(workspace):
    tree = ast.parse((planning.ROOT / "functions" / "main.py").read_text())
    entry_points = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    functions = workspace.plan("ci").of("google_cloudfunctions2_function").values()

    assert {item["build_config"][0]["entry_point"] for item in functions} == entry_points


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("amount: 500", "amount: 500\n  amuont: 600"),
            (
                "environments/staging/policy.yaml: unknown key budget.amuont; "
                "correct the spelling or remove it"
            ),
        ),
        (("region: europe-west1\n", ""), 'attribute "region" is required'),
    ],
)
def test_a_wrong_key_is_refused_by_its_name(workspace, edit, message):
    refusal = " ".join(workspace.plan("staging", edit).refusal.replace("│", " ").split())

    assert message in refusal


SHARED = {
    "staging": ("  id: living-twin-staging\n", "  id: living-twin-staging\n  shared: true\n"),
    "development": ("  id: living-twin-dev\n", "  id: living-twin-staging\n  shared: true\n"),
}
PART = (
    "  currency: USD\n",
    "  currency: USD\n  services: {run: {service: services/152E-C115-5142, amount: 10}}\n",
)


@pytest.mark.parametrize("environment", SHARED)
def test_only_a_shared_project_filters_its_budgets_by_label(workspace, environment):
    own = workspace.plan(environment, PART)
    shared = workspace.plan(environment, PART, SHARED[environment])

    filters = [
        [budget["budget_filter"][0].get("labels") for budget in budgets.values()]
        for budgets in (plan.of("google_billing_budget") for plan in (own, shared))
    ]

    assert (own.refusal, shared.refusal) == ("", "")
    assert filters == [[None, None], [{"environment": environment}] * 2]
    assert {at for at, after in own.made.items() if after != shared.made.get(at)} >= VARIABLES
    assert len(own.made) == len(shared.made)


def test_two_environments_of_one_project_share_no_name(workspace):
    plans = [workspace.plan(environment, edit) for environment, edit in SHARED.items()]
    assert [plan.refusal for plan in plans] == ["", ""]

    named = [
        {
            (planning.kind_of(at), after[key])
            for at, after in plan.made.items()
            for key in NAMES
            if after.get(key)
            and not planning.kind_of(at).endswith("_iam_member")
            and planning.kind_of(at) not in NAMED_WITHIN
        }
        for plan in plans
    ]

    assert {kind for kind, _ in named[0]} >= {
        "google_iam_workload_identity_pool",
        "google_project_iam_custom_role",
    }
    assert named[0] & named[1] == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_commands_look_where_terraform_puts_things(workspace, environment):
    policy = config.load(config.path_of(Environment(environment)))
    given = workspace.plan(environment).environment_of("on-schedule")

    found = deployed.settings(policy, {})

    assert found == {name: given[name] for name in found}
    assert {"TWINGUARD_RECORDS", "TWINGUARD_ALERTS_TOPIC"} <= found.keys()
    topics = workspace.plan(environment).of("google_pubsub_topic").values()
    name = deployed.usage_topic(policy).rsplit("/", 1)[-1]
    assert name in {topic["name"] for topic in topics}
