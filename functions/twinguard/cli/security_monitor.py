# SPDX-License-Identifier: Apache-2.0
"""`APISecurityMonitor`: strategy.md 12.2's class, for one process, in memory.

A raw key becomes a key id at once and is let go."""

from __future__ import annotations

import datetime as dt
import os
import threading
from collections.abc import Callable, Iterable, Mapping

from twinguard import state
from twinguard.config import environment_named
from twinguard.customer_keys import CustomerKeys
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import Finding, KeyFacts, Place, ThreatLevel, Use
from twinguard.keyring import Keyring
from twinguard.peppers import Peppers
from twinguard.policy import Environment, Retention

_STANDING = {ThreatLevel.HIGH, ThreatLevel.CRITICAL}
_MOST = 100_000


def naming(environment: Environment, env: Mapping[str, str]) -> Callable[[str], str]:
    """How a key is called, as everywhere; customers' keys are known where the records are named."""
    peppers, records = Peppers.read(env), env.get("TWINGUARD_RECORDS")
    if not records:
        return peppers.key_id
    keys = CustomerKeys(state.open_records(records), environment, Retention(), peppers)
    keyring = Keyring(keys, peppers)
    return lambda raw: keyring.name(raw).id


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
        key_id_of: Callable[[str], str] | None = None,
    ) -> None:
        named = environment_named(environment)
        self.environment = named.value
        self._key_id_of = key_id_of or naming(named, os.environ)
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
        key_id = self._key_id_of(api_key)
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
