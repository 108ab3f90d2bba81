# SPDX-License-Identifier: Apache-2.0
"""Scripts of others are what their packages hold, with their licences; pages load nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "functions" / "twinguard" / "web"
FOLDERS = (WEB / "static" / "vendor", ROOT / "tests" / "data" / "axe")
TEMPLATES = sorted((WEB / "templates").glob("*.html"))


def listed(folder: Path) -> list[tuple[str, str]]:
    packages = json.loads((folder / "versions.json").read_text())
    return sorted(pair for package in packages for pair in package["files"].items())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_file_has_the_digest_that_is_written_beside_it(folder):
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "versions.json"
    }

    assert found == dict(listed(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_package_has_its_version_and_its_licence(folder):
    for package in json.loads((folder / "versions.json").read_text()):
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert package["licence"]
        assert any("LICENSE" in name for name in package["files"])


def test_scripts_say_the_version_that_is_written_down():
    versions = json.loads((WEB / "static" / "vendor" / "versions.json").read_text())
    htmx = next(one["version"] for one in versions if one["package"] == "htmx.org")

    assert f'"{htmx}"' in (WEB / "static" / "vendor" / "htmx.min.js").read_text()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_inline_script_or_style_and_loads_only_our_own(path):
    """The content security policy would refuse them."""
    text = path.read_text()

    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", text) == []
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", text) == []
    assert "|safe" not in text
