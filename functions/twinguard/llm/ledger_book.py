# SPDX-License-Identifier: Apache-2.0
"""What of a ledger is kept in the records: each writer's sums, and the limits people set.

Sums only grow and have one writer each, so writing one twice, or late, changes nothing; what a
period cost is the sum over its writers. A limit's generation orders the writes of people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, cast

import msgspec
from msgspec import Struct

from twinguard.decide import ledger_rules as rules
from twinguard.decide.ledger import Known, Limit, Period, Scope
from twinguard.errors import Conflict, Misconfigured
from twinguard.policy import Retention
from twinguard.ports import Json, Records

__all__ = ["Book", "SetLimit", "Sums"]

_SUMS, _DAYS, _LIMITS = "ledger", "ledger_days", "ledger_limits"
_TRIES = 3
SCOPES_EACH: Final = 2_000
"""Scopes in one record: a record has room for a megabyte."""


class SetLimit(Struct, frozen=True):
    """A limit as a person set it: by whom, why and when."""

    limit: Limit
    by: str
    reason: str
    at: dt.datetime


class Sums:
    """What one writer counted in one period, in records of its own of one kind."""

    def __init__(
        self, records: Records, kind: str, period: Period, writer: str, until: dt.datetime
    ) -> None:
        self._records, self._kind = records, kind
        self._period, self._writer, self._until = period, writer, until
        self._parts: list[dict[str, int]] = []
        self._part_of: dict[str, int] = {}
        self._versions: dict[int, str] = {}
        self._due: set[int] = set()

    def write(self, sums: Mapping[str, int]) -> None:
        """Write the parts in which a sum has grown since they were written."""
        for name, nanos in sums.items():
            at = self._part_of.setdefault(name, len(self._part_of) // SCOPES_EACH)
            if at == len(self._parts):
                self._parts.append({})
            if self._parts[at].get(name, -1) < nanos:
                self._parts[at][name] = nanos
                self._due.add(at)
        for at in sorted(self._due):
            self._put(at)
            self._due.discard(at)

    def _put(self, at: int) -> None:
        name = f"{self._period.name}/{self._writer}/{at}"
        value: dict[str, Json] = {
            "period": self._period.name,
            "writer": self._writer,
            "spent": dict(self._parts[at]),
        }
        for _ in range(_TRIES):
            try:
                stored = self._records.put(
                    self._kind, name, value, self._versions.get(at), expires=self._until
                )
            except Conflict:  # our own write, whose answer was lost
                found = self._records.get(self._kind, name)
                if found is None:
                    self._versions.pop(at, None)
                else:
                    self._versions[at] = found.version
            else:
                self._versions[at] = stored.version
                return
        raise Conflict(
            f"{self._kind} {name} has another writer; every process needs a name of its own"
        )


class Book:
    """One environment's sums and limits in its records."""

    def __init__(self, records: Records, retention: Retention) -> None:
        self._records = records
        self._retention = retention

    def sums(self, period: Period, writer: str) -> Sums:
        """Where a writer keeps what each scope spent in a period."""
        return Sums(self._records, _SUMS, period, writer, self._until(period))

    def days(self, period: Period, writer: str) -> Sums:
        """Where a writer keeps what models cost by the day: `2026-11-23 openai/gpt-4o`."""
        return Sums(self._records, _DAYS, period, writer, self._until(period))

    def known(self, period: Period) -> Known:
        """What a period has spent by all writers, and the limits that are set."""
        spent = {Scope.of(name): nanos for name, nanos in self._total(_SUMS, period).items()}
        return Known(spent, tuple(found.limit for found in self.limits()))

    def by_model(self, period: Period) -> dict[tuple[dt.date, str], int]:
        """What models cost on each day of a period (UTC), by all writers."""
        total: dict[tuple[dt.date, str], int] = {}
        for name, nanos in self._total(_DAYS, period).items():
            day, _, model = name.partition(" ")
            total[dt.date.fromisoformat(day), model] = nanos
        return total

    def _total(self, kind: str, period: Period) -> dict[str, int]:
        total: dict[str, int] = {}
        for stored in self._records.find(kind, period=period.name):
            for name, nanos in cast("Mapping[str, int]", stored.value["spent"]).items():
                total[name] = total.get(name, 0) + nanos
        return total

    def _until(self, period: Period) -> dt.datetime:
        return period.end + dt.timedelta(days=self._retention.history_days)

    def limits(self) -> tuple[SetLimit, ...]:
        """The limits that people set, ended ones included."""
        return tuple(_read(stored.value) for stored in self._records.find(_LIMITS))

    def set_limit(
        self,
        scope: Scope,
        nanos: int | None,
        until: dt.datetime | None,
        by: str,
        reason: str,
        now: dt.datetime,
    ) -> SetLimit:
        """Set a limit, in one generation more than the last; audited before and after."""
        stored = self._records.get(_LIMITS, str(scope))
        before = None if stored is None else _read(stored.value).limit
        limit = Limit(scope, nanos, 1 + (before.generation if before else 0), until)
        found = SetLimit(limit, by, reason, now)
        value = cast("dict[str, Json]", msgspec.to_builtins(found))
        version = None if stored is None else stored.version
        with self._audited(found, before, now):
            self._records.put(_LIMITS, str(scope), value, version)
        return found

    @contextmanager
    def _audited(self, found: SetLimit, before: Limit | None, now: dt.datetime) -> Iterator[None]:
        until = now + dt.timedelta(days=self._retention.audit_days)
        was = rules.worded(before or Limit(found.limit.scope, None, 0))
        begun: dict[str, Json] = {
            "phase": "begun",
            "at": now.isoformat(),
            "actor": found.by,
            "action": "SetLimit",
            "subject": str(found.limit.scope),
            "resource": str(found.limit.scope),
            "detail": f"{was} → {rules.worded(found.limit)}: {found.reason}",
        }
        name = self._records.append("audit", begun, until)
        yield
        ended: dict[str, Json] = {
            "phase": "ended",
            "at": now.isoformat(),
            "begun": name,
            "outcome": "done",
            "detail": f"generation {found.limit.generation}",
        }
        self._records.append("audit", ended, until)


def total_of(parts: Iterable[Mapping[Scope, int]]) -> dict[Scope, int]:
    """The sums of several, scope by scope."""
    total: dict[Scope, int] = {}
    for part in parts:
        for scope, nanos in part.items():
            total[scope] = total.get(scope, 0) + nanos
    return total


def _read(value: Mapping[str, Json]) -> SetLimit:
    try:
        return msgspec.convert(value, SetLimit)
    except msgspec.ValidationError as err:
        raise Misconfigured(
            f"a stored limit cannot be read: {err}; the store belongs to another version"
        ) from err
