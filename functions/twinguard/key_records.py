# SPDX-License-Identifier: Apache-2.0
"""The records of rotations, and the audit trail of everything that is done to a key.

A state is compared and set: who lost the race to another process stops there."""

from __future__ import annotations

import datetime as dt
from typing import TypeVar

from msgspec import Struct

from twinguard.decide.brakes import Limit
from twinguard.decide.key_actions import KeyAction
from twinguard.decide.keys import KeyState
from twinguard.errors import Conflict
from twinguard.journal import Journal, Kept
from twinguard.ports import Json
from twinguard.readers import ready

T = TypeVar("T")
ready(KeyState)


class TakenOver(Conflict):
    """Another process goes on with this rotation."""


class Blocking(Struct, frozen=True):
    """End every key of a secret, now."""

    why: str


class KeyJournal(Journal):
    """What Twinguard remembers of keys; never a value."""

    def key(self, secret: str) -> Kept[KeyState | None]:
        """What is known of a secret's key."""
        return self._read("rotations", secret, KeyState)

    def keep_key(self, kept: Kept[T], state: KeyState) -> Kept[KeyState]:
        """Save what is known; TakenOver if somebody else has since."""
        try:
            return self._write("rotations", state.secret, state, kept.version)
        except Conflict as err:
            raise TakenOver(f"{state.secret}: another process rotates it") from err

    def key_step_begins(
        self, secret: str, action: KeyAction | Blocking | Limit, actor: str, now: dt.datetime
    ) -> str:
        """Write the audit record that must stand before an effect; its id."""
        detail = ", ".join(f"{name}={getattr(action, name)}" for name in action.__struct_fields__)
        value: dict[str, Json] = {
            "phase": "begun",
            "at": now.isoformat(),
            "actor": actor,
            "action": type(action).__name__,
            "subject": f"key {secret}",
            "resource": secret,
            "detail": detail,
        }
        return self._records.append("audit", value, now + self._audit)

    def key_step_ends(self, begun: str, outcome: str, detail: str, now: dt.datetime) -> None:
        """Complete the audit record of an effect."""
        value: dict[str, Json] = {
            "phase": "ended",
            "at": now.isoformat(),
            "begun": begun,
            "outcome": outcome,
            "detail": detail,
        }
        self._records.append("audit", value, now + self._audit)
