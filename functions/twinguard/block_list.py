# SPDX-License-Identifier: Apache-2.0
"""Who is held back, as one process knows it: pushed by the store, and kept when that is gone.

A thread follows the store; when the connection is lost it follows anew, which begins with all that
is in force. How old that knowledge is can be asked at any time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from twinguard.counters import Counters
from twinguard.decide.restraints import Curb, Restraint
from twinguard.errors import TwinguardError

_log = logging.getLogger("twinguard")

AGAIN = 0.2
"""Seconds until a lost connection is made anew."""


RENEWED = 30.0
"""Seconds after which everything is asked for again, should a message have been lost."""

STALE = 60.0
"""Seconds without word from the store after which it is said, and how often from then on."""


class BlockList:
    """The restraints in force. `follow` starts the thread; without it nothing is heard.

    How old a pushed block is when it comes is logged, under the environment's name, and how old all
    of it is, once that is `stale` seconds. `before_lift` hears of each key that is let go."""

    def __init__(self, counters: Counters, environment: str = "", stale: float = STALE) -> None:
        self._counters = counters
        self.before_lift: Callable[[str], None] = lambda _: None
        self._environment = environment
        self._stale = stale
        self._held: dict[str, Restraint] = {}
        self._changed: dict[str, float] = {}
        self._heard = -1.0
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def follow(self) -> None:
        """Begin to follow the store, once."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="twinguard-blocks", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def held(self, key_id: str, now: float) -> Restraint | None:
        """How a key is held back; None where it is not."""
        found = self._held.get(key_id)
        return found if found is not None and found.holds(now) else None

    def note(self, restraint: Restraint) -> None:
        """Know of a change, whoever told it. A throttle does not take the place of a block."""
        if restraint.curb is Curb.NONE:
            self.before_lift(restraint.key_id)
        with self._lock:
            self._changed[restraint.key_id] = time.monotonic()
            known = self._held.get(restraint.key_id)
            if restraint.curb is Curb.NONE:
                self._held.pop(restraint.key_id, None)
            elif (
                known is None
                or known.curb is Curb.THROTTLE
                or restraint.curb is Curb.BLOCK
                or not known.holds(restraint.since)
            ):
                self._held[restraint.key_id] = restraint

    def age(self) -> float:
        """Seconds since the store last said that this is all; infinite before it did."""
        return time.monotonic() - self._heard if self._heard >= 0 else float("inf")

    def __len__(self) -> int:
        return len(self._held)

    def _run(self) -> None:
        begun, is_lost = time.monotonic(), False
        told = begun
        while not self._ended.is_set():
            try:
                self._listen()
            except TwinguardError as err:
                if not is_lost:
                    _log.warning("the block list is not followed; what is known holds: %s", err)
                now, heard = time.monotonic(), max(begun, self._heard)
                if now - max(heard, told) >= self._stale:
                    told = now
                    self._complain(now - heard)
                is_lost = True
                self._ended.wait(AGAIN)
            else:
                is_lost = False

    def _complain(self, age: float) -> None:
        """A line of its own: no block that is made now is known here."""
        fields = {
            "event": "block_list_stale",
            "environment": self._environment,
            "age_seconds": round(age),
        }
        _log.error("block list stale", extra={"fields": fields})

    def _listen(self) -> None:
        begun = time.monotonic()
        following = self._counters.follow()
        self._replace(next(following), begun)
        for changes in following:
            for restraint in changes:
                self._hear(restraint)
            self._heard = time.monotonic()
            if self._ended.is_set() or self._heard - begun > RENEWED:
                return

    def _hear(self, restraint: Restraint) -> None:
        """Know of what the store pushed; one line for a block that was not known here."""
        now = time.time()
        known = self.held(restraint.key_id, now)
        is_news = known is None or known.curb is not Curb.BLOCK
        self.note(restraint)
        if is_news and restraint.curb is Curb.BLOCK:
            fields = {
                "event": "block_received",
                "environment": self._environment,
                "age_ms": max(0, round(1000 * (now - restraint.since))),
            }
            _log.info("block received", extra={"fields": fields})

    def _replace(self, everything: tuple[Restraint, ...], begun: float) -> None:
        """Take the store's word for all that was not changed here since it was asked."""
        with self._lock:
            newer = {key_id for key_id, at in self._changed.items() if at >= begun}
            kept = {key_id: one for key_id, one in self._held.items() if key_id in newer}
            for one in everything:
                known = kept.get(one.key_id)
                if one.key_id not in newer and (known is None or known.curb is not Curb.BLOCK):
                    kept[one.key_id] = one
            for key_id in self._held.keys() - kept.keys():
                self.before_lift(key_id)
            self._held, self._changed = kept, {}
            self._heard = time.monotonic()
