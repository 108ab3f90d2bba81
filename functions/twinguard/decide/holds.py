# SPDX-License-Identifier: Apache-2.0
"""Decide how a hold is taken and dropped, whatever happened to the resource or to us in between.

Pure. Save `Step.hold` first, then make `Step.writes`, then save `settled(hold)`: a process that
dies anywhere in between resumes by asking again. `act/execute.py` does just that."""

from __future__ import annotations

import datetime as dt

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.model import (
    DropHold,
    Hold,
    Live,
    Mode,
    Outcome,
    Push,
    Resource,
    Strength,
    Value,
    Why,
)
from twinguard.decide.scaling import lowered, pausable, steps

SLACK = dt.timedelta(hours=24)
"""How much later than planned a hold may end: Google's first message of a period takes hours."""


class Step(Struct, frozen=True):
    """What to do next about one resource.

    `hold` is the record to save before anything is written (None: leave it as it is); `writes` are
    the values to write, in order."""

    outcome: Outcome
    detail: str
    hold: Hold | None = None
    writes: tuple[Value, ...] = ()


def take(
    hold: Hold | None, resource: Resource, live: Live | None, why: Why, now: dt.datetime
) -> Step:
    """Hold a resource for one more reason.

    Somebody who changes a held resource outranks the reasons that held it; a new reason starts over
    from their value."""
    if live is None:
        return Step(Outcome.SKIPPED, "does not exist")
    if hold is None or not hold.active:
        return _started(resource, live, (), why, now, "")
    if live.value in hold.expected:
        if _is_longer(hold, why) and (refusal := _too_long(live, why, now)):
            return _refused(drop(hold, live, why.key, now), refusal)
        return _toward(hold, _with(hold.reasons, why), live, now)
    if why.key in hold.keys:
        return Step(Outcome.SKIPPED, _changed(hold, live))
    overruled = tuple(replace(reason, overruled=True) for reason in hold.reasons)
    return _started(resource, live, overruled, why, now, f"; {_changed(hold, live)} before")


def drop(hold: Hold | None, live: Live | None, key: str, now: dt.datetime) -> Step:
    """Take one reason back, and put back what was there when it was the last."""
    if hold is None or not hold.active or (key not in hold.keys and hold.settled):
        return Step(Outcome.ALREADY, "is not held for this reason")
    reasons = tuple(why for why in hold.reasons if why.key != key)
    if live is not None and live.value in hold.expected:
        return _toward(hold, reasons, live, now)
    detail = "does not exist any more" if live is None else _changed(hold, live)
    expected = hold.expected if reasons or live is None else (live.value,)
    left = replace(hold, reasons=reasons, expected=expected[-1:], changed_at=now, left=detail)
    return Step(Outcome.SKIPPED, detail, left)


def drops(holds: tuple[Hold, ...], key: str) -> tuple[DropHold, ...]:
    """The actions that end a reason everywhere, and finish what a death left on its way."""
    return tuple(DropHold(h.resource, key) for h in holds if key in h.keys or not h.settled)


def settled(hold: Hold, now: dt.datetime) -> Hold:
    """The record once the last write is confirmed."""
    return replace(hold, expected=hold.expected[-1:], changed_at=now)


def described(value: Value) -> str:
    """A value in a person's words."""
    if isinstance(value, Push):
        return "pushing" if value.config else "paused"
    if value.mode is Mode.MANUAL:
        return f"manual, {value.count} instances" if value.count else "stopped"
    floor = max(value.minimum, value.revision_minimum)
    return f"at least {floor} instances" if floor else "from zero instances"


def _started(
    resource: Resource,
    live: Live,
    overruled: tuple[Why, ...],
    why: Why,
    now: dt.datetime,
    note: str,
) -> Step:
    if isinstance(live.value, Push) and not pausable(live.value):
        return Step(Outcome.SKIPPED, "has no push endpoint to pause; stop its consumer instead")
    if refusal := _too_long(live, why, now):
        return Step(Outcome.SKIPPED, refusal)
    fresh = Hold(resource, before=live.value, expected=(live.value,))
    step = _toward(fresh, (*overruled, why), live, now)
    return replace(step, detail=step.detail + note)


def _refused(step: Step, refusal: str) -> Step:
    """The reason ends, because it may not go on for as long as it is wanted."""
    hold = step.hold and replace(step.hold, left=refusal)
    return replace(step, outcome=Outcome.SKIPPED, detail=refusal, hold=hold)


def _toward(hold: Hold, reasons: tuple[Why, ...], live: Live, now: dt.datetime) -> Step:
    wanted = _wanted(hold.before, reasons)
    writes = steps(live.value, wanted)
    moved = replace(hold, reasons=reasons, expected=(live.value, *writes), left="")
    if moved == hold and not writes:
        return Step(Outcome.ALREADY, f"is already {described(wanted)}")
    detail = f"{described(live.value)} → {described(wanted)}" if writes else described(wanted)
    return Step(Outcome.DONE, detail, replace(moved, changed_at=now), writes)


def _wanted(before: Value, reasons: tuple[Why, ...]) -> Value:
    strengths = {why.strength for why in reasons if not why.overruled}
    if not strengths:
        return before
    return lowered(before, Strength.STOP if Strength.STOP in strengths else Strength.IDLE)


def _with(reasons: tuple[Why, ...], why: Why) -> tuple[Why, ...]:
    for known in reasons:
        if known.key == why.key:
            renewed = replace(known, strength=why.strength, until=why.until)
            return tuple(renewed if reason is known else reason for reason in reasons)
    return (*reasons, why)


def _is_longer(hold: Hold, why: Why) -> bool:
    """True where the reason is new, or is to last longer than it was going to."""
    known = next((reason for reason in hold.reasons if reason.key == why.key), None)
    if known is None or known.until is None:
        return known is None
    return why.until is None or why.until > known.until


def _too_long(live: Live, why: Why, now: dt.datetime) -> str:
    if live.patience is None:
        return ""
    if why.until is not None and why.until + SLACK - now <= live.patience:
        return ""
    end = "without an end" if why.until is None else f"until {why.until:%Y-%m-%d %H:%M} UTC"
    hours = max(0, int(live.patience.total_seconds() // 3600))
    return (
        f"is not paused {end}: it keeps unread messages for {hours} h more and could lose them; "
        "raise message_retention_duration or pause it for less"
    )


def _changed(hold: Hold, live: Live) -> str:
    expected, found = described(hold.expected[-1]), described(live.value)
    if expected == found:
        return f"was changed by somebody else (still {found}, but with other settings)"
    return f"was changed by somebody else ({expected} → {found})"
