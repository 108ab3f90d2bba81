# SPDX-License-Identifier: Apache-2.0
"""End reasons to hold on a person's word: which, what comes of it, and doing it.

Asked for by the command line and by the dashboard; neither decides anything itself."""

from __future__ import annotations

import datetime as dt
import enum

from msgspec import Struct

from twinguard.decide import budgets
from twinguard.decide.holds import described
from twinguard.decide.model import Action, DropHold, Hold, Outcome, Result
from twinguard.pipeline import MANUAL, NIGHT, SAVINGS, Pipeline

BUDGET = "budget"


class Which(enum.StrEnum):
    """Reasons that a person can end."""

    NIGHT = "night"
    MANUAL = "manual"
    SAVINGS = "savings"
    BUDGET = "budget"
    ALL = "all"


class Waking(Struct, frozen=True):
    """What is held, and the actions that end some of its reasons.

    Ending the budget's lifts its cap until spend has grown on."""

    pipeline: Pipeline
    held: tuple[Hold, ...]
    drops: tuple[Action, ...]
    caps: tuple[Action, ...]

    @classmethod
    def of(cls, pipeline: Pipeline, which: frozenset[Which]) -> Waking:
        """How to end these reasons, as things stand."""
        held = pipeline.journal.active_holds()
        keys = _keys(held, which)
        drops = tuple(action for key in sorted(keys) for action in pipeline.drops(key))
        caps: tuple[Action, ...] = ()
        if which & {Which.BUDGET, Which.ALL}:
            breaker = pipeline.journal.breaker().value
            caps = budgets.lift_actions(budgets.ENVIRONMENT, held, breaker)
        return cls(pipeline, held, drops, caps)

    def planned(self, by: str, now: dt.datetime) -> tuple[Result, ...]:
        """One line for each resource, which says where all these drops leave it."""
        records = {hold.resource: hold for hold in self.held}
        actions = (*self.drops, *self.caps)
        ended: dict[object, set[str]] = {}
        for action in actions:
            if isinstance(action, DropHold):
                ended.setdefault(action.resource, set()).add(action.key)
        found: dict[object, Result] = {}
        for result in self.pipeline.executor(by).plan(actions, now):
            action, detail = result.action, result.detail
            if isinstance(action, DropHold) and result.outcome is Outcome.DONE:
                detail = left(records[action.resource], ended[action.resource])
            key = getattr(action, "resource", action)
            found[key] = Result(action, result.outcome, detail)
        return tuple(found.values())

    def carried_out(self, by: str, now: dt.datetime) -> tuple[Result, ...]:
        """Do it, and say what came of each."""
        results = self.pipeline.executor(by).carry_out(self.drops, now)
        if self.caps:
            results = (*results, *self.pipeline.lift(by, now).results)
        return results


def left(hold: Hold, ended: set[str]) -> str:
    """Where a resource stands once these reasons are gone."""
    others = sorted(hold.keys - ended)
    if others:
        return f"stays {described(hold.expected[-1])}: held for {', '.join(others)}"
    return f"{described(hold.expected[-1])} → {described(hold.before)}"


def _keys(held: tuple[Hold, ...], which: frozenset[Which]) -> frozenset[str]:
    """The reasons to end, but for budgets: those are lifted, or they would hold again at once."""
    if Which.ALL in which:
        found = {key for hold in held for key in hold.keys}
        return frozenset(key for key in found if not key.startswith(f"{BUDGET}/"))
    return frozenset(key for key in (NIGHT, MANUAL, SAVINGS) if key in which)
