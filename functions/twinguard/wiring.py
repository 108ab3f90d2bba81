# SPDX-License-Identifier: Apache-2.0
"""Build an entry point from the settings, and answer its requests.

The only file that reads the clock. A setting that is missing or wrong stops the process here, by
name, before it takes an event; vendor clients are made by the adapters when first used."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from twinguard import config, logs, parse, state
from twinguard.act.billing import Billing
from twinguard.act.cloud_run import CloudRun
from twinguard.act.endpoints import override
from twinguard.act.pubsub import Subscriptions, TopicPublisher
from twinguard.callers import Callers, Forged, callers_from
from twinguard.decide.model import Kind
from twinguard.errors import BadEvent, Misconfigured, Unavailable
from twinguard.flow import Flow, Ports, Report
from twinguard.policy import Policy

if TYPE_CHECKING:
    import flask

    from twinguard.counters import Store
    from twinguard.key_ports import KeyPorts
    from twinguard.places import Places
    from twinguard.reconciliation import Bill

_log = logging.getLogger("twinguard")

ACKNOWLEDGED, UNAUTHORIZED, RETRY = 200, 401, 503
"""What Pub/Sub reads from the status: done with it, or send it again."""

WRONG_SETTINGS = 78
"""The exit status of a process that refuses to start: EX_CONFIG of sysexits.h."""

_SECRETS = (
    "OPENAI_ADMIN_KEY",
    "PAGERDUTY_INTEGRATION_KEY",
    "SLACK_WEBHOOK_URL",
    "SMTP_PASSWORD",
    "TWILIO_AUTH_TOKEN",
)
"""Settings whose values are cut out of every log line."""

_PATIENCE = 5.0
"""Seconds that an event waits for the counters."""

Handler = Callable[[parse.Event, dt.datetime], Report]
Answer = tuple[dict[str, object], int]


def policy_from(env: Mapping[str, str]) -> Policy:
    """The policy in `TWINGUARD_POLICY` (JSON), or in the file `TWINGUARD_POLICY_FILE` names."""
    if text := env.get("TWINGUARD_POLICY"):
        return config.parse(text, "TWINGUARD_POLICY")
    if path := env.get("TWINGUARD_POLICY_FILE"):
        return config.load(Path(path))
    raise Misconfigured(
        "TWINGUARD_POLICY is missing; set it to the environment's policy as JSON, or "
        "TWINGUARD_POLICY_FILE to the path of a policy.yaml"
    )


def ports_from(env: Mapping[str, str]) -> Ports:
    """The outside world that the settings name; nothing is contacted yet."""
    pubsub = override(env, "PUBSUB_ENDPOINT", "PUBSUB_EMULATOR_HOST")
    subscriptions = Subscriptions(pubsub, override(env, "MONITORING_ENDPOINT"))
    return Ports(
        records=state.open_records(required(env, "TWINGUARD_RECORDS", "sqlite:///twinguard.db")),
        scalers={
            Kind.SERVICE: CloudRun(override(env, "CLOUD_RUN_ENDPOINT")),
            Kind.SUBSCRIPTION: subscriptions,
        },
        billing=Billing(override(env, "BILLING_ENDPOINT")),
        publisher=TopicPublisher(pubsub),
        alerts_topic=required(env, "TWINGUARD_ALERTS_TOPIC", "projects/my-project/topics/alerts"),
        may_unlink=env.get("TWINGUARD_MAY_UNLINK", ""),
        costs=env.get("TWINGUARD_COSTS", ""),
        # No partial: its repr would show the settings, the admin key among them.
        keys=lambda policy: key_ports_from(env, policy),
        bills=lambda policy: _bills(env, policy),
    )


def key_ports_from(env: Mapping[str, str], policy: Policy) -> KeyPorts:
    """The way to an environment's keys; nothing is contacted yet."""
    from twinguard.act.api_keys import ApiKeys
    from twinguard.act.openai_admin import OpenAIAdmin
    from twinguard.act.secret_manager import SecretManager
    from twinguard.key_ports import KeyMaker, KeyPorts

    def openai() -> OpenAIAdmin:
        block = policy.openai
        if block is None or block.project is None:
            raise Misconfigured("openai.project is missing in the policy; set it to its id there")
        key, address = env.get("OPENAI_ADMIN_KEY", ""), env.get("OPENAI_ENDPOINT", "")
        return OpenAIAdmin(
            key,
            block.project,
            f"twinguard-{policy.environment}",
            address,
            scopes=block.scopes,
            days=block.key_days or 0,
        )

    def maker(secret: str) -> KeyMaker:
        if secret in policy.api_keys:
            restrictions, address = policy.api_keys[secret], override(env, "API_KEYS_ENDPOINT")
            return ApiKeys(policy.project.id, restrictions, address)
        return openai()

    secrets = SecretManager(policy.project.id, override(env, "SECRET_MANAGER_ENDPOINT"))
    return KeyPorts(secrets, functools.cache(maker), functools.cache(openai))


def _bills(env: Mapping[str, str], policy: Policy) -> tuple[Bill, ...]:
    from twinguard.reconciliation import bills_of

    return bills_of(policy, env, env.get("TWINGUARD_COSTS", ""))


def start_or_exit(env: Mapping[str, str], entry_point: str) -> Callable[[flask.Request], Answer]:
    """`start`, or the end of the process with one log line that says what to set."""
    try:
        return start(env, entry_point)
    except Misconfigured as err:
        _log.critical("%s cannot start: %s", entry_point, err)
        raise SystemExit(WRONG_SETTINGS) from None


def start(env: Mapping[str, str], entry_point: str) -> Callable[[flask.Request], Answer]:
    """The function that answers an entry point's requests; Misconfigured if it cannot work."""
    logs.configure([env[name] for name in _SECRETS if env.get(name)])
    if entry_point not in _ENTRY_POINTS:
        names = ", ".join(sorted(_ENTRY_POINTS))
        raise Misconfigured(f"there is no entry point {entry_point!r}; there are {names}")
    policy = policy_from(env)
    flow, handler = _ENTRY_POINTS[entry_point](policy, ports_from(env), env)
    clock = env.get("TWINGUARD_CLOCK", "system")
    if clock not in {"system", "event"}:
        raise Misconfigured(f"TWINGUARD_CLOCK is {clock!r}; set it to system, or event to replay")
    if clock == "event" and "K_SERVICE" in env:
        raise Misconfigured(
            "TWINGUARD_CLOCK=event would let old messages act in the cloud; leave it out"
        )
    server = _Server(entry_point, flow, handler, callers_from(env), clock == "event")
    return server.answer


class _Server(Struct, frozen=True):
    """One entry point: who may call it, what it does, and what its failures mean."""

    entry_point: str
    flow: Flow
    handler: Handler
    callers: Callers
    replays: bool

    def answer(self, request: flask.Request) -> Answer:
        """The answer to one push request, and one log line about it."""
        started, now = time.perf_counter(), dt.datetime.now(dt.UTC)
        outcome, status = self._handled(request, now)
        fields = {
            "event": self.entry_point,
            "environment": self.flow.policy.environment.value,
            "trace": request.headers.get("X-Cloud-Trace-Context", ""),
            "ms": round(1000 * (time.perf_counter() - started), 1),
            **outcome,
        }
        level = logging.INFO if outcome["outcome"] == "done" else logging.ERROR
        _log.log(level, "%s: %s", self.entry_point, outcome["outcome"], extra={"fields": fields})
        return ({"outcome": "refused"} if status == UNAUTHORIZED else outcome), status

    def _handled(self, request: flask.Request, now: dt.datetime) -> Answer:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = b""
        try:
            self.callers.require(headers, now)
            body = request.stream.read(parse.LARGEST + 1)
            event = parse.event(headers, body)
            report = self.handler(event, event.published_at if self.replays else now)
        except Forged as err:
            return {"outcome": "refused", "reason": str(err)}, UNAUTHORIZED
        except BadEvent as err:
            return self._kept(err, body, now)
        except Unavailable as err:
            return {"outcome": "retry", "reason": str(err)}, RETRY
        except Misconfigured as err:  # found only now: a store that belongs to somebody else
            return {"outcome": "misconfigured", "reason": str(err)}, RETRY
        return {
            "outcome": "done",
            "message_id": event.message_id,
            "decision": report.decision,
            "actions": report.lines(),
            "alerts": list(report.alerts),
        }, ACKNOWLEDGED

    def _kept(self, err: BadEvent, body: bytes, now: dt.datetime) -> Answer:
        try:
            self.flow.report_bad_event(self.entry_point, err, body, now)
        except Unavailable as also:
            reason = f"{err}; it could not be kept: {also}"
            return {"outcome": "retry", "reason": reason}, RETRY
        return {"outcome": "dead letter", "reason": str(err)}, ACKNOWLEDGED


# Each entry point loads only what it needs: all of them start faster for it.


def _budget(policy: Policy, ports: Ports, _env: Mapping[str, str]) -> tuple[Flow, Handler]:
    from twinguard.pipeline import Pipeline

    pipeline = Pipeline(policy, ports)
    return pipeline, pipeline.on_budget_alert


def _schedule(policy: Policy, ports: Ports, _env: Mapping[str, str]) -> tuple[Flow, Handler]:
    from twinguard.pipeline import Pipeline

    pipeline = Pipeline(policy, ports)
    return pipeline, pipeline.on_schedule


def _secret(policy: Policy, ports: Ports, _env: Mapping[str, str]) -> tuple[Flow, Handler]:
    from twinguard.key_flow import KeyFlow

    flow = KeyFlow(policy, ports)
    return flow, flow.on_secret_event


def _usage(policy: Policy, ports: Ports, env: Mapping[str, str]) -> tuple[Flow, Handler]:
    from twinguard.places import open_places
    from twinguard.theft_flow import TheftFlow

    places = open_places(env)
    counters = counters_from(env, places)
    topic = env.get("TWINGUARD_SECRET_TOPIC", "")
    flow = TheftFlow(policy, ports, counters, places=places, secret_topic=topic)
    return flow, flow.on_usage


def counters_from(env: Mapping[str, str], places: Places) -> Store:
    """The store of the fast counters; a background task waits longer for it than a request."""
    from twinguard.state.counters import Options, open_counters

    url = required(env, "TWINGUARD_COUNTERS", "redis://127.0.0.1:6379/0")
    authorities = env.get("TWINGUARD_COUNTERS_CA", "")
    return open_counters(url, Options(place_of=places, timeout=_PATIENCE, authorities=authorities))


def _alerts(policy: Policy, ports: Ports, env: Mapping[str, str]) -> tuple[Flow, Handler]:
    from twinguard import dispatch, notify

    notifiers, records = notify.open_notifiers(policy, env), ports.records

    def handle(event: parse.Event, now: dt.datetime) -> Report:
        if event.attributes.get("task") == "flush":
            told = dispatch.flush(records, notifiers, policy, now)
            return Report("digests that have room", alerts=told.delivered)
        alert = parse.alert(event)
        told = dispatch.dispatch(alert, records, notifiers, policy, now)
        return Report(f"{alert.state} {alert.incident}", alerts=told.delivered)

    return Flow(policy, ports), handle


_ENTRY_POINTS: dict[str, Callable[[Policy, Ports, Mapping[str, str]], tuple[Flow, Handler]]] = {
    "on_budget_alert": _budget,
    "on_schedule": _schedule,
    "on_secret_event": _secret,
    "on_usage": _usage,
    "dispatch_alert": _alerts,
}


def required(env: Mapping[str, str], name: str, example: str) -> str:
    """A setting that must be there; Misconfigured where it is not."""
    if value := env.get(name):
        return value
    raise Misconfigured(f"{name} is missing; set it, for example to {example}")
