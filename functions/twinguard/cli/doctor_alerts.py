# SPDX-License-Identifier: Apache-2.0
"""The doctor's test alerts: one for each level, and which channels have a receipt for it."""

from __future__ import annotations

import datetime as dt

import msgspec

from twinguard.decide.health import Check, Look
from twinguard.decide.incidents import Incident
from twinguard.decide.model import Alert, AlertState
from twinguard.dispatch import INCIDENTS
from twinguard.policy import Channel, Level, Policy
from twinguard.ports import Records

ALERTS = "alerts"


def alert_of(
    policy: Policy, level: Level, now: dt.datetime, state: AlertState = AlertState.OPENED
) -> Alert:
    """A test alert that says of itself that it is one."""
    environment = policy.environment.value
    return Alert(
        incident=f"{environment}/doctor/{level}/{now:%Y-%m-%dT%H:%M:%S}",
        environment=environment,
        kind="doctor",
        level=level,
        step=1,
        state=state,
        title=f"Test by the doctor: this is how {level} alerts reach you",
        lines=("Nothing is wrong and nothing is to be done.",),
        at=now,
    )


def received(records: Records, incident: str) -> frozenset[Channel]:
    """The channels whose receipt for an incident is on record."""
    stored = records.get(INCIDENTS, incident)
    if stored is None:
        return frozenset()
    lines = msgspec.convert(stored.value, Incident).lines
    return frozenset(line.channel for line in lines if line.receipts)


def levels_of(policy: Policy) -> tuple[Level, ...]:
    """The levels that somebody hears of."""
    return tuple(level for level in Level if policy.alerts.routes.get(level))


def judged(policy: Policy, heard: dict[Level, frozenset[Channel]], name: str) -> list[Check]:
    """One check for each channel that is routed to: did it deliver at each of its levels?"""
    routes, found = policy.alerts.routes, list[Check]()
    for channel in Channel:
        levels = [level for level in heard if channel in routes[level]]
        look = Look(ALERTS, f"{name} by {channel}")
        if deaf := [level for level in levels if channel not in heard[level]]:
            found.append(
                look.failed(
                    f"nobody received what was {', '.join(deaf)} there",
                    f"alerts.routes and the settings of {channel} (docs/settings.md)",
                )
            )
        elif levels:
            found.append(look.ok("a test alert was accepted, its receipt is on record"))
    return found
