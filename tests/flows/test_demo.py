# SPDX-License-Identifier: Apache-2.0
"""The demo as people run it: real processes, exit codes, and a fault that must be named."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twinguard import config
from twinguard.cli.performance import perform
from twinguard.cli.promises import promises
from twinguard.cli.rehearsal import rehearse
from twinguard.policy import Environment
from twinguard.standins.cloud_run import CloudRun

ROOT = Path(__file__).parents[2]
STAGING = config.load(config.path_of(Environment.STAGING))
pytestmark = pytest.mark.filterwarnings("ignore:Session.login_data:DeprecationWarning")


class Forgetful(CloudRun):
    """Says yes when a stopped service is to be put back, and does nothing."""

    def _patch(self, request):
        before = self.service(request.match["name"])
        if before["scaling"] == {"scalingMode": "MANUAL", "manualInstanceCount": 0}:
            return self._started(before, before, error=0)
        return super()._patch(request)


@pytest.fixture
def start(tmp_path):
    """Starts the demo with the test's folder as its mark; kills it if the test did not end it."""
    demos = []

    def start(*arguments):
        demos.append(started(*arguments, mark=str(tmp_path)))
        return demos[-1]

    yield start
    for demo in demos:
        demo.kill()
        demo.communicate()


def started(*arguments, mark):
    environment = {
        **{name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ},
        "PYTHONPATH": str(ROOT / "functions"),
        "TWINGUARD_CI_RUN": mark,
        "COLUMNS": "100",
        "PYTHONWARNINGS": "error",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "twinguard.cli.demo", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def marked(mark):
    """Processes that carry this mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TWINGUARD_CI_RUN={mark}".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def gone(mark, patience=10.0):
    deadline = time.monotonic() + patience
    while marked(mark) and time.monotonic() < deadline:
        os.sched_yield()
    return not marked(mark)


def test_the_demo_keeps_every_promise_and_leaves_nothing_behind(start, tmp_path):
    folder = tmp_path / "kept"
    demo = start("--json", "--keep", str(folder))

    out, err = demo.communicate(timeout=100)

    assert (demo.returncode, err) == (0, "")
    told = json.loads(out)
    assert [p["name"] for p in told["promises"] if not p["kept"]] == []
    assert (told["environment"], told["passed"]) == ("staging", True)
    assert all(one["before"] == one["after"] for one in told["resources"])
    assert {one["channel"] for one in told["samples"]} == {"email", "slack", "sms"}
    assert 30 <= len(told["timeline"]) <= 70
    assert sorted(path.name for path in folder.iterdir() if path.suffix == ".log") == [
        "dispatch_alert.log",
        "on_budget_alert.log",
        "on_schedule.log",
    ]
    assert gone(str(tmp_path))


def test_the_tables_hold_no_escape_codes_in_a_pipe(start):
    demo = start()

    out, err = demo.communicate(timeout=100)

    assert (demo.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert max(len(line) for line in out.splitlines()) <= 100
    assert re.search(r"^(\d+) of \1 promises kept; \d+ messages in \d+ s$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("ending", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_whatever_ends_the_demo_ends_its_processes(start, tmp_path, ending, code):
    demo = start()
    assert demo.stdout.readline().startswith("A month of staging")
    while len(marked(str(tmp_path))) < 4 and demo.poll() is None:
        os.sched_yield()

    demo.send_signal(ending)
    _, err = demo.communicate(timeout=30)

    assert demo.returncode == code
    assert "Traceback" not in err
    assert gone(str(tmp_path))


def test_a_folder_that_is_in_use_is_not_touched(start, tmp_path):
    (tmp_path / "mine").write_text("kept")
    demo = start("--keep", str(tmp_path))

    _, err = demo.communicate(timeout=30)

    assert demo.returncode == 1
    assert err == f"cannot run: --keep {tmp_path}: is not empty; name a new folder\n"


def test_restores_that_are_dropped_are_named(tmp_path):
    done = rehearse(STAGING, tmp_path, cloud_run=Forgetful(polls=0), patience=4.0)

    broken = {promise.name: promise.seen for promise in promises(done) if not promise.is_kept}

    assert broken["in the end everything is as it was, byte for byte"] == "3 of 5"
    assert "every message is acknowledged in the end" in broken


def test_a_broken_promise_is_exit_code_1(capsys):
    def forgetful(policy, folder, *, watch, stop):
        return rehearse(
            policy, folder, watch=watch, stop=stop, cloud_run=Forgetful(polls=0), patience=4.0
        )

    code = perform(lambda: STAGING, as_json=False, keep=None, cannot_run=2, play=forgetful)

    assert code == 1
    name = "in the end everything is as it was, byte for byte"
    assert f"BROKEN: {name}" in capsys.readouterr().out.replace("\n", " ")
