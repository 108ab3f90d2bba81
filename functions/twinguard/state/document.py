# SPDX-License-Identifier: Apache-2.0
"""What every store of records promises, and the checks that make all of them alike.

Never talks to a store; `sqlite.py` and `firestore.py` do."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Final

from twinguard.errors import BadEvent, Conflict
from twinguard.ports import Json

# value    a JSON object, kept as compact UTF-8 text: it comes back exactly as it went in (integers
#          of any size, floats, None, empty and nested containers); tuples come back as lists.
#          At most LARGEST bytes, and at most SEARCHABLE bytes of it in short top-level texts.
#          More, NaN, infinity or half a surrogate pair: BadEvent, for no retry can store it.
# id       any text of 1 to 400 characters, compared and ordered by code point.
# version  opaque text, different after every write, even one that changes nothing.
# expires  an aware time, kept to the microsecond; None: never. Every `put` sets it anew. An expired
#          record still counts as there, for `get` and for `put`, until it is purged: by `purge`,
#          or by Firestore's TTL policy within about a day.
# append   a record that `put` refuses to change (Conflict) and that goes only by expiring.
# errors   Unavailable: the store does not answer, write outcome unknown, read and try again.
#          Conflict: someone else wrote first. Misconfigured: not a store of ours.
#          ValueError or TypeError, mistakes of the caller: a kind that is not a lower-case word,
#          a naive time, a value of a type that JSON lacks.

LARGEST: Final = 1_000_000
"""Bytes of one value as JSON: Firestore's limit of 1 MiB less room for names and indexes."""

SEARCHABLE: Final = 40_000
"""Bytes of a value's searchable fields: Firestore stores these a second time."""

_SHORT = 1_500  # bytes; a longer text is cut in Firestore's indexes
_KIND = re.compile(r"[a-z][a-z0-9_-]{0,99}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_ID_CHARACTERS = 400


def encoded(kind: str, value: Mapping[str, Json]) -> str:
    """A value as the JSON text that is stored; BadEvent where no store could hold it."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (ValueError, RecursionError) as err:
        raise BadEvent(f"a {kind} record cannot be kept as JSON: {err}; correct the value") from err
    if size > LARGEST:
        raise BadEvent(
            f"a {kind} record of {size} bytes is over the limit of {LARGEST}; store less of it",
        )
    return text


def decoded(text: str) -> Mapping[str, Json]:
    """The value that `encoded` turned into text."""
    value: dict[str, Json] = json.loads(text)
    return value


def searchable(kind: str, value: Mapping[str, Json]) -> dict[str, str | bool]:
    """The top-level fields a store may index; all others are compared after reading."""
    fields = {
        name: field
        for name, field in value.items()
        if isinstance(field, (str, bool)) and is_searchable(name, field)
    }
    size = sum(
        len(name) + len(str(field).encode(errors="replace")) + 2 for name, field in fields.items()
    )
    if size > SEARCHABLE:
        raise BadEvent(
            f"a {kind} record has {size} bytes of top-level texts, over the limit of {SEARCHABLE};"
            " put them one level down",
        )
    return fields


def is_searchable(name: str, field: str | bool) -> bool:
    """True where a top-level field of this name and content is indexed."""
    return _FIELD.fullmatch(name) is not None and (
        isinstance(field, bool) or len(field.encode(errors="replace")) <= _SHORT
    )


def matches(value: Mapping[str, Json], equal: Mapping[str, str | bool]) -> bool:
    """True where all these fields are there with just this content; 1 is not true."""
    return all(
        name in value and type(value[name]) is type(field) and value[name] == field
        for name, field in equal.items()
    )


def checked_kind(kind: str) -> str:
    """The kind, if it is a lower-case word."""
    if not _KIND.fullmatch(kind):
        raise ValueError(f"kind {kind!r} must be a lower-case word of at most 100 characters")
    return kind


def checked_id(kind: str, id: str) -> str:
    """The id, if a record can have it; it may come from an event, hence BadEvent."""
    if not 1 <= len(id) <= _ID_CHARACTERS:
        raise BadEvent(
            f"the id of a {kind} record has {len(id)} characters; it needs 1 to {_ID_CHARACTERS}",
        )
    try:
        id.encode()
    except UnicodeEncodeError as err:
        raise BadEvent(f"the id {id!r} of a {kind} record is not text: {err.reason}") from err
    return id


def in_utc(time: dt.datetime) -> dt.datetime:
    """The same time in UTC; ValueError for one without a zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no time zone; pass an aware datetime")
    return time.astimezone(dt.UTC)


def never_changes(kind: str, id: str) -> Conflict:
    """The answer to a `put` over an appended record."""
    return Conflict(f"{kind} {id!r} was appended and never changes; append another record")


def lost(kind: str, id: str, version: str | None, *, exists: bool) -> Conflict:
    """The answer to a `put` that met another state than `version`."""
    found = "is gone" if not exists else "changed since it was read"
    if version is None:
        found = "exists already"
    return Conflict(f"{kind} {id!r} {found}; read it and decide again")
