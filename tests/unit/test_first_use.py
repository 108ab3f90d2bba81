# SPDX-License-Identifier: Apache-2.0
"""A function's first requests arrive together, before any type was ever read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
PROGRAM = """
import sys, threading
sys.setswitchinterval(1e-6)
from world import POLICY, World, message
from twinguard.errors import TwinguardError
world, event, gate = World(), message(512.5), threading.Barrier(8)
def handle():
    pipeline = world.pipeline(POLICY)
    gate.wait()
    for _ in range(5):
        try:
            pipeline.on_budget_alert(event, event.published_at)
        except TwinguardError:
            pass  # another thread wrote first
threads = [threading.Thread(target=handle) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert set(world.identities()) == {("staging/cap/environment/2026-11-01T07Z.1", 1, "opened")}
"""


def test_eight_threads_may_be_the_first_to_handle_a_message():
    """They race for the records as instances do, and for msgspec's types, which 0.22 can crash on.

    What is told twice is told under one identity."""
    path = os.pathsep.join((str(TESTS), str(TESTS.parent / "functions")))

    codes = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={**os.environ, "PYTHONPATH": path}, check=False
        ).returncode
        for _ in range(5)
    ]

    assert codes == [0] * 5
