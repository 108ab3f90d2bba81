# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PLR2004 - shares, hours and rates are what traffic is about
"""The second author's Internet and clock: other names, other addresses, gaps in what is known.

Shares nothing with `traffic_world.py` but the form of an event, so that detection cannot be tuned
to one author's habits."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from twinguard.standins.traffic_world import Event, drawn

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
LANDS = ("US", "CA", "GB", "IE", "DE", "NL", "FR", "ES", "PL", "SE", "IN", "SG", "JP", "AU", "BR")
FAR = ("RU", "VN", "CN", "NG", "ID", "UA", "BG", "HK", "IR", "RO")
LONG = {"US": "United States", "GB": "United Kingdom", "DE": "Germany", "RU": "Russia"}
CLOUDS = (
    ("AS16509 Amazon.com, Inc.", ("US", "IE", "DE", "SG", "JP", "IN", "BR", "AU")),
    ("AS396982 Google LLC", ("US", "NL", "DE", "SG", "JP", "GB")),
    ("AS8075 Microsoft Corporation", ("US", "IE", "NL", "IN", "AU", "FR")),
    ("AS14061 DigitalOcean, LLC", ("US", "NL", "SG", "DE", "GB")),
    ("AS24940 Hetzner Online GmbH", ("DE", "US")),
    ("AS16276 OVH SAS", ("FR", "CA", "PL")),
)
ZONES = {"US": -5, "CA": -5, "BR": -3, "GB": 0, "IE": 0, "IN": 5, "SG": 8, "JP": 9, "AU": 10}


class Net(NamedTuple):
    """One operator's network in one country."""

    operator: str
    kind: str
    land: str


class Internet:
    """Networks, addresses in them, and a file of places that knows most, some or none of them."""

    def __init__(self, seed: int) -> None:
        self.name = f"second world {seed}"
        self.chance = drawn(self.name)
        self.geo: dict[str, tuple[str, str, str]] = {}
        self.covered = self.chance.choice((1.0, 1.0, 1.0, 0.97, 0.6, 0.0))
        self.is_long = self.chance.random() < 0.2
        self._blocks: dict[Net, list[tuple[int, int, int]]] = {}

    def net(self, kind: str, land: str, number: int = 0) -> Net:
        """A network of a kind; clouds by number of the list."""
        if kind == "hosting":
            for step in range(len(CLOUDS)):
                name, lands = CLOUDS[(number + step) % len(CLOUDS)]
                if land in lands:
                    return Net(name, kind, land)
            return Net(f"AS20{number % 9}473 {land} VPS Hosting", kind, land)
        names = {"eyeball": "Broadband", "mobile": "Wireless", "business": "Group plc"}
        return Net(f"AS3{number % 5}215 {land} {names.get(kind, 'VPN')} {number % 5}", kind, land)

    def ip(self, net: Net, chance: random.Random) -> str:
        """A fresh address of a network, of the new or of the old kind."""
        blocks = self._blocks.get(net)
        if blocks is None:
            own = drawn(f"{net}")
            blocks = self._blocks[net] = [
                (own.randrange(20, 220), own.randrange(256), own.randrange(16) * 16)
                for _ in range(3 if net.kind != "business" else 1)
            ]
        first, second, third = chance.choice(blocks)
        if net.kind in {"eyeball", "mobile"} and chance.random() < 0.35:
            site = chance.randrange(1, 1 << 16)
            ip = f"2a{first % 16:x}{second % 16:x}:{second:x}:{third:x}:{site:x}::{site % 7 + 1:x}"
        else:
            ip = f"{first}.{second}.{third + chance.randrange(16)}.{chance.randrange(1, 255)}"
        if drawn(ip).random() < self.covered:
            land = LONG.get(net.land, net.land) if self.is_long else net.land
            self.geo[ip] = (land, net.kind, net.operator)
        return ip


class Life:
    """One key's owner: where at home, how busy, when awake, and how to say a request."""

    def __init__(self, name: str, shape: str, world: Internet, seed: str, days: float) -> None:
        self.name, self.shape, self.world, self.days = name, shape, world, days
        self.chance = chance = drawn(seed)
        self.home = chance.choice(LANDS)
        self.zone = ZONES.get(self.home, 1)
        self.cloud = chance.randrange(len(CLOUDS))
        self.daily = 10 ** chance.uniform(0.6, 4.0)
        self.starts = chance.choice((0.0, 0.0, 0.0, chance.uniform(0, days / 2)))
        self.change = self.starts + chance.uniform(0.3, 0.85) * (days - self.starts)
        self.digits = chance.choice((0, 3, 6))
        self.paths = chance.choice(PATHS)
        self.agent = chance.choice(CLIENTS)
        self.sample: list[Event] = []
        """The owner's first requests, for a thief who copies them."""

    def server(self, land: str = "", cloud: int = 0) -> str:
        """An address in the owner's cloud, or `cloud` places further on in the list."""
        where = land or self.home
        return self.world.ip(self.world.net("hosting", where, self.cloud + cloud), self.chance)

    def line(self, kind: str, land: str = "", number: int | None = None) -> str:
        """An address of an access network or a company."""
        which = self.chance.randrange(5) if number is None else number
        return self.world.ip(self.world.net(kind, land or self.home, which), self.chance)

    def clock(self, at: float, shift: float = 0.0) -> tuple[int, float]:
        """Weekday (Monday 0; life begins on a Tuesday) and hour at home."""
        hours = at / HOUR + self.zone + shift
        return int(hours // 24 + 1) % 7, hours % 24

    def tide(self, at: float) -> float:
        """Customers' rhythm: share of a day's requests in this hour."""
        return (1 + 0.6 * math.cos((self.clock(at)[1] - 15) * math.pi / 12)) / 24

    def work(self, at: float, shift: float = 0.0) -> float:
        """People's rhythm: a bell over the working day, hardly anything at other times."""
        weekday, hour = self.clock(at, shift)
        bell = math.exp(-(((hour - 13.5) / 3) ** 2)) / 5.3
        return bell if weekday < 5 else bell * 0.02

    def moments(
        self,
        share: Callable[[float], float],
        daily: float = 0.0,
        start: float | None = None,
        end: float | None = None,
    ) -> Iterator[float]:
        """Moments of requests, by the share of a day's that falls into each hour."""
        at = (self.starts if start is None else start) * DAY
        last = min(self.days, self.days if end is None else end) * DAY
        amount = daily or self.daily
        mood = 1.0
        while at < last:
            if self.chance.random() < 0.15:
                mood = self.chance.lognormvariate(0, 0.3)
            expected = share(at) * amount / 6 * mood
            count = int(expected) + (self.chance.random() < expected % 1)
            yield from sorted(at + self.chance.random() * 600 for _ in range(count))
            at += 600

    def say(self, at: float, ip: str, name: str = "-", path: str = "", status: int = 200) -> Event:
        """One request, to whole seconds, milliseconds or microseconds."""
        agent = self.agent if name == "-" else name
        way = path or self.chance.choice(self.paths)
        event = Event(round(at, self.digits), self.name, ip, agent, way, status)
        if len(self.sample) < 64:
            self.sample.append(event)
        return event


CLIENTS = (
    "OpenAI/Python 1.51.0",
    "python-requests/2.32.3",
    "node",
    "axios/1.7.7",
    "billing-worker/2024.11 (prod)",
    "Apache-HttpClient/5.3.1 (Java/21.0.4)",
    "Go-http-client/1.1",
    "okhttp/4.12.0",
    "Faraday v2.9.0",
    "ktor-client",
    "MyCompany.Service/3.2.1 .NET/8.0",
    "reqwest/0.12",
)
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 Version/18.1 Safari/605.1",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0 Safari/537.36 Edg/131.0",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0) Chrome/130.0 Safari/537.36",
)
THIEVES = (
    "python-requests/2.28.1",
    "curl/7.88.1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/119.0 Safari/537.36",
    "Go-http-client/2.0",
    "httpx/0.26",
    "OpenAI/NodeJS/4.52.1",
    "oai-reverse-proxy/1.0",
    "aiohttp/3.9",
    "sk-checker",
    "PostmanRuntime/7.37.0",
    "python-httpx/0.25.2",
)
PATHS = (
    ("/v1/chat/completions",),
    ("/v1/chat/completions", "/v1/embeddings"),
    ("/v1/embeddings",),
    ("/v1/messages", "/v1/messages/count_tokens"),
    ("/api/v2/search?q=a", "/api/v2/items/8127", "/api/v2/items"),
    ("/geocode/json", "/directions/json"),
    ("/v1beta/models/gemini-1.5-pro:generateContent",),
)
