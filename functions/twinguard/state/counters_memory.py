# SPDX-License-Identifier: Apache-2.0
"""Counters in the memory of one process: for one instance, for tests, and to measure against.

Safe to call from several threads. What holds a key back is forgotten when the process ends."""

from __future__ import annotations

import datetime as dt
import queue
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from twinguard.counters import Answer
from twinguard.decide.restraints import MINUTE, Curb, Restraint, wait
from twinguard.decide.threats.baseline import Baseline
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import Use
from twinguard.decide.threats.window import Sliding

if TYPE_CHECKING:
    from twinguard.state.counters import Options

_HEARTBEAT = 0.1
_SWEPT = 1_000
"""Keys that are held back before what is over is looked for."""


class MemoryCounters:
    """`Counters` of this process."""

    is_instant = True
    is_shared = False

    def __init__(self, options: Options) -> None:
        self._watch = Watch(options.keys, options.place_of, options.rules)
        self._held: dict[str, Restraint] = {}
        self._served: dict[str, Sliding] = {}
        self._sweep_at = _SWEPT
        self._followers: list[queue.Queue[Restraint]] = []
        self._lock = threading.Lock()

    def admit(self, use: Use) -> Answer:
        """Say whether a request may pass; if so, count it and say what it shows."""
        with self._lock:
            held = self._held.get(use.key_id)
            if held is None:
                return self._counted(use, is_open=True)
            return self._admit_held(use, held)

    def settle(self, use: Use) -> None:
        """Say how a request that was admitted has ended."""
        with self._lock:
            self._watch.settle(use)

    def observe(self, use: Use) -> Answer:
        """Count a request that was served elsewhere."""
        with self._lock:
            return self._counted(use)

    def restrain(self, restraint: Restraint) -> None:
        """Hold a key back, or lift what does."""
        with self._lock:
            self._hold(restraint)
            if restraint.is_owner:
                self._watch.accept(restraint.key_id)
            elif restraint.curb is Curb.NONE:
                self._watch.rearm(restraint.key_id)
            for follower in self._followers:
                follower.put(restraint)

    def baseline(self, key_id: str) -> Baseline | None:
        """What was learned of a key."""
        return self._watch.baseline(key_id)

    def restore(self, key_id: str, base: Baseline, now: dt.datetime) -> None:
        """Put a baseline into the place of what was learned since it was lost."""
        with self._lock:
            self._watch.restore(key_id, base, now.timestamp())

    def follow(self) -> Iterator[tuple[Restraint, ...]]:
        """First everything that is in force, then what changes."""
        changes: queue.Queue[Restraint] = queue.Queue()
        with self._lock:
            self._followers.append(changes)
            known = tuple(self._held.values())
        try:
            yield known
            while True:
                try:
                    yield (changes.get(timeout=_HEARTBEAT),)
                except queue.Empty:
                    yield ()
        finally:
            with self._lock:
                self._followers.remove(changes)

    def _hold(self, restraint: Restraint) -> None:
        """A throttle does not take the place of a block."""
        known = self._held.get(restraint.key_id)
        if restraint.curb is Curb.NONE:
            self._let_go(restraint.key_id)
        elif not (known and known.curb is Curb.BLOCK and known.holds(restraint.since)) or (
            restraint.curb is Curb.BLOCK
        ):
            self._held[restraint.key_id] = restraint
            if restraint.curb is Curb.BLOCK:
                self._served.pop(restraint.key_id, None)
        if len(self._held) > self._sweep_at:
            self._sweep(restraint.since)

    def _sweep(self, now: float) -> None:
        """Forget what is over, so seldom that it costs nothing."""
        for key_id in [name for name, held in self._held.items() if not held.holds(now)]:
            self._let_go(key_id)
        self._sweep_at = max(_SWEPT, 2 * len(self._held))

    def _let_go(self, key_id: str) -> None:
        self._held.pop(key_id, None)
        self._served.pop(key_id, None)

    def _admit_held(self, use: Use, held: Restraint) -> Answer:
        at = use.at.timestamp()
        if not held.holds(at):
            self._let_go(use.key_id)
            return self._counted(use, is_open=True)
        if held.curb is Curb.BLOCK:
            return Answer(refused=held)
        served = self._served.setdefault(use.key_id, Sliding(MINUTE))
        at = max(at, served.bucket * MINUTE)  # clocks of instances differ
        seconds = wait(served, held.rate, at)
        if seconds:
            return Answer(refused=held, retry_after=seconds, rate=held.rate)
        served.add(at)
        return self._counted(use, is_open=True, rate=held.rate)

    def _counted(self, use: Use, *, is_open: bool = False, rate: int = 0) -> Answer:
        found = self._watch.observe(use, is_open=is_open)
        return Answer(findings=found, is_strange=self._watch.is_strange(use), rate=rate)
