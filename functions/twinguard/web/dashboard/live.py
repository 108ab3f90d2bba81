# SPDX-License-Identifier: Apache-2.0
"""Tell listeners of new findings as server-sent events: one look and one rendering for all.

A listener that does not keep up is let go; it comes back with the id of what it saw last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from twinguard.errors import TwinguardError
from twinguard.web.dashboard.board import Board
from twinguard.web.dashboard.security import Found

_log = logging.getLogger("twinguard")

EVERY = 1.0
"""Seconds between two looks at the store."""

BEAT = 15.0
"""Seconds of silence after which a comment shows that the line is open."""

WAITING = 64
"""Events that may wait for one listener."""

CAUGHT_UP = 200
"""More findings than this are not sent one by one to who was away: the page is read again."""

LISTENERS = 1_000
"""More are refused, so that one process stays able to answer."""


class Live:
    """The listeners of one environment. `render` makes a finding's row."""

    def __init__(self, board: Board, render: Callable[[Found], str], beat: float = BEAT) -> None:
        self._board, self._render, self._beat = board, render, beat
        self._queues: set[asyncio.Queue[str | None]] = set()

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._queues)

    async def run(self, every: float = EVERY) -> None:
        """Look for news until cancelled; a store that does not answer is asked again."""
        while True:
            try:
                fresh = await asyncio.to_thread(self._board.poll)
            except TwinguardError as err:
                _log.warning("dashboard: findings cannot be read: %s", err)
            else:
                self.tell(fresh)
            await asyncio.sleep(every)

    def tell(self, fresh: tuple[Found, ...]) -> None:
        """Hand new findings to every listener; who has no room any more is let go."""
        if not self._queues:
            return
        chunks = [reload_event()] if len(fresh) > WAITING else [self.event(one) for one in fresh]
        for queue in tuple(self._queues):
            try:
                for chunk in chunks:
                    queue.put_nowait(chunk)
            except asyncio.QueueFull:
                self._let_go(queue)

    def end(self) -> None:
        """Let every listener go: the server ends."""
        for queue in tuple(self._queues):
            self._let_go(queue)

    async def listen(self, last: str) -> AsyncIterator[str]:
        """The events for one listener who saw `last`, until it goes away."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(WAITING)
        self._queues.add(queue)  # before the look back: what comes meanwhile is not lost
        try:
            yield "retry: 2000\n\n"
            missed = self._board.after(last, CAUGHT_UP)
            if missed is None:
                yield reload_event()
            sent = missed[-1].id if missed else last
            for found in missed or ():
                yield self.event(found)
            async for chunk in self._queued(queue):
                if _id_of(chunk) > sent or not chunk.startswith("id:"):
                    yield chunk
        finally:
            self._queues.discard(queue)

    def _let_go(self, queue: asyncio.Queue[str | None]) -> None:
        self._queues.discard(queue)
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                queue.get_nowait()
        queue.put_nowait(None)

    async def _queued(self, queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
        while True:
            try:
                chunk = await asyncio.wait_for(queue.get(), self._beat)
            except TimeoutError:
                yield ": here\n\n"
                continue
            if chunk is None:
                return
            yield chunk

    def event(self, found: Found) -> str:
        """One finding as an event."""
        data = "\n".join(f"data: {line}" for line in self._render(found).splitlines() if line)
        return f"id: {found.id}\n{data}\n\n"


def reload_event() -> str:
    """That there is more than can be sent: the page is to be read again."""
    return "event: reload\ndata: now\n\n"


def _id_of(chunk: str) -> str:
    return chunk.partition("\n")[0].removeprefix("id: ") if chunk.startswith("id:") else ""
