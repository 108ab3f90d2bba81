# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""A third author's traffic, written before its results were seen: keys with quotas and ages,
places with holes, short pasts. Gives the same form as `traffic.py`."""

from __future__ import annotations

import heapq
from itertools import islice

from twinguard.standins.third_owners import HAPPENINGS, OWNERS, SERVICES
from twinguard.standins.third_thieves import CORE, EVASIVE, Raid
from twinguard.standins.third_world import BEGIN, DAY, HOUR, Earth, Owner
from twinguard.standins.traffic import MOST, Theft, Traffic, moved
from twinguard.standins.traffic_world import drawn

PASTS = ((0.1, 0.9), (1, 3), (3, 7), (3, 30), (7, 30))
"""Days of use before a theft: hours, days, and weeks where there are some."""


def third_traffic(seed: int, days: int = 21, keys: int = 72, *, rounds: int = 2) -> Traffic:
    """Owners of all kinds, half of the services with something happening, and every theft.

    No key is stolen twice, so that what was said of one theft hides no other. Every fourth seed has
    no file of keys."""
    chance = drawn(f"third traffic {seed}")
    earth = Earth(seed)
    owners = []
    for number in range(keys):
        habit = OWNERS[number % len(OWNERS)]
        owner = Owner(f"key_{seed}_{number}", habit.__name__, earth, f"third {seed} {number}", days)
        habit(owner)
        if habit in SERVICES and chance.random() < 0.6:
            happening = chance.choice(HAPPENINGS)
            happening(owner, chance.uniform(owner.starts + 0.5, max(days - 1, owner.starts)) * DAY)
            owner.shape += f", {happening.__name__}"
        owner.own = sorted(event for event in owner.own if event.at < days * DAY)
        owners.append(owner)
    victims = [one for one in chance.sample(owners, 2 * keys // 3) if one.own]
    spared = [one for one in owners if one not in victims and one.own]
    thefts, streams = [], []
    for number, theft in enumerate([one for one in (*CORE, *EVASIVE) for _ in range(rounds)]):
        owner = victims[number % len(victims)]
        past = chance.uniform(*chance.choice(PASTS))
        at = min(owner.own[0].at + past * DAY, (days - 1.5) * DAY - chance.uniform(0, 12) * HOUR)
        at = max(at, owner.own[0].at + 2 * HOUR)
        used = [one for one in spared if one.own[0].at < at]
        raid = Raid(owner, chance.sample(used, min(7, len(used))), at, chance)
        stolen = sorted(event for event in islice(theft(raid), MOST) if event.at < days * DAY)
        made = Theft(f"{theft.__name__}-{number}", theft.__name__, theft in CORE, owner.shape, "")
        made.key = owner.name
        for event in stolen:
            made.times.setdefault(event.key, []).append(BEGIN + event.at)
        if owner.name in made.times:
            thefts.append(made)
            streams.append(stolen)
    events = moved(heapq.merge(*(owner.own for owner in owners), *streams), BEGIN)
    facts = () if seed % 4 == 0 else tuple(owner.facts() for owner in owners)
    return Traffic(earth, owners, thefts, events, facts)
