# SPDX-License-Identifier: Apache-2.0
"""A second author's traffic, written apart from the first: what detection was not tuned on.

Gives the same form as `traffic.py`, so that one scorer judges both."""

from __future__ import annotations

import heapq
from itertools import islice

from twinguard.standins.second_owners import OWNERS
from twinguard.standins.second_thieves import CORE, EVASIVE, Raid
from twinguard.standins.second_world import DAY, Internet, Life
from twinguard.standins.traffic import MOST, Theft, Traffic, moved
from twinguard.standins.traffic_world import Event, drawn


def second_traffic(seed: int, days: int = 21, keys: int = 72, *, rounds: int = 2) -> Traffic:
    """Owners of all kinds, and every theft `rounds` times, each on another key if there are some.

    A theft comes when its key has at least some hours of past, mostly some days."""
    chance = drawn(f"second traffic {seed}")
    world = Internet(seed)
    lives, own = [], []
    for number in range(keys):
        owner = OWNERS[number % len(OWNERS)]
        life = Life(f"k{seed}-{number:03}", owner.__name__, world, f"second {seed} {number}", days)
        lives.append(life)
        own.append(sorted(owner(life)))
    victims = chance.sample(lives, 2 * keys // 3)
    thefts, streams = [], []
    for number, theft in enumerate([one for one in (*CORE, *EVASIVE) for _ in range(rounds)]):
        life = victims[number % len(victims)]
        young = life.starts + chance.choice((0.2, 1, 3, 6, 9))
        at = chance.uniform(min(young, days - 3), days - 2) * DAY
        used = [one for one in lives if one is not life and one.starts + 0.2 < at / DAY]
        others = chance.sample(used, min(10, len(used)))
        stolen = _until(days, sorted(islice(theft(Raid(life, others, at, chance)), MOST)))
        name = theft.__name__
        made = Theft(f"{name}-{number}", name, theft in CORE, life.shape, life.name)
        for event in stolen:
            made.times.setdefault(event.key, []).append(BEGIN + event.at)
        if life.name in made.times:
            thefts.append(made)
            streams.append(stolen)
    return Traffic(world, lives, thefts, moved(heapq.merge(*own, *streams), BEGIN))


def _until(days: int, events: list[Event]) -> list[Event]:
    return [event for event in events if event.at < days * DAY]


BEGIN = 1_760_400_000.0
"""Tuesday, 14 October 2025, midnight UTC."""
