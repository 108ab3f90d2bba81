# SPDX-License-Identifier: Apache-2.0
"""Targets hand a person's words to the commands as they are, whatever is in them."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOSTILE = 'it\'s new, $HOME; `id` "quoted" & more'


def words(*arguments: str) -> list[str]:
    """What the shell would hand to the command of a target, which does not run."""
    done = subprocess.run(
        ["make", "--dry-run", "--silent", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return shlex.split(done.stdout[done.stdout.index("-m twinguard.cli") :].replace("\\\n", " "))


@pytest.mark.parametrize(
    ("target", "option", "variable"),
    [
        ("key-issue", "--reason", "REASON"),
        ("key-issue", "--label", "LABEL"),
        ("key-issue", "--tenant", "TENANT"),
        ("key-rotate", "--reason", "REASON"),
        ("key-disable", "--reason", "REASON"),
        ("key-delete", "--key", "KEY"),
        ("keys", "--label", "LABEL"),
        ("rotate", "--key", "KEY"),
        ("block-key", "--key", "KEY"),
        ("incident", "--id", "ID"),
        ("unblock", "--key", "KEY"),
        ("unblock", "--reason", "REASON"),
        ("baseline", "--key", "KEY"),
    ],
)
def test_a_word_with_quotes_is_one_word(target, option, variable):
    """`$$` is a dollar for make: a person writes it so, too."""
    given = {"ENV": "staging", "TENANT": "acme", "KEY": "id", "REASON": "why"}
    given[variable] = HOSTILE.replace("$", "$$")
    found = words(target, *(f"{name}={value}" for name, value in given.items()))

    assert found[found.index(option) + 1] == HOSTILE
