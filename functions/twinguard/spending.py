# SPDX-License-Identifier: Apache-2.0
"""The policy's block about what may be spent on language models, by whom. Types and rules only.

The environment's own limit is `openai.monthly_budget`; the ledger that keeps them is in `llm/`."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from twinguard.blocks import Block, refuse

__all__ = ["Spending"]

MOST = 9_007_199
"""Dollars that the ledger counts exactly to the nano-dollar."""

Dollars = Annotated[Decimal, Meta(description="USD each calendar month (UTC).")]
ScopeName = Annotated[
    str, Meta(pattern="^(tenant|feature|key|model):[^\\s]([^\\n]{0,198}[^\\s])?$")
]
Route = Annotated[str, Meta(pattern="^/[^\\s?#]*$")]


class Spending(Block, frozen=True, kw_only=True):
    """Limits on language models, and which routes of the application stay open without money."""

    limits: Annotated[
        dict[ScopeName, Dollars],
        Meta(description="Of one as tenant:acme, of each that has none of its own as tenant:*."),
    ] = {}
    open_routes: Annotated[
        tuple[Route, ...],
        Meta(description="Answered even when the budget is used up; /x/ has all below it."),
    ] = ()
    drift_percent: Annotated[
        int, Meta(ge=1, le=100, description="Difference to the provider's bill that is told.")
    ] = 5

    def __post_init__(self) -> None:
        for name, amount in self.limits.items():
            refuse(
                not 0 <= amount <= MOST,
                f"spending.limits.{name} must be from 0 to {MOST} USD; correct it, or remove it",
            )
