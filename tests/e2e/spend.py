# SPDX-License-Identifier: Apache-2.0
"""Second act: money is spent until the cap, and a new period begins.

Readings come late, shuffled and twice, Slack is dead for a while, and the function that caps is
killed in the middle of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from msgspec.structs import replace

from e2e.place import Place
from e2e.traffic import OK, Caller
from twinguard.cli.heard import Heard
from twinguard.decide.model import Resource
from twinguard.journal import Journal
from twinguard.parse import Event
from twinguard.policy import Channel
from world import message

BUDGET = "on_budget_alert"
REFUSALS = 2
_NOW = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
LAST, NEXT = _NOW - dt.timedelta(days=35), _NOW - dt.timedelta(days=2)
"""Beginnings of two periods, both over."""


@dataclass
class SpendSeen:
    """What the act showed."""

    before: dict[Resource, str]
    below: dict[Resource, str] = field(default_factory=dict)
    capped: dict[Resource, str] = field(default_factory=dict)
    late: dict[Resource, str] = field(default_factory=dict)
    after: dict[Resource, str] = field(default_factory=dict)
    breaker: list[bool] = field(default_factory=list)
    was_killed: bool = False
    shop: list[int] = field(default_factory=list)
    reason: str = ""
    open_route: int = 0
    heard: tuple[Heard, ...] = ()


def reading(cost: float, start: dt.datetime = LAST) -> Event:
    """A budget notification; its times are given by Pub/Sub."""
    event = message(cost, start=start)
    return replace(event, message_id="")


def spent(place: Place, customer: Caller) -> SpendSeen:
    """Play the act."""
    ears, seen = place.ears(), SpendSeen(place.states())
    for cost in (100, 380, 300, 380):
        place.tell(BUDGET, reading(cost))
    _hear(place, ears, seen, "passed 75 %", Channel.SLACK)
    ears.deafen(Channel.SLACK, REFUSALS)
    for cost in (455, 410):
        place.tell(BUDGET, reading(cost))
    _hear(place, ears, seen, "passed 90 %", Channel.SLACK)
    _hear(place, ears, seen, "delivered by slack again", Channel.EMAIL)
    seen.below = place.states()
    seen.breaker.append(_breaker(place))
    seen.shop.append(customer.ask().status)
    _capped(place, seen)
    _hear(place, ears, seen, "is used up", Channel.PAGERDUTY)
    seen.breaker.append(_breaker(place))
    place.until(lambda: customer.ask().status == 503, "the application answers 503", 20, pause=0.3)
    seen.shop.append(503)
    seen.reason = customer.asked[-1].body
    seen.open_route = place.healthz()
    for cost in (505, 512.5):
        place.tell(BUDGET, reading(cost))
    seen.late = place.states()
    _new_period(place, customer, seen)
    place.until(lambda: _ended(ears, seen), "the end of the cap is told")
    return seen


def _capped(place: Place, seen: SpendSeen) -> None:
    """Kill the function while Cloud Run has done what it asked for and nobody knows yet."""
    place.google.gate.arm("PATCH", "/services/")
    seen.was_killed = place.killing(
        BUDGET, place.google.gate, lambda: place.tell(BUDGET, reading(512.5))
    )
    seen.capped = place.states()


def _new_period(place: Place, customer: Caller, seen: SpendSeen) -> None:
    place.tell(BUDGET, reading(1, NEXT))
    seen.breaker.append(_breaker(place))
    place.until(lambda: customer.ask().status == OK, "the application serves again", 20, pause=0.3)
    seen.shop.append(OK)
    place.tell(BUDGET, reading(530, LAST))  # comes late: its period is over
    seen.after = place.states()
    seen.breaker.append(_breaker(place))


def _breaker(place: Place) -> bool:
    return Journal(place.records, place.policy.retention).breaker().value.open


def _hear(place: Place, ears, seen: SpendSeen, phrase: str, channel: Channel) -> None:
    def is_heard() -> bool:
        seen.heard += ears.news()
        return any(phrase in one.headline and one.channel is channel for one in seen.heard)

    place.until(is_heard, f"{channel} hears that the budget {phrase}")


def _ended(ears, seen: SpendSeen) -> bool:
    seen.heard += ears.news()
    return any(one.ends for one in seen.heard)
