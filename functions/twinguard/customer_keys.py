# SPDX-License-Identifier: Apache-2.0
"""Issue, look up and change customers' keys in the records; only digests are ever stored.

A look-up reads one record and does the same work whatever is wrong. Rules are in
`decide/customer_keys.py`."""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide import customer_keys as rules
from twinguard.decide.customer_keys import (
    CustomerKey,
    Held,
    KeyState,
    Presented,
    Quota,
    Reason,
    Refusal,
    Slot,
)
from twinguard.errors import Misconfigured, TwinguardError, Unavailable
from twinguard.peppers import SETTING, Peppers
from twinguard.policy import Environment, Retention
from twinguard.ports import Json, Records, Stored
from twinguard.readers import ready

KIND = "customer_keys"
_SLOTS = 2
_NOBODY = Slot(
    digest="0" * 64, pepper="", last4="", created_at=dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
)
ready(CustomerKey, tuple[Slot, ...])


class Order(Struct, frozen=True, kw_only=True):
    """The terms of a new key."""

    tenant: str
    label: str = ""
    scopes: tuple[str, ...] = rules.DEFAULT_SCOPES
    quota: Quota = Quota()
    expires_at: dt.datetime | None = None


class Issued(Struct, frozen=True):
    """A new secret: the only time that anybody sees it."""

    key: CustomerKey
    raw: str

    def __repr__(self) -> str:
        return f"Issued({self.key.id})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("id", self.key.id)]


class CustomerKeys:
    """The keys of one environment. `peppers` is needed for what reads or makes a secret."""

    def __init__(
        self,
        records: Records,
        environment: Environment,
        retention: Retention,
        peppers: Peppers | None = None,
    ) -> None:
        self._records = records
        self._environment = environment
        self._retention = retention
        self._peppers = peppers

    def given(self, text: str) -> Presented | Refusal:
        """The key that this text claims to be, or why it cannot be one; asks nobody."""
        given = rules.parsed(text)
        if given is None:
            return Refusal(Reason.MALFORMED)
        if given.kind is not rules.class_of(self._environment):
            return Refusal(Reason.OTHER_ENVIRONMENT, given.id)
        return given

    def look_up(self, text: str, now: dt.datetime) -> CustomerKey | Refusal:
        """The key that this text is, or why not; tell a caller no more than `Refusal.public`."""
        given = self.given(text)
        if isinstance(given, Refusal):
            return given
        stored = self._records.get(KIND, given.id)
        held = None if stored is None else _held(stored)
        slot = self._matching(given, () if held is None else held.slots)
        reason = rules.verdict(held, slot, self._environment, now)
        if stored is None or held is None or slot is None or reason is not None:
            return Refusal(reason or Reason.UNKNOWN, given.id)
        if slot.pepper != self._needed.current:
            self._renew_digest(stored, held, slot, given)
        return held.key

    def issue(self, order: Order, who: str, why: str, now: dt.datetime) -> Issued:
        """A new key; Misconfigured where its terms make no sense."""
        mistake = rules.mistake(order.tenant, order.label, order.scopes, why, order.quota)
        if not mistake and order.expires_at is not None and order.expires_at <= now:
            mistake = "a key that has expired already helps nobody; name a later time"
        if mistake:
            raise Misconfigured(mistake)
        given = self._new(rules.text_of(secrets.randbits(rules.ID_BITS), rules.ID_BITS))
        slot = self._needed.slot(given, now)
        key = CustomerKey(
            **msgspec.structs.asdict(order),
            id=given.id,
            environment=self._environment,
            created_at=now,
            created_by=who,
            changed_by=who,
            reason=why,
            last4=slot.last4,
        )
        with self._audited("IssueKey", key, who, f"for {key.tenant}: {why}", now):
            self._write(Held(key, (slot,)), None)
        return Issued(key, given.raw)

    def rotate(
        self, id: str, overlap: dt.timedelta, who: str, why: str, now: dt.datetime
    ) -> Issued:
        """A second secret for the same key; the old one works until the overlap ends."""
        stored, held = self._existing(id, why)
        if mistake := rules.rotation_mistake(held, overlap, now):
            raise Misconfigured(mistake)
        given = self._new(id)
        changed = rules.rotated(held, self._needed.slot(given, now), overlap, who, why, now)
        detail = f"overlap of {overlap / dt.timedelta(hours=1):g} h: {why}"
        with self._audited("RotateKey", held.key, who, detail, now):
            self._write(changed, stored.version)
        return Issued(changed.key, given.raw)

    def disable(self, id: str, who: str, why: str, now: dt.datetime) -> CustomerKey:
        """Switch a key off."""
        stored, held = self._existing(id, why)
        with self._audited("DisableKey", held.key, who, why, now):
            return self._write(rules.disabled(held, who, why, now), stored.version)

    def enable(self, id: str, who: str, why: str, now: dt.datetime) -> CustomerKey:
        """Switch a key on again."""
        stored, held = self._existing(id, why)
        with self._audited("EnableKey", held.key, who, why, now):
            return self._write(rules.enabled(held, who, why), stored.version)

    def delete(self, id: str, who: str, why: str, now: dt.datetime) -> CustomerKey:
        """Forget a key's secrets for good; whose it was stays on record for the audit."""
        stored, held = self._existing(id, why)
        gone = rules.deleted(held, who, why, now)
        until = now + dt.timedelta(days=self._retention.audit_days)
        with self._audited("DeleteKey", held.key, who, why, now):
            return self._write(gone, stored.version, until)

    def get(self, id: str) -> CustomerKey:
        """A key by its id; Misconfigured where there is none."""
        return self._existing(id, "read")[1].key

    def find(
        self, now: dt.datetime, *, tenant: str = "", label: str = "", state: KeyState | None = None
    ) -> tuple[CustomerKey, ...]:
        """Keys by tenant, a part of their label, and state; deleted ones only if asked for."""
        equal = {"tenant": tenant} if tenant else {}
        found = (_key(stored.value) for stored in self._records.find(KIND, **equal))
        return tuple(
            key
            for key in found
            if label.casefold() in key.label.casefold()
            and key.environment is self._environment
            and (key.state(now) is state if state else key.state(now) is not KeyState.DELETED)
        )

    @property
    def _needed(self) -> Peppers:
        if self._peppers is None:
            raise Misconfigured(f"{SETTING} is missing; set it to work with keys' secrets")
        return self._peppers

    def _new(self, id: str) -> Presented:
        secret = secrets.randbits(rules.SECRET_BITS)
        return rules.composed(rules.class_of(self._environment), id, secret)

    def _matching(self, given: Presented, slots: tuple[Slot, ...]) -> Slot | None:
        """The secret that was handed in; as many comparisons for every key, known or not."""
        digests, found = self._needed.digests(given.raw), None
        for slot in (*slots, _NOBODY, _NOBODY)[:_SLOTS]:
            known = digests.get(slot.pepper)
            if hmac.compare_digest(known or digests[self._needed.current], slot.digest) and known:
                found = slot
        return found

    def _renew_digest(self, stored: Stored, held: Held, slot: Slot, given: Presented) -> None:
        """Key the digest with the newest pepper; whoever wrote meanwhile goes first."""
        renewed = replace(
            slot,
            digest=self._needed.digests(given.raw)[self._needed.current],
            pepper=self._needed.current,
        )
        slots = tuple(renewed if one is slot else one for one in held.slots)
        with suppress(Unavailable):  # a full or read-only store must not turn customers away
            self._write(Held(held.key, slots), stored.version)

    def _existing(self, id: str, why: str) -> tuple[Stored, Held]:
        if not rules.is_id(id):
            raise Misconfigured("a key's id has 12 characters; `make keys` lists them")
        if mistake := rules.why_mistake(why):
            raise Misconfigured(mistake)
        stored = self._records.get(KIND, id)
        held = None if stored is None else _held(stored)
        if stored is None or held is None or held.key.deleted_at is not None:
            raise Misconfigured(
                f"there is no key {id} in {self._environment}; `make keys` lists them"
            )
        return stored, held

    def _write(
        self, held: Held, version: str | None, expires: dt.datetime | None = None
    ) -> CustomerKey:
        value = cast("dict[str, Any]", msgspec.to_builtins(held.key))
        value |= {"secrets": msgspec.to_builtins(held.slots)}
        self._records.put(KIND, held.key.id, value, version, expires)
        return held.key

    @contextmanager
    def _audited(
        self, action: str, key: CustomerKey, who: str, detail: str, now: dt.datetime
    ) -> Iterator[None]:
        """A record before the change and one after it, as the journal writes them."""
        until = now + dt.timedelta(days=self._retention.audit_days)
        begun: dict[str, Json] = {
            "phase": "begun",
            "at": now.isoformat(),
            "actor": who,
            "action": action,
            "subject": f"customer key {key.id}",
            "resource": f"{KIND}/{key.id}",
            "detail": detail,
        }
        name = self._records.append("audit", begun, until)
        ended: dict[str, Json] = {"phase": "ended", "at": now.isoformat(), "begun": name}
        try:
            yield
        except TwinguardError as err:
            with suppress(Unavailable):  # the first error tells more
                told = {"outcome": "failed", "detail": str(err)}
                self._records.append("audit", ended | told, until)
            raise
        self._records.append("audit", ended | {"outcome": "done", "detail": ""}, until)


def _key(fields: Mapping[str, Json]) -> CustomerKey:
    try:
        return msgspec.convert(fields, CustomerKey)
    except msgspec.ValidationError as err:
        raise Misconfigured(
            f"a stored key cannot be read: {err}; it is of another version"
        ) from err


def _held(stored: Stored) -> Held:
    key = _key(stored.value)
    try:
        return Held(key, msgspec.convert(stored.value.get("secrets"), tuple[Slot, ...]))
    except msgspec.ValidationError as err:
        raise Misconfigured(f"the stored key {key.id} cannot be read: {err}") from err
