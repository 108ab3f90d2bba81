# SPDX-License-Identifier: Apache-2.0
"""Decide the next step of a rotation. Pure; what a step that was made means is in `rotated.py`.

Whoever dies between a step and its record asks again: every step can be made twice. The order keeps
the old key alive until the new one is seen to work."""

from __future__ import annotations

import datetime as dt

from twinguard.decide.key_actions import (
    Anchor,
    DestroyVersion,
    DisableVersion,
    DropKeys,
    ExpireKey,
    FindVersion,
    Finish,
    Identify,
    KeyAction,
    KillKey,
    MakeKey,
    Promote,
    Seen,
    Verify,
    VersionState,
    Wait,
)
from twinguard.decide.keys import (
    LONGEST,
    Key,
    KeyState,
    Kind,
    Old,
    Step,
    is_ours,
)

FOREVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
_DAY = dt.timedelta(days=1)
_WAITS = {
    Step.ASKED: "a person adds a version and confirms it",
    Step.BLOCKED: "its keys are blocked; a person begins anew",
}
_ANCHORED = frozenset({Step.IDLE, Step.MAKING, Step.ASKED})
"""Before a version can be added: from then on, only a promotion changes what readers get."""


def next_step(state: KeyState, seen: Seen, now: dt.datetime) -> KeyAction:
    """The one thing to do now."""
    if state.step in _ANCHORED and state.current.version and not seen.shelf.current:
        return Anchor(state.current.version)
    candidate = state.candidate or Key()
    action: KeyAction
    match state.step:
        case Step.MAKING:
            action = _making(state, seen)
        case Step.MADE:
            action = FindVersion(candidate.mark, after=state.newest)
        case Step.ADDED:
            action = Verify(candidate.version)
        case Step.VERIFIED:
            action = Promote(candidate.version)
        case Step.OVERLAP:
            action = _overlap(state, seen, now)
        case Step.ABANDONING:
            action = _abandoning(state, seen)
        case Step.ASKED | Step.BLOCKED:
            action = Wait(FOREVER, _WAITS[state.step])
        case Step.IDLE:
            action = _clearing(state, seen, now)
    return action


def strays(state: KeyState, seen: Seen) -> tuple[str, ...]:
    """Keys of ours that no record and no version holds: values that died with a process."""
    return tuple(
        key.id
        for key in seen.keys
        if is_ours(key.name, state.environment, state.secret) and key.id not in state.ids
    )


def _making(state: KeyState, seen: Seen) -> KeyAction:
    current = state.current
    # Before anything is ended, which of the keys readers have must be known.
    if current.version and current.id is None:
        return Identify(current.version)
    # A key that OpenAI's list does not tell apart may be among the strays: they stay for now.
    is_known = bool(current.id) or not current.version or state.kind is not Kind.OPENAI
    if is_known and (lost := strays(state, seen)):
        return DropKeys(lost)
    return MakeKey(state.name)


def _overlap(state: KeyState, seen: Seen, now: dt.datetime) -> KeyAction:
    if state.olds and seen.shelf.current != state.current.version:
        return _gone_back(state, seen, now)
    for old in state.olds:
        action = _ending(state, old, seen, now)
        if action is not None:
            return action
    if lost := strays(state, seen):
        return DropKeys(lost)
    return Finish()


def _gone_back(state: KeyState, seen: Seen, now: dt.datetime) -> KeyAction:
    """Somebody went back to another version: whatever they went back to must live."""
    for old in state.olds:
        # The provider was told to end this one: not before another week, and again each day.
        if old.key.version == seen.shelf.current and old.expires and now >= old.until:
            return ExpireKey(old.key.id or "", int(LONGEST.total_seconds()))
    return Wait(now + _DAY, "somebody moved `current`; nothing is ended")


def _ending(state: KeyState, old: Old, seen: Seen, now: dt.datetime) -> KeyAction | None:
    """What one old key still needs before the rotation is done; None if nothing."""
    key = old.key
    action: KeyAction | None
    if old.dead:
        enabled = seen.shelf.is_enabled(key.version)
        action = DisableVersion(key.version) if enabled else None
    elif key.id is None:
        action = Identify(key.version)
    elif key.id and state.kind is Kind.OPENAI and not old.expires:
        action = ExpireKey(key.id, int(LONGEST.total_seconds()))
    elif now < old.until:
        action = Wait(old.until, "the old key is still accepted")
    elif _is_used(key.id, seen, now) and now < state.step_at + LONGEST - _DAY:
        action = Wait(now + _DAY, "the old key is still used")
    elif not state.sure and state.kind is not Kind.MANUAL:
        action = Verify(state.current.version)
    else:
        action = KillKey(key.version, key.id)
    return action


def _clearing(state: KeyState, seen: Seen, now: dt.datetime) -> KeyAction:
    """What is left of keys that are dead: their versions."""
    shelf = seen.shelf
    for old in state.olds:
        version = shelf.version(old.key.version)
        is_gone = version is None or version.state in {VersionState.ENDING, VersionState.DESTROYED}
        # Where Secret Manager delays a destruction itself, there is nothing to wait for.
        if is_gone or shelf.keeps or now >= old.until + seen.ttl:
            return DestroyVersion(old.key.version)
    return Wait(FOREVER, "nothing is due")


def _abandoning(state: KeyState, seen: Seen) -> KeyAction:
    candidate = state.candidate or Key()
    if any(key.id == candidate.id for key in seen.keys):
        return DropKeys((candidate.id or "",))
    if seen.shelf.is_enabled(candidate.version):
        return DisableVersion(candidate.version)
    version = seen.shelf.version(candidate.version)
    if version is not None and version.state is VersionState.DISABLED:
        return DestroyVersion(candidate.version)
    return Finish()


def _is_used(key_id: str, seen: Seen, now: dt.datetime) -> bool:
    used = next((key.last_used for key in seen.keys if key.id == key_id), None)
    return used is not None and now - used < _DAY
