# SPDX-License-Identifier: Apache-2.0
"""tflint's rules for Google are used wherever they are; nothing is fetched."""

from __future__ import annotations

import re
from pathlib import Path

from twinguard.cli import terraform_checks

ROOT = Path(__file__).parents[2]


def test_the_first_folder_that_has_the_rules_is_taken(tmp_path):
    folders = [tmp_path / name for name in ("none", "first", "second")]
    for folder in folders[1:]:
        folder.mkdir()
        (folder / "tflint-ruleset-google").touch()

    assert terraform_checks.google_rules(folders) == tmp_path / "first"


def test_where_nobody_has_the_rules_there_are_none(tmp_path):
    assert terraform_checks.google_rules([tmp_path, tmp_path / "none"]) is None


def test_the_checks_of_every_change_put_tool_and_rules_where_lint_looks():
    script = (ROOT / ".ci" / "run").read_text()
    tool, rules = terraform_checks.TFLINT.parent.name, terraform_checks.GOOGLE_RULES.name

    assert f"build_tool tflint {tool} " in script
    assert f".cache/tflint-google/{rules}\n" in script
    assert re.search(rf"ruleset-google@v{re.escape(rules)}\"", script)
