# SPDX-License-Identifier: Apache-2.0
"""How a record lies in Firestore: its document's name, fields and version.

Never talks to Firestore; `firestore.py` does."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from twinguard.errors import Conflict, Misconfigured
from twinguard.ports import Json, Stored
from twinguard.state.document import decoded, encoded, in_utc, searchable

if TYPE_CHECKING:
    from google.api_core.datetime_helpers import DatetimeWithNanoseconds
    from google.cloud.firestore import DocumentSnapshot
    from google.protobuf.timestamp_pb2 import Timestamp

# A document's fields: `id`, `value` (JSON text: nested lists and any field name survive), `fields`
# (the short top-level texts and flags of the value, for `find`), `write` (random, of this write),
# `appended`, and `expires_at` (a timestamp or null: the field of the TTL policy). `value` needs no
# index: exempt it to make writes cheaper.
APPENDED: Final = "appended"
"""The version of a record that never changes."""

_LONGEST_NAME: Final = 1_500  # bytes of a document's name


class OrderedIds:
    """Ids that order by time: nanoseconds since 1970 in 20 digits, then 16 random hex digits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        """An id that orders after every other one this object gave out."""
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return f"{self._last:020d}-{secrets.token_hex(8)}"


def document_for(
    kind: str,
    id: str,
    value: Mapping[str, Json],
    expires: dt.datetime | None,
    *,
    appended: bool = False,
) -> dict[str, Any]:
    """The document that stands for a record; BadEvent where it cannot be stored."""
    return {
        "id": id,
        "value": encoded(kind, value),
        "fields": searchable(kind, value),
        "write": secrets.token_hex(16),
        "appended": appended,
        "expires_at": None if expires is None else in_utc(expires),
    }


def stored_in(snapshot: DocumentSnapshot[Any]) -> Stored:
    """The record a document stands for; Misconfigured for a document that is not ours."""
    document = snapshot.to_dict() or {}
    if not {"id", "value", "appended"} <= document.keys():
        raise Misconfigured(
            f"{snapshot.reference.path} was not written by Twinguard;"
            " give TWINGUARD_RECORDS a database of its own, or a ?prefix=",
        )
    version = APPENDED if document["appended"] else version_of(snapshot.update_time)
    return Stored(str(document["id"]), decoded(document["value"]), version)


def name_for(id: str) -> str:
    """The document's name: the id with what Firestore forbids as %XX; a digest if it is too long.

    No two ids share a name: `%` itself is escaped, and only a digest begins with `%~`."""
    name = re.sub(r"[%/\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", id)
    if name in {".", ".."} or name.startswith("__"):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if len(name.encode()) > _LONGEST_NAME:
        name = f"%~{hashlib.sha256(id.encode()).hexdigest()}"
    return name


def version_of(update_time: DatetimeWithNanoseconds) -> str:
    """The version for an update time as the vendor's client hands it out."""
    return str(update_time.rfc3339())  # type: ignore[no-untyped-call]


def time_of(version: str, about: str) -> Timestamp:
    """The update time that a version stands for; Conflict where it stands for none."""
    from google.api_core.datetime_helpers import DatetimeWithNanoseconds

    try:
        time = DatetimeWithNanoseconds.from_rfc3339(version)  # type: ignore[no-untyped-call]
    except ValueError as err:
        raise Conflict(f"{about} never had version {version!r}; read it again") from err
    timestamp: Timestamp = time.timestamp_pb()
    return timestamp
