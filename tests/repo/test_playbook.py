# SPDX-License-Identifier: Apache-2.0
"""The playbook's lines are make's, which test_commands.py looks at, or Redis', which run here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from servers import skip_or_fail

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "playbook.md").read_text()
LINES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line
]
MAKE = [line for line in LINES if line.startswith("make ")]
REDIS = [line for line in LINES if line.startswith("redis-cli ")]


def test_every_line_is_one_of_ours():
    assert set(LINES) == {*MAKE, *REDIS}
    assert len(MAKE) >= 8


@pytest.mark.parametrize("line", REDIS)
def test_a_redis_command_runs(line, redis_server):
    if shutil.which("redis-cli") is None:
        skip_or_fail("redis-cli: install it with 'apt-get install redis-tools'")
    words = shlex.split(line)
    done = subprocess.run(
        [words[0], "-p", str(redis_server.port), *words[1:]],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "ERR" not in done.stdout
