# SPDX-License-Identifier: Apache-2.0
"""Make of a ledger what the costs page shows of limits on language models. Pure.

All amounts are dollars of one calendar month in UTC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from twinguard.decide.ledger import Period, ScopeKind, Standing, dollars_of
from twinguard.decide.money import percent
from twinguard.raising import Allowance
from twinguard.reports.stamps import month_name
from twinguard.web.dashboard.budget_view import NEAR
from twinguard.web.dashboard.words import plain

SHOWN = 25


class LimitRow(Struct, frozen=True, kw_only=True):
    """Whose budget on models, and how it stands; `level` is ok, near, over, or nothing.

    `by`, `until` and `reason` are of a limit that a person set, empty for the policy's."""

    scope: str
    limit: str
    spent: str
    held: str
    left: str
    used: str
    level: str
    by: str
    until: dt.datetime | None
    reason: str


class Limits(Struct, frozen=True, kw_only=True):
    """All limits, the fullest first, and when spending begins anew."""

    month: str
    resets_at: dt.datetime
    rows: tuple[LimitRow, ...]
    more: int


def limits_panel(found: Sequence[Allowance], period: Period, *, is_live: bool) -> Limits:
    """The panel. What is held is known of a live ledger only.

    A model without a limit is left out: its spending is in the panel of models."""
    shown = [
        one
        for one in found
        if one.standing.limit is not None or one.standing.scope.kind is not ScopeKind.MODEL
    ]
    shown.sort(key=_order)
    return Limits(
        month=month_name(period.start.date()),
        resets_at=period.end,
        rows=tuple(_row(one, is_live=is_live) for one in shown[:SHOWN]),
        more=max(0, len(shown) - SHOWN),
    )


def environments_own(found: Sequence[Allowance]) -> LimitRow | None:
    """How the limit of everything that an environment spends stands; None without one."""
    own = (one for one in found if one.standing.scope.kind is ScopeKind.ENVIRONMENT)
    first = next(own, None)
    return _row(first, is_live=True) if first and first.standing.limit is not None else None


def _order(one: Allowance) -> tuple[bool, Decimal, int, str]:
    """The environment, then the fullest, then what is counted only, the dearest first."""
    standing = one.standing
    is_part = standing.scope.kind is not ScopeKind.ENVIRONMENT
    return is_part, -_used(standing), -standing.spent, standing.scope.name


def _row(one: Allowance, *, is_live: bool) -> LimitRow:
    standing, set_by = one.standing, one.set_by
    return LimitRow(
        scope=str(standing.scope),
        limit="none" if standing.limit is None else _usd(standing.limit),
        spent=_usd(standing.spent),
        held=_usd(standing.held) if is_live else "not known",
        left="" if standing.left is None else _usd(standing.left),
        used="" if standing.limit is None else percent(_used(standing)),
        level=_level(standing),
        by=set_by.by if set_by else "",
        until=set_by.limit.until if set_by else None,
        reason=set_by.reason if set_by else "",
    )


def _level(standing: Standing) -> str:
    if standing.limit is None:
        return ""
    if standing.used_up:
        return "over"
    return "near" if _used(standing) >= NEAR else "ok"


def _used(standing: Standing) -> Decimal:
    """Per cent of the limit; of no money at all everything is used."""
    if standing.limit is None:
        return Decimal(0)
    if not standing.limit:
        return Decimal(100)
    return 100 * dollars_of(standing.spent + standing.held) / dollars_of(standing.limit)


def _usd(nanos: int) -> str:
    return plain(dollars_of(nanos), "USD")
