# SPDX-License-Identifier: Apache-2.0
"""Word what is wrong with a key, and decide when people hear of it. Pure.

Alerts go into the record's outbox in the write that marks them as told."""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from twinguard.decide.key_actions import Verdict
from twinguard.decide.keys import GRACE, KeyState, Trouble
from twinguard.decide.wording import END, FIRST, alert_of
from twinguard.policy import Level, Policy


def told(state: KeyState, policy: Policy, now: dt.datetime) -> KeyState:
    """The state with what is due in its outbox: trouble that opens, changes or is over."""
    if state.trouble == state.told:
        return state
    is_open = state.incident % 2 == 1
    if state.trouble is None:
        known = state.told or Trouble("")
        title = f"{state.secret} of {state.environment}: over, version {state.current.version}"
        alert = alert_of(policy, _key(state), known.level, END, title, (known.title,), now)
        return replace(
            state, told=None, incident=state.incident + 1, rises=0, outbox=(*state.outbox, alert)
        )
    state = replace(
        state,
        told=state.trouble,
        incident=state.incident if is_open else state.incident + 1,
        rises=state.rises + 1,
    )
    trouble, step = state.trouble or Trouble(""), FIRST + state.rises - 1
    alert = alert_of(policy, _key(state), trouble.level, step, trouble.title, trouble.lines, now)
    return replace(state, outbox=(*state.outbox, alert))


def refused(state: KeyState, verdict: Verdict) -> Trouble:
    """That a new key never worked."""
    return Trouble(
        f"The new key for {state.secret} does not work; the old one stays",
        (
            f"The provider said {verdict} to {state.name} for {GRACE.seconds // 60} minutes.",
            "It is taken back; the next try is tomorrow. Look at the rights of its account.",
        ),
    )


def failing(state: KeyState, verdict: Verdict) -> Trouble:
    """That the new key works no longer."""
    return Trouble(
        f"The new key for {state.secret} stopped working; the old one is kept a day longer",
        (f"The provider said {verdict}. Point `current` back, or rotate again by hand.",),
    )


def undead(state: KeyState, version: int, key_id: str) -> Trouble:
    """That an old key lives on."""
    what = f"Key {key_id}" if key_id else "The key, which the provider does not list,"
    return Trouble(
        f"The old key for {state.secret} is not dead",
        (f"{what} of version {version} still works. Delete it where it was made.",),
    )


def stuck(state: KeyState, why: str) -> Trouble:
    """That attempts fail one after the other."""
    title = f"The rotation of {state.secret} does not get on: it is at {state.step}"
    return Trouble(title, (why[:500], "It is tried again."))


def asked(state: KeyState, policy: Policy) -> Trouble:
    """What a person does where no API makes the credential."""
    secret = f"{state.environment}-{state.secret}"
    confirm = f"make rotate KEY={state.secret} ENV={state.environment} CONFIRM=1 APPLY=1"
    return Trouble(
        f"{state.secret} of {state.environment} is to be renewed by a person",
        (
            f"1. Make a new credential beside the one of version {state.current.version}.",
            f"2. gcloud secrets versions add {secret} --project {policy.project.id} --data-file=-",
            "3. Check that it works; readers of `current` still have the old one.",
            f"4. {confirm}",
            "5. A day later, revoke the old credential where it was made.",
        ),
        Level.MEDIUM,
    )


def unconfirmed(state: KeyState) -> Trouble:
    """That a block was begun, and nobody saw it done."""
    again = f"make block-key KEY={state.secret} ENV={state.environment} APPLY=1"
    return Trouble(
        f"{state.secret} of {state.environment} is to be blocked, and its keys may still work",
        (f"The block did not come to its end. Begin again: {again}",),
        Level.CRITICAL,
    )


def ended(state: KeyState, by: str) -> Trouble:
    """That a person ended every key in an emergency."""
    begin = f"make rotate KEY={state.secret} ENV={state.environment} APPLY=1"
    return Trouble(
        f"{state.secret} of {state.environment} is blocked: nothing that reads it works any more",
        (f"By {by}; the provider refuses its keys. To go on with a new one: {begin}",),
        Level.CRITICAL,
    )


def _key(state: KeyState) -> str:
    """The incident: one for each time that trouble begins."""
    return f"rotation/{state.secret}/{state.incident + 1 - state.incident % 2}"
