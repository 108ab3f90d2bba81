# SPDX-License-Identifier: Apache-2.0
"""How long the oldest unread message of a subscription has been waiting, from Cloud Monitoring.

A plain request is worth no client library; `pubsub.py` and `inventory.py` use it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from twinguard.act.endpoints import session, translated
from twinguard.errors import Unavailable

METRIC = "pubsub.googleapis.com/subscription/oldest_unacked_message_age"
GOOGLE = "https://monitoring.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/monitoring.read"
_WINDOW = dt.timedelta(minutes=15)
_OK = 200


def oldest_age(name: str, endpoint: str, timeout: float, now: dt.datetime) -> dt.timedelta:
    """The age at `now`. Zero where Monitoring has no series at all for the subscription.

    The metric is sampled each minute and shown within four; a subscription without a single series
    over the last fifteen is new or has never had a message, so nothing of it can be lost. A series
    without points says nothing, and is an error."""
    answer = _listed(name, endpoint, timeout, now)
    if answer.get("executionErrors") or answer.get("unreachable"):
        raise Unavailable(f"Monitoring knows only part of the backlog of {name}; ask again")
    ages = [_age(series, name, now) for series in answer.get("timeSeries", ())]
    return max(ages, default=dt.timedelta(0))


def of_all(now: dt.datetime) -> Mapping[str, str]:
    """The question for every subscription of a project at once."""
    return {
        "filter": f'metric.type = "{METRIC}" AND resource.type = "pubsub_subscription"',
        "interval.startTime": (now - _WINDOW).isoformat(),
        "interval.endTime": now.isoformat(),
        "view": "FULL",
    }


def oldest_ages(
    answers: Iterable[Mapping[str, Any]], now: dt.datetime
) -> Mapping[str, dt.timedelta]:
    """The ages in all pages of the answer, by subscription; those without a series have none."""
    ages: dict[str, dt.timedelta] = {}
    for answer in answers:
        if answer.get("executionErrors") or answer.get("unreachable"):
            raise Unavailable("Monitoring knows only part of the backlogs; ask again")
        for series in answer.get("timeSeries", ()):
            try:
                name = str(series["resource"]["labels"]["subscription_id"])
            except (KeyError, TypeError) as err:
                raise Unavailable("Monitoring shows a backlog of nobody; ask again") from err
            ages[name] = max(_age(series, name, now), ages.get(name, dt.timedelta(0)))
    return ages


def _listed(name: str, endpoint: str, timeout: float, now: dt.datetime) -> Mapping[str, Any]:
    _, project, _, short = name.split("/")
    every = of_all(now)
    one = f'{every["filter"]} AND resource.labels.subscription_id = "{short}"'
    query = {**every, "filter": one}
    url = f"{endpoint or GOOGLE}/v3/projects/{project}/timeSeries"
    with translated(f"cannot read the backlog of {name}"):
        with session(endpoint, _SCOPE) as http:
            response = http.get(url, params=query, timeout=timeout)
        if response.status_code != _OK:
            raise Unavailable(
                f"cannot read the backlog of {name}: {response.status_code} from Monitoring"
            )
        answer = response.json()
    if not isinstance(answer, dict):
        raise Unavailable(f"cannot read the backlog of {name}: the answer is not an object")
    return answer


def _age(series: Mapping[str, Any], name: str, now: dt.datetime) -> dt.timedelta:
    """The age in the newest point, plus how old that point is unless the backlog was empty."""
    try:
        newest = max(
            (dt.datetime.fromisoformat(point["interval"]["endTime"]), point["value"]["int64Value"])
            for point in series["points"]
        )
        age = dt.timedelta(seconds=int(newest[1]))
    except (KeyError, TypeError, ValueError) as err:
        raise Unavailable(f"Monitoring shows no age for the backlog of {name}; ask again") from err
    return age + max(now - newest[0], dt.timedelta(0)) if age else age
