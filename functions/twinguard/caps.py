# SPDX-License-Identifier: Apache-2.0
"""The steps that lead to a budget's cap, and the cap itself. Types and rules only.

`policy.py` has the budget they belong to."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from twinguard.blocks import Block, refuse
from twinguard.words import Level

__all__ = ["Cap", "Percent", "Release", "Threshold", "ascending"]

Percent = Annotated[Decimal, Meta(description="Per cent of the budget's amount.")]


class Threshold(Block, frozen=True, kw_only=True):
    """A percentage of the budget at which people are told."""

    percent: Percent
    level: Level


class Release(Block, frozen=True, kw_only=True):
    """What it takes to lift the cap inside a period."""

    reads: Annotated[int, Meta(ge=1, le=5, description="Readings below the cap.")] = 2
    apart_minutes: Annotated[int, Meta(ge=0, le=720, description="Least time between them.")] = 10


class Cap(Block, frozen=True, kw_only=True):
    """What happens when the budget is used up (strategy.md 9, `ENABLE_COST_CAPS`)."""

    enabled: Annotated[bool, Meta(description="Whether anything but telling happens.")]
    percent: Percent = Decimal(100)
    stop_serving: Annotated[
        bool, Meta(description="Opt-in: trip the breaker and stop non-critical services.")
    ] = False
    unlink_billing: Annotated[
        bool, Meta(description="Opt-in: take the project off its billing account. Not reversible.")
    ] = False
    release: Release = Release()
    rearm_percent: Annotated[
        Decimal, Meta(description="Growth after a person lifted the cap that trips it again.")
    ] = Decimal(10)

    def __post_init__(self) -> None:
        refuse(
            self.percent <= 0,
            "cap.percent must be above zero; set cap.enabled to false to run without a cap",
        )
        refuse(self.rearm_percent <= 0, "cap.rearm_percent must be above zero")
        refuse(
            self.unlink_billing and not self.stop_serving,
            "cap.unlink_billing stops everything; it needs cap.stop_serving: true as well",
        )


def ascending(name: str, thresholds: tuple[Threshold, ...]) -> None:
    """Refuse thresholds that do not rise from above zero."""
    percents = [threshold.percent for threshold in thresholds]
    refuse(any(p <= 0 for p in percents), f"{name}: every percent must be above zero")
    refuse(
        percents != sorted(set(percents)),
        f"{name}: percents must ascend without repeats; got "
        f"{', '.join(f'{p:f}' for p in percents)}: sort them",
    )
