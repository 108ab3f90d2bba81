# SPDX-License-Identifier: Apache-2.0
"""gitleaks with our rules finds every kind of key, in files and in git's history.

The keys are made up while the test runs: the repository holds none."""

from __future__ import annotations

import os
import random
import shutil
import string
import subprocess
from pathlib import Path

import pytest

from twinguard.cli import secrets_scan
from twinguard.decide import customer_keys
from twinguard.decide.customer_keys import KeyClass

ROOT = Path(__file__).parents[2]
LETTERS = string.ascii_letters + string.digits
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "ada"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "ada@example.com"),
}


def noise(length: int, letters: str = LETTERS) -> str:
    """The same letters each time, as random as a key's."""
    return "".join(random.Random(length).choices(letters, k=length))


def customers(kind: KeyClass) -> str:
    numbers = random.Random(7)
    name = customer_keys.text_of(numbers.getrandbits(60), 60)
    return customer_keys.composed(kind, name, numbers.getrandbits(160)).raw


PLANTED = {
    "openai-old": ("openai-key", "sk-" + noise(48)),
    "openai-project": ("openai-key", "sk-proj-" + noise(40) + "_-" + noise(60)),
    "openai-account": ("openai-key", "sk-svcacct-" + noise(80)),
    "openai-admin": ("openai-key", "sk-admin-" + noise(70)),
    "live": ("customer-key", customers(KeyClass.LIVE)),
    "test": ("customer-key", customers(KeyClass.TEST)),
    "pepper": ("pepper", 'TWINGUARD_KEY_PEPPER="2:' + noise(64, string.hexdigits) + '"'),
    "google": ("gcp-api-key", "AIza" + noise(35)),
    "slack": ("slack-webhook-url", "https://hooks.slack.com/" + "services/" + noise(44)),
    "aws": ("aws-access-token", "AKIA" + noise(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
    "private": (
        "private-key",
        "-----BEGIN " + "PRIVATE KEY-----\n" + noise(200) + "\n-----END " + "PRIVATE KEY-----",
    ),
}


@pytest.fixture
def repository(tmp_path) -> Path:
    if not secrets_scan.GITLEAKS.exists() and shutil.which("gitleaks") is None:
        pytest.skip("gitleaks is missing: .ci/run builds it")
    shutil.copy(ROOT / secrets_scan.RULES, tmp_path)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "readme").write_text("nothing\n")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, env=ENVIRONMENT, check=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "m")


def plant(folder: Path) -> None:
    for name, (_, text) in PLANTED.items():
        (folder / f"{name}.txt").write_text(f"first line\nvalue: {text}\n")


def rules(found: list[dict[str, str]]) -> dict[str, set[str]]:
    told: dict[str, set[str]] = {}
    for one in found:
        told.setdefault(Path(one["File"]).stem, set()).add(one["RuleID"])
    return told


def test_every_kind_of_key_is_found_in_a_file_that_git_would_keep(repository):
    plant(repository)

    found = rules(secrets_scan.in_files(repository))

    missed = {name for name, (rule, _) in PLANTED.items() if rule not in found.get(name, ())}
    assert missed == set()
    assert secrets_scan.in_history(repository) == []


def test_every_kind_of_key_is_found_in_history_after_it_was_removed(repository):
    plant(repository)
    commit(repository)
    for name in PLANTED:
        (repository / f"{name}.txt").unlink()
    commit(repository)

    found = rules(secrets_scan.in_history(repository))

    missed = {name for name, (rule, _) in PLANTED.items() if rule not in found.get(name, ())}
    assert missed == set()
    assert secrets_scan.in_files(repository) == []


def test_what_is_found_is_not_repeated(repository):
    plant(repository)
    commit(repository)

    told = repr(secrets_scan.in_files(repository) + secrets_scan.in_history(repository))

    assert [text for _, text in PLANTED.values() if text in told] == []


def test_this_repository_holds_no_key(repository):
    """The history too, as far as it was fetched."""
    assert secrets_scan.in_files(ROOT) == []
    assert secrets_scan.in_history(ROOT) == []


@pytest.mark.parametrize(
    "text", ["sk-xxxxx", "task-force-risk-averse-people-and-others", "ltk_live_ and ltk_test_"]
)
def test_a_word_that_looks_like_a_key_is_none(repository, text):
    (repository / "text.md").write_text(f"{text}\n")

    assert secrets_scan.in_files(repository) == []
