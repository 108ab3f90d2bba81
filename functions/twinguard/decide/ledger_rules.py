# SPDX-License-Identifier: Apache-2.0
"""The ledger's rules: what may be held, which limit counts, what a settlement means. Pure.

The stores in `llm/` follow them, Redis in its own script; values are in `ledger.py`."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Iterable
from typing import Final

from twinguard.decide.ledger import (
    Budgets,
    Limit,
    Outcome,
    Reason,
    Refused,
    Scope,
    Settlement,
    Standing,
    usd,
)

PATIENCE: Final = 10
"""Seconds after which it is worth to ask again while calls under way hold the budget."""

REMEMBERED: Final = dt.timedelta(hours=2)
"""How long after its lease an attempt is known, so that it is settled once only."""


class State(enum.StrEnum):
    """What has become of one attempt."""

    HELD = "held"
    EXPIRED = "expired"
    SETTLED = "settled"
    RELEASED = "released"


def refusal(standings: Iterable[Standing], nanos: int, retry_after: int) -> Refused | None:
    """Why so much cannot be held in all of these scopes; None where it can.

    The reason that lasts longest is told, of several alike the first scope's."""
    worst: Refused | None = None
    for standing in standings:
        reason = _reason(standing, nanos)
        if reason is not None and (worst is None or _RANK[reason] > _RANK[worst.reason]):
            worst = refused(standing, reason, retry_after)
    return worst


def refused(standing: Standing, reason: Reason, retry_after: int) -> Refused:
    """The refusal for a scope that stands like this."""
    return Refused(
        reason,
        standing.scope,
        standing.limit or 0,
        standing.spent,
        standing.held,
        standing.period,
        retry_after if reason is Reason.BUDGET_HELD else None,
    )


def _reason(standing: Standing, nanos: int) -> Reason | None:
    limit = standing.limit
    if limit is None or standing.spent + standing.held + nanos <= limit:
        return None
    if nanos > limit:
        return Reason.TOO_LARGE
    return Reason.BUDGET_SPENT if standing.spent + nanos > limit else Reason.BUDGET_HELD


_RANK = {Reason.BUDGET_HELD: 1, Reason.BUDGET_SPENT: 2, Reason.TOO_LARGE: 3}


def limit_now(budgets: Budgets, scope: Scope, limit: Limit | None, now: dt.datetime) -> Limit:
    """The limit in force: an administrator's until it ends, else the policy's (generation 0)."""
    if limit is None or limit.nanos is None or (limit.until is not None and limit.until <= now):
        return Limit(scope, budgets.limit_of(scope), 0)
    return limit


def patience(left: dt.timedelta) -> int:
    """Seconds to wait before asking again, where the next lease has so much time left."""
    return min(PATIENCE, max(1, math.ceil(left.total_seconds())))


def settled(state: State | None, held: int, nanos: int) -> Settlement:
    """What settling means for an attempt in this state, with so much held; None: unknown."""
    if state is State.SETTLED:
        return Settlement(Outcome.REPEATED)
    if state is not State.HELD:
        return Settlement(Outcome.LATE, nanos)
    over = max(0, nanos - held)
    return Settlement(Outcome.OVER if over else Outcome.SETTLED, over)


def worded(limit: Limit) -> str:
    """A limit for people: `12.50 USD until 2026-12-01 00:00 UTC`."""
    if limit.nanos is None:
        return "what the policy says"
    until = "" if limit.until is None else f" until {limit.until:%Y-%m-%d %H:%M} UTC"
    return f"{usd(limit.nanos)} USD{until}"
