# SPDX-License-Identifier: Apache-2.0
"""Durable records by URL: SQLite in a file or in memory, Firestore in the cloud.

What every store promises is written in `document.py`; the port is in `ports.py`."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl

from twinguard.errors import Misconfigured
from twinguard.ports import Records

__all__ = ["open_records"]


def open_records(url: str) -> Records:
    """The store a URL names; Misconfigured where it names none or the store cannot be used.

    A SQLite file is opened and checked at once; Firestore is first asked when it is needed."""
    scheme, _, rest = url.partition("://")
    factory = _FACTORIES.get(scheme)
    if factory is None or "://" not in url:
        raise _unknown(url)
    return factory(rest)


def _sqlite(rest: str) -> Records:
    from twinguard.state.sqlite import MEMORY, SqliteRecords

    if not rest:
        return SqliteRecords(MEMORY)
    if not rest.startswith("/") or rest.endswith("/"):
        raise _unknown(f"sqlite://{rest}")
    return SqliteRecords(rest[1:])


def _firestore(rest: str) -> Records:
    from twinguard.state.firestore import FirestoreRecords

    place, _, query = rest.partition("?")
    project, _, database = place.partition("/")
    options = dict(parse_qsl(query, keep_blank_values=True))
    prefix = options.pop("prefix", "")
    if not project or not database or "/" in database or options:
        raise _unknown(f"firestore://{rest}")
    if not re.fullmatch(r"([a-z][a-z0-9_-]{0,99})?", prefix):
        raise Misconfigured(
            f"TWINGUARD_RECORDS: prefix {prefix!r} cannot start a collection's name;"
            " use lower-case letters, digits, '-' and '_', beginning with a letter",
        )
    return FirestoreRecords(project, database, prefix=prefix)


def _unknown(url: str) -> Misconfigured:
    return Misconfigured(
        f"TWINGUARD_RECORDS is {url!r}, which names no store; set it to one of: {_FORMS}",
    )


_FORMS = (
    "sqlite:///relative.db, sqlite:////absolute/path.db, sqlite:// (in memory),"
    " firestore://PROJECT/DATABASE (DATABASE may be (default); optional ?prefix=NAME)"
)

_FACTORIES: dict[str, Callable[[str], Records]] = {"sqlite": _sqlite, "firestore": _firestore}
