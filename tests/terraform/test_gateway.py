# SPDX-License-Identifier: Apache-2.0
"""A gateway that the policy deploys: what it may do and is told, who may hold and call it."""

from __future__ import annotations

import pytest

from permissions import ACCESSOR, PUBLISHER, RECORDS
from planning import DIGEST, SERVED, SERVICE, TASKS, Plan
from twinguard import config
from twinguard.errors import Misconfigured
from twinguard.gateway_wiring import parts_from
from twinguard.policy import Environment, is_control_plane

pytestmark = pytest.mark.timeout(600)

GATEWAY = 'module.gateway["gateway"].google_cloud_run_v2_service.gateway'
ACCOUNT = "twinguard-staging-gateway@living-twin-staging.iam.gserviceaccount.com"
LATER = {
    "TWINGUARD_COUNTERS": "memory://",
    "TWINGUARD_RECORDS": "sqlite:///{}/records.db",
    "TWINGUARD_COUNTERS_CA": "",
}
"""Known after apply, or out of a test's reach."""


@pytest.fixture
def plan(workspace) -> Plan:
    made = workspace.plan("staging", *SERVED)
    assert made.refusal == ""
    return made


@pytest.fixture
def policy(tmp_path):
    text = config.path_of(Environment.STAGING).read_text()
    for old, new in SERVED:
        text = text.replace(old, new)
    path = tmp_path / "staging" / "policy.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return config.load(path)


def more(text: str) -> tuple[str, str]:
    """The edit that deploys the gateway, with one more key of its block."""
    return TASKS, f"{SERVICE[:-2]}, {text}}}\n"


def container(plan: Plan):
    (found,) = plan.one(GATEWAY)["template"][0]["containers"]
    return found


def test_its_account_may_do_what_a_call_needs_and_nothing_else(plan):
    granted = {
        (after["role"], after.get("secret_id") or after.get("topic") or "")
        for after in plan.made.values()
        if after.get("member") == f"serviceAccount:{ACCOUNT}"
    }

    assert granted == {
        (RECORDS, ""),
        ("roles/memorystore.dbConnectionUser", ""),
        (ACCESSOR, "staging-key-pepper"),
        (ACCESSOR, "staging-openai-api-key"),
        (PUBLISHER, "twinguard-staging-llm-usage"),
    }
    narrowed = [
        after["condition"]
        for at, after in plan.of("google_project_iam_member").items()
        if after["member"] == f"serviceAccount:{ACCOUNT}"
    ]
    assert len(narrowed) == 2
    assert all(narrowed)


def test_it_alone_publishes_what_models_cost(workspace, plan):
    def publishers(of: Plan) -> set[str]:
        return {
            after["member"].partition(":")[2]
            for after in of.of("google_pubsub_topic_iam_member").values()
            if after["topic"] == "twinguard-staging-llm-usage"
        }

    assert publishers(plan) == {ACCOUNT}
    assert publishers(workspace.plan("staging")) == {
        "living-twin-staging@living-twin-staging.iam.gserviceaccount.com"
    }


def test_without_the_block_nothing_is_deployed_and_nobody_is_granted(workspace, plan):
    before = workspace.plan("staging")

    assert before.of("google_cloud_run_v2_service") == {}
    assert [at for at, after in before.made.items() if "-gateway" in str(after)] == []
    assert before.made.keys() - plan.made.keys() == {
        'module.usage["gateway"].google_pubsub_topic_iam_member.publisher["application"]'
    }


def test_night_and_cap_hold_it_like_any_other(plan):
    name = plan.one(GATEWAY)["name"]
    holders = {
        at.partition("[")[2].strip('"]')
        for at, after in plan.of("google_cloud_run_v2_service_iam_member").items()
        if ".holder[" in at and after["name"] == name
    }

    assert not is_control_plane(name)
    assert holders == {f"on-budget-alert {name}", f"on-schedule {name}"}


def test_only_the_application_may_call_it_and_only_from_inside(plan):
    invokers = {
        after["member"].partition("@")[0]
        for after in plan.of("google_cloud_run_v2_service_iam_member").values()
        if after["role"] == "roles/run.invoker" and after["name"] == "living-twin-gateway"
    }

    assert invokers == {"serviceAccount:living-twin-staging"}
    assert plan.one(GATEWAY)["ingress"] == "INGRESS_TRAFFIC_INTERNAL_ONLY"


def test_it_starts_with_the_settings_that_terraform_gives_it(plan, policy, tmp_path):
    given = {item["name"]: item["value"] for item in container(plan)["env"] if item.get("value")}
    later = {name: value.format(tmp_path) for name, value in LATER.items()}
    env = {**given, **later, "TWINGUARD_KEY_PEPPER": "1:" + 32 * "x", "PUBSUB_EMULATOR_HOST": ""}

    assert config.parse(given["TWINGUARD_POLICY"], "TWINGUARD_POLICY") == policy
    parts = parts_from(policy, env | {"TWINGUARD_LLM_USAGE": str(tmp_path / "usage.jsonl")})
    assert callable(parts.gateway)
    assert given["TWINGUARD_LLM_USAGE"].endswith("/topics/twinguard-staging-llm-usage")


def test_each_provider_has_its_key_where_the_gateway_looks(plan):
    given = {item["name"]: item.get("value") for item in container(plan)["env"]}
    mounted = {item["mount_path"]: item["name"] for item in container(plan)["volume_mounts"]}
    volumes = {
        item["name"]: item["secret"][0]["secret"]
        for item in plan.one(GATEWAY)["template"][0]["volumes"]
    }

    assert mounted == {f"{given['TWINGUARD_PROVIDER_KEYS']}/openai": "key-openai"}
    assert volumes == {"key-openai": "staging-openai-api-key"}


def test_who_delivers_may_act_as_its_account_too(plan):
    at = 'module.delivery["github"].google_service_account_iam_member.acts_as["gateway"]'

    assert plan.one(at)["service_account_id"].endswith(ACCOUNT)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ((SERVED[0],), "gateway.service.name"),
        (((TASKS, SERVICE.replace(f"@sha256:{DIGEST}", ":latest")), SERVED[1]), "image"),
        ((more("ingress: everybody"), SERVED[1]), "ingress"),
        ((more("minimum: 4"), SERVED[1]), "minimum"),
        ((more("minimum: -1"), SERVED[1]), "minimum"),
        ((more("concurrency: 0"), SERVED[1]), "concurrency"),
        ((more("invokers: [me@b.com]"), SERVED[1]), "invokers"),
        ((*SERVED[:2], ("counters: {node: SHARED_CORE_NANO}\n", "")), "counters is missing"),
        ((more("imgae: x"), SERVED[1]), "imgae"),
        ((more('maximum: "4"'), SERVED[1]), "maximum"),
    ],
)
def test_python_and_terraform_refuse_the_same(workspace, tmp_path, edits, message):
    text = config.path_of(Environment.STAGING).read_text()
    for old, new in edits:
        text = text.replace(old, new)
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(Misconfigured) as refused:
        config.load(tmp_path / "policy.yaml")

    refusal = " ".join(workspace.plan("staging", *edits).refusal.replace("│", " ").split())

    assert message in str(refused.value)
    assert message in refusal
