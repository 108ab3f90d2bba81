# SPDX-License-Identifier: Apache-2.0
"""What sources do across keys: one stranger on several keys, or a colleague's known home. Bounded.

Addresses that were found with one stolen key are remembered for the others."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from msgspec import Struct

from twinguard.decide.threats.baseline import ADDRESS, Baseline
from twinguard.decide.threats.rules import Rules

_WITHIN = 3600.0
_REMEMBERED = 7 * 86400.0
_KEYS = 64
_HOME_DAYS = 3


T = TypeVar("T")


class Seen(Struct, frozen=True):
    """What is known of a strange source from other keys."""

    keys: int
    same_agent: bool
    is_flagged: bool
    is_home: bool


class Neighbours:
    """Sources by the keys they were strange to, at home with, or found with."""

    def __init__(self, rules: Rules) -> None:
        self._most = rules.cached
        self._strange: OrderedDict[str, dict[str, tuple[float, str]]] = OrderedDict()
        self._homes: OrderedDict[str, str] = OrderedDict()
        self._family: OrderedDict[str, str] = OrderedDict()
        self._flagged: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def seen(self, address: str, agent: str, key_id: str, at: float) -> Seen:
        """Note a strange source on a key and say what it did on others within the hour."""
        keys = self._strange.setdefault(address, {})
        keys[key_id] = (at, agent)
        if len(keys) > _KEYS:
            del keys[next(iter(keys))]
        self._strange.move_to_end(address)
        _bounded(self._strange, self._most)
        own = self._family.get(key_id, key_id)
        others = [
            name
            for key, (when, name) in keys.items()
            if at - when < _WITHIN and self._family.get(key, key) != own
        ]
        owner, flagged_at = self._flagged.get(address, (key_id, 0.0))
        return Seen(
            keys=len(others),
            same_agent=agent in others,
            is_flagged=owner != key_id and at - flagged_at < _REMEMBERED,
            is_home=self._homes.get(address, key_id) != key_id,
        )

    def home(self, address: str, key_id: str, base: Baseline) -> None:
        """Note that a source belongs to a key, once it was there for some days.

        Keys that are at home in the same place have one owner: where one moves, others follow."""
        entry = base.seen[ADDRESS].get(address) if address else None
        if entry is None or entry[2] < _HOME_DAYS:
            return
        owner = self._homes.setdefault(address, key_id)
        _bounded(self._homes, self._most)
        if owner != key_id and key_id not in self._family:
            self._family[key_id] = self._family.get(owner, owner)
            _bounded(self._family, self._most)

    def flag(self, address: str, key_id: str, at: float) -> None:
        """Note that a source was found with a stolen key."""
        if address not in self._homes:
            self._flagged[address] = (key_id, at)
            _bounded(self._flagged, self._most)


def _bounded(kept: OrderedDict[str, T], most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
