# SPDX-License-Identifier: Apache-2.0
"""Decide which channels hear of an alert, and who reports a channel that is dead. Pure.

What they are told is decided in `incidents.py`, and whether at once in `storm.py`."""

from __future__ import annotations

import datetime as dt

from twinguard.decide.model import Alert, AlertState
from twinguard.policy import Alerts, Channel, Environment, Level

CHANNEL_KIND = "channel"
"""The kind of the incidents that report a dead channel."""


def routes_for(alert: Alert, alerts: Alerts) -> tuple[Channel, ...]:
    """The channels the policy names for the alert's level: each once, in the order of `Channel`."""
    named = alerts.routes.get(alert.level, ())
    return tuple(channel for channel in Channel if channel in named)


def reporters_for(dead: Channel) -> tuple[Channel, ...]:
    """The other channels in the order in which they are asked to report the dead one."""
    return tuple(channel for channel in Channel if channel is not dead)


def channel_incident(environment: Environment, channel: Channel, now: dt.datetime) -> str:
    """The incident of a channel that died now: one for each UTC day on which an outage begins."""
    return f"{environment}/{CHANNEL_KIND}/{channel}/{now.astimezone(dt.UTC):%Y-%m-%d}"


def channel_failed(
    incident: str, environment: Environment, channel: Channel, reason: str, now: dt.datetime
) -> Alert:
    """What people are told through another channel when this one is dead."""
    return Alert(
        incident=incident,
        environment=environment,
        kind=CHANNEL_KIND,
        level=Level.HIGH,
        step=1,
        state=AlertState.OPENED,
        title=f"Alerts cannot be delivered by {channel}",
        lines=(reason, "Delivery is retried; nothing is dropped while it lasts."),
        at=now,
    )


def channel_works(
    incident: str, environment: Environment, channel: Channel, now: dt.datetime
) -> Alert:
    """What people are told when the channel accepts messages again."""
    return Alert(
        incident=incident,
        environment=environment,
        kind=CHANNEL_KIND,
        level=Level.HIGH,
        step=1,
        state=AlertState.ENDED,
        title=f"Alerts are delivered by {channel} again",
        at=now,
    )
