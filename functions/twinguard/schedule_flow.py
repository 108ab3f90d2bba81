# SPDX-License-Identifier: Apache-2.0
"""What the schedule's tasks go through: night, morning, and the end of what is overdue.

When an environment sleeps is decided in `decide/hours.py`. A night is carried out once; a morning
as often as it is asked for, because it only puts back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from msgspec.structs import replace

from twinguard import parse
from twinguard.budget_flow import BudgetFlow
from twinguard.decide import holds, hours
from twinguard.decide.model import (
    AlertState,
    DropHold,
    NightState,
    Result,
    Strength,
    Why,
)
from twinguard.decide.wording import failing_alert, held_by, left_alone, night_alert, problems
from twinguard.errors import BadEvent, Unavailable
from twinguard.flow import MANUAL, NIGHT, SAVINGS, Report, failures, soon
from twinguard.journal import Kept
from twinguard.policy import Schedule

if TYPE_CHECKING:
    from twinguard.key_flow import KeyFlow
    from twinguard.theft_flow import TheftFlow


TASKS = "night, morning, expire, rotate, costs, report and reconcile"


class ScheduleFlow(BudgetFlow):
    """The tasks of Cloud Scheduler."""

    def on_schedule(self, event: parse.Event, now: dt.datetime) -> Report:
        """Put the environment to sleep, wake it, end what is overdue, or rotate keys."""
        task = parse.task(event)
        match task:
            case "night":
                return self._night(now)
            case "morning":
                return self._morning(now)
            case "expire":
                return self._expire(now)
            case "rotate":
                return self.keys.rotate_due(now)
            case "costs" | "report" | "reconcile":
                return self._about_costs(task, now)
        raise BadEvent(f"task {task!r} is unknown; the tasks are {TASKS}")

    @property
    def keys(self) -> KeyFlow:
        """What becomes of keys; loaded only where it is asked for."""
        from twinguard.key_flow import KeyFlow

        return KeyFlow(self.policy, self.ports)

    @property
    def thefts(self) -> TheftFlow:
        """What becomes of stolen keys; nothing here needs the counters."""
        from twinguard.theft_flow import TheftFlow

        return TheftFlow(self.policy, self.ports, None)

    def _about_costs(self, task: str, now: dt.datetime) -> Report:
        from twinguard.cost_flow import CostTasks  # nothing else of this entry point needs it

        tasks = CostTasks(self)
        if task == "reconcile":
            return tasks.reconciliation(now)
        return tasks.anomalies(now) if task == "costs" else tasks.reports(now)

    def _night(self, now: dt.datetime) -> Report:
        schedule = self.policy.schedule
        if schedule is None:
            raise BadEvent(
                f"{self.policy.environment} has no schedule; add one to its policy or "
                "delete the Cloud Scheduler job"
            )
        if not hours.is_asleep(schedule, soon(now)):
            return Report("night is over or skipped: changes nothing")
        night, kept = hours.night_of(schedule, soon(now)), self.journal.night()
        state = kept.value if kept.value and kept.value.night == night else NightState(night)
        if state.begun_at is not None:
            return Report(f"night {night} is done already: changes nothing")
        results = self._slept(schedule, night, now)
        self._require_confirmed(results, "night", kept, state, now)
        lines = (*held_by(NIGHT, self.journal.active_holds()), *problems(results))
        alert = night_alert(self.policy, night, AlertState.OPENED, lines, now)
        self.publish(alert)
        self._finish(kept, replace(state, begun_at=now), "night", now)
        return Report(f"night {night}", results, (alert.title,))

    def _slept(self, schedule: Schedule, night: str, now: dt.datetime) -> tuple[Result, ...]:
        until = hours.wakes_at(schedule, soon(now))
        why = Why(NIGHT, Strength.IDLE, since=now, until=until, by="schedule")
        actions = self.takes(schedule.services, schedule.subscriptions, why)
        return self.executor(f"schedule night/{night}").carry_out(actions, now)

    def _morning(self, now: dt.datetime) -> Report:
        schedule, kept = self.policy.schedule, self.journal.night()
        if schedule is not None and hours.is_asleep(schedule, soon(now)):
            return Report("morning is not yet, or not today: changes nothing")
        state, actions = kept.value, self.drops(NIGHT)
        if not actions and (state is None or state.ended):
            return Report("nothing sleeps: changes nothing")
        state = state or NightState(f"{now:%Y-%m-%d}", begun_at=now)
        results = self.executor(f"schedule morning/{state.night}").carry_out(actions, now)
        self._require_confirmed(results, "morning", kept, state, now)
        lines = left_alone(self.journal.all_holds(), state.begun_at or now)
        alert = night_alert(self.policy, state.night, AlertState.ENDED, lines, now)
        self.publish(alert)
        self._finish(kept, replace(state, ended=True), "morning", now)
        return Report(f"morning after night {state.night}", results, (alert.title,))

    def _expire(self, now: dt.datetime) -> Report:
        capped = self.end_overdue_cap(now)
        overdue = tuple(
            DropHold(hold.resource, why.key)
            for hold in self.journal.active_holds()
            for why in hold.reasons
            if _is_overdue(why, now)
        )
        results = self.executor("the end of the hold").carry_out(overdue, now)
        if failed := failures(results):
            raise Unavailable(failed)
        over = self.thefts.end_quiet(now)
        purged = self.ports.records.purge(now)
        all_results = (*(capped.results if capped else ()), *results)
        quiet = f"{len(over)} incidents over, " if over else ""
        words = f"{len(overdue)} holds over, {quiet}{purged} records deleted"
        return Report(words, all_results)

    def _require_confirmed(
        self,
        results: tuple[Result, ...],
        task: str,
        kept: Kept[NightState | None],
        state: NightState,
        now: dt.datetime,
    ) -> None:
        """Raise, so that the task is tried again; people hear of it once."""
        if not (failed := failures(results)):
            return
        if not state.failing:
            opened = AlertState.OPENED
            self.publish(failing_alert(self.policy, task, state.night, opened, failed, now))
            self.journal.keep_night(kept, replace(state, failing=True))
        raise Unavailable(failed)

    def _finish(
        self, kept: Kept[NightState | None], state: NightState, task: str, now: dt.datetime
    ) -> None:
        if state.failing:
            ended = AlertState.ENDED
            self.publish(failing_alert(self.policy, task, state.night, ended, "", now))
        self.journal.keep_night(kept, replace(state, failing=False))


def _is_overdue(why: Why, now: dt.datetime) -> bool:
    """True once a hold outlasted its end: a person's at once, others when nothing ended them."""
    grace = dt.timedelta(0) if why.key in {MANUAL, SAVINGS} else holds.SLACK
    return why.until is not None and why.until + grace <= now
