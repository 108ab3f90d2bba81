# SPDX-License-Identifier: Apache-2.0
"""Every file says its licence, every module fits a reader's head."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPDX = "# SPDX-License-Identifier: Apache-2.0"
LONGEST_MODULE = 300
LONGEST_DOCSTRING = 3
PRODUCT = sorted((ROOT / "functions").rglob("*.py"))
PYTHON = sorted(
    path for folder in ("functions", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")
)
OTHERS = sorted(
    [
        *(
            ROOT / name
            for name in ("Makefile", "Dockerfile", ".ci/run", ".editorconfig", ".yamllint")
        ),
        *(ROOT / name for name in (".pre-commit-config.yaml",)),
        *ROOT.glob(".github/workflows/*.yml"),
        *ROOT.glob("environments/*/policy.yaml"),
    ]
)


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*PYTHON, *OTHERS], ids=short)
def test_a_file_names_its_licence_at_its_top(path):
    assert SPDX in path.read_text().splitlines()[:2]


@pytest.mark.parametrize("path", PRODUCT, ids=short)
def test_a_module_stays_below_three_hundred_lines(path):
    assert len(path.read_text().splitlines()) < LONGEST_MODULE


@pytest.mark.parametrize("path", PRODUCT, ids=short)
def test_a_module_says_in_three_lines_what_it_is_for(path):
    """`errors.py` draws its tree there."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    lines = [line for line in docstring.splitlines() if line.strip()]

    assert docstring, "say what the file is for"
    assert len(lines) <= LONGEST_DOCSTRING or path.name == "errors.py"


def test_the_licence_is_apache_2():
    text = (ROOT / "LICENSE").read_text()

    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
