# SPDX-License-Identifier: Apache-2.0
"""Decide whether an application must stop serving for want of money, and what it then says. Pure.

Two truths can say stop: Google's bill (the cost breaker, hours late) and the ledger (at once)."""

from __future__ import annotations

import datetime as dt
import enum
import math

from msgspec import Struct

from twinguard.decide.ledger import Standing
from twinguard.decide.model import Breaker

ERROR = "Service temporarily unavailable due to budget limits"
"""strategy.md 9.1's words, for people."""


class StopReason(enum.StrEnum):
    """Who says stop, for machines."""

    CLOUD_BUDGET = "cloud_budget"
    LLM_BUDGET = "llm_budget"


class Stop(Struct, frozen=True):
    """Requests are refused. `resets_at`: when that ends by itself, where that is known."""

    reason: StopReason
    remedy: str
    resets_at: dt.datetime | None = None

    def body(self) -> dict[str, str]:
        """What a client is told."""
        reset = {} if self.resets_at is None else {"resets_at": self.resets_at.isoformat()}
        return {"error": ERROR, "reason": self.reason.value, "remedy": self.remedy, **reset}

    def retry_after(self, now: dt.datetime) -> int | None:
        """Seconds after which it is worth to ask again; None where waiting alone does not help."""
        if self.resets_at is None:
            return None
        return max(1, math.ceil((self.resets_at - now).total_seconds()))


def stop(breaker: Breaker, standing: Standing | None) -> Stop | None:
    """Whether to stop: the breaker goes first, for only it keeps the cloud's own bill."""
    if breaker.open:
        return Stop(
            StopReason.CLOUD_BUDGET,
            "the environment's cloud budget is used up; its operators can lift the cap",
        )
    if standing is not None and standing.used_up:
        return Stop(
            StopReason.LLM_BUDGET,
            "the month's budget for language models is spent; wait for the next month, or have it "
            "raised",
            standing.resets_at,
        )
    return None


def is_open_route(path: str, routes: tuple[str, ...]) -> bool:
    """True for a route that is answered even without money; `/x/` has all below it."""
    return any(
        path == route or (route.endswith("/") and path.startswith(route)) for route in routes
    )
