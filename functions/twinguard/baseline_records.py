# SPDX-License-Identifier: Apache-2.0
"""A durable copy of what is usual for keys, for the day on which the counters lose everything.

Kept at most every six hours of a key's life; put back where the counters know less. The counters
stay the place where a baseline is learned."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

import msgspec

from twinguard.counters import Usual
from twinguard.decide.threats.baseline import VERSION, Baseline, survivor
from twinguard.errors import Conflict, Unavailable
from twinguard.ports import Records
from twinguard.readers import ready

KIND = "baselines"
EVERY = dt.timedelta(minutes=10)
"""So often a key that is used is looked after, by each instance."""

_KEPT = dt.timedelta(days=60)
_MOST, _AT_ONCE = 20_000, 50
_log = logging.getLogger("twinguard")

ready(Baseline)


class BaselineKeeper:
    """Looks after the baselines of keys that are used."""

    def __init__(self, records: Records, counters: Usual) -> None:
        self._records, self._counters = records, counters
        self._looked: dict[str, dt.datetime] = {}

    def look_after(self, key_ids: Iterable[str], now: dt.datetime) -> None:
        """Keep what the counters know of keys, or tell them what is kept.

        Nothing here may hold up an event: what does not answer is asked again in ten minutes."""
        due = [one for one in key_ids if now - self._looked.get(one, _LONG_AGO) >= EVERY]
        due = due[:_AT_ONCE]  # the others' turn comes with the next batch
        if len(self._looked) + len(due) > _MOST:
            self._looked.clear()
        self._looked.update(dict.fromkeys(due, now))
        try:
            for key_id in due:
                self._look_after(key_id, now)
        except Unavailable as err:
            _log.warning("baselines are not looked after: %s", err)

    def _look_after(self, key_id: str, now: dt.datetime) -> None:
        stored = self._records.get(KIND, key_id)
        known = None if stored is None else _baseline(stored.value.get("learned"))
        mine = self._counters.baseline(key_id)
        best = survivor(known, mine)
        if best is None:
            return
        if best is known:
            self._counters.restore(key_id, best, now)
            _log.warning("%s: its baseline was lost and is put back", key_id)
            return
        learned = cast("dict[str, Any]", msgspec.to_builtins(best))
        version = None if stored is None else stored.version
        with suppress(Conflict):  # another instance was faster
            self._records.put(KIND, key_id, {"learned": learned}, version, now + _KEPT)


def kept(records: Records, key_id: str) -> Baseline | None:
    """What is kept of a key: some hours behind what the counters know."""
    stored = records.get(KIND, key_id)
    return None if stored is None else _baseline(stored.value.get("learned"))


def _baseline(learned: object) -> Baseline | None:
    """A stored baseline; None for one of another program's version, which is learned anew."""
    try:
        found = msgspec.convert(learned, Baseline)
    except msgspec.ValidationError:
        return None
    return found if found.version == VERSION else None


_LONG_AGO = dt.datetime.min.replace(tzinfo=dt.UTC)
