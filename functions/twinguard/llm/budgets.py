# SPDX-License-Identifier: Apache-2.0
"""The ledger's limits as a policy says them, in nano-dollars."""

from __future__ import annotations

from decimal import Decimal

from twinguard.decide.ledger import Budgets, Scope, ScopeKind, nanos_of
from twinguard.policy import Policy

__all__ = ["budgets_of", "environment_of"]

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
