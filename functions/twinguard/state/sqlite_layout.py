# SPDX-License-Identifier: Apache-2.0
"""How records lie in a SQLite file: tables, the triggers that protect them, the file's mark.

Never opens a file; `sqlite.py` does. A change of `SCHEMA` needs a new `LAYOUT`."""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x54574731
"""TWG1, in the file's header: the mark that the file is ours."""

LAYOUT: Final = 1
"""The number of the layout, in the file's header."""

# `counter` gives out versions and appended ids: never the same one twice, not even after a purge.
# `purging` holds the time of the purge under way, and a row only inside its transaction.
SCHEMA: Final = (
    """CREATE TABLE records (
        kind TEXT NOT NULL, id TEXT NOT NULL, value TEXT NOT NULL, version INTEGER NOT NULL,
        appended INTEGER NOT NULL, expires_at INTEGER, PRIMARY KEY (kind, id))""",
    "CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE TABLE counter (last INTEGER NOT NULL)",
    "INSERT INTO counter VALUES (0)",
    "CREATE TABLE purging (now INTEGER NOT NULL)",
    """CREATE TRIGGER appended_are_not_updated BEFORE UPDATE ON records WHEN OLD.appended
    BEGIN SELECT RAISE(ABORT, 'an appended record never changes'); END""",
    """CREATE TRIGGER appended_are_not_replaced BEFORE INSERT ON records WHEN EXISTS (
        SELECT 1 FROM records WHERE kind = NEW.kind AND id = NEW.id AND appended)
    BEGIN SELECT RAISE(ABORT, 'an appended record never changes'); END""",
    """CREATE TRIGGER identities_do_not_change BEFORE UPDATE OF kind, id ON records
    WHEN OLD.kind IS NOT NEW.kind OR OLD.id IS NOT NEW.id
    BEGIN SELECT RAISE(ABORT, 'a record keeps its kind and id'); END""",
    """CREATE TRIGGER appended_go_by_expiring BEFORE DELETE ON records
    WHEN OLD.appended AND NOT EXISTS (SELECT 1 FROM purging WHERE OLD.expires_at < now)
    BEGIN SELECT RAISE(ABORT, 'an appended record goes only by expiring'); END""",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {LAYOUT}",
)
