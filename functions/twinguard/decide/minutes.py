# SPDX-License-Identifier: Apache-2.0
"""Requests and tokens a minute: how many there were, what is still free, and when. Pure.

A minute is counted in cells of six seconds. Eleven of them always hold a whole minute, so a limit
is never exceeded in any minute, wherever it begins; what is free again is so six seconds late."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

CELL: Final = 6_000
"""Milliseconds."""
CELLS: Final = 11


class Allowance(Struct, frozen=True):
    """What one scope may use in a minute; None: as much as it likes."""

    scope: str
    requests: int | None
    tokens: int | None


class Taken(Struct, frozen=True):
    """What a request was let through with; give back what it did not need."""

    allowances: tuple[Allowance, ...]
    cell: int
    tokens: int


class Exceeded(Struct, frozen=True):
    """A limit that a request would exceed. `wait`: seconds until it fits; None: never."""

    scope: str
    unit: str
    limit: int
    wait: float | None


def cell_of(milliseconds: int) -> int:
    """The cell a moment belongs to."""
    return milliseconds // CELL


def exceeded(
    allowance: Allowance,
    requests: Mapping[int, int],
    tokens: Mapping[int, int],
    wanted: int,
    now: int,
) -> Exceeded | None:
    """The limit of a scope that one more request with so many tokens would exceed."""
    found = [
        Exceeded(allowance.scope, unit, limit, None if asked > limit else wait)
        for unit, limit, used, asked in (
            ("requests", allowance.requests, requests, 1),
            ("tokens", allowance.tokens, tokens, wanted),
        )
        if limit is not None and (wait := _wait(limit, used, asked, now)) > 0
    ]
    return worst(found)


def worst(found: Iterable[Exceeded]) -> Exceeded | None:
    """The one that lasts longest."""
    return max(found, key=lambda one: math.inf if one.wait is None else one.wait, default=None)


def _wait(limit: int, used: Mapping[int, int], wanted: int, now: int) -> float:
    """Seconds until so much more fits."""
    oldest = cell_of(now) - CELLS + 1
    counted = sorted((cell, amount) for cell, amount in used.items() if cell >= oldest)
    left = sum(amount for _, amount in counted) + wanted - limit
    wait = 0.0
    for cell, amount in counted:
        if left <= 0:
            break
        left -= amount
        wait = ((cell + CELLS) * CELL - now) / 1000
    return wait if left <= 0 else math.inf
