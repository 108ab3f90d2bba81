# SPDX-License-Identifier: Apache-2.0
"""How Google's APIs write what `deployment.py` lists, and what we make of it.

Only the fields that are judged. What is unset is left out on the wire."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from msgspec import Struct

from twinguard.decide import deployment
from twinguard.decide.inventory import Gap, short
from twinguard.readers import ready

_UNBOUND = "_deleted-topic_"
"""What stands for the topic of a subscription whose topic is gone."""


class _Wire(Struct, frozen=True, kw_only=True, rename="camel"):
    """Fields in the API's spelling; others are skipped."""


class _Token(_Wire, frozen=True, kw_only=True, rename="camel"):
    service_account_email: str = ""


class _Push(_Wire, frozen=True, kw_only=True, rename="camel"):
    push_endpoint: str = ""
    oidc_token: _Token = _Token()


class _DeadLetters(_Wire, frozen=True, kw_only=True, rename="camel"):
    dead_letter_topic: str = ""


class BoundOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A subscription."""

    name: str
    topic: str = _UNBOUND
    push_config: _Push = _Push()
    detached: bool = False
    dead_letter_policy: _DeadLetters = _DeadLetters()

    def read(self) -> deployment.Bound:
        """The same in our words."""
        return deployment.Bound(
            name=self.name,
            topic=self.topic,
            endpoint=self.push_config.push_endpoint,
            account=self.push_config.oidc_token.service_account_email,
            detached=self.detached,
            dead_letter=self.dead_letter_policy.dead_letter_topic,
        )


class _Pinned(_Wire, frozen=True, kw_only=True, rename="camel"):
    key: str
    secret: str = ""
    version: str = ""


class _Service(_Wire, frozen=True, kw_only=True, rename="camel"):
    uri: str = ""
    service_account_email: str = ""
    environment_variables: dict[str, str] = {}
    secret_environment_variables: tuple[_Pinned, ...] = ()


class FunctionOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A function. The values of its variables are let go: only their names are judged."""

    name: str
    state: str = ""
    service_config: _Service = _Service()

    def read(self) -> deployment.Function:
        """The same in our words."""
        service = self.service_config
        pinned = service.secret_environment_variables
        return deployment.Function(
            name=short(self.name),
            state=self.state,
            uri=service.uri,
            account=service.service_account_email,
            variables=frozenset(service.environment_variables),
            secrets={one.key: (short(one.secret), one.version) for one in pinned},
        )


class _Status(_Wire, frozen=True, kw_only=True, rename="camel"):
    code: int = 0
    message: str = ""


class _Target(_Wire, frozen=True, kw_only=True, rename="camel"):
    topic_name: str = ""
    attributes: dict[str, str] = {}


class JobOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A job of Cloud Scheduler."""

    name: str
    state: str = ""
    pubsub_target: _Target = _Target()
    status: _Status = _Status()

    def read(self) -> deployment.Job:
        """The same in our words."""
        failed = self.status.message or str(self.status.code) if self.status.code else ""
        return deployment.Job(
            name=short(self.name),
            state=self.state,
            topic=self.pubsub_target.topic_name,
            task=self.pubsub_target.attributes.get("task", ""),
            failure=failed,
        )


class _Named(_Wire, frozen=True, kw_only=True, rename="camel"):
    name: str


class TopicOnWire(_Named, frozen=True, kw_only=True, rename="camel"):
    """A topic."""


class _Rotation(_Wire, frozen=True, kw_only=True, rename="camel"):
    next_rotation_time: dt.datetime | None = None


class KeptOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A secret, never its value."""

    name: str
    topics: tuple[_Named, ...] = ()
    rotation: _Rotation = _Rotation()

    def read(self, enabled: frozenset[str] | Gap) -> deployment.KeptSecret:
        """The same in our words, with versions that are listed apart."""
        return deployment.KeptSecret(
            name=self.name,
            topics=tuple(one.name for one in self.topics),
            turns=self.rotation.next_rotation_time,
            enabled=enabled,
        )


class _Money(_Wire, frozen=True, kw_only=True, rename="camel"):
    currency_code: str = ""
    units: Decimal = Decimal(0)
    nanos: Decimal = Decimal(0)


class _Amount(_Wire, frozen=True, kw_only=True, rename="camel"):
    specified_amount: _Money | None = None


class _Rule(_Wire, frozen=True, kw_only=True, rename="camel"):
    threshold_percent: Decimal = Decimal(0)
    spend_basis: str = "CURRENT_SPEND"


class _Told(_Wire, frozen=True, kw_only=True, rename="camel"):
    pubsub_topic: str = ""


class BudgetOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A budget. Percentages are shares of one on the wire."""

    display_name: str = ""
    amount: _Amount = _Amount()
    threshold_rules: tuple[_Rule, ...] = ()
    notifications_rule: _Told = _Told()

    def read(self) -> deployment.GoogleBudget:
        """The same in our words."""
        given = self.amount.specified_amount
        actual = [rule for rule in self.threshold_rules if rule.spend_basis == "CURRENT_SPEND"]
        return deployment.GoogleBudget(
            name=self.display_name,
            amount=None if given is None else given.units + given.nanos / 10**9,
            currency="" if given is None else given.currency_code,
            topic=self.notifications_rule.pubsub_topic,
            percents=frozenset((100 * rule.threshold_percent).normalize() for rule in actual),
        )


class _Binding(_Wire, frozen=True, kw_only=True, rename="camel"):
    role: str
    members: tuple[str, ...] = ()
    condition: dict[str, str] | None = None

    @property
    def granted(self) -> str:
        """The role, and whether it holds everywhere."""
        return self.role + (deployment.NARROWED if self.condition else "")


class _LogConfig(_Wire, frozen=True, kw_only=True, rename="camel"):
    log_type: str = ""


class _Audit(_Wire, frozen=True, kw_only=True, rename="camel"):
    service: str
    audit_log_configs: tuple[_LogConfig, ...] = ()


class IamOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """Who may do what on a resource; a project's also says what is logged."""

    bindings: tuple[_Binding, ...] = ()
    audit_configs: tuple[_Audit, ...] = ()

    def read(self) -> deployment.Iam:
        """The roles and members in pairs."""
        return frozenset((each.granted, who) for each in self.bindings for who in each.members)

    def audited(self) -> dict[str, frozenset[str]]:
        """What is logged, by service."""
        return {
            each.service: frozenset(one.log_type for one in each.audit_log_configs)
            for each in self.audit_configs
        }


class AccountOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A service account."""

    email: str
    disabled: bool = False

    def read(self) -> deployment.AccountState:
        """The same in our words."""
        return deployment.AccountState(self.email, self.disabled)


class RoleOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A role of the project's own."""

    name: str
    included_permissions: tuple[str, ...] = ()
    deleted: bool = False


class ProjectOnWire(_Wire, frozen=True, kw_only=True, rename="camel"):
    """A project, as far as its number."""

    project_number: str = ""


ready(
    tuple[BoundOnWire, ...],
    tuple[FunctionOnWire, ...],
    tuple[JobOnWire, ...],
    tuple[TopicOnWire, ...],
    tuple[KeptOnWire, ...],
    tuple[BudgetOnWire, ...],
    tuple[AccountOnWire, ...],
    tuple[RoleOnWire, ...],
    IamOnWire,
    ProjectOnWire,
)
