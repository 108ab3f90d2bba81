# SPDX-License-Identifier: Apache-2.0
"""checkov finds nothing in the plans, where every value is known, and would find something."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest

from planning import ENVIRONMENTS, ROOT, SERVED
from servers import skip_or_fail
from twinguard.cli import terraform_checks
from twinguard.errors import Misconfigured

pytestmark = pytest.mark.timeout(600)

DATASETS = (
    'module.billing_export["export"].google_bigquery_dataset.export',
    'module.usage["gateway"].google_bigquery_dataset.usage',
)
GRANTS = 'module.delivery["github"].google_project_iam_member.grants'
APPLY = 'module.delivery["github"].google_project_iam_member.role["apply roles/{}"]'
ADMINISTERED = (
    *("artifactregistry.admin", "cloudquotas.admin", "cloudscheduler.admin"),
    *("compute.networkAdmin", "iam.serviceAccountAdmin", "memorystore.admin", "monitoring.editor"),
    *("networkconnectivity.consumerNetworkAdmin", "pubsub.admin", "run.admin"),
    "serviceusage.serviceUsageAdmin",
)
ACCEPTED = {
    # Access is Google's default, known after apply only; nobody public is in it.
    *(("CKV_GCP_15", dataset) for dataset in DATASETS),
    # Who applies these modules makes their accounts: a job on the protected branch.
    ("CKV_GCP_49", APPLY.format("iam.serviceAccountAdmin")),
    # Who applies makes, changes and removes these; only a job on the protected branch is it.
    *(("CKV_GCP_42", APPLY.format(role)) for role in ADMINISTERED),
    # It grants from a fixed list of roles only: the grant has a condition.
    ("CKV_GCP_42", GRANTS),
}
"""What only a plan shows, and checkov cannot connect with an exception in the source."""

INLINE = re.compile(r"#checkov:skip=CKV2?_GCP_\d+:[A-Z].{20,}\.")
PUBLIC = """\
resource "google_storage_bucket_iam_member" "everybody" {
  bucket = "reports"
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}
"""


@pytest.fixture(scope="module")
def checkov() -> str:
    if not terraform_checks.CHECKOV.is_file():
        skip_or_fail(f"checkov is missing: {terraform_checks.GET_CHECKOV}")
    return str(terraform_checks.CHECKOV)


def plan_files(workspace) -> list[str]:
    """The plans as JSON, as checkov reads them; staging's also with a gateway deployed."""
    paths = []
    for environment, edits in (*((one, ()) for one in ENVIRONMENTS), ("staging", SERVED)):
        assert workspace.plan(environment, *edits).refusal == ""
        policy = (ROOT / "environments" / environment / "policy.yaml").read_text()
        for old, new in edits:
            policy = policy.replace(old, new)
        digest = hashlib.sha256(policy.encode()).hexdigest()[:12]
        root = workspace.folder / "environments" / f"{environment}-{digest}"
        shown = json.loads(workspace._terraform(root, "show", "-json", "plan"))
        path = root / f"{environment}.json"
        path.write_text(json.dumps(shown))
        paths.append(str(path))
    return paths


def test_the_plans_of_all_environments_pass(workspace, checkov):
    files = plan_files(workspace)
    arguments = ["--framework", "terraform_plan", "--output", "json"]
    arguments += [word for file in files for word in ("--file", file)]
    # Exceptions stand beside the resources they are about, in the source.
    arguments += ["--repo-root-for-plan-enrichment", str(workspace.folder)]

    answer = terraform_checks.scanned(checkov, workspace.folder, arguments)

    report = json.loads(answer.text)
    failed = {
        (item["check_id"], item["resource"].removeprefix("module.environment."))
        for item in report["results"]["failed_checks"]
    }
    assert failed == ACCEPTED, "what is accepted and not found goes from the list"
    assert report["summary"]["passed"] > 100


def test_something_public_is_found(checkov, tmp_path):
    (tmp_path / "main.tf").write_text(PUBLIC)

    answer = terraform_checks.scanned(
        checkov, tmp_path, ["--framework", "terraform", "--directory", "."]
    )

    assert answer.code == 1
    assert "google_storage_bucket_iam_member.everybody" in answer.text


def test_every_exception_has_a_reason():
    listed = terraform_checks.EXCEPTIONS.read_text().split("skip-check:")[1].splitlines()
    pairs = itertools.pairwise(line.strip() for line in listed)
    inline = [
        line.strip()
        for path in sorted((ROOT / "terraform").rglob("*.tf"))
        for line in path.read_text().splitlines()
        if "checkov:skip" in line
    ]

    assert [now for before, now in pairs if now[:1] == "-" and before[:1] not in {"#", "-"}] == []
    assert [line for line in inline if not INLINE.fullmatch(line)] == []


def test_nothing_but_the_locked_version_is_installed():
    lock = (ROOT / ".ci" / "requirements-checkov.txt").read_text()
    asked = re.search(r"echo (checkov==\S+) \|", Path(ROOT, "Makefile").read_text())[1]

    packages = re.findall(r"(?m)^([a-z0-9].*?) *(?:;.*)?\\?$", lock)

    assert any(line.startswith(asked) for line in packages)
    assert lock.count("--hash=sha256:") > len(packages)
    assert "://" not in lock


def test_a_tool_that_is_missing_is_named_with_the_way_to_get_it(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("TWINGUARD_NO_SKIPS", raising=False)

    found = terraform_checks._tool(tmp_path / "no-such-tool", "build it")

    assert found == ""
    assert capsys.readouterr().out == "skipped: no-such-tool is missing: build it\n"


def test_a_missing_tool_is_a_failure_where_nothing_may_be_skipped(monkeypatch, tmp_path):
    monkeypatch.setenv("TWINGUARD_NO_SKIPS", "1")

    with pytest.raises(Misconfigured, match="no-such-tool is missing: build it"):
        terraform_checks._tool(tmp_path / "no-such-tool", "build it")
