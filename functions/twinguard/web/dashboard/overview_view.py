# SPDX-License-Identifier: Apache-2.0
"""Make of an environment a card: its money, what is held or due, and its worst findings. Pure."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct

from twinguard.decide.money import money
from twinguard.policy import Level
from twinguard.reports.stamps import counted
from twinguard.web.dashboard.budget_view import BudgetBar, budget_bar
from twinguard.web.dashboard.health_view import Control, controls
from twinguard.web.dashboard.incidents_view import Told, alert_history
from twinguard.web.dashboard.lately import Reading
from twinguard.web.dashboard.limits_view import LimitRow, environments_own
from twinguard.web.dashboard.watched import Beside, CostsSeen, RecordsSeen, Watched

OPEN = 4
"""Open incidents on a card, the worst first."""

ORDER = ("failing", "look", "unknown", "ok")


class Money(Struct, frozen=True):
    """A month in one currency, in a line."""

    spent: str
    forecast: str
    budget: BudgetBar | None


class Card(Struct, frozen=True, kw_only=True):
    """One environment at a glance."""

    name: str
    project: str
    money: tuple[Money, ...]
    through: str
    is_sample: bool
    errors: tuple[str, ...]
    models: LimitRow | None
    held: int
    breaker: bool
    open: tuple[Told, ...]
    levels: tuple[tuple[str, int], ...]
    attention: tuple[Control, ...]
    quiet: str


def overview_page(
    one: Watched, beside: Beside, records: Reading[RecordsSeen], now: dt.datetime
) -> Card:
    """The card of an environment."""
    known, seen, limits = records.value, beside.costs.value, beside.limits.value
    found = controls(known, beside, one.policy, now) if known else ()
    attention = [control for control in found if control.state in {"failing", "look"}]
    attention.sort(key=lambda control: ORDER.index(control.state))
    through = seen.month.freshness.through if seen else None
    told = alert_history(known.incidents, "") if known else ()
    still_open = [one for one in told if one.state != "ended"]
    still_open.sort(key=lambda one: -Level(one.level).rank)
    return Card(
        name=one.name,
        project=one.policy.project.id,
        money=_money(seen, one) if seen else (),
        through=f"{through:%-d %B}" if through else "no day yet",
        is_sample=bool(seen and seen.is_sample),
        errors=tuple(error for error in (beside.costs.error, records.error) if error),
        models=environments_own(limits) if limits else None,
        held=len(known.holds) if known else 0,
        breaker=bool(known and known.breaker.open),
        open=tuple(still_open[:OPEN]),
        levels=tuple((level.lower(), n) for level, n in one.board.levels().items() if n),
        attention=tuple(attention),
        quiet=_quiet(found),
    )


def _quiet(found: tuple[Control, ...]) -> str:
    """What is said where nothing needs anybody: silence is no health."""
    unknown = sum(control.state == "unknown" for control in found)
    if unknown:
        number = counted(unknown, "control")
        return f"Nothing is known to need anybody; nothing is known of {number}."
    return f"Nothing needs anybody: all {len(found)} controls are seen to work."


def _money(seen: CostsSeen, one: Watched) -> tuple[Money, ...]:
    return tuple(
        Money(
            money(told.spent, told.currency),
            money(told.forecast.middle, told.currency) if told.forecast else "",
            budget_bar(told.budget, one.policy),
        )
        for told in seen.month.overviews
    )
