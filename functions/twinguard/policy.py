# SPDX-License-Identifier: Apache-2.0
"""The shape and the rules of `environments/<environment>/policy.yaml`: the only place numbers live.

Types only, no files and no clock; `config.py` reads the files and turns refusals into messages."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
import re
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from twinguard.application import Emulators, EnvFile, LocalLlm, Mocks, Neo4j, OpenAI, agree
from twinguard.blocks import Block, refuse
from twinguard.caps import Cap, Release, Threshold, ascending
from twinguard.llm_policy import AUTO, LOCAL, MOCK, OPENAI, PEPPER_SECRET, Gateway, ServedModel
from twinguard.protection import OnFailure, Responses, Security, Treatment
from twinguard.provisions import (
    ApiKey,
    Application,
    BillingExport,
    Counters,
    Delivery,
    Firebase,
    Project,
    Quota,
    Secret,
    ServiceBudget,
)
from twinguard.sleep import Schedule, Slot
from twinguard.spending import Spending
from twinguard.words import (
    CONTROL_PLANE,
    Channel,
    Day,
    Environment,
    Level,
    Setting,
    is_control_plane,
)

__all__ = [
    "AUTO",
    "CONTROL_PLANE",
    "LOCAL",
    "MOCK",
    "OPENAI",
    "PEPPER_SECRET",
    "Alerts",
    "Budget",
    "Cap",
    "Channel",
    "Day",
    "Environment",
    "Events",
    "Gateway",
    "Level",
    "OnFailure",
    "Policy",
    "Project",
    "Release",
    "Responses",
    "Retention",
    "Schedule",
    "Security",
    "ServedModel",
    "Setting",
    "Slot",
    "Spending",
    "Storm",
    "Target",
    "Threshold",
    "Treatment",
    "is_control_plane",
]

ResourceName = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,61}[a-z0-9]$")]
Account = Annotated[
    str, Meta(pattern="^[a-z0-9][a-z0-9.-]*@[a-z0-9][a-z0-9.-]*\\.gserviceaccount\\.com$")
]


class Budget(Block, frozen=True, kw_only=True):
    """A monthly cap and the ladder that leads to it."""

    name: Annotated[str, Meta(max_length=60, description="Display name of the Google budget.")]
    amount: Annotated[
        Decimal | None, Meta(description="Per calendar month; leave out to watch without a cap.")
    ] = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$", description="The payer's, as USD.")] = "USD"
    thresholds: tuple[Threshold, ...] = ()
    forecast: Annotated[tuple[Threshold, ...], Meta(description="They tell, and never cap.")] = ()
    cap: Cap = Cap(enabled=False)
    services: Annotated[
        dict[ResourceName, ServiceBudget], Meta(description="Parts of it, by Google service.")
    ] = {}

    def __post_init__(self) -> None:
        refuse(
            self.amount is not None and self.amount <= 0,
            "budget.amount must be above zero; remove it to run without a cap",
        )
        ascending("budget.thresholds", self.thresholds)
        ascending("budget.forecast", self.forecast)
        wanted = "a cap" if self.cap.enabled else "thresholds"
        refuse(
            self.amount is None
            and (self.cap.enabled or bool(self.thresholds) or bool(self.forecast)),
            f"budget.amount is missing; {wanted} cannot be computed without it: "
            "add an amount, or remove thresholds, forecast and cap",
        )
        refuse(
            self.cap.enabled
            and self.cap.percent not in {threshold.percent for threshold in self.thresholds},
            f"budget.thresholds must contain the cap's percent ({self.cap.percent:f}), "
            "or the cap has no event to act on: add it",
        )
        parts = sum(part.amount for part in self.services.values())
        refuse(
            parts > (self.amount or 0),
            f"budget.services: together they have {parts:f}, more than budget.amount "
            f"({self.amount or 0:f}); lower them, or raise it",
        )


class Target(Block, frozen=True, kw_only=True):
    """A service or subscription that Twinguard may touch."""

    critical: Annotated[bool, Meta(description="Critical ones are never held by the budget.")]
    region: Annotated[str | None, Meta(description="Only where it differs from `region`.")] = None
    account: Annotated[
        Account | None,
        Meta(
            description="Service account it runs as, or pushes as: who changes it must act as it."
        ),
    ] = None


class Storm(Block, frozen=True, kw_only=True):
    """More messages than this on one channel become one digest; critical ones always pass."""

    messages: Annotated[int, Meta(ge=1, description="So many are sent one by one.")] = 10
    minutes: Annotated[int, Meta(ge=1, description="Within so many minutes.")] = 10


_ADDRESS = r"[^\s@,<>\"]+@[A-Za-z0-9.-]+"


class Alerts(Block, frozen=True, kw_only=True):
    """Who hears of what (strategy.md 12.3)."""

    routes: Annotated[
        dict[Level, tuple[Channel, ...]],
        Meta(description="Channels by level; a level that is left out tells nobody."),
    ] = {}
    storm: Storm = Storm()
    contacts: Annotated[
        tuple[str, ...],
        Meta(max_length=5, description="E-mail addresses; Google's budget writes to them too."),
    ] = ()
    versions: Annotated[
        dict[Setting, Annotated[int, Meta(ge=1)]],
        Meta(
            description="Version of a setting's secret; 1 for what a route needs and is not here."
        ),
    ] = {}
    rotation_days: Annotated[
        int, Meta(ge=1, le=3650, description="When the channels' secrets are to be renewed.")
    ] = 365

    def __post_init__(self) -> None:
        wrong = [text for text in self.contacts if not re.fullmatch(_ADDRESS, text)]
        refuse(
            bool(wrong),
            f"alerts.contacts: {', '.join(wrong)} is not an e-mail address; "
            "write it like security@example.com",
        )


class Retention(Block, frozen=True, kw_only=True):
    """How long records are kept."""

    audit_days: Annotated[int, Meta(ge=1, description="The audit trail and its log.")] = 400
    history_days: Annotated[int, Meta(ge=1, description="Ended holds, periods, incidents.")] = 400


class Events(Block, frozen=True, kw_only=True):
    """What is still worth acting on."""

    max_age_hours: Annotated[int, Meta(ge=1, le=744, description="Older events are refused.")] = 24


class Policy(Block, frozen=True, kw_only=True):
    """Everything Twinguard knows about one environment."""

    environment: Environment
    project: Project
    billing_account: Annotated[
        Annotated[str, Meta(pattern="^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$")] | None,
        Meta(description="Who pays; needed to deploy a budget."),
    ] = None
    region: Annotated[str, Meta(pattern="^[a-z]+-[a-z]+[0-9]+$", description="Where it all is.")]
    labels: Annotated[dict[str, str], Meta(description="Of everything that takes labels.")] = {}
    application: Application | None = None
    openai: OpenAI | None = None
    gateway: Gateway | None = None
    spending: Spending = Spending()
    neo4j: Neo4j | None = None
    local_llm: LocalLlm | None = None
    emulators: Emulators | None = None
    mocks: Mocks | None = None
    env_file: EnvFile | None = None
    secrets: dict[ResourceName, Secret] = {}
    api_keys: dict[ResourceName, ApiKey] = {}
    budget: Budget | None = None
    billing_export: BillingExport | None = None
    quotas: dict[ResourceName, Quota] = {}
    services: dict[ResourceName, Target] = {}
    subscriptions: dict[ResourceName, Target] = {}
    schedule: Schedule | None = None
    counters: Counters | None = None
    firebase: Firebase | None = None
    delivery: Delivery | None = None
    alerts: Alerts = Alerts()
    events: Events = Events()
    security: Security = Security()
    retention: Retention = Retention()

    def __post_init__(self) -> None:
        if self.schedule is not None:
            for kind, wanted, known in (
                ("service", self.schedule.services, self.services),
                ("subscription", self.schedule.subscriptions, self.subscriptions),
            ):
                unknown = sorted(set(wanted) - set(known))
                refuse(
                    bool(unknown),
                    f"schedule.{kind}s: unknown {kind} {', '.join(unknown)}; "
                    f"add it under {kind}s or remove it here",
                )
        for name in (*self.services, *self.subscriptions):
            refuse(
                is_control_plane(name),
                f"{name} belongs to Twinguard's own control plane and can never be held; remove it",
            )
        self._agree()

    def _agree(self) -> None:
        """Blocks that name each other."""
        readers = {reader for secret in self.secrets.values() for reader in secret.readers}
        refuse(
            self.application is None and ("application" in readers or self.firebase is not None),
            "application is missing; the secrets' readers or firebase speak of it: add it",
        )
        refuse(
            "tests" in readers and (self.delivery is None or self.delivery.tests is None),
            "delivery.tests is missing; a secret's readers speak of it: add it",
        )
        refuse(
            self.firebase is not None
            and self.environment not in {Environment.PRODUCTION, Environment.STAGING},
            f"firebase: {self.environment} uses the emulator or mocks; remove it",
        )
        taken = sorted(set(self.secrets) & {s.lower().replace("_", "-") for s in Setting})
        refuse(
            bool(taken),
            f"secrets.{', '.join(taken)}: the alerts' channels have it already; choose another",
        )
        loose = sorted(set(self.api_keys) - set(self.secrets))
        refuse(
            bool(loose),
            f"api_keys.{', '.join(loose)}: a key is made into the secret of its name, so that its "
            "value is in no state; add that under secrets",
        )
        pretended = {"emulators": self.emulators, "local_llm": self.local_llm, "mocks": self.mocks}
        rotated = {name: secret.rotation_days for name, secret in self.secrets.items()}
        agree(self.environment, rotated, self.openai, self.neo4j, pretended)
        if self.gateway is not None:
            self._agree_on_models(self.gateway)
        export = self.billing_export
        refuse(
            export is not None and export.create and export.project != self.project.id,
            "billing_export.create makes the dataset in the environment's own project; "
            "set billing_export.project to project.id, or remove create",
        )

    def _agree_on_models(self, gateway: Gateway) -> None:
        """Models and providers that somebody pays for, with keys that somebody keeps."""
        refuse(
            self.openai is None,
            "openai is missing; gateway needs its limits and its budget: add it",
        )
        gateway.agree(self.secrets.keys())
        if gateway.service is not None:
            gateway.service.agree(
                {n for n, one in self.services.items() if one.region in {None, self.region}},
                has_counters=self.counters is not None,
                has_application=self.application is not None,
            )
