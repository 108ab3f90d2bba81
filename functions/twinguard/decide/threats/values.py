# SPDX-License-Identifier: Apache-2.0
"""The values that theft detection works with: a use, its place, its key, what was found.

Frozen and free of vendors. Raw keys never come here, only key ids."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from typing import TypeAlias

from msgspec import Struct

from twinguard.policy import Level

FAILED = 400
"""The status from which on a request has failed."""

Fact: TypeAlias = str | int | float | bool | list[str] | dict[str, float] | None


class ThreatLevel(enum.StrEnum):
    """How bad a finding is, spelled as strategy.md 12.1 spells it."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"

    @property
    def rank(self) -> int:
        """1 for LOW to 4 for CRITICAL; 0 stands for nothing found."""
        return _RANKS[self]

    @property
    def level(self) -> Level:
        """The same in the words of policies and alerts."""
        return Level(self.value.lower())


_RANKS = {level: rank for rank, level in enumerate(ThreatLevel, 1)}


class Detector(enum.StrEnum):
    """strategy.md's detection methods (12.1)."""

    USAGE_SPIKE = "usage_spike"
    CONCURRENT_USAGE = "concurrent_usage"
    GEOGRAPHIC_ANOMALY = "geographic_anomaly"
    PATTERN_ANOMALY = "pattern_anomaly"
    BURST = "burst"


class NetworkKind(enum.StrEnum):
    """Who runs a network. Anything else that a source of places says counts as unknown."""

    HOSTING = "hosting"
    EYEBALL = "eyeball"
    MOBILE = "mobile"
    BUSINESS = "business"
    PROXY = "proxy"
    INTERNAL = "internal"
    UNKNOWN = ""


class Use(Struct, frozen=True):
    """One request made with a key. `ip` may be an address, a host name or empty."""

    at: dt.datetime
    key_id: str
    ip: str = ""
    user_agent: str = ""
    path: str = ""
    status: int = 200


class Place(Struct, frozen=True):
    """Where an address is; every field may be empty."""

    country: str = ""
    network_kind: NetworkKind = NetworkKind.UNKNOWN
    operator: str = ""


class KeyFacts(Struct, frozen=True):
    """What is known of a key besides its use."""

    key_id: str
    environment: str = ""
    rate_limit_per_min: int | None = None
    created_at: dt.datetime | None = None


class Finding(Struct, frozen=True):
    """What was found, at the use that showed it, with the numbers that were compared."""

    timestamp: dt.datetime
    key_id: str
    detector: Detector
    threat_level: ThreatLevel
    evidence: dict[str, Fact]


def reasons_of(evidence: Mapping[str, object]) -> tuple[tuple[str, float], ...]:
    """Why something was found, in words with their bits, the strongest first."""
    reasons = evidence.get("reasons")
    found = reasons.items() if isinstance(reasons, dict) else ()
    return tuple((name.replace("_", " "), bits) for name, bits in sorted(found, key=_bits))


def _bits(reason: tuple[str, float]) -> float:
    return -reason[1]


class Signal(Struct, frozen=True):
    """What one detector makes of a window: how telling it is, in bits, and why.

    `bits` is how much more an attack would show it than this key's own past, as a base-2
    logarithm. `parts` names the reasons with their bits."""

    detector: Detector
    parts: dict[str, float]
    evidence: dict[str, Fact]

    @property
    def bits(self) -> float:
        """All parts together."""
        return sum(self.parts.values())
