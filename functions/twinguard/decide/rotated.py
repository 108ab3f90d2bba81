# SPDX-License-Identifier: Apache-2.0
"""What a step of a rotation means for its record, once it is made. Pure.

Which step is next is decided in `rotation.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from msgspec.structs import replace

from twinguard.decide import key_tell
from twinguard.decide.key_actions import (
    DestroyVersion,
    DropKeys,
    ExpireKey,
    Finish,
    KeyAction,
    KillKey,
    Promote,
    Shelf,
    Verdict,
)
from twinguard.decide.keys import (
    GRACE,
    OVERLAP,
    Key,
    KeyState,
    Kind,
    Old,
    Step,
    current_of,
)
from twinguard.decide.model import NEVER

_DAY = dt.timedelta(days=1)


def begun(state: KeyState, shelf: Shelf, now: dt.datetime) -> KeyState:
    """The record of a rotation that begins: what stands before the first change."""
    number = current_of(shelf)
    known = (state.current, *(old.key for old in state.olds if not old.dead))
    current = next((key for key in known if key.version == number), Key(version=number))
    is_manual = state.kind is Kind.MANUAL
    # What somebody went back to is no old key any more; what they left is nobody's.
    olds = tuple(old for old in state.olds if old.key.version != number)
    if state.current.version not in {0, number}:
        olds = (*olds, Old(replace(state.current, id=""), until=now))
    return replace(
        state,
        step=Step.ASKED if is_manual else Step.MAKING,
        number=state.number if is_manual else state.number + 1,
        newest=shelf.newest,
        current=current,
        candidate=None,
        olds=olds,
        started_at=now,
        step_at=now,
        sure=False,
        attempts=0,
    )


def renamed(state: KeyState) -> KeyState:
    """After a name was found to be used up: the next number is tried."""
    return replace(state, number=state.number + 1)


def made(state: KeyState, key_id: str, mark: str, now: dt.datetime) -> KeyState:
    """After the provider made the key; its value is still on its way into a version."""
    return _at(replace(state, candidate=Key(id=key_id, mark=mark)), Step.MADE, now)


def added(state: KeyState, version: int, now: dt.datetime) -> KeyState:
    """After the value is in a version."""
    candidate = replace(state.candidate or Key(), version=version)
    return _at(replace(state, candidate=candidate), Step.ADDED, now)


def found(state: KeyState, version: int, now: dt.datetime) -> KeyState:
    """After a version was looked for. Without one the value is lost: the next key is another."""
    if version:
        return added(state, version, now)
    return _at(replace(state, candidate=None, number=state.number + 1), Step.MAKING, now)


def verified(state: KeyState, verdict: Verdict, now: dt.datetime) -> KeyState:
    """After the provider was asked. A key that is refused for too long is taken back."""
    if state.step is Step.OVERLAP:
        return _sure(state, verdict, now)
    if verdict is Verdict.ACCEPTED:
        return _at(state, Step.VERIFIED, now)
    if now - state.step_at < GRACE:
        return state
    trouble = key_tell.refused(state, verdict)
    return _at(replace(state, trouble=trouble, failed_at=now), Step.ABANDONING, now)


def confirmed(state: KeyState, shelf: Shelf, now: dt.datetime) -> KeyState | None:
    """After a person says that the version they added works; None while there is none."""
    fresh = [one.number for one in shelf.versions if one.number > state.newest]
    fresh = [number for number in fresh if shelf.is_enabled(number)]
    if state.step is not Step.ASKED or not fresh:
        return None
    return _at(replace(state, candidate=Key(version=max(fresh), id="")), Step.VERIFIED, now)


def blocked(state: KeyState, now: dt.datetime) -> KeyState:
    """After a person ended every key of the secret."""
    key = replace(state.current, id="")
    state = replace(state, candidate=None, current=key, olds=(), failed_at=now)
    return _at(state, Step.BLOCKED, now)


def identified(state: KeyState, version: int, key_id: str) -> KeyState:
    """After the key in a version was looked for at the provider."""
    if state.current.version == version:
        state = replace(state, current=replace(state.current, id=key_id))
    return _old(state, version, lambda old: replace(old, key=replace(old.key, id=key_id)))


def after(state: KeyState, action: KeyAction, is_done: bool, now: dt.datetime) -> KeyState:
    """After a step that tells no more than whether it is done."""
    match action:
        case Promote():
            state = promoted(state, now)
        case ExpireKey(id=key_id):
            version = next((o.key.version for o in state.olds if o.key.id == key_id), 0)
            state = _old(state, version, lambda old: _expiring(old, now))
        case KillKey(version=version, id=key_id):
            state = _killed(state, version, key_id, is_done, now)
        case DestroyVersion(version=version):
            olds = tuple(old for old in state.olds if old.key.version != version)
            state = replace(state, olds=olds)
        case DropKeys() if state.step is Step.MAKING:
            state = renamed(state)
        case Finish():
            trouble = state.trouble if state.step is Step.ABANDONING else None
            ended = replace(state, candidate=None, trouble=trouble, attempts=0)
            state = _at(ended, Step.IDLE, now)
    return state


def stuck(state: KeyState, why: str, attempts: int = 3) -> KeyState:
    """After an attempt in vain. Several in a row are worth a person's look."""
    tried = state.attempts + 1
    state = replace(state, attempts=tried)
    if tried < attempts or state.trouble is not None:
        return state
    return replace(state, trouble=key_tell.stuck(state, why))


def promoted(state: KeyState, now: dt.datetime) -> KeyState:
    """After readers have the new version: the old one's time begins to end."""
    olds = state.olds
    if state.current.version:
        is_manual = state.kind is Kind.MANUAL
        key = replace(state.current, id="") if is_manual else state.current
        olds = (*olds, Old(key, until=now + OVERLAP))
    state = replace(
        state, current=state.candidate or Key(), candidate=None, olds=olds, rotated_at=now
    )
    return _at(replace(state, trouble=None, failed_at=NEVER, sure=False), Step.OVERLAP, now)


def _sure(state: KeyState, verdict: Verdict, now: dt.datetime) -> KeyState:
    """Whether the new key still works when the old one is about to end."""
    if verdict is Verdict.ACCEPTED:
        return replace(state, sure=True, trouble=None)
    olds = tuple(
        old if old.dead else replace(old, until=now + _DAY, expires=False) for old in state.olds
    )
    return replace(state, olds=olds, trouble=key_tell.failing(state, verdict))


def _killed(
    state: KeyState, version: int, key_id: str, is_dead: bool, now: dt.datetime
) -> KeyState:
    if is_dead:
        state = replace(state, trouble=None)
        return _old(state, version, lambda old: replace(old, dead=True))
    state = replace(state, trouble=key_tell.undead(state, version, key_id))
    return _old(state, version, lambda old: replace(old, until=now + _DAY))


def _expiring(old: Old, now: dt.datetime) -> Old:
    """After the provider was told when to end it; once more where that was put off."""
    return replace(old, expires=True, until=now + _DAY if old.expires else old.until)


def _old(state: KeyState, version: int, change: Callable[[Old], Old]) -> KeyState:
    olds = tuple(change(old) if old.key.version == version else old for old in state.olds)
    return replace(state, olds=olds)


def _at(state: KeyState, step: Step, now: dt.datetime) -> KeyState:
    return replace(state, step=step, step_at=now)
