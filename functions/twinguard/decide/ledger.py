# SPDX-License-Identifier: Apache-2.0
"""The ledger's values: whose budget, what is held, what came of it, how it stands. Pure.

Money is in whole nano-dollars. Rules are in `ledger_rules.py`, stores in `llm/`."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeAlias

from msgspec import Struct

NANOS: Final = 1_000_000_000
"""Nano-dollars in a dollar."""

MOST: Final = 2**53 - 1
"""The highest limit and the most one call may cost: 9,007,199 dollars.

Redis compares in doubles, which are exact up to here; `tests/contract/test_ledger.py` says why
nothing else needs a bound."""

NAME: Final = 200
"""Characters that a scope's name, or a request's id, may have."""


class ScopeKind(enum.StrEnum):
    """Whose budget it is."""

    ENVIRONMENT = "environment"
    TENANT = "tenant"
    FEATURE = "feature"
    KEY = "key"
    MODEL = "model"
    """By the name of who bills it: `model:openai/gpt-4o`. What bills are compared by."""


class Scope(Struct, frozen=True, order=True):
    """One budget: `tenant:acme`."""

    kind: ScopeKind
    name: str

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(
                f"{self.kind} {self.name!r} must have 1 to {NAME} printable characters"
            )

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @classmethod
    def of(cls, text: str) -> Scope:
        """The scope written `tenant:acme`; ValueError where it is none."""
        kind, _, name = text.partition(":")
        if kind not in set(ScopeKind):
            raise ValueError(f"{text!r} is no scope; write it like tenant:acme or feature:chat")
        return cls(ScopeKind(kind), name)


def model_scope(provider: str, model: str) -> Scope:
    """The scope of a model, as bills are compared by it."""
    return Scope(ScopeKind.MODEL, f"{provider}/{model}"[:NAME])


class Period(Struct, frozen=True, order=True):
    """A calendar month in UTC. Its name is part of every key, so nothing ever has to be reset."""

    name: str

    @property
    def start(self) -> dt.datetime:
        """The first moment of it."""
        year, month = self.name.split("-")
        return dt.datetime(int(year), int(month), 1, tzinfo=dt.UTC)

    @property
    def end(self) -> dt.datetime:
        """The first moment after it."""
        return (self.start + dt.timedelta(days=31)).replace(day=1)


def period_of(now: dt.datetime) -> Period:
    """The period a moment belongs to."""
    return Period(f"{now.astimezone(dt.UTC):%Y-%m}")


class Limit(Struct, frozen=True):
    """What an administrator set for a scope instead of the policy's limit.

    `nanos` None gives the scope back to the policy. `until` None: for good. Of two limits of one
    scope the higher `generation` counts, whichever is written last."""

    scope: Scope
    nanos: int | None
    generation: int
    until: dt.datetime | None = None

    def __post_init__(self) -> None:
        if self.nanos is not None and not 0 <= self.nanos <= MOST:
            raise ValueError(f"{self.scope}: a limit is 0 to {MOST} nano-dollars; got {self.nanos}")


class Budgets(Struct, frozen=True):
    """The policy's limits in nano-dollars a period: by scope, else by kind, else none."""

    named: Mapping[Scope, int] = {}
    usual: Mapping[ScopeKind, int] = {}

    def limit_of(self, scope: Scope) -> int | None:
        """The policy's limit of a scope; None where it is counted only."""
        return self.named.get(scope, self.usual.get(scope.kind))


class Standing(Struct, frozen=True):
    """How a scope stands in a period. `held` is what calls under way may still cost."""

    scope: Scope
    period: Period
    limit: int | None
    spent: int = 0
    held: int = 0
    generation: int = 0

    @property
    def resets_at(self) -> dt.datetime:
        """When the next period begins with nothing spent."""
        return self.period.end

    @property
    def left(self) -> int | None:
        """What may still be held; None without a limit."""
        return None if self.limit is None else max(0, self.limit - self.spent - self.held)

    @property
    def used_up(self) -> bool:
        """True where not even one nano-dollar will be free in this period."""
        return self.limit is not None and self.spent >= self.limit


class Known(Struct, frozen=True):
    """What is known of a period elsewhere: what every scope spent, and the limits that were set."""

    spent: Mapping[Scope, int] = {}
    limits: tuple[Limit, ...] = ()


class Wanted(Struct, frozen=True):
    """Money to be set aside for one attempt at a request, in all scopes or in none."""

    request_id: str
    attempt: int
    scopes: tuple[Scope, ...]
    nanos: int
    lease_seconds: int

    def __post_init__(self) -> None:
        if not is_name(self.request_id):
            raise ValueError(
                f"request id {self.request_id!r} must have 1 to {NAME} printable characters"
            )
        if self.attempt < 0:
            raise ValueError(f"attempt {self.attempt} must be zero or more")
        if not self.scopes or len(set(self.scopes)) != len(self.scopes):
            raise ValueError("a hold needs one scope or more, each once")
        if self.lease_seconds < 1:
            raise ValueError(f"a lease of {self.lease_seconds} seconds must last one or more")
        checked_nanos(self.nanos)


class Held(Struct, frozen=True):
    """Money that is set aside for one attempt at a request until `until`, in all of its scopes.

    Keep it: settling and releasing take it back, even if the store has lost its own copy."""

    request_id: str
    attempt: int
    scopes: tuple[Scope, ...]
    nanos: int
    period: Period
    until: dt.datetime


class Reason(enum.StrEnum):
    """Why nothing was held; machine-readable, and part of answers to clients."""

    BUDGET_HELD = "budget_held"
    """Calls under way may use it up: transient."""
    BUDGET_SPENT = "budget_spent"
    """What is left of the period's budget is less than this: until the period ends."""
    TOO_LARGE = "too_large"
    """Larger than the whole budget: never."""
    FINISHED = "finished"
    """This attempt was settled or released before: take the next attempt number."""


class Refused(Struct, frozen=True):
    """Nothing was held, in no scope. `retry_after`: seconds, where waiting helps."""

    reason: Reason
    scope: Scope
    limit: int
    spent: int
    held: int
    period: Period
    retry_after: int | None = None

    @property
    def remedy(self) -> str:
        """What the caller can do about it."""
        return _REMEDIES[self.reason].format(scope=self.scope, reset=self.period.end.date())


Answer: TypeAlias = Held | Refused

_REMEDIES = {
    Reason.BUDGET_HELD: "calls under way hold the rest of {scope}'s budget; try again shortly",
    Reason.BUDGET_SPENT: "{scope} has too little left until {reset}; ask for less, wait, or have"
    " its budget raised",
    Reason.TOO_LARGE: "the request may cost more than the whole budget of {scope}; lower max_tokens"
    " or shorten the prompt",
    Reason.FINISHED: "this attempt has ended; try under the next attempt number",
}


class Outcome(enum.StrEnum):
    """What came of a settlement."""

    SETTLED = "settled"
    """Counted, within what was held."""
    OVER = "over"
    """Counted; it cost more than was held."""
    LATE = "late"
    """Counted after the lease had ended or the hold was released: nothing was set aside for it."""
    REPEATED = "repeated"
    """Counted before; nothing changed."""
    TOO_LATE = "too late"
    """Not counted: so late that nobody knows any more whether it was. Reconciliation finds it."""


class Settlement(Struct, frozen=True):
    """A settlement's outcome, and by how much spending went beyond what was set aside."""

    outcome: Outcome
    overrun: int = 0

    @property
    def counted(self) -> bool:
        """True where it changed what is spent."""
        return self.outcome not in {Outcome.REPEATED, Outcome.TOO_LATE}


def nanos_of(dollars: Decimal) -> int:
    """Dollars from a policy or a command as nano-dollars; a part of one counts as none."""
    return int(dollars * NANOS)


def dollars_of(nanos: int) -> Decimal:
    """Nano-dollars as dollars, exactly."""
    return Decimal(nanos).scaleb(-9)


def usd(nanos: int) -> str:
    """Dollars for people; small amounts keep the digits that tell them from nothing."""
    digits = 2 if nanos == 0 or abs(nanos) >= NANOS // 100 else 6
    return f"{dollars_of(nanos):,.{digits}f}"


def checked_nanos(nanos: int) -> int:
    """The amount, if one call may cost so much; ValueError otherwise."""
    if not 0 <= nanos <= MOST:
        raise ValueError(f"{nanos} nano-dollars are out of range; 0 to {MOST} can be counted")
    return nanos


def is_name(text: str) -> bool:
    """True for what may name a scope or a request."""
    return 1 <= len(text) <= NAME and text.isprintable()
