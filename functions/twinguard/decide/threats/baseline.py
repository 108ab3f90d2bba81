# SPDX-License-Identifier: Apache-2.0
"""What is usual for one key, and how an hour of its use changes that. Pure; bounded; versioned.

Learning never trusts at once: a value counts as known after some days, or when it was there when
the key's life began. Hours under suspicion teach nothing but that known sources are still there."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
from msgspec import Struct, field

from twinguard.decide.threats.rules import Rules

VERSION = 1
HOUR = 3600.0
DAY = 24
WEEK = 168
FULL = 100
"""A week slot in which the key was active whenever it came round."""

ADDRESS, NETWORK, COUNTRY, KIND, AGENT, PATH = range(6)
DIMENSIONS = ("addresses", "networks", "countries", "kinds", "agents", "paths")
KEPT = (30, 18, 12, 6, 12, 12)
"""So many values of each are kept: the encoded baseline stays below 4 kB."""

PRIOR = ((0.5, 1.0), (0.25, 3.0), (0.1, 4.0), (0.1, 4.0), (0.2, 3.0), (0.5, 2.0))
"""What keys in general show: new values in so many active hours, by dimension. A key of its own
soon outweighs it. Countries and kinds of network change least."""

MOST_VALUES = 4096
"""At most so many values of an hour are noted, plus those of one request."""

WORTH_KEEPING = 6
"""Hours learned since a baseline was kept durably from which on it is kept again."""

WORTH = 40
"""At most so many new values of an hour are counted: beyond, a key is as restless as can be."""


class Tally(Struct):
    """One key's hour while it runs. `values` are those of successful requests, by dimension."""

    hour: int
    requests: int = 0
    strange: int = 0
    peak_60: float = 0.0
    peak_10: float = 0.0
    concurrent: int = 0
    values: list[dict[str, bool]] = field(default_factory=lambda: [{} for _ in DIMENSIONS])

    def note(self, parts: Iterable[tuple[int, str]]) -> None:
        """Note the values of a successful request; an hour with thousands of them tells enough."""
        if sum(map(len, self.values)) < MOST_VALUES:
            for dimension, value in parts:
                self.values[dimension][value] = True

    def peak(self, r60: float, r10: float) -> None:
        """Keep the most in a minute and in ten seconds."""
        self.peak_60 = max(self.peak_60, r60)
        self.peak_10 = max(self.peak_10, r10)


class Baseline(Struct):
    """A key's usual use. Hours count from `since`, the hour of its first use (since 1970).

    `seen` holds, by dimension, each value's first and last hour and its number of days.
    `new` counts, by dimension, values that were new in an hour, `active` hours with use, both
    fading, so that their ratio is the key's churn. `week` is how often each hour of the week (UTC,
    Monday 0 first) saw use, of 100."""

    since: int
    version: int = VERSION
    through: int = 0
    active: float = 0.0
    avg_requests_per_hour: float = 0.0
    peak_hour: float = 0.0
    peak_60: float = 0.0
    peak_10: float = 0.0
    strange_hour: float = 0.0
    several: float = 0.0
    max_concurrent_ips: int = 1
    new: list[float] = field(default_factory=lambda: [0.0] * len(DIMENSIONS))
    seen: list[dict[str, list[int]]] = field(default_factory=lambda: [{} for _ in DIMENSIONS])
    week: list[int] = field(default_factory=lambda: [0] * WEEK)

    @property
    def typical_hours(self) -> list[int]:
        """Hours of the day (UTC) in which the key is used on a fifth of its days or more."""
        days = [self.week[hour::DAY] for hour in range(DAY)]
        return [hour for hour, slots in enumerate(days) if sum(slots) >= FULL * len(slots) / 5]

    @property
    def typical_countries(self) -> list[str]:
        """Known countries, those of the most days first."""
        return _typical(self.seen[COUNTRY])

    @property
    def typical_ips(self) -> list[str]:
        """Known addresses, those of the most days first."""
        return _typical(self.seen[ADDRESS])

    def trust(self, dimension: int, value: str, hour: int, rules: Rules) -> float:
        """How far a value is known: 1 is fully, 0 not at all."""
        entry = self.seen[dimension].get(value)
        if entry is None:
            return 0.0
        if entry[2] >= rules.trusted_days:
            return 1.0
        age = hour - self.since
        if entry[0] <= min(rules.founding_hours, age / 2):
            return 1.0
        return (entry[2] - 1) / rules.trusted_days

    def known(self, dimension: int, hour: int, rules: Rules) -> set[str]:
        """The values of a dimension that are fully known: what others differ from."""
        return {one for one in self.seen[dimension] if self.trust(dimension, one, hour, rules) == 1}

    def churn(self, dimension: int, hour: int) -> float:
        """New values expected in an active hour; what is usual for keys while little is known."""
        values, hours = PRIOR[dimension]
        return (self.new[dimension] + values) / (self.active + hours + self._shown(hour))

    def _shown(self, hour: int) -> float:
        """What its life shows besides active hours: days, up to seven, and the requests' decades.

        A weekly job has few hours, but they are no accident, and a busy one shows more."""
        if not self.active:
            return 0.0
        decades = math.log10(1 + self.avg_requests_per_hour * self.active) / 2
        return min(7.0, (hour - self.since) / DAY) + decades

    def maturity(self, hour: int) -> float:
        """How far the key is known at all, from 0 in its first hour towards 1."""
        known = self.active + self._shown(hour)
        return known / (known + 1)

    def activity(self, hour: int) -> float:
        """How often this hour of the week saw use, its neighbours included (clock changes)."""
        slot = slot_of(hour)
        return max(self.week[(slot + step) % WEEK] for step in (-1, 0, 1)) / FULL

    def daily(self, hour: int) -> float:
        """How often this hour of the day saw use on any day of the week, neighbours included."""
        at = slot_of(hour) % DAY
        return max(max(self.week[(at + step) % DAY :: DAY]) for step in (-1, 0, 1)) / FULL


def slot_of(hour: int) -> int:
    """The hour of the week of an hour since 1970, which began on a Thursday."""
    return (hour + 3 * DAY) % WEEK


def survivor(kept: Baseline | None, mine: Baseline | None) -> Baseline | None:
    """Which of two baselines of a key takes the other's place: the one kept where the one in use
    is a beginner's, the one in use where it has learned for hours since. None: neither."""
    if kept is not None and (
        mine is None or (mine.since > kept.since and mine.active < kept.active)
    ):
        return kept
    if mine is None or not mine.active:
        return None
    is_news = (
        kept is None or mine.since != kept.since or mine.through >= kept.through + WORTH_KEEPING
    )
    return mine if is_news else None


def encoded(baseline: Baseline) -> bytes:
    """As it is stored, below 4 kB."""
    return msgspec.msgpack.encode(baseline)


def decoded(data: bytes) -> Baseline | None:
    """A stored baseline; None for another version: it is learned anew."""
    try:
        found = _DECODER.decode(data)
    except msgspec.MsgspecError:
        return None
    is_whole = len(found.seen) == len(found.new) == len(DIMENSIONS) and len(found.week) == WEEK
    return found if found.version == VERSION and is_whole else None


def learn(baseline: Baseline, tally: Tally, rules: Rules, *, is_suspect: bool) -> None:
    """Take an hour that has ended into the baseline, in place."""
    at = tally.hour - baseline.since
    is_first = baseline.active == 0
    for dimension, values in enumerate(tally.values):
        fresh = _touch(baseline.seen[dimension], values, at, is_suspect=is_suspect)
        if fresh and not is_suspect and not is_first:
            weight = 0.5 if at <= rules.founding_hours else 1.0
            baseline.new[dimension] += weight * min(fresh, WORTH)
        _forget(baseline.seen[dimension], KEPT[dimension], at - rules.forgotten_days * DAY)
    if is_suspect:
        return
    if tally.requests > tally.strange:
        _pass_hours(baseline, tally.hour)
        _rates(baseline, tally, rules)


def _rates(baseline: Baseline, tally: Tally, rules: Rules) -> None:
    own = tally.requests - tally.strange
    is_own = own > tally.strange
    fade = 1 - 1 / rules.memory_hours
    baseline.active = baseline.active * fade + 1
    baseline.new = [round(count * fade, 4) for count in baseline.new]
    share = 1 / min(baseline.active, rules.memory_hours)
    baseline.avg_requests_per_hour += share * (own - baseline.avg_requests_per_hour)
    baseline.peak_hour = max(float(own), baseline.peak_hour * fade)
    baseline.peak_60 = max(tally.peak_60 * is_own, baseline.peak_60 * fade)
    baseline.peak_10 = max(tally.peak_10 * is_own, baseline.peak_10 * fade)
    baseline.strange_hour *= fade
    baseline.several = baseline.several * fade + (tally.concurrent > 1)
    baseline.max_concurrent_ips = max(baseline.max_concurrent_ips, tally.concurrent)


def _touch(
    seen: dict[str, list[int]], values: dict[str, bool], at: int, *, is_suspect: bool
) -> int:
    """Note that values were there; how many of them had never been."""
    fresh = 0
    for value in values:
        entry = seen.get(value)
        if entry is not None:
            if entry[1] // DAY != at // DAY:
                entry[2] += not is_suspect
            entry[1] = max(entry[1], at)
        elif not is_suspect:
            fresh += 1
            seen[value] = [at, at, 1]
    return fresh


def _forget(seen: dict[str, list[int]], kept: int, before: int) -> None:
    """Drop what was not there for long, then what was there on the fewest days."""
    if len(seen) <= kept:
        return
    for value in [value for value, entry in seen.items() if entry[1] < before]:
        del seen[value]
    ordered = sorted(seen, key=lambda value: (min(seen[value][2], 8), seen[value][1]))
    for value in ordered[: max(0, len(seen) - kept)]:
        del seen[value]


def _pass_hours(baseline: Baseline, hour: int) -> None:
    """Fade the slots of the hours without use since the last one, and fill this one's."""
    begin = baseline.through + 1 if baseline.through else hour
    weeks = 1 + (hour - baseline.since) // WEEK
    share = 1 / min(weeks, 8)
    for idle in range(max(begin, hour - 4 * WEEK), hour):
        slot = slot_of(idle)
        baseline.week[slot] -= math.ceil(baseline.week[slot] * share)
    slot = slot_of(hour)
    baseline.week[slot] += math.ceil((FULL - baseline.week[slot]) * share)
    baseline.through = hour


def _typical(seen: dict[str, list[int]]) -> list[str]:
    return sorted((value for value in seen if value), key=lambda value: (-seen[value][2], value))


_DECODER = msgspec.msgpack.Decoder(Baseline)
