# SPDX-License-Identifier: Apache-2.0
"""A project with keys in secrets, OpenAI and Google on this machine, and a clock: for all tests."""

from __future__ import annotations

import contextlib
import datetime as dt

import msgspec
from msgspec.structs import replace

from twinguard import config
from twinguard.decide.model import Alert
from twinguard.key_records import KeyJournal
from twinguard.parse import Event
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment, Retention
from twinguard.provisions import ApiKey, Secret
from twinguard.standins.google import Google
from twinguard.standins.openai_admin import PROJECT as OPENAI_PROJECT
from twinguard.standins.openai_admin import OpenAIAdmin
from twinguard.state import open_records
from twinguard.wiring import ports_from

OPENAI, MAPS, NEO4J = "openai-api-key", "maps-key", "neo4j-credentials"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)
_STAGING = config.load(config.path_of(Environment.STAGING))
SECRETS = {
    OPENAI: _STAGING.secrets[OPENAI],
    MAPS: Secret(readers=("application",), rotation_days=90),
    NEO4J: _STAGING.secrets[NEO4J],
}
POLICY = replace(
    _STAGING,
    secrets=SECRETS,
    api_keys={MAPS: ApiKey(apis=("maps.googleapis.com",), addresses=("10.0.0.1",))},
    openai=replace(_STAGING.openai, project=OPENAI_PROJECT),
)
PROJECT = f"projects/{POLICY.project.id}"
TOPIC = f"{PROJECT}/topics/alerts"
ALERTS = f"{PROJECT}/subscriptions/alerts-pull"


def only(*secrets):
    """The policy with these secrets alone."""
    kept = {name: secret for name, secret in SECRETS.items() if name in secrets}
    api_keys = {name: key for name, key in POLICY.api_keys.items() if name in secrets}
    neo4j = POLICY.neo4j if NEO4J in secrets else None
    openai = POLICY.openai if OPENAI in secrets else None
    gateway = POLICY.gateway if openai is not None else None
    return replace(
        POLICY, secrets=kept, api_keys=api_keys, neo4j=neo4j, openai=openai, gateway=gateway
    )


class Cloud:
    """What a test sees of it. Each call is a fresh pipeline, which remembers nothing."""

    def __init__(self, google, openai, policy, records):
        self.google, self.openai, self.policy, self.records = google, openai, policy, records
        self.env = {
            **google.environment,
            **openai.environment,
            "TWINGUARD_RECORDS": records,
            "TWINGUARD_ALERTS_TOPIC": TOPIC,
        }

    def pipeline(self, now=NOW):
        self.openai.clock = now.timestamp
        return Pipeline(self.policy, ports_from(self.env))

    def rotate(self, now=NOW):
        """One run of the daily task."""
        return self.pipeline(now).on_schedule(task(now), now)

    def event(self, kind, secret, now=NOW, at=None):
        """One notification of Secret Manager, published `at`."""
        event = Event("m-1", at or now, b"{}", attributes(kind, secret))
        return self.pipeline(now).keys.on_secret_event(event, now)

    def state(self, secret=OPENAI):
        return KeyJournal(open_records(self.records), Retention()).key(secret).value

    def audit(self):
        """What was done to keys, in order: actions that ended well."""
        entries = open_records(self.records).find("audit")
        done = {e.value["begun"] for e in entries if e.value.get("outcome") == "done"}
        return [e.value["action"] for e in entries if e.id in done]

    def add_secret(self, secret, value, age=40):
        """A secret with one version of some age in days."""
        name = self.secret(secret)
        self.google.secrets.add(name, keeps="2592000s")
        self.google.secrets.add_version(name, NOW - age * DAY, value=value.encode())

    def secret(self, secret=OPENAI):
        return f"{PROJECT}/secrets/staging-{secret}"

    def read(self, secret=OPENAI):
        """What a reader of `current` gets."""
        value = self.google.secrets.read(self.secret(secret))
        return None if value is None else value.decode()

    def states(self, secret=OPENAI):
        return self.google.secrets.states(self.secret(secret))

    def alerts(self):
        messages = self.google.pubsub.backlog(ALERTS)
        return [msgspec.json.decode(message.data, type=Alert) for message in messages]

    def told(self):
        return [(alert.incident, alert.state.value) for alert in self.alerts()]


def task(now):
    return Event(f"rotate-{now.isoformat()}", now, b"", {"task": "rotate"})


def attributes(kind, secret):
    return {
        "eventType": kind,
        "secretId": f"projects/1234567890/secrets/{secret}",
        "dataFormat": "JSON_API_V1",
        "timestamp": NOW.isoformat(),
    }


@contextlib.contextmanager
def cloud(records, policy=POLICY):
    """OpenAI with a key by hand in the secret, and everything else that is asked for."""
    with Google() as google, OpenAIAdmin(clock=NOW.timestamp) as openai:
        google.pubsub.add_topic(TOPIC)
        google.pubsub.add_subscription(ALERTS, TOPIC)
        here = Cloud(google, openai, policy, records)
        if OPENAI in policy.secrets:
            here.add_secret(OPENAI, openai.add_key("made by hand").value)
        yield here
