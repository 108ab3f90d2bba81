# SPDX-License-Identifier: Apache-2.0
"""Counters where there is no Redis: who is held back is in the records, what is strange in memory.

For small environments. Every instance asks for the block list once a second at most; a throttle
is exact across instances, because each request of a throttled key goes through its record."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import msgspec

from twinguard.counters import Answer
from twinguard.decide.restraints import MINUTE, Curb, Restraint, wait
from twinguard.decide.threats.baseline import Baseline
from twinguard.decide.threats.values import Use
from twinguard.decide.threats.window import Sliding
from twinguard.errors import Conflict, Misconfigured, Unavailable
from twinguard.ports import Records, Stored
from twinguard.readers import ready
from twinguard.state.counters_memory import MemoryCounters

if TYPE_CHECKING:
    from twinguard.state.counters import Options

KIND = "restraints"
SERVED = "served"
_ATTEMPTS = 20
_LONGEST = dt.timedelta(days=400)
_HEARD = dt.timedelta(days=1)
"""So long what is over can still be asked for: every instance has heard of a lift by then."""

ready(Restraint)


class RecordsCounters:
    """`Counters` over records; `every` is how many seconds a block list is good for."""

    is_instant = False
    is_shared = False

    def __init__(self, records: Records, options: Options, every: float = 1.0) -> None:
        self._records = records
        self._memory = MemoryCounters(options)
        self._every = every
        self._held: dict[str, Restraint] = {}
        self._lifted: dict[str, Restraint] = {}
        self._asked = -every
        self._lock = threading.Lock()

    def admit(self, use: Use) -> Answer:
        """Say whether a request may pass; if so, count it and say what it shows."""
        held, at = self._known().get(use.key_id), use.at.timestamp()
        if held is None or not held.holds(at):
            return self._memory.admit(use)
        if held.curb is Curb.BLOCK:
            return Answer(refused=held)
        if seconds := self._wait(use.key_id, held.rate, at):
            return Answer(refused=held, retry_after=seconds, rate=held.rate)
        return msgspec.structs.replace(self._memory.admit(use), rate=held.rate)

    def settle(self, use: Use) -> None:
        """Say how a request that was admitted has ended."""
        self._memory.settle(use)

    def observe(self, use: Use) -> Answer:
        """Count a request that was served elsewhere."""
        self._known()  # what was lifted is judged anew from then on
        return self._memory.observe(use)

    def restrain(self, restraint: Restraint) -> None:
        """Hold a key back, or lift what does, on every instance."""
        fields = cast("dict[str, Any]", msgspec.to_builtins(restraint))
        fields |= {"active": True}  # a lift too: other instances have to hear of it
        expires = _expires(restraint)
        for _ in range(_ATTEMPTS):
            stored = self._records.get(KIND, restraint.key_id)
            known = None if stored is None else _restraint(stored)
            if known is not None and _outranks(known, restraint):
                return
            version = None if stored is None else stored.version
            try:
                self._records.put(KIND, restraint.key_id, fields, version, expires)
            except Conflict:
                continue
            break
        else:
            raise Conflict(f"{restraint.key_id} is held back by many at once; retry")
        if restraint.curb is Curb.NONE:
            self._hear(self._lifted | {restraint.key_id: restraint})
        with self._lock:
            self._asked = -self._every

    def baseline(self, key_id: str) -> Baseline | None:
        """What this instance learned of a key."""
        return self._memory.baseline(key_id)

    def restore(self, key_id: str, base: Baseline, now: dt.datetime) -> None:
        """Put a baseline into the place of what this instance learned."""
        self._memory.restore(key_id, base, now)

    def follow(self) -> Iterator[tuple[Restraint, ...]]:
        """First everything that is in force, then what changes, asked for every second."""
        known = self._all()
        yield tuple(known.values())
        while True:
            time.sleep(self._every)
            found = self._all()
            news = [held for key_id, held in found.items() if known.get(key_id) != held]
            gone = [
                Restraint(key_id=key_id, curb=Curb.NONE, since=held.since)
                for key_id, held in known.items()
                if key_id not in found
            ]
            known = found
            yield (*news, *gone)

    def _known(self) -> dict[str, Restraint]:
        with self._lock:
            if time.monotonic() - self._asked < self._every:
                return self._held
            self._asked = time.monotonic()
        self._held = self._all()
        return self._held

    def _all(self) -> dict[str, Restraint]:
        found = [_restraint(stored) for stored in self._records.find(KIND, active=True)]
        self._hear({one.key_id: one for one in found if one.curb is Curb.NONE})
        return {one.key_id: one for one in found if one.curb is not Curb.NONE}

    def _hear(self, lifted: dict[str, Restraint]) -> None:
        """Judge lifted keys anew here, once for each lift."""
        with self._lock:
            news = [lift for name, lift in lifted.items() if self._lifted.get(name) != lift]
            self._lifted = lifted
        for lift in news:
            self._memory.restrain(lift)

    def _wait(self, key_id: str, rate: int, at: float) -> float:
        """Seconds until one more fits; where one fits, it is counted."""
        for _ in range(_ATTEMPTS):
            stored = self._records.get(SERVED, key_id)
            served = Sliding(MINUTE)
            if stored is not None:
                served.bucket, served.count, served.before = _three(stored)
            moment = max(at, served.bucket * MINUTE)
            if seconds := wait(served, rate, moment):
                return seconds
            served.add(moment)
            value = {"bucket": served.bucket, "count": served.count, "before": served.before}
            until = dt.datetime.fromtimestamp(moment, dt.UTC) + dt.timedelta(days=1)
            version = None if stored is None else stored.version
            try:
                self._records.put(SERVED, key_id, value, version, until)
            except Conflict:
                continue
            return 0.0
        raise Unavailable(f"{key_id} is used by many at once while it is throttled; retry")


def _expires(restraint: Restraint) -> dt.datetime:
    """When nobody needs to know of it any more."""
    since = dt.datetime.fromtimestamp(max(restraint.since, 0.0), dt.UTC)
    if restraint.curb is Curb.NONE:
        return since + _HEARD
    if restraint.until is None:
        return since + _LONGEST
    return since + dt.timedelta(seconds=restraint.until - restraint.since) + _HEARD


def _outranks(known: Restraint, new: Restraint) -> bool:
    """True where a block is in force that a throttle must not take the place of."""
    return known.curb is Curb.BLOCK and new.curb is Curb.THROTTLE and known.holds(new.since)


def _restraint(stored: Stored) -> Restraint:
    try:
        return msgspec.convert(stored.value, Restraint)
    except msgspec.ValidationError as err:
        raise Misconfigured(f"a stored restraint cannot be read: {err}; another version?") from err


def _three(stored: Stored) -> tuple[int, int, int]:
    value = cast("dict[str, int]", stored.value)
    return value["bucket"], value["count"], value["before"]
