# SPDX-License-Identifier: Apache-2.0
"""Who calls: the customer's key in the request, as the keyring knows it.

Switching a key off is heard of within `SECONDS`; stolen keys do not come as far as here."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

from msgspec import Struct

from twinguard.decide.customer_keys import CustomerKey, KeyState, Quota, Refusal
from twinguard.decide.ledger import MOST, ScopeKind, nanos_of
from twinguard.decide.ledger import Scope as LedgerScope
from twinguard.decide.llm_codes import Code
from twinguard.errors import Unavailable
from twinguard.keyring import Keyring, Named
from twinguard.llm import wire
from twinguard.protection import Security

SECONDS = 5
"""How long a look-up counts."""

UNNAMED = "unnamed"
"""The feature of a request that names none; a budget can be set for it as for any other."""

FEATURE = b"x-twinguard-feature"
_FEATURE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_INVALID = "This key is not valid."


class Caller(Struct, frozen=True):
    """On whose behalf a request is made."""

    key_id: str
    tenant: str
    feature: str
    quota: Quota


class Doorkeeper:
    """Lets in who has a key that is good for what is asked."""

    def __init__(
        self,
        keyring: Keyring,
        security: Security,
        clock: Callable[[], dt.datetime],
        budgets: dict[LedgerScope, int],
    ) -> None:
        self._keyring, self._security = keyring, security
        self._clock = clock
        self._budgets, self._policys = budgets, dict(budgets)
        """The ledger's limits: those of keys are added as the keys are seen."""
        self._seen: dict[str, CustomerKey] = {}

    async def caller(self, request: wire.Request, scope: str) -> Caller:
        """Who calls; refused where nobody does, or where the key does not allow it."""
        scheme, _, text = request.text(b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not text:
            told = "send your key as 'Authorization: Bearer KEY'"
            raise wire.Refusal(Code.MISSING_API_KEY, told)
        named = await self._keyring.named(text.strip())
        key = self._key(named, request.path)
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
        return Caller(key.id, key.tenant, feature, key.quota)

    def _key(self, named: Named, path: str) -> CustomerKey:
        """The key, if it is good. While its store is down, one that was good is if the policy says
        open; who was never seen is nobody who could pay."""
        if not named.is_sure or (not named.is_fresh and self._security.closes(path)):
            raise Unavailable("the store of keys does not answer")
        key = named.found
        if isinstance(key, Refusal) or key.state(self._clock()) is KeyState.EXPIRED:
            raise wire.Refusal(Code.INVALID_API_KEY, _INVALID)
        if self._seen.get(key.id) is not key:
            self._seen[key.id] = key
            self._budget(key)
        return key

    def _budget(self, key: CustomerKey) -> None:
        """Tell the ledger what a key may spend in a month."""
        scope, quota = LedgerScope(ScopeKind.KEY, key.id), key.quota.monthly_budget
        if quota is not None:
            nanos = min(MOST, nanos_of(quota), self._policys.get(scope, MOST))
            self._budgets[scope] = nanos
        elif scope in self._policys:
            self._budgets[scope] = self._policys[scope]
        else:
            self._budgets.pop(scope, None)
