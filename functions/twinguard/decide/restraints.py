# SPDX-License-Identifier: Apache-2.0
"""What a key may not do for a while, and how long one that is throttled has to wait. Pure.

Times are seconds since 1970. A raw key never comes here, only key ids."""

from __future__ import annotations

import enum

from msgspec import Struct

from twinguard.decide.threats.window import Sliding

MINUTE = 60.0


class Curb(enum.StrEnum):
    """How far a key is held back; `none` lifts what there was."""

    NONE = "none"
    THROTTLE = "throttle"
    BLOCK = "block"


class Restraint(Struct, frozen=True, kw_only=True):
    """A key that is held back, since when, for how long (None: until a person lifts it) and why.

    `rate` is what a throttled key may do in a minute. Lifted with `is_owner`, what was strange
    about the key is its owner's from then on; without, it is found anew."""

    key_id: str
    curb: Curb
    since: float
    until: float | None = None
    rate: int = 0
    reason: str = ""
    by: str = ""
    is_owner: bool = False

    def holds(self, now: float) -> bool:
        """True while it is in force."""
        return self.curb is not Curb.NONE and (self.until is None or now < self.until)


def wait(served: Sliding, rate: int, at: float) -> float:
    """Seconds until one more fits under a rate; 0 where it fits now."""
    place = at / served.seconds
    bucket = int(place)
    past = place - bucket
    count, before = 0, 0
    if bucket == served.bucket:
        count, before = served.count, served.before
    elif bucket == served.bucket + 1:
        before = served.count
    if count + before * (1 - past) + 1 <= rate:
        return 0.0
    if count + 1 <= rate:
        return served.seconds * (1 - past - (rate - 1 - count) / before)
    return served.seconds * (1 - past + max(0.0, 1 - (rate - 1) / count))
