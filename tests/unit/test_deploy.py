# SPDX-License-Identifier: Apache-2.0
"""`make bootstrap`, `plan` and `apply` against a stand-in for terraform, in a copy of the files."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUCKET = "-backend-config=bucket=seed-project-terraform-state"
STAND_IN = """\
#!{python}
import json, pathlib, re, sys

world, arguments = pathlib.Path({world!r}), sys.argv[1:]
override = pathlib.Path("backend_override.tf")
with (world / "calls").open("a") as calls:
    calls.write(json.dumps([arguments, override.exists()]) + "\\n")
if arguments[0] == "init" and not override.exists() and (refusal := world / "refusal").exists():
    sys.exit(refusal.read_text())
if arguments[0] == "init" and not override.exists() and not (world / "bucket").exists():
    sys.exit("Error: Failed to get existing workspaces: querying Cloud\\n"
             "Storage failed: storage: bucket\\ndoesn't exist")
if arguments[0] == "plan":
    sys.exit(0 if (world / "bucket").exists() else 2)
if arguments[0] == "apply":
    (world / "bucket").touch()
    if override.exists():
        pathlib.Path(re.search('path = "(.*)"', override.read_text())[1]).touch()
"""


@dataclass
class Machine:
    """A copy of the repository, and a terraform that writes down what it was asked."""

    repository: Path
    world: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "twinguard.cli.deploy", *arguments],
            env={
                "PATH": f"{self.world}:{os.environ['PATH']}",
                "PYTHONPATH": str(self.repository / "functions"),
                "TERRAFORM_MIRROR": str(self.world / "none"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What terraform was asked: the verb, `local` or `gcs`, and what else matters."""
        import json

        told = []
        for line in (self.world / "calls").read_text().splitlines():
            arguments, local = json.loads(line)
            kept = [a for a in arguments[1:] if a in {"-migrate-state", BUCKET, ".terraform/plan"}]
            told.append(" ".join([arguments[0], "local" if local else "gcs", *kept]))
        return told

    def leftovers(self) -> list[str]:
        return [path.name for path in self.repository.rglob("*_override.tf")]


@pytest.fixture
def machine(tmp_path) -> Machine:
    repository, world = tmp_path / "repository", tmp_path / "world"
    world.mkdir()
    left_out = shutil.ignore_patterns(".terraform*", "__pycache__")
    for name in ("functions", ".ci", "terraform", "environments"):
        shutil.copytree(ROOT / name, repository / name, ignore=left_out)
    terraform = world / "terraform"
    terraform.write_text(STAND_IN.format(python=sys.executable, world=str(world)))
    terraform.chmod(terraform.stat().st_mode | stat.S_IXUSR)
    return Machine(repository, world)


def test_the_first_bootstrap_makes_the_bucket_and_moves_the_state_into_it(machine):
    done = machine.run("bootstrap", "--project", "seed-project", "--apply")

    assert (done.returncode, done.stderr) == (0, "")
    assert machine.calls() == [
        f"init gcs {BUCKET}",
        "init local",
        "plan local",
        "apply local .terraform/plan",
        f"init gcs {BUCKET} -migrate-state",
    ]
    assert machine.leftovers() == []
    assert not (machine.repository / ".cache" / "bootstrap.tfstate").exists()


def test_without_apply_a_bootstrap_only_shows_its_plan(machine):
    done = machine.run("bootstrap", "--project", "seed-project")

    assert done.returncode == 0
    assert "Nothing was changed; APPLY=1 carries this plan out." in done.stdout
    assert machine.calls() == [f"init gcs {BUCKET}", "init local", "plan local"]
    assert machine.leftovers() == []


def test_a_bucket_that_exists_is_used_from_the_start(machine):
    (machine.world / "bucket").touch()

    done = machine.run("bootstrap", "--project", "seed-project", "--apply")

    assert done.returncode == 0
    assert machine.calls() == [f"init gcs {BUCKET}", "plan gcs"]


def test_a_bootstrap_that_stopped_before_moving_the_state_is_taken_up(machine):
    machine.run("bootstrap", "--project", "seed-project", "--apply")
    state = machine.repository / ".cache" / "bootstrap.tfstate"
    state.with_suffix(".migrated").rename(state)
    (machine.world / "calls").unlink()

    done = machine.run("bootstrap", "--project", "seed-project")

    assert done.returncode == 0
    assert machine.calls() == [
        "init local",
        "plan local",
        f"init gcs {BUCKET} -migrate-state",
    ]
    assert not state.exists()


def test_a_refusal_is_not_mistaken_for_a_missing_bucket(machine):
    (machine.world / "refusal").write_text("Error: 403: no access to the bucket")

    done = machine.run("bootstrap", "--project", "seed-project", "--apply")

    assert done.returncode == 1
    assert "403: no access to the bucket" in done.stderr
    assert machine.calls() == [f"init gcs {BUCKET}"]


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (["plan", "--env", "dev"], ["init gcs", "plan gcs"]),
        (["apply", "--env", "dev"], ["init gcs", "plan gcs"]),
        (["apply", "--env", "dev", "--apply"], ["init gcs", "plan gcs", "apply gcs"]),
    ],
)
def test_an_environment_is_deployed_only_when_told_so(machine, arguments, calls):
    bucket = "-backend-config=bucket=b"
    (machine.world / "refusal").unlink(missing_ok=True)
    stand_in = machine.world / "terraform"
    stand_in.write_text(stand_in.read_text().replace('arguments[0] == "init"', "False"))

    done = machine.run(*arguments, "--state", "b")

    asked = (machine.world / "calls").read_text()
    assert done.returncode == 0
    assert [call.removesuffix(" .terraform/plan") for call in machine.calls()] == calls
    assert bucket in asked
    assert list((machine.repository / ".cache" / "bundle").glob("twinguard-*.zip")) != []


def test_what_does_not_run_in_the_cloud_is_not_planned(machine):
    done = machine.run("plan", "--env", "local")

    assert done.returncode == 2
    assert done.stderr.startswith("local has no main.tf: nothing of it runs in the cloud")
    assert not (machine.world / "calls").exists()


def test_a_wrong_policy_is_named_before_terraform_is_asked(machine):
    policy = machine.repository / "environments" / "staging" / "policy.yaml"
    policy.write_text(policy.read_text().replace("amount: 500", "amount: plenty"))

    done = machine.run("plan", "--env", "staging")

    assert done.returncode == 2
    assert done.stderr == (
        f"{policy}: budget.amount: plenty is not a number of at most 15 digits; "
        "write it out, as 1500 or 12.34\n"
    )
    assert not (machine.world / "calls").exists()


@pytest.mark.parametrize(("exists", "code"), [(True, 0), (False, 2)])
def test_drift_ends_with_two_where_anything_would_change(machine, exists, code):
    """The stand-in plans a change until its bucket exists."""
    if exists:
        (machine.world / "bucket").touch()
    (machine.repository / "environments/staging/backend_override.tf").touch()

    done = machine.run("plan", "--env", "staging", "--drift")

    assert done.returncode == code
