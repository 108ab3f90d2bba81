# SPDX-License-Identifier: Apache-2.0
"""What happens to an event: gather what is known, decide, carry out, tell.

The three flows stand here from top to bottom; the decisions are in `decide/`, the effects in
`act/execute.py`, the way to people in `dispatch.py`."""

from __future__ import annotations

import datetime as dt

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from twinguard import parse
from twinguard.act.execute import Executor
from twinguard.decide import budgets, holds, hours, tell
from twinguard.decide.model import (
    Action,
    Alert,
    AlertState,
    BudgetNotice,
    Kind,
    Outcome,
    PeriodState,
    Resource,
    Result,
    Strength,
    TakeHold,
    Why,
)
from twinguard.errors import BadEvent, Unavailable
from twinguard.journal import Journal, Kept
from twinguard.policy import Budget, Level, Policy, Schedule
from twinguard.ports import BillingAccounts, Publisher, Records, Scaler

NIGHT = "night"
MANUAL = "manual"


class Ports(Struct, frozen=True):
    """The outside world as the pipeline sees it."""

    records: Records
    scalers: dict[Kind, Scaler]
    billing: BillingAccounts
    publisher: Publisher
    alerts_topic: str
    may_unlink: str = ""


class Report(Struct, frozen=True):
    """What an event led to, for the log line and the answer."""

    decision: str
    results: tuple[Result, ...] = ()
    alerts: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The results in words."""
        return [tell.worded(result) for result in self.results]


class Pipeline:
    """One environment's flows over its ports."""

    def __init__(self, policy: Policy, ports: Ports) -> None:
        self.policy = policy
        self.ports = ports
        self.journal = Journal(ports.records, policy.retention)

    # --- budget messages ---------------------------------------------------------------------

    def on_budget_alert(self, event: parse.Event, now: dt.datetime) -> Report:
        """Act on a budget notification; Unavailable while any effect is unconfirmed."""
        self._require_fresh(event, now)
        notice = parse.budget(event, now)
        if isinstance(notice, parse.AnomalyNotice):
            return self._anomaly(notice, now)
        budget = self._budget_of(notice)
        kept = self.journal.budget(notice.budget_id)
        if kept.value is not None and notice.period_start < kept.value.period_start:
            return Report("a message of an earlier period: changes nothing")
        known = self._observe(kept, notice, budget, now)
        return self._enforce(known, budget, f"budget message {event.message_id}", now)

    def lift(self, by: str, now: dt.datetime) -> Report:
        """Lift the budgets' caps on a person's word; they trip again when spend grows on."""
        results = tuple(
            result
            for state in self.journal.budgets()
            for result in self._lifted(state.budget_id, by, now)
        )
        return Report(f"caps lifted by {by}", results)

    def _lifted(self, budget_id: str, by: str, now: dt.datetime) -> tuple[Result, ...]:
        kept, budget = self.journal.budget(budget_id), self.policy.budget
        if budget is None or kept.value is None or not kept.value.tripped:
            held, breaker = self.journal.active_holds(), self.journal.breaker().value
            left = budgets.lift_actions(budget_id, held, breaker)
            return self.executor(by).carry_out(left, now)
        saved = self.journal.keep_budget(kept, budgets.lifted(kept.value, budget))
        return self._enforce(saved, budget, by, now).results

    def _observe(
        self,
        kept: Kept[PeriodState | None],
        notice: BudgetNotice,
        budget: Budget,
        now: dt.datetime,
    ) -> Kept[PeriodState]:
        previous = kept.value
        is_new = previous is None or previous.period_start < notice.period_start
        state = budgets.observe(None if is_new else previous, notice)
        if is_new and previous is not None:
            state = replace(state, outbox=tell.closing(previous, self.policy, budget, now))
        state = budgets.judged(state, budget)
        if state == previous:
            return Kept(state, kept.version)
        return self.journal.keep_budget(kept, state)

    def _enforce(
        self, kept: Kept[PeriodState], budget: Budget, actor: str, now: dt.datetime
    ) -> Report:
        state = kept.value
        asked = budgets.actions(
            state,
            budget,
            self.non_critical(),
            self.policy.project.id,
            self.journal.active_holds(),
            self.journal.breaker().value,
            now,
        )
        results = self.executor(actor).carry_out(asked, now)
        held = self._standing(state) if state.trips > state.trips_told else ()
        told = tell.told(state, self.policy, budget, results, held, now)
        if told != state:
            kept = self.journal.keep_budget(Kept(state, kept.version), told)
        sent = self._empty_outbox(kept)
        if failed := _failures(results):
            raise Unavailable(failed)
        share = f"{state.peak:f} of {budget.amount or 0:f} {budget.currency}"
        return Report(f"{'capped' if state.tripped else 'within'}: {share}", results, sent)

    def _standing(self, state: PeriodState) -> tuple[str, ...]:
        active, breaker = self.journal.active_holds(), self.journal.breaker().value
        return tell.standing(active, breaker, state.budget_id)

    def _empty_outbox(self, kept: Kept[PeriodState]) -> tuple[str, ...]:
        outbox = kept.value.outbox
        for alert in outbox:
            self.publish(alert)
        if outbox:
            emptied = replace(kept.value, outbox=())
            self.journal.keep_budget(Kept(kept.value, kept.version), emptied)
        return tuple(alert.title for alert in outbox)

    def _anomaly(self, notice: parse.AnomalyNotice, now: dt.datetime) -> Report:
        title = f"Google reports a cost anomaly of {notice.detected}"
        why = f"Scope: {notice.scope}. Look at Billing, Anomalies, in the console."
        alert = tell.oddity(self.policy, "anomaly", notice.detected, Level.MEDIUM, title, why, now)
        self.publish(alert)
        return Report("a cost anomaly of Google's: passed on", (), (title,))

    def _budget_of(self, notice: BudgetNotice) -> Budget:
        budget = self.policy.budget
        if budget is None or budget.name != notice.name:
            known = f"its budget is {budget.name!r}" if budget else "it has none"
            raise BadEvent(
                f"budget {notice.name!r} is not in the policy of {self.policy.environment}; "
                f"{known}: rename one of them"
            )
        if budget.currency != notice.currency:
            raise BadEvent(
                f"budget {notice.name!r} counts in {notice.currency}, the policy in "
                f"{budget.currency}; set budget.currency to the billing account's"
            )
        return budget

    # --- schedules ---------------------------------------------------------------------------

    def on_schedule(self, event: parse.Event, now: dt.datetime) -> Report:
        """Put the environment to sleep, wake it, or delete what is past its retention."""
        task = parse.task(event)
        if task == "expire":
            return Report(f"{self.ports.records.purge(now)} expired records deleted")
        if task not in {NIGHT, "morning"}:
            raise BadEvent(f"task {task!r} is unknown; the tasks are night, morning and expire")
        schedule = self.policy.schedule
        if schedule is None:
            raise BadEvent(
                f"{self.policy.environment} has no schedule; add one to its policy or "
                "delete the Cloud Scheduler job"
            )
        night = hours.night_of(schedule, now)
        slot = f"{task}/{night}"
        if hours.is_asleep(schedule, now) != (task == NIGHT):
            return Report(f"{task} is over or skipped: changes nothing")
        if self.journal.slot_is_done(slot):
            return Report(f"{slot} is done already: changes nothing")
        actions = self._night(schedule, now) if task == NIGHT else self.drops(NIGHT)
        results = self.executor(f"schedule {slot}").carry_out(actions, now)
        self._require_confirmed(results, slot, now)
        state = AlertState.OPENED if task == NIGHT else AlertState.ENDED
        alert = tell.night_alert(self.policy, night, state, results, now)
        self.publish(alert)
        self.journal.finish_slot(slot, now)
        return Report(slot, results, (alert.title,))

    def _night(self, schedule: Schedule, now: dt.datetime) -> tuple[Action, ...]:
        until = hours.wakes_at(schedule, now)
        why = Why(NIGHT, Strength.IDLE, since=now, until=until, by="schedule")
        return self.takes(schedule.services, schedule.subscriptions, why)

    # --- shared ------------------------------------------------------------------------------

    def takes(
        self, services: tuple[str, ...], subscriptions: tuple[str, ...], why: Why
    ) -> tuple[Action, ...]:
        """The actions that hold these resources for one reason."""
        wanted = {Kind.SERVICE: services, Kind.SUBSCRIPTION: subscriptions}
        return tuple(TakeHold(r, why) for r in self.resources() if r.short in wanted[r.kind])

    def drops(self, key: str) -> tuple[Action, ...]:
        """The actions that end one reason wherever it holds, in the policy or not any more."""
        return holds.drops(self.journal.active_holds(), key)

    def resources(self) -> tuple[Resource, ...]:
        """Everything the policy lets Twinguard touch, by full name."""
        project = f"projects/{self.policy.project.id}"
        services = (
            Resource(
                Kind.SERVICE,
                f"{project}/locations/{target.region or self.policy.region}/services/{name}",
            )
            for name, target in self.policy.services.items()
        )
        subscriptions = (
            Resource(Kind.SUBSCRIPTION, f"{project}/subscriptions/{name}")
            for name in self.policy.subscriptions
        )
        return (*services, *subscriptions)

    def report_bad_event(
        self, entry_point: str, err: BadEvent, body: bytes, now: dt.datetime
    ) -> None:
        """Keep an event that can never succeed, and tell people once a day that there are some."""
        self.journal.dead_letter(entry_point, str(err), body, now)
        title = f"{entry_point} received an event that it can never handle"
        self.publish(
            tell.oddity(self.policy, "dead-letter", entry_point, Level.MEDIUM, title, str(err), now)
        )

    def non_critical(self) -> tuple[Resource, ...]:
        """What a budget may hold."""
        targets = {
            Kind.SERVICE: self.policy.services,
            Kind.SUBSCRIPTION: self.policy.subscriptions,
        }
        return tuple(r for r in self.resources() if not targets[r.kind][r.short].critical)

    def executor(self, actor: str) -> Executor:
        """What carries actions out on somebody's behalf."""
        ports = self.ports
        return Executor(self.journal, ports.scalers, ports.billing, actor, ports.may_unlink)

    def publish(self, alert: Alert) -> None:
        """Hand an alert to the alerts topic."""
        attributes = {"environment": alert.environment, "level": alert.level.value}
        self.ports.publisher.publish(
            self.ports.alerts_topic, msgspec.json.encode(alert), attributes
        )

    def _require_fresh(self, event: parse.Event, now: dt.datetime) -> None:
        limit = dt.timedelta(hours=self.policy.events.max_age_hours)
        if now - event.published_at > limit:
            raise BadEvent(
                f"message {event.message_id} is older than {limit}; newer ones carry its content"
            )

    def _require_confirmed(self, results: tuple[Result, ...], slot: str, now: dt.datetime) -> None:
        """Raise, so that the slot is tried again; people hear of it once."""
        if not (failed := _failures(results)):
            return
        task, _, night = slot.partition("/")
        title = f"{self.policy.environment}: {task} could not be carried out; it is retried"
        self.publish(
            tell.oddity(self.policy, f"{task}-failing", night, Level.HIGH, title, failed, now)
        )
        raise Unavailable(failed)


def _failures(results: tuple[Result, ...]) -> str:
    """The effects that failed, in words; empty if none did."""
    failed = [tell.worded(r) for r in results if r.outcome is Outcome.FAILED]
    return f"{len(failed)} of {len(results)} effects failed: {'; '.join(failed)}" if failed else ""
