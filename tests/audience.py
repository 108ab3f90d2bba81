# SPDX-License-Identifier: Apache-2.0
"""Channels that accept, refuse or kill, and what they heard; for the tests of `dispatch`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from twinguard.decide.incidents import Incident
from twinguard.decide.model import Alert, AlertState
from twinguard.decide.storm import ChannelState
from twinguard.dispatch import CHANNELS, INCIDENTS
from twinguard.errors import TwinguardError, Unavailable
from twinguard.policy import Alerts, Channel, Environment, Level, Policy, Project, Storm
from twinguard.ports import Message

NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
OPENED, ACKNOWLEDGED, ENDED = AlertState
EMAIL, SLACK, SMS, PAGERDUTY = Channel
LEVELS = {
    Level.LOW: (EMAIL,),
    Level.MEDIUM: (EMAIL, SLACK),
    Level.HIGH: (EMAIL, SLACK),
    Level.CRITICAL: tuple(Channel),
}


def policy(messages: int = 100, routes=LEVELS) -> Policy:
    return Policy(
        environment=Environment.STAGING,
        project=Project(id="living-twin-staging"),
        region="europe-west1",
        alerts=Alerts(routes=routes, storm=Storm(messages=messages, minutes=10)),
    )


def alert(
    name: str = "a", step: int = 1, state: AlertState = OPENED, level: Level = Level.MEDIUM
) -> Alert:
    title = f"{name} {state} at {step}"
    return Alert(f"staging/x/{name}", "staging", "x", level, step, state, title, at=NOW)


class Killed(Exception):
    """The process died here."""


@dataclass
class FakeNotifier:
    """A channel that accepts, refuses, or kills the process before or after it accepted."""

    channel: Channel
    plan: list[str] = field(default_factory=list)
    accepted: list[Message] = field(default_factory=list)
    hook: Callable[[], None] = lambda: None
    error: type[TwinguardError] = Unavailable

    def send(self, message: Message) -> str:
        what = self.plan.pop(0) if self.plan else "accept"
        if what == "die before":
            raise Killed
        if what == "refuse":
            raise self.error(f"{self.channel} is dead")
        self.accepted.append(message)
        self.hook()
        if what == "die after":
            raise Killed
        return f"{self.channel}-{len(self.accepted)}"


def everybody() -> dict[Channel, FakeNotifier]:
    return {channel: FakeNotifier(channel) for channel in Channel}


def told(people: dict[Channel, FakeNotifier]) -> list[tuple[str, str, int, str]]:
    """Everything that was accepted, a digest as each alert in it."""
    return [
        (notifier.channel.value, one.incident.removeprefix("staging/"), one.step, one.state.value)
        for notifier in people.values()
        for message in notifier.accepted
        for one in (message.digest or (message.alert,))
    ]


def minutes(number: float) -> dt.datetime:
    return NOW + dt.timedelta(minutes=number)


def read(records, name: str = "x/a") -> Incident:
    return msgspec.convert(records.get(INCIDENTS, f"staging/{name}").value, Incident)


def channel_state(records, channel: Channel) -> ChannelState:
    stored = records.get(CHANNELS, f"staging/{channel}")
    return ChannelState(channel) if stored is None else msgspec.convert(stored.value, ChannelState)
