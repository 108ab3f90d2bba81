# SPDX-License-Identifier: Apache-2.0
"""Make a month's overview from the lines of a few queries: which to ask, and what they say.

Pure; sums are exact. Whoever calls it fetches the answers from a `Costs` port. One overview for
each currency: they are never added."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from msgspec.structs import replace

from twinguard.decide.anomalies import Rules, found
from twinguard.decide.forecast import month_end
from twinguard.decide.months import (
    ONE,
    before,
    days_from,
    last_of,
    month_of,
    per_day,
    total,
)
from twinguard.decide.shares import date_of, movers, same_days_until, shares
from twinguard.decide.spend import (
    Anomaly,
    BudgetStand,
    Day,
    Dimension,
    Freshness,
    Line,
    Overview,
    Query,
)
from twinguard.decide.stands import stand
from twinguard.policy import Budget

PARTS = (
    Dimension.SERVICE,
    Dimension.PROJECT,
    Dimension.TENANT,
    Dimension.FEATURE,
    Dimension.MODEL,
)
"""What a month is told apart by; the first is also what movers are told by."""

WATCHED = (Dimension.SERVICE, Dimension.TENANT, Dimension.MODEL)
"""What anomalies are looked for in."""

SECOND = {
    Dimension.SERVICE: Dimension.SKU,
    Dimension.TENANT: Dimension.SERVICE,
    Dimension.MODEL: Dimension.TENANT,
}
"""What an anomaly's drivers are told by."""

MONTHLY = frozenset({"tax", "rounding_error"})
"""Cost types that are billed by the month, not by the day."""

Answers = Mapping[Query, Iterable[Line]]


def queries(
    environment: str | None,
    month: dt.date,
    parts: tuple[Dimension, ...] = PARTS,
    project: str | None = None,
    tenant: str | None = None,
) -> tuple[Query, ...]:
    """What to ask a source for: by day and cost type, and by day and each of the parts.

    All from three months before the month (forecast and anomalies need a past) to its end, by
    usage day. None for the environment means all of them."""
    month = month_of(month)
    first = before(before(before(month)))
    return tuple(
        Query(
            by=(Dimension.DAY, dimension),
            first=first,
            last=last_of(month),
            environment=environment,
            project=project,
            tenant=tenant,
        )
        for dimension in (Dimension.COST_TYPE, *parts)
    )


def driver_query(anomaly: Anomaly, environment: str | None) -> Query | None:
    """What to ask for to tell what drove an anomaly; None where there is nothing finer."""
    second = SECOND.get(anomaly.dimension)
    if second is None:
        return None
    return Query(
        by=(Dimension.DAY, anomaly.dimension, second),
        first=anomaly.date - dt.timedelta(weeks=4),
        last=anomaly.date,
        environment=environment,
    )


def anomalies_in(
    answers: Answers,
    freshness: Freshness,
    since: dt.date,
    rules: Mapping[str, Rules] | None = None,
) -> tuple[Anomaly, ...]:
    """The anomalies from a day on in the answers that are watched for them, oldest first."""
    if freshness.through is None:
        return ()
    result = [
        anomaly
        for dimension, lines in _by_dimension(answers).items()
        if dimension in WATCHED
        for anomaly in found(dimension, lines, freshness.through, since, rules)
    ]
    return tuple(sorted(result, key=lambda one: (one.date, one.dimension, one.name)))


def overviews(
    environment: str,
    month: dt.date,
    answers: Answers,
    freshness: Freshness,
    budget: Budget | None,
    anomalies: Iterable[Anomaly] = (),
) -> tuple[Overview, ...]:
    """The month in each currency it has costs in, the budget's first; one of zeros without any.

    `answers` are the lines of `queries`. Spent, cost, credits and parts are all that the source
    has of the month, also of days that are not complete; `before`, `same_days_before` and movers
    compare the complete days with as many of the month before."""
    month = month_of(month)
    lines = _by_dimension(answers)
    home = budget.currency if budget is not None else "USD"
    start = before(month)
    seen = {
        line.currency
        for line in lines.get(Dimension.COST_TYPE, ())
        if date_of(line) >= start and (line.cost or line.credits)
    }
    currencies = sorted(seen or {home}, key=lambda currency: (currency != home, currency))
    told = tuple(anomalies)
    result = [
        _overview(environment, month, currency, _own(lines, currency), freshness, budget, told)
        for currency in currencies
    ]
    nets = tuple((one.currency, one.spent) for one in result)
    return tuple(
        replace(one, other_currencies=tuple(net for net in nets if net[0] != one.currency))
        for one in result
    )


Lines = Mapping[Dimension, tuple[Line, ...]]


def _by_dimension(answers: Answers) -> Lines:
    """The answers by what they tell days apart by; others (an anomaly's drivers) are left out."""
    return {
        query.by[1]: tuple(answer)
        for query, answer in answers.items()
        if len(query.by) == 2 and query.by[0] is Dimension.DAY  # noqa: PLR2004 - day and another
    }


def _own(lines: Lines, currency: str) -> Lines:
    return {
        dimension: tuple(line for line in answer if line.currency == currency)
        for dimension, answer in lines.items()
    }


def _overview(
    environment: str,
    month: dt.date,
    currency: str,
    lines: Lines,
    freshness: Freshness,
    budget: Budget | None,
    anomalies: tuple[Anomaly, ...],
) -> Overview:
    base, last, earlier = lines.get(Dimension.COST_TYPE, ()), last_of(month), before(month)
    through = freshness.through
    as_of = min(through, last) if through is not None else None
    current = [line for line in base if month <= date_of(line) <= last]
    net = _daily(base, net=True)
    outlook = month_end(_days(net), month, through, _days(_daily(_monthly(base), net=True)))
    stood = _stand(base, month, currency, through, budget)
    parts = {d: shares(answer, month, as_of) for d, answer in lines.items()}
    return Overview(
        environment=environment,
        currency=currency,
        month=month,
        as_of=as_of,
        freshness=freshness,
        spent=sum((line.net for line in current), Decimal(0)),
        cost=sum((line.cost for line in current), Decimal(0)),
        credits=sum((line.credits for line in current), Decimal(0)),
        corrections=sum((line.corrections for line in current), Decimal(0)),
        by_cost_type=parts.pop(Dimension.COST_TYPE, ()),
        days=_shown(net, month, as_of),
        complete=total(net, month, as_of) if as_of is not None else Decimal(0),
        same_days_before=total(net, earlier, same_days_until(as_of, month)),
        month_before=total(net, earlier, last_of(earlier)),
        forecast=outlook.forecast,
        budget=stood,
        parts=parts,
        movers=movers(next(iter(_rest(lines)), ()), month, as_of),
        anomalies=tuple(
            one for one in anomalies if one.currency == currency and month_of(one.date) == month
        ),
        notes=tuple(note for note in (outlook.reason, _budget_note(budget, currency)) if note),
    )


def _rest(lines: Lines) -> Iterator[tuple[Line, ...]]:
    return (answer for dimension, answer in lines.items() if dimension is not Dimension.COST_TYPE)


def _stand(
    base: tuple[Line, ...],
    month: dt.date,
    currency: str,
    through: dt.date | None,
    budget: Budget | None,
) -> BudgetStand | None:
    """Where the budget stands, in its own currency only, with a forecast of its own basis."""
    if budget is None or budget.currency != currency:
        return None
    gross, charges = _daily(base, net=False), _daily(_monthly(base), net=False)
    ahead = month_end(_days(gross), month, through, _days(charges)).forecast
    return stand(budget, gross, month, through, ahead)


def _budget_note(budget: Budget | None, currency: str) -> str:
    if budget is None or budget.amount is None:
        return "No budget amount is set: the spend is watched, not compared."
    if budget.currency == currency:
        return ""
    return (
        f"{budget.name} is in {budget.currency}: costs in {currency} are not compared with it, "
        "and currencies are never added."
    )


def _shown(
    net: Mapping[dt.date, Decimal], month: dt.date, as_of: dt.date | None
) -> tuple[Day, ...]:
    """The month's days: the complete ones, free or not, and what is known of those after."""
    known = [date for date in net if month <= date <= last_of(month)]
    until = max([*known, *([as_of] if as_of is not None else [])], default=month - ONE)
    return tuple(Day(date, net.get(date, Decimal(0))) for date in days_from(month, until))


def _monthly(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.keys[1] in MONTHLY]


def _daily(lines: Iterable[Line], *, net: bool) -> dict[dt.date, Decimal]:
    return per_day(Day(date_of(line), line.net if net else line.cost) for line in lines)


def _days(amounts: Mapping[dt.date, Decimal]) -> list[Day]:
    return [Day(date, amount) for date, amount in amounts.items()]
