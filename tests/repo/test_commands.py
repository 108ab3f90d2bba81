# SPDX-License-Identifier: Apache-2.0
"""Every command that stands in a document by itself works: it runs here, or its options are known.

What runs nowhere is named below, with the reason."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from twinguard.cli import reference_commands

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("terraform/**/README.md")]
)
TARGETS = {one.name: one for one in reference_commands.targets((ROOT / "Makefile").read_text())}

RUN = {"policy-check", "running-costs", "check-costs", "cost-report"}
"""Targets that run here as they are written: they need no account, and change nothing."""

NOT_RUN = {
    "bench": "measures for a quarter of an hour, and decides nothing",
    "test": "it is what runs this",
}
"""Targets in documents whose command no test starts or imports, and why."""

OTHERS = {
    "gcloud": "needs an account",
    "gh": "needs an account",
    "go": "fetches a program; .ci/run does the same",
    "redis-cli": "runs in test_playbook.py",
    "terraform": "needs the state of an environment",
    **dict.fromkeys(("for", "done"), "a loop of the shell around terraform"),
}
"""First words of other lines, and why they do not run here."""


def fenced(kind: str) -> list[str]:
    """The lines of all blocks of this kind, once each, without their comments."""
    lines = [
        re.sub(r"\s+#.*", "", line).strip()
        for path in DOCUMENTS
        for block in re.findall(rf"```{kind}\n(.*?)```", path.read_text(), re.DOTALL)
        for line in block.splitlines()
    ]
    return list(dict.fromkeys(filter(None, lines)))


LINES = fenced("sh")
MAKE = [line for line in LINES if line.startswith("make ")]
SCRIPTS = [line for line in LINES if line.startswith("scripts/")]


def target_of(line: str) -> str:
    return next(word for word in shlex.split(line)[1:] if "=" not in word)


def made(line: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [*shlex.split(line), *more, "--no-print-directory"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def options_of(command: object, words: list[str]) -> set[str]:
    """The options that a command, or the command of that name in a group, takes."""
    if found := getattr(command, "commands", None):
        return options_of(found[words[0]], words[1:])
    return {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]


def options_given(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def command_of(module: str) -> object:
    """The command line of a module, as typer makes it."""
    found = importlib.import_module(module)
    if hasattr(found, "app"):
        return typer.main.get_command(found.app)
    alone = typer.Typer()
    alone.command()(found.main)
    return typer.main.get_command(alone)


def modules_that_tests_use() -> set[str]:
    """Modules of twinguard.cli that tests of more than documents import or start."""
    found = set()
    for path in ROOT.glob("tests/**/*.py"):
        if "repo" in path.parts:
            continue
        text = path.read_text()
        found |= set(re.findall(r"twinguard\.cli\.(\w+)", text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == "twinguard.cli":
                found |= {alias.name for alias in node.names}
    return found


def test_every_line_is_a_command_of_ours_or_is_explained():
    rest = [line.split()[0] for line in LINES if line not in {*MAKE, *SCRIPTS}]

    assert set(rest) == set(OTHERS)
    assert len(MAKE) > 40


@pytest.mark.parametrize("line", MAKE)
def test_a_make_command_takes_what_a_document_gives_it(line):
    """A variable that no target reads would be ignored without a word."""
    done = made(line, "--dry-run")

    assert done.returncode == 0, done.stderr
    target = TARGETS[target_of(line)]
    given = {word.partition("=")[0] for word in shlex.split(line)[2:]} - {target.name}
    assert given <= {*target.needs, *target.may}
    if target.module:
        words = shlex.split(done.stdout.replace("\\\n", " ").splitlines()[-1])
        at = words.index("-m")
        known = options_of(command_of(words[at + 1]), words[at + 2 :])
        assert options_given(words[at + 2 :]) <= known


@pytest.mark.parametrize("line", SCRIPTS)
def test_a_script_takes_what_a_document_gives_it(line):
    path, *words = shlex.split(line)
    module = re.search(r"from (twinguard\.cli\.\w+) import app", (ROOT / path).read_text())

    assert options_given(words) <= options_of(command_of(module[1]), words)


@pytest.mark.parametrize("line", [line for line in MAKE if target_of(line) in RUN])
def test_a_command_that_needs_no_account_runs_as_it_is_written(line, tmp_path):
    more = [f"TO={tmp_path}"] if "TO=" in line else []
    done = made(line, *more)

    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_other_command_is_run_by_a_test_or_says_why_not():
    used = modules_that_tests_use()
    named = {target_of(line) for line in MAKE} - RUN

    idle = {name for name in named if TARGETS[name].module not in used}

    assert idle == NOT_RUN.keys()
    assert {target_of(line) for line in MAKE} >= RUN


def test_an_option_that_does_not_exist_would_be_seen():
    known = options_of(command_of("twinguard.cli.running_costs"), [])

    assert options_given(["--env", "x", "--requests=3"]) <= known
    assert not options_given(["--env", "x", "--currency", "EUR"]) <= known
