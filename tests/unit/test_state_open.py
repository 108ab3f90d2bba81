# SPDX-License-Identifier: Apache-2.0
"""Which store a URL opens, and what is said where it opens none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from twinguard.errors import Misconfigured
from twinguard.state import open_records

FUNCTIONS = Path(__file__).parents[2] / "functions"


def test_three_slashes_are_a_path_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    open_records("sqlite:///records.db").close()

    assert (tmp_path / "records.db").exists()


def test_four_slashes_are_a_path_from_the_root(tmp_path):
    open_records(f"sqlite:///{tmp_path}/records.db").close()

    assert (tmp_path / "records.db").exists()


def test_a_store_stays_in_its_file_when_the_folder_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records = open_records("sqlite:///records.db")
    monkeypatch.chdir("/")

    put = records.put("hold", "h1", {}, None)
    records.close()

    assert open_records(f"sqlite:///{tmp_path}/records.db").get("hold", "h1") == put


def test_two_stores_in_memory_share_nothing():
    one, other = open_records("sqlite://"), open_records("sqlite://")
    one.put("hold", "h1", {}, None)

    assert other.get("hold", "h1") is None


def test_opening_firestore_asks_nobody():
    code = (
        "import sys; from twinguard.state import open_records;"
        "open_records('firestore://demo/(default)?prefix=tw-');"
        "vendors = ('google.cloud.', 'grpc', 'sqlite');"
        "print([name for name in sys.modules if name.startswith(vendors)])"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(FUNCTIONS)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == "[]\n"


@pytest.mark.parametrize(
    "url",
    [
        *("", "sqlite", "sqlite:", "sqlite:/", "records.db", "redis://localhost", "sqlite://x.db"),
        *("sqlite:///", "sqlite:///folder/", "firestore://", "firestore://demo"),
        *("firestore://demo/", "firestore:///db", "firestore://demo/a/b", "SQLITE://"),
        "firestore://demo/(default)?collection=x",
    ],
)
def test_a_url_that_names_no_store_is_refused_with_the_accepted_forms(url):
    with pytest.raises(Misconfigured) as refused:
        open_records(url)

    assert str(refused.value) == (
        f"TWINGUARD_RECORDS is {url!r}, which names no store; set it to one of:"
        " sqlite:///relative.db, sqlite:////absolute/path.db, sqlite:// (in memory),"
        " firestore://PROJECT/DATABASE (DATABASE may be (default); optional ?prefix=NAME)"
    )


@pytest.mark.parametrize("prefix", ["__", "a/b", "A", "1", "x" * 101])
def test_a_prefix_no_collection_can_have_is_refused(prefix):
    with pytest.raises(Misconfigured, match="TWINGUARD_RECORDS: prefix"):
        open_records(f"firestore://demo/(default)?prefix={prefix}")
