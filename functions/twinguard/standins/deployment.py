# SPDX-License-Identifier: Apache-2.0
"""A deployed environment, whole and healthy, as terraform/modules would make it from a policy.

Everything can be changed afterwards, as life does; the doctor reads it over HTTP."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from twinguard.decide import grants
from twinguard.decide.deployment import ENTRY_POINTS, Names
from twinguard.decide.health_deployed import channel_secrets
from twinguard.policy import Policy
from twinguard.standins.control_plane import ControlPlane
from twinguard.standins.google import Google
from twinguard.standins.security import AccountKeys, stamp

NUMBER = "123456789012"
_MONTH, _WEEK = "2678400s", "604800s"
_DAY = dt.timedelta(days=1)
_JOBS = {
    **dict.fromkeys(("night", "morning", "expire", "rotate", "costs", "report"), "schedule"),
    "reconcile": "schedule",
    "flush": "alerts",
}


class Deployment(Google):
    """One environment at Google, as a context manager."""

    def __init__(self, policy: Policy, now: dt.datetime) -> None:
        self.policy, self.names, self.now = policy, Names(policy, NUMBER), now
        self.plane = ControlPlane(policy.project.id, NUMBER)
        self.accounts = AccountKeys()
        super().__init__(more=(*self.plane.routes, *self.accounts.routes))
        self._messages()
        self._functions()
        self._application()
        self._secrets()
        self._people()
        self._money()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send our adapters here."""
        names = ("RESOURCE_MANAGER", "FUNCTIONS", "SCHEDULER", "BUDGETS", "IAM")
        return super().environment | {f"{name}_ENDPOINT": self.url for name in names}

    def uri(self, function: str) -> str:
        """Where a function is called."""
        return f"https://{self.names.prefix}-{function}-abcdefghij-ew.a.run.app"

    def _messages(self) -> None:
        names, bus = self.names, self.pubsub
        dead = {function: f"{function}-dead-letters" for function in ENTRY_POINTS}
        for topic in (*ENTRY_POINTS.values(), *dead.values()):
            bus.add_topic(names.topic(topic))
        for function, topic in ENTRY_POINTS.items():
            push = {
                "pushEndpoint": self.uri(function),
                "oidcToken": {"serviceAccountEmail": names.push},
            }
            bus.add_subscription(
                names.subscription(function),
                names.topic(topic),
                pushConfig=push,
                messageRetentionDuration=_WEEK,
                expirationPolicy={},
                deadLetterPolicy={
                    "deadLetterTopic": names.topic(dead[function]),
                    "maxDeliveryAttempts": 100,
                },
            )
            bus.add_subscription(
                names.subscription(dead[function]),
                names.topic(dead[function]),
                messageRetentionDuration=_MONTH,
                expirationPolicy={},
            )

    def _functions(self) -> None:
        place = f"{self.names.project}/locations/{self.policy.region}"
        for function in ENTRY_POINTS:
            name = f"{place}/functions/{self.names.prefix}-{function}"
            account = self.names.account(grants.ACCOUNTS[function])
            self.plane.functions[name] = {
                "name": name,
                "environment": "GEN_2",
                "state": "ACTIVE",
                "serviceConfig": {
                    "uri": self.uri(function),
                    "serviceAccountEmail": account,
                    "environmentVariables": {"TWINGUARD_POLICY": "{}"},
                },
            }
            self.cloud_run.add(self.names.service(function))
        for task, topic in _JOBS.items():
            name = f"{place}/jobs/{self.names.prefix}-{task}"
            self.plane.jobs[name] = {
                "name": name,
                "state": "ENABLED",
                "schedule": "0 5 * * *",
                "pubsubTarget": {
                    "topicName": self.names.topic(topic),
                    "attributes": {"task": task},
                },
            }

    def _application(self) -> None:
        for name, target in self.policy.services.items():
            region = target.region or self.policy.region
            place = f"{self.names.project}/locations/{region}/services"
            self.cloud_run.add(f"{place}/{name}", {"maxInstanceCount": 3})
        topic = f"{self.names.project}/topics/living-twin"
        self.pubsub.add_topic(topic)
        for name in self.policy.subscriptions:
            self.pubsub.add_subscription(
                f"{self.names.project}/subscriptions/{name}",
                topic,
                pushConfig={"pushEndpoint": f"https://{name}.example/receive"},
            )

    def _secrets(self) -> None:
        of_channels, pinned = channel_secrets(self.policy), list[dict[str, str]]()
        others = sorted(
            of_channels | grants.admin_secrets(self.policy) | grants.gateway_secrets(self.policy)
        )
        for name in (*self.policy.secrets, *others):
            full, turns = self.names.secret(name), stamp(self.now + 20 * _DAY)
            self.secrets.add(full, rotates_at=turns, topic=self.names.topic("secret-events"))
            self.secrets.add_version(full, self.now - 5 * _DAY)
            if name in of_channels:
                pinned.append(
                    {
                        "key": name.upper().replace("-", "_"),
                        "projectId": self.policy.project.id,
                        "secret": full.rsplit("/", 1)[-1],
                        "version": "1",
                    }
                )
        config = self.function("dispatch-alert")["serviceConfig"]
        config["secretEnvironmentVariables"] = pinned
        config["environmentVariables"]["SECURITY_EMAIL"] = ",".join(self.policy.alerts.contacts)

    def function(self, function: str) -> dict[str, Any]:
        """A function as it stands, to be changed."""
        place = f"{self.names.project}/locations/{self.policy.region}"
        return self.plane.functions[f"{place}/functions/{self.names.prefix}-{function}"]

    def job(self, task: str) -> dict[str, Any]:
        """A scheduled job as it stands, to be changed."""
        place = f"{self.names.project}/locations/{self.policy.region}"
        return self.plane.jobs[f"{place}/jobs/{self.names.prefix}-{task}"]

    def _people(self) -> None:
        names = self.names
        for one in grants.expected(names, channel_secrets(self.policy)):
            self.plane.grant(one.resource, one.role, one.member)
        self.plane.grant(names.project, "roles/owner", "user:ada@example.com")
        self.plane.grant(names.project, "roles/pubsub.serviceAgent", names.agent("pubsub"))
        for name in self.policy.services:  # public, as an application may be
            place = f"{names.project}/locations/{self.policy.region}/services"
            self.plane.grant(f"{place}/{name}", "roles/run.invoker", "allUsers")
        for short in grants.roles(self.policy):
            name = names.role(short)
            held = sorted(grants.ROLES[short])
            self.plane.roles[name] = {"name": name, "title": short, "includedPermissions": held}
        logged = [{"logType": kind} for kind in ("ADMIN_READ", "DATA_READ", "DATA_WRITE")]
        service = "secretmanager.googleapis.com"
        self.plane.audited = [{"service": service, "auditLogConfigs": logged}]
        for short in (*grants.ACCOUNTS.values(), "push", "build"):
            self.accounts.add(f"{names.project}/serviceAccounts/{names.account(short)}")
        self.accounts.add(self.default_account)
        self.accounts.disabled.add(self.default_account)

    @property
    def default_account(self) -> str:
        """What runs without an account of its own."""
        email = f"{NUMBER}-compute@developer.gserviceaccount.com"
        return f"{self.names.project}/serviceAccounts/{email}"

    def _money(self) -> None:
        account, budget = self.policy.billing_account, self.policy.budget
        self.billing.accounts[self.policy.project.id] = f"billingAccounts/{account}"
        if budget is None:
            return
        amount = budget.amount or Decimal(0)
        self.plane.budgets[budget.name] = {
            "name": f"billingAccounts/{account}/budgets/de72f49d-779b-4945-a127-4d6ce8def0bb",
            "displayName": budget.name,
            "amount": {
                "specifiedAmount": {"currencyCode": budget.currency, "units": str(int(amount))}
            },
            "thresholdRules": [
                {"thresholdPercent": float(each.percent) / 100, "spendBasis": "CURRENT_SPEND"}
                for each in budget.thresholds
            ],
            "notificationsRule": {
                "pubsubTopic": self.names.topic("budget-alerts"),
                "schemaVersion": "1.0",
            },
        }
