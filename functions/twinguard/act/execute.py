# SPDX-License-Identifier: Apache-2.0
"""Carry actions out: record, change, confirm, in that order, so that a crash resumes where it was.

One action's failure is its result and never stops the others; the pipeline decides what a failure
means for the event. The rules of holds are in `decide/holds.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide import holds
from twinguard.decide.model import (
    Action,
    CloseBreaker,
    DropHold,
    Hold,
    Kind,
    Live,
    OpenBreaker,
    Outcome,
    Resource,
    Result,
    TakeHold,
    UnlinkBilling,
    Value,
)
from twinguard.errors import Conflict, Unavailable
from twinguard.journal import Journal
from twinguard.policy import is_control_plane
from twinguard.ports import BillingAccounts, Scaler

_ATTEMPTS = 3
"""Times an action is decided anew when somebody else wrote in between."""


class Executor(Struct, frozen=True):
    """Everything an action may touch, and on whose behalf."""

    journal: Journal
    scalers: dict[Kind, Scaler]
    billing: BillingAccounts
    actor: str
    may_unlink: str = ""

    def carry_out(self, actions: tuple[Action, ...], now: dt.datetime) -> tuple[Result, ...]:
        """What came of each action, in order."""
        return tuple(self._attempted(action, now) for action in actions)

    def plan(self, actions: tuple[Action, ...], now: dt.datetime) -> tuple[Result, ...]:
        """What `carry_out` would do, without doing it."""
        return tuple(self._planned(action, now) for action in actions)

    def _attempted(self, action: Action, now: dt.datetime) -> Result:
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self._once(action, now)
            except Conflict as err:
                if not left:
                    return Result(action, Outcome.FAILED, str(err))
            except Unavailable as err:
                return Result(action, Outcome.FAILED, str(err))
        raise AssertionError("unreachable")  # pragma: no cover

    def _once(self, action: Action, now: dt.datetime) -> Result:
        match action:
            case TakeHold() | DropHold():
                return self._move(action, now)
            case OpenBreaker() | CloseBreaker():
                return self._switch(action, now)
            case UnlinkBilling():
                return self._unlink(action, now)

    def _planned(self, action: Action, now: dt.datetime) -> Result:
        if not isinstance(action, TakeHold | DropHold):
            return Result(action, Outcome.DONE, "")
        try:
            step = self._step(action, self.journal.hold(action.resource).value, now)[0]
        except Unavailable as err:
            return Result(action, Outcome.FAILED, str(err))
        return Result(action, step.outcome, step.detail)

    def _step(
        self, action: TakeHold | DropHold, hold: Hold | None, now: dt.datetime
    ) -> tuple[holds.Step, Live | None]:
        resource = action.resource
        if is_control_plane(resource.name):
            return holds.Step(Outcome.SKIPPED, "belongs to Twinguard's own control plane"), None
        scaler = self.scalers[resource.kind]
        live = scaler.read(resource.name)
        if isinstance(action, TakeHold):
            if live is not None:
                live = replace(live, patience=scaler.patience(resource.name))
            return holds.take(hold, resource, live, action.why, now), live
        return holds.drop(hold, live, action.key, now), live

    def _move(self, action: TakeHold | DropHold, now: dt.datetime) -> Result:
        kept = self.journal.hold(action.resource)
        step, live = self._step(action, kept.value, now)
        result = Result(action, step.outcome, step.detail)
        wanted = step.hold
        if wanted is None:
            return result

        def change() -> Result:
            saved = self.journal.keep_hold(kept, wanted)
            if live is not None and step.writes:
                self._write(action.resource, step.writes, live)
                self.journal.keep_hold(saved, holds.settled(wanted, now))
            return result

        return self._audited(action, step.detail, change, now)

    def _write(self, resource: Resource, values: tuple[Value, ...], seen: Live) -> None:
        """Write one after the other, each only onto what is known to stand there."""
        scaler = self.scalers[resource.kind]
        for index, value in enumerate(values):
            scaler.write(resource.name, value, seen)
            if index + 1 < len(values):
                found = scaler.read(resource.name)
                if found is None or found.value != value:
                    raise Conflict(f"{resource.name} was changed while it was being changed")
                seen = found

    def _switch(self, action: OpenBreaker | CloseBreaker, now: dt.datetime) -> Result:
        kept = self.journal.breaker()
        others = tuple(pair for pair in kept.value.open_by if pair[0] != action.budget)
        if isinstance(action, OpenBreaker):
            wanted = replace(kept.value, open_by=(*others, (action.budget, action.reason)))
            detail = "open: requests are refused"
        else:
            wanted = replace(kept.value, open_by=others)
            detail = "still open for another budget" if others else "closed"
        if wanted == kept.value:
            return Result(action, Outcome.ALREADY, detail)

        def change() -> Result:
            self.journal.keep_breaker(kept, wanted)
            return Result(action, Outcome.DONE, detail)

        return self._audited(action, detail, change, now)

    def _unlink(self, action: UnlinkBilling, now: dt.datetime) -> Result:
        if self.may_unlink != action.project:
            detail = f"the second switch is off; set TWINGUARD_MAY_UNLINK={action.project}"
            return Result(action, Outcome.SKIPPED, detail)
        if not self.billing.is_linked(action.project):
            return Result(action, Outcome.ALREADY, "is not linked to a billing account")

        def change() -> Result:
            self.billing.unlink(action.project)
            return Result(action, Outcome.DONE, "unlinked; only a person can link it again")

        return self._audited(action, "unlink", change, now)

    def _audited(
        self, action: Action, detail: str, change: Callable[[], Result], now: dt.datetime
    ) -> Result:
        begun = self.journal.effect_begins(action, self.actor, detail, now)
        try:
            result = change()
        except Unavailable as err:
            self.journal.effect_ends(begun, Result(action, Outcome.FAILED, str(err)), now)
            raise
        self.journal.effect_ends(begun, result, now)
        return result
