# SPDX-License-Identifier: Apache-2.0
"""What the security page reads: a port of six methods, and what today's records answer.

None stands for what nobody records here: the page leaves it out. Never a key, only key ids."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec import Struct

from twinguard.baseline_records import kept
from twinguard.customer_keys import CustomerKeys
from twinguard.decide.customer_keys import KeyState as CustomerKeyState
from twinguard.decide.incidents import Incident
from twinguard.decide.keys import Step
from twinguard.decide.restraints import Curb
from twinguard.decide.thefts import Theft
from twinguard.decide.threats.baseline import Baseline
from twinguard.decide.threats.values import Fact, ThreatLevel
from twinguard.dispatch import INCIDENTS
from twinguard.errors import BadEvent, Misconfigured
from twinguard.key_records import KeyJournal
from twinguard.policy import Policy
from twinguard.ports import Records
from twinguard.readers import ready
from twinguard.reports.theft import restraint_of
from twinguard.theft_records import TheftJournal
from twinguard.web.dashboard.findings_file import FindingsFile
from twinguard.web.dashboard.theft_findings import TheftFindings, merged
from twinguard.web.dashboard.words import until

ready(Incident)


class Found(Struct, frozen=True, gc=False):
    """One finding. `id` orders as findings were made; `evidence` is JSON, decoded when shown.

    Nothing in it can be part of a cycle: a hundred thousand of them cost the collector nothing."""

    id: str
    at: dt.datetime
    key_id: str
    detector: str
    level: ThreatLevel
    evidence: msgspec.Raw

    @property
    def facts(self) -> dict[str, Fact]:
        """The evidence by name."""
        return msgspec.json.decode(self.evidence, type=dict[str, Fact])


class Restrained(Struct, frozen=True):
    """A key that is blocked or throttled: whose, since when, why, by whom.

    `act` names the action by which a person can let it work again, empty where there is no way."""

    key_id: str
    owner: str
    since: dt.datetime
    reason: str
    by: str
    limit: str = ""
    act: str = ""


class SecurityView(Protocol):
    """What one environment knows of threats to its keys."""

    def findings(self, since: str, limit: int) -> tuple[Found, ...]:
        """The newest findings after an id, the oldest of them first; all for an empty id."""

    def incidents(self) -> tuple[Incident, ...]:
        """Every incident that is kept."""

    def blocked(self) -> tuple[Restrained, ...] | None:
        """Keys that are refused now."""

    def throttled(self) -> tuple[Restrained, ...] | None:
        """Keys that are slowed down now."""

    def theft(self, name: str) -> Theft | None:
        """An incident with a stolen key by its name, or a key's newest one."""

    def baseline(self, key_id: str) -> Baseline | None:
        """What is usual for a key, where anybody learned it."""


class RecordedSecurity:
    """`SecurityView` over the records, and over a file of findings if one is named.

    `usual` says what is usual for keys by now; without it, what the records keep counts."""

    def __init__(
        self,
        policy: Policy,
        records: Records,
        findings: FindingsFile | None,
        usual: Callable[[str], Baseline | None] | None = None,
    ) -> None:
        self._policy, self._records, self._file = policy, records, findings
        self._usual = usual
        self._thefts = TheftJournal(records, policy.retention)
        self._found = TheftFindings(self._thefts, findings)

    def findings(self, since: str, limit: int) -> tuple[Found, ...]:
        """Those of open incidents, and those of the file, which the monitor writes."""
        return tuple(
            Found(
                name,
                line.timestamp,
                line.key_id,
                line.detector.replace("_", " "),
                line.threat_level,
                line.evidence,
            )
            for name, line in merged(self._file, self._found, since, limit)
        )

    def incidents(self) -> tuple[Incident, ...]:
        """Those that people were told of."""
        found = self._records.find(INCIDENTS)
        try:
            return tuple(msgspec.convert(stored.value, Incident) for stored in found)
        except msgspec.ValidationError as err:
            raise Misconfigured(
                f"a stored incident cannot be read: {err}; the store belongs to another version"
            ) from err

    def blocked(self) -> tuple[Restrained, ...] | None:
        """Keys held for theft, customers' that are switched off, and those ended at a provider."""
        return (*self._curbed(Curb.BLOCK), *self._disabled(), *self._ended())

    def throttled(self) -> tuple[Restrained, ...] | None:
        """Keys that theft detection slows down."""
        return self._curbed(Curb.THROTTLE)

    def theft(self, name: str) -> Theft | None:
        """As `make incident ID=…` finds it."""
        try:
            return self._thefts.named(name)
        except BadEvent:  # an address says what no record is called
            return None

    def baseline(self, key_id: str) -> Baseline | None:
        """What is usual for a key: as learned by now, else as `on_usage` kept it."""
        learned = self._usual(key_id) if self._usual else None
        try:
            return learned or kept(self._records, key_id)
        except BadEvent:  # an address says what no record is called
            return None

    def _curbed(self, curb: Curb) -> tuple[Restrained, ...]:
        """Keys that are held back in this way now."""
        now = dt.datetime.now(dt.UTC)
        thefts = self._thefts.open_thefts()
        return tuple(restrained(one, now) for one in thefts if is_curbed(one, curb, now))

    def _disabled(self) -> tuple[Restrained, ...]:
        policy, now = self._policy, dt.datetime.now(dt.UTC)
        keys = CustomerKeys(self._records, policy.environment, policy.retention)
        return tuple(
            Restrained(
                key.id,
                f"{key.tenant} ({key.label})" if key.label else key.tenant,
                key.disabled_at,
                key.reason,
                key.changed_by,
                act="enable",
            )
            for key in keys.find(now, state=CustomerKeyState.DISABLED)
            if key.disabled_at is not None
        )

    def _ended(self) -> tuple[Restrained, ...]:
        journal = KeyJournal(self._records, self._policy.retention)
        states = (journal.key(secret).value for secret in sorted(self._policy.secrets))
        return tuple(
            Restrained(
                state.secret,
                f"ours, at {state.kind}",
                state.step_at,
                state.trouble.title if state.trouble else "ended at its provider",
                "",
            )
            for state in states
            if state is not None and state.step is Step.BLOCKED
        )


def is_curbed(theft: Theft, curb: Curb, now: dt.datetime) -> bool:
    """True while what holds the key back is this, and in force."""
    held = restraint_of(theft)
    return held is not None and held.curb is curb and held.holds(now.timestamp())


def restrained(theft: Theft, now: dt.datetime) -> Restrained:
    """A key that is held for theft, as pages list it."""
    held = restraint_of(theft)
    since = dt.datetime.fromtimestamp(held.since, dt.UTC) if held else theft.opened_at
    limits = [f"{held.rate} a minute"] if held and held.curb is Curb.THROTTLE else []
    if held and held.until is not None:
        limits.append(f"ends {until(dt.datetime.fromtimestamp(held.until, dt.UTC), now)}")
    return Restrained(
        key_id=theft.key_id,
        owner="",
        since=since,
        reason=held.reason if held else "",
        by=held.by if held else "",
        limit=", ".join(limits),
        act="unblock",
    )
