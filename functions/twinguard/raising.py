# SPDX-License-Identifier: Apache-2.0
"""Show what may be spent on language models, and set a limit for a while, on a person's word.

Asked for by the command line and by the dashboard; neither decides anything itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from msgspec import Struct

from twinguard.decide import ledger_rules as rules
from twinguard.decide import wording
from twinguard.decide.ledger import (
    MOST,
    Known,
    Limit,
    Scope,
    ScopeKind,
    Standing,
    dollars_of,
    nanos_of,
    period_of,
)
from twinguard.errors import Misconfigured, Unavailable
from twinguard.llm.budgets import budgets_of, environment_of, written
from twinguard.llm.ledger import KeepsCount, is_common, open_ledger
from twinguard.llm.ledger_book import Book, SetLimit
from twinguard.pipeline import Pipeline
from twinguard.policy import Level, Policy
from twinguard.ports import Records

LONGEST = dt.timedelta(days=366)


class Allowance(Struct, frozen=True):
    """How a scope stands, and the limit that a person set for it while that is in force."""

    standing: Standing
    set_by: SetLimit | None


class Raised(Struct, frozen=True):
    """A limit that was set: since when it counts, and who heard of it."""

    limit: Limit
    at_once: bool
    told: str


class Raising(Struct, frozen=True):
    """An environment's limits. Without a `ledger`, what gateways wrote down of it is known.

    `tells` is true where people hear of a change."""

    pipeline: Pipeline
    ledger: KeepsCount | None
    tells: bool

    @property
    def book(self) -> Book:
        """Where sums and limits are kept."""
        return Book(self.pipeline.ports.records, self.pipeline.policy.retention)

    def allowances(self, now: dt.datetime) -> tuple[Allowance, ...]:
        """Every scope that has a limit or has spent something, the environment first."""
        policy, known = self.pipeline.policy, self.book.known(period_of(now))
        named, limited = budgets_of(policy).named, [one.scope for one in known.limits]
        return self._stand({environment_of(policy), *known.spent, *named, *limited}, known, now)

    def of_scope(self, scope: Scope, now: dt.datetime) -> Allowance:
        """How one scope stands."""
        return self._stand((scope,), self.book.known(period_of(now)), now)[0]

    def carried_out(
        self,
        scope: Scope,
        nanos: int | None,
        until: dt.datetime | None,
        by: str,
        reason: str,
        now: dt.datetime,
    ) -> Raised:
        """Set it, or give it back to the policy; audited before and after."""
        limit = self.book.set_limit(scope, nanos, until, by, reason, now).limit
        return Raised(limit, self._at_once(limit), self._told(limit, by, reason, now))

    def _stand(
        self, scopes: Iterable[Scope], known: Known, now: dt.datetime
    ) -> tuple[Allowance, ...]:
        ordered = sorted(scopes, key=_order)
        if self.ledger is not None:
            standings = self.ledger.totals(ordered)
        else:
            standings = written(budgets_of(self.pipeline.policy), known, ordered, now)
        set_by = {found.limit.scope: found for found in self.book.limits()}
        return tuple(
            Allowance(standing, found if found and _is_in_force(found, standing) else None)
            for standing in standings
            for found in (set_by.get(standing.scope),)
        )

    def _at_once(self, limit: Limit) -> bool:
        """True where the ledger took it over; else gateways read it, within a minute."""
        try:
            return self.ledger is not None and self.ledger.set_limit(limit)
        except Unavailable:
            return False

    def _told(self, limit: Limit, by: str, reason: str, now: dt.datetime) -> str:
        if not self.tells:
            return "nobody was told: TWINGUARD_ALERTS_TOPIC is not set"
        title = f"{limit.scope} may spend {rules.worded(limit)}"
        scope, why = f"{limit.scope}-{limit.generation}", f"by {by}: {reason}"
        policy = self.pipeline.policy
        alert = wording.oddity(policy, "limit", scope, Level.MEDIUM, title, why, now)
        try:
            self.pipeline.publish(alert)
        except Unavailable as err:
            return f"NOBODY was told: {err}"
        return "the operations team is told"


def ledger_from(policy: Policy, records: Records, found: Mapping[str, str]) -> KeepsCount | None:
    """The ledger that settings name; None where they name none that others share."""
    counters = found.get("TWINGUARD_COUNTERS", "")
    if not counters or not is_common(counters):
        return None
    name, authorities = policy.environment.value, found.get("TWINGUARD_COUNTERS_CA", "")
    known = Book(records, policy.retention).known
    return open_ledger(counters, name, budgets_of(policy), known, authorities)


def scope_of(text: str, policy: Policy) -> Scope:
    """The scope that a person means: `environment`, `tenant:acme`, `feature:chat`, `key:ID`."""
    own = environment_of(policy)
    if text in {"environment", str(own)}:
        return own
    try:
        found = Scope.of(text)
    except ValueError as err:
        raise Misconfigured(f"scope: {err}") from err
    if found.kind is ScopeKind.ENVIRONMENT:
        raise Misconfigured(f"scope is {found}, but this is {policy.environment}; choose one")
    return found


def amount_of(text: str) -> int:
    """Dollars a month as nano-dollars."""
    try:
        amount = Decimal(text)
    except InvalidOperation as err:
        raise Misconfigured(f"amount is {text[:20]!r}; write it as 80 or 12.50") from err
    if not amount.is_finite() or not 0 <= amount <= dollars_of(MOST):
        most = dollars_of(MOST)
        raise Misconfigured(f"amount is {text[:20]!r}; write 0 to {most:,.0f} USD")
    return nanos_of(amount)


def until_of(text: str, now: dt.datetime) -> dt.datetime:
    """A day (its start, UTC), or days or hours from now."""
    if span := re.fullmatch(r"([1-9][0-9]{0,3})([dh])", text):
        hours = int(span[1]) * (24 if span[2] == "d" else 1)
        until = now + dt.timedelta(hours=hours)
    else:
        try:
            until = dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
        except ValueError as err:
            raise Misconfigured(
                f"until is {text[:20]!r}; a limit needs an end: write 2026-12-01, 7d or 12h"
            ) from err
    if not now < until <= now + LONGEST:
        raise Misconfigured(f"until {text} must be ahead, and within a year")
    return until


def _is_in_force(found: SetLimit, standing: Standing) -> bool:
    return found.limit.generation == standing.generation


def _order(scope: Scope) -> tuple[int, str]:
    return list(ScopeKind).index(scope.kind), scope.name
