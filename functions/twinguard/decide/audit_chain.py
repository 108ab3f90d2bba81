# SPDX-License-Identifier: Apache-2.0
"""The lines of the security audit log: each carries the hash of the one before it. Pure.

`chain_check.py` says what is wrong with a log, `audit_log.py` keeps it in files."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

# {"sequence":7,"previous":"<hash of line 6>","at":…,"detail":…,"record":…,"hash":"<64 hex>"}\n
#
# The hash is BLAKE2b over all bytes before `,"hash"`. All is ASCII without blanks, so there is one
# way to write a line. Whoever can write the file can also hash it anew from some line on: that is
# why the last hash and the count are anchored outside of it.

GENESIS: Final = "genesis"
CONTINUED: Final = "continued"
REPAIRED: Final = "repaired"
UNANCHORED: Final = "unanchored"
TAIL: Final = 76
"""Bytes of a line behind what is hashed."""

LONGEST_DETAIL = 2000
_HEAD = re.compile(rb'\{"sequence":(0|[1-9][0-9]{0,17}),"previous":"([0-9a-f]{64})",')
_STATED = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n')
_CUT = "…"


class Entry(Struct, frozen=True, kw_only=True):
    """What somebody did to what; `record` is the id of our audit record, where there is one."""

    at: dt.datetime
    actor: str
    action: str
    subject: str
    detail: str = ""
    record: str = ""


class Head(Struct, frozen=True):
    """How a log ends: how many lines were ever written, and the hash of the last."""

    count: int
    hash: str


class Line(Struct, frozen=True):
    """A line whose own hash is right."""

    sequence: int
    previous: str
    hash: str


def origin(environment: str) -> str:
    """What the first line of an environment's log carries instead of a hash before it."""
    return digest(f"security audit of {environment}".encode())


def digest(body: bytes) -> str:
    """The hash of a line's bytes."""
    return hashlib.blake2b(body, digest_size=32, person=b"twinguard-audit").hexdigest()


def opening(environment: str, head: Head | None, at: dt.datetime) -> Entry:
    """The first line of a file: of the first one, or of one that follows a rotated file."""
    if head is None:
        return Entry(at=at, actor="twinguard", action=GENESIS, subject=environment)
    detail = f"after {head.count} lines in files before this one"
    return Entry(at=at, actor="twinguard", action=CONTINUED, subject=environment, detail=detail)


def repaired(torn: bytes, at: dt.datetime) -> Entry:
    """The note that a line which a crash had cut short was taken away."""
    detail = f"{len(torn)} bytes of a line cut short, with hash {digest(torn)}"
    return Entry(at=at, actor="twinguard", action=REPAIRED, subject="audit log", detail=detail)


def unanchored(lines: int, at: dt.datetime) -> Entry:
    """The note that a writer did not come to anchor its lines, or that they are not ours."""
    detail = f"the {lines} lines before this one were not anchored when they were written"
    return Entry(at=at, actor="twinguard", action=UNANCHORED, subject="audit log", detail=detail)


def written(entry: Entry, environment: str, head: Head | None) -> tuple[bytes, Head]:
    """The bytes of the next line, and how the log ends with it."""
    sequence = 0 if head is None else head.count
    fields = {
        "sequence": sequence,
        "previous": origin(environment) if head is None else head.hash,
        "at": entry.at.astimezone(dt.UTC).isoformat(),
        "actor": _short(entry.actor),
        "action": _short(entry.action),
        "subject": _short(entry.subject),
        "detail": _short(entry.detail),
        "record": entry.record,
    }
    body = json.dumps(fields, separators=(",", ":")).encode()[:-1]
    own = digest(body)
    return body + b',"hash":"' + own.encode() + b'"}\n', Head(sequence + 1, own)


def parsed(raw: bytes) -> Line | None:
    """What a line says of its place, or None where its form or its own hash is wrong."""
    head, stated = _HEAD.match(raw), _STATED.fullmatch(raw[-TAIL:])
    if head is None or stated is None or digest(raw[:-TAIL]).encode() != stated[1]:
        return None
    return Line(int(head[1]), head[2].decode(), stated[1].decode())


def changed_byte(raw: bytes, places: Iterable[int] | None = None) -> tuple[int, int] | None:
    """The one byte that makes a sound line of this when it is put back: where, and which.

    A line is only made of printable characters, so these alone are tried."""
    if places is None:
        stated = _STATED.fullmatch(raw[-TAIL:])
        if stated is not None and (digit := _changed_digit(raw, stated[1])) is not None:
            return digit
        end = len(raw) - TAIL
        places = range(end) if stated is not None else range(max(end, 0), len(raw) - 1)
    for place in places:
        before, after = raw[:place], raw[place + 1 :]
        for was in range(32, 127):
            if parsed(before + bytes([was]) + after) is not None:
                return place, was
    return None


def _changed_digit(raw: bytes, stated: bytes) -> tuple[int, int] | None:
    """The one digit of a line's own hash that is not as it should be."""
    own = digest(raw[:-TAIL]).encode()
    wrong = [place for place, pair in enumerate(zip(own, stated, strict=True)) if len({*pair}) > 1]
    return (len(raw) - TAIL + 9 + wrong[0], own[wrong[0]]) if len(wrong) == 1 else None


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + _CUT
