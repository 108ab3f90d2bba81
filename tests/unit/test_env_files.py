# SPDX-License-Identifier: Apache-2.0
"""Environment files are their owner's alone, replaced in one step, and never reached by a link."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from twinguard.env_files import files
from twinguard.errors import Misconfigured


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".env" / ".env.staging"


def mode(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_file_and_its_folder_are_the_owners_alone(path, umask):
    before = os.umask(umask)
    try:
        files.replace(path, b"A=1\n")
    finally:
        os.umask(before)

    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    stored = files.read(path)
    assert (stored.data, stored.is_private) == (b"A=1\n", True)


def test_a_file_is_replaced_and_nothing_else_stays(path):
    files.replace(path, b"A=1\n")
    path.chmod(0o644)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(b"of a run that was killed")
    old = path.open("rb")

    files.replace(path, b"A=2\n")

    assert path.read_bytes() == b"A=2\n"
    assert old.read() == b"A=1\n", "who reads the old file reads it to its end"
    old.close()
    assert mode(path) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("loose", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_refused_and_left_as_it_is(path, loose):
    """It may be anything that somebody named; /tmp must not be closed by us."""
    path.parent.mkdir()
    path.parent.chmod(loose)

    with pytest.raises(Misconfigured) as raised:
        files.replace(path, b"A=1\n")

    assert str(raised.value) == (
        f"others can write to {path.parent}, and so exchange what is in it; "
        f"run chmod go-w {path.parent}"
    )
    assert (mode(path.parent), list(path.parent.iterdir())) == (loose, [])


def test_a_folder_below_nothing_is_refused(tmp_path):
    path = tmp_path / "nowhere" / ".env" / "x"

    assert files.read(path) is None
    with pytest.raises(Misconfigured, match=r"\.env: cannot be made \(No such file or directory\)"):
        files.replace(path, b"A=1\n")


def test_a_file_that_others_can_read_is_told(path):
    files.replace(path, b"A=1\n")
    path.chmod(0o640)

    assert not files.read(path).is_private


@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_in_place_of_the_file_is_refused_and_its_aim_untouched(path, tmp_path, dangling):
    aim = tmp_path / "aim"
    if not dangling:
        aim.write_bytes(b"mine")
    path.parent.mkdir()
    path.symlink_to(aim)

    for act in (lambda: files.replace(path, b"A=1\n"), lambda: files.read(path)):
        with pytest.raises(Misconfigured) as raised:
            act()
        assert str(raised.value) == (
            f"{path} is a symbolic link or no file; remove it and run this again"
        )
    assert path.is_symlink()
    assert dangling != aim.exists()
    assert dangling or aim.read_bytes() == b"mine"


@pytest.mark.parametrize("to_a_folder", [True, False])
def test_a_link_in_place_of_the_folder_is_refused(path, tmp_path, to_a_folder):
    aim = tmp_path / "aim"
    if to_a_folder:
        aim.mkdir()
    path.parent.symlink_to(aim)

    for act in (lambda: files.replace(path, b"A=1\n"), lambda: files.read(path)):
        with pytest.raises(Misconfigured, match="is a symbolic link or no folder; remove it"):
            act()
    assert not to_a_folder or list(aim.iterdir()) == []


def test_a_link_in_place_of_the_draft_is_not_followed(path, tmp_path):
    aim = tmp_path / "aim"
    aim.write_bytes(b"mine")
    path.parent.mkdir()
    path.with_name(f".{path.name}.draft").symlink_to(aim)

    files.replace(path, b"A=1\n")

    assert (aim.read_bytes(), path.read_bytes()) == (b"mine", b"A=1\n")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_at_once(path, make):
    path.parent.mkdir()
    make(path)

    for act in (lambda: files.replace(path, b"A=1\n"), lambda: files.read(path)):
        with pytest.raises(Misconfigured, match="is a symbolic link or no file"):
            act()


def test_what_is_not_there_reads_as_nothing(path):
    assert files.read(path) is None

    path.parent.mkdir()

    assert files.read(path) is None


def test_a_folder_of_somebody_else_is_refused(path, monkeypatch):
    files.replace(path, b"A=1\n")
    monkeypatch.setattr(os, "geteuid", lambda: path.parent.stat().st_uid + 1)

    for act in (lambda: files.replace(path, b"A=2\n"), lambda: files.read(path)):
        with pytest.raises(Misconfigured, match="belongs to somebody else; remove it, or use your"):
            act()
    assert path.read_bytes() == b"A=1\n"


def test_a_stored_file_shows_nothing_when_printed(path):
    files.replace(path, b"A=s3cr3t\n")

    assert "s3cr3t" not in f"{files.read(path)}{files.read(path)!r}"


def test_two_writers_at_once_leave_one_whole_file(path):
    texts = [bytes([65 + number]) * 50_000 for number in range(8)]
    start = threading.Barrier(len(texts))

    def write(text):
        start.wait()
        files.replace(path, text)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_bytes() in texts
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_git_keeps_no_environment_file():
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()

    assert ".env/" in ignored
