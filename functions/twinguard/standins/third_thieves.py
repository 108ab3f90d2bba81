# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""The third author's thieves, after published incidents: how they check, use and hide."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from twinguard.standins.third_world import (
    ABROAD,
    CLOUDS,
    DAY,
    HOUR,
    MINUTE,
    PATHS,
    TOOLS,
    Net,
    Owner,
    answer,
    arrivals,
    named,
)
from twinguard.standins.traffic_world import Event

CHAT = "/v1/chat/completions"


class Raid:
    """A thief with a key of `owner`, from `at` on; `others` are keys of further owners."""

    def __init__(
        self, owner: Owner, others: Sequence[Owner], at: float, chance: random.Random
    ) -> None:
        self.owner, self.others, self.at, self.chance = owner, others, at, chance
        self.agent = named(chance, TOOLS)

    def net(self, kind: str, land: str = "", but: str = "") -> Net:
        """A network of some kind; abroad unless a country is given."""
        away = [one for one in ABROAD if one != self.owner.land]
        return self.owner.earth.net(
            self.chance, kind, land or self.chance.choice(away), but=but or self.owner.net.operator
        )

    def ip(self, net: Net) -> str:
        """An address of that network."""
        return self.owner.earth.address(net, self.chance)

    def use(
        self, at: float, ip: str, agent: str | None = None, path: str = CHAT, status: int = 0
    ) -> Event:
        """One request with the stolen key."""
        name = self.agent if agent is None else agent
        return Event(
            at, self.owner.name, ip, name, path, status or answer(self.chance), "third author's"
        )

    def steady(self, per_hour: float, hours: float, begin: float | None = None) -> list[float]:
        """Times of use at a rate that holds."""
        first = self.at if begin is None else begin
        return arrivals(self.chance, lambda _: per_hour, first, first + hours * HOUR)

    def checked(self, ip: str, agent: str | None = None) -> Iterator[Event]:
        """Does it work, and what for?"""
        for number in range(self.chance.randint(1, 3)):
            yield self.use(self.at + 3.0 * number, ip, agent, "/v1/models", 200)


Theft = Callable[[Raid], Iterator[Event]]


def harvested(r: Raid) -> Iterator[Event]:
    """Found in a repository: checked at once, drained minutes later from the same machine."""
    ip = r.ip(r.net("hosting"))
    yield from r.checked(ip)
    begin = r.at + r.chance.uniform(30, 20 * MINUTE)
    for at in r.steady(r.chance.choice((600, 2000, 6000)), r.chance.uniform(0.3, 1), begin):
        yield r.use(at, ip)


def resold(r: Raid) -> Iterator[Event]:
    """Many buyers behind a reverse proxy, day and night."""
    ip = r.ip(r.net("hosting"))
    yield from r.checked(ip)
    for at in r.steady(r.chance.uniform(60, 400), r.chance.uniform(10, 36)):
        yield r.use(at + MINUTE, ip)


def swarm(r: Raid) -> Iterator[Event]:
    """Hundreds of homes in many countries, each for a few requests."""
    nets = [r.net("eyeball") for _ in range(8)]
    for at in r.steady(r.chance.uniform(60, 300), r.chance.uniform(2, 8)):
        yield r.use(at, r.ip(r.chance.choice(nets)))


def scanner(r: Raid) -> Iterator[Event]:
    """A secret scanner verifies, a script follows."""
    ip = r.ip(r.net("hosting"))
    yield r.use(r.at, ip, "TruffleHog", "/v1/models", 200)
    for at in r.steady(r.chance.uniform(40, 300), 1, r.at + r.chance.uniform(60, 900)):
        yield r.use(at, ip)


def posted(r: Raid) -> Iterator[Event]:
    """Shown in public: several thieves within an hour, from several countries."""
    for _ in range(r.chance.randint(3, 6)):
        net, agent = r.net(r.chance.choice(("hosting", "eyeball", "proxy"))), named(r.chance, TOOLS)
        ip, begin = r.ip(net), r.at + r.chance.uniform(0, HOUR)
        for at in r.steady(r.chance.uniform(20, 200), 1, begin):
            yield r.use(at, ip, agent)


def forced(r: Raid) -> Iterator[Event]:
    """Refused over and over on paths the key may not use, then what works is used."""
    ip, at = r.ip(r.net(r.chance.choice(("hosting", "proxy")))), r.at
    for _ in range(r.chance.randint(10, 50)):
        at += r.chance.expovariate(0.7)
        path = r.chance.choice((*PATHS, "/v1/files", "/v1/fine_tuning/jobs", "/v1/organization"))
        yield r.use(at, ip, path=path, status=r.chance.choice((401, 403, 403, 429)))
    for now in r.steady(r.chance.uniform(60, 600), 1, at):
        yield r.use(now, ip)


def compatriot(r: Raid) -> Iterator[Event]:
    """A machine in the owner's own country, at another operator, with a plain script."""
    ip = r.ip(r.net("hosting", r.owner.land))
    yield from r.checked(ip)
    for at in r.steady(r.chance.uniform(300, 2500), r.chance.uniform(0.4, 2), r.at + 30):
        yield r.use(at, ip)


def night_shift(r: Raid) -> Iterator[Event]:
    """While the owner sleeps: a few hours from a home abroad."""
    begin = r.at + ((1 - r.owner.local(r.at)) % 24) * HOUR
    ip = r.ip(r.net("eyeball"))
    for at in r.steady(r.chance.uniform(60, 400), 3, begin):
        yield r.use(at, ip)


def many_keys(r: Raid) -> Iterator[Event]:
    """One source tries a list of keys and uses those that work."""
    ip = r.ip(r.net(r.chance.choice(("hosting", "proxy"))))
    for number, other in enumerate((r.owner, *r.others)):
        tried = r.use(r.at + 2.0 * number, ip, path="/v1/models", status=200)
        yield tried._replace(key=other.name)
    for at in r.steady(r.chance.uniform(60, 400), 2, r.at + 5 * MINUTE):
        yield r.use(at, ip)._replace(key=r.chance.choice((r.owner, *r.others[:2])).name)


def drip(r: Raid) -> Iterator[Event]:
    """A few requests an hour for days, from one home abroad."""
    ip = r.ip(r.net("eyeball"))
    for at in r.steady(r.chance.uniform(3, 12), r.chance.uniform(24, 48)):
        yield r.use(at, ip)


def same_cloud(r: Raid) -> Iterator[Event]:
    """From the owner's own operator, another region or the same, with a program of its own."""
    land = r.owner.land if r.chance.random() < 0.5 else ""
    net = r.owner.earth.net(r.chance, "hosting", land, among=(r.owner.net.operator,))
    ip = r.ip(net)
    yield from r.checked(ip)
    for at in r.steady(r.chance.uniform(60, 900), 2, r.at + MINUTE):
        yield r.use(at, ip)


def neighbour(r: Raid) -> Iterator[Event]:
    """From a home in the owner's country, with a browser or a script, at an owner's pace."""
    ip = r.ip(r.net("eyeball", r.owner.land))
    for at in r.steady(r.chance.uniform(30, 200), r.chance.uniform(2, 6)):
        yield r.use(at, ip)


def copied(r: Raid) -> Iterator[Event]:
    """The owner's program, calls and country, from another operator's machines."""
    ip = r.ip(r.net("hosting", r.owner.land))
    for at in r.steady(r.owner.per_hour * r.chance.uniform(0.5, 2) + 10, 5):
        path = r.chance.choice(r.owner.paths).format(r.chance.randrange(9999))
        yield r.use(at, ip, r.owner.agent, path)


def growing(r: Raid) -> Iterator[Event]:
    """Two an hour at first, twice as many every two hours."""
    ip = r.ip(r.net("hosting"))
    times = arrivals(
        r.chance, lambda at: 2 * 2 ** ((at - r.at) / (2 * HOUR)), r.at, r.at + 14 * HOUR
    )
    for at in times:
        yield r.use(at, ip)


def hopping(r: Raid) -> Iterator[Event]:
    """A new machine of cheap hosts every twenty minutes, with the owner's library."""
    nets = [r.net("hosting") for _ in range(3)]
    ips = [r.ip(r.chance.choice(nets)) for _ in range(19)]
    for at in r.steady(r.chance.uniform(60, 300), 6):
        yield r.use(at, ips[int((at - r.at) // (20 * MINUTE))], r.owner.agent)


def unlisted(r: Raid) -> Iterator[Event]:
    """From addresses that no file of places knows."""
    ip = f"203.0.{r.chance.randrange(99)}.{r.chance.randrange(1, 255)}"
    yield from r.checked(ip)
    for at in r.steady(r.chance.uniform(100, 900), 2, r.at + MINUTE):
        yield r.use(at, ip)


def among_the_crowd(r: Raid) -> Iterator[Event]:
    """With the owner's program while the owner is busiest, as much again from abroad."""
    begin = r.at + ((12 - r.owner.local(r.at)) % 24) * HOUR
    ip = r.ip(r.net("hosting"))
    for at in r.steady(r.owner.per_hour + 30, 4, begin):
        yield r.use(at, ip, r.owner.agent)


def two_stage(r: Raid) -> Iterator[Event]:
    """Checked today, used a day later by somebody else."""
    yield from r.checked(r.ip(r.net("proxy")))
    ip, agent = (
        r.ip(r.net(r.chance.choice(("hosting", "hosting", "proxy")))),
        named(r.chance, TOOLS),
    )
    begin = r.at + r.chance.uniform(0.4, 1.2) * DAY
    for at in r.steady(r.chance.uniform(60, 600), 2, begin):
        yield r.use(at, ip, agent)


def runner(r: Raid) -> Iterator[Event]:
    """A build machine made to leak uses the key itself: a cloud as any, a tool as any."""
    net = r.owner.earth.net(r.chance, "hosting", "US", but=r.owner.net.operator, among=CLOUDS)
    for _ in range(3):
        ip, begin = r.ip(net), r.at + r.chance.uniform(0, 2 * HOUR)
        for at in r.steady(r.chance.uniform(200, 900), 0.4, begin):
            yield r.use(at, ip)


CORE: tuple[Theft, ...] = (
    *(harvested, resold, swarm, scanner, posted, forced, compatriot, night_shift, many_keys),
)
EVASIVE: tuple[Theft, ...] = (
    *(drip, same_cloud, neighbour, copied, growing, hopping, unlisted, among_the_crowd),
    *(two_stage, runner),
)
