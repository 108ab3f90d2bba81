# SPDX-License-Identifier: Apache-2.0
"""Learn baselines from whole logs, hour by hour, by the same `learn` as online. Pure.

Hours around a finding are refused: what a thief did never becomes usual."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from msgspec import Struct

from twinguard.decide.threats.baseline import Baseline, Tally, learn
from twinguard.decide.threats.hot import parts_of
from twinguard.decide.threats.reader import Reader
from twinguard.decide.threats.rules import RULES, Rules
from twinguard.decide.threats.sources import IDLE
from twinguard.decide.threats.values import Finding, Place, ThreatLevel, Use

_REFUSED_DAYS = {ThreatLevel.MEDIUM: 3, ThreatLevel.HIGH: 14, ThreatLevel.CRITICAL: 14}
"""As long as online learning is wary: an episode's longest, and what HIGH is remembered for."""


class Group(Struct, frozen=True):
    """What one address, agent and path did with a key in one hour (since 1970)."""

    key_id: str
    hour: int
    ip: str
    user_agent: str
    path: str
    requests: int
    fine: int
    quarters: tuple[int, ...]
    peak_60: int
    peak_10: int


_UNTIMED = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""A reader asks no use for its time."""

Span = tuple[int, int]
"""First and last hour."""


def poisoned(findings: Iterable[Finding]) -> dict[str, list[Span]]:
    """The hours of each key that teach nothing, from what was found at MEDIUM or above."""
    spans: dict[str, list[Span]] = {}
    for found in findings:
        days = _REFUSED_DAYS.get(found.threat_level)
        if days is None:
            continue
        at = found.timestamp.timestamp()
        since = found.evidence.get("strange_since")
        first = min(at, float(since)) if isinstance(since, (int, float)) else at
        spans.setdefault(found.key_id, []).append((int(first // 3600), int(at // 3600) + 24 * days))
    return spans


def learned(
    groups: Iterable[Group],
    place_of: Callable[[str], Place | None] | None = None,
    refused: Mapping[str, Sequence[Span]] | None = None,
    rules: Rules = RULES,
) -> dict[str, Baseline]:
    """The baseline of each key; groups come by key and hour."""
    reader = Reader(place_of or (lambda _: None), rules.cached)
    found: dict[str, Baseline] = {}
    for (key_id, hour), together in groupby(groups, lambda one: (one.key_id, one.hour)):
        if any(first <= hour <= last for first, last in (refused or {}).get(key_id, ())):
            continue
        base = found.get(key_id)
        if base is None:
            base = found[key_id] = Baseline(since=hour)
        learn(base, _tally(hour, together, reader), rules, is_suspect=False)
    return found


def _tally(hour: int, together: Iterable[Group], reader: Reader) -> Tally:
    tally = Tally(hour)
    active: list[set[str]] = [set() for _ in range(4)]
    for one in together:
        tally.requests += one.requests
        tally.peak(float(one.peak_60), float(one.peak_10))
        source, agent, path = reader.read(
            Use(_UNTIMED, one.key_id, one.ip, one.user_agent, one.path)
        )
        if path in IDLE:
            continue
        if one.fine:
            for dimension, value in parts_of(source, agent, path):
                tally.values[dimension][value] = True
        for quarter in one.quarters:
            active[quarter].add(source.network)
    tally.concurrent = max(map(len, active))
    return tally
