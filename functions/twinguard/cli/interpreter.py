# SPDX-License-Identifier: Apache-2.0
"""Let a script run under any Python: where packages are missing, it goes on in `.venv`'s.

Imports nothing but the standard library."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv" / "bin" / "python"
NEEDED = ("msgspec", "rich", "typer")


def complete() -> None:
    """Return where this Python has what the command line needs, else start over in `.venv`'s.

    `.venv` is made first where it is missing, as every `make` target does."""
    if all(importlib.util.find_spec(name) for name in NEEDED):
        return
    if Path(sys.prefix) == PYTHON.parents[1]:
        raise SystemExit(".venv lacks packages; remove it, and run this again")
    done = subprocess.run(
        ["make", "--silent", "--no-print-directory", ".venv/.cli"],  # noqa: S607 - the user's own make
        cwd=ROOT,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        raise SystemExit("the packages of requirements-cli.txt could not be installed; see above")
    os.execv(PYTHON, [str(PYTHON), *sys.argv])  # noqa: S606 - our own interpreter
