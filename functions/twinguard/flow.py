# SPDX-License-Identifier: Apache-2.0
"""What every flow shares: the ports, the journal, who may be touched, and the way to the alerts.

The flows are `budget_flow.py` and `schedule_flow.py`; `pipeline.py` puts them together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from twinguard.act.execute import Executor
from twinguard.decide import holds
from twinguard.decide.model import Action, Alert, Kind, Outcome, Resource, Result, TakeHold, Why
from twinguard.decide.wording import oddity, worded
from twinguard.errors import BadEvent
from twinguard.journal import Journal
from twinguard.policy import Level, Policy
from twinguard.ports import BillingAccounts, Publisher, Records, Scaler

if TYPE_CHECKING:  # only the rotation of keys and reconciliation need them
    from twinguard.key_ports import KeyPorts
    from twinguard.reconciliation import Bill

NIGHT = "night"
MANUAL = "manual"
SAVINGS = "savings"
"""The keys of the reasons that schedules and people hold for."""


_REASON_KEPT = 1000
"""Characters of a refusal that are kept and told; the event may have put its own text into it."""


class Ports(Struct, frozen=True):
    """The outside world as the flows see it."""

    records: Records
    scalers: dict[Kind, Scaler]
    billing: BillingAccounts
    publisher: Publisher
    alerts_topic: str
    may_unlink: str = ""
    costs: str = ""
    keys: Callable[[Policy], KeyPorts] | None = None
    bills: Callable[[Policy], tuple[Bill, ...]] | None = None


class Report(Struct, frozen=True):
    """What an event led to, for the log line and the answer."""

    decision: str
    results: tuple[Result, ...] = ()
    alerts: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The results in words."""
        return [worded(result) for result in self.results]


class Flow:
    """One environment over its ports."""

    def __init__(self, policy: Policy, ports: Ports) -> None:
        self.policy = policy
        self.ports = ports
        self.journal = Journal(ports.records, policy.retention)

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

    def non_critical(self) -> tuple[Resource, ...]:
        """What a budget may hold."""
        targets = {
            Kind.SERVICE: self.policy.services,
            Kind.SUBSCRIPTION: self.policy.subscriptions,
        }
        return tuple(r for r in self.resources() if not targets[r.kind][r.short].critical)

    def report_bad_event(
        self, entry_point: str, err: BadEvent, body: bytes, now: dt.datetime
    ) -> None:
        """Keep an event that can never succeed, and tell people once a day that there are some.

        A budget message that nobody reads is a cap that nobody enforces."""
        reason = str(err)[:_REASON_KEPT]
        self.journal.dead_letter(entry_point, reason, body, now)
        level = Level.HIGH if entry_point == "on_budget_alert" else Level.MEDIUM
        title = f"{entry_point} received an event that it can never handle"
        self.publish(oddity(self.policy, "dead-letter", entry_point, level, title, reason, now))


def failures(results: tuple[Result, ...]) -> str:
    """The effects that failed, in words; empty if none did."""
    failed = [worded(result) for result in results if result.outcome is Outcome.FAILED]
    return f"{len(failed)} of {len(results)} effects failed: {'; '.join(failed)}" if failed else ""


def soon(now: dt.datetime) -> dt.datetime:
    """A little later: a clock of Google's that runs ahead of ours must not lose a slot."""
    return now + dt.timedelta(minutes=1)
