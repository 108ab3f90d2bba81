# SPDX-License-Identifier: Apache-2.0
"""Say beforehand what a rotation, a confirmation or a block is going to do. Pure."""

from __future__ import annotations

from twinguard.decide.key_actions import Shelf
from twinguard.decide.keys import OVERLAP, KeyState, Kind, Step, current_of
from twinguard.decide.rotated import confirmed

_HOURS = int(OVERLAP.total_seconds() // 3600)


def rotation(state: KeyState, shelf: Shelf) -> tuple[str, ...]:
    """What beginning or going on with a rotation leads to, one line for each step."""
    if state.under_way:
        return (f"go on from {state.step}, begun {state.started_at:%Y-%m-%d %H:%M} UTC",)
    old, new = current_of(shelf), shelf.newest + 1
    if state.kind is Kind.MANUAL:
        return (
            f"ask a person to renew it; version {old} stays until they confirm another one",
            f"follow it up until then: make rotations ENV={state.environment}",
        )
    name = f"twinguard-{state.environment}-{state.secret}-{state.number + 1}"
    first = (
        f"make the key {name} at the provider ({state.kind})",
        f"add it as version {new}, which no reader of `current` gets yet",
        f"verify it; if it is refused, take it back and leave version {old} as it is",
    )
    if not old:
        return (*first, f"point `current` to version {new}")
    return (
        *first,
        f"point `current` from version {old} to {new}",
        f"after {_HOURS} hours and another look, end the old key at the provider",
        f"disable version {old}, and have it destroyed after its time to live",
    )


def confirmation(state: KeyState, shelf: Shelf) -> tuple[str, ...]:
    """What a person's confirmation leads to; nothing where there is nothing to confirm."""
    new = confirmed(state, shelf, state.step_at)
    if state.step is not Step.ASKED or new is None or new.candidate is None:
        return ()
    old = state.current.version
    return (
        f"point `current` from version {old} to {new.candidate.version}",
        f"after {_HOURS} hours, disable version {old}, and have it destroyed",
    )


def block(state: KeyState) -> tuple[str, ...]:
    """What a block leads to."""
    return (
        f"end every key of {state.secret} at the provider ({state.kind}), at once",
        "see that the provider refuses each of them",
        "everything that reads it stops working, until a person rotates it",
    )
