# SPDX-License-Identifier: Apache-2.0
"""One environment's costs: ask a source what is needed, judge it, and hand out what people want.

The judging is pure (`decide/overview.py` and its neighbours); sources are in `billing/`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import localcontext
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide import anomalies, gate, notices, outside, overview
from twinguard.decide.money import EXACT, money
from twinguard.decide.months import before, last_of, month_of
from twinguard.decide.spend import Anomaly, Basis, Dimension, Freshness, Line, Overview, Query
from twinguard.policy import Policy
from twinguard.ports import Costs

INVOICE_CLOCK = ZoneInfo("America/Los_Angeles")
"""Google's days and months begin at midnight there."""


class Scope(Struct, frozen=True, kw_only=True):
    """Which of a source's costs are an environment's: all of them, a project's, a label's."""

    project: str | None = None
    environment: str | None = None

    @property
    def words(self) -> str:
        """For people: `project living-twin-dev`."""
        named = (("project", self.project), ("label environment", self.environment))
        return ", ".join(f"{what} {value}" for what, value in named if value) or "everything"


EVERYTHING = Scope()

EVER = (dt.date(2000, 1, 1), dt.date(2199, 12, 31))
"""The first and the last day that anybody's costs can be of."""


def scope_of(policy: Policy) -> Scope:
    """The project, and in a shared one the label: as the environment's budget counts."""
    label = policy.environment.value if policy.project.shared else None
    return Scope(project=policy.project.id, environment=label)


class Month(Struct, frozen=True, kw_only=True):
    """A month's overviews, one for each currency, and what was found in it."""

    overviews: tuple[Overview, ...]
    freshness: Freshness
    scope: Scope


class Ledger:
    """The costs of an environment in a source, seen at a time."""

    def __init__(
        self, policy: Policy, source: Costs, now: dt.datetime, scope: Scope | None = None
    ) -> None:
        self.policy = policy
        self.source = source
        self.now = now
        self.scope = scope_of(policy) if scope is None else scope
        self.freshness = source.freshness(now)

    @property
    def this_month(self) -> dt.date:
        """The month that the newest complete day is in, or today's where there are no costs."""
        return month_of(self.freshness.through or self._today)

    def month(self, month: dt.date | None = None, tenant: str | None = None) -> Month:
        """All that is said about a month; the current one by default."""
        with localcontext(EXACT):
            return self._month(month_of(month or self.this_month), tenant)

    def _month(self, month: dt.date, tenant: str | None) -> Month:
        answers = self._answers(month, tenant)
        budget = self.policy.budget if tenant is None else None
        found = self._explained(self._found(answers, month)) if tenant is None else ()
        told = overview.overviews(
            self.policy.environment.value, month, answers, self.freshness, budget, found
        )
        if tenant is None and self.scope != EVERYTHING:
            told = self._with_outside(told, month)
        return Month(overviews=told, freshness=self.freshness, scope=self.scope)

    def quarter(self, last: dt.date | None = None) -> tuple[Overview, ...]:
        """Three months' overviews, the oldest first; by default the three that are over."""
        last = month_of(last) if last is not None else before(self.this_month)
        months = (before(before(last)), before(last), last)
        return tuple(one for month in months for one in self.month(month).overviews)

    def anomalies(self, since: dt.date) -> tuple[Anomaly, ...]:
        """What was unusual from a day on, explained."""
        return self._explained(self._found(self._answers(self.this_month, None), since))

    def ruled(self, oldest: dt.timedelta = gate.OLDEST) -> gate.Ruling:
        """Whether a deployment may go on, by the month that is running.

        The newest complete day may still be in the month before, whose budget is over with it."""
        month = self.month(self._today)
        return gate.ruled(month.overviews, self.freshness, self.policy.budget, self.now, oldest)

    def tenants(self, month: dt.date) -> tuple[str, ...]:
        """Everybody who has costs in a month."""
        asked = self.told_by((Dimension.TENANT,), month=month)
        return tuple(sorted({line.keys[0] for line in asked if line.keys[0]}))

    def told_by(
        self,
        by: tuple[Dimension, ...],
        basis: Basis = Basis.USAGE,
        month: dt.date | None = None,
        tenant: str | None = None,
    ) -> tuple[Line, ...]:
        """A month's costs by some dimensions: by the days of use, or as the invoice has them."""
        month = month_of(month or self.this_month)
        return self._asked(
            Query(by=by, first=month, last=last_of(month), basis=basis, tenant=tenant)
        )

    @property
    def _today(self) -> dt.date:
        return self.now.astimezone(INVOICE_CLOCK).date()

    def _answers(self, month: dt.date, tenant: str | None) -> Mapping[Query, tuple[Line, ...]]:
        asked = overview.queries(
            self.scope.environment, month, project=self.scope.project, tenant=tenant
        )
        return {query: self.source.lines(query) for query in asked}

    def _with_outside(self, told: tuple[Overview, ...], month: dt.date) -> tuple[Overview, ...]:
        """Each overview with a note of what names no environment, by its currency."""
        lines = self.source.lines(outside.query(month))
        left = outside.outside(lines, self.scope.project, self.scope.environment)
        known = {one.currency for one in told}
        noted = []
        for number, one in enumerate(told):
            mine = [c for c in left if c == one.currency or (not number and c not in known)]
            notes = (
                f"Besides, {money(left[currency], currency)} on the bill name no environment: tax, "
                "support and what has no label are nobody's."
                for currency in sorted(mine)
            )
            noted.append(replace(one, notes=(*one.notes, *notes)))
        return tuple(noted)

    def _asked(self, query: Query) -> tuple[Line, ...]:
        scoped = replace(query, project=self.scope.project, environment=self.scope.environment)
        return self.source.lines(scoped)

    def _found(
        self, answers: Mapping[Query, tuple[Line, ...]], since: dt.date
    ) -> tuple[Anomaly, ...]:
        rules = notices.rules_for(self.policy.budget)
        return overview.anomalies_in(answers, self.freshness, since, rules)

    def _explained(self, found: tuple[Anomaly, ...]) -> tuple[Anomaly, ...]:
        return tuple(self._with_drivers(anomaly) for anomaly in found)

    def _with_drivers(self, anomaly: Anomaly) -> Anomaly:
        query = overview.driver_query(anomaly, self.scope.environment)
        if query is None:
            return anomaly
        return replace(anomaly, drivers=anomalies.drivers(anomaly, self._asked(query)))


def found_scope(policy: Policy, source: Costs) -> Scope:
    """The environment's own scope; everything where the source has none of its costs at all.

    A file of another team's or another provider's knows neither our project nor our label."""
    scope = scope_of(policy)
    ever = Query(
        by=(),
        first=EVER[0],
        last=EVER[1],
        project=scope.project,
        environment=scope.environment,
    )
    return scope if source.lines(ever) else EVERYTHING
