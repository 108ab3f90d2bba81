# SPDX-License-Identifier: Apache-2.0
"""What the doctor says: checks, how they stand, and what all of them come to. Pure.

What is checked of a deployed environment is in `health_deployed.py`, what was read for it in
`deployment.py`."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct

from twinguard.decide.inventory import Gap

T = TypeVar("T")


class State(enum.StrEnum):
    """How a control stands. `unknown`: it could not be checked, which is no good news."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Exit(enum.IntEnum):
    """The doctor's exit codes."""

    HEALTHY = 0
    BROKEN = 1
    USAGE = 2
    UNKNOWN = 3


class Check(Struct, frozen=True, kw_only=True):
    """One control: what was seen of it, and what helps where it is not ok."""

    group: str
    name: str
    state: State
    says: str
    remedy: str = ""


class Look(Struct, frozen=True):
    """One thing to check, before it is known how it stands."""

    group: str
    name: str

    def ok(self, says: str) -> Check:
        """It was seen to be right."""
        return Check(group=self.group, name=self.name, state=State.OK, says=says)

    def failed(self, says: str, remedy: str) -> Check:
        """It was seen to be wrong."""
        return Check(group=self.group, name=self.name, state=State.FAILED, says=says, remedy=remedy)

    def unknown(self, says: str, remedy: str = "") -> Check:
        """It could not be seen."""
        return Check(
            group=self.group, name=self.name, state=State.UNKNOWN, says=says, remedy=remedy
        )

    def about(self, known: T | Gap, judge: Callable[[T], Check], absent: str) -> Check:
        """The judgement on what could be read; `absent` helps where its whole API is off."""
        if not isinstance(known, Gap):
            return judge(known)
        if known.off:
            return self.failed(f"{known.why}: none of it can work", absent)
        return self.unknown(known.why)


def exit_code(checks: Iterable[Check]) -> Exit:
    """What all checks come to: broken goes before unknown."""
    states = {check.state for check in checks}
    if State.FAILED in states:
        return Exit.BROKEN
    return Exit.UNKNOWN if State.UNKNOWN in states else Exit.HEALTHY


def worst_first(checks: Iterable[Check]) -> tuple[Check, ...]:
    """What is broken, then what is not known, then the rest; each in the order of the checks."""
    order = (State.FAILED, State.UNKNOWN, State.OK)
    return tuple(sorted(checks, key=lambda check: order.index(check.state)))


def verdict(name: str, checks: Iterable[Check]) -> str:
    """One line about all of it."""
    known = tuple(checks)
    count = Counter(check.state for check in known)
    bad, dark = count[State.FAILED], count[State.UNKNOWN]
    if not bad and not dark:
        return f"{name} is healthy: {_controls(len(known))} checked, nothing is wrong."
    parts = [f"{bad} broken"] if bad else []
    parts += [f"{dark} could not be checked"] if dark else []
    state = "is not healthy" if bad else "cannot be called healthy"
    return f"{name} {state}: of {_controls(len(known))}, {', '.join(parts)}."


def _controls(count: int) -> str:
    return f"{count} control{'' if count == 1 else 's'}"
