# SPDX-License-Identifier: Apache-2.0
"""Cloud Functions, Scheduler, Billing Budgets, roles and IAM policies, as the doctor reads them.

Lists and policies only, in Google's words; `deployment.py` fills and serves them."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from twinguard.decide.deployment import NARROWED
from twinguard.standins.server import Refused, Request, Route, paged, route

_RESOURCES = (
    "/v1/{resource=projects/*/topics/*}:getIamPolicy",
    "/v1/{resource=projects/*/subscriptions/*}:getIamPolicy",
    "/v1/{resource=projects/*/secrets/*}:getIamPolicy",
    "/v2/{resource=projects/*/locations/*/services/*}:getIamPolicy",
)


class ControlPlane:
    """What is deployed of Twinguard in one project, by full name, in the APIs' JSON."""

    def __init__(self, project: str, number: str) -> None:
        self.project, self.number = project, number
        self.functions: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.budgets: dict[str, dict[str, Any]] = {}
        self.roles: dict[str, dict[str, Any]] = {}
        self.audited: list[dict[str, Any]] = []
        self.unreachable: list[str] = []
        self._grants: dict[str, set[tuple[str, str]]] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        place = "projects/*/locations/*"
        return (
            route("GET", f"/v2/{{parent={place}}}/functions", self._list_functions),
            route("GET", f"/v1/{{parent={place}}}/jobs", self._list_jobs),
            route("GET", "/v1/{parent=billingAccounts/*}/budgets", self._list_budgets),
            route("GET", "/v1/{parent=projects/*}/roles", self._list_roles),
            route("GET", "/v1/{name=projects/*}", self._project),
            route("POST", "/v1/{resource=projects/*}:getIamPolicy", self._project_policy),
            *(route("GET", path, self._policy) for path in _RESOURCES),
        )

    def grant(self, resource: str, role: str, *members: str) -> None:
        """Give members a role on a resource."""
        self._grants.setdefault(resource, set()).update((role, member) for member in members)

    def take(self, resource: str, role: str, member: str) -> None:
        """Take a role away again."""
        self._grants[resource].remove((role, member))

    def _list_functions(self, request: Request) -> dict[str, Any]:
        page = _listed(self.functions.values(), request, "functions")
        return page | ({"unreachable": list(self.unreachable)} if self.unreachable else {})

    def _list_jobs(self, request: Request) -> dict[str, Any]:
        return _listed(self.jobs.values(), request, "jobs")

    def _list_budgets(self, request: Request) -> dict[str, Any]:
        return _listed(self.budgets.values(), request, "budgets")

    def _list_roles(self, request: Request) -> dict[str, Any]:
        """Without what a role holds, unless the whole of it is asked for."""
        found = copy.deepcopy(list(self.roles.values()))
        if request.query.get("view") != "FULL":
            for one in found:
                one.pop("includedPermissions", None)
        return paged(found, request, "roles")

    def _project(self, request: Request) -> dict[str, Any]:
        if request.match["name"] != f"projects/{self.project}":
            raise Refused(403, "PERMISSION_DENIED", "The caller does not have permission")
        active = "ACTIVE"
        return {
            "projectId": self.project,
            "projectNumber": self.number,
            "lifecycleState": active,
        }

    def _project_policy(self, request: Request) -> dict[str, Any]:
        policy = self._policy(request)
        return policy | ({"auditConfigs": copy.deepcopy(self.audited)} if self.audited else {})

    def _policy(self, request: Request) -> dict[str, Any]:
        """Each role once with its members; a resource without any has an empty policy."""
        by_role: dict[str, list[str]] = {}
        for role, member in sorted(self._grants.get(request.match["resource"], ())):
            by_role.setdefault(role, []).append(member)
        bindings = [_binding(role, members) for role, members in by_role.items()]
        return {"version": 3, "etag": "BwXhqDHIDtE="} | ({"bindings": bindings} if bindings else {})


def _binding(granted: str, members: list[str]) -> dict[str, Any]:
    """A role and its members; a condition where the role is granted under one."""
    role = granted.removesuffix(NARROWED)
    condition = {"title": "only ours", "expression": 'resource.name == "ours"'}
    narrowed = {"condition": condition} if role != granted else {}
    return {"role": role, "members": members} | narrowed


def _listed(found: Iterable[dict[str, Any]], request: Request, field: str) -> dict[str, Any]:
    prefix = f"{request.match['parent']}/"
    mine = [copy.deepcopy(one) for one in found if one["name"].startswith(prefix)]
    return paged(mine, request, field)
