# SPDX-License-Identifier: Apache-2.0
"""Watch keys in memory: one use in, findings out; the use's time is the clock.

Known use costs a look-up and some counting; only strange use and volume are weighed. Late and
repeated uses change nothing. Memory is bounded: keys unused longest are forgotten first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from twinguard.decide.threats.assess import assess, finding
from twinguard.decide.threats.baseline import ADDRESS, AGENT, NETWORK, PATH, Baseline, learn
from twinguard.decide.threats.detectors import surprise
from twinguard.decide.threats.hot import Episode, Hot, parts_of
from twinguard.decide.threats.neighbours import Neighbours
from twinguard.decide.threats.reader import Reader
from twinguard.decide.threats.rules import RULES, Rules
from twinguard.decide.threats.sources import GENERIC, IDLE, LISTING, SCANNERS, Source
from twinguard.decide.threats.values import Finding, KeyFacts, Place, ThreatLevel, Use

_CUT = 512
_STRANGE = 2.5
"""Bits from which on a new value makes a use strange; below, the key is used to new ones."""

_TOLD_SECONDS = 14 * 86400.0
_VOLUME_SECONDS = 3 * 86400.0
_DAY_SECONDS = 86400.0
_FAILED = 400
_MEDIUM, _HIGH = ThreatLevel.MEDIUM.rank, ThreatLevel.HIGH.rank


class Watch:
    """The state of all keys. `place_of` says where an address is, None where nobody knows."""

    def __init__(
        self,
        keys: Iterable[KeyFacts] = (),
        place_of: Callable[[str], Place | None] | None = None,
        rules: Rules = RULES,
        baselines: Mapping[str, Baseline] | None = None,
    ) -> None:
        self.rules = rules
        self.late = self.repeated = 0
        self._facts = {key.key_id: key for key in keys}
        self._reader = Reader(place_of or (lambda _: None), rules.cached)
        self._learned = dict(baselines or {})
        self._keys: OrderedDict[str, Hot] = OrderedDict()
        self._neighbours = Neighbours(rules)

    def observe(self, use: Use) -> tuple[Finding, ...]:
        """Record a use and say what it shows that has not been said before."""
        at = use.at.timestamp()
        hot = self._keys.get(use.key_id)
        if hot is None:
            hot = self._admitted(use.key_id, at)
        elif at <= hot.last_at:
            if self._is_old(hot, use, at):
                return ()
            at = hot.last_at
        hot.last_at, hot.last = at, use
        tally = hot.tally
        if int(at / 3600) != tally.hour:
            self._close(hot, int(at / 3600))
            tally = hot.tally
        tally.requests += 1
        hot.hourly.add(at)
        r60, r10 = hot.minute.add(at), hot.ten.add(at)
        tally.peak_60 = max(tally.peak_60, r60)
        tally.peak_10 = max(tally.peak_10, r10)
        signature = (use.ip, use.user_agent, use.path)
        is_due = False
        if use.status < _FAILED and signature in hot.familiar:
            hot.known_at = at
            hot.take_turns()
        else:
            is_due = self._look(hot, use, signature, at)
        if not is_due and r60 <= hot.alarm and r10 <= hot.short:
            return ()
        return self._weighed(hot, use, at, r60, r10)

    def accept(self, key_id: str) -> None:
        """What is strange about a key now is its owner's: somebody looked and said so."""
        if (hot := self._keys.get(key_id)) is not None:
            hot.accept(self.rules)

    def baseline(self, key_id: str) -> Baseline | None:
        """What was learned of a key until the last hour that ended."""
        hot = self._keys.get(key_id)
        return hot.base if hot is not None else self._learned.get(key_id)

    @property
    def tracked(self) -> int:
        """So many keys are remembered."""
        return len(self._keys)

    def _is_old(self, hot: Hot, use: Use, at: float) -> bool:
        """True for what came late, or again. Times of whole seconds tell nothing about that."""
        if at < hot.last_at - self.rules.late_seconds:
            self.late += 1
            return True
        is_again = use.at.microsecond > 0 and use == hot.last
        self.repeated += is_again
        return is_again

    def _admitted(self, key_id: str, at: float) -> Hot:
        hour = int(at / 3600)
        base = self._learned.get(key_id) or Baseline(since=hour)
        hot = self._keys[key_id] = Hot(base, hour, self._facts.get(key_id), self.rules)
        if len(self._keys) > self.rules.keys:
            self._keys.popitem(last=False)
        return hot

    def _close(self, hot: Hot, hour: int) -> None:
        """Learn from the hour that ended, and begin the next one."""
        learn(hot.base, hot.tally, self.rules, is_suspect=hot.is_suspect)
        hot.strange_peak = max(hot.strange_peak, hot.tally.strange)
        hot.tally = type(hot.tally)(hour)
        hot.familiar.clear()
        hot.strange.clear()
        for values in hot.novel:
            for value in [
                v for v, (_, last, _) in values.items() if hot.last_at - last > _DAY_SECONDS
            ]:
                del values[value]
        hot.relimit(self.rules)
        self._keys.move_to_end(hot.last.key_id if hot.last else "")

    def _look(self, hot: Hot, use: Use, signature: tuple[str, str, str], at: float) -> bool:
        """Tell known from strange use; True where it is worth weighing."""
        values = hot.strange.get(signature)
        if values is None:
            source, agent, path = self._reader.read(use)
            if path in IDLE:
                return False
            hour, base, rules = hot.tally.hour, hot.base, self.rules
            parts = parts_of(source, agent, path)
            novel = [p for p in parts if base.trust(p[0], p[1], hour, rules) < 1]
            bits = base.maturity(hour) * max(
                (
                    surprise(1, base.churn(d, hour)) * (1 - base.trust(d, v, hour, rules))
                    for d, v in novel
                    if d != PATH
                ),
                default=0.0,
            )
            is_fine = use.status < _FAILED
            is_suspect = hot.is_suspect or self._told(hot, source.network, at) >= _HIGH
            if is_fine and not (bits >= _STRANGE and is_suspect):
                for dimension, value in parts:
                    hot.tally.values[dimension][value] = True
            if bits < _STRANGE:
                return self._known(hot, use, signature, at, source, novel, is_fine=is_fine)
            values = tuple(novel)
            hot.bounded()
            hot.strange[signature] = values
        return self._stranger(hot, use, at, values)

    def _known(
        self,
        hot: Hot,
        use: Use,
        signature: tuple[str, str, str],
        at: float,
        source: Source,
        novel: list[tuple[int, str]],
        *,
        is_fine: bool,
    ) -> bool:
        """A known source, or one of a key that is used to new ones."""
        is_news = False
        for dimension, value in novel:
            fresh = hot.note_novel(dimension, value, at, self.rules.strangers)
            is_news |= fresh and dimension == NETWORK
        hot.known_at = at
        hot.known_country = source.country or hot.known_country
        hot.recent[source.network] = at
        addresses = sum(at - last <= self.rules.active_seconds for last in hot.recent.values())
        hot.tally.concurrent = max(hot.tally.concurrent, addresses)
        hot.take_turns()
        hot.bounded()
        if is_fine:
            hot.familiar[signature] = at
            self._neighbours.home(source.address, use.key_id, hot.base)
        return is_news

    def _stranger(self, hot: Hot, use: Use, at: float, values: tuple[tuple[int, str], ...]) -> bool:
        episode = self._episode(hot, at)
        is_news = False
        for dimension, value in values:
            is_news |= hot.note_novel(dimension, value, at, self.rules.strangers)
        episode.last = at
        episode.strange += 1
        episode.hours.add(hot.tally.hour)
        hot.tally.strange += 1
        hot.strange_minute.add(at)
        hot.strange_hour.add(at)
        if not hot.was_strange:
            hot.was_strange = True
            episode.changes += hot.known_at > episode.since
        if use.status >= _FAILED:
            episode.failed += 1
            if len(episode.failed_paths) < 16:  # noqa: PLR2004 - more tell no more
                episode.failed_paths.add(use.path[:_CUT])
            is_news = True
        else:
            episode.succeeded += 1
        if is_news:
            self._describe(hot, use, episode, at)
        if episode.strange >= episode.next_check or is_news:
            episode.next_check = max(episode.strange + 1, int(episode.strange * 1.15))
            return True
        return False

    def _describe(self, hot: Hot, use: Use, episode: Episode, at: float) -> None:
        """What a stranger's new value says besides being new."""
        source, agent, _ = self._reader.read(use)
        episode.kinds.add(source.kind)
        if len(episode.networks) < self.rules.strangers:
            episode.networks.add(source.network)
        episode.listing |= LISTING.search(use.path[:_CUT]) is not None
        episode.scanner |= SCANNERS.search(use.user_agent[:_CUT]) is not None
        hour = hot.tally.hour
        if hot.base.trust(AGENT, agent, hour, self.rules) < 1:
            episode.generic |= GENERIC.search(use.user_agent[:_CUT]) is not None
        is_new = hot.base.trust(ADDRESS, source.address, hour, self.rules) < 1
        if source.address and is_new:
            seen = self._neighbours.seen(source.address, agent, use.key_id, at)
            episode.other_keys = max(episode.other_keys, seen.keys)
            episode.agent_keys |= seen.same_agent
            episode.flagged |= seen.is_flagged
            episode.colleague &= seen.is_home
        else:
            episode.colleague = False

    def _episode(self, hot: Hot, at: float) -> Episode:
        episode = hot.episode
        rules = self.rules
        if (
            episode is None
            or at - episode.last > rules.quiet_seconds
            or at - episode.since > rules.longest_seconds
        ):
            if episode is not None and episode.told < _MEDIUM:
                hot.base.strange_hour = max(hot.base.strange_hour, float(hot.strange_peak))
            hot.strange_peak = 0
            if episode is not None and episode.told:
                for network in episode.networks:
                    hot.told[network] = (episode.told, at)
                while len(hot.told) > self.rules.strangers:
                    del hot.told[next(iter(hot.told))]
            episode = hot.episode = Episode(at)
        return episode

    def _weighed(
        self, hot: Hot, use: Use, at: float, r60: float, r10: float
    ) -> tuple[Finding, ...]:
        if r60 > hot.alarm or r10 > hot.short:
            hot.alarm, hot.short = max(r60, hot.alarm) * 1.5, max(r10, hot.short) * 1.5
        episode = hot.episode
        if episode is not None and at - episode.last > self.rules.active_seconds:
            hot.episode, kept = None, episode
            window = hot.window(at, r60, r10, self.rules)
            hot.episode = kept
            episode = None
        else:
            window = hot.window(at, r60, r10, self.rules)
        found = assess(use, window, hot.base, self.rules)
        if found.level is None:
            return ()
        rank = found.level.rank
        if episode is None or not episode.strange:
            told, since = hot.volume_told
            if rank <= told and at - since < _VOLUME_SECONDS:
                return ()
            hot.volume_told = (rank, at)
        else:
            source, agent, _ = self._reader.read(use)
            if rank <= self._told(hot, source.network, at):
                return ()
            if rank <= episode.told and not hot.is_another(source, agent, at, self.rules):
                return ()
            episode.told, episode.told_at = max(rank, episode.told), at
            is_new = hot.base.trust(ADDRESS, source.address, hot.tally.hour, self.rules) < 1
            if rank >= _HIGH and is_new:
                self._neighbours.flag(source.address, use.key_id, at)
        return (finding(use, window, found, found.level),)

    def _told(self, hot: Hot, network: str, at: float) -> int:
        """The level at which a network was already told lately."""
        rank, since = hot.told.get(network, (0, 0.0))
        return rank if at - since < _TOLD_SECONDS else 0
