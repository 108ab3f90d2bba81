# SPDX-License-Identifier: Apache-2.0
"""Hand usage events to Pub/Sub in the background; a request never waits for it.

The queue is bounded: what does not fit is dropped and counted, for a topic that is slow must not
become an application that is full. A batch keeps its name however often it is handed over."""

from __future__ import annotations

import logging
import threading
import uuid
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
        self._unsent: tuple[str, list[UsageEvent]] = ("", [])
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        tallies.gauge("usage_waiting", lambda: float(self._count()))

    def report(self, event: UsageEvent) -> None:
        """Take an event, at once; dropped and counted where the queue is full, or was closed."""
        if self._ended.is_set() or self._count() >= self._most:
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

    def _count(self) -> int:
        return len(self._waiting) + len(self._unsent[1])

    def _run(self) -> None:
        is_failing = False
        while not (self._ended.is_set() and not self._count()):
            self._wake.wait(self._every)
            self._wake.clear()
            while self._taken():
                try:
                    self._hand_over()
                except Unavailable as err:
                    if not is_failing:
                        _log.error("usage is not reported, it waits: %s", err)
                    is_failing = True
                    self._ended.wait(self._every)
                    break
                is_failing = False
            if is_failing and self._ended.is_set():
                self._tallies.add("usage_dropped", self._count())
                return

    def _taken(self) -> bool:
        """Make a batch of what waits, unless one is unsent; False where there is nothing."""
        if not self._unsent[1]:
            events = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            self._unsent = (uuid.uuid4().hex, events)
        return bool(self._unsent[1])

    def _hand_over(self) -> None:
        """Publish the batch. One of which nobody knows whether it arrived goes by its name again:
        `on_usage` counts a name once."""
        name, events = self._unsent
        self._publisher.publish(self._topic, usage.encoded(events), {usage.BATCH: name})
        self._unsent = ("", [])
        self._tallies.add("usage_reported", len(events))
