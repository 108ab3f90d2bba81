# SPDX-License-Identifier: Apache-2.0
"""The port of the fast counters: one call for each request, and who is held back right now.

Adapters are in `state/counters_*.py`; they turn vendor errors into `Unavailable`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from twinguard.decide.restraints import Restraint
from twinguard.decide.threats.values import Finding, Use

if TYPE_CHECKING:
    import datetime as dt

    from twinguard.decide.threats.baseline import Baseline

BLOCKED_KEYS = "blocked_keys"
"""The set in which people find blocked keys: `redis-cli SMEMBERS blocked_keys`."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a store says of one request.

    `refused` is the restraint that turns it away, `retry_after` when it may come again (seconds, 0
    where waiting does not help), `rate` what a throttled key may do in a minute (0: not throttled).
    `findings` is what the request showed, `is_strange` that its key is not used to its like."""

    findings: tuple[Finding, ...] = ()
    is_strange: bool = False
    refused: Restraint | None = None
    retry_after: float = 0.0
    rate: int = 0


class Counters(Protocol):
    """What is counted of keys across all instances; a use's own time is the clock.

    `is_instant`: a call takes microseconds, so nobody waits for it in a thread. `is_shared`: what
    one instance counts, all do."""

    is_instant: bool
    is_shared: bool

    def admit(self, use: Use) -> Answer:
        """Say whether a request may pass; if so, count it and say what it shows.

        Nobody knows yet how it ends: `settle` has to say that."""

    def settle(self, use: Use) -> None:
        """Say how a request that was admitted has ended, by its status."""

    def observe(self, use: Use) -> Answer:
        """Count a request that was served elsewhere, whatever holds its key back by now."""

    def restrain(self, restraint: Restraint) -> None:
        """Hold a key back, or lift what does, on every instance."""

    def follow(self) -> Iterator[tuple[Restraint, ...]]:
        """First everything that is in force, then what changes, as it does; forever.

        An empty tuple says at least once a second that nothing changed. Unavailable where the
        connection is lost: follow anew."""


class Usual(Protocol):
    """What is usual for keys, in a store that can lose it."""

    def baseline(self, key_id: str) -> Baseline | None:
        """What was learned of a key, None where nothing was."""

    def restore(self, key_id: str, base: Baseline, now: dt.datetime) -> None:
        """Put a baseline into the place of what was learned since it was lost."""


class Store(Counters, Usual, Protocol):
    """What every store is."""
