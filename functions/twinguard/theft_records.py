# SPDX-License-Identifier: Apache-2.0
"""The records of incidents with keys, and the audit trail of what is done about them.

One record for each key holds its newest incident, and the strange uses that none is open for: a
single compare-and-set decides between batches at once. The incident before is kept as history."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any, cast

import msgspec

from twinguard.decide.theft_uses import LONGEST, Signs
from twinguard.decide.thefts import Case, Step, Theft
from twinguard.errors import Conflict
from twinguard.journal import Journal, Kept, from_record
from twinguard.ports import Json
from twinguard.readers import ready

THEFTS = "thefts"
PAST = "past_thefts"
BATCHES = "usage_batches"
_LONGEST_ID = 200
_KNOWN = dt.timedelta(days=8)
"""Longer than a subscription keeps a message."""

ready(Theft, Signs)


class TheftJournal(Journal):
    """What Twinguard remembers of stolen keys; never a key."""

    def case(self, key_id: str) -> Kept[Case]:
        """What is remembered of a key."""
        stored = self._records.get(THEFTS, key_id)
        if stored is None:
            return Kept(Case(), None)
        theft = from_record(stored.value, Theft) if "opened_at" in stored.value else None
        signs = stored.value.get("signs")
        case = Case(theft=theft, signs=None if signs is None else from_record(signs, Signs))
        return Kept(case, stored.version)

    def keep_case(self, kept: Kept[Case], case: Case, key_id: str) -> Kept[Case]:
        """Save what is remembered of a key; Conflict if somebody else has since."""
        before, theft, signs = kept.value.theft, case.theft, case.signs
        if before is not None and (theft is None or before.opened_at != theft.opened_at):
            self._keep_past(before)
        fields: dict[str, Any] = {} if theft is None else msgspec.to_builtins(theft)
        fields["active"] = theft is not None and theft.is_open
        if signs is not None:
            fields["signs"] = msgspec.to_builtins(signs)
        stored = self._records.put(THEFTS, key_id, fields, kept.version, self._expires(case))
        return Kept(case, stored.version)

    def theft(self, key_id: str) -> Theft | None:
        """A key's newest incident."""
        return self.case(key_id).value.theft

    def open_thefts(self) -> tuple[Theft, ...]:
        """Every incident that has not ended."""
        found = self._records.find(THEFTS, active=True)
        return tuple(msgspec.convert(stored.value, Theft) for stored in found)

    def named(self, name: str) -> Theft | None:
        """An incident by its name, or a key's newest one by the key's id."""
        key_id, slash, _ = name.rpartition("/")
        newest = self.theft(name)
        if newest is None and slash and key_id:
            newest = self.theft(key_id)
            if newest is not None and newest.name != name:
                newest = self._read(PAST, name, Theft).value
        return newest

    def knows_batch(self, message_id: str) -> bool:
        """True for a message that was dealt with to its end."""
        return self._records.get(BATCHES, message_id[:_LONGEST_ID] or "-") is not None

    def keep_batch(self, message_id: str, now: dt.datetime) -> None:
        """Note that a message was dealt with to its end."""
        with suppress(Conflict):  # it came twice at once
            self._records.put(BATCHES, message_id[:_LONGEST_ID] or "-", {}, None, now + _KNOWN)

    def step_begins(self, theft: Theft, step: Step | str, actor: str, now: dt.datetime) -> str:
        """Write the audit record that must stand before an effect; its id."""
        action = step if isinstance(step, str) else type(step).__name__
        value: dict[str, Json] = {
            "phase": "begun",
            "at": now.isoformat(),
            "actor": actor,
            "action": action,
            "subject": f"key {theft.key_id}",
            "resource": f"{THEFTS}/{theft.name}",
            "detail": f"{theft.level}, {len(theft.findings)} findings",
        }
        return self._records.append("audit", value, now + self._audit)

    def step_ends(self, begun: str, outcome: str, detail: str, now: dt.datetime) -> None:
        """Complete the audit record of an effect."""
        value: dict[str, Json] = {
            "phase": "ended",
            "at": now.isoformat(),
            "begun": begun,
            "outcome": outcome,
            "detail": detail,
        }
        self._records.append("audit", value, now + self._audit)

    def _expires(self, case: Case) -> dt.datetime | None:
        """When nobody needs it any more; None while an incident is open."""
        ends = [] if case.signs is None else [case.signs.last + LONGEST]
        if case.theft is not None:
            if case.theft.ended_at is None:
                return None
            ends.append(case.theft.ended_at + self._history)
        return max(ends, default=None)

    def _keep_past(self, theft: Theft) -> None:
        if self._records.get(PAST, theft.name) is None:
            value = cast("dict[str, Any]", msgspec.to_builtins(theft))
            self._records.put(PAST, theft.name, value, None, theft.last_at + self._history)
