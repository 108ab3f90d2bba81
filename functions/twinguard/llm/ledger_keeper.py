# SPDX-License-Identifier: Apache-2.0
"""Write a ledger's sums down every few seconds, and take over what people set, in a thread.

Trouble is logged when it begins and when it ends; the ledger itself goes on meanwhile."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Final

from twinguard.decide.ledger import period_of
from twinguard.errors import Unavailable
from twinguard.llm.ledger_kept import KeptLedger
from twinguard.llm.ledger_memory import system_clock

__all__ = ["Keeper"]

FLUSHES: Final = 5.0
"""Seconds between two flushes: what a killed process and a lost store forget together, at most."""

HEALS: Final = 3
"""Every so many flushes limits are read: a raise counts within a quarter of a minute."""

_log = logging.getLogger("twinguard.ledger")


class Keeper:
    """Keeps one ledger until it is closed."""

    def __init__(
        self,
        ledger: KeptLedger,
        seconds: float = FLUSHES,
        clock: Callable[[], dt.datetime] = system_clock,
    ) -> None:
        self._ledger, self._seconds, self._clock = ledger, seconds, clock
        self._rounds, self._failing = 0, False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Write down what is left, and end."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(30)
        self.keep()

    def keep(self) -> None:
        """One round: write down, and now and then read."""
        try:
            self._ledger.flush()
            if self._rounds % HEALS == 0:
                self._ledger.heal(period_of(self._clock()))
            self._rounds += 1
        except Unavailable as err:
            if not self._failing:
                _log.warning("the ledger's sums are not written down: %s", err)
            self._failing = True
        else:
            if self._failing:
                _log.info("the ledger's sums are written down again")
            self._failing = False

    def _run(self) -> None:
        while not self._closing.wait(self._seconds):
            self.keep()
