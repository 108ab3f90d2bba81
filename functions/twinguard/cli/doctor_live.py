# SPDX-License-Identifier: Apache-2.0
"""`LIVE=1`: send something through a deployed environment and see whether it arrives.

One budget message that repeats Google's last, and one test alert for each level, ended at once.
All else that the doctor does only reads."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from twinguard.cli import doctor_alerts as test_alerts
from twinguard.cli import doctor_synthetic as synthetic
from twinguard.decide.budgets import ENVIRONMENT
from twinguard.decide.deployment import Names
from twinguard.decide.health import Check, Look
from twinguard.decide.model import AlertState, PeriodState
from twinguard.errors import Unavailable
from twinguard.journal import Journal
from twinguard.policy import Budget, Channel, Level, Policy
from twinguard.ports import Publisher, Records

_PATIENCE, _PAUSE = 90.0, 1.0
Wait = Callable[[float], None]


def plan(policy: Policy) -> tuple[str, ...]:
    """What will be sent, in words."""
    levels = test_alerts.levels_of(policy)
    channels = sorted({one for level in levels for one in policy.alerts.routes[level]})
    names = Names(policy)
    lines = [f"{len(levels)} test alerts, opened and ended at once, by {', '.join(channels)}"]
    if Channel.PAGERDUTY in channels:
        lines.append("somebody's pager may ring")
    if policy.budget is not None:
        topic = names.topic("budget-alerts")
        lines.insert(0, f"one budget message to {topic}: Google's last once more, no change")
    return tuple(lines)


@dataclass
class Live:
    """What is sent through, and where it is looked for."""

    policy: Policy
    publisher: Publisher
    records: Records
    now: dt.datetime
    wait: Wait = time.sleep
    patience: float = _PATIENCE
    pause: float = _PAUSE

    def checks(self) -> Iterator[Check]:
        """Send everything, and wait for it."""
        if self.policy.budget is not None:
            yield self._walked(self.policy.budget)
        yield from self._told()

    def _walked(self, budget: Budget) -> Check:
        """Repeat what Google said last: it changes nothing, and leaves a reading behind."""
        look, names = Look("budget", "a message walks the loop"), Names(self.policy)
        known = self._state()
        if known is None or not known.readings:
            return look.unknown("no message ever came, so there is none that could be repeated")
        if known.tripped:
            return look.unknown("the cap is tripped; a repeated message could help to lift it")
        try:
            synthetic.remember(self.records, self.now)
            topic = names.topic("budget-alerts")
            number = self.publisher.publish(topic, _message(budget, known), _ATTRIBUTES)
            seen = self._until(self._is_read)
        except Unavailable as err:
            return look.unknown(f"it cannot be sent or followed: {err}")
        if not seen:
            return look.failed(
                f"message {number} was not acted on in {self.patience:.0f} s",
                f"gcloud functions logs read {names.prefix}-on-budget-alert",
            )
        return look.ok(f"message {number} was read; it repeats Google's last, and changed nothing")

    def _is_read(self) -> bool:
        state = self._state()
        sent = self.now.replace(microsecond=0)
        return state is not None and any(one.last >= sent for one in state.readings)

    def _state(self) -> PeriodState | None:
        return Journal(self.records, self.policy.retention).budget(ENVIRONMENT).value

    def _told(self) -> Iterator[Check]:
        """A test alert for each level, until each of its channels has a receipt."""
        levels = test_alerts.levels_of(self.policy)
        try:
            for level in levels:
                self._publish(level, AlertState.OPENED)
            heard = {level: self._received(level) for level in levels}
            for level in levels:
                self._publish(level, AlertState.ENDED)
        except Unavailable as err:
            yield Look(test_alerts.ALERTS, "test alerts").unknown(f"they cannot be sent: {err}")
            return
        yield from test_alerts.judged(self.policy, heard, "test alert")

    def _publish(self, level: Level, state: AlertState) -> None:
        alert = test_alerts.alert_of(self.policy, level, self.now, state)
        attributes = {"environment": alert.environment, "level": level.value}
        topic = Names(self.policy).topic("alerts")
        self.publisher.publish(topic, msgspec.json.encode(alert), attributes)

    def _received(self, level: Level) -> frozenset[Channel]:
        incident = test_alerts.alert_of(self.policy, level, self.now).incident
        wanted = frozenset(self.policy.alerts.routes[level])
        self._until(lambda: wanted <= test_alerts.received(self.records, incident))
        return test_alerts.received(self.records, incident)

    def _until(self, is_seen: Callable[[], bool]) -> bool:
        """Whether it was seen before the patience ended."""
        for _ in range(max(1, int(self.patience / self.pause))):
            if is_seen():
                return True
            self.wait(self.pause)
        return False


_ATTRIBUTES = {
    "billingAccountId": "000000-000000-000000",
    "budgetId": "00000000-0000-0000-0000-000000000000",
    "schemaVersion": "1.0",
}


def _message(budget: Budget, known: PeriodState) -> bytes:
    """What Google wrote last, once more."""
    body = {
        "budgetDisplayName": budget.name,
        "costAmount": float(known.readings[-1].cost),
        "costIntervalStart": f"{known.period_start:%Y-%m-%dT%H:%M:%SZ}",
        "budgetAmount": float(known.amount),
        "budgetAmountType": "SPECIFIED_AMOUNT",
        "currencyCode": budget.currency,
    }
    return json.dumps(body).encode()
