# SPDX-License-Identifier: Apache-2.0
"""What the documents say is so: targets, settings, the generated table, links."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from twinguard.cli import policies
from twinguard.errors import Misconfigured

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
COMMANDS = (ROOT / "docs" / "reference-commands.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], key=lambda path: path.as_posix()
)

SETTING = re.compile(
    r"TWINGUARD_[A-Z_]+|K_SERVICE|(?:SMTP|SLACK|TWILIO|PAGERDUTY|SECURITY)_[A-Z_]+"
    r"|(?:OPENAI|GCP|GOOGLE|FIREBASE|NEO4J|REDIS|LOCAL_LLM)_[A-Z_]+|[A-Z_]+_EMULATOR_HOST"
    r"|[A-Z_]+_ENDPOINT|MAX_MONTHLY_COST|ALERT_THRESHOLDS|ENABLE_COST_CAPS"
)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", MAKEFILE, re.MULTILINE))


def settings_in_code() -> set[str]:
    """Every string in the product that is the name of a setting."""
    return {
        node.value
        for path in (ROOT / "functions").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and SETTING.fullmatch(node.value)
    }


def settings_described() -> set[str]:
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", SETTINGS, re.MULTILINE))


def test_every_target_is_explained_by_make_and_by_a_document():
    explained = set(re.findall(r"^([a-z0-9-]+):.*## \S", MAKEFILE, re.MULTILINE))
    mentioned = set(re.findall(r"\bmake ([a-z0-9-]+)", README + CONTRIBUTING + COMMANDS))

    assert targets() - explained == set()
    assert targets() - mentioned - {"help"} == set()


def test_every_target_that_a_document_names_exists():
    named = {
        name
        for path in DOCUMENTS
        for code in re.findall(r"`([^`]+)`|^\s*(make .*)$", path.read_text(), re.MULTILINE)
        for name in re.findall(r"^(?:\w+=\S+ )*make ([a-z][a-z0-9-]*)", code[0] or code[1])
    }

    assert {"demo", "test"} <= named
    assert named - targets() == set()


def test_every_target_is_phony():
    """A file named like a target must not stop it."""
    phony = " ".join(re.findall(r"^\.PHONY:((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE))

    assert set(phony.replace("\\", "").split()) == targets()


def test_make_alone_lists_the_targets():
    make = shutil.which("make")
    assert make, "make is one of the three tools that README takes for granted"

    done = subprocess.run(
        [make, "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert {line.split()[0] for line in done.stdout.splitlines()} == targets()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["scale-down-staging"], "PROJECT=my-project missing"),
        (["check-resources"], "ENV=dev missing"),
        (["cost-optimize-dev"], "PROJECT=my-project missing"),
        (["env"], "ENV=staging missing"),
        (["holds"], "ENV=staging missing"),
        (["drill"], "ENV=staging missing"),
        (["wake"], "ENV=staging missing"),
    ],
)
def test_a_missing_variable_is_named(command, message):
    done = subprocess.run(
        ["make", "--dry-run", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        (["PROJECT=p"], "scale down --env staging --project p"),
        (["PROJECT=p", "APPLY=1"], "scale down --env staging --project p --apply"),
    ],
)
def test_only_apply_changes_the_world(command, ending):
    done = subprocess.run(
        ["make", "--dry-run", "scale-down-staging", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1].strip().endswith(f"twinguard.cli.{ending}")


def test_every_setting_that_the_code_reads_is_described():
    missing = sorted(settings_in_code() - settings_described())

    assert missing == [], f"describe in docs/settings.md: {', '.join(missing)}"


def test_no_section_describes_a_setting_twice():
    for section in SETTINGS.split("\n## "):
        names = re.findall(r"^\| `([A-Z0-9_]+)` \|", section, re.MULTILINE)
        assert sorted(names) == sorted(set(names)), section.splitlines()[0]


def test_every_setting_that_is_described_exists():
    folders = ("functions", "tests", ".ci")
    text = "\n".join(
        path.read_text()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {".py", ""}
    )

    assert {name for name in settings_described() if name not in text} == set()


def test_readmes_table_is_what_the_policies_say():
    """Regenerate it with `make schema`."""
    found = policies.checked(ROOT / "environments")
    table = policies.markdown(tuple(item.policy for item in found if item.policy is not None))

    assert policies.readme_with(table, README) == README


def test_a_readme_without_the_marks_is_refused():
    with pytest.raises(Misconfigured) as raised:
        policies.readme_with("| table |", "no marks here")

    assert str(raised.value) == (
        "README.md: the marks <!-- policies: begin, written by make schema --> and "
        "<!-- policies: end --> must stand there once"
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_to_a_file_leads_to_one(path):
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text())

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_decisions_are_numbered_without_gaps_and_have_their_five_parts():
    found = sorted((ROOT / "docs" / "adr").glob("*.md"))
    parts = ["Status", "Context", "Decision", "Consequences", "Alternatives"]

    numbers = [int(path.name[:4]) for path in found]
    headings = {
        path.name: re.findall(r"^## (.*)$", path.read_text(), re.MULTILINE) for path in found
    }

    assert numbers == list(range(1, len(found) + 1))
    assert {name: list(has) for name, has in headings.items() if has != parts} == {}
