# SPDX-License-Identifier: Apache-2.0
"""What a decision about one use needs besides the baseline: counts, strangers, known sources.

`memory.py` keeps it up to date in constant time per use; a store may do the same elsewhere."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.threats.values import NetworkKind


class Novel(Struct, frozen=True):
    """A value that the key's baseline does not fully know, as it is used now.

    `trust` is how far it is known already, from 0 to below 1; `churn` is the key's when it came:
    a stranger that stays does not make itself ordinary."""

    value: str
    since: float
    trust: float
    churn: float


class Window(Struct, frozen=True, kw_only=True):
    """A key's recent use, at one request. Times are seconds since 1970, counts are requests.

    Strange is what came from a source or an agent that the baseline does not know; an episode is a
    run of strange use without six quiet hours. `novel` holds what is new and active, by
    dimension of the baseline. `changes` counts how often strange and known use took turns."""

    at: float
    hour: int
    requests_10s: float
    requests_60s: float
    requests_hour: float
    limit: float
    strange_60s: float = 0.0
    strange_hour: float = 0.0
    strange: int = 0
    succeeded: int = 0
    failed: int = 0
    failed_paths: int = 0
    since: float = 0.0
    hours: int = 1
    novel: tuple[tuple[Novel, ...], ...] = ((),) * 6
    countries: tuple[str, ...] = ()
    kinds: tuple[NetworkKind, ...] = ()
    known_at: float = 0.0
    known_country: str = ""
    known_active: int = 0
    changes: int = 0
    is_listing: bool = False
    is_scanner: bool = False
    is_generic: bool = False
    other_keys: int = 0
    other_keys_agent: bool = False
    is_colleague: bool = False
    is_flagged: bool = False
    is_old: bool = False

    def shown_by(self, parts: Iterable[tuple[int, str]]) -> Window:
        """The window as one use shows it: what is new counts where it is new in this use, too.

        A colleague's new program and another one's journey are two events, not one thief's."""
        own = dict(parts)
        novel = tuple(
            new if own.get(at) in {one.value for one in new} else ()
            for at, new in enumerate(self.novel)
        )
        return replace(self, novel=novel) if novel != self.novel else self


class Sliding:
    """Requests within the last so many seconds, from two buckets: the newest and the one before.

    The one before counts by the share of it that still lies inside (as a moving window would
    count if it were even)."""

    __slots__ = ("before", "bucket", "count", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.bucket = 0
        self.count = 0
        self.before = 0

    def add(self, at: float) -> float:
        """Count one more and say how many there are."""
        place = at / self.seconds
        bucket = int(place)
        if bucket != self.bucket:
            self.before = self.count if bucket == self.bucket + 1 else 0
            self.bucket, self.count = bucket, 0
        self.count += 1
        return self.count + self.before * (1 - place + bucket)

    def value(self, at: float) -> float:
        """How many there are, counting none."""
        place = at / self.seconds
        bucket = int(place)
        if bucket == self.bucket:
            return self.count + self.before * (1 - place + bucket)
        return self.count * (1 - place + bucket) if bucket == self.bucket + 1 else 0.0
