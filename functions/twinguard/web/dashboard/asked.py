# SPDX-License-Identifier: Apache-2.0
"""What a person can ask for on a page, and what the page says before it is done."""

from __future__ import annotations

import enum

from msgspec import Struct


class Kind(enum.StrEnum):
    """What can be asked for."""

    WAKE = "wake"
    LIFT = "lift"
    ROTATE = "rotate"
    ENABLE = "enable"
    UNBLOCK = "unblock"


class Plan(Struct, frozen=True, kw_only=True):
    """What an action leads to. `refusal` says why it cannot be done now."""

    title: str
    button: str
    lines: tuple[str, ...]
    told: str
    refusal: str = ""
    asks_owner: bool = False


class Said(Struct, frozen=True):
    """Who asks, why, and whether what was strange about a key was its owner."""

    by: str
    reason: str
    is_owner: bool = False


class Unknown(Exception):
    """There is no such action here."""
