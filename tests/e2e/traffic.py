# SPDX-License-Identifier: Apache-2.0
"""Customers who ask all the time, a thief who asks as fast as possible, and what each was told."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx2

CHAT = "/v1/chat/completions"
MODEL = "gpt-3.5-turbo"
OK = 200
_PATIENCE = 20.0


@dataclass(frozen=True)
class Asked:
    """One request: when it began and ended (monotonic), where, and the answer's status; 0: none."""

    begun: float
    ended: float
    where: str
    status: int
    body: str


@dataclass(frozen=True)
class Origin:
    """Where requests come from, as the load balancer tells it."""

    address: str
    country: str
    agent: str

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-Forwarded-For": self.address,
            "X-Client-Region": self.country,
            "User-Agent": self.agent,
        }


class Caller:
    """Somebody with a key. `addresses` are asked in turn; `pause` is between two requests."""

    def __init__(
        self,
        name: str,
        key: str,
        origin: Origin,
        addresses: Mapping[str, str],
        *,
        pause: float = 1.0,
    ) -> None:
        self.name, self.key, self.origin = name, key, origin
        self.asked: list[Asked] = []
        self._places = itertools.cycle(addresses.items())
        self._pause = pause
        self._client = httpx2.Client(timeout=_PATIENCE)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> Asked:
        """One request to the next address."""
        where, url = next(self._places)
        return self.ask_at(where, url)

    def ask_at(self, where: str, url: str) -> Asked:
        """One request."""
        headers = {"Authorization": f"Bearer {self.key}", **self.origin.headers}
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": f"{self.name} {len(self.asked)}"}],
            "max_tokens": 20,
        }
        begun, status, text = time.monotonic(), 0, ""
        try:
            answer = self._client.post(f"{url}{CHAT}", json=body, headers=headers)
            status, text = answer.status_code, answer.text
        except httpx2.HTTPError as err:
            text = repr(err)
        asked = Asked(begun, time.monotonic(), where, status, text[:300])
        self.asked.append(asked)
        return asked

    def statuses(self, since: int = 0) -> list[int]:
        """The answers' statuses, from the so-manieth request on."""
        return [one.status for one in tuple(self.asked)[since:]]

    def __enter__(self):
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self.ask()
            self._ended.wait(self._pause)

    def close(self) -> None:
        self._client.close()


def refused(callers: Sequence[Caller]) -> list[Asked]:
    """Every request that was not served."""
    return [asked for one in callers for asked in tuple(one.asked) if asked.status != OK]
