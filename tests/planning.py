# SPDX-License-Identifier: Apache-2.0
"""Terraform plans of the environments, made in a copy of the repository that knows no cloud.

`python -m planning` (see `REGENERATE`) rewrites the agreed plans in `tests/terraform/plans`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from servers import skip_or_fail
from twinguard.cli import bundle
from twinguard.cli.terraform import BUNDLE, copy_views, heard, program, settings
from twinguard.errors import Misconfigured

ROOT = Path(__file__).parents[1]
AGREED = ROOT / "tests" / "terraform" / "plans"
REGENERATE = "PYTHONPATH=functions:tests .venv/bin/python -m planning"
ENVIRONMENTS = ("production", "staging", "development", "ci")
NUMBER = "123456789012"
BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}

DIGEST = 4 * "0123456789abcdef"
IMAGE = f"europe-west1-docker.pkg.dev/living-twin-staging/gateway/gateway@sha256:{DIGEST}"
TASKS = "  tasks: {classify: 50, summarise: 60, answer: 60}\n"
SERVICE = f"{TASKS}  service: {{name: living-twin-gateway, image: {IMAGE}}}\n"
WORKER = "  living-twin-reports: {critical: false}\n"
ASLEEP = "[living-twin-api, living-twin-worker, living-twin-reports]"
SERVED = (
    (TASKS, SERVICE),
    (WORKER, f"{WORKER}  living-twin-gateway: {{critical: false}}\n"),
    (ASLEEP, f"{ASLEEP[:-1]}, living-twin-gateway]"),
)
"""Edits of staging's policy that deploy the gateway."""

QUOTES = '"]'
LOCAL_BACKEND = 'terraform {\n  backend "local" {}\n}\n'
NO_DATA = f"""
data "google_project" "adopted" {{
  for_each = toset([])
}}
locals {{
  number = "{NUMBER}"
}}
"""
"""Instead of asking Google for the project's number."""


@dataclass(frozen=True)
class Plan:
    """What would be made, by address within the environment; `refusal` where nothing would be."""

    made: Mapping[str, Mapping[str, Any]]
    refusal: str = ""

    def of(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """The planned values of one type of resource, by address."""
        return {at: after for at, after in self.made.items() if f".{kind}." in f".{at}"}

    def one(self, address: str) -> Mapping[str, Any]:
        return self.made[address]

    def environment_of(self, function: str) -> Mapping[str, str]:
        """The variables of a function."""
        at = f'module.functions.google_cloudfunctions2_function.function["{function}"]'
        return self.made[at]["service_config"][0]["environment_variables"]

    def secrets_of(self, function: str) -> set[str]:
        """The variables of a function that come from Secret Manager."""
        at = f'module.functions.google_cloudfunctions2_function.function["{function}"]'
        pinned = self.made[at]["service_config"][0]["secret_environment_variables"]
        return {item["key"] for item in pinned}


@dataclass(frozen=True)
class Workspace:
    """A copy of the Terraform folders, and the plans made in it."""

    folder: Path
    env: Mapping[str, str]

    def plan(self, environment: str, *edits: tuple[str, str], policy: str = "") -> Plan:
        """The plan of an environment after these replacements in its policy."""
        text = policy or (ROOT / "environments" / environment / "policy.yaml").read_text()
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} must stand in {environment}'s policy once"
            text = text.replace(old, new)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        root = self.folder / "environments" / f"{environment}-{digest}"
        with locked(self.folder / "lock"):
            if not (root / "answer.json").exists():
                self._make(environment, root, text)
        return Plan(**json.loads((root / "answer.json").read_text()))

    def _make(self, environment: str, root: Path, policy: str) -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.folder / "environments" / environment, root)
        (root / "policy.yaml").write_text(policy)
        (root / "backend_override.tf").write_text(LOCAL_BACKEND)
        self._terraform(root, "init", "-input=false", "-no-color")
        done = heard(
            [program(), "plan", "-input=false", "-no-color", "-lock=false", "-out=plan"],
            root,
            dict(self.env),
        )
        answer: dict[str, Any] = {"made": {}, "refusal": done.text if done.code else ""}
        if not done.code:
            shown = json.loads(self._terraform(root, "show", "-json", "plan"))
            answer["made"] = {
                change["address"].removeprefix("module.environment."): change["change"]["after"]
                for change in shown["resource_changes"]
                if change["mode"] == "managed"
            }
        (root / "answer.json").write_text(json.dumps(answer))

    def _terraform(self, root: Path, *arguments: str) -> str:
        done = heard([program(), *arguments], root, dict(self.env))
        if done.code and "provider packages" in done.text:
            skip_or_fail(
                "Terraform's providers: neither the registry nor a mirror answers; set"
                " TERRAFORM_MIRROR to a folder with an `install DIR`, or TF_CLI_CONFIG_FILE"
            )
        assert done.code == 0, done.text
        return done.text


def workspace(folder: Path) -> Workspace:
    """A copy in a folder, made by whoever comes first."""
    try:
        program()
        env = settings() | {"GOOGLE_OAUTH_ACCESS_TOKEN": "unused"}
    except Misconfigured as err:
        skip_or_fail(f"Terraform: {err}")
    folder.mkdir(exist_ok=True)
    with locked(folder / "lock"):
        if not (folder / "ready").exists():
            unwanted = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*_override.tf")
            for name in ("terraform", "environments"):
                shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
            copy_views(ROOT, folder)
            bundle.build(ROOT / "functions", folder / BUNDLE)
            (folder / "terraform/modules/project/test_override.tf").write_text(NO_DATA)
            (folder / "ready").touch()
    return Workspace(folder, env)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One worker at a time; the lock ends with the process at the latest."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- what people agreed on ----------------------------------------------------------------------


def summary(plan: Plan) -> dict[str, Any]:
    """What matters of a plan, as a person reads it."""
    budget = plan.one("module.budgets.google_billing_budget.budget")
    return {
        "budget": {
            "amount": budget["amount"][0]["specified_amount"][0]["units"],
            "labels": budget["budget_filter"][0].get("labels"),
            "projects": budget["budget_filter"][0]["projects"],
            "rules": [
                f"{rule['spend_basis']} {100 * rule['threshold_percent']:g} %"
                for rule in budget["threshold_rules"]
            ],
        },
        "functions": {
            name["name"]: {
                "account": name["service_config"][0]["service_account_email"].split("@")[0],
                "entry_point": name["build_config"][0]["entry_point"],
                "ingress": name["service_config"][0]["ingress_settings"],
                "secrets": {
                    item["key"]: item["version"]
                    for item in name["service_config"][0]["secret_environment_variables"]
                },
                "variables": sorted(name["service_config"][0]["environment_variables"]),
            }
            for name in plan.of("google_cloudfunctions2_function").values()
        },
        "grants": sorted(grants(plan)),
        "jobs": {
            job["name"]: f"{job['schedule']} {job['time_zone']}"
            for job in plan.of("google_cloud_scheduler_job").values()
        },
        "kinds": dict(sorted(Counter(kind_of(at) for at in plan.made).items())),
        "subscriptions": {
            item["name"]: item["topic"] if item["push_config"] else _kept_in(item)
            for item in plan.of("google_pubsub_subscription").values()
        },
    }


def _kept_in(subscription: Mapping[str, Any]) -> str:
    """Where messages wait that are not pushed."""
    (table,) = [config["table"] for config in subscription["bigquery_config"]] or [""]
    return f"written to {table}" if table else "kept for a person"


def kind_of(address: str) -> str:
    """The type of the resource at an address."""
    return next(part for part in address.split(".") if part.startswith("google_"))


def grants(plan: Plan) -> Iterator[str]:
    """Every grant of ours: which role on what. Members are known only once they exist."""
    on = ("name", "subscription", "topic", "bucket", "repository", "secret_id", "table_id")
    for address, after in plan.made.items():
        kind = kind_of(address)
        if "_iam_member" in kind and "module.observability" not in address:
            whole = "an account" if "service_account" in kind else "the project"
            at = next((str(after[key]) for key in on if after.get(key)), whole)
            role = str(after.get("role") or "projects/")
            role = "a custom role" if role.startswith("projects/") else role
            label, _, index = address.rpartition("google_")[2].partition(".")[2].partition("[")
            named = index.strip(QUOTES) or label
            who = named.rpartition("serviceAccount:")[2].partition("@")[0].split()[0]
            yield f"{role} on {at} for {who}"


class _Indented(yaml.SafeDumper):
    """Lists indented below their key, as yamllint wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)


def agreed(environment: str) -> Any:
    return yaml.safe_load((AGREED / f"{environment}.yaml").read_text())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = workspace(Path(folder, "plans"))
        for environment in ENVIRONMENTS:
            plan = made.plan(environment)
            assert not plan.refusal, plan.refusal
            text = yaml.dump(summary(plan), Dumper=_Indented, width=60)
            head = f"# SPDX-License-Identifier: Apache-2.0\n# Written by: {REGENERATE}\n"
            (AGREED / f"{environment}.yaml").write_text(head + text)


if __name__ == "__main__":
    os.environ["TWINGUARD_NO_SKIPS"] = "1"
    main()
