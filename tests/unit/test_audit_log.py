# SPDX-License-Identifier: Apache-2.0
"""The security audit log: what was done to it is found and located; no crash leaves it wrong."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import MemoryRecords
from twinguard.audit_log import Anchor, AuditLog, files_of, name_of, verify
from twinguard.decide.audit_chain import Entry, Head, written
from twinguard.decide.chain_check import Checker, Kind, Spot
from twinguard.errors import Misconfigured, Unavailable
from twinguard.state.sqlite import SqliteRecords

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
FUNCTIONS = Path(__file__).parents[2] / "functions"
APPENDING = """
import datetime as dt, sys
from pathlib import Path
from twinguard.audit_log import Anchor, AuditLog
from twinguard.decide.audit_chain import Entry
from twinguard.state.sqlite import SqliteRecords
path, now = Path(sys.argv[1]), dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
log = AuditLog(path, "staging", Anchor(SqliteRecords(sys.argv[2]), "staging", path))
for number in range(int(sys.argv[3])):
    log.append([Entry(at=now, actor=sys.argv[4], action="Read", subject=f"s{number}")], now)
    print(number, flush=True)
"""


def entry(number: int, **fields: str) -> Entry:
    told = {"actor": "ada", "action": "Read", "subject": f"secret s{number}", "detail": "why"}
    return Entry(at=NOON + dt.timedelta(seconds=number), **(told | fields))


def chained(count: int, environment: str = "staging", *, subject: str = "secret") -> list[bytes]:
    """Lines as the log writes them."""
    lines: list[bytes] = []
    head = None
    for number in range(count):
        line, head = written(entry(number, subject=f"{subject} {number}"), environment, head)
        lines.append(line)
    return lines


def head_of(lines: list[bytes]) -> Head:
    return Head(len(lines), lines[-1][-67:-3].decode())


def checked(data: bytes, anchor: Head | None = None, environment: str = "staging"):
    """The verdict on a file of these bytes."""
    lines, offset = [], 0
    for number, raw in enumerate(data.splitlines(keepends=True), 1):
        lines.append((Spot("log", number, offset), raw))
        offset += len(raw)
    return Checker(environment, anchor).check(lines)


def found(verdict) -> list[tuple[Kind, int]]:
    return [(one.kind, one.spot.line) for one in verdict.problems]


LINES = chained(6)
WHOLE, END = b"".join(LINES), head_of(LINES)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / name_of("staging")


@pytest.fixture
def anchor(path) -> Anchor:
    return Anchor(MemoryRecords(), "staging", path)


@pytest.fixture
def log(path, anchor) -> AuditLog:
    return AuditLog(path, "staging", anchor)


# --- what was done to a log is found and located -------------------------------------------------


def test_an_untouched_log_is_sound():
    verdict = checked(WHOLE, END)

    assert (verdict.lines, verdict.head, verdict.problems, verdict.newer) == (6, END, (), 0)


@given(place=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255))
def test_one_changed_byte_is_found_and_located(place, byte):
    if WHOLE[place] == byte:
        return
    data = WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :]

    # As a file is read: only a line feed ends a line.
    lines, offset = [], 0
    for raw in data.split(b"\n"):
        end = b"\n" if offset + len(raw) < len(data) else b""
        if raw + end:
            lines.append((Spot("log", len(lines) + 1, offset), raw + end))
        offset += len(raw) + 1
    verdict = Checker("staging", END).check(lines)

    assert [(one.kind, one.byte) for one in verdict.problems] == [(Kind.CHANGED, place)]
    assert verdict.head == END


@pytest.mark.parametrize("line", [0, len(LINES) - 1])
def test_every_byte_of_a_line_counts(line):
    start = sum(map(len, LINES[:line]))
    for place in range(start, start + len(LINES[line])):
        flipped = WHOLE[:place] + bytes([WHOLE[place] ^ 1]) + WHOLE[place + 1 :]
        if b"\n" in (flipped[place : place + 1], WHOLE[place : place + 1]):
            continue  # the property above has those

        verdict = checked(flipped, END)

        assert [(one.kind, one.byte) for one in verdict.problems] == [(Kind.CHANGED, place)]


def test_a_change_says_what_was_there():
    place = WHOLE.index(b"ada")

    (problem,) = checked(WHOLE.replace(b"ada", b"eda", 1), END).problems

    assert problem.what == "a byte was changed from 'a' to 'e'"
    assert (problem.spot, problem.byte) == (Spot("log", 1, 0), place)


@given(st.integers(0, len(LINES) - 1))
def test_a_line_changed_in_several_bytes_is_located_and_the_rest_is_still_checked(line):
    changed = [*LINES]
    changed[line] = changed[line].replace(b"ada", b"bob")
    changed[-1] = changed[-1] if line == len(LINES) - 1 else changed[-1].replace(b"why", b"whx")

    verdict = checked(b"".join(changed), END)

    assert found(verdict)[0] == (Kind.CHANGED, line + 1)
    assert {kind for kind, _ in found(verdict)} == {Kind.CHANGED}


@given(st.data())
def test_removed_lines_are_found(data):
    first = data.draw(st.integers(0, len(LINES) - 2))
    last = data.draw(st.integers(first, len(LINES) - 2))

    (problem,) = checked(b"".join(LINES[:first] + LINES[last + 1 :]), END).problems

    assert (problem.kind, problem.spot.line) == (Kind.REMOVED, first + 1)
    assert re.findall(r"\d+", problem.what) == sorted({str(first), str(last)}, key=int)


@given(st.integers(0, len(LINES) - 2))
def test_two_lines_that_changed_places_are_found(first):
    lines = [*LINES]
    lines[first], lines[first + 1] = lines[first + 1], lines[first]

    assert found(checked(b"".join(lines), END)) == [(Kind.MOVED, first + 2)]


@given(st.integers(0, len(LINES) - 1), st.integers(1, len(LINES)))
def test_a_line_written_twice_is_found(line, place):
    place = max(place, line + 1)
    lines = [*LINES[:place], LINES[line], *LINES[place:]]

    assert found(checked(b"".join(lines), END)) == [(Kind.DOUBLED, place + 1)]


@given(st.integers(1, len(LINES)))
def test_a_cut_end_is_found_by_the_anchor_alone(gone):
    data = b"".join(LINES[:-gone])

    verdict = checked(data, END)

    assert [one.kind for one in verdict.problems] == [Kind.CUT_OFF]
    assert verdict.problems[0].what == f"{gone} of 6 entries are gone at the end"
    assert checked(data).problems == ()


def test_a_line_replaced_by_a_well_made_one_is_found():
    other, _ = written(entry(2, actor="eve"), "staging", head_of(LINES[:2]))

    assert found(checked(b"".join([*LINES[:2], other, *LINES[3:]]), END)) == [(Kind.REPLACED, 3)]


def test_a_log_hashed_anew_from_some_line_on_is_found_by_the_anchor():
    lines, head = LINES[:3], head_of(LINES[:3])
    for number in range(3, 6):
        line, head = written(entry(number, actor="eve"), "staging", head)
        lines.append(line)

    assert found(checked(b"".join(lines), END)) == [(Kind.REPLACED, 6)]


def test_the_log_of_another_environment_is_foreign():
    assert found(checked(WHOLE, environment="production")) == [(Kind.FOREIGN, 1)]


@given(st.binary(max_size=400))
def test_no_rubbish_passes_for_a_log(data):
    assert [one.kind for one in checked(WHOLE + data, END).problems] or not data


# --- writing -------------------------------------------------------------------------------------


def test_the_first_line_names_the_environment(log, path):
    log.append([entry(1)], NOON)

    first, second = map(json.loads, path.read_text().splitlines())
    assert (first["action"], first["subject"], first["sequence"]) == ("genesis", "staging", 0)
    assert (second["actor"], second["previous"]) == ("ada", first["hash"])


def test_what_is_written_is_sound_and_for_the_owner_alone(log, path, anchor):
    for number in range(5):
        log.append([entry(number), entry(number, detail='é\n"\\\u2028' + "x" * 5000)], NOON)

    verdict = verify(path, "staging", anchor.head())

    assert (verdict.problems, verdict.lines, verdict.newer) == ((), 11, 0)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_crash_between_any_two_bytes_is_mended_and_noted(tmp_path, before):
    sample = tmp_path / "sample"
    log = AuditLog(sample, "staging", Anchor(MemoryRecords(), "staging", sample))
    for number in range(before):
        log.append([entry(number)], NOON)
    start = sample.read_bytes() if before else b""
    log.append([entry(7), entry(8)], NOON)
    added = sample.read_bytes()[len(start) :]
    whole = {0, *(place + 1 for place, byte in enumerate(added) if byte == 10)}
    path = tmp_path / "log"
    for cut in range(len(added) + 1):
        records = MemoryRecords()
        anchor = Anchor(records, "staging", path)
        if before:
            lines = start.splitlines(keepends=True)
            anchor.keep(head_of(lines))
        path.write_bytes(start + added[:cut])

        AuditLog(path, "staging", anchor).append([entry(9)], NOON)

        verdict = verify(path, "staging", anchor.head())
        notes = [json.loads(line)["action"] for line in path.read_text().splitlines()]
        assert (verdict.problems, verdict.newer) == ((), 0)
        assert ("repaired" in notes) == (cut not in whole)
        assert notes[-1] == "Read"


def test_a_killed_writer_leaves_a_log_that_goes_on(tmp_path, path):
    store = str(tmp_path / "records.db")
    command = [sys.executable, "-c", APPENDING, str(path), store, "100000", "eve"]
    for rounds in (3, 7, 11):
        with subprocess.Popen(
            command, env={"PYTHONPATH": str(FUNCTIONS)}, stdout=subprocess.PIPE, text=True
        ) as process:
            for _ in range(rounds):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
            process.stdout.read()
    anchor = Anchor(SqliteRecords(store), "staging", path)

    AuditLog(path, "staging", anchor).append([entry(1)], NOON)

    verdict = verify(path, "staging", anchor.head())
    assert (verdict.problems, verdict.newer) == ((), 0)
    assert path.read_bytes().count(b'"actor":"eve"') >= 21


def test_several_writers_make_one_chain(tmp_path, path):
    store = str(tmp_path / "records.db")
    SqliteRecords(store).close()
    commands = [
        [sys.executable, "-c", APPENDING, str(path), store, "15", name] for name in ("a", "b", "c")
    ]
    with ThreadPoolExecutor() as pool:
        done = pool.map(
            lambda one: subprocess.run(
                one, env={"PYTHONPATH": str(FUNCTIONS)}, capture_output=True, check=True
            ),
            commands,
        )
        assert len(list(done)) == 3

    verdict = verify(path, "staging", Anchor(SqliteRecords(store), "staging", path).head())
    assert (verdict.problems, verdict.lines) == ((), 46)


def test_a_rotated_log_goes_on_in_the_next_file(log, path, anchor):
    log.append([entry(1), entry(2)], NOON)
    path.rename(f"{path}.1")
    log.append([entry(3)], NOON)
    path.rename(f"{path}.2")
    Path(f"{path}.3.gz").write_bytes(gzip.compress(Path(f"{path}.1").read_bytes()))
    Path(f"{path}.1").unlink()
    log.append([entry(4)], NOON)

    verdict = verify(path, "staging", anchor.head())

    assert (verdict.problems, verdict.lines) == ((), 7)
    assert [one.name.removeprefix(path.name) for one in files_of(path)] == [".3.gz", ".2", ""]
    assert json.loads(path.read_text().splitlines()[0])["action"] == "continued"


def test_a_rotated_file_that_is_missing_is_found(log, path, anchor):
    log.append([entry(1)], NOON)
    path.unlink()
    log.append([entry(2)], NOON)

    (problem,) = verify(path, "staging", anchor.head()).problems

    assert (problem.kind, problem.spot.line) == (Kind.REMOVED, 1)
    assert problem.what == "entries 0 to 1 are gone before it; name the rotated files, too"


def test_lines_that_were_never_anchored_are_noted(log, path, anchor):
    log.append([entry(1)], NOON)
    line, _ = written(entry(2), "staging", anchor.head())
    with path.open("ab") as file:
        file.write(line)
    assert verify(path, "staging", anchor.head()).newer == 1

    log.append([entry(3)], NOON)

    actions = [json.loads(line)["action"] for line in path.read_text().splitlines()]
    assert actions == ["genesis", "Read", "Read", "unanchored", "Read"]
    assert verify(path, "staging", anchor.head()).newer == 0


def test_a_rotation_between_writing_and_anchoring_does_not_split_the_chain(log, path, anchor):
    log.append([entry(1)], NOON)
    line, _ = written(entry(2), "staging", anchor.head())
    with path.open("ab") as file:
        file.write(line)
    path.rename(f"{path}.1")

    log.append([entry(3)], NOON)

    assert verify(path, "staging", anchor.head()).problems == ()


@pytest.mark.parametrize("harm", ["cut", "hashed anew", "changed"])
def test_nothing_is_written_behind_a_log_that_was_harmed(log, path, harm):
    log.append([entry(1), entry(2)], NOON)
    lines = path.read_bytes().splitlines(keepends=True)
    if harm == "cut":
        del lines[-1]
    elif harm == "hashed anew":
        lines[-1], _ = written(entry(2, actor="eve"), "staging", head_of(lines[:-1]))
    else:
        lines[-1] = lines[-1].replace(b"ada", b"eve")
    path.write_bytes(b"".join(lines))

    with pytest.raises(Misconfigured, match="make audit-verify ENV=staging, and move it away"):
        log.append([entry(3)], NOON)

    assert path.read_bytes() == b"".join(lines)


def test_an_export_writes_each_audit_record_once(log, path, anchor):
    first = [entry(1, record="1"), entry(2, record="2")]

    counts = [log.export(first, NOON)]
    path.rename(f"{path}.1")
    counts += [log.export([*first, entry(3, record="3")], NOON), log.export(first, NOON)]

    assert counts == [2, 1, 0]
    assert verify(path, "staging", anchor.head()).problems == ()


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    path = tmp_path / "nowhere" / "log"
    log = AuditLog(path, "staging", Anchor(MemoryRecords(), "staging", path))

    with pytest.raises(Misconfigured, match="No such file or directory; name a file of yours"):
        log.append([entry(1)], NOON)


def test_a_broken_archive_is_no_traceback(path):
    Path(f"{path}.1.gz").write_bytes(b"no archive")

    with pytest.raises(Unavailable, match="check the disk"):
        verify(path, "staging", None)
