# SPDX-License-Identifier: Apache-2.0
"""A healthy deployed environment for the doctor's tests: Google over HTTP, records in a file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from twinguard import config, state
from twinguard.cli.doctor_deployed import examined
from twinguard.decide.budgets import ENVIRONMENT
from twinguard.decide.deployment import Names
from twinguard.decide.health import Check, State
from twinguard.decide.health_deployed import checks
from twinguard.decide.model import PeriodState, Reading
from twinguard.journal import Journal
from twinguard.policy import Environment, Policy
from twinguard.ports import Records
from twinguard.standins.deployment import Deployment
from twinguard.standins.export_catalogue import SKUS
from twinguard.standins.export_files import json_lines
from twinguard.standins.exports import Export, Maker

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def policy_of(environment: Environment) -> Policy:
    """An environment's own policy, with its export switched on and without a private network."""
    policy = config.load(config.path_of(environment))
    export = replace(policy.billing_export, connected=True)
    return replace(policy, billing_export=export, counters=None)


def policy_of_staging() -> Policy:
    return policy_of(Environment.STAGING)


@dataclass
class Ward:
    """The environment, what it keeps, and how to look at it."""

    policy: Policy
    google: Deployment
    records: Records
    costs: Path
    now: dt.datetime

    @property
    def names(self) -> Names:
        return self.google.names

    @property
    def journal(self) -> Journal:
        return Journal(self.records, self.policy.retention)

    def checks(self) -> tuple[Check, ...]:
        return checks(self.policy, examined(self.policy, self.now, lambda *_: None))

    def wrong(self) -> list[Check]:
        """Everything that is not ok."""
        return [check for check in self.checks() if check.state is not State.OK]

    def read_budget(self, at: dt.datetime, cost: str = "120") -> PeriodState:
        """Let Google have told of the budget at a time."""
        start = self.now.replace(day=1, hour=8, minute=0, second=0, microsecond=0)
        known = self.journal.budget(ENVIRONMENT)
        reading = Reading(at, at, Decimal(cost))
        found = PeriodState(
            ENVIRONMENT, start, peak=Decimal(cost), readings=(reading,), amount=Decimal(500)
        )
        self.journal.keep_budget(known, found)
        return found

    def spend_until(self, last: dt.datetime) -> None:
        """Let the export reach so far."""
        json_lines(export_until(self.policy, last), self.costs)


def export_until(policy: Policy, last: dt.datetime) -> Export:
    """Two days of costs, the last row written at that time."""
    maker = Maker.seeded(7, last.date())
    for hours in (30, 3):
        maker.add(SKUS[0], last - hours * HOUR, Decimal(2), project=policy.project.id)
    maker.export.rows[-1]["export_time"] = f"{last:%Y-%m-%d %H:%M:%S} UTC"
    return maker.export


def ward(folder: Path, google: Deployment, now: dt.datetime) -> Ward:
    """The environment as it is on a good day."""
    records = state.open_records(f"sqlite:///{folder / 'records.db'}")
    made = Ward(google.policy, google, records, folder / "export.jsonl", now)
    made.read_budget(now - 3 * HOUR)
    made.spend_until(now - 20 * HOUR)
    return made


def variables(found: Ward) -> dict[str, str]:
    """What leads the doctor there."""
    return {
        **found.google.environment,
        "TWINGUARD_RECORDS": f"sqlite:///{found.costs.parent / 'records.db'}",
        "TWINGUARD_COSTS": str(found.costs),
    }
