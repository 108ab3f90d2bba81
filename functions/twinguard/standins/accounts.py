# SPDX-License-Identifier: Apache-2.0
"""Cloud Billing's link between project and account, and the one Cloud Monitoring metric we read.

`google.py` serves both over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twinguard.standins.server import Refused, Request, Route, route

_METRIC = "pubsub.googleapis.com/subscription/oldest_unacked_message_age"


class Billing:
    """Billing accounts by project id; an empty account is no account."""

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        path = "/v1/{name=projects/*}/billingInfo"
        return (route("GET", path, self._get), route("PUT", path, self._put))

    def _get(self, request: Request) -> dict[str, Any]:
        project = request.match["name"].split("/")[1]
        if project not in self.accounts:
            raise Refused(403, "PERMISSION_DENIED", f"no permission on project {project}")
        account = self.accounts[project]
        info = {"name": f"projects/{project}/billingInfo", "projectId": project}
        return info | ({"billingAccountName": account, "billingEnabled": True} if account else {})

    def _put(self, request: Request) -> dict[str, Any]:
        self._get(request)
        account = (request.body or {}).get("billingAccountName", "")
        self.accounts[request.match["name"].split("/")[1]] = account
        return self._get(request)


class Monitoring:
    """`oldest_unacked_message_age` of subscriptions, by `age`; None is an absent series.

    `names` are a project's subscriptions; `ages` overrides `age` for single ones."""

    def __init__(
        self, age: Callable[[str], float | None], names: Callable[[str], tuple[str, ...]]
    ) -> None:
        self.ages: dict[str, float | None] = {}
        self._age, self._names = age, names

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (route("GET", "/v3/{name=projects/*}/timeSeries", self._list),)

    def _list(self, request: Request) -> dict[str, Any]:
        wanted = request.query.get("filter", "")
        short = re.search(r'resource\.labels\.subscription_id = "([^"]+)"', wanted)
        end = request.query.get("interval.endTime", "")
        if f'metric.type = "{_METRIC}"' not in wanted or not end:
            raise Refused(400, "INVALID_ARGUMENT", "filter and interval.endTime are needed")
        project = request.match["name"].split("/")[1]
        prefix = f"projects/{project}/subscriptions/"
        names = self._names(project) if short is None else (prefix + short[1],)
        ages = {n: self.ages[n] if n in self.ages else self._age(n) for n in names}
        series = [
            _series(project, name.removeprefix(prefix), age, end)
            for name, age in ages.items()
            if age is not None
        ]
        return {"timeSeries": series} if series else {}


def _series(project: str, subscription: str, age: float, end: str) -> dict[str, Any]:
    labels = {"project_id": project, "subscription_id": subscription}
    return {
        "metric": {"type": _METRIC},
        "resource": {"type": "pubsub_subscription", "labels": labels},
        "metricKind": "GAUGE",
        "valueType": "INT64",
        "points": [
            {
                "interval": {"startTime": end, "endTime": end},
                "value": {"int64Value": str(int(age))},
            }
        ],
    }
