# SPDX-License-Identifier: Apache-2.0
"""Decide whether a deployment pipeline may go on, by the budget. Pure: `now` is an argument.

The verdicts' numbers are the exit codes of `make budget-gate`."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct

from twinguard.decide.money import money, percent
from twinguard.decide.spend import BudgetStand, Freshness, Overview
from twinguard.decide.stands import limit_of
from twinguard.policy import Budget

OLDEST = dt.timedelta(hours=72)
"""Exports come up to 1.6 days late on a good week: three days without a row are not normal."""

BAR = 20
"""How many characters wide a budget is."""


class Verdict(enum.Enum):
    """What the gate says; its value is the exit code. 3 is for all that cannot be known."""

    ROOM = 0
    OVER = 1
    FORECAST_OVER = 2
    OLD = 3


class Ruling(Struct, frozen=True, kw_only=True):
    """A verdict, why in a sentence, and what it was judged from; `stand` is None without a budget
    amount, or without costs in its currency."""

    verdict: Verdict
    reason: str
    stand: BudgetStand | None
    freshness: Freshness


def ruled(
    overviews: Iterable[Overview],
    freshness: Freshness,
    budget: Budget | None,
    now: dt.datetime,
    oldest: dt.timedelta = OLDEST,
) -> Ruling:
    """The verdict on a month's overviews (`overview.py`).

    Over comes before too old: costs before credits hardly ever shrink, so what was over is over
    still. Too old comes before the forecast: a forecast from old data says nothing, neither that
    there is room. The forecast is over where its middle reaches the cap: more likely than not."""
    known = tuple(overviews)
    found = next((one.budget for one in known if one.budget is not None), None)
    if budget is None or not budget.amount:
        verdict, reason = Verdict.ROOM, "No budget amount is set, so nothing can be over it."
    elif found is None:
        others = ", ".join(one.currency for one in known) or "none"
        verdict = Verdict.OLD
        reason = (
            f"{budget.name} is in {budget.currency}, but the costs are in: {others}. Nothing can "
            "be compared; set budget.currency and budget.amount to the billing account's currency."
        )
    else:
        verdict, reason = _weighed(found, freshness, now, oldest)
    return Ruling(verdict=verdict, reason=reason, stand=found, freshness=freshness)


def _weighed(
    stand: BudgetStand, freshness: Freshness, now: dt.datetime, oldest: dt.timedelta
) -> tuple[Verdict, str]:
    limit, currency = limit_of(stand), stand.currency
    if stand.basis >= limit:
        spent, most = money(stand.basis, currency), money(limit, currency)
        return Verdict.OVER, f"{spent} is spent: {stand.name} allows {most}."
    if freshness.newest is None and freshness.through is not None:
        return Verdict.OLD, (
            f"{freshness.source} does not say when its costs were written, so nobody can tell how "
            "old they are: judge by Google's export, or by a file with the column x_ExportTime."
        )
    if freshness.newest is None:
        return Verdict.OLD, "There are no costs to judge by: see that the billing export is on."
    age = now - freshness.newest
    if age > oldest:
        return Verdict.OLD, (
            f"The newest costs were written {_hours(age)} hours ago, more than {_hours(oldest)}: "
            "see whether the billing export still runs."
        )
    ahead = stand.forecast
    if ahead is not None and ahead.middle >= limit:
        return Verdict.FORECAST_OVER, (
            f"The month is likely to end at {money(ahead.middle, currency)}: {stand.name} allows "
            f"{money(limit, currency)}."
        )
    return Verdict.ROOM, f"{money(limit - stand.basis, currency)} of {stand.name} is left."


_HEADLINES = {
    Verdict.ROOM: "there is room",
    Verdict.OVER: "the budget is used up",
    Verdict.FORECAST_OVER: "the month is likely to end over budget",
    Verdict.OLD: "nobody can tell",
}


def comment(ruling: Ruling, environment: str) -> str:
    """The ruling as Markdown for a pull request: the bar, the numbers, how far the data reach."""
    lines = [f"### Budget of {environment}: {_HEADLINES[ruling.verdict]}", "", _text(ruling.reason)]
    if ruling.stand is not None:
        lines += ["", f"`{bar(ruling.stand.percent)}`", "", *_table(ruling.stand)]
    return "\n".join([*lines, "", stamp(ruling.freshness), ""])


def bar(share: Decimal, width: int = BAR) -> str:
    """A budget as text, `███████░░░ 70 %`: full only once it is used up, empty only at nothing."""
    filled = int(share * width / 100)
    if share > 0 and not filled:
        filled = 1
    filled = max(0, min(width, filled))
    return f"{'█' * filled}{'░' * (width - filled)} {percent(share)}"


def stamp(freshness: Freshness) -> str:
    """How far the data reach, in a sentence."""
    source, newest, lag = _text(freshness.source), "not known when", "not known how late"
    if freshness.through is None:
        return f"No costs are known yet from {source}."
    if freshness.newest is not None:
        newest = f"{freshness.newest.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    if freshness.lag is not None:
        lag = f"known to be {_hours(freshness.lag)} hours late"
    return (
        f"Complete through {freshness.through:%Y-%m-%d} ({freshness.calendar}); "
        f"newest row {newest}, from {source}, {lag}."
    )


def _table(stand: BudgetStand) -> list[str]:
    currency, ahead = stand.currency, stand.forecast
    rows = [
        ("Spent, before credits", f"{money(stand.basis, currency)} ({percent(stand.percent)})"),
        ("Budget", money(stand.amount, currency)),
        ("A typical day", money(stand.burn, currency)),
    ]
    if ahead is not None:
        low, high = money(ahead.low, currency), money(ahead.high, currency)
        rows.append(("Month's end, likely", f"{money(ahead.middle, currency)} ({low} to {high})"))
    reached = f"{stand.reached_on:%Y-%m-%d}" if stand.reached_on else "not this month"
    rows.append((f"{money(limit_of(stand), currency)} is reached", reached))
    return ["| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)]


def _hours(span: dt.timedelta) -> int:
    return int(span.total_seconds() // 3600)


def _text(text: str) -> str:
    """Text that is nothing but text in Markdown, on one line."""
    safe = "".join(f"\\{char}" if char in "\\`*_[]<>|#@" else char for char in text)
    return " ".join(safe.split())
