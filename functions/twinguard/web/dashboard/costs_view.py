# SPDX-License-Identifier: Apache-2.0
"""Make of a month's costs what the costs page and the overview show. Pure.

Sums are those of `costs.py` and `decide/overview.py`; here they are only worded and placed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.money import change, money, percent
from twinguard.decide.months import last_of
from twinguard.decide.spend import Dimension, Line, Overview, Share
from twinguard.policy import Policy
from twinguard.reports import daily
from twinguard.reports.document import Daily
from twinguard.reports.names import named
from twinguard.reports.stamps import month_name, stamp
from twinguard.web.dashboard.budget_view import BudgetBar, budget_bar
from twinguard.web.dashboard.charts import Plot, month_plot, year_plot
from twinguard.web.dashboard.watched import CostsSeen
from twinguard.web.dashboard.words import plain

TOP = 10
PARTS = (
    (Dimension.SERVICE, "Services", "Nothing was spent yet."),
    (Dimension.TENANT, "Customers", "No cost of this month has the label tenant."),
    (Dimension.FEATURE, "Features", "No cost of this month has the label feature."),
)


class Part(Struct, frozen=True, kw_only=True):
    """A row of a breakdown; `width` is its bar in per cent of the largest."""

    name: str
    net: str
    share: str
    moved: str
    width: float


class Parts(Struct, frozen=True, kw_only=True):
    """A breakdown; `words` are said where it has no rows."""

    id: str
    title: str
    words: str
    rows: tuple[Part, ...]
    more: str


class Usage(Struct, frozen=True):
    """What one key spent on one model."""

    model: str
    key: str
    net: str
    share: str


class Sheet(Struct, frozen=True, kw_only=True):
    """A month in one currency."""

    currency: str
    month: str
    spent: str
    gross: str
    before: str
    forecast: str
    budget: BudgetBar | None
    plot: Plot | None
    plot_words: str
    days: tuple[tuple[str, str, str], ...]
    parts: tuple[Parts, ...]
    usage: tuple[Usage, ...]
    usage_more: str
    year: Plot | None
    year_words: str
    year_months: tuple[tuple[str, str, str], ...]
    anomalies: tuple[tuple[str, str, tuple[str, ...]], ...]
    notes: tuple[str, ...]


class CostsPage(Struct, frozen=True, kw_only=True):
    """All that the costs page shows; `through` is what each panel says of how far it reaches."""

    sheets: tuple[Sheet, ...]
    through: str
    stamps: tuple[str, ...]
    newest: dt.datetime | None
    note: str
    is_sample: bool


def costs_page(seen: CostsSeen, policy: Policy) -> CostsPage:
    """The page of a month."""
    return CostsPage(
        sheets=tuple(_sheet(one, seen, policy) for one in seen.month.overviews),
        through=through(seen),
        stamps=stamps(seen),
        newest=seen.month.freshness.newest,
        note=seen.note,
        is_sample=seen.is_sample,
    )


def through(seen: CostsSeen) -> str:
    """Through which day of the month all of its costs are there, in a few words."""
    last, known = last_of(seen.month.overviews[0].month), seen.month.freshness.through
    return f"complete through {min(known, last):%-d %B}" if known else "complete through no day yet"


def stamps(seen: CostsSeen) -> tuple[str, ...]:
    """Through when the costs are complete, by each source; their newest row is told beside."""
    last = last_of(seen.month.overviews[0].month)
    return stamp([replace(seen.month.freshness, newest=None)], last)


def _sheet(told: Overview, seen: CostsSeen, policy: Policy) -> Sheet:
    currency, figure = told.currency, daily.figure(told)
    assert isinstance(figure.data, Daily)  # noqa: S101 - what that figure is
    days = _dated(seen.days, currency)
    ahead = told.forecast
    usage, usage_more = _usage(seen.usage, told)
    return Sheet(
        currency=currency,
        month=month_name(told.month),
        spent=money(told.spent, currency),
        gross=f"{money(told.cost, currency)} before credits of {money(-told.credits, currency)}",
        before=change(told.same_days_before, told.complete, currency)
        if told.same_days_before
        else "",
        forecast=f"{money(ahead.middle, currency)}, likely {plain(ahead.low, currency)} to "
        f"{money(ahead.high, currency)}"
        if ahead
        else "",
        budget=budget_bar(told.budget, policy),
        plot=month_plot(figure.data),
        plot_words=figure.description,
        days=tuple(_day_rows(told)),
        parts=tuple(_parts(told, *part) for part in PARTS),
        usage=usage,
        usage_more=usage_more,
        year=year_plot(days, currency),
        year_words=_year_words(days),
        year_months=_by_month(seen.months, currency),
        anomalies=tuple(_anomaly(told, n) for n in range(len(told.anomalies))),
        notes=told.notes,
    )


def _day_rows(told: Overview) -> Iterable[tuple[str, str, str]]:
    so_far = Decimal(0)
    for day in told.days:
        so_far += day.amount
        yield f"{day.date:%-d %b}", plain(day.amount, told.currency), plain(so_far, told.currency)


def _parts(told: Overview, dimension: Dimension, title: str, words: str) -> Parts:
    shares = [one for one in told.parts.get(dimension, ()) if one.net or one.before]
    ranked = sorted(shares, key=lambda one: (one.name is None, -one.net))
    shown = ranked if len(ranked) <= TOP + 1 else ranked[:TOP]
    largest = max((one.net for one in shown), default=Decimal(0))
    left = ranked[len(shown) :]
    net = sum((one.net for one in left), Decimal(0))
    return Parts(
        id=dimension.value,
        title=title,
        words=words,
        rows=tuple(_part(one, told, largest) for one in shown),
        more=f"{len(left)} more, together {money(net, told.currency)}" if left else "",
    )


def _part(share: Share, told: Overview, largest: Decimal) -> Part:
    return Part(
        name=named(share.name),
        net=plain(share.net, told.currency),
        share=percent(100 * share.net / told.spent) if told.spent > 0 else "",
        moved=change(share.before, share.after, told.currency) if share.before else "new",
        width=round(float(100 * share.net / largest), 1) if largest > 0 and share.net > 0 else 0.0,
    )


def _usage(lines: Sequence[Line], told: Overview) -> tuple[tuple[Usage, ...], str]:
    own = [one for one in lines if one.currency == told.currency and one.keys[0] is not None]
    own.sort(key=lambda one: -one.net)
    total = sum((one.net for one in own), Decimal(0))
    rows = tuple(
        Usage(
            named(one.keys[0]),
            named(one.keys[1]),
            plain(one.net, told.currency),
            percent(100 * one.net / total) if total > 0 else "",
        )
        for one in own[: 2 * TOP]
    )
    left = own[2 * TOP :]
    net = sum((one.net for one in left), Decimal(0))
    return rows, f"{len(left)} more, together {money(net, told.currency)}" if left else ""


def _dated(lines: Sequence[Line], currency: str) -> list[tuple[dt.date, Decimal]]:
    return [
        (dt.date.fromisoformat(line.keys[0]), line.net)
        for line in lines
        if line.currency == currency and line.keys[0] is not None
    ]


def _by_month(lines: Sequence[Line], currency: str) -> tuple[tuple[str, str, str], ...]:
    months = [
        (str(line.keys[0])[:7], line.net)
        for line in lines
        if line.currency == currency and line.keys[0] is not None
    ]
    return tuple(
        (month, month_name(dt.date.fromisoformat(f"{month}-01")), plain(net, currency))
        for month, net in months
    )


def _year_words(days: Sequence[tuple[dt.date, Decimal]]) -> str:
    if not days:
        return ""
    return f"Net spend of each day, {min(days)[0]} to {max(days)[0]}."


def _anomaly(told: Overview, number: int) -> tuple[str, str, tuple[str, ...]]:
    one, currency = told.anomalies[number], told.currency
    verb = "cost" if one.actual >= one.expected else "dropped to"
    text = (
        f"{named(one.name)} {verb} {money(one.actual, currency)}; "
        f"{money(one.expected, currency)} was expected"
    )
    drivers = tuple(
        f"{named(driver.name)}: {change(driver.before, driver.after, currency)}"
        for driver in one.drivers
    )
    return f"{one.date:%-d %B}", text, drivers
