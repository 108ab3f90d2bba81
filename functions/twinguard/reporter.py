# SPDX-License-Identifier: Apache-2.0
"""Hand usage events to Pub/Sub in the background; a request never waits for it.

The queue is bounded: what does not fit is dropped and counted, for a topic that is slow must not
become an application that is full."""

from __future__ import annotations

import logging
import threading
from collections import deque

from twinguard import usage
from twinguard.errors import Unavailable
from twinguard.ports import Publisher
from twinguard.tallies import Tallies
from twinguard.usage import UsageEvent

_log = logging.getLogger("twinguard")


class Reporter:
    """A topic's queue. `every` is how many seconds an event waits at most while all is well."""

    def __init__(
        self,
        publisher: Publisher,
        topic: str,
        tallies: Tallies,
        *,
        most: int = 10_000,
        batch: int = 200,
        every: float = 0.25,
    ) -> None:
        self._publisher = publisher
        self._topic = topic
        self._tallies = tallies
        self._most = most
        self._batch = min(batch, usage.MOST)
        self._every = every
        self._waiting: deque[UsageEvent] = deque()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        tallies.gauge("usage_waiting", lambda: float(len(self._waiting)))

    def report(self, event: UsageEvent) -> None:
        """Take an event, at once; dropped and counted where the queue is full, or was closed."""
        if self._ended.is_set() or len(self._waiting) >= self._most:
            self._tallies.add("usage_dropped")
            return
        self._waiting.append(event)
        if len(self._waiting) >= self._batch or event.findings:
            self._wake.set()
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """Hand over what waits, and stop."""
        self._ended.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="twinguard-usage", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        is_failing = False
        while not (self._ended.is_set() and not self._waiting):
            self._wake.wait(self._every)
            self._wake.clear()
            while events := self._taken():
                try:
                    self._publisher.publish(self._topic, usage.encoded(events), {})
                except Unavailable as err:
                    if not is_failing:
                        _log.error("usage is not reported, it waits: %s", err)
                    is_failing = True
                    self._give_back(events)
                    break
                self._tallies.add("usage_reported", len(events))
                is_failing = False
            if is_failing and self._ended.is_set():
                self._tallies.add("usage_dropped", len(self._waiting))
                return

    def _taken(self) -> list[UsageEvent]:
        return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]

    def _give_back(self, events: list[UsageEvent]) -> None:
        """Put back what was not taken; what does not fit any more is dropped and counted."""
        room = max(0, self._most - len(self._waiting))
        self._waiting.extendleft(reversed(events[:room]))
        self._tallies.add("usage_dropped", len(events) - len(events[:room]))
        self._ended.wait(self._every)
