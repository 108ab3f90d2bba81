# SPDX-License-Identifier: Apache-2.0
"""More rules that every plan keeps: who reads what, what is used at all, what may be public."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from planning import ENVIRONMENTS, ROOT, kind_of
from world import POLICY, STARTED, World, message

FILES = sorted((ROOT / "terraform").rglob("*.tf"))
OBSERVABILITY = ROOT / "terraform" / "modules" / "observability"

ACCESSOR = "roles/secretmanager.secretAccessor"
LONGEST_ROTATION_DAYS = 366

ON_ONE_RESOURCE = {
    "roles/cloudfunctions.invoker",
    "roles/iam.serviceAccountKeyAdmin",
    "roles/iam.serviceAccountOpenIdTokenCreator",
    "roles/iam.serviceAccountTokenCreator",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityUser",
    "roles/pubsub.publisher",
    "roles/run.invoker",
    "roles/secretmanager.admin",
    "roles/secretmanager.secretAccessor",
}
"""Roles that are safe on one account, service, topic or secret; on a project they are for all."""

ROUND_THE_RULES = re.compile(
    r"resourcemanager\..*\.setIamPolicy|iam\.roles\.(create|update)|secretmanager\.versions\.access"
    r"|iam\.serviceAccount(s\.(actAs|getAccessToken|getOpenIdToken|sign\w+|setIamPolicy)|Keys\.create)"
    r"|run\.routes\.invoke|run\.services\.setIamPolicy|pubsub\.topics\.(publish|setIamPolicy)"
)
"""Permissions that a custom role would carry past every rule that goes by a role's name."""


@pytest.fixture(params=ENVIRONMENTS)
def plan(workspace, request):
    found = workspace.plan(request.param)
    assert found.refusal == ""
    return found


@pytest.mark.timeout(600)
def test_every_secret_has_a_reader(plan):
    secrets = {after["secret_id"] for after in plan.of("google_secret_manager_secret").values()}
    read = {
        after["secret_id"]
        for after in plan.of("google_secret_manager_secret_iam_member").values()
        if after.get("role") == ACCESSOR  # a custom role is known after apply
    }

    assert secrets != set()
    assert secrets - read == set()


@pytest.mark.timeout(600)
def test_every_secret_is_rotated_and_tells_a_topic(plan):
    """A rotation only tells: without a topic nobody hears of it."""
    found = plan.of("google_secret_manager_secret").values()

    missing = [item["secret_id"] for item in found if not item["rotation"] or not item["topics"]]

    assert missing == []
    periods = {int(item["rotation"][0]["rotation_period"].removesuffix("s")) for item in found}
    assert max(periods) <= 86400 * LONGEST_ROTATION_DAYS


@pytest.mark.timeout(600)
def test_what_is_safe_on_one_resource_is_granted_on_no_project(plan):
    roles = {after.get("role") for after in plan.of("google_project_iam_member").values()}

    assert "roles/storage.objectViewer" in roles
    assert roles & ON_ONE_RESOURCE == set()


@pytest.mark.timeout(600)
def test_no_custom_role_goes_round_the_rules_about_roles(plan):
    roles = plan.of("google_project_iam_custom_role")

    found = {
        at: [name for name in after["permissions"] if ROUND_THE_RULES.fullmatch(name)]
        for at, after in roles.items()
    }

    assert roles != {}
    assert found == {at: [] for at in roles}


def amount_of(budget) -> Decimal:
    given = budget["amount"][0]["specified_amount"][0]
    return Decimal(given["units"]) + Decimal(given["nanos"] or 0) / 10**9


def is_part(budget) -> bool:
    return bool(budget["budget_filter"][0].get("services"))


@pytest.mark.timeout(600)
def test_the_parts_of_a_budget_do_not_exceed_it(plan):
    budgets = plan.of("google_billing_budget").values()
    (whole,) = (budget for budget in budgets if not is_part(budget))

    parts = sum((amount_of(budget) for budget in budgets if is_part(budget)), Decimal(0))

    assert parts <= amount_of(whole)


@pytest.mark.timeout(600)
def test_production_watches_parts_of_its_budget(workspace):
    """Or the rule above would hold for want of parts."""
    budgets = workspace.plan("production").of("google_billing_budget").values()

    assert [budget for budget in budgets if is_part(budget)] != []


@pytest.mark.timeout(600)
def test_no_bucket_can_be_public(plan):
    buckets = plan.of("google_storage_bucket")

    assert buckets != {}
    assert {
        at: (after["public_access_prevention"], after["uniform_bucket_level_access"])
        for at, after in buckets.items()
    } == dict.fromkeys(buckets, ("enforced", True))
    assert {kind_of(at) for at in plan.made if "access_control" in at or "_acl" in at} == set()


def is_used(plan, address: str, account: str) -> bool:
    """Something names the account; or is keyed by it, where its address is not known yet."""
    module, _, index = address.partition("google_service_account.")
    key = index.partition('["')[2].removesuffix('"]')
    keyed = re.compile(rf'{re.escape(module)}.*\["([^"]* )?{re.escape(key)}( [^"]*)?"\]')
    return any(
        f"{account}@" in f"{other} {json.dumps(value)}" or (key and keyed.fullmatch(other))
        for other, value in plan.made.items()
        if kind_of(other) != "google_service_account"
    )


@pytest.mark.timeout(600)
def test_every_service_account_is_used(plan):
    """One that nothing runs as and nothing is granted to is a door without a house."""
    accounts = plan.of("google_service_account")

    unused = [
        at for at, after in accounts.items() if not is_used(plan, at, str(after["account_id"]))
    ]
    application = [at for at in accounts if ".application[" in at]

    assert len(accounts) > 1
    assert [at for at in unused if at not in application] == []
    assert 'module.functions.google_pubsub_topic_iam_member.usage["application"]' in plan.made


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_takes_away_what_others_granted(path):
    """The modules that no environment plans, too: a binding replaces what it does not know."""
    kinds = re.findall(r'(?m)^resource "(\w+)"', path.read_text())

    assert [kind for kind in kinds if re.search(r"_iam_(binding|policy)$", kind)] == []


# --- what the observability module reads is what is written -------------------------------------


def extractor(name: str) -> re.Pattern[str]:
    """The expression that spend.tf reads a value with; RE2's, and of the simplest kind."""
    text = (OBSERVABILITY / "spend.tf").read_text()
    found = re.search(
        rf'(?m)^ *{name} *= "REGEXP_EXTRACT\(jsonPayload\.decision, \\"(.*?)\\"\)"', text
    )
    return re.compile(found[1])


@pytest.mark.parametrize(
    ("cost", "amount", "status"), [("120.5", "120.5", "within"), ("620.25", "620.25", "capped")]
)
def test_the_spend_and_the_status_are_read_from_what_the_budget_flow_says(cost, amount, status):
    event = message(cost)

    decision = World().pipeline(POLICY).on_budget_alert(event, STARTED).decision

    assert extractor("value_extractor").match(decision)[1] == amount
    assert extractor("status").match(decision)[1] == status
    wanted = re.search(
        r"jsonPayload\.decision =~ \\\"(.*?)\\\"", (OBSERVABILITY / "spend.tf").read_text()
    )
    assert re.search(wanted[1], decision)


def test_an_extractor_has_one_group_as_the_api_demands():
    assert {extractor(name).groups for name in ("value_extractor", "status")} == {1}


def test_the_line_about_a_block_is_described_as_it_is_read():
    """README.md is the contract between this module and whoever writes the line."""
    text = (OBSERVABILITY / "blocks.tf").read_text()
    described = re.findall(
        r"```json\n(.*?)\n```", (OBSERVABILITY / "README.md").read_text(), re.DOTALL
    )
    line, _ = map(json.loads, described)

    read = set(re.findall(r"jsonPayload\.(\w+)", text))

    assert read <= line.keys()
    assert (line["logger"], line["event"]) == ("twinguard", "block_received")
    assert isinstance(line["age_ms"], int)
