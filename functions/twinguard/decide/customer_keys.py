# SPDX-License-Identifier: Apache-2.0
"""What a customer's key looks like, what it may do, and which changes are allowed. Pure.

The secret part lives in `Presented` and nowhere else; digests are made by `customer_keys.py`."""

from __future__ import annotations

import datetime as dt
import enum
import re
import zlib
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from twinguard.policy import Environment

# ltk_live_0h3kq2m8x1nz_<32 characters: 160 bits><7 characters: CRC-32 of all before>
# A letter more, less, changed or in another's place is seen without a look-up.
# The alphabet (Crockford's) has no i, l, o, u; case is not folded: a key is copied, never typed.

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
ID_BITS, SECRET_BITS, _CHECK_BITS = 60, 160, 35
_SHAPE = re.compile(
    rf"ltk_(live|test)_([{ALPHABET}]{{12}})_([{ALPHABET}]{{32}})([{ALPHABET}]{{7}})"
)
_ID = re.compile(rf"[{ALPHABET}]{{12}}")
_SCOPE = re.compile(r"[a-z0-9_-]+(:[a-z0-9_.-]+)*(:\*)?")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LONGEST = 200
_HIGHEST = 10**12

PUBLIC = "This key is not valid."
"""All that a caller hears, whatever was wrong: the reason is for our own eyes."""

DEFAULT_SCOPES = ("llm:*",)
LONGEST_OVERLAP = dt.timedelta(days=30)


class KeyClass(enum.StrEnum):
    """Told by the prefix, so that people and scanners see at once how bad a leak is."""

    LIVE = "live"
    TEST = "test"


class KeyState(enum.StrEnum):
    """Where a key stands in its life."""

    ACTIVE = "active"
    ROTATING = "rotating"
    DISABLED = "disabled"
    EXPIRED = "expired"
    DELETED = "deleted"


class Reason(enum.StrEnum):
    """Why a key was refused."""

    MALFORMED = "malformed"
    OTHER_ENVIRONMENT = "for another environment"
    UNKNOWN = "unknown"
    WRONG_SECRET = "wrong secret"  # noqa: S105 - a reason
    RETIRED = "rotated out"
    DISABLED = "disabled"
    EXPIRED = "expired"


class Refusal(Struct, frozen=True):
    """A key that may not be used; `id` is empty where the text names none."""

    reason: Reason
    id: str = ""

    @property
    def public(self) -> str:
        """What the caller is told."""
        return PUBLIC


class Presented(Struct, frozen=True):
    """A well-formed key as it was handed in. Its secret is never printed."""

    kind: KeyClass
    id: str
    raw: str

    @property
    def last4(self) -> str:
        """Four characters by which its owner recognises the secret."""
        return self.raw[-11:-7]

    def __repr__(self) -> str:
        return f"Presented({self.kind}, {self.id})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("kind", self.kind), ("id", self.id)]


class Quota(Struct, frozen=True, kw_only=True):
    """What a key may use at most; None: no limit of its own."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    monthly_budget: Decimal | None = None
    currency: str = "USD"


class Slot(Struct, frozen=True, kw_only=True):
    """One secret of a key as it is kept: a keyed digest, by the pepper of that version.

    `until` is when it stops working; None for the newest."""

    digest: str
    pepper: str
    last4: str
    created_at: dt.datetime
    until: dt.datetime | None = None


class CustomerKey(Struct, frozen=True, kw_only=True):
    """What everybody may know of a key. `reason` and `changed_by` are of its last change."""

    id: str
    environment: Environment
    tenant: str
    label: str
    scopes: tuple[str, ...]
    quota: Quota
    created_at: dt.datetime
    created_by: str
    changed_by: str
    reason: str
    last4: str
    expires_at: dt.datetime | None = None
    disabled_at: dt.datetime | None = None
    rotated_at: dt.datetime | None = None
    overlap_until: dt.datetime | None = None
    deleted_at: dt.datetime | None = None

    def state(self, now: dt.datetime) -> KeyState:
        """Where it stands."""
        if self.deleted_at is not None:
            return KeyState.DELETED
        if self.disabled_at is not None:
            return KeyState.DISABLED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyState.EXPIRED
        if self.overlap_until is not None and now < self.overlap_until:
            return KeyState.ROTATING
        return KeyState.ACTIVE

    def allows(self, scope: str) -> bool:
        """True where a granted scope is this one, or ends in `:*` and this one lies below it.

        `llm:*` allows `llm:chat` and `llm:chat:stream`, but neither `llm` nor `llms:chat`."""
        return any(
            scope.startswith(granted[:-1]) and scope != granted[:-1]
            if granted.endswith(":*")
            else scope == granted
            for granted in self.scopes
        )


class Held(Struct, frozen=True):
    """A key with its secrets, the newest first."""

    key: CustomerKey
    slots: tuple[Slot, ...]


def class_of(environment: Environment) -> KeyClass:
    """Only production's keys are live."""
    return KeyClass.LIVE if environment is Environment.PRODUCTION else KeyClass.TEST


def text_of(number: int, bits: int) -> str:
    """A number in the key's alphabet, five bits a character."""
    return "".join(ALPHABET[number >> shift & 31] for shift in range(bits - 5, -1, -5))


def composed(kind: KeyClass, id: str, secret: int) -> Presented:
    """The key of this id and secret, with its checksum."""
    body = f"ltk_{kind}_{id}_{text_of(secret, SECRET_BITS)}"
    return Presented(kind, id, body + _checksum(body))


def parsed(text: str) -> Presented | None:
    """The key that a text is, or None where its form or its checksum is wrong."""
    found = _SHAPE.fullmatch(text)
    if found is None or _checksum(text[:-7]) != found[4]:
        return None
    return Presented(KeyClass(found[1]), found[2], text)


def is_id(text: str) -> bool:
    """True for what can be the id of a key."""
    return _ID.fullmatch(text) is not None


def mistake(tenant: str, label: str, scopes: tuple[str, ...], reason: str, quota: Quota) -> str:
    """What is wrong with a new key's terms and what to write; empty where nothing is."""
    if not _TENANT.fullmatch(tenant):
        return f"tenant {tenant[:40]!r}: write 1 to 100 letters, digits, '.', '_' or '-'"
    if len(label) > _LONGEST or not label.isprintable():
        return f"label: write at most {_LONGEST} printable characters"
    if not scopes:
        return "scopes: a key without any may do nothing; name one, as llm:chat"
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            return f"scope {scope[:40]!r}: write words joined by ':', as llm:chat or llm:*"
    return _limits_mistake(quota) or why_mistake(reason)


def _limits_mistake(quota: Quota) -> str:
    limits = (quota.requests_per_minute, quota.tokens_per_minute, quota.monthly_budget)
    if any(limit is not None and limit <= 0 for limit in limits):
        return "a limit must be above zero; to stop a key, disable it"
    if any(limit is not None and limit > _HIGHEST for limit in limits):
        return f"a limit above {_HIGHEST:,} limits nothing; leave it out"
    return ""


def why_mistake(reason: str) -> str:
    """What is wrong with the reason for a change; empty where nothing is."""
    if not reason.strip() or len(reason) > _LONGEST or not reason.isprintable():
        return f"reason: say why in at most {_LONGEST} printable characters"
    return ""


def disabled(held: Held, who: str, why: str, now: dt.datetime) -> Held:
    """The key switched off; all its secrets stop at once."""
    return _changed(held, who, why, disabled_at=held.key.disabled_at or now)


def enabled(held: Held, who: str, why: str) -> Held:
    """The key switched on again."""
    return _changed(held, who, why, disabled_at=None)


def rotation_mistake(held: Held, overlap: dt.timedelta, now: dt.datetime) -> str:
    """Why a key cannot be given a new secret now; empty where it can."""
    state = held.key.state(now)
    if state in {KeyState.DISABLED, KeyState.EXPIRED, KeyState.DELETED}:
        return f"key {held.key.id} is {state}; issue another one"
    if not dt.timedelta(0) <= overlap <= LONGEST_OVERLAP:
        return f"an overlap lasts 0 to {LONGEST_OVERLAP.days} days"
    if state is KeyState.ROTATING and overlap:
        return (
            f"key {held.key.id} has two secrets until {held.key.overlap_until:%Y-%m-%d %H:%M} UTC; "
            "wait, or rotate without overlap: then only the new one works"
        )
    return ""


def rotated(
    held: Held, slot: Slot, overlap: dt.timedelta, who: str, why: str, now: dt.datetime
) -> Held:
    """The key with a new secret; the one before works until the overlap ends, and stays known."""
    before = replace(held.slots[0], until=now + overlap)
    until = before.until if overlap else None
    changed = _changed(held, who, why, rotated_at=now, overlap_until=until, last4=slot.last4)
    return Held(changed.key, (slot, before))


def deleted(held: Held, who: str, why: str, now: dt.datetime) -> Held:
    """What is left of a deleted key: no digest, only whose it was, for the audit."""
    return Held(_changed(held, who, why, deleted_at=now, overlap_until=None).key, ())


def verdict(
    held: Held | None, slot: Slot | None, environment: Environment, now: dt.datetime
) -> Reason | None:
    """Why a key is refused, None where it may be used; `slot` is the secret that was right.

    Whoever has no right secret learns nothing of a key, not even from the typed reason."""
    if held is None or held.key.deleted_at is not None:
        return Reason.UNKNOWN
    if slot is None:
        return Reason.WRONG_SECRET
    if held.key.environment is not environment:
        return Reason.OTHER_ENVIRONMENT
    if slot.until is not None and slot.until <= now:
        return Reason.RETIRED
    reasons = {KeyState.DISABLED: Reason.DISABLED, KeyState.EXPIRED: Reason.EXPIRED}
    return reasons.get(held.key.state(now))


def _changed(held: Held, who: str, why: str, **changes: object) -> Held:
    return Held(replace(held.key, changed_by=who, reason=why, **changes), held.slots)


def _checksum(body: str) -> str:
    return text_of(zlib.crc32(body.encode()), _CHECK_BITS)
