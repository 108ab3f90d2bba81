# SPDX-License-Identifier: Apache-2.0
"""Read something slow seldom, and show what was read last meanwhile, with its age and its error.

Pages never wait for a source that they have an answer of."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from msgspec import Struct

from twinguard.errors import TwinguardError

T = TypeVar("T")


class Reading(Struct, Generic[T], frozen=True):
    """What was read and when; `error` says why it is not newer, or not there at all."""

    value: T | None
    at: dt.datetime
    error: str = ""


class Lately(Generic[T]):
    """One source behind a memory that is `fresh` for a while."""

    def __init__(
        self, read: Callable[[], T], fresh: dt.timedelta, clock: Callable[[], dt.datetime]
    ) -> None:
        self._read, self._fresh, self._clock = read, fresh, clock
        self._known: Reading[T] | None = None
        self._reading = threading.Lock()
        self._first = threading.Event()

    def now(self, patience: float = 0) -> Reading[T]:
        """The newest answer, which is renewed behind the scenes.

        Where there is none yet, it is waited for, but for so many seconds only."""
        known = self._known
        if known is None or self._clock() - known.at > self._fresh:
            self._renew_behind()
        if known is None and self._first.wait(patience):
            known = self._known
        return known or Reading(None, self._clock(), "It is still being read; look again soon.")

    def anew(self) -> Reading[T]:
        """An answer as of now; whoever asks meanwhile waits for the same one."""
        asked = self._clock()
        with self._reading:
            known = self._known
            if known is None or known.at < asked:
                known = self._look()
            return known

    def _renew_behind(self) -> None:
        if self._reading.acquire(blocking=False):
            threading.Thread(target=self._renew, daemon=True).start()

    def _renew(self) -> None:
        try:
            self._look()
        finally:
            self._reading.release()

    def _look(self) -> Reading[T]:
        now = self._clock()
        try:
            found = Reading(self._read(), now)
        except TwinguardError as err:
            before = self._known.value if self._known is not None else None
            found = Reading(before, now, str(err))
        self._known = found
        self._first.set()
        return found
