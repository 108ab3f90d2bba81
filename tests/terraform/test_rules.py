# SPDX-License-Identifier: Apache-2.0
"""Rules that every plan keeps, whatever the policy says."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Iterator

import pytest

import planning
from planning import BASIC_ROLES, ENVIRONMENTS, kind_of
from twinguard import audit_log, config, customer_keys, dispatch, notify
from twinguard.decide.incidents import Incident
from twinguard.decide.storm import ChannelState
from twinguard.policy import Channel, Environment, is_control_plane

pytestmark = [pytest.mark.timeout(600), pytest.mark.parametrize("environment", ENVIRONMENTS)]

PUBLIC = {"allUsers", "allAuthenticatedUsers"}
WIDE = re.compile(r"domain:|projectOwner:|projectEditor:|projectViewer:|principalSet:.*/\*$")
"""Members that are more people or jobs than anybody has named."""
PUBLISHER = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"


@pytest.fixture
def plan(workspace, environment) -> planning.Plan:
    return workspace.plan(environment)


def test_nobody_gets_a_basic_role(plan):
    roles = {after.get("role") for after in plan.made.values()}

    assert roles & BASIC_ROLES == set()


def test_nothing_is_public(plan):
    members = {str(after.get("member")) for after in plan.made.values()}

    assert members & PUBLIC == set()
    assert {member for member in members if WIDE.match(member)} == set()
    assert {
        item["service_config"][0]["ingress_settings"]
        for item in plan.of("google_cloudfunctions2_function").values()
    } == {"ALLOW_INTERNAL_ONLY"}


def test_who_is_granted_what_is_known_before_an_apply(plan):
    """Rules about members see nothing of one that is known only afterwards."""
    grants = {at: after for at, after in plan.made.items() if kind_of(at).endswith("_iam_member")}

    assert len(grants) > 1
    assert [at for at, after in grants.items() if not after.get("member")] == []
    assert [at for at, after in grants.items() if not after.get("role")] == []


def test_only_the_push_account_calls_a_function(plan, environment):
    invokers = {
        at: after for at, after in plan.made.items() if after.get("role") == "roles/run.invoker"
    }

    assert {at.partition("[")[0] for at in invokers} == {
        "module.functions.google_cloud_run_v2_service_iam_member.push"
    }
    assert {after["member"].partition("@")[0] for after in invokers.values()} == {
        f"serviceAccount:twinguard-{environment}-push"
    }
    assert {after["name"] for after in invokers.values()} == {
        item["name"] for item in plan.of("google_cloudfunctions2_function").values()
    }


def test_only_google_publishes_to_the_budgets_topic(plan):
    (topic,) = (
        after["name"] for at, after in plan.of("google_pubsub_topic").items() if "budgets" in at
    )

    granted = [
        (after["role"], after["member"])
        for after in plan.of("google_pubsub_topic_iam_member").values()
        if after["topic"] == topic
    ]

    assert granted == [("roles/pubsub.publisher", PUBLISHER)]


def test_no_grant_takes_away_what_others_granted(plan):
    authoritative = {
        kind_of(at) for at in plan.made if kind_of(at).endswith(("_binding", "_policy"))
    }

    assert {kind for kind in authoritative if "_iam_" in kind} == set()


def test_everything_that_can_carries_the_policys_labels(plan, environment):
    """Monitoring says user_labels; a channel's `labels` are its address."""
    policy = config.load(config.path_of(Environment(environment)))
    wanted = {**policy.labels, "environment": environment, "managed-by": "terraform"}
    labelled = {
        at: after["user_labels"] if "user_labels" in after else after["labels"]
        for at, after in plan.made.items()
        if "user_labels" in after or "terraform_labels" in after
    }

    lacking = {
        at for at, labels in labelled.items() if not wanted.items() <= (labels or {}).items()
    }

    assert {"application", "owner"} <= wanted.keys()
    assert lacking == set()
    assert {kind_of(at) for at in labelled} >= {
        "google_monitoring_alert_policy",
        "google_monitoring_notification_channel",
        "google_pubsub_topic",
        "google_secret_manager_secret",
    }


def test_every_push_has_a_dead_letter_topic_whose_letters_are_kept(plan):
    subscriptions = plan.of("google_pubsub_subscription")
    pushes = {at: after for at, after in subscriptions.items() if after["push_config"]}
    kept = {at.split("[")[1] for at in subscriptions if ".dead_letters[" in at}

    assert {at.split("[")[1] for at in pushes} == kept
    assert {
        (
            after["dead_letter_policy"][0]["max_delivery_attempts"],
            after["retry_policy"][0]["minimum_backoff"],
            after["retry_policy"][0]["maximum_backoff"],
            after["ack_deadline_seconds"],
        )
        for after in pushes.values()
    } == {(100, "10s", "600s", 600)}
    assert {after["expiration_policy"][0]["ttl"] for after in subscriptions.values()} == {""}


def test_what_we_live_on_can_never_be_put_to_sleep(plan):
    ours = [
        after["name"]
        for kind in ("google_cloudfunctions2_function", "google_pubsub_subscription")
        for after in plan.of(kind).values()
    ]

    assert [name for name in ours if not is_control_plane(name)] == []


def test_nothing_that_the_runtime_changes_is_managed(plan, environment):
    """Terraform would undo a night; what is managed one day must ignore those changes."""
    policy = config.load(config.path_of(Environment(environment)))
    managed = {after["name"] for after in plan.of("google_pubsub_subscription").values()}

    assert plan.of("google_cloud_run_v2_service") == {}
    assert managed & policy.subscriptions.keys() == set()


def test_a_critical_resource_is_never_granted_to_the_budget(plan, environment):
    policy = config.load(config.path_of(Environment(environment)))
    targets = policy.services | policy.subscriptions
    assert policy.schedule is not None or not targets
    asleep = (
        {*policy.schedule.services, *policy.schedule.subscriptions} if policy.schedule else set()
    )

    granted = {
        at.partition("[")[2].strip('"]')
        for at in plan.made
        if at.startswith("module.functions.") and ".holder[" in at
    }

    assert granted == {
        f"on-budget-alert {name}" for name, target in targets.items() if not target.critical
    } | {f"on-schedule {name}" for name in asleep}


def test_no_secret_value_and_no_version_is_managed(plan):
    assert plan.of("google_secret_manager_secret_version") == {}


def test_every_setting_of_a_routed_channel_reaches_the_function(plan, environment):
    policy = config.load(config.path_of(Environment(environment)))
    routed = {channel for channels in policy.alerts.routes.values() for channel in channels}
    needed = {name for channel in routed for name in notify.SETTINGS[channel].required}
    given = {*plan.environment_of("dispatch-alert"), *plan.secrets_of("dispatch-alert")}

    assert needed - given == set()
    assert plan.secrets_of("on-budget-alert") == plan.secrets_of("on-schedule") == set()


def test_every_job_sends_a_task_that_the_code_names(plan):
    words = {
        node.value
        for path in (planning.ROOT / "functions" / "twinguard").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    tasks = {
        job["pubsub_target"][0]["attributes"]["task"]
        for job in plan.of("google_cloud_scheduler_job").values()
    }

    assert {"expire", "flush"} <= tasks
    assert tasks - words == set()


def test_records_expire_where_the_code_lets_them(plan, environment):
    fields = plan.of("google_firestore_field").items()
    expiring = {after["collection"] for at, after in fields if ".expiry[" in at}
    every = {after["collection"] for at, after in fields if ".content[" in at}
    policy = config.load(config.path_of(Environment(environment)))
    run = dispatch._Run(None, {}, policy, dt.datetime(2026, 11, 23, tzinfo=dt.UTC))

    assert run._expiry(Incident("x")) is not None
    assert run._expiry(ChannelState(Channel.EMAIL)) is None
    others = {dispatch.INCIDENTS, customer_keys.KIND}
    assert expiring == kinds_that_expire() | others
    assert every == kinds() | others | {dispatch.CHANNELS, audit_log.KIND}


def journal_calls() -> Iterator[tuple[str, str, int]]:
    """Method, kind and number of arguments of every call that names a kind of record."""
    tree = ast.parse((planning.ROOT / "functions/twinguard/journal.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.func.attr, first.value, len(node.args)


def kinds() -> set[str]:
    """What the journal reads or writes by name."""
    named = {"get", "put", "find", "append", "_read", "_write"}
    return {kind for method, kind, _ in journal_calls() if method in named}


def kinds_that_expire() -> set[str]:
    """What the journal writes with a last argument: when it expires."""
    longest = {"put": 5, "append": 3}
    return {kind for method, kind, count in journal_calls() if count == longest.get(method)}
