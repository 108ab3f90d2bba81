# SPDX-License-Identifier: Apache-2.0
"""The drill rehearses each environment's own policy, and refuses what it cannot rehearse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def drill(*arguments):
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "twinguard.cli.drill", *arguments],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT / "functions")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def promised(done):
    assert (done.returncode, done.stderr) == (0, "")
    return {promise["name"]: promise["seen"] for promise in json.loads(done.stdout)["promises"]}


def test_production_is_rehearsed_and_keeps_serving():
    seen = promised(drill("production", "--json"))

    assert seen["the breaker stays closed"] == "closed, then closed"
    assert seen["nothing that serves is stopped"] == "0 stopped"
    assert seen["50 % spent is told once"] == "email 1"


def test_ci_holds_nothing_and_tells_by_mail_only():
    done = drill("--env", "ci", "--json")

    seen = promised(done)

    assert seen["the breaker opens at the cap and stays open"] == "closed, then open"
    assert seen["100 % spent is told once"] == "email 1"
    told = json.loads(done.stdout)
    assert told["resources"] == []
    assert {channel for row in told["alerts"] for channel in row["channels"]} == {"email"}


@pytest.mark.parametrize("environment", ["development", "staging"])
def test_the_others_are_rehearsed_too(environment):
    assert (
        promised(drill(environment, "--json"))[
            "kill -9 while it changes "
            + {
                "development": "living-twin-api",
                "staging": "living-twin-worker",
            }[environment]
            + " is survived"
        ]
        == "killed, redelivered, finished"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["local"],
            (
                "cannot run: local has no budget to rehearse; give its policy a budget with an "
                "amount, or choose another environment\n"
            ),
        ),
        (
            ["stagin"],
            (
                "cannot run: 'stagin' is not an environment; did you mean staging? choose "
                "production, staging, development, ci, local (or prod, stage, stg, dev, test, "
                "cicd)\n"
            ),
        ),
        ([], "cannot run: name one environment, as in: drill staging\n"),
    ],
)
def test_what_cannot_be_rehearsed_is_exit_code_2(arguments, message):
    done = drill(*arguments)

    assert (done.returncode, done.stderr, done.stdout) == (2, message, "")
