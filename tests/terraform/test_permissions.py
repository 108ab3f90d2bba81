# SPDX-License-Identifier: Apache-2.0
"""The functions may do exactly what the adapters call, and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from permissions import BY_PREDEFINED_ROLE, NEEDS, OF_KEYS, OF_VALUES, of_keys
from planning import ROOT
from twinguard.act import backlog

pytestmark = pytest.mark.timeout(600)

ACT = ROOT / "functions" / "twinguard" / "act"

ON_BEHALF = {"iam.serviceAccounts.actAs"}
"""No call of its own: restoring a push, and changing a service, act as their account."""


def client_calls(path: Path) -> set[tuple[str, str]]:
    """Every method of a vendor's client that an adapter calls."""
    return {
        (path.stem, node.func.attr)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "self._client"
    }


def plain_requests(path: Path) -> set[tuple[str, str]]:
    """Every request that an adapter makes without a client."""
    return {
        (path.stem, f"{node.func.attr.upper()} {ast.unparse(node.args[0])}")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "http"
    }


def rest_calls(path: Path) -> set[tuple[str, str]]:
    """Every verb of a plain REST API that an adapter calls."""
    return {
        (path.stem, node.args[0].value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func) == "self._rest.call"
        and isinstance(node.args[0], ast.Constant)
    }


def roles(plan) -> dict[str, set[str]]:
    """What the custom roles of the functions hold."""
    return {
        at.partition("[")[2].strip('"]'): set(after["permissions"])
        for at, after in plan.of("google_project_iam_custom_role").items()
        if at.startswith("module.functions.")
    }


def test_every_call_of_an_adapter_is_known():
    called = set().union(*(client_calls(path) for path in ACT.glob("*.py")))

    assert called == {call for call in NEEDS if " " not in call[1]}


def test_every_call_that_rotates_a_key_is_known():
    called = set().union(*(rest_calls(path) for path in ACT.glob("*.py")))

    assert called == set(OF_KEYS)


def test_what_a_person_makes_is_moved_and_never_read(workspace):
    keeper = of_keys("secret_manager") - OF_VALUES

    assert roles(workspace.plan("staging"))["secret_keeper"] == keeper


def test_who_rotates_may_do_just_what_that_takes(workspace):
    plan = workspace.plan(
        "staging",
        (
            "  requests_per_minute: 100",
            "  requests_per_minute: 100\n  project: proj_abc",
        ),
        (
            "budget:\n",
            "api_keys: {maps-key: {apis: [maps.googleapis.com], addresses: [10.0.0.1]}}\nbudget:\n",
        ),
        (
            "  openai-api-key:",
            "  maps-key: {readers: [application]}\n  openai-api-key:",
        ),
    )

    assert plan.refusal == ""
    granted = roles(plan)
    assert granted["secret_rotator"] == of_keys("secret_manager")
    assert granted["api_key_rotator"] == of_keys("api_keys")
    assert plan.of("google_apikeys_key") == {}  # a key that is rotated has no value in the state


def test_the_only_plain_request_reads_a_metric():
    requests = set().union(*(plain_requests(path) for path in ACT.glob("*.py")))

    assert requests == {("backlog", "GET url")}
    assert "/timeSeries" in Path(backlog.__file__).read_text()


def test_without_a_second_switch_the_roles_hold_what_is_called_and_nothing_of_billing(workspace):
    needed = set().union(*(need for call, need in NEEDS.items() if call[0] != "billing"))

    granted = set().union(*roles(workspace.plan("staging")).values())

    keeper = of_keys("secret_manager") - OF_VALUES
    assert granted == needed - BY_PREDEFINED_ROLE | keeper


def test_acting_as_an_account_is_granted_only_where_the_policy_names_it(workspace):
    account = "push@living-twin-staging.iam.gserviceaccount.com"
    plan = workspace.plan(
        "staging",
        (
            "  living-twin-ingest-push: {critical: false}",
            f"  living-twin-ingest-push: {{critical: false, account: {account}}}",
        ),
    )

    actors = {
        at.partition("[")[2].strip('"]'): after["service_account_id"]
        for at, after in plan.of("google_service_account_iam_member").items()
        if ".actor[" in at
    }

    assert roles(plan)["actor"] == ON_BEHALF
    assert actors == {
        f"{function} {account}": f"projects/living-twin-staging/serviceAccounts/{account}"
        for function in ("on-budget-alert", "on-schedule")
    }


def test_unlinking_is_granted_only_with_both_switches(workspace):
    opted_in = ("    stop_serving: true", "    stop_serving: true\n    unlink_billing: true")

    plan = workspace.plan("staging", opted_in)

    assert plan.refusal == ""
    assert "billing_unlinker" not in roles(plan)
    assert "TWINGUARD_MAY_UNLINK" not in plan.environment_of("on-budget-alert")
