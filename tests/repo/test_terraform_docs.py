# SPDX-License-Identifier: Apache-2.0
"""The Terraform modules' READMEs are fresh, and what they name exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from twinguard.cli import terraform_docs
from twinguard.errors import Misconfigured

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
DOCUMENTS = sorted((ROOT / "terraform").rglob("README.md"))


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("module", terraform_docs.modules(ROOT), ids=short)
def test_a_modules_table_is_what_the_module_says(module):
    """Regenerate it with `make docs`."""
    assert (module / "README.md").read_text() == terraform_docs.documented(module)


@pytest.mark.parametrize("path", DOCUMENTS, ids=short)
def test_a_link_leads_to_a_file_and_a_target_exists(path):
    text = path.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    named = re.findall(r"`make ([a-z][a-z-]*)", text)

    assert [link for link in links if not (path.parent / link).exists()] == []
    assert set(named) - TARGETS == set()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("plan", "ENV=staging missing"),
        ("apply", "ENV=staging missing"),
        ("bootstrap", "PROJECT=my-seed-project missing"),
    ],
)
def test_a_missing_variable_is_named(command, message):
    done = subprocess.run(
        ["make", "--dry-run", command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("variables", "ending"),
    [
        ("ENV=staging", "deploy apply --env staging"),
        ("ENV=staging APPLY=1", "deploy apply --env staging --apply"),
        ("ENV=staging STATE=b APPLY=1", "deploy apply --env staging --state b --apply"),
    ],
)
def test_only_apply_deploys_unasked(variables, ending):
    done = subprocess.run(
        ["make", "--dry-run", "apply", *variables.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert " ".join(done.stdout.splitlines()[-1].split()).endswith(f"twinguard.cli.{ending}")


def test_a_table_shows_types_defaults_and_sentences(tmp_path):
    (tmp_path / "variables.tf").write_text(
        'variable "budget" {\n'
        '  description = "What it may cost, \\"net\\" | gross."\n'
        "  type = object({\n"
        "    amount = number\n"
        "    rungs  = optional(list(number), [])\n"
        "  })\n"
        "  # why not null\n"
        "  nullable = false\n"
        "\n"
        "  validation {\n"
        "    condition     = var.budget.amount > 0\n"
        '    error_message = "description = wrong"\n'
        "  }\n"
        "}\n"
        "\n"
        'variable "also" {\n'
        '  description = "More."\n'
        "  type        = list(string)\n"
        "  default = [\n"
        '    "a",\n'
        '    "b",\n'
        "  ]\n"
        "}\n"
    )
    (tmp_path / "outputs.tf").write_text(
        'output "id" {\n  description = "Its id."\n  value = 1\n}\n'
    )

    assert terraform_docs.tables(tmp_path).splitlines() == [
        "| input | type | default | meaning |",
        "| --- | --- | --- | --- |",
        '| `also` | `list(string)` | `["a", "b"]` | More. |',
        (
            "| `budget` | `object({ amount = number, rungs = optional(list(number), []) })` "
            '| needed | What it may cost, "net" \\| gross. |'
        ),
        "",
        "| output | meaning |",
        "| --- | --- |",
        "| `id` | Its id. |",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('variable "x" {}\n', "variables.tf: cannot read 'variable \"x\" {}'"),
        ('  variable "x" {\n}\n', "variables.tf: cannot read"),
        ('variable "x" {\n  what\n}\n', "variables.tf: variable x: cannot read 'what'"),
        ('variable "x" {\n  colour = "red"\n}\n', "variables.tf: variable x: colour is not known"),
    ],
)
def test_what_cannot_be_read_is_refused_rather_than_left_out(text, complaint):
    with pytest.raises(Misconfigured) as raised:
        terraform_docs.blocks(text, "variables.tf")

    assert str(raised.value).startswith(complaint)


def test_an_input_without_a_sentence_is_refused(tmp_path):
    (tmp_path / "variables.tf").write_text('variable "x" {\n  type = string\n}\n')

    with pytest.raises(Misconfigured) as raised:
        terraform_docs.tables(tmp_path)

    assert str(raised.value) == 'variable x: write description = "One sentence."'
