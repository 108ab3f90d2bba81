# SPDX-License-Identifier: Apache-2.0
"""First act: a key is stolen and used from elsewhere; found, blocked, told, and given back.

Redis is killed meanwhile and started again, and so is the function that keeps incidents."""

from __future__ import annotations

import datetime as dt
import functools
import json
from dataclasses import dataclass, field
from typing import Any

from e2e.place import Place
from e2e.traffic import OK, Asked, Caller, Origin
from twinguard.cli.heard import Heard
from twinguard.decide.threats.values import Use
from twinguard.places import Places
from twinguard.policy import Channel
from twinguard.state.counters import Options, open_counters

HOME = Origin("203.0.113.9", "US", "acme-backend/1.4 httpx/0.27")
AWAY = Origin("198.51.100.5", "RU", "python-requests/2.31.0")
BLOCKED, WITHIN = 403, 1.0
_PATH = "/v1/chat/completions"
_DAYS, _AN_HOUR = 14, 6


@dataclass
class TheftSeen:
    """What the act showed."""

    thief: Caller
    blocked_after: dict[str, float] = field(default_factory=dict)
    heard: tuple[Heard, ...] = ()
    incident: dict[str, Any] = field(default_factory=dict)
    bystanders: list[Asked] = field(default_factory=list)
    outage: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    unheld_calls: int = 0
    thief_again: str = ""
    was_killed: bool = False

    @property
    def served(self) -> int:
        """What the thief got until he was refused for the first time.

        The gateway hears of a block milliseconds later: that is a promise of its own."""
        return self.thief.statuses().index(BLOCKED)


def past_of(place: Place, raw: str) -> None:
    """A fortnight of the owner's use, as the store has seen it."""
    places = Places()
    places.tell(HOME.address, HOME.country)
    url = place.settings["TWINGUARD_COUNTERS"]
    counters = open_counters(url, Options(place_of=places, timeout=20.0))
    now, key_id = dt.datetime.now(dt.UTC), place.key_id(raw)
    for number in range(_DAYS * 24 * _AN_HOUR, 1, -1):
        at = now - number * dt.timedelta(minutes=60 / _AN_HOUR)
        counters.observe(Use(at, key_id, HOME.address, HOME.agent, _PATH, OK))


def stolen(place: Place, owner: Caller, others: list[Caller]) -> TheftSeen:
    """Play the act; the others ask all the while."""
    ears, shops, key_id = place.ears(), place.shops, place.key_id(owner.key)
    seen = TheftSeen(Caller("thief", owner.key, AWAY, shops))
    marks = [len(one.asked) for one in others]
    place.topics.gate.arm("POST", "/topics/alerts:publish")
    seen.was_killed = place.killing(
        "on_usage", place.topics.gate, lambda: _until_blocked(place, seen)
    )
    seen.bystanders = _refused(others, marks)
    _while_the_store_is_down(place, seen, others[0])
    place.until(lambda: _heard(ears, seen, ends=False), "PagerDuty hears of the theft")
    place.quiet("on_usage")
    seen.incident = json.loads(
        place.command("thefts", "incident", "--env", "staging", "--id", key_id, "--json")
    )
    _lift(place, key_id)
    place.until(lambda: owner.ask().status == OK, "the owner works again", 10, pause=0.3)
    seen.owner = [owner.ask().status for _ in range(4)]
    place.until(lambda: _heard(ears, seen, ends=True), "PagerDuty's page is resolved")
    _comes_back(seen)
    _lift(place, key_id)
    return seen


def _until_blocked(place: Place, seen: TheftSeen) -> None:
    """Ask as fast as possible; once one instance refuses, see how long the others take."""
    place.until(lambda: seen.thief.ask().status == BLOCKED, "the thief is blocked", 30)
    first = seen.thief.asked[-1].ended
    for where, url in place.addresses.items():
        ask = functools.partial(seen.thief.ask_at, where, url)
        place.until(lambda ask=ask: ask().status == BLOCKED, f"{where} blocks", 10)
        seen.blocked_after[where] = seen.thief.asked[-1].ended - first


def _while_the_store_is_down(place: Place, seen: TheftSeen, customer: Caller) -> None:
    """Kill Redis, see what holds, and start it again."""
    place.programs["redis"].kill()
    calls = len(place.models.keys_used)
    for where, url in place.addresses.items():
        seen.outage.append(seen.thief.ask_at(where, url).status)
    place.until(lambda: customer.ask().status == 503, "the gateway notices", 10, pause=0.1)
    before = len(place.models.keys_used)
    seen.unheld_calls = before - calls
    place.programs["redis"].start()
    place.programs["redis"].wait()
    place.until(lambda: customer.ask().status == OK, "the gateway works again", 20, pause=0.25)
    for where, url in place.addresses.items():
        seen.outage.append(seen.thief.ask_at(where, url).status)


def _lift(place: Place, key_id: str) -> None:
    why = ("--reason", "the leaked configuration is replaced", "--by", "e2e", "--apply")
    place.command("thefts", "unblock", "--env", "staging", "--key", key_id, *why)


def _comes_back(seen: TheftSeen) -> None:
    """The thief tries what he still has."""
    statuses = [seen.thief.ask().status for _ in range(40)]
    seen.thief_again = (
        "blocked" if statuses[-1] == BLOCKED else f"served {statuses.count(OK)} times"
    )


def _refused(others: list[Caller], marks: list[int]) -> list[Asked]:
    return [
        asked
        for mark, one in zip(marks, others, strict=True)
        for asked in tuple(one.asked)[mark:]
        if asked.status != OK
    ]


def _heard(ears, seen: TheftSeen, *, ends: bool) -> bool:
    seen.heard += ears.news()
    return any(one.channel is Channel.PAGERDUTY and one.ends is ends for one in seen.heard)
