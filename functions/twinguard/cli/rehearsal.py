# SPDX-License-Identifier: Apache-2.0
"""Play a month of an environment against the real functions, and note everything that happens.

Nothing outside this machine is touched. What was promised is checked in `promises.py`."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from twinguard import config
from twinguard.cli.heard import Ears, Heard
from twinguard.cli.month import Arrival, Month, Sort, Trouble, month_of
from twinguard.cli.processes import Function, Stop, running
from twinguard.cli.stage import Stage, Write, wire_time
from twinguard.decide.model import Alert, Hold, Kind, Resource
from twinguard.errors import Misconfigured
from twinguard.parse import Event, alert
from twinguard.pipeline import Pipeline
from twinguard.policy import Budget, Channel, Policy
from twinguard.ports import Stored
from twinguard.standins.channels import Sinks
from twinguard.standins.cloud_run import CloudRun
from twinguard.standins.server import Fault
from twinguard.wiring import ports_from

Watch = Callable[[int, int], None]
REFUSALS = 2
"""How often Google's API, or a dead channel, refuses before it works again."""

IMPATIENCE = 0.5
"""Seconds that are left for each message once one of them never came to an end."""

_PIECE = 0.2
_TOPICS = {
    "on_budget_alert": "budget-alerts",
    "on_schedule": "schedule",
    "dispatch_alert": "alerts",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One arrival and what came of it; `statuses` are the answers to its deliveries in order."""

    arrival: Arrival
    message_id: str
    statuses: tuple[int, ...]
    log: tuple[Mapping[str, object], ...]
    writes: tuple[Write, ...]
    alerts: tuple[Alert, ...]
    heard: tuple[Heard, ...]
    breaker_open: bool
    holds: tuple[Hold, ...]
    states: Mapping[Resource, str]
    is_finished: bool
    was_killed: bool = False


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A whole month, as it went."""

    policy: Policy
    budget: Budget
    month: Month
    before: Mapping[Resource, str]
    steps: tuple[Step, ...]
    audit: tuple[Stored, ...]
    dead_letters: tuple[Stored, ...]
    dead_channel: Channel
    target: str
    seconds: float

    @property
    def writes(self) -> tuple[Write, ...]:
        """Every request that would change a resource."""
        return tuple(write for step in self.steps for write in step.writes)

    def step_with(self, trouble: Trouble) -> Step:
        """The step in which this goes wrong."""
        return next(step for step in self.steps if trouble in step.arrival.troubles)

    def before_trouble(self, trouble: Trouble) -> tuple[Step, ...]:
        """All steps before the one in which this goes wrong."""
        return self.steps[: self.steps.index(self.step_with(trouble))]


def rehearse(
    policy: Policy,
    folder: Path,
    *,
    seed: int = 7,
    watch: Watch | None = None,
    stop: Stop = lambda: None,
    cloud_run: CloudRun | None = None,
    patience: float = 20.0,
) -> Rehearsed:
    """Play the month in a folder that takes the logs and the database.

    `patience` is how long one message may take, in seconds; `cloud_run` plays Cloud Run."""
    budget = rehearsable(policy)
    started = time.monotonic()
    stage = Stage(cloud_run)
    with Sinks() as sinks, stage:
        play = Play(policy, budget, stage, sinks, folder, patience, stop)
        with running(tuple(play.functions.values()), stop):
            month, before = month_of(policy, budget, seed), stage.states()
            for arrival in month.arrivals:
                if watch is not None:
                    watch(len(play.steps), len(month.arrivals))
                play.steps.append(play.step(arrival))
        return Rehearsed(
            policy=policy,
            budget=budget,
            month=month,
            before=before,
            steps=tuple(play.steps),
            audit=play.pipeline.ports.records.find("audit"),
            dead_letters=play.pipeline.ports.records.find("dead_letters"),
            dead_channel=play.dead_channel,
            target=play.target[1],
            seconds=time.monotonic() - started,
        )


def rehearsable(policy: Policy) -> Budget:
    """The budget to rehearse; Misconfigured where there is none."""
    if policy.budget is None or policy.budget.amount is None:
        raise Misconfigured(
            f"{policy.environment} has no budget to rehearse; give its policy a budget with an "
            "amount, or choose another environment"
        )
    return policy.budget


@dataclass
class Play:
    """The functions and their surroundings while messages are played."""

    policy: Policy
    budget: Budget
    stage: Stage
    sinks: Sinks
    folder: Path
    patience: float
    stop: Stop
    steps: list[Step] = field(default_factory=list)
    functions: dict[str, Function] = field(init=False)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        url = f"sqlite:///{(self.folder / 'records.db').absolute()}"
        self.ears = Ears(self.sinks)
        settings = {
            "TWINGUARD_POLICY": config.render(self.policy),
            "TWINGUARD_RECORDS": url,
            "TWINGUARD_ALERTS_TOPIC": self._topic("alerts"),
            "TWINGUARD_CLOCK": "event",
            **self.stage.environment,
            **self.sinks.environment(),
        }
        self.pipeline = Pipeline(self.policy, ports_from(settings))
        self.stage.add(self.pipeline.resources())
        self.functions = {
            name: Function(name, settings, self.folder / f"{name}.log") for name in _TOPICS
        }
        for name, topic in _TOPICS.items():
            self.stage.pubsub.add_topic(self._topic(topic))
            push = {"pushEndpoint": self.functions[name].url}
            self.stage.pubsub.add_subscription(
                self._subscription(name), self._topic(topic), pushConfig=push
            )
        self._read = dict.fromkeys(_TOPICS, 0)

    @property
    def target(self) -> tuple[str, str]:
        """The request at which things go wrong: on what the cap holds, else on the alerts."""
        critical = {
            name
            for name, one in (*self.policy.services.items(), *self.policy.subscriptions.items())
            if one.critical
        }
        held = [one for one in self.stage.resources if one.short not in critical]
        if not held or not self.budget.cap.enabled:
            return "POST", f"{self._topic('alerts')}:publish"
        if held[0].kind is Kind.SERVICE:
            return "PATCH", held[0].name
        return "POST", f"{held[0].name}:modifyPushConfig"

    @property
    def dead_channel(self) -> Channel:
        """The channel that dies for a while: Slack where the policy uses it, else e-mail."""
        used = {channel for routes in self.policy.alerts.routes.values() for channel in routes}
        return Channel.SLACK if Channel.SLACK in used else Channel.EMAIL

    def step(self, arrival: Arrival) -> Step:
        """Let one message arrive, and wait until all that follows from it is over."""
        pubsub, stage = self.stage.clocked, self.stage
        pubsub.now = arrival.at
        writes, known, sent = len(stage.writes), len(pubsub.messages), len(pubsub.deliveries)
        self._trouble(arrival)
        number = self._deliver(arrival)
        was_killed = Trouble.KILL in arrival.troubles and self._kill()
        is_finished = self._within_patience(pubsub.wait_idle)
        if not is_finished:
            self.patience = min(self.patience, IMPATIENCE)
        attempts = [d for d in tuple(pubsub.deliveries)[sent:] if d.message_id == number]
        messages = tuple(pubsub.messages.values())[known:]
        return Step(
            arrival=arrival,
            message_id=number,
            statuses=tuple(delivery.status for delivery in attempts),
            log=tuple(self._new_lines()),
            writes=tuple(stage.writes[writes:]),
            alerts=tuple(
                alert(Event(one.id, arrival.at, one.data, one.attributes))
                for one in messages
                if "level" in one.attributes
            ),
            heard=self.ears.news(),
            breaker_open=self.pipeline.journal.breaker().value.open,
            holds=self.pipeline.journal.active_holds(),
            states=stage.states(),
            is_finished=is_finished,
            was_killed=was_killed,
        )

    def _deliver(self, arrival: Arrival) -> str:
        budget = arrival.sort not in {Sort.NIGHT, Sort.MORNING}
        name = "on_budget_alert" if budget else "on_schedule"
        pubsub = self.stage.clocked
        if arrival.again:
            number = self.steps[-1].message_id
            pubsub.repeat(number, self._subscription(name))
            return number
        topic, published = self._topic(_TOPICS[name]), wire_time(arrival.published)
        return pubsub.publish(topic, arrival.data, dict(arrival.attributes), published)

    def _trouble(self, arrival: Arrival) -> None:
        method, path = self.target
        if Trouble.KILL in arrival.troubles:
            self.stage.gate.arm(method, path)
        if Trouble.REFUSE in arrival.troubles:
            fault = Fault(code=503, status="UNAVAILABLE")
            self.stage.fail(fault, times=REFUSALS, method=method, path=path)
        if Trouble.DEAD_CHANNEL in arrival.troubles:
            self.ears.deafen(self.dead_channel, REFUSALS)

    def _kill(self) -> bool:
        """Kill the budget function while it waits for an answer, and start it again."""
        function, gate = self.functions["on_budget_alert"], self.stage.gate
        try:
            if not self._within_patience(gate.reached.wait):
                return False
            function.kill()
        finally:
            gate.disarm()
        function.start()
        function.wait(self.stop)
        return True

    def _within_patience(self, wait: Callable[[float], bool]) -> bool:
        """Wait in short pieces, so that a person can stop it."""
        deadline = time.monotonic() + self.patience
        while not (is_over := wait(_PIECE)) and time.monotonic() < deadline:
            self.stop()
        self.stop()
        return is_over

    def _new_lines(self) -> list[Mapping[str, object]]:
        """What the functions logged since the last look: one JSON line for each request."""
        found: list[Mapping[str, object]] = []
        for name, function in self.functions.items():
            with function.log.open("rb") as log:
                log.seek(self._read[name])
                text = log.read()
                self._read[name] = log.tell()
            lines = [line for line in text.splitlines() if line.startswith(b'{"severity"')]
            found += [line for line in map(json.loads, lines) if "event" in line]
        return found

    def _topic(self, name: str) -> str:
        return f"projects/{self.policy.project.id}/topics/{name}"

    def _subscription(self, entry_point: str) -> str:
        name = entry_point.replace("_", "-")
        return f"projects/{self.policy.project.id}/subscriptions/twinguard-{name}"


def span(month: Month) -> str:
    """The month by name."""
    return f"{month.start + dt.timedelta(days=1):%B %Y}"
