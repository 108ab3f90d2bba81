# SPDX-License-Identifier: Apache-2.0
"""Who calls: the customer's key in the request, looked up and remembered for a few seconds.

A key is remembered by its digest only; switching it off is heard of within `SECONDS`. What holds a
stolen key back is asked for each time, for that is pushed and costs nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.customer_keys import CustomerKey, KeyState, Quota, Refusal
from twinguard.decide.ledger import MOST, ScopeKind, nanos_of
from twinguard.decide.ledger import Scope as LedgerScope
from twinguard.decide.llm_codes import Code
from twinguard.decide.response import BLOCKED
from twinguard.decide.restraints import Curb, Restraint
from twinguard.llm import wire

SECONDS = 5
"""How long a look-up counts."""

UNNAMED = "unnamed"
"""The feature of a request that names none; a budget can be set for it as for any other."""

FEATURE = b"x-twinguard-feature"
_FEATURE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KEPT = 10_000
_INVALID = "This key is not valid."


class Keys(Protocol):
    """Where customers' keys are looked up (`customer_keys.py`)."""

    def look_up(self, text: str, now: dt.datetime) -> CustomerKey | Refusal:
        """The key that a text is, or why not."""


class Caller(Struct, frozen=True):
    """On whose behalf a request is made."""

    key_id: str
    tenant: str
    feature: str
    quota: Quota


def _not_held(_: str, __: float) -> Restraint | None:
    return None


class Doorkeeper:
    """Lets in who has a key that is good for what is asked.

    `held` says of a raw key how it is held back at a moment (seconds since 1970)."""

    def __init__(
        self,
        keys: Keys,
        clock: Callable[[], dt.datetime],
        budgets: dict[LedgerScope, int],
        held: Callable[[str, float], Restraint | None] = _not_held,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._held = held
        self._budgets, self._policys = budgets, dict(budgets)
        """The ledger's limits: those of keys are added as the keys are seen."""
        self._known: OrderedDict[bytes, tuple[dt.datetime, CustomerKey | Refusal]] = OrderedDict()

    async def caller(self, request: wire.Request, scope: str) -> Caller:
        """Who calls; refused where nobody does, or where the key does not allow it."""
        scheme, _, text = request.text(b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not text:
            told = "send your key as 'Authorization: Bearer KEY'"
            raise wire.Refusal(Code.MISSING_API_KEY, told)
        held = self._held(text.strip(), self._clock().timestamp())
        if held is not None and held.curb is Curb.BLOCK:
            request.key_id = held.key_id  # as alerts and incidents name it
            raise wire.Refusal(Code.KEY_BLOCKED, BLOCKED)
        key = await self._key(text.strip())
        request.key_id = key.id
        if not key.allows(scope):
            told = f"this key may not use {scope}; have one issued with that scope"
            raise wire.Refusal(Code.MISSING_SCOPE, told)
        feature = UNNAMED
        if FEATURE in request.headers:
            feature = request.text(FEATURE)
            if not _FEATURE.fullmatch(feature):
                told = "X-Twinguard-Feature: write 1 to 64 of a-z, 0-9, '.', '_' and '-', once"
                raise wire.Refusal(Code.INVALID_FEATURE, told)
        quota = key.quota if held is None else _slowed(key.quota, held.rate)
        return Caller(key.id, key.tenant, feature, quota)

    async def _key(self, text: str) -> CustomerKey:
        now = self._clock()
        digest = hashlib.sha256(text.encode()).digest()
        until, found = self._known.get(digest, (now, None))
        if found is None or until <= now:
            found = await asyncio.to_thread(self._keys.look_up, text, now)
            self._known[digest] = (now + dt.timedelta(seconds=SECONDS), found)
            self._known.move_to_end(digest)
            self._budget(found)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        if isinstance(found, Refusal) or found.state(now) is KeyState.EXPIRED:
            raise wire.Refusal(Code.INVALID_API_KEY, _INVALID)
        return found

    def _budget(self, found: CustomerKey | Refusal) -> None:
        """Tell the ledger what a key may spend in a month."""
        if isinstance(found, Refusal):
            return
        scope, quota = LedgerScope(ScopeKind.KEY, found.id), found.quota.monthly_budget
        if quota is not None:
            nanos = min(MOST, nanos_of(quota), self._policys.get(scope, MOST))
            self._budgets[scope] = nanos
        elif scope in self._policys:
            self._budgets[scope] = self._policys[scope]
        else:
            self._budgets.pop(scope, None)


def _slowed(quota: Quota, rate: int) -> Quota:
    """What a key may do while it is throttled."""
    own = quota.requests_per_minute
    return replace(quota, requests_per_minute=rate if own is None else min(own, rate))
