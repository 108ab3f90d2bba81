# SPDX-License-Identifier: Apache-2.0
"""Traffic of many keys over some weeks, with thefts in it: seeded, in time order, with the truth.

For the evaluation and for `--simulate`; detection never sees which request belongs to what."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from twinguard.decide.threats.values import KeyFacts
from twinguard.standins.traffic_attacks import CORE, EVASIVE, Attack, Thief
from twinguard.standins.traffic_keys import DAY, HOUR, Key
from twinguard.standins.traffic_shapes import SHAPES
from twinguard.standins.traffic_world import Event, World, drawn

BEGIN = 1_788_220_800.0
"""Tuesday, 1 September 2026, midnight UTC."""

MOST = 6000
"""Requests of one attack that are made: later ones would tell nothing more."""


class Places(Protocol):
    """What is known of addresses: country, kind and operator."""

    geo: dict[str, tuple[str, str, str]]


class Named(Protocol):
    """A key with its owner's shape."""

    name: str
    shape: str


@dataclass
class Theft:
    """One attack: on which keys, what kind, and when its requests were made."""

    name: str
    kind: str
    is_core: bool
    shape: str
    key: str
    times: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Traffic:
    """Everything of one seed. Iterate `events` once. `facts` may be empty: no file of keys."""

    world: Places
    keys: Sequence[Named]
    thefts: list[Theft]
    events: Iterator[Event]
    facts: Sequence[KeyFacts] = ()


def traffic(
    seed: int,
    days: int = 21,
    keys: int = 72,
    attacks: Sequence[Attack] = (*CORE, *EVASIVE),
    rounds: int = 2,
) -> Traffic:
    """Keys of all shapes, and every attack `rounds` times, each on another key if there are some.

    A third of the keys is never attacked; the first attacks come hours after a key's first use, the
    last when there are three weeks of past."""
    chance = drawn(f"traffic {seed}")
    world = World(seed)
    shapes = list(SHAPES)
    owners = []
    for number in range(keys):
        shape = shapes[number % len(shapes)]
        key = Key(f"key-{number:03}", shape, world, f"{seed} {number}", days)
        SHAPES[shape](key)
        owners.append(key)
    victims = chance.sample(owners, 2 * keys // 3)
    thefts, streams = [], []
    planned = [attack for attack in attacks for _ in range(rounds)]
    for number, attack in enumerate(planned):
        key = victims[number % len(victims)]
        earliest = chance.choice((0.5, 2, 5, 8))
        used = next((hour for hour in range(days * 24) if key.rate(hour * HOUR + 1) > 0), 0)
        at = max(chance.uniform(earliest, days - 2) * DAY, (used + 6) * HOUR)
        name = f"{attack.__name__}-{number}"
        others = [other for other in owners if other is not key]
        thief = Thief(name, key, others, at, f"{seed} {name}")
        stolen = sorted(islice(attack(thief), MOST))
        theft = Theft(name, attack.__name__, attack in CORE, key.shape, key.name)
        for event in stolen:
            theft.times.setdefault(event.key, []).append(BEGIN + event.at)
        if stolen:
            thefts.append(theft)
            streams.append(stolen)
    own = [key.events() for key in owners]
    return Traffic(world, owners, thefts, moved(heapq.merge(*own, *streams), BEGIN))


def moved(events: Iterator[Event], begin: float) -> Iterator[Event]:
    """Events from some moment on instead of from zero."""
    return (event._replace(at=begin + event.at) for event in events)
