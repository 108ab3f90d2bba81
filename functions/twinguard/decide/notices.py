# SPDX-License-Identifier: Apache-2.0
"""Decide which anomalies people have yet to hear of, and word them. Pure: state in, state out.

One notice opens an episode; it is told again only when the spend has doubled since, so a launch or
a month's end is not told every day. An episode ends after a week without an anomaly."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.anomalies import Rules
from twinguard.decide.model import Alert
from twinguard.decide.money import change, money, percent
from twinguard.decide.spend import Anomaly, Dimension, Driver
from twinguard.decide.wording import END, FIRST, alert_of
from twinguard.policy import Budget, Level, Policy

CALM = dt.timedelta(days=7)
"""An episode ends after a whole week in which its group was as expected."""

AGAIN = 2
"""How many times what was accepted is news again."""

_NEXT = "Told again only if it doubles."
_NEXT_DROP = "A label, a price or a service may have gone: see where the cost went."


class Told(Struct, frozen=True, kw_only=True):
    """An episode that people were told of: one per group and direction.

    It began on `since`; `accepted` is the dearest day told (for a drop: the cheapest), `step` how
    often it was told, `seen` the last day with an anomaly."""

    dimension: Dimension
    name: str
    currency: str
    is_drop: bool
    since: dt.date
    seen: dt.date
    accepted: Decimal
    step: int = FIRST


class Notices(Struct, frozen=True, kw_only=True):
    """What is kept of what people were told: the open episodes."""

    told: tuple[Told, ...] = ()


class Notice(Struct, frozen=True, kw_only=True):
    """An anomaly that is to be told, as a step of its episode."""

    anomaly: Anomaly
    episode: Told


class Judgement(Struct, frozen=True, kw_only=True):
    """What is to be told now, which episodes are over, and the state that follows."""

    notices: tuple[Notice, ...]
    over: tuple[Told, ...]
    told: tuple[Told, ...]


def judged(found: Iterable[Anomaly], told: Iterable[Told], as_of: dt.date) -> Judgement:
    """What is new about anomalies, given what people were told.

    The same anomalies again, or older ones found late inside an episode, change nothing. Of an
    episode, only the last step is told."""
    open_now = {_group(episode): episode for episode in told}
    notices: dict[str, Notice] = {}
    over: list[Told] = []
    for anomaly in sorted(found, key=lambda one: (one.date, one.name)):
        group = (anomaly.dimension, anomaly.name, anomaly.currency, is_drop(anomaly))
        known = open_now.get(group)
        if known is not None and anomaly.date - known.seen > CALM:
            over.append(known)
            known = None
        episode, is_news = _heard(known, anomaly)
        open_now[group] = episode
        if is_news:
            notices[_key(episode)] = Notice(anomaly=anomaly, episode=episode)
    calm = [episode for episode in open_now.values() if as_of - episode.seen > CALM]
    return Judgement(
        notices=tuple(notices.values()),
        over=(*over, *calm),
        told=tuple(episode for episode in open_now.values() if episode not in calm),
    )


def is_drop(anomaly: Anomaly) -> bool:
    """True where less was spent than expected."""
    return anomaly.actual < anomaly.expected


def alert(policy: Policy, notice: Notice, now: dt.datetime) -> Alert:
    """The message about an anomaly: the numbers compared, and what drove it."""
    anomaly, currency = notice.anomaly, notice.anomaly.currency
    verb = "dropped to" if is_drop(anomaly) else "cost"
    title = (
        f"{_subject(anomaly.dimension, anomaly.name)} {verb} {money(anomaly.actual, currency)} "
        f"on {anomaly.date:%Y-%m-%d}, {money(anomaly.expected, currency)} was expected"
    )
    edge = "below" if is_drop(anomaly) else "above"
    limit, score = money(anomaly.limit, currency), abs(anomaly.score)
    lines = (
        f"Told {edge} {limit}; the difference is {score:f} times a usual day's spread.",
        *_share(policy.budget, anomaly),
        *(_driver(driver, currency) for driver in anomaly.drivers),
        _NEXT_DROP if is_drop(anomaly) else _NEXT,
    )
    level = level_of(policy.budget, anomaly)
    return alert_of(policy, _key(notice.episode), level, notice.episode.step, title, lines, now)


def ended(policy: Policy, episode: Told, now: dt.datetime) -> Alert:
    """The message that an episode is over."""
    title = f"{_subject(episode.dimension, episode.name)} is as expected since {episode.seen}"
    return alert_of(policy, _key(episode), Level.LOW, END, title, (), now)


def level_of(budget: Budget | None, anomaly: Anomaly) -> Level:
    """How bad it is: by the share of the month's budget that one day took beyond what was expected.

    From half of it on critical, a tenth high, a fiftieth medium. Medium too without a budget in
    that currency; a drop saves money and is low."""
    if is_drop(anomaly):
        return Level.LOW
    taken = _taken(budget, anomaly)
    if taken is None:
        return Level.MEDIUM
    ladder = ((50, Level.CRITICAL), (10, Level.HIGH), (2, Level.MEDIUM))
    return next((level for least, level in ladder if taken >= least), Level.LOW)


def rules_for(budget: Budget | None) -> dict[str, Rules]:
    """The rules of the budget's currency: a day is worth a message from one per cent of it on.

    A typical day takes three per cent. A group without a past is told from five per cent on."""
    if budget is None or budget.amount is None:
        return {}
    return {budget.currency: Rules(minimum=budget.amount / 100, cold=budget.amount / 20)}


def _heard(known: Told | None, anomaly: Anomaly) -> tuple[Told, bool]:
    """The episode once the anomaly is known, and whether people must hear of it."""
    if known is None:
        return Told(
            dimension=anomaly.dimension,
            name=anomaly.name,
            currency=anomaly.currency,
            is_drop=is_drop(anomaly),
            since=anomaly.date,
            seen=anomaly.date,
            accepted=anomaly.actual,
        ), True
    seen = max(known.seen, anomaly.date)
    is_news = not known.is_drop and anomaly.actual >= AGAIN * known.accepted
    if not is_news:
        return replace(known, seen=seen), False
    return replace(known, seen=seen, accepted=anomaly.actual, step=known.step + 1), True


def _group(episode: Told) -> tuple[Dimension, str, str, bool]:
    return episode.dimension, episode.name, episode.currency, episode.is_drop


def _key(episode: Told) -> str:
    """`anomaly/<dimension>-<name>/<day it began>`; a drop and another currency are told apart."""
    slug = re.sub(r"[^a-z0-9]+", "-", episode.name.lower()).strip("-")[:40]
    if slug != episode.name:
        slug = f"{slug}-{hashlib.sha256(episode.name.encode()).hexdigest()[:8]}".lstrip("-")
    kind = "-drop" if episode.is_drop else ""
    currency = episode.currency.lower()
    return f"anomaly/{episode.dimension}-{slug}/{episode.since}-{currency}{kind}"


def _subject(dimension: Dimension, name: str) -> str:
    return f"{dimension.replace('_', ' ')} {name}"


def _taken(budget: Budget | None, anomaly: Anomaly) -> Decimal | None:
    """The share of the budget that was not expected, 75 for 75 %."""
    if budget is None or not budget.amount or budget.currency != anomaly.currency:
        return None
    return 100 * (anomaly.actual - anomaly.expected) / budget.amount


def _share(budget: Budget | None, anomaly: Anomaly) -> tuple[str, ...]:
    taken = _taken(budget, anomaly)
    if budget is None or taken is None or is_drop(anomaly):
        return ()
    return (f"The difference is {percent(taken)} of {budget.name}.",)


def _driver(driver: Driver, currency: str) -> str:
    moved = change(driver.before, driver.after, currency)
    return f"{driver.name}: {money(driver.after, currency)}, {moved}"
