# SPDX-License-Identifier: Apache-2.0
"""Decide which of a provider's own limits differ from the policy (strategy.md 2.1). Pure.

A stolen key asks whichever model it likes, so no model may be asked more often than the
policy's."""

from __future__ import annotations

from decimal import ROUND_DOWN

from msgspec import Struct

from twinguard.policy import Policy


class Limit(Struct, frozen=True):
    """A limit to set. Without a model it is the month's spend in US cents, else requests a minute.

    `before` is None where there was no limit."""

    id: str
    model: str
    before: int | None
    wanted: int

    @property
    def words(self) -> str:
        """The change for people."""
        if self.model:
            return f"{self.model}: {self.before} → {self.wanted} requests a minute"
        before = "no limit" if self.before is None else f"{self.before / 100:.2f} USD"
        return f"spend: {before} → {self.wanted / 100:.2f} USD a month"


def changes(
    policy: Policy, spend: int | None, rates: tuple[tuple[str, str, int], ...]
) -> tuple[Limit, ...]:
    """What to set so that the provider keeps to the policy; `rates` are (id, model, requests).

    The policy's own model gets just its rate; others are only ever lowered."""
    openai = policy.openai
    if openai is None:
        return ()
    cents = int((100 * openai.monthly_budget).to_integral_value(ROUND_DOWN))
    wanted = openai.requests_per_minute
    spending = () if spend == cents else (Limit("", "", spend, cents),)
    slower = tuple(
        Limit(name, model, requests, wanted)
        for name, model, requests in rates
        if requests > wanted or (model == openai.model and requests != wanted)
    )
    return (*spending, *slower)
