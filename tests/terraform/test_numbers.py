# SPDX-License-Identifier: Apache-2.0
"""One number of a policy: what it changes in a plan, and how a wrong one is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from planning import ROOT

pytestmark = pytest.mark.timeout(600)

FUNCTIONS = ("on-budget-alert", "on-schedule", "on-secret-event", "on-usage", "dispatch-alert")
KNOWN_TO = {
    f'module.functions.google_cloudfunctions2_function.function["{name}"]' for name in FUNCTIONS
}
"""Every function is told its whole policy, so each of them changes with any number."""

RAW = ROOT / "terraform" / "modules" / "environment" / "raw_policy.tf"
SCHEMA = json.loads((ROOT / "environments" / "policy.schema.json").read_text())

BUDGET = "module.budgets.google_billing_budget.budget"
PART = 'module.budgets.google_billing_budget.service["cloud-run"]'
SECRET = 'module.keys.google_secret_manager_secret.secret["openai-api-key"]'
QUOTA = 'module.quotas.google_cloud_quotas_quota_preference.limit["twinguard-staging-run-cpu"]'
COUNTERS = 'module.state.google_memorystore_instance.counters["counters"]'
SUBNETWORK = 'module.state.google_compute_subnetwork.private["counters"]'
AUDIT_LOG = "module.observability.google_logging_project_bucket_config.security_audit"
JOB = 'module.functions.google_cloud_scheduler_job.job["{}"]'


@pytest.mark.parametrize(
    ("environment", "edit", "changed"),
    [
        ("staging", ("amount: 500", "amount: 500.5"), {BUDGET}),
        ("staging", ("{percent: 75, level: medium}", "{percent: 70, level: medium}"), {BUDGET}),
        (
            "production",
            ("  forecast:\n    - {percent: 100,", "  forecast:\n    - {percent: 95,"),
            None,
        ),
        ("production", ("amount: 1500}", "amount: 1600}"), {PART}),
        ("staging", ('morning: {at: "06:30"', 'morning: {at: "07:15"'), {JOB.format("morning")}),
        ("staging", ('night: {at: "02:00"', 'night: {at: "01:45"'), {JOB.format("night")}),
        (
            "production",
            (
                "openai-api-key: {readers: [application], rotation_days: 90}",
                "openai-api-key: {readers: [application], rotation_days: 60}",
            ),
            {SECRET},
        ),
        ("staging", ("value: 20000 #", "value: 10000 #"), {QUOTA}),
        ("production", ("replicas: 1}", "replicas: 2}"), {COUNTERS}),
        ("production", ("replicas: 1}", "replicas: 1, shards: 3}"), {COUNTERS}),
        ("production", ("replicas: 1}", "replicas: 1, cidr: 10.90.0.0/24}"), {SUBNETWORK}),
        ("staging", ("alerts:\n", "retention: {audit_days: 100}\nalerts:\n"), {AUDIT_LOG}),
        # What only the functions, or the application's own settings, go by.
        ("staging", ("max_tokens: 1000", "max_tokens: 900"), set()),
        (
            "staging",
            ("    stop_serving: true\n", "    stop_serving: true\n    rearm_percent: 5\n"),
            set(),
        ),
    ],
)
def test_one_number_changes_what_it_is_about_and_what_the_functions_know(
    workspace, environment, edit, changed
):
    before, after = workspace.plan(environment), workspace.plan(environment, edit)
    if changed is None:  # a rule of the budget is a rule of each of its parts
        changed = set(before.of("google_billing_budget"))

    assert after.refusal == ""
    assert before.made.keys() == after.made.keys()
    assert {at for at in before.made if before.made[at] != after.made[at]} == changed | KNOWN_TO


def test_a_pinned_version_changes_the_one_function_that_reads_it_besides(workspace):
    before = workspace.plan("staging")
    after = workspace.plan("staging", ("alerts:\n", "alerts:\n  versions: {SMTP_PASSWORD: 2}\n"))

    changed = {at for at in before.made if before.made[at] != after.made[at]}

    pinned = {
        item["key"]: item["version"]
        for item in after.one(
            'module.functions.google_cloudfunctions2_function.function["dispatch-alert"]'
        )["service_config"][0]["secret_environment_variables"]
    }
    assert changed == KNOWN_TO
    assert (pinned["SMTP_PASSWORD"], pinned["SMTP_USER"]) == ("2", "1")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("amount: 500", "amount: 0"), "budget.amount must be above zero; remove it to run"),
        (
            ("{percent: 75, level: medium}", "{percent: 0, level: medium}"),
            "every percent must be above zero; correct it.",
        ),
        (
            ("{percent: 75, level: medium}", "{percent: 95, level: medium}"),
            "percents must ascend without repeats; sort them.",
        ),
        (
            ("  neo4j-credentials: {", "  neo4j-credentials: {destroy_ttl_days: 0, "),
            "destroy_ttl_days one from 1 to 1000; correct them.",
        ),
        (("value: 20000 #", "value: -1 #"), "quotas.*.value must be a whole number from 0"),
        (
            ("value: 20000 #", "value: 0.5 #"),
            "quotas.run-cpu.value must be a whole number; write digits, without quotes.",
        ),
        (
            ("max_tokens: 1000", 'max_tokens: "1000"'),
            "openai.max_tokens must be a whole number; write digits, without quotes.",
        ),
        (
            ("{percent: 75, level: medium}", "{percent: 75, level: }"),
            "budget.thresholds[0].level has nothing behind it; write a value",
        ),
        (
            ("{node: SHARED_CORE_NANO}", "{node: SHARED_CORE_NANO, shards: 0}"),
            "counters.node must look like SHARED_CORE_NANO, shards be from 1 to 250",
        ),
        (('night: {at: "02:00"', 'night: {at: "25:00"'), 'write them like "02:00", in quotes.'),
        (
            ("alerts:\n", "retention: {audit_days: 0}\nalerts:\n"),
            "retention.audit_days and retention.history_days must be whole numbers from 1",
        ),
    ],
)
def test_a_wrong_number_is_refused_with_file_key_and_remedy(workspace, edit, message):
    refusal = " ".join(workspace.plan("staging", edit).refusal.replace("│", " ").split())

    assert "environments/staging/policy.yaml: " in refusal
    assert message in refusal


# --- the table of what a typed variable takes without a word ------------------------------------


def of_schema(node: dict[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    """Every whole number, and every key that a block cannot do without."""
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    for choice in node.get("anyOf", ()):
        yield from of_schema(choice, at)
    if node.get("type") == "integer":
        yield "whole", at
    yield from (("needed", f"{at}.{key}") for key in node.get("required", ()))
    for key, value in node.get("properties", {}).items():
        yield from of_schema(value, f"{at}.{key}")
    if isinstance(node.get("additionalProperties"), dict):
        yield from of_schema(node["additionalProperties"], f"{at}.*")
    if isinstance(node.get("items"), dict):
        yield from of_schema(node["items"], f"{at}.*")


def of_table() -> Iterator[tuple[str, str]]:
    row = re.compile(r'\{ at = "(.*?)", is = .*?, whole = (.*?), needed = \[(.*?)\] \}')
    for at, whole, needed in row.findall(RAW.read_text()):
        block = "." + re.sub(r"\.?\[?\$\{\w+\}\]?", ".*", at)
        names = {"whole": re.findall(r'"(\w+)"', whole), "needed": re.findall(r'"(\w+)"', needed)}
        if "keys(" in whole:
            names["whole"] = ["*"]
        yield from ((kind, block + key) for kind, keys in names.items() for key in keys)


def test_every_whole_number_and_every_key_that_is_needed_is_looked_at():
    assert set(of_table()) == set(of_schema(SCHEMA))
