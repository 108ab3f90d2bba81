# SPDX-License-Identifier: Apache-2.0
"""The zip of the functions depends on the sources alone."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path

import pytest
import typer.testing

from twinguard.cli import bundle
from twinguard.errors import Misconfigured

SOURCES = {
    "main.py": "import twinguard\n",
    "requirements.txt": "msgspec==0.22.0\n",
    "twinguard/__init__.py": "",
    "twinguard/act/cloud_run.py": "RUN = 1\n",
}
LEFT_OUT = {
    ".env": "TOKEN=1\n",
    "local.sqlite": "x",
    "notes.py": "loose\n",
    "twinguard/__pycache__/x.cpython-311.pyc": "x",
    "twinguard/cli/scale.py": "import typer\n",
    "twinguard/gateway_wiring.py": "import asyncio\n",
    "twinguard/local.db": "x",
    "twinguard/standins/google.py": "import http\n",
}


def folder(path: Path, mtime: int, umask: int) -> Path:
    before = os.umask(umask)
    try:
        for name, text in (SOURCES | LEFT_OUT).items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            os.utime(file, (mtime, mtime))
    finally:
        os.umask(before)
    return path


def test_the_same_sources_give_the_same_bytes_whatever_their_times_and_modes(tmp_path):
    here = folder(tmp_path / "here", 1_000_000_000, 0o022)
    there = folder(tmp_path / "there", 1_700_000_000, 0o077)

    first, second = bundle.packed(here), bundle.packed(there)

    assert first == second


def test_only_what_a_function_needs_goes_in(tmp_path):
    made = bundle.build(folder(tmp_path / "functions", 1, 0o022), tmp_path / "out")

    with zipfile.ZipFile(made.path) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == SOURCES


def test_a_change_of_the_sources_gives_another_name_and_removes_the_older_zip(tmp_path):
    functions = folder(tmp_path / "functions", 1, 0o022)
    first = bundle.build(functions, tmp_path / "out")
    (functions / "main.py").write_text("import twinguard  # changed\n")

    second = bundle.build(functions, tmp_path / "out")

    assert first.path != second.path
    assert list((tmp_path / "out").iterdir()) == [second.path]


def test_the_name_tells_the_digest(tmp_path):
    made = bundle.build(folder(tmp_path / "functions", 1, 0o022), tmp_path / "out")

    assert made.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert made.path.name == f"twinguard-{made.sha256[:16]}.zip"


def test_a_folder_without_functions_is_refused(tmp_path):
    with pytest.raises(Misconfigured) as raised:
        bundle.build(tmp_path, tmp_path / "out")

    assert str(raised.value) == (
        f"{tmp_path}: main.py, requirements.txt missing; name the functions folder"
    )


def test_the_command_prints_path_and_digest(tmp_path):
    app = typer.Typer()
    app.command()(bundle.main)

    done = typer.testing.CliRunner().invoke(app, ["--output", str(tmp_path), "--json"])

    (path,) = tmp_path.iterdir()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"path": str(path), "sha256": digest})
