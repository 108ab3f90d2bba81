# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""The third author's Internet, clocks and chance: a guess at what a stranger would judge with.

Shares nothing with the other two but the form of an event. Files of places have holes."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from twinguard.decide.threats.values import KeyFacts
from twinguard.standins.traffic_world import Event, drawn

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
BEGIN = 1_774_224_000.0
"""Monday, 23 March 2026, midnight UTC: Europe's clocks change on the seventh day."""

EUROPE = ("DE", "FR", "GB", "NL", "SE", "IT")
HOMES = (*EUROPE, "US", "US", "CA", "IN", "JP", "AU", "BR", "KR")
ABROAD = ("RU", "CN", "VN", "NG", "ID", "UA", "RO", "TR", "PK", "HK", "BR", "US", "NL", "DE")
OFFSETS = {"US": -6, "CA": -5, "BR": -3, "GB": 0, "IN": 5, "JP": 9, "KR": 9, "AU": 10}
HOSTS = ("Cirrus Compute", "Nimbus Cloud", "Stratus Web", "Tiny VPS", "Bulk Servers", "Metal Rack")
CLOUDS = HOSTS[:3]

SDKS = (
    "OpenAI/Python 1.{}.{}",
    "OpenAI/JS 4.{}.{}",
    "billing-svc/2.{}.{} httpx/0.27",
    "python-requests/2.{}.{}",
    "Go-http-client/1.1",
    "ktor-client/2.{}.{}",
    "Faraday v2.{}.{}",
    "internal-gateway/{}.{}",
    "langchain-py/0.{}.{}",
    "reqwest/0.{}.{}",
)
DESKS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_{}) AppleWebKit/605.1.15 Version/17.{} Safari/605.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/13{}.0.{} Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:13{}.{}) Gecko/20100101 Firefox/130.0",
    "Cursor/0.{}.{}",
    "vscode/1.{}.{} (chat-extension)",
    "python-requests/2.{}.{}",
    "curl/8.{}.{}",
    "PostmanRuntime/7.{}.{}",
)
TOOLS = (
    "python-requests/2.{}.{}",
    "curl/7.{}.{}",
    "Go-http-client/2.0",
    "OpenAI/Python 1.{}.{}",
    "node-fetch/1.{}",
    "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 Chrome/9{}.0.{} Safari/537.36",
    "aiohttp/3.{}.{}",
    "okhttp/4.{}.{}",
    "SillyTavern/1.{}.{}",
    "new-api/0.{}.{}",
    "",
)
PATHS = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/api/v2/documents/{}",
    "/api/v2/search",
    "/v1/moderations",
    "/v1/batches",
    "/api/invoices/{}/summary",
)
Rate = Callable[[float], float]


class Net(NamedTuple):
    """One operator in one country. `listed` is the share of its addresses the file knows."""

    operator: str
    kind: str
    land: str
    blocks: tuple[str, ...]
    listed: float


class Earth:
    """All networks, and the file of places, which fills as addresses are drawn."""

    def __init__(self, seed: int) -> None:
        self.chance = drawn(f"third earth {seed}")
        self.geo: dict[str, tuple[str, str, str]] = {}
        self._block = 0
        self._seen: set[str] = set()
        lands = sorted({*HOMES, *ABROAD})
        self.nets = [
            *(self._net(host, "hosting", land) for host in HOSTS for land in lands),
            *(self._net(f"{land} Telecom {n}", "eyeball", land) for land in lands for n in (1, 2)),
            *(self._net(f"{land} Mobile", "mobile", land) for land in lands),
            *(self._net(f"{land} Business Net", "business", land) for land in lands),
            *(self._net("Cloak VPN", "proxy", land) for land in lands),
        ]

    def _net(self, operator: str, kind: str, land: str) -> Net:
        blocks = []
        for _ in range(self.chance.choice((1, 2, 3))):
            self._block += 1
            blocks.append(f"{20 + self._block // 200}.{self._block % 200}")
        if kind in {"eyeball", "mobile"} and self.chance.random() < 0.3:
            blocks = [f"2a0{self._block % 10:x}:{self._block:x}"]
        return Net(operator, kind, land, tuple(blocks), self.chance.choice((1, 1, 1, 0.95, 0.7, 0)))

    def net(
        self,
        chance: random.Random,
        kind: str,
        land: str = "",
        *,
        but: str = "",
        among: tuple[str, ...] = (),
    ) -> Net:
        """A network of that kind, in that country if one is given, of another operator than one."""
        return chance.choice(
            [
                net
                for net in self.nets
                if net.kind == kind
                and (not land or net.land == land)
                and net.operator != but
                and (not among or net.operator in among)
            ]
        )

    def address(self, net: Net, chance: random.Random) -> str:
        """Some address of a network; whether the file knows it is decided once."""
        block = chance.choice(net.blocks)
        if ":" in block:
            ip = f"{block}:{chance.randrange(4096):x}:{chance.randrange(16):x}::1"
        else:
            ip = f"{block}.{chance.randrange(24)}.{chance.randrange(1, 255)}"
        if ip not in self._seen:
            self._seen.add(ip)
            if self.chance.random() < net.listed:
                self.geo[ip] = (net.land, net.kind, net.operator)
        return ip


class Owner:
    """A key, who uses it and how. Thieves may look at everything here."""

    def __init__(self, name: str, shape: str, earth: Earth, seed: str, days: int) -> None:
        self.name, self.shape, self.earth, self.days = name, shape, earth, days
        self.chance = chance = drawn(seed)
        self.land = chance.choice(HOMES)
        self.net = earth.net(chance, "hosting", self.land, among=CLOUDS)
        self.agent = named(chance, SDKS)
        self.paths = chance.sample(PATHS, chance.choice((1, 2, 3)))
        self.starts = chance.choice((0, 0, 0, 0, chance.uniform(0, days / 2)))
        self.per_hour = chance.choice((4, 15, 30, 60, 150))
        self.environment, self.quota = chance.choice((("production", 1000), ("staging", 300)))
        self.own: list[Event] = []

    def facts(self) -> KeyFacts:
        """Its line in the file of keys, where some lack the day they were made."""
        first = BEGIN + self.starts * DAY
        age = self.chance.choice((None, 0.01, 0.5, 20, 200))
        made = None if age is None else dt.datetime.fromtimestamp(first - age * DAY, dt.UTC)
        return KeyFacts(self.name, self.environment, self.quota, made)

    def local(self, at: float) -> float:
        """The hour of the owner's day, with Europe's change of clocks."""
        summer = self.land in EUROPE and at > 6 * DAY + HOUR
        offset = OFFSETS.get(self.land, 1) + summer
        return (at / HOUR + offset) % 24

    def is_weekday(self, at: float) -> bool:
        """Monday to Friday."""
        return int(at // DAY) % 7 < 5

    def office(self, at: float) -> float:
        """How much of an office day's use falls to this time."""
        if not self.is_weekday(at):
            return 0.03
        return max(0.0, math.sin((self.local(at) - 7) / 12 * math.pi)) if self.is_day(at) else 0.02

    def is_day(self, at: float) -> bool:
        """From seven to seven."""
        return 7 <= self.local(at) < 19

    def round(self, at: float) -> float:
        """A service's day: never nothing."""
        wave = 0.7 + 0.5 * math.sin((self.local(at) - 9) / 24 * 2 * math.pi)
        return wave * (1 if self.is_weekday(at) else 0.7)

    def times(self, rate: Rate, begin: float | None = None, end: float = math.inf) -> list[float]:
        """When requests come, at so many an hour, unevenly."""
        first = self.starts * DAY if begin is None else begin
        return arrivals(self.chance, rate, first, min(end, self.days * DAY))

    def use(self, at: float, ip: str, agent: str = "", path: str = "", status: int = 0) -> None:
        """One request of the owner's."""
        chosen = path or self.chance.choice(self.paths).format(self.chance.randrange(9999))
        chosen_status = status or answer(self.chance)
        self.own.append(Event(at, self.name, ip, agent or self.agent, chosen, chosen_status))

    def addresses(self, count: int, net: Net | None = None) -> list[str]:
        """New addresses, of the owner's network unless another is named."""
        return [self.earth.address(net or self.net, self.chance) for _ in range(count)]


def arrivals(chance: random.Random, rate: Rate, begin: float, end: float) -> list[float]:
    """Times of a process that is livelier in some ten minutes than in others."""
    made = []
    for slot in _slots(begin, end):
        many = _poisson(chance, rate(slot) / 6 * chance.gammavariate(3, 1 / 3))
        made += sorted(slot + 600 * chance.random() for _ in range(many))
    return made


def named(chance: random.Random, agents: tuple[str, ...]) -> str:
    """A user agent with some version."""
    return chance.choice(agents).format(chance.randrange(20), chance.randrange(9))


def answer(chance: random.Random) -> int:
    """A status as a healthy client gets it."""
    return chance.choices((200, 400, 404, 429, 500), (970, 8, 7, 8, 7))[0]


def _slots(begin: float, end: float) -> Iterator[float]:
    at = begin
    while at < end:
        yield at
        at += 600


def _poisson(chance: random.Random, mean: float) -> int:
    if mean > 50:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    many, left = 0, chance.random()
    limit = math.exp(-mean)
    while left > limit:
        many += 1
        left *= chance.random()
    return many
