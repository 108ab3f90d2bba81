# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""How ordinary keys are used: the shapes that detection must leave alone.

A key says for a moment how many requests an hour there are and who makes one; the shapes
themselves are in `traffic_shapes.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from twinguard.standins.traffic_world import (
    CALLS,
    SERVICE_AGENTS,
    Event,
    Operator,
    World,
    agent,
    drawn,
)

HOUR, DAY = 3600.0, 86400.0
Who = tuple[str, str]
"""Address and agent."""


class Key:
    """One ordinary key. `rate` gives requests an hour, `who` the one who makes the next."""

    def __init__(self, name: str, shape: str, world: World, seed: str, days: int) -> None:
        self.name, self.shape, self.world, self.days = name, shape, world, days
        self.chance = chance = drawn(seed)
        self.country = chance.choice(("US", "US", "GB", "DE", "FR", "IN", "BR", "JP"))
        self.zone = {"US": -6, "GB": 0, "DE": 1, "FR": 1, "IN": 5, "BR": -3, "JP": 9}[self.country]
        self.clock_change = chance.uniform(0, days) if chance.random() < 0.3 else math.inf
        self.volume = 10 ** chance.uniform(0.7, 3.6)
        self.calls = chance.sample(CALLS, chance.randint(1, 3))
        self.failing = chance.choice((0.0, 0.002, 0.01, 0.03))
        self.turn = chance.uniform(0.25, 0.85) * days
        self.is_whole_seconds = chance.random() < 0.3
        self.agents: list[str] = [agent(chance, SERVICE_AGENTS)]
        self.sources: list[str] = []
        self.operators: list[Operator] = []
        self.rate: Callable[[float], float] = self.steady
        self.who: Callable[[float], Who] = self.fixed

    # --- rates: requests in an hour ---------------------------------------------------------------

    def local(self, at: float) -> tuple[int, float]:
        """Weekday and hour where the key's people are."""
        hours = at / HOUR + self.zone + (at / DAY > self.clock_change)
        return int((hours / 24 + 3) % 7), hours % 24

    def steady(self, at: float) -> float:
        """Day and night, with a tide."""
        return self.volume / 24 * (1 + 0.4 * math.sin(self.local(at)[1] * math.pi / 12))

    def office(self, at: float) -> float:
        """Working days, with an evening now and then."""
        weekday, hour = self.local(at)
        if weekday < 5 and 8 <= hour < 18:
            return self.volume / 8
        return self.volume * 0.004 if 7 <= hour < 23 else 0.0

    def nightly(self, at: float) -> float:
        """One hour of the night."""
        return self.volume if int(self.local(at)[1]) == 2 else 0.0

    def weekly(self, at: float) -> float:
        """One morning of the week."""
        weekday, hour = self.local(at)
        return self.volume if weekday == 0 and int(hour) == 6 else 0.0

    # --- who: address and agent -------------------------------------------------------------------

    def fixed(self, _: float) -> Who:
        """A few sources, always the same."""
        return self.chance.choice(self.sources), self.agents[0]

    def fresh(self, operators: Sequence[Operator]) -> str:
        """A new address of one of some operators."""
        return self.world.address(self.chance, self.chance.choice(operators))

    def found(self, kind: str, country: str = "") -> Operator:
        """An operator, by default where the key is at home."""
        return self.world.operator(self.chance, kind, country or self.country)

    def events(self) -> Iterator[Event]:
        """Everything until the last day ends."""
        chance = self.chance
        for hour in range(self.days * 24):
            expected = self.rate(hour * HOUR + 1) * chance.lognormvariate(0, 0.35)
            count = int(expected) + (chance.random() < expected % 1)
            for at in sorted(hour * HOUR + chance.random() * HOUR for _ in range(count)):
                ip, name = self.who(at)
                status = chance.choice((429, 500, 400)) if chance.random() < self.failing else 200
                moment = float(int(at)) if self.is_whole_seconds else round(at, 3)
                yield Event(moment, self.name, ip, name, chance.choice(self.calls), status)
