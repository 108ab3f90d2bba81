# SPDX-License-Identifier: Apache-2.0
"""Whether messages reach the functions, and alerts reach people. Pure."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Mapping

from twinguard.decide.deployment import ENTRY_POINTS, Bound, Deployment, Function, Job, Names
from twinguard.decide.health import Check, Look
from twinguard.decide.inventory import Gap, short
from twinguard.decide.storm import ChannelState
from twinguard.policy import Channel, Level, Policy

MESSAGES, ALERTS, TIMES = "messages", "alerts", "schedules"
_WAITS = dt.timedelta(minutes=30)
"""What waits longer for a function that works is not on its way any more."""

_TASKS = {"expire": "schedule", "flush": "alerts", "rotate": "schedule"}
_COSTS = {"costs": "schedule", "report": "schedule"}


def delivery(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """Each function: it runs, its messages go to it, and what it cannot take is kept."""
    names = seen.named(policy)
    for function, topic in ENTRY_POINTS.items():
        apply = f"make apply ENV={policy.environment}"
        look = Look(MESSAGES, f"function {function}")
        yield look.about(seen.functions, functools.partial(_runs, names, function, look), apply)
        look = Look(MESSAGES, f"subscription of {function}")
        bound = functools.partial(_bound, names, function, topic, look, seen)
        yield look.about(seen.subscriptions, bound, apply)
        look = Look(MESSAGES, f"backlog of {function}")
        yield look.about(seen.waiting, functools.partial(_flows, names, function, look), apply)


def _runs(names: Names, function: str, look: Look, known: Mapping[str, Function]) -> Check:
    found = known.get(f"{names.prefix}-{function}")
    apply = f"make apply ENV={names.policy.environment}"
    if found is None:
        return look.failed("it is not deployed: its messages act on nothing", apply)
    if found.state != "ACTIVE":
        logs = f"gcloud functions logs read {found.name} --region={names.policy.region}"
        return look.failed(f"it is {found.state or 'in no state'}, not ACTIVE", f"{logs}; {apply}")
    return look.ok("deployed and active")


def _bound(
    names: Names,
    function: str,
    topic: str,
    look: Look,
    seen: Deployment,
    known: Mapping[str, Bound],
) -> Check:
    apply = f"make apply ENV={names.policy.environment}"
    found = known.get(names.subscription(function))
    if found is None:
        return look.failed("there is none: messages end nowhere", apply)
    if found.detached or found.topic != names.topic(topic):
        bound = "detached" if found.detached else f"bound to {short(found.topic)}"
        wanted = short(names.topic(topic))
        remove = f"gcloud pubsub subscriptions delete {short(found.name)}"
        return look.failed(f"it is {bound}, not to {wanted}", f"{remove}, then {apply}")
    if trouble := _astray(names, function, found, seen):
        return look.failed(trouble, apply)
    dead = names.topic(f"{function}-dead-letters")
    if found.dead_letter != dead:
        return look.failed("it has no dead-letter topic: what fails is lost after a week", apply)
    keeper = known.get(names.subscription(f"{function}-dead-letters"))
    if keeper is None or keeper.topic != dead:
        return look.failed(
            "its dead-letter topic has no subscription: dead letters are lost", apply
        )
    return look.ok("its topic goes to the function, dead letters are kept")


def _astray(names: Names, function: str, found: Bound, seen: Deployment) -> str:
    """Why a subscription does not push where it should; empty where it does."""
    if not found.endpoint:
        return "it does not push: messages wait until they are lost"
    if found.account != names.push:
        return (
            f"it pushes as {found.account or 'nobody'}, and the function lets only {names.push} in"
        )
    if isinstance(seen.functions, Gap):
        return ""
    known = seen.functions.get(f"{names.prefix}-{function}")
    if known is None or found.endpoint.rstrip("/") == known.uri.rstrip("/"):
        return ""
    return f"it pushes to {found.endpoint}, but the function is at {known.uri}"


def _flows(names: Names, function: str, look: Look, known: Mapping[str, dt.timedelta]) -> Check:
    dead = short(names.subscription(f"{function}-dead-letters"))
    if known.get(dead, dt.timedelta()):
        pull = f"gcloud pubsub subscriptions pull {dead} --limit=10"
        return look.failed(
            f"messages that it never took wait among its dead letters, {_age(known[dead])}",
            f"read them: {pull}; mend the cause, publish them again, then add --auto-ack",
        )
    age = known.get(short(names.subscription(function)), dt.timedelta())
    if age > _WAITS:
        logs = f"gcloud functions logs read {names.prefix}-{function}"
        return look.failed(f"a message waits for it, {_age(age)}", logs)
    return look.ok("nothing waits, no dead letters")


def schedules(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """Each job that has to run: it is there, it is not paused, its last run went well."""
    names, wanted = seen.named(policy), dict(_TASKS)
    export = policy.billing_export is not None and policy.billing_export.connected
    if policy.schedule is not None:
        wanted |= {"night": "schedule", "morning": "schedule"}
    wanted |= _COSTS if export else {}
    if export or (policy.openai is not None and policy.openai.project is not None):
        wanted |= {"reconcile": "schedule"}
    for task, topic in wanted.items():
        look, apply = Look(TIMES, f"job {task}"), f"make apply ENV={policy.environment}"
        yield look.about(seen.jobs, functools.partial(_job, names, task, topic, look), apply)


def _job(names: Names, task: str, topic: str, look: Look, known: Mapping[str, Job]) -> Check:
    apply = f"make apply ENV={names.policy.environment}"
    found = known.get(f"{names.prefix}-{task}")
    if found is None:
        return look.failed("there is none: nothing starts this task", apply)
    command = f"gcloud scheduler jobs {{}} {found.name} --location={names.policy.region}"
    if found.state != "ENABLED":
        return look.failed(f"it is {found.state}", command.format("resume"))
    if (found.topic, found.task) != (names.topic(topic), task):
        return look.failed(f"it starts {found.task!r} at {short(found.topic)}", apply)
    if found.failure:
        return look.failed(f"its last run failed: {found.failure}", command.format("run"))
    return look.ok("enabled")


def alerts(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """Each level has somebody to hear of it, and each channel what it takes to be heard."""
    look = Look(ALERTS, "routes")
    silent = [level for level in Level if not policy.alerts.routes.get(level)]
    if silent:
        yield look.failed(
            f"nobody hears of what is {', '.join(silent)}",
            f"alerts.routes in environments/{policy.environment}/policy.yaml",
        )
    else:
        yield look.ok("every level has a channel")
    channels = {one for routes in policy.alerts.routes.values() for one in routes}
    for channel in (one for one in Channel if one in channels):
        yield from _channel(policy, seen, channel)


def _channel(policy: Policy, seen: Deployment, channel: Channel) -> Iterator[Check]:
    look, names = Look(ALERTS, f"settings of {channel}"), seen.named(policy)
    apply = f"make apply ENV={policy.environment}"

    def equipped(known: Mapping[str, Function]) -> Check:
        found = known.get(f"{names.prefix}-dispatch-alert")
        if found is None:
            return look.unknown("dispatch-alert is not deployed", apply)
        missing = sorted(REQUIRED[channel] - found.variables - found.secrets.keys())
        if missing:
            return look.failed(f"dispatch-alert lacks {', '.join(missing)}: it is muted", apply)
        return _readable(seen, channel, found, look)

    yield look.about(seen.functions, equipped, apply)
    look = Look(ALERTS, f"delivery by {channel}")
    if isinstance(seen.recorded, Gap):
        yield look.unknown(seen.recorded.why)
    else:
        states = {one.channel: one for one in seen.recorded.channels}
        yield _delivers(look, states.get(channel, ChannelState(channel)))


def _readable(seen: Deployment, channel: Channel, found: Function, look: Look) -> Check:
    """Whether the versions that the function is given can be read."""
    if isinstance(seen.secrets, Gap):
        return look.unknown(seen.secrets.why)
    by_short = {short(name): secret for name, secret in seen.secrets.items()}
    for variable in sorted(REQUIRED[channel] & found.secrets.keys()):
        name, version = found.secrets[variable]
        secret = by_short.get(name)
        enabled = frozenset[str]() if secret is None else secret.enabled
        if isinstance(enabled, Gap):
            return look.unknown(enabled.why)
        if version not in enabled:
            return look.failed(
                f"version {version} of {name} cannot be read: it is muted",
                f"gcloud secrets versions enable {version} --secret={name}",
            )
    return look.ok("dispatch-alert has all of them")


def _delivers(look: Look, state: ChannelState) -> Check:
    if state.trouble is not None:
        return look.failed(
            f"its last message was not accepted (incident {state.trouble})",
            "mend its settings in Secret Manager; whatever waits is sent by itself",
        )
    return look.ok("no outage is on record")


def _age(age: dt.timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"for {hours:.0f} hours" if hours >= 2 else f"for {hours * 60:.0f} minutes"  # noqa: PLR2004


REQUIRED: Mapping[Channel, frozenset[str]] = {
    Channel.EMAIL: frozenset({"SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD", "SECURITY_EMAIL"}),
    Channel.SLACK: frozenset({"SLACK_WEBHOOK_URL"}),
    Channel.SMS: frozenset(
        {"TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM", "SECURITY_PHONE"}
    ),
    Channel.PAGERDUTY: frozenset({"PAGERDUTY_INTEGRATION_KEY"}),
}
"""What each channel cannot do without; a test compares it with `notify`."""
