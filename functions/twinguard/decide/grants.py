# SPDX-License-Identifier: Apache-2.0
"""Who may do what in an environment, as terraform/modules grant it from the policy. Pure.

A test compares it with Terraform's plans; `health_access.py` compares it with what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from twinguard.decide.deployment import ENTRY_POINTS, NARROWED, Iam, Names
from twinguard.decide.keys import OPENAI_SECRET
from twinguard.policy import PEPPER_SECRET, Policy

PUBLISHER = "roles/pubsub.publisher"
ACCESSOR = "roles/secretmanager.secretAccessor"
BUDGETS = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"
"""Google's publisher of budget messages: nobody else may publish them, they are not signed."""

ACCOUNTS: Mapping[str, str] = {
    "on-budget-alert": "budget",
    "on-schedule": "schedule",
    "on-secret-event": "secrets",
    "on-usage": "usage",
    "dispatch-alert": "alerts",
}
_OPENAI_ADMIN = "openai-admin-key"
_KEEPER = frozenset(
    {
        *(f"secretmanager.secrets.{verb}" for verb in ("get", "update")),
        *(f"secretmanager.versions.{verb}" for verb in ("destroy", "disable", "get", "list")),
    }
)
ROLES: Mapping[str, frozenset[str]] = {
    "service_holder": frozenset({"run.services.get", "run.services.update"}),
    "subscription_holder": frozenset({"pubsub.subscriptions.get", "pubsub.subscriptions.update"}),
    "watcher": frozenset({"monitoring.timeSeries.list", "run.operations.get"}),
    "actor": frozenset({"iam.serviceAccounts.actAs"}),
    "billing_unlinker": frozenset(
        {"resourcemanager.projects.deleteBillingAssignment", "resourcemanager.projects.get"}
    ),
    "secret_keeper": _KEEPER,
    "secret_rotator": _KEEPER | {"secretmanager.versions.access", "secretmanager.versions.add"},
    "api_key_rotator": frozenset(
        f"apikeys.keys.{verb}" for verb in ("create", "delete", "get", "getKeyString", "list")
    ),
}
"""What the roles of our own hold: exactly what the adapters call."""


class Grant(Struct, frozen=True, order=True):
    """One member that has one role on one resource, by its full name.

    `may` is granted only where somebody switched it on outside the policy."""

    resource: str
    role: str
    member: str
    may: bool = False

    def is_in(self, iam: Iam) -> bool:
        """True where a resource's policy has it."""
        return (self.role, self.member) in iam


def member(email: str) -> str:
    """A service account as a member."""
    return f"serviceAccount:{email}"


def expected(names: Names, channel_secrets: frozenset[str]) -> frozenset[Grant]:
    """Everything that Twinguard's accounts and the application are granted."""
    return frozenset(
        (
            *_project(names),
            *_topics(names),
            *_called(names),
            *_held(names),
            *_secrets(names, channel_secrets),
        )
    )


def roles(policy: Policy) -> frozenset[str]:
    """The short names of the roles of our own that the policy leads to."""
    made = _made(policy)
    wanted = {"service_holder", "subscription_holder", "watcher"}
    wanted |= {"actor"} if _actors(policy) else set()
    wanted |= {"api_key_rotator"} if policy.api_keys.keys() & policy.secrets.keys() else set()
    wanted |= {"secret_rotator"} if made else set()
    return frozenset(wanted | ({"secret_keeper"} if policy.secrets.keys() - made else set()))


def _made(policy: Policy) -> set[str]:
    """The secrets whose keys an API makes."""
    made = set(policy.api_keys.keys() & policy.secrets.keys())
    has_project = policy.openai is not None and policy.openai.project is not None
    return made | ({OPENAI_SECRET} & policy.secrets.keys() if has_project else set())


def _project(names: Names) -> Iterator[Grant]:
    policy, project = names.policy, names.project
    for account in ACCOUNTS.values():
        yield Grant(project, f"roles/datastore.user{NARROWED}", member(names.account(account)))
    build = member(names.account("build"))
    yield Grant(project, "roles/logging.logWriter", build)
    yield Grant(project, f"roles/storage.objectViewer{NARROWED}", build)
    watchers = [member(names.account(each)) for each in ("budget", "schedule")]
    rotators = [member(names.account(each)) for each in ("schedule", "secrets")]
    yield from (Grant(project, names.role("watcher"), each) for each in watchers)
    if policy.api_keys.keys() & policy.secrets.keys():
        yield from (Grant(project, names.role("api_key_rotator"), each) for each in rotators)
    if policy.billing_export is not None and policy.billing_export.connected:
        yield Grant(project, "roles/bigquery.jobUser", member(names.account("schedule")))
    if policy.budget is not None and policy.budget.cap.unlink_billing:
        yield Grant(project, names.role("billing_unlinker"), watchers[0], may=True)
    if policy.counters is not None:
        yield Grant(project, _CONNECT, member(names.account("usage")))
    if who := gateway(names):
        yield Grant(project, f"roles/datastore.user{NARROWED}", who)
        yield Grant(project, _CONNECT, who)
    yield from _application(names)


def gateway(names: Names) -> str:
    """The gateway's account as a member; empty where the policy deploys none."""
    block = names.policy.gateway
    is_deployed = block is not None and block.service is not None
    return member(names.account("gateway")) if is_deployed else ""


def application(names: Names) -> str:
    """The application's account as a member; empty where the policy has none."""
    block = names.policy.application
    if block is None:
        return ""
    return member(f"{block.account}@{names.policy.project.id}.iam.gserviceaccount.com")


_CONNECT = f"roles/memorystore.dbConnectionUser{NARROWED}"


def _application(names: Names) -> Iterator[Grant]:
    policy, who = names.policy, application(names)
    if policy.application is None:
        return
    for role in policy.application.roles:
        yield Grant(names.project, role, who)
    counts = f"roles/datastore.user{NARROWED}" if policy.counters is None else _CONNECT
    yield Grant(names.project, counts, who)
    if policy.firebase is not None:
        full = policy.firebase.auth == "full"
        role = "roles/firebaseauth.admin" if full else names.role("firebase_auth")
        yield Grant(names.project, role, who)


def _topics(names: Names) -> Iterator[Grant]:
    yield Grant(names.topic("budget-alerts"), PUBLISHER, BUDGETS)
    for account in ACCOUNTS.values():
        yield Grant(names.topic("alerts"), PUBLISHER, member(names.account(account)))
    yield Grant(names.topic("secret-events"), PUBLISHER, names.agent("secretmanager"))
    yield Grant(names.topic("secret-events"), PUBLISHER, member(names.account("usage")))
    if who := application(names):
        yield Grant(names.topic("usage-events"), PUBLISHER, who)
    told = ("llm-usage",) if names.policy.gateway is not None else ()
    if told and (serves := gateway(names) or who):
        yield Grant(names.topic("llm-usage"), PUBLISHER, serves)
    for subscription in (*ENTRY_POINTS, *told):
        dead = names.topic(f"{subscription}-dead-letters")
        yield Grant(dead, PUBLISHER, names.agent("pubsub"))
        subscriber = "roles/pubsub.subscriber"
        yield Grant(names.subscription(subscription), subscriber, names.agent("pubsub"))


def _called(names: Names) -> Iterator[Grant]:
    for function in ENTRY_POINTS:
        yield Grant(names.service(function), "roles/run.invoker", member(names.push))
    block, policy = names.policy.gateway, names.policy
    if block is not None and block.service is not None:
        full = f"{names.project}/locations/{policy.region}/services/{block.service.name}"
        for who in block.service.invokers:
            invoker = application(names) if who == "application" else who
            yield Grant(full, "roles/run.invoker", invoker)


def _held(names: Names) -> Iterator[Grant]:
    policy = names.policy
    for name, target in policy.services.items():
        region = target.region or policy.region
        full = f"{names.project}/locations/{region}/services/{name}"
        for holder in _holders(policy, name, critical=target.critical, services=True):
            yield Grant(full, names.role("service_holder"), member(names.account(holder)))
    for name, target in policy.subscriptions.items():
        full = f"{names.project}/subscriptions/{name}"
        for holder in _holders(policy, name, critical=target.critical, services=False):
            yield Grant(full, names.role("subscription_holder"), member(names.account(holder)))


def _holders(policy: Policy, name: str, *, critical: bool, services: bool) -> Iterator[str]:
    if not critical:
        yield "budget"
    if policy.schedule is not None:
        asleep = policy.schedule.services if services else policy.schedule.subscriptions
        if name in asleep:
            yield "schedule"


def _actors(policy: Policy) -> bool:
    targets = (*policy.services.values(), *policy.subscriptions.values())
    return any(target.account is not None for target in targets)


def _secrets(names: Names, channel_secrets: frozenset[str]) -> Iterator[Grant]:
    policy, made = names.policy, _made(names.policy)
    for name, secret in policy.secrets.items():
        full = names.secret(name)
        for reader in secret.readers:
            who = {"application": application(names), "tests": _tests(names)}.get(reader, reader)
            yield Grant(full, ACCESSOR, who)
        role = names.role("secret_rotator" if name in made else "secret_keeper")
        for rotator in ("schedule", "secrets"):
            yield Grant(full, role, member(names.account(rotator)))
    for name in channel_secrets:
        yield Grant(names.secret(name), ACCESSOR, member(names.account("alerts")))
    if (block := policy.gateway) is not None and (who := gateway(names)):
        for name in {*block.secrets(policy.secrets.keys()).values(), PEPPER_SECRET}:
            yield Grant(names.secret(name), ACCESSOR, who)
    for name in admin_secrets(policy):
        for rotator in ("schedule", "secrets"):
            yield Grant(names.secret(name), ACCESSOR, member(names.account(rotator)))


def admin_secrets(policy: Policy) -> frozenset[str]:
    """The secret that OpenAI's keys are made with, where an environment makes any."""
    has_project = policy.openai is not None and policy.openai.project is not None
    makes = has_project and OPENAI_SECRET in policy.secrets
    return frozenset({_OPENAI_ADMIN} if makes else ())


def gateway_secrets(policy: Policy) -> frozenset[str]:
    """The pepper, where a gateway is deployed and the policy does not name it."""
    is_deployed = policy.gateway is not None and policy.gateway.service is not None
    return frozenset({PEPPER_SECRET} if is_deployed else ()) - policy.secrets.keys()


def _tests(names: Names) -> str:
    block = names.policy.delivery
    account = block.tests if block is not None and block.tests is not None else ""
    return member(f"{account}@{names.policy.project.id}.iam.gserviceaccount.com")
