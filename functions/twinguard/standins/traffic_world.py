# SPDX-License-Identifier: Apache-2.0
"""A made-up Internet for traffic: operators with blocks of addresses, and what clients call
themselves. Seeded; nothing here knows how detection works."""

from __future__ import annotations

import random
from typing import NamedTuple

COUNTRIES = ("US", "GB", "DE", "FR", "IN", "BR", "JP", "NL", "SG", "PL", "RU", "CN", "NG", "AU")
KINDS = ("hosting", "eyeball", "mobile", "business", "proxy")

SERVICE_AGENTS = (
    "acme-backend/{v} python-httpx/0.2{d}",
    "OpenAI/Python 1.{d}.0",
    "AsyncOpenAI/Python 1.{d}.0",
    "OpenAI/JS 4.{d}.1",
    "orders-service/{v} (linux; amd64) okhttp/4.{d}",
    "Go-http-client/2.0",
    "python-requests/2.3{d}.0",
    "axios/1.{d}.2",
    "langchain/0.{d}.1 aiohttp/3.9.{d}",
    "google-genai-sdk/1.{d}.0 gl-python/3.11",
    "node-fetch/1.0 (+https://example.com/node-fetch)",
    "Java/17.0.{d} ReactorNetty/1.1.{d}",
)
PERSON_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/12{d}.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1 Version/17.{d} Safari/605.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:12{d}.0) Gecko/20100101 Firefox/12{d}.0",
    "acme-desktop/3.{d} (Windows)",
    "PostmanRuntime/7.3{d}.0",
    "python-requests/2.3{d}.0",
)
PHONE_AGENTS = (
    "AcmeApp/5.{d} (iPhone; iOS 17.{d}) CFNetwork/149{d}",
    "AcmeApp/5.{d} (Android 14; Pixel) okhttp/4.{d}",
)
THIEF_AGENTS = (
    "python-requests/2.3{d}.0",
    "curl/8.{d}.0",
    "Go-http-client/1.1",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/11{d}.0 Safari/537.36",
    "OpenAI/Python 1.{d}.0",
    "axios/1.{d}.0",
    "TruffleHog",
    "aiohttp/3.8.{d}",
    "",
    "one-api/0.{d}",
)
CALLS = (
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/images/generations",
    "/v1/audio/transcriptions",
    "/api/orders",
    "/api/search",
    "/api/documents/8842/summary",
)
PROBES = ("/v1/models", "/v1/files", "/v1/organizations", "/v1/fine_tuning/jobs", "/v1/usage")


class Operator(NamedTuple):
    """One network: its blocks are the first two numbers of its addresses."""

    name: str
    kind: str
    country: str
    blocks: tuple[str, ...]


class Event(NamedTuple):
    """One request, and the attack that it belongs to, if any."""

    at: float
    key: str
    ip: str
    agent: str
    path: str
    status: int
    attack: str = ""


class World:
    """Operators of every kind in every country, some of them in several."""

    def __init__(self, seed: int) -> None:
        self.chance = drawn(f"world {seed}")
        self.geo: dict[str, tuple[str, str, str]] = {}
        self._unknown = self.chance.choice((0.0, 0.02, 0.1))
        free = iter(self.chance.sample(range(11 << 8, 223 << 8), 4000))
        self.operators: list[Operator] = []
        for country in COUNTRIES:
            for kind, count in (("eyeball", 5), ("mobile", 3), ("business", 3), ("proxy", 1)):
                for number in range(count):
                    name = f"{country} {kind} {number}"
                    self.operators.append(Operator(name, kind, country, self._blocks(free, 3)))
            for number in range(3):
                name = f"{country} cloud {number}"
                self.operators.append(Operator(name, "hosting", country, self._blocks(free, 2)))
        for cloud in ("AMAZON-02", "GOOGLE-CLOUD", "MICROSOFT-AZURE", "DIGITALOCEAN", "HETZNER"):
            for country in ("US", "DE", "NL", "SG", "JP", "BR", "IN", "GB"):
                self.operators.append(Operator(cloud, "hosting", country, self._blocks(free, 4)))

    def _blocks(self, free: object, count: int) -> tuple[str, ...]:
        numbers = [next(free) for _ in range(count)]  # type: ignore[call-overload]
        return tuple(f"{number >> 8}.{number & 255}" for number in numbers)

    def operator(self, chance: random.Random, kind: str, country: str = "") -> Operator:
        """Any operator of that kind, in that country if one is named."""
        found = [o for o in self.operators if o.kind == kind and country in {"", o.country}]
        return chance.choice(found)

    def elsewhere(self, chance: random.Random, home: str) -> str:
        """Another country."""
        return chance.choice([country for country in COUNTRIES if country != home])

    def address(self, chance: random.Random, operator: Operator) -> str:
        """An address of an operator; now and then nobody can say where it is."""
        block = chance.choice(operator.blocks)
        if operator.kind in {"eyeball", "mobile"} and chance.random() < 0.2:  # noqa: PLR2004
            high, low = block.split(".")
            site = chance.randrange(1 << 16)
            start = f"2{int(high) % 16:x}{int(low):02x}:{int(high):x}"
            ip = f"{start}:{site:x}:{chance.randrange(99):x}::1"
        else:
            ip = f"{block}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        if self.chance.random() >= self._unknown:
            self.geo[ip] = (operator.country, operator.kind, operator.name)
        return ip


def drawn(seed: str) -> random.Random:
    """Chance that is the same every time."""
    return random.Random(seed)  # noqa: S311 - traffic is made up, nothing is kept secret


def agent(chance: random.Random, agents: tuple[str, ...]) -> str:
    """A user agent with some version."""
    return chance.choice(agents).format(v=f"{chance.randrange(9)}.4", d=chance.randrange(9))
