# SPDX-License-Identifier: Apache-2.0
"""GitHub's workflows: pinned, without standing rights, and a gate that stops what it must."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github").rglob("*.y*ml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: (\./\S+|[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+)")


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(file):
    uses = [line for line in file.read_text().splitlines() if re.search(r"\buses:", line)]

    assert [line for line in uses if not PINNED.search(line)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_to_write_but_where_a_job_asks(file):
    workflow = yaml.safe_load(file.read_text())

    assert workflow["permissions"] in ({}, {"contents": "read"})


def test_only_a_job_that_runs_no_code_of_ours_may_write_to_a_pull_request():
    jobs = {
        (file.name, name): job
        for file in WORKFLOWS
        for name, job in yaml.safe_load(file.read_text())["jobs"].items()
    }

    writers = {
        name: "checkout" in str(job["steps"])
        for name, job in jobs.items()
        if job.get("permissions", {}).get("pull-requests") == "write"
    }

    assert writers == {("plan.yml", "comment"): False}


@pytest.fixture
def gate(tmp_path):
    """A copy of the gate whose Python says the verdict it is told to say."""
    (tmp_path / ".github").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    copy = tmp_path / ".github" / "gate"
    copy.write_bytes((ROOT / ".github" / "gate").read_bytes())
    copy.chmod(0o755)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text('#!/bin/sh\necho "verdict $VERDICT" >"$7"\nexit "$VERDICT"\n')
    python.chmod(0o755)
    summary = tmp_path / "summary"

    def run(verdict: int, reason: str = "") -> tuple[int, str, str]:
        done = subprocess.run(
            [str(copy), "staging"],
            env={
                "PATH": os.environ["PATH"],
                "VERDICT": str(verdict),
                "PAST_THE_GATE": reason,
                "GITHUB_STEP_SUMMARY": str(summary),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, summary.read_text()

    return run


@pytest.mark.parametrize(
    ("verdict", "code", "told"),
    [(0, 0, ""), (2, 0, "::warning"), (1, 1, "::error"), (3, 3, "::error")],
)
def test_the_gate_stops_what_has_no_room_and_what_nobody_can_judge(gate, verdict, code, told):
    found, said, summary = gate(verdict)

    assert (found, said.startswith(told), summary) == (code, True, f"verdict {verdict}\n")


def test_past_the_gate_one_goes_with_a_reason_that_is_said(gate):
    code, said, _ = gate(1, "a leak\nhas to be closed")

    assert code == 0
    assert (
        said
        == "::warning title=Budget of staging::Deployed past the gate: a leak has to be closed\n"
    )
