# SPDX-License-Identifier: Apache-2.0
"""Read what an address asks for: a month, or findings of a kind. What is neither is left out."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from twinguard.costs import EVER
from twinguard.web.dashboard.board import Wanted

if TYPE_CHECKING:
    from starlette.requests import Request

LEVELS = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
LONGEST = 200
"""Characters of a text in an address."""


def month_of(text: str) -> dt.date | None:
    """The month of the address, as 2026-10; None for the current one, 404 for what is none."""
    if not text:
        return None
    try:
        found = dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise HTTPException(404) from None
    if not EVER[0] <= found <= EVER[1]:
        raise HTTPException(404)
    return found


def wanted_of(request: Request) -> Wanted:
    """Which findings."""
    asked = request.query_params
    level = asked.get("level", "").upper()
    return Wanted(
        level=level if level in LEVELS else "",
        key_id=asked.get("key", "").strip()[:LONGEST],
        detector=asked.get("detector", "")[:LONGEST],
        before=asked.get("before", "")[:LONGEST],
    )
