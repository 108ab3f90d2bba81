# SPDX-License-Identifier: Apache-2.0
"""strategy.md 12.1 taken word for word, as what detection is compared with. Never deployed.

Ten times the mean hour, several addresses, other countries or hours, tools, 100 a minute."""

from __future__ import annotations

import re
from collections import deque

from twinguard.decide.threats.values import Detector, ThreatLevel, Use

_TOOLS = re.compile(r"curl|wget|python-requests|bot|scan|^$", re.IGNORECASE)
_LEARNING = 3 * 86400.0


class _Key:
    def __init__(self, at: float) -> None:
        self.since, self.hour, self.count = at, int(at // 3600), 0
        self.requests = 0
        self.hours: set[int] = set()
        self.countries: set[str] = set()
        self.addresses: dict[str, float] = {}
        self.minute: deque[float] = deque()


class LiteralRules:
    """Learns for three days, then compares with what was there then."""

    def __init__(self, country_of: dict[str, str]) -> None:
        self._keys: dict[str, _Key] = {}
        self._country_of = country_of

    def observe(self, use: Use) -> list[tuple[Detector, ThreatLevel]]:
        """What each rule says of a use; two together are one level higher."""
        at = use.at.timestamp()
        key = self._keys.setdefault(use.key_id, _Key(at))
        if int(at // 3600) != key.hour:
            key.hour, key.count = int(at // 3600), 0
        key.count += 1
        key.minute.append(at)
        while key.minute[0] <= at - 60:
            key.minute.popleft()
        key.addresses[use.ip] = at
        country = self._country_of.get(use.ip, "")
        found = [(Detector.BURST, ThreatLevel.HIGH)] if len(key.minute) > 100 else []  # noqa: PLR2004
        if at - key.since < _LEARNING:
            key.requests += 1
            key.hours.add(int(at // 3600) % 24)
            key.countries.add(country)
        else:
            mean = key.requests * 3600 / _LEARNING
            active = sum(at - last < 300 for last in key.addresses.values())  # noqa: PLR2004
            rules = (
                (Detector.USAGE_SPIKE, key.count > 10 * max(1.0, mean), ThreatLevel.HIGH),
                (Detector.CONCURRENT_USAGE, active > 2, ThreatLevel.HIGH),  # noqa: PLR2004
                (
                    Detector.GEOGRAPHIC_ANOMALY,
                    bool(country) and country not in key.countries,
                    ThreatLevel.MEDIUM,
                ),
                (
                    Detector.PATTERN_ANOMALY,
                    int(at // 3600) % 24 not in key.hours
                    or _TOOLS.search(use.user_agent) is not None,
                    ThreatLevel.LOW,
                ),
            )
            found += [(name, level) for name, says, level in rules if says]
        if len(key.addresses) > 200:  # noqa: PLR2004
            key.addresses = {ip: last for ip, last in key.addresses.items() if at - last < 300}  # noqa: PLR2004
        if len(found) > 1:
            levels = list(ThreatLevel)
            worst = max(level.rank for _, level in found)
            return [(found[0][0], levels[min(worst, 3)])]
        return found
