# SPDX-License-Identifier: Apache-2.0
"""The whole system once, as `make e2e` runs it: every promise is kept, and nothing stays behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from servers import skip_or_fail

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(300)


def marked(mark: str) -> list[str]:
    """Processes that carry this mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"TWINGUARD_CI_RUN={mark}".encode() in path.read_bytes():
                found.append((path.parent / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_every_promise_of_the_whole_system_is_kept(tmp_path):
    if shutil.which("redis-server") is None:
        skip_or_fail("redis-server: install it with 'apt-get install redis-server'")
    places = os.pathsep.join(str(ROOT / name) for name in ("functions", "tests"))
    mark = {"PYTHONPATH": places, "TWINGUARD_CI_RUN": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "e2e.run", "--json"],
        cwd=ROOT,
        env=os.environ | mark,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 2:
        skip_or_fail(done.stderr)

    assert (done.returncode, done.stderr) == (0, "")
    (run,) = json.loads(done.stdout)
    assert [promise for promise in run["promises"] if not promise["kept"]] == []
    assert len(run["promises"]) >= 35
    assert marked(str(tmp_path)) == []
