# SPDX-License-Identifier: Apache-2.0
"""Show how far a budget is used, with its thresholds, as a bar and in words. Pure."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from twinguard.decide.money import money, percent
from twinguard.decide.spend import BudgetStand
from twinguard.decide.stands import limit_of
from twinguard.policy import Policy

NEAR = Decimal(80)
"""Per cent of what caps from which a budget is worth a look."""


APART = Decimal(14)
"""Per cent of the bar that two names need between them."""


class Step(Struct, frozen=True):
    """A threshold on the budget's bar: its place in per cent of the bar, its name where it fits."""

    at: float
    name: str


class BudgetBar(Struct, frozen=True, kw_only=True):
    """How far a budget is used. `state` is one word, `level` its weight: ok, near or over."""

    level: str
    state: str
    filled: float
    percent: str
    spent: str
    amount: str
    steps: tuple[Step, ...]
    outlook: str


def budget_bar(stand: BudgetStand | None, policy: Policy) -> BudgetBar | None:
    """The budget's bar, which ends at what caps, or a little beyond what is spent."""
    if stand is None:
        return None
    limit = limit_of(stand)
    share = 100 * stand.basis / limit if limit else Decimal(0)
    is_over, is_near = stand.basis >= limit, share >= NEAR or stand.reached_on is not None
    caps = policy.budget is not None and policy.budget.cap.enabled
    state = ("capped" if caps else "used up") if is_over else "watch" if is_near else "within"
    whole = max(Decimal(100), stand.percent, *stand.crossed, stand.next or Decimal(0))
    steps = sorted({*stand.crossed, *([stand.next] if stand.next is not None else ())})
    return BudgetBar(
        level="over" if is_over else "near" if is_near else "ok",
        state=state,
        filled=float(min(Decimal(100), 100 * stand.percent / whole)),
        percent=percent(stand.percent),
        spent=money(stand.basis, stand.currency),
        amount=money(stand.amount, stand.currency),
        steps=_placed(steps, whole),
        outlook=_outlook(stand),
    )


def _placed(steps: list[Decimal], whole: Decimal) -> tuple[Step, ...]:
    """Where the thresholds stand; of names that would overlap, the higher one stays."""
    placed: list[Step] = []
    free = Decimal(100) + APART
    for step in reversed(steps):
        at = 100 * step / whole
        has_room = free - at >= APART
        placed.append(Step(float(at), f"{step:f} %" if has_room else ""))
        free = at if has_room else free
    return tuple(reversed(placed))


def _outlook(stand: BudgetStand) -> str:
    burn = f"{money(stand.burn, stand.currency)} a day"
    if stand.basis >= limit_of(stand):
        return f"used up; {burn}"
    when = f"used up on {stand.reached_on:%-d %B}" if stand.reached_on else "lasts this month"
    following = f", next threshold {stand.next:f} %" if stand.next is not None else ""
    return f"{burn}, {when}{following}"
