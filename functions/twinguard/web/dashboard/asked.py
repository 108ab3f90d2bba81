# SPDX-License-Identifier: Apache-2.0
"""What a person can ask for on a page, and what the page says before it is done."""

from __future__ import annotations

import enum

from msgspec import Struct

from twinguard.web.dashboard.operations_view import ENDS
from twinguard.web.dashboard.watched import Watched


class Kind(enum.StrEnum):
    """What can be asked for."""

    WAKE = "wake"
    LIFT = "lift"
    ROTATE = "rotate"
    ENABLE = "enable"
    UNBLOCK = "unblock"
    RAISE = "raise"
    UNRAISE = "unraise"


class Plan(Struct, frozen=True, kw_only=True):
    """What an action leads to. `refusal` says why it cannot be done now."""

    title: str
    button: str
    lines: tuple[str, ...]
    told: str
    refusal: str = ""
    asks_owner: bool = False
    asks_limit: bool = False


class Said(Struct, frozen=True):
    """Who asks, why, and what the form asked besides: was it the key's owner, how much, how long.

    `amount` is in dollars a month, `until` as `raising.until_of` reads it."""

    by: str
    reason: str
    is_owner: bool = False
    amount: str = ""
    until: str = ""


class Mistake(Struct, frozen=True):
    """What is wrong with a field of the form."""

    field: str
    words: str


class Unknown(Exception):
    """There is no such action here."""


def title(watched: Watched, kind: Kind, target: str) -> str:
    """What the action is called."""
    words = {
        Kind.WAKE: f"{ENDS.get(target, target)}, in {watched.name}",
        Kind.LIFT: f"Lift the cap of {watched.name}",
        Kind.ROTATE: f"Rotate {target} of {watched.name}",
        Kind.ENABLE: f"Switch on the customer key {target}",
        Kind.UNBLOCK: f"Unblock the key {target}",
        Kind.RAISE: f"Set another limit for {target}",
        Kind.UNRAISE: f"Give {target} back to the policy's limit",
    }
    return words[kind]


def told(watched: Watched) -> str:
    """Who hears of it."""
    if watched.tells:
        return "The operations team is told."
    return "Nobody is told: TWINGUARD_ALERTS_TOPIC is not set."
