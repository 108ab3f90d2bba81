# SPDX-License-Identifier: Apache-2.0
"""A script under a Python without our packages goes on in the right one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.parametrize("name", ["monitor_costs.py", "api_security_monitor.py"])
def test_a_script_runs_under_a_python_that_has_no_packages(name):
    """`-S` leaves out site-packages, as on a machine where nothing was installed."""
    bare = [sys.executable, "-S", str(SCRIPTS / name), "--help"]

    done = subprocess.run(bare, capture_output=True, text=True, check=False)

    assert (done.returncode, "Usage" in done.stdout) == (0, True), done.stderr
