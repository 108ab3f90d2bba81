# SPDX-License-Identifier: Apache-2.0
"""Whether budgets, their messages, holds, limits and the costs' export are as they should. Pure."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator
from decimal import Decimal

from twinguard.decide import gate
from twinguard.decide.deployment import Deployment, GoogleBudget, Names, Recorded, touched
from twinguard.decide.health import Check, Look
from twinguard.decide.inventory import Gap, short
from twinguard.decide.ledger import NANOS
from twinguard.decide.model import Kind, Why
from twinguard.decide.money import money
from twinguard.decide.spend import Freshness
from twinguard.policy import Budget, Policy

BUDGET, NIGHTS, COSTS, LIMITS = "budget", "nights", "costs", "limits"
SILENT = dt.timedelta(hours=36)
"""Google tells of a budget several times a day, whether or not anything has changed."""

_NEAR = dt.timedelta(minutes=2)
_OVERDUE = dt.timedelta(hours=2)
_BY_HAND, _FORGOTTEN = "manual", dt.timedelta(days=14)
_NEWS = dt.timedelta(days=2)
_SLACK = Decimal("1.05")
"""An answer can cost a little more than what was held for it."""


def budget(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """The budget at Google, its messages, the breaker, and the link that money flows by."""
    names = seen.named(policy)
    if policy.budget is not None:
        look, wanted = Look(BUDGET, "Google's budget"), policy.budget
        apply = f"make apply ENV={policy.environment}"
        yield look.about(seen.budgets, functools.partial(_google, names, wanted, look), apply)
        look = Look(BUDGET, "budget messages")
        yield look.about(seen.recorded, functools.partial(_heard, names, look, seen.at), apply)
    look = Look(BUDGET, "breaker")
    yield look.about(seen.recorded, functools.partial(_breaker, policy, look), "")
    look = Look(BUDGET, "billing account")
    yield look.about(seen.linked, functools.partial(_linked, policy, look), "")


def _google(names: Names, wanted: Budget, look: Look, known: tuple[GoogleBudget, ...]) -> Check:
    apply = f"make apply ENV={names.policy.environment}"
    found = next((one for one in known if one.name == wanted.name), None)
    if found is None:
        return look.failed(f"there is no budget {wanted.name}: nobody counts", apply)
    if short(found.topic or "nothing") != short(names.topic("budget-alerts")):
        told = short(found.topic) if found.topic else "no topic"
        return look.failed(f"it is silent: it tells {told}, not ours", apply)
    if found.amount != wanted.amount or (wanted.amount and found.currency != wanted.currency):
        said = "no amount" if found.amount is None else money(found.amount, found.currency)
        ours = "none" if wanted.amount is None else money(wanted.amount, wanted.currency)
        return look.failed(f"it has {said}, the policy {ours}", apply)
    missing = sorted({one.percent for one in wanted.thresholds} - found.percents)
    if missing:
        percents = ", ".join(f"{percent:f} %" for percent in missing)
        return look.failed(f"it does not tell at {percents}", apply)
    return look.ok("as the policy has it, and it tells our topic")


def _heard(names: Names, look: Look, at: dt.datetime, known: Recorded) -> Check:
    last = max(_from_google(known), default=None)
    remedy = (
        "look at the checks of the budget, its topic and on-budget-alert; "
        f"then gcloud functions logs read {names.prefix}-on-budget-alert"
    )
    if last is None:
        return look.failed("none ever came: the cap has no event to act on", remedy)
    if at - last > SILENT:
        hours = (at - last).total_seconds() / 3600
        return look.failed(f"the last one came {hours:.0f} hours ago; several a day do", remedy)
    return look.ok(f"the last one is of {last:%Y-%m-%d %H:%M} UTC")


def _from_google(known: Recorded) -> Iterator[dt.datetime]:
    """When messages came that were not the doctor's own."""
    for reading in known.budget.readings if known.budget is not None else ():
        for at in (reading.first, reading.last):
            if not any(abs(at - own) < _NEAR for own in known.own):
                yield at


def _breaker(policy: Policy, look: Look, known: Recorded) -> Check:
    if not known.breaker.open:
        return look.ok("closed")
    reasons = "; ".join(reason for _, reason in known.breaker.open_by)
    if known.budget is not None and known.budget.tripped:
        return look.ok(f"open, as the cap asks for: {reasons}")
    wake = f"make wake ENV={policy.environment} HOLD=budget APPLY=1"
    return look.failed(f"it is open though no cap is tripped: {reasons}", wake)


def _linked(policy: Policy, look: Look, known: bool) -> Check:
    if known:
        return look.ok("the project has an open one")
    link = f"gcloud billing projects link {policy.project.id} --billing-account=…"
    return look.failed("the project has none: all of it stands still", link)


def nights(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """The night plan names what is there, and whatever is held is put back in time."""
    if policy.schedule is not None:
        look = Look(NIGHTS, "night plan")
        for known in (seen.services, seen.subscriptions):
            if isinstance(known, Gap):
                yield look.unknown(known.why)
                break
        else:
            yield _plan(policy, seen, look)
    look = Look(NIGHTS, "holds")
    yield look.about(seen.recorded, functools.partial(_holds, policy, look, seen.at), "")


def _plan(policy: Policy, seen: Deployment, look: Look) -> Check:
    services = frozenset() if isinstance(seen.services, Gap) else seen.services
    bound = {} if isinstance(seen.subscriptions, Gap) else seen.subscriptions
    targets = touched(policy)
    gone = [
        f"{one.kind} {one.short}"
        for one in targets
        if one.name not in (services if one.kind is Kind.SERVICE else bound.keys())
    ]
    if gone:
        return look.failed(
            f"it names what is not there: {', '.join(gone)}",
            f"deploy it, or take it out of environments/{policy.environment}/policy.yaml",
        )
    return look.ok(f"all {len(targets)} services and subscriptions are there")


def _holds(policy: Policy, look: Look, at: dt.datetime, known: Recorded) -> Check:
    over = sorted(
        f"{hold.resource.short} ({why.key})"
        for hold in known.holds
        for why in hold.reasons
        if _is_left(why, at)
    )
    if over:
        key = over[0].rpartition("(")[2].rstrip(")").partition("/")[0]
        wake = f"make wake ENV={policy.environment} HOLD={key} APPLY=1"
        return look.failed(f"nobody ends what is over or forgotten: {', '.join(over)}", wake)
    count = len(known.holds)
    return look.ok(f"{count} held, none beyond its time" if count else "nothing is held")


def _is_left(why: Why, at: dt.datetime) -> bool:
    """True for a reason whose end has passed, and for a person's that has none and is old."""
    if why.until is not None:
        return at - why.until > _OVERDUE
    return why.key == _BY_HAND and at - why.since > _FORGOTTEN


def dead_letters(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """Events that nobody could read, of the last days."""
    look = Look(BUDGET, "unreadable events")

    def judged(known: Recorded) -> Check:
        fresh = [at for at in known.dead_letters if seen.at - at < _NEWS]
        if fresh:
            return look.failed(
                f"{len(fresh)} of the last two days, kept in the records as dead_letters",
                "read them there: who publishes what our functions cannot read?",
            )
        return look.ok("none in the last two days")

    yield look.about(seen.recorded, judged, f"make apply ENV={policy.environment}")


def costs(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """The export that costs are read from."""
    if policy.billing_export is None:
        return
    look = Look(COSTS, "billing export")
    if not policy.billing_export.connected:
        yield look.unknown(
            "the policy says that it is not switched on yet",
            "switch it on (docs/costs.md), then billing_export.connected: true",
        )
        return
    yield look.about(seen.export, functools.partial(fresh, look, seen.at), "")


def fresh(look: Look, at: dt.datetime, known: Freshness) -> Check:
    """Whether rows still come in."""
    remedy = "is the export still on? Console, Billing, Billing export; see docs/costs.md"
    if known.newest is None:
        return look.failed("it has no rows at all", remedy)
    age = at - known.newest
    if age > gate.OLDEST:
        days = age.total_seconds() / 86400
        return look.failed(f"stale: its newest row is {days:.1f} days old", remedy)
    return look.ok(f"complete through {known.through}")


def limits(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """What may be spent on models: a limit that is lifted for good would refuse nobody."""
    if policy.openai is None and not policy.spending.limits:
        return
    look = Look(LIMITS, "limits on models")

    yield look.about(seen.recorded, functools.partial(_bounded, policy, look), "")


def _bounded(policy: Policy, look: Look, known: Recorded) -> Check:
    endless = [one for one in known.limits if one.nanos is not None and one.until is None]
    if endless:
        scope = min(str(one.scope) for one in endless)
        back = f"make budget-raise ENV={policy.environment} SCOPE={scope} AMOUNT=policy"
        return look.failed(
            f"set by hand and never ending: {', '.join(sorted(str(one.scope) for one in endless))}",
            f"{back} REASON='…' APPLY=1, or write it into the policy",
        )
    for one in known.standings:
        if one.limit is not None and one.spent > one.limit * _SLACK:
            return look.failed(
                f"{one.scope} spent {_dollars(one.spent)} of {_dollars(one.limit)}: it is silent, "
                "it refuses nobody",
                "does all of the application go through the gateway? Do its instances share "
                "TWINGUARD_COUNTERS? See docs/gateway.md",
            )
    return look.ok("none is exceeded, and none set by hand has no end")


def _dollars(nanos: int) -> str:
    return money(Decimal(nanos) / NANOS, "USD")
