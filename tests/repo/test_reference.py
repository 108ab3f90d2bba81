# SPDX-License-Identifier: Apache-2.0
"""What documents list is what the code says, and what the lists add by hand is true."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from twinguard.cli import markdown, reference, reference_commands, reference_signals
from twinguard.errors import Misconfigured

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = reference_commands.targets(MAKEFILE)


def test_every_list_is_what_the_code_says():
    """Regenerate them with `make schema`."""
    stale = {p.name for p, text in reference.fresh(ROOT).items() if text != p.read_text()}

    assert stale == set()


def test_a_document_without_the_marks_is_refused(tmp_path):
    path = tmp_path / "settings.md"
    path.write_text("# Settings\n")

    with pytest.raises(Misconfigured) as raised:
        reference._with(path, "| list |")

    assert str(raised.value) == (
        "settings.md: the marks <!-- reference: begin, written by make schema --> and "
        "<!-- reference: end --> must stand there once"
    )


# --- commands ------------------------------------------------------------------------------------


def test_a_target_is_read_with_what_it_needs_and_may_have():
    makefile = (
        "both = $(if $(SOURCE),--source $(SOURCE))\n"
        "# --- use it -----\n"
        "costs: $(VENV)/.cli ## Show costs: ENV=dev; JSON=1\n"
        "\t$(call needs,ENV,dev)\n"
        "\t@$(CLI).costs --env $(ENV) $(both) $(if $(JSON),--json) $(ARGS)\n"
    )

    (found,) = reference_commands.targets(makefile)

    assert found == reference_commands.Target(
        "costs",
        "use it",
        "Show costs: ENV=dev; JSON=1",
        ("ENV",),
        ("SOURCE", "JSON", "ARGS"),
        "costs",
    )


def test_a_target_without_a_word_about_its_end_is_refused():
    with pytest.raises(Misconfigured) as raised:
        reference_commands.markdown(f"{MAKEFILE}\nnew: ## Do something new\n\t@true\n")

    assert str(raised.value).startswith("new: say in reference_commands.py how it ends")


def codes_in(module: str) -> set[int]:
    """The exit codes that a command's own module can end with, as far as they are written there."""
    found = importlib.import_module(f"twinguard.cli.{module}")
    tree = ast.parse(Path(found.__file__).read_text())
    codes = {2, 3} if "exiting(" in ast.unparse(tree) else set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.Exit":
            for value in node.args[:1]:
                parts = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                codes |= {code for part in parts if (code := number(part, found)) is not None}
    return codes


def number(node: ast.expr, module: object) -> int | None:
    """A code that is written out, or the name of one."""
    if isinstance(node, ast.Constant):
        return node.value
    return getattr(module, node.id, None) if isinstance(node, ast.Name) else None


GROUPS = {
    "costs",
    "audit",
    "customer_keys",
    "keys",
    "deploy",
    "terraform_checks",
    "doctor",
    "scale",
}
"""Modules of several targets, or with codes that the shared exits never reach."""


@pytest.mark.parametrize(
    "target",
    [one for one in TARGETS if one.module and one.module not in GROUPS],
    ids=lambda one: one.name,
)
def test_every_code_that_a_command_ends_with_is_described(target):
    described = {
        int(code) for code in re.findall(r"\b(\d+) ", reference_commands.ENDS[target.name])
    }

    assert codes_in(target.module) - described <= {3}


@pytest.mark.parametrize("module", sorted(GROUPS))
def test_every_code_of_a_group_of_commands_is_described(module):
    described = {
        int(code)
        for one in TARGETS
        if one.module == module
        for code in re.findall(r"\b(\d+) ", reference_commands.ENDS[one.name])
    }

    assert codes_in(module) <= described


# --- the policy ----------------------------------------------------------------------------------


def test_every_key_of_the_schema_has_its_row():
    """Blocks that appear in several places are described once."""
    text = (ROOT / "docs" / "reference-policy.md").read_text()

    for name in ("`budget.cap.release`", "`secrets.NAME`", "`budget.thresholds[]`"):
        assert re.search(rf"^## .*{re.escape(name)}", text, re.MULTILINE)
    assert "| `stop_serving` | true or false | `false` | Opt-in:" in text
    assert "| `budget.amount` | 5000 | 500 | 100 | 50 | - |" in text


def test_a_bar_in_a_cell_is_no_border():
    assert markdown.table(("a",), [("x|y",)]).splitlines()[-1] == "| x\\|y |"


# --- signals -------------------------------------------------------------------------------------


def test_numbers_are_those_that_the_code_counts():
    assert reference_signals.numbers(ROOT / "functions") == reference_signals.NUMBERS.keys()


def test_lines_are_those_that_the_code_writes(tmp_path):
    folder = tmp_path / "twinguard"
    folder.mkdir()
    (folder / "a.py").write_text(
        '_log.error("%s is late by %d s", name, age)\n'
        '_log.warning("%s: %s", a, b)\n'
        '_log.info("fine")\n'
        'self.tallies.add("good" if ok else "bad")\n'
        'self.tallies.add(f"found_{level}")\n'
    )

    assert reference_signals.complaints(tmp_path) == [("error", "… is late by … s", "`a.py`")]
    assert reference_signals.numbers(tmp_path) == {"good", "bad", "found_…"}


def test_events_are_those_that_terraform_listens_for():
    """A metric of lines that nobody writes would watch nothing."""
    folder = ROOT / "terraform" / "modules" / "observability"
    text = "\n".join(path.read_text() for path in folder.glob("*.tf"))
    heard = set(re.findall(r'jsonPayload\.event = \\"(\w+)\\"', text))
    entry_points = set(
        re.findall(r"^def (\w+)", (ROOT / "functions" / "main.py").read_text(), re.MULTILINE)
    )

    written = {name.strip("`") for name, *_ in reference_signals.events(ROOT / "functions")}

    assert heard
    assert heard <= written | entry_points
    assert "the entry point's name" in written


def test_outcomes_are_those_that_terraform_counts():
    logs = (ROOT / "terraform" / "modules" / "observability" / "logs.tf").read_text()
    counted = re.search(r"jsonPayload\.outcome = \((.*?)\)", logs)

    assert set(re.findall(r'\\"([a-z ]+)\\"', counted[1])) == reference_signals.OUTCOMES.keys()
