# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""The second author's thieves. Each yields the requests of one theft, from `at` (seconds) on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from twinguard.standins.second_world import CLOUDS, DAY, FAR, HOUR, LANDS, THIEVES, Life
from twinguard.standins.traffic_world import Event


class Raid:
    """One theft: whose key, when, with what luck."""

    def __init__(
        self, owner: Life, others: Sequence[Life], at: float, chance: random.Random
    ) -> None:
        self.owner, self.others, self.at, self.chance = owner, others, at, chance
        self.agent = chance.choice(THIEVES)
        known = owner.sample or [Event(at, owner.name, "", owner.agent, owner.paths[0], 200)]
        self.copied = chance.choice(known)

    def ip(self, kind: str, land: str = "") -> str:
        """An address: abroad, or in the land named."""
        where = land or self.chance.choice((*FAR, *FAR, *LANDS))
        net = self.owner.world.net(kind, where, self.chance.randrange(len(CLOUDS)))
        return self.owner.world.ip(net, self.chance)

    def pace(self, gap: float, hours: float, start: float = 0.0) -> Iterator[float]:
        """Moments with pauses of about `gap` seconds."""
        at = self.at + start
        while at < self.at + start + hours * HOUR:
            yield at
            at += gap * self.chance.choice((0.5, 0.8, 1, 1, 1.2, 1.6))

    def say(self, at: float, ip: str, name: str = "-", path: str = "", status: int = 200) -> Event:
        """One request with the key."""
        agent = self.agent if name == "-" else name
        way = path or self.copied.path
        return Event(round(at, self.owner.digits), self.owner.name, ip, agent, way, status, "theft")


Theft = Callable[[Raid], Iterator[Event]]


def scraped(raid: Raid) -> Iterator[Event]:
    """From a public repository: is it alive, then everything it gives."""
    ip = raid.ip("hosting")
    yield raid.say(raid.at, ip, path="/v1/models")
    for at in raid.pace(raid.chance.uniform(0.3, 4), raid.chance.uniform(0.2, 2), 40):
        yield raid.say(at, ip, path=raid.chance.choice(("", "/v1/chat/completions")))


def sold(raid: Raid) -> Iterator[Event]:
    """Sold on: dozens of buyers in many countries at once."""
    buyers = [
        (raid.ip(raid.chance.choice(("eyeball", "hosting", "mobile"))), raid.chance.choice(THIEVES))
        for _ in range(raid.chance.randint(8, 60))
    ]
    for at in raid.pace(raid.chance.uniform(2, 20), raid.chance.uniform(3, 24)):
        ip, name = raid.chance.choice(buyers)
        yield raid.say(at, ip, name)


def flood(raid: Raid) -> Iterator[Event]:
    """Hundreds a minute from one machine."""
    ip = raid.ip("hosting")
    for at in raid.pace(raid.chance.uniform(0.1, 0.4), 0.15):
        yield raid.say(at, ip)


def elsewhere(raid: Raid) -> Iterator[Event]:
    """Through a VPN or a person's line abroad, beside the owner."""
    ip = raid.ip(raid.chance.choice(("proxy", "eyeball", "hosting")))
    for at in raid.pace(raid.chance.uniform(8, 60), raid.chance.uniform(2, 10)):
        yield raid.say(at, ip)


def teleport(raid: Raid) -> Iterator[Event]:
    """The owner's agent and calls from far away, minutes after the owner."""
    ip = raid.ip("eyeball", raid.chance.choice(FAR))
    for at in raid.pace(raid.chance.uniform(10, 60), 3):
        yield raid.say(at, ip, raid.copied.agent)


def curious(raid: Raid) -> Iterator[Event]:
    """Tries calls that the key may not make, then uses what works."""
    ip = raid.ip("hosting")
    for number in range(12):
        path = f"/v1/{raid.chance.choice(('admin', 'keys', 'users', 'files', 'billing'))}/{number}"
        yield raid.say(
            raid.at + 2 * number, ip, path=path, status=raid.chance.choice((401, 403, 404))
        )
    for at in raid.pace(5, 1, 120):
        yield raid.say(at, ip)


def list_of_keys(raid: Raid) -> Iterator[Event]:
    """Tries a dump of keys in a row, and keeps the best."""
    ip = raid.ip("hosting")
    for number, other in enumerate(raid.others[:10]):
        for step in range(3):
            event = raid.say(raid.at + 5 * number + step, ip, path="/v1/models")
            yield event._replace(key=other.name)
    for at in raid.pace(6, 1.5, 20):
        yield raid.say(at, ip)


def night(raid: Raid) -> Iterator[Event]:
    """While the owner sleeps, from a server abroad."""
    ip = raid.ip("hosting")
    _, hour = raid.owner.clock(raid.at)
    for at in raid.pace(raid.chance.uniform(5, 40), 4, ((25 - hour) % 24) * HOUR):
        yield raid.say(at, ip)


def trickle(raid: Raid) -> Iterator[Event]:
    """Some dozens an hour for a day and more, from one line at home or abroad."""
    ip = raid.ip("eyeball", raid.chance.choice(("", raid.owner.home)))
    for at in raid.pace(raid.chance.uniform(60, 240), raid.chance.uniform(20, 40)):
        yield raid.say(at, ip)


def neighbour(raid: Raid) -> Iterator[Event]:
    """In the owner's country, from another cloud, with a tool of his own."""
    ip = raid.ip("hosting", raid.owner.home)
    for at in raid.pace(raid.chance.uniform(2, 30), raid.chance.uniform(1, 6)):
        yield raid.say(at, ip)


def same_cloud(raid: Raid) -> Iterator[Event]:
    """From the cloud that the owner uses, with a tool of his own."""
    net = raid.owner.world.net("hosting", raid.owner.home, raid.owner.cloud)
    ip = raid.owner.world.ip(net, raid.chance)
    for at in raid.pace(raid.chance.uniform(1, 15), raid.chance.uniform(1, 5)):
        yield raid.say(at, ip)


def copycat(raid: Raid) -> Iterator[Event]:
    """The owner's agent and calls, at the owner's hours, from a server elsewhere."""
    ip = raid.ip("hosting", raid.chance.choice((raid.owner.home, "")))
    for at in raid.pace(raid.chance.uniform(10, 60), 12):
        if raid.owner.work(at) > 0.02:
            yield raid.say(at, ip, raid.copied.agent)


def pool(raid: Raid) -> Iterator[Event]:
    """A proxy pool of people's lines: every few requests another one, all in one country."""
    land = raid.chance.choice((raid.owner.home, raid.chance.choice(FAR)))
    name = raid.chance.choice((raid.copied.agent, raid.agent))
    ip = ""
    for at in raid.pace(raid.chance.uniform(5, 40), raid.chance.uniform(2, 12)):
        ip = raid.ip("eyeball", land) if not ip or raid.chance.random() < 0.3 else ip
        yield raid.say(at, ip, name)


def visits(raid: Raid) -> Iterator[Event]:
    """Ten minutes every few hours, below every limit."""
    ip = raid.ip(raid.chance.choice(("hosting", "proxy", "eyeball")))
    for visit in range(8):
        for at in raid.pace(raid.chance.uniform(3, 12), 0.17, visit * 5 * HOUR):
            yield raid.say(at, ip)


def poison(raid: Raid) -> Iterator[Event]:
    """One request an hour for three days, so as to be known; then in earnest."""
    ip = raid.ip(raid.chance.choice(("hosting", "eyeball")))
    for number in range(72):
        yield raid.say(raid.at + number * HOUR, ip)
    for at in raid.pace(2, 3, 3 * DAY):
        yield raid.say(at, ip)


CORE: tuple[Theft, ...] = (
    *(scraped, sold, flood, elsewhere, teleport, curious, list_of_keys, night),
)
EVASIVE: tuple[Theft, ...] = (*(trickle, neighbour, same_cloud, copycat, pool, visits, poison),)
