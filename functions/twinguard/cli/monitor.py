# SPDX-License-Identifier: Apache-2.0
"""`CostMonitor`: strategy.md 4.2's class, for scripts and notebooks.

The commands behind `make check-costs` use the same ledger; see `costs.py`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from types import TracebackType
from typing import Self

from msgspec import Struct

from twinguard.cli.costs_source import opened
from twinguard.decide.spend import Dimension
from twinguard.decide.stands import limit_of
from twinguard.errors import Misconfigured
from twinguard.reports import markdown
from twinguard.reports.monthly import monthly


class BudgetAlert(Struct, frozen=True, kw_only=True):
    """A threshold of the environment's budget that is reached. Percentages as 75 for 75 %."""

    budget: str
    percent: Decimal
    spent: Decimal
    amount: Decimal
    currency: str
    is_cap: bool


class CostMonitor:
    """One environment's costs this month, over `source`, or over what the policy names.

    Use it as a context manager, or close it. Raises Misconfigured for a project that is not the
    environment's, and Unavailable while the source does not answer."""

    def __init__(self, project_id: str, environment: str, source: str = "") -> None:
        self._opened = opened(environment, "", source, dt.datetime.now(dt.UTC))
        self._found = self._opened.__enter__()
        known = self._found.policy.project.id
        if project_id != known:
            self.close()
            raise Misconfigured(
                f"{environment}'s policy says project {known}, not {project_id}; name that one"
            )
        self.project_id = project_id
        self.environment = self._found.policy.environment.value
        self.note = self._found.note

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the source."""
        self._opened.__exit__(None, None, None)

    @property
    def complete_through(self) -> dt.date | None:
        """The last day whose costs are taken to be complete; None before there is one."""
        return self._found.ledger.freshness.through

    def get_current_costs(self) -> dict[str, dict[str, Decimal]]:
        """What is paid this month (net), by currency and by service, the dearest first."""
        lines = self._found.ledger.told_by((Dimension.SERVICE,))
        found: dict[str, dict[str, Decimal]] = {}
        for line in sorted(lines, key=lambda line: (line.currency, -line.net)):
            found.setdefault(line.currency, {})[line.keys[0] or "unattributed"] = line.net
        return found

    def check_budget_alerts(self) -> tuple[BudgetAlert, ...]:
        """The thresholds that are reached, lowest first; empty while there are none."""
        stands = (one.budget for one in self._found.ledger.month().overviews)
        return tuple(
            BudgetAlert(
                budget=stand.name,
                percent=percent,
                spent=stand.basis,
                amount=stand.amount,
                currency=stand.currency,
                is_cap=stand.amount * percent / 100 >= limit_of(stand),
            )
            for stand in stands
            if stand is not None
            for percent in stand.crossed
        )

    def generate_cost_report(self) -> str:
        """The month's report in Markdown."""
        text = markdown.render(monthly(self._found.ledger.month().overviews))
        return f"> {self.note}\n\n{text}" if self.note else text
