# SPDX-License-Identifier: Apache-2.0
"""The ledger's limits as a policy says them, in nano-dollars."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from twinguard.decide.ledger import (
    Budgets,
    Known,
    Scope,
    ScopeKind,
    Standing,
    nanos_of,
    period_of,
)
from twinguard.decide.ledger_rules import limit_now
from twinguard.policy import Policy

__all__ = ["budgets_of", "environment_of", "written"]

_EACH = "*"


def environment_of(policy: Policy) -> Scope:
    """The scope of everything an environment spends."""
    return Scope(ScopeKind.ENVIRONMENT, policy.environment.value)


def budgets_of(policy: Policy, named: dict[Scope, int] | None = None) -> Budgets:
    """The policy's limits; `named` gets the single ones, and may be added to while it is used."""
    found = {} if named is None else named
    usual: dict[ScopeKind, int] = {}
    if policy.openai is not None:
        found[environment_of(policy)] = nanos_of(policy.openai.monthly_budget)
    for name, dollars in policy.spending.limits.items():
        scope = Scope.of(name)
        if scope.name == _EACH:
            usual[scope.kind] = nanos_of(Decimal(dollars))
        else:
            found[scope] = nanos_of(Decimal(dollars))
    return Budgets(found, usual)


def written(
    budgets: Budgets, known: Known, scopes: Iterable[Scope], now: dt.datetime
) -> tuple[Standing, ...]:
    """How scopes stand by what was written down of them; what is held is not."""
    set_by = {limit.scope: limit for limit in known.limits}
    found = []
    for scope in scopes:
        limit = limit_now(budgets, scope, set_by.get(scope), now)
        spent = known.spent.get(scope, 0)
        found.append(Standing(scope, period_of(now), limit.nanos, spent, 0, limit.generation))
    return tuple(found)
