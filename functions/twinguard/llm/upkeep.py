# SPDX-License-Identifier: Apache-2.0
"""What a serving process does every few seconds: write the ledger's sums down, take over others',
and look whether the cloud's budget says stop.

In a thread each time: no request waits for the records."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Callable
from typing import Final

from twinguard.decide.ledger import period_of
from twinguard.decide.stops import Stop
from twinguard.errors import TwinguardError
from twinguard.llm.ledger_kept import KeptLedger

FLUSH_SECONDS: Final = 3.0
FLUSHES_A_HEAL: Final = 5
_log = logging.getLogger("twinguard.gateway")


class Upkeep:
    """Keeps one ledger's sums, from `begin` to `end`."""

    def __init__(
        self,
        ledger: KeptLedger,
        look: Callable[[], Stop | None],
        clock: Callable[[], dt.datetime],
        seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._ledger, self._look = ledger, look
        self._clock, self._seconds = clock, seconds
        self.stop: Stop | None = None
        """Why nothing is served, as last seen; without an answer what was seen before counts."""
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start; needs a running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def end(self) -> None:
        """Stop, after everything is written down once more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._kept(heals=False)

    async def _run(self) -> None:
        turn = 0
        while True:
            await self._kept(heals=turn % FLUSHES_A_HEAL == 0)
            turn += 1
            await asyncio.sleep(self._seconds)

    async def _kept(self, *, heals: bool) -> None:
        try:
            self.stop = await asyncio.to_thread(self._look)
            await asyncio.to_thread(self._ledger.flush)
            if heals:
                await asyncio.to_thread(self._ledger.heal, period_of(self._clock()))
        except TwinguardError as err:
            _log.warning("the ledger's sums wait: %s", err)
