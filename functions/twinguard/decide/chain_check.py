# SPDX-License-Identifier: Apache-2.0
"""Find and locate what was done to an audit log: a byte changed, lines gone or moved. Pure.

Lines come in order, file after file; the anchor says how the log has to end."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from twinguard.decide.audit_chain import TAIL, Head, Line, changed_byte, digest, origin, parsed

_SEARCHED = 20_000
"""Bytes of changed lines in which the one byte is searched for: some seconds in the worst case."""

_START = b'{"sequence":'


class Kind(enum.StrEnum):
    """What can be wrong with a log."""

    CHANGED = "changed"
    REPLACED = "replaced"
    REMOVED = "removed"
    MOVED = "moved"
    DOUBLED = "doubled"
    CUT_OFF = "cut off"
    TORN = "torn"
    FOREIGN = "foreign"


class Spot(Struct, frozen=True):
    """A line: its file, its number there from 1, the offset of its first byte."""

    file: str
    line: int
    offset: int


class Problem(Struct, frozen=True):
    """One thing that is wrong, where, and in words; `byte` is its offset in the file, if known."""

    kind: Kind
    spot: Spot
    what: str
    byte: int | None = None


class Verdict(Struct, frozen=True):
    """What came of a check. `newer`: lines behind the anchor, of a writer that did not finish."""

    lines: int
    head: Head | None
    problems: tuple[Problem, ...]
    newer: int = 0


class Checker:
    """One pass over a log."""

    def __init__(self, environment: str, anchor: Head | None) -> None:
        self._anchor = anchor
        self._expected = 0
        self._previous: str | None = origin(environment)
        self._at_anchor = ""
        self._gone: list[tuple[int, int, Spot]] = []
        self._problems: list[Problem] = []
        self._to_search = _SEARCHED
        self._waiting: deque[tuple[Spot, bytes]] = deque()
        self._spot = self._before = Spot("", 0, 0)

    def check(self, lines: Iterable[tuple[Spot, bytes]]) -> Verdict:
        """What is wrong with these lines."""
        source, read = iter(lines), 0
        while True:
            found = self._waiting.popleft() if self._waiting else next(source, None)
            if found is None:
                return self._verdict(read)
            read += 1
            self._before, (self._spot, raw) = self._spot, found
            if self._is_next(raw):
                self._follow(raw[9 - TAIL : -3].decode())
            elif (line := parsed(raw)) is not None:
                self._place(line)
            elif not self._mended(raw):
                following = next(source, None) if not self._waiting else None
                if following is not None and not self._joined(raw, following[1]):
                    self._waiting.append(following)
                if following is None:
                    self._lose(raw)

    def _is_next(self, raw: bytes) -> bool:
        """True for a sound line in its place: the short way for nearly all lines."""
        start = b'{"sequence":%d,"previous":"%s",' % (
            self._expected,
            (self._previous or "").encode(),
        )
        return (
            raw.startswith(start)
            and raw[-TAIL : 9 - TAIL] == b',"hash":"'
            and raw.endswith(b'"}\n')
            and digest(raw[:-TAIL]).encode() == raw[9 - TAIL : -3]
        )

    def _follow(self, own: str) -> None:
        self._expected += 1
        self._previous = own
        if self._anchor is not None and self._expected == self._anchor.count:
            self._at_anchor = own

    def _place(self, line: Line) -> None:
        """A line whose own hash is right: whether it is the one that belongs here."""
        if line.sequence < self._expected:
            self._out_of_place(line.sequence)
            return
        if line.sequence > self._expected:
            self._gone.append((self._expected, line.sequence - 1, self._spot))
        elif self._previous not in {None, line.previous}:
            self._stranger()
        self._expected = line.sequence
        self._follow(line.hash)

    def _stranger(self) -> None:
        if self._expected == 0:
            self._found(Kind.FOREIGN, "it begins the log of another environment")
            return
        what = "it and the line after it do not belong together: one of the two was replaced"
        self._problems.append(Problem(Kind.REPLACED, self._before, what))

    def _out_of_place(self, sequence: int) -> None:
        for place, (first, last, spot) in enumerate(self._gone):
            if first <= sequence <= last:
                parts = ((first, sequence - 1, spot), (sequence + 1, last, spot))
                self._gone[place : place + 1] = [part for part in parts if part[0] <= part[1]]
                self._found(Kind.MOVED, f"entry {sequence} stands here, out of order")
                return
        self._found(Kind.DOUBLED, f"entry {sequence} stands here once more")

    def _mended(self, raw: bytes) -> bool:
        """True where one byte explains what is wrong within a line."""
        if not raw.endswith(b"\n"):
            return self._unended(raw)
        for place in _starts(raw):
            if (line := parsed(raw[: place - 1] + b"\n")) is not None:
                self._changed_at(place - 1, "the end of the line was changed")
                self._place(line)
                spot = Spot(self._spot.file, self._spot.line, self._spot.offset + place)
                self._waiting.appendleft((spot, raw[place:]))
                return True
        if len(raw) > self._to_search:
            return False
        self._to_search -= len(raw)
        found = changed_byte(raw)
        if found is None:
            return False
        place, was = found
        now = repr(raw[place : place + 1])[1:]
        self._changed_at(place, f"a byte was changed from {chr(was)!r} to {now}")
        self._restored(raw[:place] + bytes([was]) + raw[place + 1 :])
        return True

    def _unended(self, raw: bytes) -> bool:
        """A last line without its end: changed there, or cut short by a crash or by hand."""
        if (line := parsed(raw[:-1] + b"\n")) is not None:
            self._changed_at(len(raw) - 1, "the end of the line was changed")
            self._place(line)
            return True
        self._found(Kind.TORN, f"{len(raw)} bytes of a line that was cut short", len(raw))
        if (line := parsed(raw + b"\n")) is not None:
            self._place(line)
        return True

    def _joined(self, raw: bytes, rest: bytes) -> bool:
        """True where one byte was changed into the end of a line, in the middle of it."""
        found = changed_byte(raw + rest, (len(raw) - 1,))
        if found is None:
            self._lose(raw)
            return False
        place, was = found
        self._changed_at(place, f"a byte was changed from {chr(was)!r} to the end of a line")
        self._restored(raw[:place] + bytes([was]) + rest)
        return True

    def _restored(self, raw: bytes) -> None:
        line = parsed(raw)
        if line is not None:
            self._place(line)

    def _lose(self, raw: bytes) -> None:
        """A line that nothing explains; what follows is taken up again by its number."""
        end = self._spot.offset + len(raw) - 1
        self._found(Kind.CHANGED, f"changed in more than one byte, of {self._spot.offset} to {end}")
        self._expected, self._previous = self._expected + 1, None

    def _changed_at(self, place: int, what: str) -> None:
        self._found(Kind.CHANGED, what, place)

    def _found(self, kind: Kind, what: str, place: int | None = None) -> None:
        byte = None if place is None else self._spot.offset + place
        self._problems.append(Problem(kind, self._spot, what, byte))

    def _verdict(self, read: int) -> Verdict:
        for first, last, spot in self._gone:
            entries = f"entry {first} is" if first == last else f"entries {first} to {last} are"
            files = "; name the rotated files, too" if first == 0 else ""
            self._problems.append(Problem(Kind.REMOVED, spot, f"{entries} gone before it{files}"))
        newer = self._against_anchor()
        problems = sorted(self._problems, key=lambda one: one.kind is Kind.CUT_OFF)
        head = Head(self._expected, self._previous) if self._previous and self._expected else None
        return Verdict(read, head, tuple(problems), newer)

    def _against_anchor(self) -> int:
        if self._anchor is None:
            return 0
        if (gone := self._anchor.count - self._expected) > 0:
            what = f"{gone} of {self._anchor.count} entries are gone at the end"
            self._found(Kind.CUT_OFF, what)
        elif self._at_anchor not in {"", self._anchor.hash}:
            what = f"entry {self._anchor.count - 1} is not the one that was written: hashed anew"
            self._found(Kind.REPLACED, what)
        return max(0, -gone)


def _starts(raw: bytes) -> Iterable[int]:
    """Where another line begins within a line."""
    place = raw.find(_START, 1)
    while place > 0:
        yield place
        place = raw.find(_START, place + 1)
