# SPDX-License-Identifier: Apache-2.0
"""The playbook's commands exist, take the options they are given, and run."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

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


def options_of(command: object, words: list[str]) -> set[str]:
    """The options that a command, or the command of that name in a group, takes."""
    if found := getattr(command, "commands", None):
        return options_of(found[words[0]], words[1:])
    return {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]


def test_every_line_is_one_of_ours():
    assert set(LINES) == {*MAKE, *REDIS}
    assert len(MAKE) >= 8


@pytest.mark.parametrize("line", MAKE)
def test_a_make_command_takes_what_the_playbook_gives_it(line):
    done = subprocess.run(
        [*shlex.split(line), "--dry-run", "--no-print-directory"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    words = shlex.split(done.stdout.replace("\\\n", " ").splitlines()[-1])
    at = words.index("-m")
    module = importlib.import_module(words[at + 1])
    given = {word for word in words[at + 2 :] if word.startswith("--")}

    assert given <= options_of(typer.main.get_command(module.app), words[at + 2 :])


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
