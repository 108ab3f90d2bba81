# SPDX-License-Identifier: Apache-2.0
"""The Terraform code keeps its style, and says the same as the Python code it watches."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from twinguard.cli import terraform_docs

ROOT = Path(__file__).parents[2]
TERRAFORM = ROOT / "terraform"
ENVIRONMENTS = sorted(path.parent for path in ROOT.glob("environments/*/main.tf"))
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
WITH_INPUTS = [TERRAFORM / "bootstrap", *MODULES]
FOLDERS = [*WITH_INPUTS, *ENVIRONMENTS]
FILES = sorted(path for folder in FOLDERS for path in folder.glob("*.tf"))
TESTS = sorted(path for folder in FOLDERS for path in folder.glob("tests/*.tftest.hcl"))

LONGEST_FILE = 150
UNDIVIDED = {"terraform/modules/environment/policy.tf"}
"""One variable, the whole policy: HCL cannot divide it."""
DATA_SOURCES = {"google_project"}
VERSIONS = """\
# SPDX-License-Identifier: Apache-2.0

terraform {
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.45"
    }
  }
}
"""
BETA = """\
    google-beta = {
      source  = "hashicorp/google-beta"
      version = "~> 7.45"
    }
"""
SNAKE = re.compile(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*")


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def expected(path: Path) -> list[str]:
    """The inputs that a module's tests expect to be refused, one for each run."""
    text = "\n".join(test.read_text() for test in path.glob("tests/*.tftest.hcl"))
    return re.findall(r"expect_failures = \[var\.(\w+)\]", text)


def validations(path: Path) -> dict[str, int]:
    """How many rules each input of a module has."""
    text = "\n".join(file.read_text() for file in sorted(path.glob("*.tf")))
    found = re.findall(r'(?ms)^variable "(\w+)" \{\n(.*?)^\}', text)
    counts = {name: len(re.findall(r"(?m)^  validation \{", body)) for name, body in found}
    return {name: count for name, count in counts.items() if count}


def test_there_is_something_to_check():
    assert {"project", "keys", "observability"} <= {path.name for path in MODULES}
    assert FILES


@pytest.mark.parametrize("folder", WITH_INPUTS, ids=short)
def test_a_module_has_its_four_files_and_tests(folder):
    wanted = ("versions.tf", "variables.tf", "outputs.tf", "README.md")

    assert [name for name in wanted if not (folder / name).is_file()] == []
    assert list(folder.glob("tests/*.tftest.hcl")) != []


@pytest.mark.parametrize("folder", FOLDERS, ids=short)
def test_versions_are_the_same_everywhere(folder):
    text = (folder / "versions.tf").read_text()

    assert text.replace(BETA, "") == VERSIONS


@pytest.mark.parametrize("folder", WITH_INPUTS, ids=short)
def test_inputs_and_outputs_are_in_order_and_described(folder):
    for name in ("variables.tf", "outputs.tf"):
        blocks = terraform_docs.blocks((folder / name).read_text(), name)
        names = [block.name for block in blocks]

        assert names == sorted(names)
        assert [b.name for b in blocks if not b.description.endswith(".")] == []


@pytest.mark.parametrize("folder", WITH_INPUTS, ids=short)
def test_every_rule_of_an_input_is_seen_to_refuse_something(folder):
    refused = expected(folder)
    rules = validations(folder)

    missing = {name: count for name, count in rules.items() if refused.count(name) < count}

    assert missing == {}, "add a run with expect_failures for each validation"


@pytest.mark.parametrize("path", [*FILES, *TESTS, ROOT / ".tflint.hcl"], ids=short)
def test_a_file_names_its_licence_at_its_top(path):
    assert path.read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n")


@pytest.mark.parametrize("path", FILES, ids=short)
def test_a_file_fits_a_readers_head(path):
    assert len(path.read_text().splitlines()) < LONGEST_FILE or short(path) in UNDIVIDED


@pytest.mark.parametrize("path", FILES, ids=short)
def test_names_are_snake_case_and_files_and_folders_are_too(path):
    text = path.read_text()
    labels = re.findall(r'(?m)^(?:variable|output|module) "([^"]+)" \{', text)
    labels += re.findall(r'(?m)^(?:resource|data) "[^"]+" "([^"]+)" \{', text)
    for body in re.findall(r"(?ms)^locals \{\n(.*?)^\}", text):
        labels += re.findall(r"(?m)^  (\w+) *=", body)

    assert [label for label in labels if not SNAKE.fullmatch(label)] == []
    assert SNAKE.fullmatch(path.stem)
    assert SNAKE.fullmatch(path.parent.name)


@pytest.mark.parametrize("path", FILES, ids=short)
def test_items_are_keyed_rather_than_counted(path):
    assert re.findall(r"(?m)^  count\b.*", path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=short)
def test_nothing_is_read_at_plan_time_but_a_projects_number(path):
    """A data source needs credentials, and makes plans wait for what they read."""
    read = set(re.findall(r'(?m)^data "([^"]+)"', path.read_text()))

    assert read - DATA_SOURCES == set()


@pytest.mark.parametrize("path", FILES, ids=short)
def test_terraform_runs_no_commands_and_keeps_no_values_of_secrets(path):
    text = path.read_text()

    assert re.findall(r"provisioner|local-exec|remote-exec|null_resource|time_sleep", text) == []
    assert re.findall(r"google_secret_manager_secret_version|secret_data", text) == []


@pytest.mark.parametrize("path", FILES, ids=short)
def test_nobody_reads_all_secrets_of_a_project(path):
    blocks = re.findall(r'(?ms)^resource "google_project_iam_\w+" .*?^\}', path.read_text())

    assert [block for block in blocks if "secretmanager.secretAccessor" in block] == []
    assert [block for block in blocks if re.search(r'"roles/(owner|editor|viewer)"', block)] == []


@pytest.mark.parametrize("path", TESTS, ids=short)
def test_a_run_is_named_by_a_sentence_and_asserts_something(path):
    runs = re.findall(r'(?ms)^run "([^"]+)" \{\n(.*?)^\}', path.read_text())

    assert runs != []
    assert [name for name, _ in runs if len(name.split("_")) < 3 or not SNAKE.fullmatch(name)] == []
    assert [n for n, body in runs if "assert {" not in body and "expect_failures" not in body] == []


# --- what the alerts look for is what the functions write ---------------------------------------

LOGS = (TERRAFORM / "modules" / "observability" / "logs.tf").read_text()
WATCHERS = (TERRAFORM / "modules" / "observability" / "watchers.tf").read_text()
WIRING = ast.parse((ROOT / "functions" / "twinguard" / "wiring.py").read_text())


def fields_written() -> dict[str, set[str]]:
    """Every key of a dictionary in wiring.py, with the texts it is given."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(WIRING):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    texts = {value.value} if isinstance(value, ast.Constant) else set()
                    found[key.value] = found.get(key.value, set()) | texts
    return found


def test_every_outcome_is_counted():
    counted = re.search(r"jsonPayload\.outcome = \((.*?)\)", LOGS)[1]

    assert set(re.findall(r'\\"([a-z ]+)\\"', counted)) == fields_written()["outcome"]


def test_every_field_that_a_filter_reads_is_written():
    read = set(re.findall(r"jsonPayload\.(\w+)", LOGS + WATCHERS))

    assert read == {"environment", "event", "logger", "outcome"}
    assert read - {"logger"} <= fields_written().keys()


def test_lines_are_told_apart_by_the_name_of_our_logger():
    """`logs.JsonLines` writes the logger's name into each line."""
    loggers = {
        ast.literal_eval(node.args[0])
        for node in ast.walk(WIRING)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "logging.getLogger"
    }

    assert loggers == set(re.findall(r'jsonPayload\.logger = \\"(\w+)\\"', LOGS))
