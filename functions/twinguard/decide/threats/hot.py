# SPDX-License-Identifier: Apache-2.0
"""What is remembered of one key between two uses: the hour that runs, and the strangers in it.

Bounded: values beyond a cap push out the oldest. Pure state; `memory.py` moves it on."""

from __future__ import annotations

from twinguard.decide.threats.baseline import DIMENSIONS, Baseline, Tally, learn
from twinguard.decide.threats.episode import Episode
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.sources import Source
from twinguard.decide.threats.values import KeyFacts, ThreatLevel, Use
from twinguard.decide.threats.window import Novel, Sliding, Window

Signature = tuple[str, str, str]
"""Address, agent and path, as they came."""

TOLD_SECONDS = 14 * 86400.0
"""So long a network that was told is told again only at a higher level."""

_SIGNATURES = 1024
_ACTIVE = 3600.0
_DAY = 86400.0
_LEARNED = 24.0
_OLD = 7 * 86400.0


class Hot:
    """One key's state between two uses."""

    __slots__ = (
        *("alarm", "base", "countries", "episode", "facts", "familiar", "hourly", "known_at"),
        *("known_country", "last", "last_at", "limit", "minute", "novel", "recent", "short"),
        *("strange", "strange_hour", "strange_minute", "tally", "ten", "told", "volume_told"),
        *("was_strange", "strange_peak", "is_new"),
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
        self.was_strange = self.is_new = False
        self.strange_peak = 0
        self.volume_told = (0, 0.0)
        self.relimit(rules)

    def relimit(self, rules: Rules) -> None:
        """min(quota, k times the own past), never below what the key has always done."""
        self.limit, self.short = limits_of(self.base, self.facts, rules)
        self.alarm = self.limit

    @property
    def is_suspect(self) -> bool:
        """True while something of MEDIUM or more is open: nothing strange is learned."""
        return self.episode is not None and self.episode.told >= ThreatLevel.MEDIUM.rank

    def since(self, dimension: int, value: str) -> float | None:
        """Since when a value is new; None where it is not."""
        came = self.novel[dimension].get(value)
        return came[0] if came else None

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

    def episode_at(self, at: float, rules: Rules) -> Episode:
        """The run of strange use that goes on, or a new one; what was told stays known."""
        episode = self.episode
        if (
            episode is not None
            and at - episode.last <= rules.quiet_seconds
            and at - episode.since <= rules.longest_seconds
        ):
            return episode
        if episode is not None and episode.told < ThreatLevel.MEDIUM.rank:
            self.base.strange_hour = max(self.base.strange_hour, float(self.strange_peak))
        self.strange_peak = 0
        if episode is not None and episode.told:
            self.told.update(dict.fromkeys(episode.networks, (episode.told, at)))
            while len(self.told) > rules.strangers:
                del self.told[next(iter(self.told))]
        self.episode = Episode(at)
        return self.episode

    def active_episode(self, at: float, rules: Rules) -> Episode | None:
        """The run of strange use, while it goes on."""
        episode = self.episode
        is_active = episode is not None and at - episode.last <= rules.active_seconds
        return episode if is_active else None

    def told_of(self, network: str, at: float) -> int:
        """The level at which a network was already told lately."""
        rank, since = self.told.get(network, (0, 0.0))
        return rank if at - since < TOLD_SECONDS else 0

    def note_values(
        self, network: str, parts: tuple[tuple[int, str], ...], at: float, *, is_strange: bool
    ) -> None:
        """Note what a successful use showed, for its hour; never a stranger's under suspicion."""
        is_suspect = self.is_suspect or self.told_of(network, at) >= ThreatLevel.HIGH.rank
        if not (is_strange and is_suspect):
            self.tally.note(parts)

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
        self.familiar.clear()

    def rearm(self, rules: Rules) -> None:
        """Forget what was said, so that it is said again.

        Not of the owner's next use, though: the stranger has to come back for it."""
        self.told.clear()
        self.volume_told = (0, 0.0)
        if self.episode is not None:
            self.episode.told, self.episode.told_at = 0, 0.0
            self.episode.next_check = self.episode.strange
            self.episode.last -= rules.active_seconds + 1

    def close(self, hour: int, rules: Rules) -> None:
        """Learn from the hour that ended, and begin the next one."""
        learn(self.base, self.tally, rules, is_suspect=self.is_suspect)
        self.strange_peak = max(self.strange_peak, self.tally.strange)
        self.tally = Tally(hour)
        self.familiar.clear()
        self.strange.clear()
        self.forget_novel()
        self.relimit(rules)

    def forget_novel(self) -> None:
        """Drop new values that nobody used for a day."""
        for values in self.novel:
            for value in [v for v, (_, last, _) in values.items() if self.last_at - last > _DAY]:
                del values[value]

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
            "is_old": is_old(self.base, self.facts),
        }
        episode = self.active_episode(at, rules)
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
        found = sorted((last, value) for value, (_, last, _) in self.novel[dimension].items())
        return tuple(
            Novel(
                value,
                self.novel[dimension][value][0],
                self.base.trust(dimension, value, hour, rules),
                self.novel[dimension][value][2],
            )
            for last, value in found
            if at - last <= _ACTIVE
        )


def is_old(base: Baseline, facts: KeyFacts | None) -> bool:
    """True for a key that was made long before its first use that was seen."""
    made = facts.created_at if facts is not None else None
    return made is not None and base.since * 3600 - made.timestamp() > _OLD


def limits_of(base: Baseline, facts: KeyFacts | None, rules: Rules) -> tuple[float, float]:
    """What is usual in a minute, and in ten seconds."""
    quota = facts.rate_limit_per_min if facts is not None else None
    if not base.active:
        limit = float(quota or rules.default_per_minute)
    else:
        factor = rules.factor * (1 + max(0.0, _LEARNED - base.active) / _LEARNED)
        own = max(rules.least_per_minute, factor * base.peak_60)
        limit = max(min(float(quota or own), own), 1.3 * base.peak_60, 5.0)
    return limit, max(limit / 3, rules.factor * base.peak_10)


def parts_of(source: Source, agent: str, path: str) -> tuple[tuple[int, str], ...]:
    """The values of one use that have a past, by dimension."""
    values = (source.address, source.network, source.country, source.kind.value)
    found = tuple((at, value) for at, value in enumerate(values) if value)
    return (*found, (len(values), agent), (len(values) + 1, path))
