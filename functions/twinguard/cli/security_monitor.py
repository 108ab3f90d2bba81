# SPDX-License-Identifier: Apache-2.0
"""`APISecurityMonitor`: strategy.md 12.2's class, for one process, in memory.

A raw key becomes a key id at once (keyed digest and last four characters) and is let go."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterable

from twinguard.config import environment_named
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import Finding, KeyFacts, Place, ThreatLevel, Use
from twinguard.peppers import Peppers

_STANDING = {ThreatLevel.HIGH, ThreatLevel.CRITICAL}
_MOST = 100_000


def key_id_of(api_key: str, peppers: Peppers) -> str:
    """What a key is called wherever it is stored, compared or shown."""
    return peppers.key_id(api_key)


class APISecurityMonitor:
    """One environment's keys, watched in this process. Safe to call from several threads.

    What stands at HIGH or CRITICAL is returned for every later request of its key, until
    `released` says that somebody looked at it. Raises Misconfigured without a pepper."""

    def __init__(
        self,
        environment: str,
        *,
        keys: Iterable[KeyFacts] = (),
        place_of: Callable[[str], Place | None] | None = None,
        peppers: Peppers | None = None,
    ) -> None:
        self.environment = environment_named(environment).value
        self._peppers = peppers or Peppers.read(os.environ)
        self._watch = Watch(keys, place_of)
        self._standing: dict[str, Finding] = {}
        self._lock = threading.Lock()

    def check_all_threats(
        self,
        api_key: str,
        ip: str,
        user_agent: str,
        path: str,
        status: int = 200,
        at: dt.datetime | None = None,
    ) -> tuple[Finding, ...]:
        """Record a request and say what it shows, the worst first; `at` is now by default."""
        key_id = key_id_of(api_key, self._peppers)
        moment = at or dt.datetime.now(dt.UTC)
        with self._lock:
            found = self._watch.observe(Use(moment, key_id, ip, user_agent, path, status))
            standing = self._standing.get(key_id)
            for finding in found:
                if finding.threat_level in _STANDING:
                    self._standing[key_id] = standing = finding
            if len(self._standing) > _MOST:
                del self._standing[next(iter(self._standing))]
        kept = (standing,) if standing is not None and standing not in found else ()
        return tuple(sorted((*found, *kept), key=lambda one: -one.threat_level.rank))

    def released(self, key_id: str) -> None:
        """Forget what stands about a key: somebody looked at it."""
        with self._lock:
            self._standing.pop(key_id, None)
