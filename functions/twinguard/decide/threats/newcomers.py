# SPDX-License-Identifier: Apache-2.0
"""Keys that nothing was served to yet: anybody can make them up, so each may only cost a little.

Their volume is counted for a short while, nothing else. A key begins with the first request that
succeeds; pages that answer everybody let only so many begin from one source. Bounded."""

from __future__ import annotations

from collections import OrderedDict

from twinguard.decide.threats.baseline import Baseline
from twinguard.decide.threats.hot import Hot
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.sources import Source
from twinguard.decide.threats.values import KeyFacts, NetworkKind


class Newcomers:
    """Keys before they begin."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._keys: OrderedDict[str, Hot] = OrderedDict()
        self._begun: dict[str, int] = {}
        self._hour = 0

    def met(self, key_id: str, at: float, facts: KeyFacts | None, served: Source | None) -> Hot:
        """A key with its volume; that of another hour, or before a pause, is forgotten.

        Once it was `served` somewhere it begins, and is not new any more."""
        hour = int(at / 3600)
        hot = self._keys.pop(key_id, None)
        if hot is None or hour > hot.tally.hour or at - hot.last_at > self._rules.brief_seconds:
            hot = self._fresh(hour, facts)
        if served is not None and self._may_begin(served, hour):
            if hot.tally.hour != hour:
                hot = self._fresh(hour, facts)
            hot.is_new = False
            return hot
        self._keys[key_id] = hot
        if len(self._keys) > self._rules.newcomers:
            self._keys.popitem(last=False)
        return hot

    def _may_begin(self, source: Source, hour: int) -> bool:
        """False where too many keys have begun from this source within the hour."""
        if hour > self._hour or len(self._begun) >= self._rules.cached:
            self._hour, self._begun = hour, {}
        if not is_limited(source):
            return True
        count = self._begun[source.address] = self._begun.get(source.address, 0) + 1
        return count <= self._rules.begin_per_hour

    def _fresh(self, hour: int, facts: KeyFacts | None) -> Hot:
        hot = Hot(Baseline(since=hour), hour, facts, self._rules)
        hot.is_new = True
        return hot

    def __len__(self) -> int:
        return len(self._keys)


def is_limited(source: Source) -> bool:
    """True where a stranger may sit: on the Internet."""
    return bool(source.address) and source.kind is not NetworkKind.INTERNAL
