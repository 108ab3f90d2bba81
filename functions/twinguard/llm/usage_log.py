# SPDX-License-Identifier: Apache-2.0
"""Usage lines on their way out: batches to a topic or a file, behind the requests' backs.

Bounded: what cannot be told for long is dropped, counted and logged; the ledger has it anyway."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from twinguard.decide.llm_usage import UsageLine
from twinguard.errors import Misconfigured, Unavailable
from twinguard.ports import Publisher

__all__ = ["FileLog", "Nowhere", "Teller", "TopicLog", "UsageLog"]

WAITING: Final = 10_000
BATCH: Final = 200
EVERY: Final = 0.1
_PAUSES = (0.5, 2.0, 10.0)
_log = logging.getLogger("twinguard.gateway")


class UsageLog(Protocol):
    """Where lines are written."""

    def write(self, lines: Sequence[UsageLine]) -> None:
        """Write them all; Unavailable where that did not work."""


class Nowhere:
    """Lines that nobody wants: the ledger alone counts."""

    def write(self, lines: Sequence[UsageLine]) -> None:
        """Nothing is kept."""


class FileLog:
    """Lines appended to a file, one JSON object each: what `make check-costs SOURCE=…` reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
        except OSError as err:
            raise Misconfigured(f"TWINGUARD_LLM_USAGE: {path}: {err.strerror}") from err

    def write(self, lines: Sequence[UsageLine]) -> None:
        """Append lines."""
        data = b"".join(msgspec.json.encode(line.fields()) + b"\n" for line in lines)
        try:
            with self._path.open("ab") as file:
                file.write(data)
        except OSError as err:
            raise Unavailable(f"{self._path}: {err.strerror}") from err


class TopicLog:
    """Lines published to a topic, a JSON list each message."""

    def __init__(self, publisher: Publisher, topic: str) -> None:
        self._publisher, self._topic = publisher, topic

    def write(self, lines: Sequence[UsageLine]) -> None:
        """Publish lines."""
        data = msgspec.json.encode([line.fields() for line in lines])
        self._publisher.publish(self._topic, data, {"kind": "llm-usage"})


class Teller:
    """Takes lines without waiting, and writes them in a thread of its own.

    It looks every `EVERY` seconds: waking it for each line would cost each request 0.1 ms."""

    def __init__(self, log: UsageLog, pauses: Sequence[float] = _PAUSES) -> None:
        self._log, self._pauses = log, pauses
        self._waiting: deque[UsageLine] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage-log", daemon=True)
        self.dropped = 0
        self._thread.start()

    def tell(self, line: UsageLine) -> None:
        """Take one line."""
        if len(self._waiting) < WAITING:
            self._waiting.append(line)
        else:
            self._drop(1, "too many are waiting")

    def close(self) -> None:
        """Write what is waiting, and end."""
        self._closing.set()
        self._thread.join(30)

    def _run(self) -> None:
        ends = False
        while not ends:
            ends = self._closing.wait(EVERY)
            while self._waiting:
                count = min(BATCH, len(self._waiting))
                self._write([self._waiting.popleft() for _ in range(count)])

    def _write(self, lines: list[UsageLine]) -> None:
        for pause in (*self._pauses, None):
            try:
                self._log.write(lines)
            except Unavailable as err:
                if pause is None:
                    self._drop(len(lines), str(err))
                    return
                self._closing.wait(pause)
            else:
                return

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        _log.error("%d usage lines are lost (%d in all): %s", count, self.dropped, why)
