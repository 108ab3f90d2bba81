# SPDX-License-Identifier: Apache-2.0
"""Each function's account may do what its entry point can reach, and nothing else."""

from __future__ import annotations

import pytest

import reach
from permissions import (
    ACCESSOR,
    BY_PREDEFINED_ROLE,
    COSTS,
    NEEDS,
    OF_PORTS,
    OF_VALUES,
    PUBLISHER,
    RECORDS,
    SWITCHED,
    of_keys,
)
from planning import ENVIRONMENTS, Plan
from twinguard import config, wiring
from twinguard.policy import Environment

pytestmark = pytest.mark.timeout(600)

CONNECTS = "roles/memorystore.dbConnectionUser"
"""To connect to the counters and nothing more, where there is a store of their own."""

VIEWER = "roles/bigquery.dataViewer"
HOLDS = {
    "google_cloud_run_v2_service_iam_member": {"run.services.get", "run.services.update"},
    "google_pubsub_subscription_iam_member": {
        "pubsub.subscriptions.get",
        "pubsub.subscriptions.update",
    },
}
"""Granted on the policy's resources one by one: where it names none, nobody has them."""


def account_of(plan: Plan, function: str) -> str:
    at = f'module.functions.google_cloudfunctions2_function.function["{function}"]'
    return plan.one(at)["service_config"][0]["service_account_email"]


def granted_to(plan: Plan, function: str) -> set[str]:
    """The predefined roles of a function's account, and the permissions of its custom ones."""
    member = f"serviceAccount:{account_of(plan, function)}"
    held = {str(after["role"]) for after in plan.made.values() if after.get("member") == member}
    custom = {
        f"projects/{after['project']}/roles/{after['role_id']}": set(after["permissions"])
        for after in plan.of("google_project_iam_custom_role").values()
    }
    return set().union(*(custom.get(role, {role}) for role in held))


def needed_by(plan: Plan, function: str, keys: set[str]) -> set[str]:
    """What the ports that a function's entry point can reach need, and its own settings."""
    variables = plan.environment_of(function)
    ports = {
        port
        for port in reach.ports_of(function.replace("-", "_")) & (OF_PORTS.keys() | {"keys"})
        if SWITCHED.get(port, "TWINGUARD_POLICY") in variables
    }
    needed = set().union(*({**OF_PORTS, "keys": keys}[port] for port in ports))
    if function == "on-usage" and plan.of("google_memorystore_instance"):
        needed |= {CONNECTS}
    return needed | ({ACCESSOR} if plan.secrets_of(function) else set())


def without_holders(plan: Plan, function: str) -> set[str]:
    """What a function need not be granted, because the policy gives it nothing to hold."""
    return set().union(
        *(
            permissions
            for kind, permissions in HOLDS.items()
            if not any(f'.holder["{function} ' in f".{at}" for at in plan.of(kind))
        )
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("function", [name.replace("_", "-") for name in sorted(reach.HANDLERS)])
def test_an_account_may_do_what_its_entry_point_can_reach_and_nothing_else(
    workspace, environment, function
):
    plan = workspace.plan(environment)
    needed = needed_by(plan, function, of_keys("secret_manager") - OF_VALUES)

    granted = granted_to(plan, function)

    assert granted == needed - without_holders(plan, function)


def test_whoever_may_also_read_costs_unlink_and_make_keys_may_do_just_that(workspace):
    plan = workspace.plan(
        "production",
        ("  create: true\n", "  create: true\n  connected: true\n"),
        ("  requests_per_minute: 1000", "  requests_per_minute: 1000\n  project: proj_abc"),
    )
    assert plan.refusal == ""

    needed = needed_by(plan, "on-schedule", of_keys("secret_manager"))

    granted = granted_to(plan, "on-schedule")

    assert granted == (needed | {VIEWER}) - without_holders(plan, "on-schedule")
    assert COSTS in needed
    assert ACCESSOR in granted_to(plan, "on-secret-event")
    assert ACCESSOR not in granted_to(plan, "on-budget-alert")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_application_finds_customers_keys_and_reports_their_use(workspace, environment):
    plan = workspace.plan(environment)
    name = config.load(config.path_of(Environment(environment))).application.account
    granted = [
        after
        for after in plan.made.values()
        if str(after.get("member")).startswith(f"serviceAccount:{name}@")
    ]

    places = {
        after["condition"][0]["expression"].rpartition("/")[2].strip('"')
        for after in granted
        if after["role"] == RECORDS and after.get("condition")
    }
    topics = {after["topic"] for after in granted if after["role"] == PUBLISHER}

    assert places == {f"twinguard-{environment}"}
    assert f"twinguard-{environment}-usage-events" in topics


def test_the_walk_knows_every_entry_point_and_tells_them_apart():
    reached = {name: reach.ports_of(name) & (OF_PORTS.keys() | {"keys"}) for name in reach.HANDLERS}

    assert reach.HANDLERS.keys() == wiring._ENTRY_POINTS.keys()
    assert reached == {
        "on_budget_alert": {"records", "publisher", "scalers", "billing"},
        "on_schedule": {"records", "publisher", "scalers", "billing", "costs", "keys"},
        "on_secret_event": {"records", "publisher", "keys"},
        "on_usage": {"records", "publisher"},
        "dispatch_alert": {"records", "publisher"},
    }


def test_every_call_of_an_adapter_belongs_to_a_port():
    called = set().union(*NEEDS.values())

    assert called - BY_PREDEFINED_ROLE == OF_PORTS["scalers"] | OF_PORTS["billing"]
