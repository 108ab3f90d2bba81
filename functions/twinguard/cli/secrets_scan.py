# SPDX-License-Identifier: Apache-2.0
"""`make secrets-scan`: look for keys in git's history and in the files git keeps or would keep.

gitleaks looks, by `.gitleaks.toml`; what it finds is named by file and line, never shown.
Exit codes: 0 nothing found, 1 something found, 2 gitleaks or git is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from twinguard.cli.desk import AsJson, exiting
from twinguard.cli.scale_output import print_json, say
from twinguard.cli.terraform import REPOSITORY
from twinguard.errors import Misconfigured

VERSION = "8.21.2"
GITLEAKS = REPOSITORY / ".cache" / "gitleaks" / VERSION / "gitleaks"
"""Where `.ci/run` puts it."""

RULES = ".gitleaks.toml"
REMEDY = "Block each key where it comes from, first; then remove it."
_FOUND = 1


def main(
    *,
    folder: Annotated[Path, typer.Option(help="Another repository.")] = REPOSITORY,
    files_only: Annotated[
        bool, typer.Option("--files", help="Leave out the history: before a commit.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find keys before others do."""
    with exiting():
        found = in_files(folder)
        if not files_only:
            found += in_history(folder)
        if as_json:
            print_json({"found": found})
        else:
            for one in found:
                say(f"{one['File']}:{one['StartLine']}: {one['Description']}{_commit(one)}")
            say(REMEDY if found else "No key was found.")
        if found:
            raise typer.Exit(_FOUND)


def in_history(folder: Path) -> list[dict[str, Any]]:
    """What was ever committed, on any branch."""
    return _scan("git", folder, folder, "--log-opts=--all")


def in_files(folder: Path) -> list[dict[str, Any]]:
    """What git keeps or would keep: a copy of it, or all that is built beside it is read, too."""
    with tempfile.TemporaryDirectory() as copy:
        for name in _kept(folder):
            source, target = folder / name, Path(copy, name)
            if source.is_file() and not source.is_symlink():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
        return _scan("dir", Path(copy), folder)


def _scan(how: str, where: Path, rules: Path, *more: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [_program(), how, *more, "--no-banner", "--redact=100", "--log-level=error"]
        command += [f"--config={rules / RULES}", f"--report-path={report}", "--report-format=json"]
        done = _run([*command, f"--exit-code={_FOUND}", "."], where)
        if done.returncode not in {0, _FOUND} or not report.exists():
            raise Misconfigured(f"gitleaks could not look: {done.stderr.strip()[-500:]}")
        found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))
        return found


def _kept(folder: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = _run(command, folder)
    if done.returncode:
        raise Misconfigured(f"{folder} is no repository of git's: {done.stderr.strip()[-200:]}")
    return [name for name in done.stdout.split("\0") if name]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - commands are ours
            command, cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as err:
        raise Misconfigured(f"{command[0]} is missing; install it") from err


def _program() -> str:
    """Where gitleaks is: built by `.ci/run`, or installed."""
    path = str(GITLEAKS) if GITLEAKS.exists() else shutil.which("gitleaks")
    if path is None:
        raise Misconfigured(
            f"gitleaks is missing; .ci/run builds it, or: GOBIN={GITLEAKS.parent} "
            f"go install github.com/zricethezav/gitleaks/v8@v{VERSION}"
        )
    return path


def _commit(found: dict[str, Any]) -> str:
    return f" (commit {found['Commit'][:12]})" if found.get("Commit") else ""


if __name__ == "__main__":
    typer.run(main)
