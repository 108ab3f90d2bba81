# SPDX-License-Identifier: Apache-2.0
"""Uses of one key as the tests of theft detection need them: an owner's weeks, then a stranger."""

from __future__ import annotations

import datetime as dt

from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import Finding, KeyFacts, NetworkKind, Place, Use

START = dt.datetime(2026, 9, 7, tzinfo=dt.UTC)
"""A Monday."""

HOME, AWAY, RUNNER = "9.9.9.9", "5.5.5.5", "8.8.4.4"
AGENT, CALL = "acme-backend/1.4 httpx/0.27", "/v1/chat/completions"
PLACES = {
    HOME: Place("US", NetworkKind.BUSINESS, "Acme Inc"),
    AWAY: Place("RU", NetworkKind.HOSTING, "Bulletproof"),
    RUNNER: Place("US", NetworkKind.HOSTING, "GOOGLE-CLOUD"),
}


def use(days: float, ip: str = HOME, agent: str = AGENT, path: str = CALL, **more: object) -> Use:
    """One use, so many days after the start."""
    key_id = str(more.pop("key_id", "key-1"))
    status = int(str(more.pop("status", 200)))
    return Use(START + dt.timedelta(days=days), key_id, ip, agent, path, status)


def owned(days: int = 14, per_hour: int = 6, *, hours: range = range(24)) -> list[Use]:
    """The owner's uses: every day, in these hours."""
    return [
        use(day + (hour + number / per_hour) / 24)
        for day in range(days)
        for hour in hours
        for number in range(per_hour)
    ]


def watching(uses: list[Use], **facts: int) -> tuple[Watch, list[Finding]]:
    """A watch that has seen these uses, and what it found."""
    keys = [KeyFacts("key-1", **facts)] if facts else []
    watch = Watch(keys, PLACES.get)
    return watch, [finding for one in uses for finding in watch.observe(one)]


def seen(watch: Watch, uses: list[Use]) -> list[Finding]:
    """What a watch finds in more uses."""
    return [finding for one in uses for finding in watch.observe(one)]
