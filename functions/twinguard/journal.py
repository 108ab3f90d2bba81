# SPDX-License-Identifier: Apache-2.0
"""Typed access to the records the pipeline keeps, and the audit trail.

The only file that knows how values look in a record. Every write is a compare-and-set against what
was read: `Kept` carries the version from the one to the other."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec
from msgspec import Struct

from twinguard.decide.model import (
    Action,
    Breaker,
    Hold,
    Kind,
    NightState,
    PeriodState,
    Push,
    Resource,
    Result,
    Scaling,
    Value,
    Why,
)
from twinguard.decide.wording import subject
from twinguard.errors import Misconfigured
from twinguard.policy import Retention
from twinguard.ports import Json, Records
from twinguard.readers import ready

if TYPE_CHECKING:
    from twinguard.decide.notices import Notices

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
ready(PeriodState, NightState, Breaker, Resource, Scaling, Push, tuple[Why, ...], dt.datetime)

_BODY_KEPT = 100_000
"""Bytes of a dead letter that are kept; Google's notifications have under two thousand."""
_VALUES: dict[Kind, type[Scaling | Push]] = {
    Kind.SERVICE: Scaling,
    Kind.SUBSCRIPTION: Push,
}


class Kept(Struct, Generic[T_co], frozen=True):
    """A value as it was read, with the version that guards its next write; None: not there yet."""

    value: T_co
    version: str | None


class Journal:
    """What Twinguard remembers of budgets, holds, nights and the breaker."""

    def __init__(self, records: Records, retention: Retention) -> None:
        self._records = records
        self._retention = retention

    def budget(self, budget: str) -> Kept[PeriodState | None]:
        """The newest period known of a budget."""
        return self._read("budgets", budget, PeriodState)

    def keep_budget(self, kept: Kept[PeriodState | None], state: PeriodState) -> Kept[PeriodState]:
        """Save a period's state; the period before it stays as history."""
        before = kept.value
        if before is not None and before.period_start < state.period_start:
            self._archive(before)
        return self._write("budgets", state.budget, state, kept.version)

    def hold(self, resource: Resource) -> Kept[Hold | None]:
        """The hold on a resource, ended ones included."""
        stored = self._records.get("holds", resource.name)
        if stored is None:
            return Kept(None, None)
        return Kept(_hold(stored.value), stored.version)

    def keep_hold(self, kept: Kept[Hold | None], hold: Hold) -> Kept[Hold | None]:
        """Save a hold."""
        value = cast("dict[str, Any]", msgspec.to_builtins(hold)) | {"active": hold.active}
        expires = None if hold.active else hold.changed_at + self._history
        stored = self._records.put("holds", hold.resource.name, value, kept.version, expires)
        return Kept(hold, stored.version)

    def active_holds(self) -> tuple[Hold, ...]:
        """Every hold that has not ended, by resource name."""
        return tuple(_hold(stored.value) for stored in self._records.find("holds", active=True))

    def all_holds(self) -> tuple[Hold, ...]:
        """Every hold, ended ones that are still kept included, by resource name."""
        return tuple(_hold(stored.value) for stored in self._records.find("holds"))

    def breaker(self) -> Kept[Breaker]:
        """The environment's cost breaker; closed if nobody ever opened it."""
        kept = self._read("breakers", "cost", Breaker)
        return Kept(kept.value or Breaker(), kept.version)

    def keep_breaker(self, kept: Kept[Breaker], breaker: Breaker) -> None:
        """Save the breaker."""
        self._write("breakers", "cost", breaker, kept.version)

    def night(self) -> Kept[NightState | None]:
        """The latest night."""
        return self._read("nights", "latest", NightState)

    def keep_night(self, kept: Kept[NightState | None], night: NightState) -> None:
        """Save the latest night."""
        self._write("nights", "latest", night, kept.version)

    def cost_notices(self) -> Kept[Notices | None]:
        """What people were told of unusual costs."""
        from twinguard.decide.notices import Notices

        return self._read("cost_notices", "latest", Notices)

    def keep_cost_notices(self, kept: Kept[Notices | None], told: Notices) -> None:
        """Save what people were told of unusual costs."""
        self._write("cost_notices", "latest", told, kept.version)

    def dead_letter(self, entry_point: str, reason: str, body: bytes, now: dt.datetime) -> None:
        """Keep an event that can never succeed, once, for a person to read."""
        name = hashlib.sha256(body).hexdigest()
        if self._records.get("dead_letters", name) is not None:
            return
        value: dict[str, Json] = {
            "at": now.isoformat(),
            "entry_point": entry_point,
            "reason": reason,
            "body": body[:_BODY_KEPT].decode("utf-8", "backslashreplace"),
            "bytes": len(body),
        }
        self._records.put("dead_letters", name, value, None, now + self._history)

    def effect_begins(self, action: Action, actor: str, detail: str, now: dt.datetime) -> str:
        """Write the audit record that must stand before an effect; its id."""
        value: dict[str, Json] = {
            "phase": "begun",
            "at": now.isoformat(),
            "actor": actor,
            "action": type(action).__name__,
            "subject": subject(action),
            "resource": getattr(getattr(action, "resource", None), "name", ""),
            "detail": detail,
        }
        return self._records.append("audit", value, now + self._audit)

    def effect_ends(self, begun: str, result: Result, now: dt.datetime) -> None:
        """Complete the audit record of an effect."""
        value = {
            "phase": "ended",
            "at": now.isoformat(),
            "begun": begun,
            "outcome": result.outcome.value,
            "detail": result.detail,
        }
        self._records.append("audit", value, now + self._audit)

    @property
    def _history(self) -> dt.timedelta:
        return dt.timedelta(days=self._retention.history_days)

    @property
    def _audit(self) -> dt.timedelta:
        return dt.timedelta(days=self._retention.audit_days)

    def _archive(self, state: PeriodState) -> None:
        name = f"{state.budget}@{state.period_start:%Y-%m-%dT%HZ}"
        if self._records.get("periods", name) is None:
            value = cast("dict[str, Any]", msgspec.to_builtins(state))
            self._records.put("periods", name, value, None, state.period_start + self._history)

    def _read(self, kind: str, id: str, shape: type[T]) -> Kept[T | None]:
        stored = self._records.get(kind, id)
        if stored is None:
            return Kept(None, None)
        return Kept(from_record(stored.value, shape), stored.version)

    def _write(self, kind: str, id: str, value: T, version: str | None) -> Kept[T]:
        fields = cast("dict[str, Any]", msgspec.to_builtins(value))
        return Kept(value, self._records.put(kind, id, fields, version).version)


def _hold(fields: Any) -> Hold:  # noqa: ANN401 - a record's content
    resource = from_record(fields["resource"], Resource)
    value: Any = _VALUES[resource.kind]
    return Hold(
        resource=resource,
        before=cast("Value", from_record(fields["before"], value)),
        expected=tuple(from_record(item, value) for item in fields["expected"]),
        reasons=from_record(fields["reasons"], tuple[Why, ...]),
        changed_at=from_record(fields["changed_at"], dt.datetime),
        left=fields["left"],
    )


def from_record(fields: Any, shape: type[T]) -> T:  # noqa: ANN401 - a record's content
    """A part of a record as a value; Misconfigured where it is not one."""
    try:
        return msgspec.convert(fields, shape)
    except msgspec.ValidationError as err:
        raise Misconfigured(
            f"a stored {shape.__name__} cannot be read: {err}; "
            "the store belongs to another version or another program"
        ) from err
