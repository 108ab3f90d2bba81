# SPDX-License-Identifier: Apache-2.0
"""What is remembered of one key between two uses: the hour that runs, and the strangers in it.

Bounded: values beyond a cap push out the oldest. Pure state; `memory.py` moves it on."""

from __future__ import annotations

from twinguard.decide.threats.baseline import (
    AGENT,
    COUNTRY,
    DIMENSIONS,
    NETWORK,
    Baseline,
    Tally,
)
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.sources import Source
from twinguard.decide.threats.values import KeyFacts, NetworkKind, ThreatLevel, Use
from twinguard.decide.threats.window import Novel, Sliding, Window

Signature = tuple[str, str, str]
"""Address, agent and path, as they came."""

_SIGNATURES = 1024
_ACTIVE = 3600.0
_LEARNED = 24.0
_OLD = 7 * 86400.0


class Episode:
    """A run of strange use of one key, and what has been told about it."""

    __slots__ = (
        *("agent_keys", "changes", "failed", "failed_paths", "flagged", "generic", "hours"),
        *("kinds", "last", "listing", "networks", "next_check", "other_keys", "scanner"),
        *("since", "strange", "succeeded", "told", "told_at", "colleague"),
    )

    def __init__(self, at: float) -> None:
        self.since = self.last = at
        self.hours: set[int] = set()
        self.strange = self.succeeded = self.failed = self.changes = self.told = 0
        self.failed_paths: set[str] = set()
        self.kinds: set[NetworkKind] = set()
        self.networks: set[str] = set()
        self.listing = self.scanner = self.generic = self.flagged = self.agent_keys = False
        self.colleague = True
        self.other_keys = 0
        self.next_check = 1
        self.told_at = 0.0


class Hot:
    """One key's state between two uses."""

    __slots__ = (
        *("alarm", "base", "countries", "episode", "facts", "familiar", "hourly", "known_at"),
        *("known_country", "last", "last_at", "limit", "minute", "novel", "recent", "short"),
        *("strange", "strange_hour", "strange_minute", "tally", "ten", "told", "volume_told"),
        *("was_strange", "strange_peak"),
    )

    def __init__(self, base: Baseline, hour: int, facts: KeyFacts | None, rules: Rules) -> None:
        self.base = base
        self.facts = facts
        self.tally = Tally(hour)
        self.minute, self.ten, self.hourly = Sliding(60.0), Sliding(10.0), Sliding(3600.0)
        self.strange_minute, self.strange_hour = Sliding(60.0), Sliding(3600.0)
        self.familiar: dict[Signature, float] = {}
        self.strange: dict[Signature, tuple[tuple[int, str], ...]] = {}
        self.novel: list[dict[str, list[float]]] = [{} for _ in DIMENSIONS]
        self.recent: dict[str, float] = {}
        self.told: dict[str, tuple[int, float]] = {}
        self.episode: Episode | None = None
        self.last: Use | None = None
        self.last_at = self.known_at = 0.0
        self.known_country = ""
        self.was_strange = False
        self.strange_peak = 0
        self.volume_told = (0, 0.0)
        self.relimit(rules)

    def relimit(self, rules: Rules) -> None:
        """min(quota, k times the own past), never below what the key has always done."""
        quota = self.facts.rate_limit_per_min if self.facts is not None else None
        base = self.base
        if not base.active:
            self.limit = float(quota or rules.default_per_minute)
        else:
            factor = rules.factor * (1 + max(0.0, _LEARNED - base.active) / _LEARNED)
            own = max(rules.least_per_minute, factor * base.peak_60)
            self.limit = max(min(float(quota or own), own), 1.3 * base.peak_60, 5.0)
        self.short = max(self.limit / 3, rules.factor * base.peak_10)
        self.alarm = self.limit

    @property
    def is_suspect(self) -> bool:
        """True while something of MEDIUM or more is open: nothing strange is learned."""
        return self.episode is not None and self.episode.told >= ThreatLevel.MEDIUM.rank

    @property
    def is_old(self) -> bool:
        """True for a key that was made long before its first use that was seen."""
        made = self.facts.created_at if self.facts is not None else None
        return made is not None and self.base.since * 3600 - made.timestamp() > _OLD

    def is_another(self, source: Source, agent: str, at: float, rules: Rules) -> bool:
        """True where somebody else came after the last finding: told anew, at its level.

        It takes hours, or another program or country that came with the network."""
        episode = self.episode
        came = self.novel[NETWORK].get(source.network)
        if episode is None or came is None or came[0] <= episode.told_at:
            return False
        if at - episode.told_at > rules.quiet_seconds:
            return True
        marks = (self.novel[COUNTRY].get(source.country), self.novel[AGENT].get(agent))
        return any(mark is not None and mark[0] > episode.told_at for mark in marks)

    def note_novel(self, dimension: int, value: str, at: float, cap: int) -> bool:
        """Note that a new value is used; True where it was not lately. The oldest stand first."""
        values = self.novel[dimension]
        if (entry := values.get(value)) is not None:
            is_news = at - entry[1] > _ACTIVE
            entry[1] = at
            values[value] = values.pop(value)
            return is_news
        if len(values) >= cap:
            del values[next(iter(values))]
        values[value] = [at, at, self.base.churn(dimension, self.tally.hour)]
        return True

    def take_turns(self) -> None:
        """A known source is used; count it as a turn if a stranger was last."""
        if self.was_strange:
            self.was_strange = False
            if self.episode is not None:
                self.episode.changes += 1

    def accept(self, rules: Rules) -> None:
        """Trust at once what is strange now, and end what was told about it."""
        at = self.tally.hour - self.base.since
        for seen, novel in zip(self.base.seen, self.novel, strict=True):
            seen.update({value: [at, at, rules.trusted_days] for value in novel})
            novel.clear()
        self.episode = None
        self.told.clear()
        self.strange.clear()

    def bounded(self) -> None:
        """Keep the signatures of an hour within bounds."""
        for kept in (self.familiar, self.strange):
            if len(kept) > _SIGNATURES:
                kept.clear()
        if len(self.recent) > 2 * _LEARNED:
            newest = sorted(self.recent, key=self.recent.__getitem__)[-16:]
            self.recent = {name: self.recent[name] for name in newest}

    def window(self, at: float, r60: float, r10: float, rules: Rules) -> Window:
        """What the detectors need, as it is now."""
        hour = self.tally.hour
        known = [last for last in self.recent.values() if at - last <= rules.active_seconds]
        plain = {
            "at": at,
            "hour": hour,
            "requests_10s": r10,
            "requests_60s": r60,
            "requests_hour": self.hourly.value(at),
            "limit": self.limit,
            "known_at": self.known_at,
            "known_country": self.known_country,
            "known_active": len(known),
            "is_old": self.is_old,
        }
        episode = self.episode
        if episode is None or not episode.strange:
            return Window(**plain)  # type: ignore[arg-type]
        return Window(
            **plain,  # type: ignore[arg-type]
            strange_60s=self.strange_minute.value(at),
            strange_hour=self.strange_hour.value(at),
            strange=episode.strange,
            succeeded=episode.succeeded,
            failed=episode.failed,
            failed_paths=len(episode.failed_paths),
            since=episode.since,
            hours=max(1, len(episode.hours)),
            novel=tuple(self._active(number, at, rules) for number in range(len(DIMENSIONS))),
            kinds=tuple(sorted(episode.kinds)),
            changes=episode.changes,
            is_listing=episode.listing,
            is_scanner=episode.scanner,
            is_generic=episode.generic,
            other_keys=episode.other_keys,
            other_keys_agent=episode.agent_keys,
            is_colleague=episode.colleague,
            is_flagged=episode.flagged,
        )

    def _active(self, dimension: int, at: float, rules: Rules) -> tuple[Novel, ...]:
        hour = self.tally.hour
        return tuple(
            Novel(value, since, self.base.trust(dimension, value, hour, rules), churn)
            for value, (since, last, churn) in self.novel[dimension].items()
            if at - last <= _ACTIVE
        )


def parts_of(source: Source, agent: str, path: str) -> tuple[tuple[int, str], ...]:
    """The values of one use that have a past, by dimension."""
    values = (source.address, source.network, source.country, source.kind.value)
    found = tuple((at, value) for at, value in enumerate(values) if value)
    return (*found, (len(values), agent), (len(values) + 1, path))
