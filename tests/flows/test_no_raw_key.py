# SPDX-License-Identifier: Apache-2.0
"""The whole life of every kind of key, and then a look at all that is left: no raw key is in it.

Providers quote in their refusals all that they were sent; processes die with a value in memory."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pyrage
import pytest
from msgspec.structs import replace

from flows.lifetime import Machine
from rotating import ALERTS, DAY, MAPS, NEO4J, NOW, OPENAI, POLICY, attributes, cloud, only, task
from servers import skip_or_fail
from twinguard import config
from twinguard.application import EnvFile
from twinguard.decide.keys import LEASE
from twinguard.env_files import sealed
from twinguard.errors import Misconfigured
from twinguard.parse import Event
from twinguard.policy import Environment
from twinguard.standins.channels import Sinks
from twinguard.standins.openai_admin import ADMIN_KEY
from twinguard.standins.security import Security
from twinguard.standins.server import Fault, Server

pytestmark = pytest.mark.timeout(400)

STAGING = ("--env", "staging")
PEPPER = "marked-pepper-0123456789-0123456789"
PASSWORD = "marked-password-0123456789"
SHELL = {
    "OPENAI_API_KEY_PROD": "sk-" + "marked-production-0123456789",
    "NEO4J_PROD_USER": "ada",
    "NEO4J_PROD_PASSWORD": "marked-production-password",
}
"""Of strategy.md's names: production's file is written from these, and encrypted."""


@pytest.fixture(autouse=True)
def _quoting(monkeypatch):
    """Refusals that quote the headers and the body of the request."""
    answered = Server.answered

    def quoting(self, request):
        code, body = answered(self, request)
        if code >= 400 and isinstance(body, dict) and isinstance(body.get("error"), dict):
            said = f"refused: {dict(request.headers)} {json.dumps(request.body)}"
            body = body | {"error": body["error"] | {"message": said}}
        return code, body

    monkeypatch.setattr(Server, "answered", quoting)


@pytest.fixture
def identity(monkeypatch):
    try:
        program = sealed.program(os.environ)
    except Misconfigured as err:
        skip_or_fail(str(err))
    monkeypatch.setenv("PATH", str(Path(program).parent), prepend=os.pathsep)
    return pyrage.x25519.Identity.generate()


@dataclasses.dataclass
class Life:
    """A machine, the cloud around it, and every raw key that there ever was."""

    machine: Machine
    here: object
    sinks: Sinks
    raw: list[str]

    def at(self, now):
        self.here.openai.clock = now.timestamp
        return now

    def deaths(self):
        """Rotations of each provider's key that die ever later, until a value died with them."""
        here, now = self.here, NOW - DAY
        values = {OPENAI: here.openai.made, MAPS: here.google.api_keys.made}
        with nursery(self.machine) as live:
            for secret, made in values.items():
                for dies_at in range(4, 20):
                    self.at(now)
                    assert live(only(secret), now, dies_at) == -9
                    now += 2 * LEASE
                    if len(made) > len(here.states(secret)):
                        break
                assert len(made) > len(here.states(secret)), f"no value of {secret} was lost"

    def customers(self):
        run, tell = self.machine.run, self.machine.tell
        terms = ("--tenant", "acme", "--reason", "marked", "--apply", "--output", "-")
        raw = run("customer_keys", "issue", *STAGING, *terms).strip()
        key = ("--key", raw.split("_")[2], "--reason", "marked", "--apply")
        again = run("customer_keys", "rotate", *STAGING, *key, "--output", "-").strip()
        self.raw += [raw, again]
        for given, code in ((raw, 0), (again, 0), (raw[:-1] + "!", 1)):
            tell("customer_keys", "check", *STAGING, "-", given=given, code=code)
        tell("customer_keys", "disable", *STAGING, *key)
        tell("customer_keys", "check", *STAGING, "-", given=again, code=1)
        tell("customer_keys", "list", *STAGING, "--json")

    def rotations(self):
        """By the functions, with errors on the way, and by hand; then a block."""
        openai, google = self.here.openai, self.here.google
        settings = {"TWINGUARD_POLICY": config.render(POLICY), "TWINGUARD_CLOCK": "event"}
        with self.machine.functions(**settings) as ask:
            openai.fail(Fault(code=500), method="POST", path="/api_keys")
            google.fail(Fault(code=500), path=":addVersion")
            google.fail(Fault(403, "PERMISSION_DENIED"), path="/keyString")
            openai.fail(Fault(code=503), path="/v1/models")
            outcomes = []
            for number in range(4):
                now = self.at(NOW + number * 2 * LEASE)
                outcomes.append(ask("on_schedule", pushed(task(now)))[1])
            turn = Event("turn", now, b"{}", attributes("SECRET_ROTATE", "odd"))
            outcomes.append(ask("on_secret_event", pushed(turn))[1])
            ask("on_schedule", pushed(task(self.at(NOW + DAY + 8 * LEASE))))
            openai.refuses.add("twinguard-")  # what is made from here on never works
            self.machine.tell("keys", "rotate", *STAGING, "--key", OPENAI, "--apply", code=3)
            openai.refuses.clear()
            self.machine.tell("keys", "block", *STAGING, "--key", OPENAI, "--apply")
            self.machine.tell("keys", "rotate", *STAGING, "--key", OPENAI, "--apply")
            self.machine.tell("keys", "rotations", *STAGING)
            for message in google.pubsub.backlog(ALERTS):
                ask("dispatch_alert", pushed(Event("alert", NOW, message.data, {})))
        return outcomes

    def files(self, identity):
        tell = self.machine.tell
        tell("env", *STAGING)
        tell("env", "--env", "production", "--from", "shell", **SHELL)
        tell("env_check", *STAGING, "--from", "secrets")
        opened = {"SOPS_AGE_KEY": str(identity)}
        tell("env_check", "--env", "production", "--from", "shell", **SHELL, **opened)
        tell("audit", "show", *STAGING, "--log", code=3)
        tell("audit", "verify", *STAGING)
        tell("audit", "exposure", *STAGING, code=3)


@contextlib.contextmanager
def nursery(machine):
    """Runs of the daily task that die before a call; what the processes print is kept."""
    command = [sys.executable, str(Path(__file__).with_name("nursery.py"))]
    env = machine.env | {"GRPC_ENABLE_FORK_SUPPORT": "0"}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, **pipes, text=True, env=env) as process:

        def live(policy, now, dies_at):
            event = [f"rotate-{now}", now.isoformat(), "", {"task": "rotate"}]
            order = {"env": machine.env, "policy": config.render(policy), "events": [event]}
            process.stdin.write(json.dumps(order | {"dies_at": dies_at}) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield live
        process.stdin.close()
        machine.said.append(process.stderr.read())


@pytest.fixture
def life(tmp_path, identity):
    production = config.load(config.path_of(Environment.PRODUCTION))
    production = replace(production, env_file=EnvFile(age=(str(identity.to_public()),)))
    policies = {"staging": config.render(POLICY), "production": config.render(production)}
    records = f"sqlite:///{tmp_path}/home/records.db"
    with cloud(records, POLICY) as here, Security() as security, Sinks() as sinks:
        here.add_secret(MAPS, here.google.api_keys.add(f"{KEYS}/by-hand"), age=100)
        here.add_secret(NEO4J, json.dumps({"user": "neo4j", "password": PASSWORD}))
        env = {**security.environment, **here.env, **sinks.environment()}
        machine = Machine(tmp_path, policies, env | {"TWINGUARD_KEY_PEPPER": f"1:{PEPPER}"})
        yield Life(machine, here, sinks, [ADMIN_KEY, PEPPER, PASSWORD, *SHELL.values()])


KEYS = f"projects/{POLICY.project.id}/locations/global/keys"


def is_in(data, value):
    """True for the value itself, and for it as Secret Manager is sent it."""
    sent = base64.b64encode(value.encode()).rstrip(b"=")[:-1]
    return value.encode() in data or sent in data


def pushed(event):
    """A message of Pub/Sub's with this event."""
    return {
        "messageId": event.message_id,
        "publishTime": event.published_at.isoformat(),
        "data": base64.b64encode(event.data).decode(),
        "attributes": dict(event.attributes),
    }


def test_after_a_full_run_no_raw_key_is_where_it_does_not_have_to_be(life, identity):
    """Command lines, logs, errors, records, the audit log, alerts, messages, files, temporary
    ones too. Only staging's environment file has to hold its keys."""
    life.deaths()
    life.customers()
    outcomes = life.rotations()
    life.files(identity)
    left = life.machine.left()
    own = left.pop("checkout/.env/.env.staging").decode()
    told = [repr(sink.requests) for sink in (life.sinks.slack, life.sinks.twilio)]
    told += [repr(life.sinks.pagerduty.requests), *map(str, life.sinks.mail.received)]
    left["told"] = "\n".join(told).encode()
    left["messages"] = b"".join(one.data for one in life.here.google.pubsub.backlog(ALERTS))
    openai, google = life.here.openai, life.here.google
    raw = {*life.raw, *openai.made, *google.api_keys.made} - {"ada"}

    found = {where for where, data in left.items() for value in raw if is_in(data, value)}
    assert found == set()
    # The run was one: keys were lost, refused, made, blocked; all was looked into.
    assert (503 in outcomes, outcomes[-1]) == (True, 200)
    assert len(openai.made) >= 5
    assert [value for value in raw if value in own] == [
        value for value in raw if value in {PASSWORD, life.here.read(OPENAI)}
    ]
    for name, words in {
        "notes": "twinguard.cli.keys",
        "said": "is blocked",
        "told": OPENAI,
        "messages": OPENAI,
        "home/security_audit_staging.log": "MakeKey",
        "checkout/.env/.env.production": "OPENAI_API_KEY=ENC[",
    }.items():
        assert words.encode() in left[name], name
    assert b"Blocking" in b"".join(data for name, data in left.items() if "records.db" in name)
    assert b"sops" in left["notes"]
    assert not [name for name in left if name.startswith("tmp/")]
