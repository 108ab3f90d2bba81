# SPDX-License-Identifier: Apache-2.0
"""Keep the security audit log in files that are only ever appended to, across crashes and rotation.

The count and the hash of its last line are anchored in the records, or a cut end would go unseen.
What a line looks like is in `decide/audit_chain.py`."""

from __future__ import annotations

import datetime as dt
import fcntl
import gzip
import hashlib
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import msgspec
from msgspec import Struct

from twinguard.decide import audit_chain
from twinguard.decide.audit_chain import Entry, Head
from twinguard.decide.chain_check import Checker, Spot, Verdict
from twinguard.errors import Misconfigured, Unavailable
from twinguard.ports import Records
from twinguard.readers import ready

KIND = "audit_heads"
_END = 65_536
"""Bytes in which the last line is looked for: the longest is far shorter."""

_FIRST = re.compile(rb'\{"sequence":([0-9]{1,18}),')
_RECORD = re.compile(rb',"record":"([^"\\]+)","hash":"')
ready(Head)


def name_of(environment: str) -> str:
    """The file's name, as strategy.md has it."""
    return f"security_audit_{environment}.log"


class Anchor:
    """Where the end of one log is kept, out of reach of whoever can write the file.

    A log belongs to a machine and a path: each has its own chain."""

    def __init__(self, records: Records, environment: str, path: Path) -> None:
        place = hashlib.blake2b(os.fsencode(path.absolute()), digest_size=6).hexdigest()
        self._records = records
        self._id = f"{environment}@{os.uname().nodename}:{place}"

    def head(self) -> Head | None:
        """How the log ended when it was last written to; None for a log that is new."""
        stored = self._records.get(KIND, self._id)
        return None if stored is None else msgspec.convert(stored.value, Head)

    def keep(self, head: Head) -> None:
        """Remember how the log ends now."""
        stored = self._records.get(KIND, self._id)
        version = None if stored is None else stored.version
        self._records.put(KIND, self._id, {"count": head.count, "hash": head.hash}, version)


class _End(Struct, frozen=True):
    """How a file ends: after its last whole line, and what a crash left behind it."""

    head: Head | None
    size: int
    torn: bytes


class AuditLog:
    """The log of one environment at one path; rotated files lie beside it."""

    def __init__(self, path: Path, environment: str, anchor: Anchor) -> None:
        self._path = path
        self._environment = environment
        self._anchor = anchor

    def append(self, entries: Sequence[Entry], now: dt.datetime) -> Head | None:
        """Write entries behind the last one; on disk, and anchored, when this returns."""
        with self._locked() as file:
            return self._write(file, entries, now)

    def export(self, entries: Iterable[Entry], now: dt.datetime) -> int:
        """Write those entries whose `record` is in none of the files yet; how many."""
        with self._locked() as file:
            known = self._records()
            fresh = [entry for entry in entries if entry.record not in known]
            if fresh:
                self._write(file, fresh, now)
            return len(fresh)

    def _write(self, file: int, entries: Sequence[Entry], now: dt.datetime) -> Head | None:
        end, anchored = self._end(file), self._anchor.head()
        self._refuse_cut(end.head, anchored)
        head = end.head or _later(anchored, self._rotated())
        notes: list[Entry] = []
        if end.head is None:
            notes.append(audit_chain.opening(self._environment, head, now))
        if end.torn:
            notes.append(audit_chain.repaired(end.torn, now))
        if head is not None and (more := head.count - (anchored.count if anchored else 0)) > 0:
            notes.append(audit_chain.unanchored(more, now))
        lines: list[bytes] = []
        for entry in (*notes, *entries):
            line, head = audit_chain.written(entry, self._environment, head)
            lines.append(line)
        if lines:
            _all_at(file, b"".join(lines), end.size)
            if end.head is None:
                _keep_name(self._path.parent)
        if head is not None and head != anchored:
            self._anchor.keep(head)
        return head

    def _refuse_cut(self, head: Head | None, anchored: Head | None) -> None:
        """An empty file follows a rotated one; a shorter one was cut."""
        if head is None or anchored is None or head.count > anchored.count or head == anchored:
            return
        gone = anchored.count - head.count
        what = f"lacks its last {gone} entries" if gone else "does not end as it was written"
        raise Misconfigured(
            f"{self._path} {what}; look at it with make audit-verify "
            f"ENV={self._environment}, and move it away: the next file goes on from there"
        )

    def _end(self, file: int) -> _End:
        size = os.fstat(file).st_size
        tail = os.pread(file, _END, max(0, size - _END))
        whole, newline, torn = tail.rpartition(b"\n")
        if not newline:
            if size > _END:
                raise Misconfigured(f"{self._path} is no audit log; move it away")
            return _End(None, 0, tail)
        last = whole.rpartition(b"\n")[2] + b"\n"
        line = audit_chain.parsed(last)
        if line is None:
            raise Misconfigured(
                f"{self._path}: the last line was changed; look at it with make audit-verify "
                f"ENV={self._environment}, and move it away: the next file goes on from there"
            )
        return _End(Head(line.sequence + 1, line.hash), size - len(torn), torn)

    def _rotated(self) -> Head | None:
        """How the newest of the rotated files ends, where there are any."""
        for path in reversed(files_of(self._path)):
            if path != self._path:
                with _opened(path) as lines:
                    last = deque(lines, maxlen=1)
                line = audit_chain.parsed(last[0]) if last else None
                return None if line is None else Head(line.sequence + 1, line.hash)
        return None

    def _records(self) -> set[str]:
        """The ids of audit records that stand in the log and in its rotated files."""
        found: set[str] = set()
        for path in files_of(self._path):
            with _opened(path) as lines:
                found.update(known[1].decode() for line in lines if (known := _RECORD.search(line)))
        return found

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, for this process alone, and the one that bears the name now."""
        with _explained(self._path):
            while True:
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    if _is_at(self._path, file):
                        yield file
                        return
                finally:
                    os.close(file)


def verify(path: Path, environment: str, anchor: Head | None) -> Verdict:
    """What is wrong with a log, its rotated files included."""
    with _explained(path):
        return Checker(environment, anchor).check(_lines(files_of(path)))


def files_of(path: Path) -> tuple[Path, ...]:
    """The log and its rotated files (`.1`, `-20261123`, also `.gz`), the oldest first."""
    beside = path.parent.glob(f"{path.name}*") if path.parent.is_dir() else ()
    found = [one for one in beside if one.is_file()]
    return tuple(sorted(found, key=lambda one: (_first(one), one.name == path.name, one.name)))


def _first(path: Path) -> int:
    with _opened(path) as file:
        found = _FIRST.match(file.read(40))
    return int(found[1]) if found else 10**18


def _lines(paths: Iterable[Path]) -> Iterator[tuple[Spot, bytes]]:
    for path in paths:
        offset = 0
        with _opened(path) as file:
            for number, raw in enumerate(file, 1):
                yield Spot(path.name, number, offset), raw
                offset += len(raw)


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _later(one: Head | None, other: Head | None) -> Head | None:
    heads = [head for head in (one, other) if head is not None]
    return max(heads, key=lambda head: head.count, default=None)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError) as err:
        raise Misconfigured(f"{path} cannot be used: {err.strerror}; name a file of yours") from err
    except (OSError, EOFError) as err:
        raise Unavailable(f"{path} cannot be used now: {err}; check the disk") from err


def _keep_name(folder: Path) -> None:
    """See a new file's name on disk, too."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _is_at(path: Path, file: int) -> bool:
    """False where the file was rotated away while we waited for it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _all_at(file: int, data: bytes, offset: int) -> None:
    """Write over what a crash left behind, in one go, and see it on disk.

    Cut short anywhere, this leaves whole lines and one that has no end: never a wrong one."""
    place, view = 0, memoryview(data)
    while place < len(data):
        place += os.pwrite(file, view[place:], offset + place)
    os.ftruncate(file, offset + len(data))
    os.fsync(file)
