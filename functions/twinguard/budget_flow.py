# SPDX-License-Identifier: Apache-2.0
"""What a budget notification goes through: observe, judge, carry out, tell, in that order.

The decisions are in `decide/budgets.py` and `decide/tell.py`. Nothing is acknowledged before every
effect is confirmed and every alert is with the topic."""

from __future__ import annotations

import datetime as dt

from msgspec.structs import replace

from twinguard import parse
from twinguard.decide import budgets, tell
from twinguard.decide.model import BudgetNotice, Outcome, PeriodState, Result, UnlinkBilling
from twinguard.decide.wording import breaker_line, held_by, left_alone, oddity, subject
from twinguard.errors import BadEvent, Conflict, Unavailable
from twinguard.flow import Flow, Report, failures
from twinguard.journal import Kept
from twinguard.policy import Budget, Level

_SETTLED = dt.timedelta(days=2)
"""After this long in a period, a message of an earlier one is no straggler any more."""


class BudgetFlow(Flow):
    """Budget messages, and a person's word about a cap."""

    def on_budget_alert(self, event: parse.Event, now: dt.datetime) -> Report:
        """Act on a budget notification; Unavailable while any effect is unconfirmed."""
        self._require_fresh(event, now)
        notice = parse.budget(event, now)
        if isinstance(notice, parse.AnomalyNotice):
            return self._anomaly(notice, now)
        budget = self._budget_of(notice)
        kept = self.journal.budget(budgets.ENVIRONMENT)
        if kept.value is not None and notice.period_start < kept.value.period_start:
            return self._earlier(notice, kept.value, now)
        known = self._observe(kept, notice, budget, now)
        return self._enforce(known, budget, f"budget message {event.message_id}", now)

    def lift(self, by: str, now: dt.datetime) -> Report:
        """Lift the budget's cap on a person's word; it trips again when spend grows on."""
        kept, budget = self.journal.budget(budgets.ENVIRONMENT), self.policy.budget
        if budget is None or kept.value is None or not kept.value.tripped:
            active, breaker = self.journal.active_holds(), self.journal.breaker().value
            left = budgets.lift_actions(budgets.ENVIRONMENT, active, breaker)
            return Report(f"nothing is capped: {by}", self.executor(by).carry_out(left, now))
        saved = self.journal.keep_budget(kept, budgets.lifted(kept.value, budget))
        return self._enforce(saved, budget, by, now)

    def end_overdue_cap(self, now: dt.datetime) -> Report | None:
        """Lift a cap whose period is over for a day: no message of the next one came."""
        kept, budget = self.journal.budget(budgets.ENVIRONMENT), self.policy.budget
        state = kept.value
        if state is None or budget is None or not state.tripped:
            return None
        if now <= budgets.period_end(state.period_start) + dt.timedelta(days=1):
            return None
        saved = self.journal.keep_budget(kept, replace(state, tripped=False))
        return self._enforce(saved, budget, "the end of the period", now)

    def _observe(
        self,
        kept: Kept[PeriodState | None],
        notice: BudgetNotice,
        budget: Budget,
        now: dt.datetime,
    ) -> Kept[PeriodState]:
        previous = kept.value
        is_new = previous is None or previous.period_start < notice.period_start
        state = budgets.observe(None if is_new else previous, notice, budget)
        if is_new and previous is not None:
            over = tell.closing(previous, self.policy, budget, now)
            state = replace(
                state, over=over, outbox=previous.outbox, tripped_at=previous.tripped_at
            )
        state = budgets.judged(state, budget, now)
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
        last = tuple(action for action in asked if isinstance(action, UnlinkBilling))
        first = tuple(action for action in asked if action not in last)
        results = self.executor(actor).carry_out(first, now)
        standing = self._standing(state, last)
        told = tell.told(state, self.policy, budget, results, standing, now)
        if told != state:
            kept = self.journal.keep_budget(kept, told)
        elif results and self.journal.budget(state.budget).version != kept.version:
            raise Conflict("the budget's state changed while it was enforced; it is read again")
        kept, sent = self._empty_outbox(kept)
        if failed := failures(results):
            raise Unavailable(failed)
        results = (*results, *self._unlink(kept, last, actor, now))
        share = f"{state.peak:f} of {budget.amount or 0:f} {budget.currency}"
        return Report(f"{'capped' if state.tripped else 'within'}: {share}", results, sent)

    def _standing(self, state: PeriodState, coming: tuple[UnlinkBilling, ...]) -> tell.Standing:
        """How things stand, read only where a message is going to say it."""
        if state.trips > state.trips_told:
            active, breaker = self.journal.active_holds(), self.journal.breaker().value
            key = budgets.hold_key(state.budget)
            held = (*breaker_line(breaker, state.budget), *held_by(key, active))
            last = tuple(f"{subject(a)}: comes off its billing account next" for a in coming)
            return tell.Standing(held=held, coming=last)
        if state.over or (not state.tripped and state.trips_ended < state.trips_told):
            return tell.Standing(left=left_alone(self.journal.all_holds(), state.tripped_at))
        return tell.Standing()

    def _unlink(
        self,
        kept: Kept[PeriodState],
        last: tuple[UnlinkBilling, ...],
        actor: str,
        now: dt.datetime,
    ) -> tuple[Result, ...]:
        """The last effect, after people heard of it: nothing of ours may run once it is done."""
        results = self.executor(actor).carry_out(last, now)
        if failed := failures(results):
            raise Unavailable(failed)
        if any(result.outcome is not Outcome.SKIPPED for result in results):
            self.journal.keep_budget(kept, replace(kept.value, unlinked=True))
        return results

    def _empty_outbox(self, kept: Kept[PeriodState]) -> tuple[Kept[PeriodState], tuple[str, ...]]:
        outbox = kept.value.outbox
        for alert in outbox:
            self.publish(alert)
        if outbox:
            emptied = replace(kept.value, outbox=())
            kept = self.journal.keep_budget(kept, emptied)
        return kept, tuple(alert.title for alert in outbox)

    def _earlier(self, notice: BudgetNotice, state: PeriodState, now: dt.datetime) -> Report:
        if notice.published_at > state.readings[-1].last and (
            notice.published_at - state.period_start > _SETTLED
        ):
            title = f"{notice.name} counts a longer period than before; its cap has no effect"
            why = (
                f"It reports from {notice.period_start:%Y-%m-%d}, the newest known period began "
                f"{state.period_start:%Y-%m-%d}. Set the budget's time range back to monthly."
            )
            self.publish(
                oddity(self.policy, "period", notice.budget_id, Level.HIGH, title, why, now)
            )
        return Report("a message of an earlier period: changes nothing")

    def _anomaly(self, notice: parse.AnomalyNotice, now: dt.datetime) -> Report:
        title = f"Google reports a cost anomaly of {notice.detected}"
        why = f"Scope: {notice.scope}. Look at Billing, Anomalies, in the console."
        scope = f"{notice.scope}/{notice.detected}"
        self.publish(oddity(self.policy, "anomaly", scope, Level.MEDIUM, title, why, now))
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

    def _require_fresh(self, event: parse.Event, now: dt.datetime) -> None:
        limit = dt.timedelta(hours=self.policy.events.max_age_hours)
        if now - event.published_at > limit:
            raise BadEvent(
                f"message {event.message_id} is older than {limit}; newer ones carry its content"
            )
