# SPDX-License-Identifier: Apache-2.0
"""`make workflows-lint`: check GitHub's workflows, actionlint for mistakes, zizmor for holes.

Exit codes: 0 nothing found, 1 something found, 2 a program is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import typer

from twinguard.cli.exits import exiting
from twinguard.cli.terraform import REPOSITORY
from twinguard.errors import Misconfigured

VERSION = "1.7.12"
ACTIONLINT = REPOSITORY / ".cache" / "actionlint" / VERSION / "actionlint"
"""Where `.ci/run` puts it."""

_FOUND = 1


def main() -> None:
    """Find what GitHub would refuse, and what a stranger could use."""
    with exiting():
        # actionlint finds shellcheck on the PATH; ours is beside this Python.
        beside = Path(sys.executable).parent
        env = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"}
        commands = (
            [_actionlint()],
            [str(beside / "zizmor"), "--offline", "--quiet", ".github"],
        )
        codes = [
            subprocess.run(command, cwd=REPOSITORY, env=env, check=False).returncode  # noqa: S603
            for command in commands
        ]
        if any(codes):
            raise typer.Exit(_FOUND)
        typer.echo("The workflows are in order.")


def _actionlint() -> str:
    """Where actionlint is: on the PATH, or built by `.ci/run`."""
    if path := shutil.which("actionlint"):
        return path
    if ACTIONLINT.is_file():
        return str(ACTIONLINT)
    raise Misconfigured(
        "actionlint is missing: go install "
        f"github.com/rhysd/actionlint/cmd/actionlint@v{VERSION}, or run .ci/run once"
    )


if __name__ == "__main__":
    typer.run(main)
