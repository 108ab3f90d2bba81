# SPDX-License-Identifier: Apache-2.0
"""Findings from a growing file to many listeners: none lost, none twice, none waited for."""

from __future__ import annotations

import asyncio
import datetime as dt
import json

import pytest

from fakes import MemoryRecords
from twinguard.decide.threats.values import ThreatLevel
from twinguard.errors import Misconfigured, Unavailable
from twinguard.web.dashboard.board import Board, Wanted
from twinguard.web.dashboard.findings_file import FindingsFile
from twinguard.web.dashboard.lately import Lately
from twinguard.web.dashboard.live import WAITING, Live, reload_event
from twinguard.web.dashboard.security import RecordedSecurity
from world import POLICY

NOW = dt.datetime(2026, 11, 25, 18, 0, tzinfo=dt.UTC)


def line(number: int, level="LOW", key="k1") -> str:
    told = {
        "timestamp": (NOW + dt.timedelta(seconds=number)).isoformat(),
        "key_id": key,
        "detector": "usage_spike",
        "threat_level": level,
        "evidence": {"requests_60s": number},
    }
    return json.dumps(told) + "\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "findings.jsonl"


@pytest.fixture
def board(path):
    return Board(RecordedSecurity(POLICY, MemoryRecords(), FindingsFile(path)), kept=100)


def add(path, *lines: str) -> None:
    with path.open("a") as file:
        file.write("".join(lines))


def facts(found) -> list[int]:
    return [one.facts["requests_60s"] for one in found]


# --- the file ------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_yet_has_no_findings(board, path):
    assert board.poll() == ()

    add(path, line(1))
    assert facts(board.poll()) == [1]


def test_only_what_was_added_is_read_and_half_a_line_waits_for_its_end(board, path):
    add(path, line(1), line(2)[:20])
    first = board.poll()
    add(path, line(2)[20:], line(3))

    assert (facts(first), facts(board.poll()), board.poll()) == ([1], [2, 3], ())


def test_lines_that_cannot_be_read_are_counted_and_passed_over(path):
    file = FindingsFile(path)
    add(path, "no json\n", "\n", line(1), line(2, "SEVERE"), line(3).replace("+00:00", ""))

    found = file.after(0, 10)

    assert [number for number, _ in found] == [1]
    assert file.unreadable == 3


def test_another_file_under_the_same_name_is_read_from_its_beginning(board, path):
    add(path, line(1), line(2))
    board.poll()

    path.rename(path.with_suffix(".old"))
    add(path, line(3))

    assert facts(board.poll()) == [3]


@pytest.mark.parametrize("name", [".", "findings.jsonl.gz"])
def test_what_cannot_grow_is_refused(tmp_path, name):
    with pytest.raises(Misconfigured):
        FindingsFile(tmp_path / name)


# --- the board -----------------------------------------------------------------------------------


def test_the_newest_are_kept_and_counted(board, path):
    add(path, *(line(n, "CRITICAL" if n < 10 else "LOW", f"k{n % 3}") for n in range(150)))
    board.poll()

    assert board.levels() == {"CRITICAL": 0, "HIGH": 0, "MEDIUM": 0, "LOW": 100}
    assert sum(number for _, _, number in board.worst_keys()) == 100
    assert facts(board.page(Wanted(), 2).findings) == [149, 148]


def test_pages_go_on_where_the_last_one_ended(board, path):
    add(path, *(line(n) for n in range(7)))
    board.poll()

    first = board.page(Wanted(), 3)
    second = board.page(Wanted(before=first.older), 3)
    third = board.page(Wanted(before=second.older), 3)

    pages = [facts(page.findings) for page in (first, second, third)]
    assert (pages, third.older) == ([[6, 5, 4], [3, 2, 1], [0]], "")


def test_a_filter_fits_in_all_of_its_parts(board, path):
    add(path, line(1, "HIGH"), line(2, "HIGH", "k2"), line(3), line(4, "HIGH"))
    board.poll()

    found = board.page(Wanted(level="HIGH", key_id="k1", detector="usage spike"))

    assert facts(found.findings) == [4, 1]
    assert board.page(Wanted(detector="burst")).findings == ()


def test_keys_are_ranked_by_their_worst_finding(board, path):
    add(path, *(line(n, "LOW", "busy") for n in range(5)), line(9, "CRITICAL", "stolen"))
    board.poll()

    assert board.worst_keys() == (("stolen", "CRITICAL", 1), ("busy", "LOW", 5))


# --- listeners -----------------------------------------------------------------------------------


def told(found) -> str:
    assert isinstance(found.level, ThreatLevel)
    return f"<tr>{found.facts['requests_60s']}</tr>"


async def take(stream, number: int) -> list[str]:
    return [await asyncio.wait_for(anext(stream), 5) for _ in range(number)]


def numbers(chunks: list[str]) -> list[int]:
    return [
        int(chunk.partition("<tr>")[2].partition("<")[0]) for chunk in chunks if "<tr>" in chunk
    ]


def test_everybody_hears_of_a_finding_once(board, path):
    async def run():
        live = Live(board, told)
        streams = [live.listen("") for _ in range(5)]
        for stream in streams:
            await take(stream, 1)
        waiting = [asyncio.create_task(take(stream, 2)) for stream in streams]
        await asyncio.sleep(0)
        add(path, line(1), line(2))
        live.tell(board.poll())
        return [numbers(await one) for one in waiting], live.listeners

    assert asyncio.run(run()) == ([[1, 2]] * 5, 5)


def test_who_comes_back_gets_what_it_missed_and_nothing_twice(board, path):
    async def run():
        live = Live(board, told)
        add(path, line(1), line(2), line(3))
        seen = board.poll()
        stream = live.listen(seen[0].id)
        chunks = await take(stream, 3)
        live.tell(seen[2:])  # the poll that found it ends only now
        add(path, line(4))
        live.tell(board.poll())
        return numbers([*chunks, *await take(stream, 1)])

    assert asyncio.run(run()) == [2, 3, 4]


def test_who_was_away_too_long_is_told_to_read_the_page_again(path):
    board = Board(RecordedSecurity(POLICY, MemoryRecords(), FindingsFile(path)))

    async def run():
        add(path, *(line(n) for n in range(300)))
        board.poll()
        return await take(Live(board, told).listen("000000000001"), 2)

    assert asyncio.run(run())[1] == reload_event()


def test_who_does_not_keep_up_is_let_go_and_holds_up_nobody(board, path):
    async def run():
        live = Live(board, told)
        slow, quick = live.listen(""), live.listen("")
        await take(slow, 1)
        await take(quick, 1)
        heard = []
        for number in range(WAITING + 2):
            add(path, line(number))
            waiting = asyncio.create_task(take(quick, 1))
            await asyncio.sleep(0)
            live.tell(board.poll())
            heard += numbers(await waiting)
            if number == 0:
                next_slow = asyncio.create_task(anext(slow))
                await asyncio.sleep(0)
        await next_slow
        left = [chunk async for chunk in slow]
        return heard == list(range(WAITING + 2)), left, live.listeners

    assert asyncio.run(run()) == (True, [], 1)


def test_silence_is_filled_with_a_comment(board):
    async def run():
        return await take(Live(board, told, beat=0.01).listen(""), 2)

    assert asyncio.run(run())[1] == ": here\n\n"


def test_a_store_that_fails_is_asked_again(board, path, monkeypatch):
    looks = []

    def poll():
        looks.append(1)
        if len(looks) == 1:
            raise Unavailable("the disk is away")
        if len(looks) == 3:
            raise asyncio.CancelledError
        return ()

    monkeypatch.setattr(board, "poll", poll)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Live(board, told).run(every=0))

    assert len(looks) == 3


# --- what is read seldom -------------------------------------------------------------------------


def test_what_was_read_is_shown_while_it_is_renewed_and_its_error_beside_it():
    times = iter(range(100))
    answers = iter([1, Unavailable("away"), 3])

    def read():
        answer = next(answers)
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    kept = Lately(read, dt.timedelta(0), lambda: NOW + dt.timedelta(seconds=next(times)))

    first, second, third = kept.anew(), kept.anew(), kept.anew()

    assert [(one.value, one.error) for one in (first, second, third)] == [
        (1, ""),
        (1, "away"),
        (3, ""),
    ]


def test_a_first_reading_is_waited_for_but_not_for_ever():
    import threading

    gate = threading.Event()

    def read():
        assert gate.wait(10)
        return 1

    kept = Lately(read, dt.timedelta(hours=1), lambda: NOW)

    early = kept.now(0)
    gate.set()
    late = kept.now(10)

    assert (early.value, early.error) == (None, "It is still being read; look again soon.")
    assert (late.value, late.error) == (1, "")
