# SPDX-License-Identifier: Apache-2.0
"""Watch keys in memory: one use in, findings out; the use's time is the clock.

Known use costs a look-up; only strange use and volume are weighed. Memory is bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from twinguard.decide.threats.assess import assess, finding
from twinguard.decide.threats.baseline import ADDRESS, NETWORK, Baseline
from twinguard.decide.threats.episode import Episode
from twinguard.decide.threats.hot import Hot, parts_of
from twinguard.decide.threats.neighbours import Neighbours
from twinguard.decide.threats.newcomers import Newcomers
from twinguard.decide.threats.reader import Reader
from twinguard.decide.threats.rules import RULES, Rules
from twinguard.decide.threats.sighting import (
    CUT,
    HIGH,
    Sighting,
    Told,
    is_said,
    marks_of,
    sighted,
    words_of,
)
from twinguard.decide.threats.sources import IDLE
from twinguard.decide.threats.values import FAILED, Finding, KeyFacts, Place, Use


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
        self._newcomers = Newcomers(rules)
        self._neighbours = Neighbours(rules)

    def observe(self, use: Use, *, is_open: bool = False) -> tuple[Finding, ...]:
        """Record a use and say what it shows that has not been said before.

        An open one has not ended yet: nothing is learned from it until `settle` says how it did."""
        at = use.at.timestamp()
        hot = self._keys.get(use.key_id)
        if hot is None:
            hot = self._new(use, at, is_served=use.status < FAILED and not is_open)
        if at <= hot.last_at:
            if self._is_old(hot, use, at, is_open=is_open):
                return ()
            at = hot.last_at
        hot.last_at, hot.last = at, use
        tally = hot.tally
        if int(at / 3600) != tally.hour:
            hot.close(int(at / 3600), self.rules)
            tally = hot.tally
            self._keys.move_to_end(use.key_id)
        tally.requests += 1
        hot.hourly.add(at)
        r60, r10 = hot.minute.add(at), hot.ten.add(at)
        tally.peak_60 = max(tally.peak_60, r60)
        tally.peak_10 = max(tally.peak_10, r10)
        signature = (use.ip, use.user_agent, use.path)
        is_due = False
        if use.status < FAILED and signature in hot.familiar:
            hot.known_at = at
            hot.take_turns()
        elif not hot.is_new:
            is_due = self._look(hot, use, signature, at, is_open=is_open)
        if not is_due and r60 <= hot.alarm and r10 <= hot.short:
            return ()
        return self._weighed(hot, use, at, r60, r10)

    def settle(self, use: Use) -> None:
        """Say how an open use ended: learn from it, or count a stranger's failure."""
        at = use.at.timestamp()
        hot = self._keys.get(use.key_id)
        if hot is None and use.status < FAILED:
            hot = self._new(use, at, is_served=True)
        if hot is None or hot.is_new or int(at / 3600) != hot.tally.hour:
            return
        signature = (use.ip, use.user_agent, use.path)
        if use.status < FAILED and (signature in hot.familiar or signature in hot.strange):
            return
        seen = sighted(use, hot.tally.hour, hot.base, self._reader, self.rules)
        if seen.is_idle:
            return
        if use.status >= FAILED and hot.episode is not None and seen.is_strange:
            hot.episode.fail_after_all(use.path[:CUT])
        if use.status >= FAILED:
            return
        hot.note_values(seen.source.network, seen.parts, at, is_strange=seen.is_strange)
        hot.bounded()
        if seen.is_strange:
            hot.strange[signature] = seen.novel
        else:
            hot.familiar[signature] = at
            self._neighbours.home(seen.source.address, use.key_id, hot.base)

    def is_strange(self, use: Use) -> bool:
        """True for a use that its key is not used to, once it was observed."""
        hot = self._keys.get(use.key_id)
        signature = (use.ip, use.user_agent, use.path)
        if hot is None or signature in hot.familiar:
            return False
        seen = sighted(use, hot.tally.hour, hot.base, self._reader, self.rules)
        return seen.is_strange and not seen.is_idle

    def rearm(self, key_id: str) -> None:
        """Forget what was said of a key, so that it is said again: somebody lifted its block."""
        if (hot := self._keys.get(key_id)) is not None:
            hot.rearm(self.rules)

    def accept(self, key_id: str) -> None:
        """What is strange about a key now is its owner's: somebody looked and said so."""
        if (hot := self._keys.get(key_id)) is not None:
            hot.accept(self.rules)

    def baseline(self, key_id: str) -> Baseline | None:
        """What was learned of a key until the last hour that ended."""
        hot = self._keys.get(key_id)
        return hot.base if hot is not None else self._learned.get(key_id)

    def restore(self, key_id: str, base: Baseline, at: float) -> None:
        """Know a key by this baseline from now on."""
        hot = self._keys.get(key_id)
        if hot is None:
            self._keep(key_id, Hot(base, int(at / 3600), self._facts.get(key_id), self.rules))
            return
        hot.base = base
        hot.relimit(self.rules)

    @property
    def tracked(self) -> int:
        """So many keys are remembered; those unused longest are forgotten first."""
        return len(self._keys)

    def _is_old(self, hot: Hot, use: Use, at: float, *, is_open: bool) -> bool:
        """True for what came late, or again. Times of whole seconds tell nothing about that.

        An open use is here now: if it seems late, another instance's clock is ahead."""
        if at < hot.last_at - self.rules.late_seconds and not is_open:
            self.late += 1
            return True
        is_again = use.at.microsecond > 0 and use == hot.last
        self.repeated += is_again
        return is_again

    def _new(self, use: Use, at: float, *, is_served: bool) -> Hot:
        """A key of which nothing is remembered: it begins where it was learned, or is served."""
        base, facts = self._learned.get(use.key_id), self._facts.get(use.key_id)
        if base is not None:
            hot = Hot(base, int(at / 3600), facts, self.rules)
        else:
            source, _, path = self._reader.read(use)
            is_served = is_served and path not in IDLE
            hot = self._newcomers.met(use.key_id, at, facts, source if is_served else None)
        if not hot.is_new:
            self._keep(use.key_id, hot)
        return hot

    def _keep(self, key_id: str, hot: Hot) -> None:
        self._keys[key_id] = hot
        if len(self._keys) > self.rules.keys:
            self._keys.popitem(last=False)

    def _look(
        self, hot: Hot, use: Use, signature: tuple[str, str, str], at: float, *, is_open: bool
    ) -> bool:
        """Tell known from strange use; True where it is worth weighing."""
        values = hot.strange.get(signature)
        if values is None:
            seen = sighted(use, hot.tally.hour, hot.base, self._reader, self.rules)
            if seen.is_idle:
                return False
            is_fine = use.status < FAILED and not is_open
            if is_fine:
                hot.note_values(seen.source.network, seen.parts, at, is_strange=seen.is_strange)
            if not seen.is_strange:
                return self._known(hot, use, signature, at, seen, is_fine=is_fine)
            values = seen.novel
            if not is_open:
                hot.bounded()
                hot.strange[signature] = values
        return self._stranger(hot, use, at, values)

    def _known(
        self,
        hot: Hot,
        use: Use,
        signature: tuple[str, str, str],
        at: float,
        seen: Sighting,
        *,
        is_fine: bool,
    ) -> bool:
        """A known source, or one of a key that is used to new ones."""
        is_news, source = False, seen.source
        for dimension, value in seen.novel:
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
        episode = hot.episode_at(at, self.rules)
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
        if use.status >= FAILED:
            episode.note_failure(use.path[:CUT])
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
        hour = hot.tally.hour
        seen = sighted(use, hour, hot.base, self._reader, self.rules)
        words = words_of(use, seen, hour, hot.base, self.rules)
        episode.kinds.add(seen.source.kind)
        if len(episode.networks) < self.rules.strangers:
            episode.networks.add(seen.source.network)
        episode.listing |= words.is_listing
        episode.scanner |= words.is_scanner
        episode.generic |= words.is_generic
        if words.is_new_address:
            near = self._neighbours.seen(seen.source.address, seen.agent, use.key_id, at)
            episode.meet(near)
        else:
            episode.colleague = False

    def _weighed(
        self, hot: Hot, use: Use, at: float, r60: float, r10: float
    ) -> tuple[Finding, ...]:
        if r60 > hot.alarm or r10 > hot.short:
            hot.alarm, hot.short = max(r60, hot.alarm) * 1.5, max(r10, hot.short) * 1.5
        episode = hot.active_episode(at, self.rules)
        window = hot.window(at, r60, r10, self.rules)
        source, agent, path = self._reader.read(use)
        window = window.shown_by(parts_of(source, agent, path))
        found = assess(use, window, hot.base, self.rules)
        if found.level is None:
            return ()
        rank = found.level.rank
        is_strange = episode is not None and episode.strange > 0
        came = tuple(hot.since(*mark) for mark in marks_of(source, agent))
        told = Told(
            *hot.volume_told,
            network=hot.told_of(source.network, at),
            episode=episode.told if episode is not None else 0,
            episode_at=episode.told_at if episode is not None else 0.0,
        )
        if is_said(rank, told, at, came, self.rules, is_strange=is_strange):
            return ()
        if episode is None or not is_strange:
            hot.volume_told = (rank, at)
        else:
            episode.told, episode.told_at = max(rank, episode.told), at
            is_new = hot.base.trust(ADDRESS, source.address, hot.tally.hour, self.rules) < 1
            if rank >= HIGH and is_new:
                self._neighbours.flag(source.address, use.key_id, at)
        return (finding(use, window, found, found.level),)
