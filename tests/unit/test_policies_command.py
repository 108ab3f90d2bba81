# SPDX-License-Identifier: Apache-2.0
"""`python -m twinguard.cli.policies`: what it prints, and the exit code a pipeline relies on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from twinguard.cli import policies
from twinguard.policy import Environment

ENVIRONMENTS = Path(__file__).parents[2] / "environments"


@pytest.fixture
def environments(tmp_path) -> Path:
    """A copy of all policies that a test may spoil."""
    return Path(shutil.copytree(ENVIRONMENTS, tmp_path / "environments"))


def run(*arguments: str):
    app = typer.Typer()
    app.command()(policies.main)
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_valid_policies_are_shown_side_by_side(environments):
    done = run("--environments", str(environments))

    assert done.exit_code == 0
    assert done.stdout.startswith("5 policies, all valid")
    assert [name for name in Environment if name.value not in done.stdout] == []


def test_json_holds_every_policy_as_a_function_gets_it(environments):
    done = run("--environments", str(environments), "--json")

    told = json.loads(done.stdout)
    assert (done.exit_code, told["refusals"]) == (0, [])
    assert list(told["policies"]) == list(Environment)
    assert told["policies"]["production"]["budget"]["amount"] == 5000


def test_a_refused_policy_ends_with_code_1_and_all_files_reasons(environments):
    for name in ("staging", "ci"):
        path = environments / name / "policy.yaml"
        path.write_text(path.read_text().replace("region: europe-west1\n", ""))

    done = run("--environments", str(environments))

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"{environments}/staging/policy.yaml: region: missing; add it",
        f"{environments}/ci/policy.yaml: region: missing; add it",
    ]


def test_a_folder_that_is_no_environment_is_refused(environments):
    shutil.copytree(environments / "staging", environments / "sandbox")

    done = run("--environments", str(environments), "--json")

    assert done.exit_code == 1
    assert json.loads(done.stdout)["refusals"] == [
        (
            f"{environments}/sandbox: no environment has this name; choose production, staging, "
            "development, ci, local"
        )
    ]


def test_the_markdown_table_has_one_row_for_each_environment(environments):
    done = run("--environments", str(environments), "--table")

    rows = done.stdout.splitlines()
    assert rows[0] == f"| {' | '.join(policies.HEADINGS)} |"
    assert [row.split(" | ")[0] for row in rows[2:]] == [f"| {name}" for name in Environment]
    assert rows[-1] == "| local | demo-living-twin | no budget | - | - | never | - |"
