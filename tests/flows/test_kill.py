# SPDX-License-Identifier: Apache-2.0
"""`kill -9` before every single call that changes something, then the same message again."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest

from twinguard import config
from twinguard.decide.model import Alert, Kind, Push, Scaling
from twinguard.journal import Journal
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment, Retention
from twinguard.standins.cloud_run import CloudRun
from twinguard.standins.google import Google
from twinguard.state import open_records
from twinguard.wiring import ports_from
from world import message

pytestmark = pytest.mark.timeout(400)

POLICY = config.load(config.path_of(Environment.STAGING))
PROJECT = f"projects/{POLICY.project.id}"
SERVICES = {f"{PROJECT}/locations/{POLICY.region}/services/{name}" for name in POLICY.services}
SUBSCRIPTIONS = {f"{PROJECT}/subscriptions/{name}" for name in POLICY.subscriptions}
TOPIC = f"{PROJECT}/topics/alerts"
BEFORE = Scaling(minimum=2, maximum=9)
DECEMBER = dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)
CAPPED = message(512.5)
RELEASED = message(1, start=DECEMBER)


@pytest.fixture
def nursery():
    """A process that forks mortal ones."""
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONPATH": str(root / "functions"), "GRPC_ENABLE_FORK_SUPPORT": "0"}
    command = [sys.executable, str(Path(__file__).with_name("nursery.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    ) as process:
        yield process
        process.stdin.close()
        process.wait(10)


def lives(nursery, env, events, dies_at):
    """Handle events in a fresh process that dies before a call, if there are as many; its end."""
    order = {
        "env": env,
        "policy": config.render(POLICY),
        "events": [
            (e.message_id, e.published_at.isoformat(), base64.b64encode(e.data).decode(),
             dict(e.attributes))
            for e in events
        ],
        "dies_at": dies_at,
    }  # fmt: skip
    nursery.stdin.write(json.dumps(order) + "\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


def handled(env, events):
    """Handle events in this process, which remembers nothing of the one that died."""
    pipeline = Pipeline(POLICY, ports_from(env))
    for event in events:
        pipeline.on_budget_alert(event, event.published_at)


@contextlib.contextmanager
def cloud():
    """Google's APIs with everything the policy names, as it stands before any message."""
    with Google(CloudRun(polls=0)) as google:
        for name in SERVICES:
            google.cloud_run.add(
                name, scaling={"minInstanceCount": BEFORE.minimum, "maxInstanceCount": 9}
            )
        google.pubsub.add_topic(TOPIC)
        google.pubsub.add_topic(f"{PROJECT}/topics/work")
        for name in SUBSCRIPTIONS:
            google.pubsub.add_subscription(
                name,
                f"{PROJECT}/topics/work",
                pushConfig={"pushEndpoint": "http://127.0.0.1:9/work"},
                messageRetentionDuration="2678400s",
            )
        google.pubsub.add_subscription(f"{PROJECT}/subscriptions/alerts-pull", TOPIC)
        yield google


def seen(env):
    """What the world looks like, by name."""
    scalers = ports_from(env).scalers
    services = {name: scalers[Kind.SERVICE].read(name).value for name in SERVICES}
    return services | {name: scalers[Kind.SUBSCRIPTION].read(name).value for name in SUBSCRIPTIONS}


def told(google):
    """The identities of all published alerts."""
    messages = google.pubsub.backlog(f"{PROJECT}/subscriptions/alerts-pull")
    alerts = [msgspec.json.decode(m.data, type=Alert) for m in messages]
    return {(a.incident, a.step, a.state.value) for a in alerts}


def audit_gaps(records):
    """Effects that were begun and never ended; one death leaves at most one."""
    entries = records.find("audit")
    ended = {entry.value["begun"] for entry in entries if entry.value["phase"] == "ended"}
    begun = [entry for entry in entries if entry.value["phase"] == "begun"]
    return [entry for entry in begun if entry.id not in ended]


def survives(nursery, env, events):
    """Kill before call 1, 2, 3 … of the last event; yield after each resumption."""
    for dies_at in range(1, 200):
        with cloud() as google:
            here = env(dies_at) | google.environment | {"TWINGUARD_ALERTS_TOPIC": TOPIC}
            if events[:-1]:
                handled(here, events[:-1])
            status = lives(nursery, here, events[-1:], dies_at)
            if status == 0:
                assert dies_at > 15  # the loop ends because no call is left, not at once
                return
            assert status == -9
            handled(here, events[-1:])
            yield google, here


def check_capped(nursery, env):
    stopped = Scaling(mode="manual")  # type: ignore[arg-type]
    critical = {n for n in SERVICES if POLICY.services[n.rsplit("/", 1)[1]].critical}
    expected = {n: BEFORE if n in critical else stopped for n in SERVICES}
    expected |= dict.fromkeys(SUBSCRIPTIONS, Push())
    for google, here in survives(nursery, env, [CAPPED]):
        records = open_records(here["TWINGUARD_RECORDS"])
        journal = Journal(records, Retention())

        assert seen(here) == expected
        assert journal.breaker().value.open
        assert told(google) == {("staging/cap/environment/2026-11-01T07Z.1", 1, "opened")}
        assert len(audit_gaps(records)) <= 1


def check_released(nursery, env):
    for google, here in survives(nursery, env, [CAPPED, RELEASED]):
        journal = Journal(open_records(here["TWINGUARD_RECORDS"]), Retention())

        states = seen(here)
        assert {states[name] for name in SERVICES} == {BEFORE}
        assert all(states[name].config for name in SUBSCRIPTIONS)
        assert journal.active_holds() == ()
        assert not journal.breaker().value.open
        assert {state for _, _, state in told(google)} == {"opened", "ended"}


@pytest.fixture
def memory():
    """A folder in memory where there is one: what a killed process wrote survives there too."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield folder


def sqlite_in(folder):
    return lambda step: {"TWINGUARD_RECORDS": f"sqlite:///{folder}/{step}.db"}


def firestore_of(server, project):
    return lambda step: (
        dict(server.environment) | {"TWINGUARD_RECORDS": f"firestore://{project}-{step}/(default)"}
    )


def test_killed_anywhere_while_capping_it_completes_on_sqlite(nursery, memory):
    check_capped(nursery, sqlite_in(memory))


def test_killed_anywhere_while_restoring_it_completes_on_sqlite(nursery, memory):
    check_released(nursery, sqlite_in(memory))


def test_killed_anywhere_while_capping_it_completes_on_firestore(
    nursery, firestore_server, project
):
    check_capped(nursery, firestore_of(firestore_server, project))


def test_killed_anywhere_while_restoring_it_completes_on_firestore(
    nursery, firestore_server, project
):
    check_released(nursery, firestore_of(firestore_server, project))
