# SPDX-License-Identifier: Apache-2.0
"""Read events, keys and places from files, and write findings: the replay contract.

A log is hostile: a line with bad bytes is read as far as it can be, one that cannot be read is
counted, so that nobody hides behind it; strict reading refuses both with their numbers."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from twinguard.decide.threats.sources import normal_address
from twinguard.decide.threats.values import Finding, KeyFacts, NetworkKind, Place, Use
from twinguard.errors import Misconfigured
from twinguard.readers import ready

_HEADER = ("ip", "country", "network_kind", "operator")
_EVERY = 20_000
_POLL_SECONDS = 0.5
_LONGEST = 1 << 20
"""A longer line is not looked at twice."""

_KINDS = {kind.value: kind for kind in NetworkKind} | {
    **dict.fromkeys(("datacenter", "data center", "cloud", "cdn", "server"), NetworkKind.HOSTING),
    **dict.fromkeys(("residential", "isp", "broadband", "consumer"), NetworkKind.EYEBALL),
    **dict.fromkeys(("cellular", "wireless", "cell"), NetworkKind.MOBILE),
    **dict.fromkeys(
        ("corporate", "enterprise", "office", "education", "government"), NetworkKind.BUSINESS
    ),
    **dict.fromkeys(("vpn", "tor", "anonymizer", "relay", "residential proxy"), NetworkKind.PROXY),
}


class Event(Struct, frozen=True):
    """One line of events."""

    timestamp: dt.datetime
    key_id: str
    ip: str | None = ""
    user_agent: str | None = ""
    path: str | None = ""
    status: int | None = 200


class KeyLine(Struct, frozen=True):
    """One line of keys."""

    key_id: str
    environment: str = ""
    rate_limit_per_min: int | None = None
    created_at: dt.datetime | None = None


class Events:
    """The events of a file in its order. `read` and `unreadable` count its lines, `left_out` those
    of keys that are `skipped`."""

    def __init__(
        self,
        path: Path,
        *,
        is_strict: bool = False,
        is_followed: bool = False,
        skipped: frozenset[str] = frozenset(),
    ) -> None:
        self.path, self.is_strict, self.is_followed = path, is_strict, is_followed
        self.read = self.unreadable = self.left_out = 0
        self.first = ""
        self._skipped = skipped
        if is_followed and path.suffix == ".gz":
            raise Misconfigured(f"{path}: a compressed file does not grow; leave out --continuous")

    @contextmanager
    def watched(self, console: Console) -> Iterator[Iterator[Use]]:
        """The events, with a progress bar where a person watches."""
        with _opened(self.path) as (raw, lines):
            if self.is_followed or not console.is_terminal or raw is lines is sys.stdin.buffer:
                yield self._uses(lines, lambda: None)
                return
            columns = (TextColumn("replaying"), BarColumn(), TaskProgressColumn())
            with Progress(
                *columns, TimeRemainingColumn(), console=console, transient=True
            ) as shown:
                task = shown.add_task("", total=self.path.stat().st_size)
                yield self._uses(lines, lambda: shown.update(task, completed=raw.tell()))

    def _uses(self, lines: IO[bytes], moved: Callable[[], None]) -> Iterator[Use]:
        decode = _EVENT.decode
        for number, line in enumerate(self._lines(lines), 1):
            if number % _EVERY == 0:
                moved()
            try:
                event = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as err:
                mended = self._mended(number, line, err)
                if mended is None:
                    continue
                event = mended
            at = event.timestamp
            if at.tzinfo is None:
                self._refused(number, "timestamp has no zone; write it like 2026-11-01T08:00:00Z")
                continue
            self.read += 1
            if event.key_id in self._skipped:
                self.left_out += 1
                continue
            yield Use(
                at,
                event.key_id,
                event.ip or "",
                event.user_agent or "",
                event.path or "",
                200 if event.status is None else event.status,
            )

    def _lines(self, lines: IO[bytes]) -> Iterator[bytes]:
        if not self.is_followed or lines is sys.stdin.buffer:
            yield from lines
            return
        kept = b""
        while True:
            kept += lines.readline()
            if kept.endswith(b"\n"):
                yield kept
                kept = b""
            else:
                time.sleep(_POLL_SECONDS)

    def _mended(self, number: int, line: bytes, err: Exception) -> Event | None:
        """The event of a line with bad bytes or numbers as text; None where nothing helps."""
        if line.strip() and not self.is_strict and len(line) <= _LONGEST:
            try:
                return _LOOSE.decode(line.decode("utf-8", "replace"))
            except msgspec.MsgspecError as why:
                err = why
        if line.strip():
            self._refused(number, str(err))
        return None

    def _refused(self, number: int, why: str) -> None:
        text = f"{self.path}, line {number}: {why}"
        if self.is_strict:
            raise Misconfigured(f"{text}; mend the line, or leave out --strict to go on without it")
        self.unreadable += 1
        self.first = self.first or text


def keys_of(path: Path | None, environment: str = "") -> dict[str, KeyFacts]:
    """The keys of a file, of one environment if it is named."""
    found = {}
    for key in _key_lines(path):
        if environment in {"", key.environment}:
            found[key.key_id] = KeyFacts(
                key.key_id, key.environment, key.rate_limit_per_min, key.created_at
            )
    return found


def others(path: Path | None, environment: str) -> frozenset[str]:
    """The keys that belong to other environments."""
    return frozenset(
        key.key_id for key in _key_lines(path) if key.environment not in {"", environment}
    )


def places_of(path: Path | None) -> Callable[[str], Place | None]:
    """Where addresses are, by a file; nobody knows without one."""
    if path is None:
        return lambda _: None
    found: dict[str, Place] = {}
    shared: dict[tuple[str, ...], Place] = {}
    with _readable(path), path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        rows = csv.reader(line.replace("\0", "") for line in stream)
        header = tuple(name.strip() for name in next(rows, []))
        if header[: len(_HEADER)] != _HEADER:
            raise Misconfigured(f"{path}: the first line must be {','.join(_HEADER)}")
        for row in rows:
            if not row:
                continue
            if len(row) < len(_HEADER):
                raise Misconfigured(f"{path}, line {rows.line_num}: write {','.join(_HEADER)}")
            what = tuple(row[1:4])
            place = shared.get(what)
            if place is None:
                word = row[2].strip().lower().replace("_", " ")
                kind = _KINDS.get(word, NetworkKind.UNKNOWN)
                place = shared[what] = Place(row[1].strip(), kind, row[3].strip())
            found[normal_address(row[0])] = place
    return found.get


@contextmanager
def writing(path: Path | None) -> Iterator[Callable[[Finding], None]]:
    """Write findings as lines, as they are found."""
    if path is None:
        yield lambda _: None
        return
    encoder = msgspec.json.Encoder()
    try:
        with path.open("wb") as stream:

            def write(finding: Finding) -> None:
                stream.write(encoder.encode(finding) + b"\n")
                stream.flush()

            yield write
    except OSError as err:
        raise Misconfigured(f"{path} cannot be written: {err.strerror}") from err


def environ() -> Mapping[str, str]:
    """The settings of this process."""
    return os.environ


def _key_lines(path: Path | None) -> Iterable[KeyLine]:
    if path is None:
        return
    with _readable(path), path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                yield _KEY.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as err:
                raise Misconfigured(f"{path}, line {number}: {err}") from err


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """The file, and its lines."""
    if str(path) == "-":
        yield sys.stdin.buffer, sys.stdin.buffer
        return
    with _readable(path), path.open("rb") as raw:
        lines: IO[bytes] = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw  # type: ignore[assignment]
        yield raw, lines


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, csv.Error) as err:
        why = err.strerror if isinstance(err, OSError) and err.strerror else err
        raise Misconfigured(f"{path} cannot be read: {why}") from err


_EVENT = msgspec.json.Decoder(Event)
_LOOSE = msgspec.json.Decoder(Event, strict=False)
_KEY = msgspec.json.Decoder(KeyLine)
ready(Event, KeyLine)
