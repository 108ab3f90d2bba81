# SPDX-License-Identifier: Apache-2.0
"""What only the SQLite store can get wrong: files, processes, sudden ends and its triggers.

What it shares with every store is in `tests/contract/test_records.py`."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from twinguard.errors import Conflict, Misconfigured, Unavailable
from twinguard.state.sqlite import MEMORY, SqliteRecords

FUNCTIONS = Path(__file__).parents[2] / "functions"
NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(hours=1)
PROLOGUE = """
import os, sys
from twinguard.errors import Conflict
from twinguard.state.sqlite import SqliteRecords
records = SqliteRecords(sys.argv[1])
"""


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "records.db")


@pytest.fixture
def records(path) -> Iterator[SqliteRecords]:
    with closing(SqliteRecords(path)) as store:
        yield store


@pytest.fixture
def start(path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts programs that share the file; what still runs when the test ends is killed."""
    processes: list[subprocess.Popen[str]] = []

    def begin(program: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROLOGUE + program, path, *arguments],
            env={**os.environ, "PYTHONPATH": str(FUNCTIONS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        with process:
            process.kill()


def connection(records: SqliteRecords) -> sqlite3.Connection:
    return records._own()[1]


# --- processes -----------------------------------------------------------------------------------

WRITER = """
for n in range(40):
    print(records.append("audit", {"by": os.getpid(), "n": n}))
    while True:
        seen = records.get("counter", "c")
        try:
            if seen is None:
                records.put("counter", "c", {"n": 1}, None)
            else:
                records.put("counter", "c", {"n": seen.value["n"] + 1}, seen.version)
            break
        except Conflict:
            pass
"""


def test_processes_that_write_at_once_lose_nothing(path, start):
    writers = [start(WRITER) for _ in range(4)]
    ids = [writer.communicate(timeout=60)[0].split() for writer in writers]

    with closing(SqliteRecords(path)) as records:
        audit = records.find("audit")
        counter = records.get("counter", "c")

    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    assert counter.value == {"n": 160}
    assert [stored.id for stored in audit] == sorted(itertools.chain(*ids))
    assert all(own == sorted(own) for own in ids)
    assert {(stored.value["by"], stored.value["n"]) for stored in audit} == {
        (writer.pid, n) for writer in writers for n in range(40)
    }


FORKER = """
before = records.append("audit", {})
parents = records._own()[1]
child = os.fork()
if child == 0:
    records.append("audit", {})
    os._exit(records._own()[1] is parents)  # its locks are the parent's
assert os.waitpid(child, 0)[1] == 0
records.append("audit", {})
child = os.fork()
if child == 0:
    os._exit(len(records.find("audit")))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(records.find("audit")))
"""


def test_a_fork_writes_beside_its_parent(start):
    forker = start(FORKER)
    answer, _ = forker.communicate(timeout=60)

    assert (forker.returncode, answer) == (0, "3 3\n")


ENDLESS = """
for n in range(1_000_000):
    print(records.append("audit", {"n": n, "text": "x" * 2_000}), flush=True)
"""


def test_what_was_answered_before_a_kill_is_there_after_it(path, start):
    writer = start(ENDLESS)
    answered = [writer.stdout.readline().strip() for _ in range(50)]
    writer.kill()
    answered += writer.communicate()[0].split()

    with closing(SqliteRecords(path)) as records:
        found = records.find("audit")
        following = records.append("audit", {})
        check = connection(records).execute("PRAGMA integrity_check").fetchall()

    assert writer.returncode == -signal.SIGKILL
    assert [stored.id for stored in found][: len(answered)] == answered
    assert len(found) - len(answered) in {0, 1}  # the write under way may or may not have landed
    assert [stored.value["n"] for stored in found] == list(range(len(found)))
    assert following > found[-1].id
    assert check == [("ok",)]


def test_every_commit_reaches_the_disk(records):
    (synchronous,) = connection(records).execute("PRAGMA synchronous").fetchone()
    (journal,) = connection(records).execute("PRAGMA journal_mode").fetchone()

    assert (synchronous, journal) == (2, "wal")


def test_a_lock_that_is_not_given_up_in_time_is_unavailable(path):
    with closing(SqliteRecords(path, timeout=0.01)) as records:
        records.put("hold", "h1", {}, None)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")

            with pytest.raises(Unavailable, match="database is locked"):
                records.append("audit", {})
            assert records.get("hold", "h1") is not None

        assert records.find("audit") == ()
        assert records.append("audit", {}) is not None


OPENER = """
print("ready", flush=True)
sys.stdin.read()
SqliteRecords(sys.argv[2]).append("audit", {})
"""


def test_processes_that_lay_out_the_same_new_file_all_succeed(tmp_path, start):
    for n in range(3):
        new = str(tmp_path / f"new{n}.db")
        openers = [start(OPENER, new) for _ in range(6)]
        assert [opener.stdout.readline() for opener in openers] == ["ready\n"] * 6
        for opener in openers:
            opener.stdin.close()

        assert [opener.wait(60) for opener in openers] == [0] * 6
        with closing(SqliteRecords(new)) as records:
            assert len(records.find("audit")) == 6


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder that nobody may write to; root becomes nobody, whom permissions do bind."""
    folder = Path(tempfile.mkdtemp())
    SqliteRecords(str(folder / "there.db")).close()
    folder.chmod(0o555)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65_534)
    yield folder
    if me == 0:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["new.db", "there.db"])
def test_a_folder_that_cannot_be_written_is_refused_with_the_remedy(locked_folder, name):
    with pytest.raises(Misconfigured, match="let this user write there") as refused:
        SqliteRecords(str(locked_folder / name))

    assert str(refused.value).startswith(str(locked_folder / name))


def test_a_new_store_is_its_owners_alone(tmp_path):
    """Whose keys there are, and who did what, is nobody else's business."""
    records = SqliteRecords(str(tmp_path / "new.db"))
    records.put("kind", "id", {"a": 1}, None)

    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_folder_that_is_missing_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(Misconfigured, match="create its folder"):
        SqliteRecords(str(tmp_path / "missing" / "records.db"))


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    Path(path).write_bytes(b"budget: 100\n" * 100)

    with pytest.raises(Misconfigured, match=r"records\.db is not a sound SQLite database"):
        SqliteRecords(path)
    assert Path(path).read_bytes() == b"budget: 100\n" * 100


def test_a_database_of_another_program_is_refused_and_left_alone(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE records (mine)")
    before = Path(path).read_bytes()

    with pytest.raises(Misconfigured, match="of some other program"):
        SqliteRecords(path)
    assert Path(path).read_bytes() == before


def test_a_file_of_a_later_layout_is_refused(path, records):
    connection(records).execute("PRAGMA user_version = 2")

    with pytest.raises(Misconfigured, match="has layout 2 and this version knows layout 1"):
        SqliteRecords(path)


def test_damage_found_while_reading_names_the_file_and_the_remedy(path):
    with closing(SqliteRecords(path)) as records:
        for n in range(50):
            records.put("hold", f"h{n}", {"text": "x" * 3_000}, None)
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[:40_960] + b"\xff" * (len(whole) - 40_960))

    with (
        closing(SqliteRecords(path)) as damaged,
        pytest.raises(Misconfigured, match=r"restore it from a backup"),
    ):
        damaged.find("hold")


def test_an_empty_file_becomes_a_store(path):
    Path(path).touch()

    with closing(SqliteRecords(path)) as records:
        assert records.find("hold") == ()


# --- triggers ------------------------------------------------------------------------------------

FORBIDDEN = {
    "update": "UPDATE records SET value = '{}' WHERE kind = 'audit'",
    "unseal": "UPDATE records SET appended = 0 WHERE kind = 'audit'",
    "expire": "UPDATE records SET expires_at = 0 WHERE kind = 'audit'",
    "replace": "INSERT OR REPLACE INTO records SELECT kind, id, '{}', 9, 0, NULL FROM records"
    " WHERE kind = 'audit'",
    "upsert": "INSERT INTO records SELECT kind, id, '{}', 9, 0, NULL FROM records"
    " WHERE kind = 'audit' ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value",
    "rename": "UPDATE OR REPLACE records SET kind = 'audit', id ="
    " (SELECT id FROM records WHERE kind = 'audit') WHERE kind = 'hold'",
    "delete": "DELETE FROM records WHERE kind = 'audit'",
}


@pytest.mark.parametrize("expires", [None, LATER], ids=["for ever", "with expiry"])
@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_file_itself_refuses_to_change_an_appended_record(path, records, statement, expires):
    records.put("hold", "h1", {}, None)
    records.append("audit", {"action": "stop"}, expires=expires)
    before = (records.find("audit"), records.find("hold"))

    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        pytest.raises(sqlite3.IntegrityError, match=r"appended record|keeps its kind"),
    ):
        other.execute(statement)

    assert (records.find("audit"), records.find("hold")) == before


def test_a_purge_leaves_no_door_open(path, records):
    records.append("audit", {}, expires=NOON)
    kept = records.append("audit", {}, expires=LATER)

    purged = records.purge(LATER)
    late = records.append("audit", {}, expires=NOON)

    assert purged == 1
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        pytest.raises(sqlite3.IntegrityError, match="goes only by expiring"),
    ):
        other.execute("DELETE FROM records WHERE id = ?", [late])
    assert [stored.id for stored in records.find("audit")] == [kept, late]


def test_a_failed_write_leaves_nothing_behind(records):
    with pytest.raises(TypeError):
        records.put("hold", "h1", {"cost": object()}, None)

    assert records.get("hold", "h1") is None
    assert not connection(records).in_transaction


CONFLICTS = {
    None: "hold 'h1' exists already; read it and decide again",
    "never": "hold 'h1' changed since it was read; read it and decide again",
}


@pytest.mark.parametrize("version", CONFLICTS)
def test_a_conflict_says_what_was_found(records, version):
    records.put("hold", "h1", {}, None)

    with pytest.raises(Conflict) as caught:
        records.put("hold", "h1", {}, version)

    assert str(caught.value) == CONFLICTS[version]


def test_a_conflict_says_that_the_record_is_gone(records):
    with pytest.raises(Conflict) as caught:
        records.put("hold", "h1", {}, "1")

    assert str(caught.value) == "hold 'h1' is gone; read it and decide again"


def test_a_store_in_memory_needs_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with closing(SqliteRecords(MEMORY)) as records:
        records.append("audit", {})

    assert list(tmp_path.iterdir()) == []
