# SPDX-License-Identifier: Apache-2.0
"""The gateway's image is made of files that are there, and of packages by their hashes."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LET_IN = {
    line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
}


def copied() -> set[str]:
    """What the image is made of, from the repository's root."""
    return set(re.findall(r"(?m)^COPY (\S+) ", DOCKERFILE))


def test_what_is_copied_is_there_and_nothing_else_is_sent():
    assert copied() == LET_IN
    assert [name for name in copied() if not (ROOT / name).exists()] == []


def test_packages_come_by_their_hashes_only():
    (install,) = re.findall(r"(?m)^RUN pip install (.*)$", DOCKERFILE)

    assert {"--require-hashes", "--no-deps"} <= set(install.split())
    assert install.endswith("-r requirements-gateway.txt")


def test_it_runs_as_nobody_in_particular():
    assert re.findall(r"(?m)^USER (\S+)$", DOCKERFILE) == ["gateway"]
