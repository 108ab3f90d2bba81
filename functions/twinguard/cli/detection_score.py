# SPDX-License-Identifier: Apache-2.0
"""Judge findings against the truth: thefts found, how fast, what was served, what was wrong.

A theft that is not found counts as all served, and never as fast."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from statistics import median

from msgspec import Struct, field

from twinguard.standins.traffic import Named, Theft

_AFTER = 86400.0
"""What is found on a key within a day of its theft's end is about the theft."""

_MEDIUM, _HIGH, _CRITICAL = 2, 3, 4

LINES = (
    "core ≥ MEDIUM",
    "core ≥ HIGH",
    "evasive ≥ MEDIUM",
    "evasive ≥ HIGH",
    "median time to HIGH",
    "served before HIGH",
    "key-days, wrong HIGH+",
    "key-days, any wrong",
    "wrong CRITICAL / million",
)
"""What `Sums.summary` says."""


class Case(Struct, frozen=True):
    """One theft and what became of it: levels' ranks, seconds to HIGH, requests before it."""

    kind: str
    is_core: bool
    rank: int
    seconds: float
    served: int
    requests: int


class Score(Struct):
    """One seed's result."""

    cases: list[Case]
    benign: int
    key_days: int
    false: dict[int, int]
    """Key-days with a wrong finding of this rank or higher."""
    false_critical: int
    notes: list[str]


class Figures(Struct):
    """What is reported and compared with the targets. Shares from 0 to 1."""

    thefts: int
    medium: float
    high: float
    seconds_to_high: float
    served: float
    served_typical: float


class Sums(Struct):
    """Several seeds' results together."""

    cases: list[Case] = field(default_factory=list)
    benign: int = 0
    key_days: int = 0
    false: dict[int, int] = field(default_factory=dict)
    false_critical: int = 0

    def add(self, score: Score) -> None:
        """Take one seed in."""
        self.cases += score.cases
        self.benign += score.benign
        self.key_days += score.key_days
        self.false_critical += score.false_critical
        for rank, days in score.false.items():
            self.false[rank] = self.false.get(rank, 0) + days

    def figures(self) -> dict[str, object]:
        """All numbers."""
        groups = {"core": True, "evasive": False}
        return {
            **{g: _figures([c for c in self.cases if c.is_core is v]) for g, v in groups.items()},
            "all": _figures(self.cases),
            "by_kind": {
                kind: _figures([case for case in self.cases if case.kind == kind])
                for kind in dict.fromkeys(case.kind for case in self.cases)
            },
            "benign_events": self.benign,
            "key_days": self.key_days,
            "false_high_key_days": self.false.get(_HIGH, 0) / max(1, self.key_days),
            "false_key_days": self.false.get(1, 0) / max(1, self.key_days),
            "false_medium_key_days": self.false.get(_MEDIUM, 0) / max(1, self.key_days),
            "false_critical_per_million": 1e6 * self.false_critical / max(1, self.benign),
        }

    def summary(self) -> tuple[str, ...]:
        """In the order of LINES: thefts found, how fast, what was served, what was wrong."""
        groups = [[case for case in self.cases if case.is_core is core] for core in (True, False)]
        ranks = [(group, rank) for group in groups for rank in (_MEDIUM, _HIGH)]
        both = _figures(self.cases)
        return (
            *(
                _share(sum(case.rank >= rank for case in group), len(group), 1)
                for group, rank in ranks
            ),
            f"{both.seconds_to_high:.0f} s",
            f"{100 * both.served:.1f} %",
            _share(self.false.get(_HIGH, 0), self.key_days, 2),
            _share(self.false.get(1, 0), self.key_days, 2),
            f"{1e6 * self.false_critical / max(1, self.benign):.2f}",
        )

    def rows(self) -> Iterable[tuple[str, ...]]:
        """A line for each kind, for the groups, and for all."""
        kinds = dict.fromkeys(case.kind for case in self.cases)
        for kind in kinds:
            yield _row(kind, [case for case in self.cases if case.kind == kind])
        yield _row("CORE", [case for case in self.cases if case.is_core])
        yield _row("EVASIVE", [case for case in self.cases if not case.is_core])
        yield _row("ALL", self.cases)

    def false_rows(self) -> Iterable[tuple[str, ...]]:
        """What was wrong."""
        days = max(1, self.key_days)
        yield "wrong HIGH+ key-days", f"{100 * self.false.get(_HIGH, 0) / days:.2f} %"
        yield "wrong MEDIUM+ key-days", f"{100 * self.false.get(_MEDIUM, 0) / days:.2f} %"
        yield "wrong key-days", f"{100 * self.false.get(1, 0) / days:.2f} %"
        per_million = 1e6 * self.false_critical / max(1, self.benign)
        yield "wrong CRITICAL / million", f"{per_million:.2f}"
        yield "benign requests, key-days", f"{self.benign:,}", f"{self.key_days:,}"


def interval(count: int, of: int) -> tuple[float, float]:
    """Within what a share lies in 19 of 20 cases, where `count` of `of` were seen (Wilson)."""
    if not of:
        return 0.0, 1.0
    share, z = count / of, 1.96
    middle = share + z * z / (2 * of)
    wide = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    whole = 1 + z * z / of
    return max(0.0, (middle - wide) / whole), min(1.0, (middle + wide) / whole)


def scored(
    thefts: Sequence[Theft],
    told: Sequence[tuple[float, str, int]],
    benign: int,
    key_days: int,
    seed: int,
    keys: Sequence[Named],
) -> Score:
    """One seed's findings against its thefts."""
    spans = [
        (key, times[0], times[-1] + _AFTER)
        for theft in thefts
        for key, times in theft.times.items()
    ]
    notes, cases = [], []
    for theft in thefts:
        case = _case(theft, told)
        cases.append(case)
        if case.rank < _HIGH:
            notes.append(
                f"seed {seed} {theft.kind} on {theft.shape} {theft.key}: rank {case.rank}, "
                f"day {(theft.times[theft.key][0] / 86400) % 1000:.1f}, {case.requests} requests"
            )
    worst: dict[tuple[str, int], int] = {}
    shapes = {key.name: key.shape for key in keys}
    critical = 0
    for at, key, rank in told:
        if any(name == key and first <= at <= last for name, first, last in spans):
            continue
        day = (key, int(at // 86400))
        worst[day] = max(worst.get(day, 0), rank)
        critical += rank == _CRITICAL
    notes += [
        f"seed {seed} WRONG {rank} on {shapes[key]} {key} day {day}"
        for (key, day), rank in worst.items()
    ]
    false = {rank: sum(one >= rank for one in worst.values()) for rank in range(1, 5)}
    return Score(cases, benign, key_days, false, critical, notes)


def _case(theft: Theft, told: Sequence[tuple[float, str, int]]) -> Case:
    times = theft.times[theft.key]
    mine = [
        (at, rank)
        for at, key, rank in told
        if key == theft.key and times[0] <= at <= times[-1] + _AFTER
    ]
    high = next((at for at, rank in mine if rank >= _HIGH), math.inf)
    served = bisect_left(times, high)
    rank = max((rank for _, rank in mine), default=0)
    return Case(theft.kind, theft.is_core, rank, high - times[0], served, len(times))


def _figures(cases: Sequence[Case]) -> Figures:
    count = max(1, len(cases))
    return Figures(
        thefts=len(cases),
        medium=sum(case.rank >= _MEDIUM for case in cases) / count,
        high=sum(case.rank >= _HIGH for case in cases) / count,
        seconds_to_high=median([case.seconds for case in cases]) if cases else math.inf,
        served=sum(c.served for c in cases) / max(1, sum(c.requests for c in cases)),
        served_typical=median([c.served / c.requests for c in cases]) if cases else 1.0,
    )


def _share(count: int, of: int, digits: int) -> str:
    """A share with its interval, in per cent."""
    low, high = (round(100 * edge, digits) for edge in interval(count, of))
    return f"{100 * count / max(1, of):.{digits}f} % ({low:g}-{high:g})"


def _row(name: str, cases: Sequence[Case]) -> tuple[str, ...]:
    one = _figures(cases)
    return (
        name,
        str(one.thefts),
        f"{100 * one.medium:.1f} %",
        f"{100 * one.high:.1f} %",
        f"{one.seconds_to_high:.0f} s",
        f"{100 * one.served:.1f} %",
    )
