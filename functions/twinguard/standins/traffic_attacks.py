# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""How stolen keys are used: documented attacks, and evasions of every fixed threshold.

Each attack yields its own requests; the key's owner goes on beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twinguard.standins.traffic_keys import DAY, HOUR, Key
from twinguard.standins.traffic_world import PROBES, THIEF_AGENTS, Event, agent, drawn

Attack = Callable[["Thief"], Iterator[Event]]


class Thief:
    """One attack on one key from some moment on."""

    def __init__(self, name: str, key: Key, others: Sequence[Key], at: float, seed: str) -> None:
        self.name, self.key, self.others, self.at = name, key, others, at
        self.chance = drawn(seed)
        self.agent = agent(self.chance, THIEF_AGENTS)

    def source(self, kind: str, *, abroad: bool) -> str:
        """An address of that kind of network."""
        home = self.key.country
        country = self.key.world.elsewhere(self.chance, home) if abroad else home
        operator = self.key.world.operator(self.chance, kind, country)
        return self.key.world.address(self.chance, operator)

    def owner(self) -> str:
        """An agent of the owner's, as the thief found it beside the key."""
        return self.key.who(self.at)[1]

    def busy_at(self, at: float) -> bool:
        """True in hours in which the owner is usually active."""
        return self.key.rate(at) > 0.3 * self.key.volume / 24

    def rate(self) -> float:
        """The owner's requests an hour while active."""
        rates = [self.key.rate(self.at // DAY * DAY + hour * HOUR) for hour in range(24)]
        return max(0.5, *rates)

    def use(self, at: float, ip: str, name: str, path: str = "", status: int = 200) -> Event:
        """One request."""
        path = path or self.key.calls[0]
        return Event(round(at, 3), self.key.name, ip, name, path, status, self.name)

    def flow(self, per_hour: float, hours: float, start: float = 0.0) -> Iterator[float]:
        """Moments at some rate."""
        at = self.at + start
        end = at + hours * HOUR
        while at < end:
            yield at
            at += self.chance.expovariate(per_hour / HOUR)


def leaked(thief: Thief) -> Iterator[Event]:
    """Found in a public repository: tried within minutes, then used from a data centre."""
    ip = thief.source("hosting", abroad=thief.chance.random() < 0.8)
    for number in range(thief.chance.randint(1, 3)):
        yield thief.use(thief.at + 4 * number, ip, thief.agent, thief.chance.choice(PROBES[:2]))
    path = thief.chance.choice(("", "/v1/chat/completions"))
    rate = 60 * 10 ** thief.chance.uniform(0.3, 1.7)
    for at in thief.flow(rate, thief.chance.uniform(0.3, 3), 30):
        yield thief.use(at, ip, thief.agent, path)


def resale(thief: Thief) -> Iterator[Event]:
    """Many buyers behind one address, day and night."""
    ip = thief.source("hosting", abroad=thief.chance.random() < 0.7)
    names = [agent(thief.chance, THIEF_AGENTS) for _ in range(thief.chance.randint(1, 4))]
    for at in thief.flow(60 * thief.chance.uniform(0.5, 6), thief.chance.uniform(12, 36)):
        yield thief.use(at, ip, thief.chance.choice(names), "/v1/chat/completions")


def drain(thief: Thief) -> Iterator[Event]:
    """As much as possible before somebody notices."""
    kind = thief.chance.choice(("hosting", "hosting", "eyeball"))
    ip = thief.source(kind, abroad=thief.chance.random() < 0.7)
    for at in thief.flow(60 * thief.chance.uniform(100, 400), thief.chance.uniform(0.1, 0.3)):
        yield thief.use(at, ip, thief.agent)


def foreign(thief: Thief) -> Iterator[Event]:
    """Beside the owner, from another country."""
    ip = thief.source(thief.chance.choice(("hosting", "eyeball", "proxy")), abroad=True)
    rate = min(3000, max(20, thief.rate() * thief.chance.uniform(0.3, 2)))
    for at in thief.flow(rate, thief.chance.uniform(2, 8)):
        yield thief.use(at, ip, thief.agent)


def stuffing(thief: Thief) -> Iterator[Event]:
    """A list of keys is tried from one source; the ones that work are used."""
    ip = thief.source("hosting", abroad=True)
    victims = [thief.key, *thief.chance.sample(thief.others, min(8, len(thief.others)))]
    for number, key in enumerate(victims):
        at = thief.at + 7 * number
        for step in range(thief.chance.randint(2, 4)):
            use = thief.use(at + step, ip, thief.agent, "/v1/models", 200)
            yield use._replace(key=key.name)
    for at in thief.flow(600, 1, 90):
        yield thief.use(at, ip, thief.agent)


def travel(thief: Thief) -> Iterator[Event]:
    """Minutes after the owner, from another continent, with the owner's agent."""
    ip, name = thief.source("eyeball", abroad=True), thief.owner()
    for at in thief.flow(thief.chance.uniform(30, 300), thief.chance.uniform(1, 6)):
        yield thief.use(at, ip, name)


def probing(thief: Thief) -> Iterator[Event]:
    """What may it do? Refusals over many paths, then use."""
    ip = thief.source("hosting", abroad=thief.chance.random() < 0.6)
    for number in range(thief.chance.randint(5, 12)):
        status = thief.chance.choice((401, 403, 404, 400))
        path = thief.chance.choice((*PROBES, f"/v1/admin/{number}", f"/api/{number}x"))
        yield thief.use(thief.at + 3 * number, ip, thief.agent, path, status)
    for at in thief.flow(60 * thief.chance.uniform(2, 40), 1, 60):
        yield thief.use(at, ip, thief.agent)


def below_ten_times(thief: Thief) -> Iterator[Event]:
    """More than usual, but never ten times."""
    ip = thief.source("hosting", abroad=thief.chance.random() < 0.5)
    rate = min(5500, max(15, thief.rate() * thief.chance.uniform(1.5, 8)))
    for at in thief.flow(rate, thief.chance.uniform(1, 4)):
        yield thief.use(at, ip, thief.agent)


def below_hundred(thief: Thief) -> Iterator[Event]:
    """Just below a hundred a minute."""
    ip = thief.source("hosting", abroad=thief.chance.random() < 0.5)
    name = thief.owner() if thief.chance.random() < 0.5 else thief.agent
    for at in thief.flow(60 * thief.chance.uniform(60, 85), thief.chance.uniform(0.3, 1)):
        yield thief.use(at, ip, name)


def same_country(thief: Thief) -> Iterator[Event]:
    """From a data centre or a line in the owner's country."""
    ip = thief.source(thief.chance.choice(("hosting", "eyeball")), abroad=False)
    for at in thief.flow(60 * thief.chance.uniform(0.5, 20), thief.chance.uniform(1, 6)):
        yield thief.use(at, ip, thief.agent)


def same_agent(thief: Thief) -> Iterator[Event]:
    """From anywhere, with the owner's agent."""
    ip, name = thief.source(thief.chance.choice(("hosting", "eyeball")), abroad=True), thief.owner()
    for at in thief.flow(60 * thief.chance.uniform(0.5, 20), thief.chance.uniform(1, 6)):
        yield thief.use(at, ip, name)


def business_hours(thief: Thief) -> Iterator[Event]:
    """Only while the owner works, in the owner's country, with another agent."""
    ip = thief.source(thief.chance.choice(("hosting", "eyeball")), abroad=False)
    for at in thief.flow(60 * thief.chance.uniform(0.5, 8), 30):
        if thief.busy_at(at):
            yield thief.use(at, ip, thief.agent)


def residential(thief: Thief) -> Iterator[Event]:
    """Through hundreds of people's lines, a few requests each."""
    abroad = thief.chance.random() < 0.6
    ip, name = "", thief.owner() if thief.chance.random() < 0.5 else thief.agent
    for at in thief.flow(60 * thief.chance.uniform(0.5, 15), thief.chance.uniform(1, 8)):
        if not ip or thief.chance.random() < 0.4:
            ip = thief.source(thief.chance.choice(("eyeball", "eyeball", "mobile")), abroad=abroad)
        yield thief.use(at, ip, name)


def slow_ramp(thief: Thief) -> Iterator[Event]:
    """A few an hour at first, twice as many every few hours."""
    ip = thief.source(
        thief.chance.choice(("hosting", "eyeball")), abroad=thief.chance.random() < 0.5
    )
    name = thief.owner() if thief.chance.random() < 0.5 else thief.agent
    rate, start = thief.chance.uniform(2, 6), 0.0
    for _ in range(7):
        for at in thief.flow(min(rate, 1200), 4, start):
            yield thief.use(at, ip, name)
        rate, start = rate * 2.2, start + 4 * HOUR


def mimicry(thief: Thief) -> Iterator[Event]:
    """As the owner: country, agent, paths, hours, and about the owner's rate."""
    ip = thief.source(thief.chance.choice(("hosting", "eyeball")), abroad=False)
    name = thief.owner()
    rate = min(1500, max(12, thief.rate() * thief.chance.uniform(0.5, 1.5)))
    for at in thief.flow(rate, 10):
        if thief.busy_at(at):
            yield thief.use(at, ip, name, thief.chance.choice(thief.key.calls))


CORE: tuple[Attack, ...] = (leaked, resale, drain, foreign, stuffing, travel, probing)
EVASIVE: tuple[Attack, ...] = (
    *(below_ten_times, below_hundred, same_country, same_agent, business_hours),
    *(residential, slow_ramp, mimicry),
)
