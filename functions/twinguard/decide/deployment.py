# SPDX-License-Identifier: Apache-2.0
"""What was read of a deployed environment for the doctor. Pure values, all of them as they stand.

Whatever could not be read is a `Gap` that says why. `inventory/deployment.py` reads Google,
`cli/doctor_deployed.py` our records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeAlias, TypeVar

from msgspec import Struct

from twinguard.decide.exposure import Exposed
from twinguard.decide.inventory import Gap
from twinguard.decide.ledger import Limit, Standing
from twinguard.decide.model import Breaker, Hold, Kind, PeriodState, Resource
from twinguard.decide.spend import Freshness
from twinguard.decide.storm import ChannelState
from twinguard.policy import Policy

T = TypeVar("T")
Known: TypeAlias = T | Gap
Iam: TypeAlias = frozenset[tuple[str, str]]
"""Pairs of a role and a member; `NARROWED` follows a role that is granted under a condition."""

NARROWED = " under a condition"

ENTRY_POINTS: Mapping[str, str] = {
    "on-budget-alert": "budget-alerts",
    "on-schedule": "schedule",
    "on-secret-event": "secret-events",
    "on-usage": "usage-events",
    "dispatch-alert": "alerts",
}
"""The functions, and the topics whose messages they get."""


class Names(Struct, frozen=True):
    """What terraform/modules call the things of an environment."""

    policy: Policy
    number: str = ""

    @property
    def prefix(self) -> str:
        """Before everything that belongs to the control plane."""
        return f"twinguard-{self.policy.environment}"

    @property
    def project(self) -> str:
        """The project's full name."""
        return f"projects/{self.policy.project.id}"

    @property
    def push(self) -> str:
        """The account that calls the functions."""
        return self.account("push")

    def topic(self, short: str) -> str:
        """A topic's full name."""
        return f"{self.project}/topics/{self.prefix}-{short}"

    def subscription(self, short: str) -> str:
        """A subscription's full name."""
        return f"{self.project}/subscriptions/{self.prefix}-{short}"

    def service(self, function: str) -> str:
        """The full name of the Cloud Run service behind a function."""
        place = f"{self.project}/locations/{self.policy.region}"
        return f"{place}/services/{self.prefix}-{function}"

    def secret(self, short: str) -> str:
        """A secret's full name."""
        return f"{self.project}/secrets/{self.policy.environment}-{short}"

    def account(self, short: str) -> str:
        """The e-mail of one of our accounts: budget, schedule, secrets, usage, alerts, push."""
        return f"{self.prefix}-{short}@{self.policy.project.id}.iam.gserviceaccount.com"

    def role(self, short: str) -> str:
        """The full name of a role of our own."""
        return f"{self.project}/roles/{self.prefix.replace('-', '_')}_{short}"

    def agent(self, service: str) -> str:
        """One of Google's own accounts for this project, as a member: pubsub, secretmanager."""
        return f"serviceAccount:service-{self.number}@gcp-sa-{service}.iam.gserviceaccount.com"


class Function(Struct, frozen=True, kw_only=True):
    """A function by its short name. `secrets` are the versions it is given, by variable."""

    name: str
    state: str
    uri: str
    account: str
    variables: frozenset[str]
    secrets: Mapping[str, tuple[str, str]]


class Bound(Struct, frozen=True, kw_only=True):
    """A subscription by its full name, and where its messages come from and go to."""

    name: str
    topic: str
    endpoint: str
    account: str
    detached: bool
    dead_letter: str


class Job(Struct, frozen=True, kw_only=True):
    """A scheduled job by its short name; `failure` is what its last run ended in."""

    name: str
    state: str
    topic: str
    task: str
    failure: str


class KeptSecret(Struct, frozen=True, kw_only=True):
    """A secret by its full name. `enabled` are the numbers of its versions that can be read."""

    name: str
    topics: tuple[str, ...]
    turns: dt.datetime | None
    enabled: Known[frozenset[str]]


class GoogleBudget(Struct, frozen=True, kw_only=True):
    """A budget of the billing account. `percents` are those of actual spend."""

    name: str
    amount: Decimal | None
    currency: str
    topic: str
    percents: frozenset[Decimal]


class Project(Struct, frozen=True, kw_only=True):
    """What the project's own policy says, and its number."""

    number: str
    iam: Iam
    audited: Mapping[str, frozenset[str]]


class AccountState(Struct, frozen=True):
    """A service account by its e-mail."""

    email: str
    disabled: bool


class Recorded(Struct, frozen=True, kw_only=True):
    """What our records say. `dead_letters` are when events came that nobody could read, `own` when
    the doctor itself sent a budget message."""

    budget: PeriodState | None
    own: tuple[dt.datetime, ...]
    breaker: Breaker
    holds: tuple[Hold, ...]
    channels: tuple[ChannelState, ...]
    dead_letters: tuple[dt.datetime, ...]
    limits: tuple[Limit, ...]
    standings: tuple[Standing, ...]


class Fast(Struct, frozen=True):
    """How long the counters took to name everybody who is held back, and how many those are."""

    seconds: float
    held: int


class Deployment(Struct, frozen=True, kw_only=True):
    """Everything that was read, at one moment."""

    at: dt.datetime
    project: Known[Project]
    linked: Known[bool]
    budgets: Known[tuple[GoogleBudget, ...]]
    functions: Known[Mapping[str, Function]]
    jobs: Known[Mapping[str, Job]]
    topics: Known[frozenset[str]]
    subscriptions: Known[Mapping[str, Bound]]
    waiting: Known[Mapping[str, dt.timedelta]]
    secrets: Known[Mapping[str, KeptSecret]]
    services: Known[frozenset[str]]
    accounts: Known[tuple[AccountState, ...]]
    roles: Known[Mapping[str, frozenset[str]]]
    iam: Mapping[str, Known[Iam]]
    exposed: Exposed
    unexposed: tuple[Gap, ...]
    recorded: Known[Recorded]
    counters: Known[Fast]
    export: Known[Freshness]

    def named(self, policy: Policy) -> Names:
        """The names of its things."""
        number = "" if isinstance(self.project, Gap) else self.project.number
        return Names(policy, number)


def touched(policy: Policy) -> tuple[Resource, ...]:
    """The services and subscriptions of the application that the night plan names."""
    if policy.schedule is None:
        return ()
    project = f"projects/{policy.project.id}"
    services = (
        f"{project}/locations/{policy.services[name].region or policy.region}/services/{name}"
        for name in policy.schedule.services
    )
    subscriptions = (f"{project}/subscriptions/{name}" for name in policy.schedule.subscriptions)
    return (
        *(Resource(Kind.SERVICE, name) for name in services),
        *(Resource(Kind.SUBSCRIPTION, name) for name in subscriptions),
    )
