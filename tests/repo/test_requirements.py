# SPDX-License-Identifier: Apache-2.0
"""The locked requirement files are hashed, name no host, and agree with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTION = "functions/requirements.txt"
CLI = "requirements-cli.txt"
DEV = "requirements-dev.txt"
GATEWAY = "requirements-gateway.txt"
FILES = (FUNCTION, CLI, DEV, GATEWAY)
REMEDY = "run `make lock`"

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def blocks(file: str) -> dict[str, str]:
    """Every locked package with the text that belongs to it."""
    text = (ROOT / file).read_text()
    found = re.split(r"^(?=[a-zA-Z0-9])", text, flags=re.MULTILINE)
    assert not found[0].strip()
    return {normal(re.match(r"[A-Za-z0-9._-]+", block)[0]): block for block in found[1:]}


def versions(file: str) -> dict[str, str]:
    return {name: re.search(r"==([^ ;\\]+)", block)[1] for name, block in blocks(file).items()}


def wanted(group: str) -> dict[str, str]:
    """The packages of a dependency group (empty: the product's own) with their least version."""
    listed = PROJECT["project"]["dependencies"] if not group else None
    found: dict[str, str] = {}
    for item in listed if listed is not None else PROJECT["dependency-groups"][group]:
        if isinstance(item, dict):
            found |= wanted(item["include-group"])
        else:
            name, _, least = item.partition(">=")
            found[normal(name)] = least
    return found


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@pytest.mark.parametrize("file", FILES)
def test_every_package_is_pinned_and_hashed(file):
    loose = [
        name
        for name, block in blocks(file).items()
        if "==" not in block.splitlines()[0] or "--hash=sha256:" not in block
    ]

    assert loose == [], REMEDY


@pytest.mark.parametrize("file", FILES)
def test_no_host_and_no_path_of_a_machine_is_named(file):
    text = (ROOT / file).read_text()

    assert re.findall(r"\S*(?:://|--index|--find-links|--extra|@ |(?<!\S)/)\S*", text) == []


@pytest.mark.parametrize(
    ("file", "groups"),
    [(FUNCTION, [""]), (CLI, ["", "cli"]), (DEV, ["", "dev"]), (GATEWAY, ["", "gateway"])],
)
def test_a_file_locks_what_pyproject_asks_for(file, groups):
    locked = versions(file)
    asked = {name: least for group in groups for name, least in wanted(group).items()}

    missing = sorted(asked.keys() - locked.keys())
    old = [name for name in asked if name in locked and number(locked[name]) < number(asked[name])]

    assert (missing, old) == ([], []), REMEDY


@pytest.mark.parametrize("file", [FUNCTION, CLI, GATEWAY])
def test_the_files_agree_on_every_version(file):
    """One .venv serves the commands and the checks: nothing may go back and forth."""
    dev = versions(DEV)

    assert {name: dev.get(name) for name in versions(file)} == versions(file), REMEDY


@pytest.mark.parametrize("file", [FUNCTION, GATEWAY])
def test_what_is_deployed_carries_nothing_of_the_checks(file):
    assert {"pytest", "ruff", "mypy", "uv", "pyyaml", "typer"} & versions(file).keys() == set()
