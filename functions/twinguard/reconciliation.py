# SPDX-License-Identifier: Apache-2.0
"""Gather what the ledger counted and what providers bill, and compare them.

Comparing is in `decide/reconcile.py`. OpenAI tells costs by its own API; everybody whose models are
billed by Google stands in the billing export."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import Struct

from twinguard.billing import open_costs
from twinguard.decide.ledger import Period, nanos_of
from twinguard.decide.reconcile import Reconciliation, reconciled
from twinguard.decide.spend import Dimension, Query
from twinguard.errors import Misconfigured
from twinguard.llm.ledger_book import Book
from twinguard.policy import Policy
from twinguard.ports import Costs

__all__ = ["Bill", "bills_of", "compared"]

OPENAI, GOOGLE = "openai", "google"
ONE: Final = dt.timedelta(days=1)
DOLLARS: Final = "USD"
_UNBILLED: Final = frozenset({"local", "mock", "azure"})
"""Neither OpenAI nor Google bills these; all others are taken to be served by Google."""


class Bill(Struct, frozen=True):
    """A provider's own account of costs, and which of its costs are the environment's."""

    provider: str
    costs: Costs
    environment: str | None = None
    project: str | None = None


def bills_of(policy: Policy, env: Mapping[str, str], export: str = "") -> tuple[Bill, ...]:
    """The bills that the settings know of; Misconfigured where there is none."""
    found = []
    project = policy.openai.project if policy.openai is not None else None
    if env.get("OPENAI_ADMIN_KEY") and project is not None:
        from twinguard.billing.openai_costs import OpenAICosts

        name = policy.environment.value
        costs = OpenAICosts.from_environment(env, {project: name})
        found.append(Bill(OPENAI, costs, environment=name))
    if export:
        label = policy.environment.value if policy.project.shared else None
        source = open_costs(export, policy, env)
        found.append(Bill(GOOGLE, source, environment=label, project=policy.project.id))
    if not found:
        raise Misconfigured(
            "there is no bill to compare with; set OPENAI_ADMIN_KEY and openai.project in the "
            "policy, or connect the billing export (billing_export.connected)"
        )
    return tuple(found)


def compared(
    policy: Policy, book: Book, bills: Iterable[Bill], period: Period, now: dt.datetime
) -> tuple[Reconciliation, ...]:
    """Each bill against the ledger, as far as the bill is complete; nothing where it is not yet."""
    counted = book.by_model(period)
    return tuple(
        found
        for bill in bills
        if (found := _compared(bill, counted, period, policy.spending.drift_percent, now))
    )


def _compared(
    bill: Bill,
    counted: Mapping[tuple[dt.date, str], int],
    period: Period,
    limit: int,
    now: dt.datetime,
) -> Reconciliation | None:
    first, last = period.start.date(), period.end.date() - ONE
    through = bill.costs.freshness(now).through
    if through is None or through < first:
        return None
    last = min(last, through)
    own: dict[tuple[dt.date, str], int] = {}
    for (day, named), nanos in counted.items():
        provider, _, model = named.partition("/")
        if (provider == OPENAI) is (bill.provider == OPENAI) and provider not in _UNBILLED:
            own[day, model] = own.get((day, model), 0) + nanos
    return reconciled(bill.provider, first, last, own, _billed(bill, first, last), limit)


def _billed(bill: Bill, first: dt.date, last: dt.date) -> dict[tuple[dt.date, str | None], int]:
    query = Query(
        by=(Dimension.DAY, Dimension.MODEL),
        first=first,
        last=last,
        environment=bill.environment,
        project=bill.project,
    )
    found: dict[tuple[dt.date, str | None], int] = {}
    # The export has all of Google's services: only what names a model is compared.
    counts: Callable[[str | None], bool] = (
        bool if bill.provider == GOOGLE else (lambda _model: True)
    )
    for line in bill.costs.lines(query):
        day, model = line.keys
        if day is None or line.currency != DOLLARS or not counts(model):
            continue
        key = dt.date.fromisoformat(day), model
        found[key] = found.get(key, 0) + nanos_of(line.cost)
    return found
