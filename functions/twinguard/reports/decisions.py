# SPDX-License-Identifier: Apache-2.0
"""What three months of costs and the policy ask people to decide, rule by rule. Pure.

A rule answers with the number it looked at, its limit, and the decision if the number is past it;
where there is no data it answers nothing, so that nobody takes silence for an all-clear."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_CEILING, Decimal

from msgspec import Struct

from twinguard.decide.money import money, percent
from twinguard.decide.spend import Dimension, Overview
from twinguard.policy import Policy
from twinguard.reports.names import named, one_line
from twinguard.reports.parts import LABELS, WORDS, ZERO, is_told, share_of, unattributed
from twinguard.reports.stamps import is_complete, listed, month_name
from twinguard.words import Environment, Level

UNATTRIBUTED_LIMIT = Decimal(5)
BUDGET_IDLE, ALL = Decimal(50), Decimal(100)
MODEL_GREW = Decimal(10)
MODEL_NEW = Decimal(5)
ROOM = Decimal("1.25")
"""A proposed budget leaves a quarter above what it has to hold."""

MONTHS = 3
ROTATION = {Environment.PRODUCTION: 92, Environment.STAGING: 31}
"""Days after which keys are to be renewed: quarterly and monthly (strategy.md 10.1)."""


class Check(Struct, frozen=True):
    """A number that was looked at. `decision` says what to decide, where there is something."""

    topic: str
    found: str
    limit: str
    decision: str = ""


def checks(months: Sequence[Overview], policy: Policy) -> tuple[Check, ...]:
    """Every rule's answers for the months of one currency, the oldest first."""
    return (
        *_budget(months, policy),
        *_forecast(months),
        *_capacity(months),
        *_models(months),
        *_allocation(months),
        *_anomalies(months),
        *_scaling(policy),
        *_rotation(policy),
        *_routes(policy),
    )


def next_quarter(months: Sequence[Overview]) -> tuple[Decimal, Decimal] | None:
    """The monthly growth in per cent, and the third month from now if it goes on.

    Only from complete months, two at least."""
    complete = [o for o in months if is_complete(o.freshness, o.month) and o.spent > 0]
    if len(complete) < 2:  # noqa: PLR2004 - a growth
        return None
    first, last = complete[0], complete[-1]
    steps = 12 * (last.month.year - first.month.year) + last.month.month - first.month.month
    factor = (last.spent / first.spent) ** (Decimal(1) / steps)
    return 100 * (factor - 1), last.spent * factor**MONTHS


def _budget(months: Sequence[Overview], policy: Policy) -> Iterator[Check]:
    stands = [o.budget for o in months if o.budget is not None]
    if not stands:
        if policy.budget is None or policy.budget.amount is None:
            found, spent = "no budget", money(months[-1].spent, months[-1].currency)
            decision = f"Set a budget: the last month cost {spent} and nothing would stop more."
            yield Check("Budget", found, "one", decision)
        return
    last, highest = stands[-1], max(stand.percent for stand in stands)
    most = max(stand.basis for stand in stands)
    found = f"at most {percent(highest)} used"
    coming = next_quarter(months)
    proposed = _proposed(max(most, coming[1] if coming else ZERO))
    wanted, amount = money(proposed, last.currency), money(last.amount, last.currency)
    is_idle = highest < BUDGET_IDLE and len(stands) == MONTHS and most > 0
    if is_idle and proposed < last.amount:
        decision = (
            f"Lower the budget of {amount} to about {wanted}: in three months at most "
            f"{money(most, last.currency)} ({percent(highest)}) was used, so it would warn late."
        )
    elif highest >= ALL:
        over = [month_name(o.month) for o in months if o.budget and o.budget.percent >= ALL]
        capped = policy.budget is not None and policy.budget.cap.enabled
        cap = "" if capped else " No cap is enabled, so nothing stopped it."
        decision = (
            f"Raise the budget of {amount} to about {wanted}, or cut what grew: it was used up in "
            f"{listed(over)} ({percent(highest)}).{cap}"
        )
    else:
        decision = ""
    yield Check("Budget", found, f"{percent(BUDGET_IDLE)} to 100 %", decision)
    yield from _thresholds(months)


def _thresholds(months: Sequence[Overview]) -> Iterator[Check]:
    """Months that came near the budget without using it up."""
    hits = [
        (one, one.budget.crossed[-1])
        for one in months
        if one.budget and one.budget.crossed and one.budget.crossed[-1] < ALL
    ]
    if not hits:
        return
    reached = listed(f"{percent(hit)} in {month_name(one.month)}" for one, hit in hits)
    movers = [(mover, one.currency) for one, _ in hits for mover in one.movers]
    mover, currency = max(movers, key=lambda one: one[0].change, default=(None, ""))
    grew = (
        f" {named(mover.name)} grew most, by {money(mover.change, currency)}."
        if mover and mover.change > 0
        else ""
    )
    decision = f"The budget reached {reached}.{grew} Cut it, or keep it as planned."
    yield Check("Thresholds", reached, "none reached", decision)


def _forecast(months: Sequence[Overview]) -> Iterator[Check]:
    last = months[-1]
    if last.forecast is None or last.budget is None or is_complete(last.freshness, last.month):
        return
    low, high = last.forecast.low, last.forecast.high
    ends = f"{money(low, last.currency)} to {money(high, last.currency)}"
    amount, name = money(last.budget.amount, last.budget.currency), month_name(last.month)
    decision = ""
    if last.budget.currency == last.currency and high > last.budget.amount:
        sure = "will" if low > last.budget.amount else "may"
        when = f", its cap on {last.budget.reached_on}" if last.budget.reached_on else ""
        decision = f"{name} {sure} end above its budget of {amount} (forecast {ends}){when}: act."
    yield Check("Forecast", f"{name}: {ends}", f"budget {amount}", decision)


def _capacity(months: Sequence[Overview]) -> Iterator[Check]:
    coming, last = next_quarter(months), months[-1]
    if coming is None or last.budget is None or last.budget.currency != last.currency:
        return
    growth, spend = coming
    found = f"{percent(growth)} a month, {money(spend, last.currency)} in three months"
    amount = money(last.budget.amount, last.currency)
    decision = ""
    if spend > last.budget.amount:
        wanted = money(_proposed(spend), last.currency)
        decision = (
            f"Plan the next quarter: at {percent(growth)} a month its last month comes to "
            f"{money(spend, last.currency)}, above the budget of {amount}. Provide about {wanted}, "
            "or decide what must not grow."
        )
    yield Check("Capacity", found, f"budget {amount}", decision)


def _models(months: Sequence[Overview]) -> Iterator[Check]:
    known = [o for o in months if is_told(o.parts.get(Dimension.MODEL, ()))]
    if len(known) < 2:  # noqa: PLR2004 - a change needs two
        return
    first, last = shares_of(known[0], Dimension.MODEL), shares_of(known[-1], Dimension.MODEL)
    is_quiet = True
    for name, share in sorted(last.items(), key=lambda one: (-one[1], one[0])):
        before = first.get(name)
        text = f"{named(name)} went from {percent(before or ZERO)} to {percent(share)} of the spend"
        if before is None and share >= MODEL_NEW:
            why = "is new this quarter: is it the cheapest model that does the job?"
            decision = f"{named(name)} ({percent(share)} of the spend) {why}"
        elif before is not None and share - before >= MODEL_GREW:
            decision = f"{text}: would a cheaper model do for a part of it?"
        else:
            continue
        is_quiet = False
        yield Check("Model selection", text, f"+{MODEL_GREW:f} points", decision)
    if is_quiet:
        moved = max((share - first.get(name, ZERO) for name, share in last.items()), default=ZERO)
        found = f"no model grew by more than {max(moved, ZERO):.1f} points"
        yield Check("Model selection", found, f"+{MODEL_GREW:f} points")


def shares_of(overview: Overview, dimension: Dimension) -> dict[str, Decimal]:
    """Each named part's share of the month's spend, in per cent."""
    shares = overview.parts.get(dimension, ())
    found = ((s.name, share_of(s.net, overview.spent)) for s in shares)
    return {name: share for name, share in found if name is not None and share is not None}


def _allocation(months: Sequence[Overview]) -> Iterator[Check]:
    last = months[-1]
    for dimension in LABELS:
        shares = last.parts.get(dimension)
        if not shares or (share := share_of(unattributed(shares), last.spent)) is None:
            continue
        word, amount = WORDS[dimension], money(unattributed(shares), last.currency)
        found = f"{percent(share)} ({amount}) names no {word}"
        decision = ""
        if share > UNATTRIBUTED_LIMIT:
            decision = f"Label costs by {word}: {found} in {month_name(last.month)}."
        yield Check("Cost allocation", found, f"{UNATTRIBUTED_LIMIT:f} %", decision)


def _anomalies(months: Sequence[Overview]) -> Iterator[Check]:
    found = [one for overview in months for one in overview.anomalies]
    if not found:
        yield Check("Security baselines", "no day beyond what the past explains", "none")
        return
    worst = max(found, key=lambda one: one.actual - one.expected)
    what = f"{WORDS[worst.dimension]} {named(worst.name)} on {worst.date}"
    numbers = (
        f"{money(worst.actual, worst.currency)} where {money(worst.expected, worst.currency)} "
        "was expected"
    )
    many = f"{len(found)} unexplained {'days' if len(found) > 1 else 'day'}"
    decision = (
        f"Explain {many} of spend (the largest: {what}, {numbers}), or treat them as a stolen key."
    )
    yield Check("Security baselines", many, "none", decision)


def _scaling(policy: Policy) -> Iterator[Check]:
    idle = sorted(name for name, target in policy.services.items() if not target.critical)
    if not idle or policy.environment is Environment.PRODUCTION:
        return
    asleep = policy.schedule.services if policy.schedule else ()
    awake = [one_line(name) for name in idle if name not in asleep]
    found = f"{len(idle) - len(awake)} of {len(idle)} non-critical services sleep at night"
    verb = "runs" if len(awake) == 1 else "run"
    decision = f"{listed(awake)} {verb} all night: add to schedule.services." if awake else ""
    yield Check("Scaling settings", found, "all of them", decision)


def _rotation(policy: Policy) -> Iterator[Check]:
    limit = ROTATION.get(policy.environment)
    if limit is None or not policy.secrets:
        return
    slow = sorted(name for name, one in policy.secrets.items() if one.rotation_days > limit)
    longest = max(secret.rotation_days for secret in policy.secrets.values())
    decision = f"Renew {listed(slow)} at least every {limit} days." if slow else ""
    found = f"secrets are renewed after {longest} days at most"
    yield Check("Security baselines", found, f"{limit} days", decision)


def _routes(policy: Policy) -> Iterator[Check]:
    silent = [level.value for level in Level if not policy.alerts.routes.get(level)]
    found = f"{len(Level) - len(silent)} of {len(Level)} levels of alerts reach somebody"
    is_local = policy.environment is Environment.LOCAL
    decision = f"Route alerts of level {listed(silent)}: they reach nobody." if silent else ""
    yield Check("Security baselines", found, "all of them", "" if is_local else decision)


def _proposed(need: Decimal) -> Decimal:
    """The need and room, up to two leading digits: nobody wants a budget of 1,283.37."""
    wanted = need * ROOM
    return wanted.quantize(Decimal(1).scaleb(wanted.adjusted() - 1), rounding=ROUND_CEILING)
