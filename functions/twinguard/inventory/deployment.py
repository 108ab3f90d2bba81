# SPDX-License-Identifier: Apache-2.0
"""Read what the doctor judges of a deployed environment. Reads only, never a secret's value.

Raises `Unavailable` that names role and remedy; `cli/doctor_deployed.py` goes on with the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from twinguard.decide import deployment
from twinguard.decide.deployment import Iam, Project
from twinguard.decide.inventory import Gap, short
from twinguard.errors import Unavailable
from twinguard.inventory import deployment_wire as wire
from twinguard.inventory.listing import pages
from twinguard.inventory.reader import parsed
from twinguard.inventory.security import Posting, Security

T = TypeVar("T")
_PAGE = {"pageSize": "500"}


class Deployed(Security):
    """Everything of an environment that Google shows, as a context manager."""

    def project_state(self) -> Project:
        """The project's number, who may do what in it, and what is logged."""
        role, path = "roles/iam.securityReviewer", f"v1/projects/{self.project}"
        number_of = ("RESOURCE_MANAGER_ENDPOINT", path, "the project's number", "roles/browser")
        found, source = self._one_of(*number_of), self._source(*number_of)
        number = parsed([found], "", tuple[wire.ProjectOnWire, ...], source)[0].project_number
        where = self._source(
            "RESOURCE_MANAGER_ENDPOINT", f"{path}:getIamPolicy", "the project's roles", role
        )
        options = {"options": {"requestedPolicyVersion": 3}}
        http = Posting(self._http("RESOURCE_MANAGER_ENDPOINT", where), options)
        (page,) = pages(http, where, {}, self.timeout)
        policy = parsed([page], "", tuple[wire.IamOnWire, ...], where)[0]
        return Project(number=number, iam=policy.read(), audited=policy.audited())

    def functions(self, region: str) -> Mapping[str, deployment.Function]:
        """The functions of a region by their short names."""
        path = f"v2/projects/{self.project}/locations/{region}/functions"
        found = self._listed(
            *("FUNCTIONS_ENDPOINT", path, "functions", "roles/cloudfunctions.viewer"),
            *("functions", tuple[wire.FunctionOnWire, ...]),
        )
        return {short(one.name): one.read() for one in found}

    def jobs(self, region: str) -> Mapping[str, deployment.Job]:
        """The scheduled jobs of a region by their short names."""
        path = f"v1/projects/{self.project}/locations/{region}/jobs"
        found = self._listed(
            *("SCHEDULER_ENDPOINT", path, "scheduled jobs", "roles/cloudscheduler.viewer"),
            *("jobs", tuple[wire.JobOnWire, ...]),
        )
        return {short(one.name): one.read() for one in found}

    def topics(self) -> frozenset[str]:
        """The project's topics by their full names."""
        path = f"v1/projects/{self.project}/topics"
        found = self._listed(
            *("PUBSUB_ENDPOINT", path, "Pub/Sub topics", "roles/pubsub.viewer"),
            *("topics", tuple[wire.TopicOnWire, ...]),
        )
        return frozenset(one.name for one in found)

    def bound(self) -> Mapping[str, deployment.Bound]:
        """The project's subscriptions by their full names."""
        path = f"v1/projects/{self.project}/subscriptions"
        found = self._listed(
            *("PUBSUB_ENDPOINT", path, "Pub/Sub subscriptions", "roles/pubsub.viewer"),
            *("subscriptions", tuple[wire.BoundOnWire, ...]),
        )
        return {one.name: one.read() for one in found}

    def kept(self, prefix: str) -> Mapping[str, deployment.KeptSecret]:
        """The secrets whose short name begins so, by their full names."""
        path = f"v1/projects/{self.project}/secrets"
        found = self._listed(
            *("SECRET_MANAGER_ENDPOINT", path, "secrets", "roles/secretmanager.viewer"),
            *("secrets", tuple[wire.KeptOnWire, ...]),
        )
        mine = [one for one in found if short(one.name).startswith(prefix)]
        by_id = [f"projects/{self.project}/secrets/{short(one.name)}" for one in mine]
        return {
            name: wire.KeptOnWire(name=name, topics=one.topics, rotation=one.rotation).read(
                self._enabled(name)
            )
            for name, one in zip(by_id, mine, strict=True)
        }

    def budgets(self, account: str) -> tuple[deployment.GoogleBudget, ...]:
        """The budgets of a billing account."""
        path = f"v1/billingAccounts/{account}/budgets"
        found = self._listed(
            *("BUDGETS_ENDPOINT", path, "budgets", "roles/billing.viewer on the billing account"),
            *("budgets", tuple[wire.BudgetOnWire, ...]),
        )
        return tuple(one.read() for one in found)

    def accounts(self) -> tuple[deployment.AccountState, ...]:
        """The project's service accounts."""
        path = f"v1/projects/{self.project}/serviceAccounts"
        role = "roles/iam.serviceAccountViewer"
        found = self._listed(
            *("IAM_ENDPOINT", path, "service accounts", role),
            *("accounts", tuple[wire.AccountOnWire, ...]),
            query={"pageSize": "100"},
        )
        return tuple(one.read() for one in found)

    def roles(self) -> Mapping[str, frozenset[str]]:
        """What the project's own roles hold, by their full names."""
        path = f"v1/projects/{self.project}/roles"
        found = self._listed(
            *("IAM_ENDPOINT", path, "roles of the project", "roles/iam.roleViewer"),
            *("roles", tuple[wire.RoleOnWire, ...]),
            query={"pageSize": "500", "view": "FULL"},
        )
        return {one.name: frozenset(one.included_permissions) for one in found if not one.deleted}

    def iam_of(self, resource: str) -> Iam:
        """Who may do what on a topic, subscription, secret or service, by its full name."""
        api, version = _HOMES[resource.split("/")[-2]]
        path, role = f"{version}/{resource}:getIamPolicy", "roles/iam.securityReviewer"
        what = f"roles on {resource.split('/', 2)[-1]}"
        found = self._one_of(api, path, what, role)
        source = self._source(api, path, what, role)
        return parsed([found], "", tuple[wire.IamOnWire, ...], source)[0].read()

    def _enabled(self, secret: str) -> frozenset[str] | Gap:
        try:
            return frozenset(one.number for one in self.versions(secret) if one.enabled)
        except Unavailable as err:
            return Gap(f"versions of {short(secret)}", str(err))

    def _listed(
        self,
        api: str,
        path: str,
        what: str,
        role: str,
        field: str,
        shape: type[tuple[T, ...]],
        query: Mapping[str, str] = _PAGE,
    ) -> tuple[T, ...]:
        source, found = self._source(api, path, what, role), list[T]()
        for page in self._pages(api, source, query):
            if page.get("unreachable"):
                raise Unavailable(f"cannot list {what}: a region does not answer; try again")
            found += parsed(page, field, shape, source)
        return tuple(found)

    def _one_of(self, api: str, path: str, what: str, role: str) -> dict[str, Any]:
        """One document, read like a list of one page."""
        source = self._source(api, path, what, role)
        (page,) = self._pages(api, source, {})
        return page


_HOMES = {
    "topics": ("PUBSUB_ENDPOINT", "v1"),
    "subscriptions": ("PUBSUB_ENDPOINT", "v1"),
    "secrets": ("SECRET_MANAGER_ENDPOINT", "v1"),
    "services": ("CLOUD_RUN_ENDPOINT", "v2"),
}
"""Where the IAM policies of resources are read."""
