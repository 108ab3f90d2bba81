# SPDX-License-Identifier: Apache-2.0
"""A whole environment on this machine: emulators, Redis, functions, two applications, a gateway.

Everything listens on free ports, writes into one folder, and ends with the block it is used in."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import secrets
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import requests
from msgspec.structs import replace

from e2e.carrier import AT, OK, Carrier
from e2e.gated import GatedGoogle, GatedTopics
from e2e.programs import Program, redis_server, served
from e2e.providing import Models, Mount
from flows.gate import reserved_port
from twinguard import config
from twinguard.cli.heard import Ears
from twinguard.cli.processes import SOURCE, Function
from twinguard.cli.stage import Gate
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.decide.ledger import Scope
from twinguard.decide.model import Kind, Resource
from twinguard.llm.budgets import budgets_of
from twinguard.llm.ledger import open_ledger
from twinguard.llm.ledger_book import Book
from twinguard.parse import Event
from twinguard.peppers import Peppers
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment, Policy, Project, Storm
from twinguard.ports import Records
from twinguard.standins.channels import Sinks
from twinguard.standins.openai_admin import PROJECT as OPENAI_PROJECT
from twinguard.standins.openai_admin import OpenAIAdmin
from twinguard.state import open_records
from twinguard.wiring import ports_from

TOPICS = {
    "on_budget_alert": "budget-alerts",
    "on_schedule": "schedule",
    "on_secret_event": "secret-events",
    "on_usage": "usage-events",
    "dispatch_alert": "alerts",
}
OPENAI_KEY = "openai-api-key"
SIMULATED = ("on_schedule",)
"""Entry points that take a message's time for the present."""

LIMIT = 60.0
WEEK = "604800s"
_COUNTED = ("etag", "generation", "observedGeneration", "updateTime", "latestCreatedRevision")
_SCALINGS = (
    {"minInstanceCount": 2, "maxInstanceCount": 20},
    {"minInstanceCount": 1},
    {"scalingMode": "MANUAL", "manualInstanceCount": 3},
)


def e2e_policy(project: str) -> Policy:
    """Staging's own policy, in a project of this run, with rates that a quick test may reach."""
    found = config.load(config.path_of(Environment.STAGING))
    assert found.openai is not None
    assert found.gateway is not None
    openai = replace(found.openai, project=OPENAI_PROJECT, requests_per_minute=100_000)
    return replace(
        found,
        project=Project(id=project),
        openai=openai,
        gateway=replace(
            found.gateway, tokens_per_minute=10_000_000, guarded_networks=("127.0.0.0/8",)
        ),
        alerts=replace(found.alerts, storm=Storm(messages=1000)),
        security=replace(found.security, region_header="X-Client-Region", timeout_ms=2000),
        secrets={OPENAI_KEY: found.secrets[OPENAI_KEY]},
        neo4j=None,
    )


class Place:
    """What the acts of the test see and do."""

    def __init__(self, folder: Path, firestore: str, pubsub: str) -> None:
        self.folder = folder
        self.project = f"e2e-{uuid.uuid4().hex[:12]}"
        self.policy = e2e_policy(self.project)
        self.pubsub = f"http://{pubsub}"
        self.firestore = firestore
        self.google, self.sinks, self.openai = GatedGoogle(), Sinks(), OpenAIAdmin()
        self.models, self.topics = Models(self.openai), GatedTopics(self.pubsub)
        self.functions: dict[str, Function] = {}
        self.carrier = Carrier(tuple(TOPICS), lambda name: self.functions[name].url)
        self.programs: dict[str, Program] = {}
        self.settings: dict[str, str] = {}
        self.resources: tuple[Resource, ...] = ()

    # --- setting up ------------------------------------------------------------------------------

    def open(self, stack: contextlib.ExitStack) -> None:
        """Start everything, the slow ones side by side."""
        parts = (self.google, self.sinks, self.openai, self.models, self.carrier, self.topics)
        for one in parts:
            stack.enter_context(one)
        self._configure()
        self._furnish()
        secret = self._name("secrets", f"staging-{OPENAI_KEY}")
        self.google.secrets.add(secret, keeps="2592000s")
        old = dt.datetime.now(dt.UTC) - dt.timedelta(days=40)
        value = self.openai.add_key("made by hand").value
        self.google.secrets.add_version(secret, old, value=value.encode())
        stack.enter_context(Mount(self.google.secrets, secret, self.folder / "keys" / "openai"))
        ports = iter([stack.enter_context(reserved_port()) for _ in range(4 + len(TOPICS))])
        self._settings_of(next(ports), [next(ports) for _ in range(3)])
        for name, clock in self._specials.items():
            log, env = self.folder / f"{name}.log", {**self.settings, **clock}
            self.functions[name] = Function(name, env, log, next(ports))
        started = [*self.programs.values(), *self.functions.values()]
        for program in started:
            stack.callback(program.kill)
        for program in started:
            program.start()
        for name, program in self.programs.items():
            program.wait() if name != "redis" else None
        for function in self.functions.values():
            function.wait(lambda: None)

    def _configure(self) -> None:
        self.settings = {
            **self.google.environment,
            **self.sinks.environment(),
            "OPENAI_ADMIN_KEY": self.openai.environment["OPENAI_ADMIN_KEY"],
            "OPENAI_ENDPOINT": self.openai.url,
            "FIRESTORE_EMULATOR_HOST": self.firestore,
            "PUBSUB_EMULATOR_HOST": self.pubsub.removeprefix("http://"),
            "TWINGUARD_ALERTS_TOPIC": self._name("topics", "alerts"),
            "TWINGUARD_POLICY": config.render(self.policy),
            "TWINGUARD_RECORDS": f"firestore://{self.project}/(default)",
            "TWINGUARD_KEY_PEPPER": f"1:{secrets.token_hex(32)}",
            "TWINGUARD_SECRET_TOPIC": self._name("topics", "secret-events"),
        }
        del self.settings["PUBSUB_ENDPOINT"]

    def _settings_of(self, redis_port: int, ports: list[int]) -> None:
        """Who is started with what."""
        self.settings["TWINGUARD_COUNTERS"] = f"redis://127.0.0.1:{redis_port}/0"
        self.programs["redis"] = redis_server(redis_port, self.folder)
        gateway_port, *shop_ports = ports
        gateway = {
            "OPENAI_ENDPOINT": self.models.url,
            "TWINGUARD_PROVIDER_KEYS": str(self.folder / "keys"),
            "TWINGUARD_LLM_USAGE": str(self.folder / "usage.jsonl"),
            "TWINGUARD_USAGE_TOPIC": self._name("topics", "usage-events"),
        }
        shop = {
            "SHOP_GATEWAY": f"http://127.0.0.1:{gateway_port}",
            "TWINGUARD_USAGE_TOPIC": gateway["TWINGUARD_USAGE_TOPIC"],
        }
        factory = "twinguard.gateway_wiring:application"
        env = {**self.settings, **gateway}
        self.programs["gateway"] = served("gateway", factory, gateway_port, self.folder, env)
        for number, port in enumerate(shop_ports, start=1):
            name, env = f"shop-{number}", {**self.settings, **shop}
            app = "e2e.shop:application"
            self.programs[name] = served(name, app, port, self.folder, env)
        self.addresses = {
            "gateway": f"http://127.0.0.1:{gateway_port}",
            **{f"shop-{n}": f"http://127.0.0.1:{p}" for n, p in enumerate(shop_ports, start=1)},
        }

    @property
    def _specials(self) -> dict[str, dict[str, str]]:
        """What is special to each function: whose time counts, and who can be held at a gate."""
        own: dict[str, dict[str, str]] = {name: {} for name in TOPICS}
        own |= {name: {"TWINGUARD_CLOCK": "event"} for name in SIMULATED}
        own["on_usage"] = {"PUBSUB_EMULATOR_HOST": self.topics.url.removeprefix("http://")}
        return own

    def _furnish(self) -> None:
        """Topics, what the policy names, and the push subscriptions of the functions."""
        self.records: Records = open_records(self.settings["TWINGUARD_RECORDS"])
        pipeline = Pipeline(self.policy, ports_from(self.settings))
        self.resources = pipeline.resources()
        for topic in ("work", *TOPICS.values()):
            self._put("topics", topic, {})
        for index, one in enumerate(self.resources):
            if one.kind is Kind.SERVICE:
                self.google.cloud_run.add(one.name, scaling=_SCALINGS[index % len(_SCALINGS)])
                continue
            push = {"pushEndpoint": f"http://127.0.0.1:9/{one.short}"}
            self._subscribe(one.short, "work", pushConfig=push, messageRetentionDuration=WEEK)
            self.google.monitoring.ages[one.name] = 0.0
        for name, topic in TOPICS.items():
            push = {"pushEndpoint": f"{self.carrier.url}/{name}"}
            self._subscribe(f"{topic}-push", topic, pushConfig=push, ackDeadlineSeconds=60)

    def _subscribe(self, short: str, topic: str, **fields: Any) -> None:
        self._put("subscriptions", short, {"topic": self._name("topics", topic), **fields})

    def _put(self, collection: str, short: str, body: Mapping[str, Any]) -> None:
        url = f"{self.pubsub}/v1/{self._name(collection, short)}"
        requests.put(url, json=body, timeout=LIMIT).raise_for_status()

    def _name(self, collection: str, short: str) -> str:
        return f"projects/{self.project}/{collection}/{short}"

    # --- what an act does ------------------------------------------------------------------------

    def publish(
        self, entry_point: str, data: bytes, attributes: Mapping[str, str] | None = None
    ) -> str:
        """Hand a message to the topic of an entry point; its id."""
        url = f"{self.pubsub}/v1/{self._name('topics', TOPICS[entry_point])}:publish"
        message = {"data": base64.b64encode(data).decode(), "attributes": dict(attributes or {})}
        response = requests.post(url, json={"messages": [message]}, timeout=LIMIT)
        response.raise_for_status()
        return response.json()["messageIds"][0]

    def tell(self, entry_point: str, event: Event, *, wait: bool = True) -> str:
        """Publish an event, and wait until it is acknowledged."""
        number = self.publish(entry_point, event.data, event.attributes)
        if wait:
            self.until(lambda: self.carrier.done(number), f"{entry_point} is done with {number}")
        return number

    def schedule(self, task: str, at: dt.datetime) -> str:
        """Let Cloud Scheduler's message of a task come at some simulated time."""
        simulated = f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        return self.tell("on_schedule", Event("", at, b"{}", {"task": task, AT: simulated}))

    def killing(self, entry_point: str, gate: Gate, work: Callable[[], object]) -> bool:
        """Do some work beside it; `kill -9` for a function once its request has reached a gate,
        which has to be armed already, and another one in its place; whether that happened.

        The kernel ends a process with the thread that started it, so that is this one."""
        function = self.functions[entry_point]
        with ThreadPoolExecutor(1) as beside:
            working = beside.submit(work)
            was_reached = gate.reached.wait(LIMIT / 2)
            if was_reached:
                function.kill()
            gate.disarm()
            if was_reached:
                function.start()
                function.wait(lambda: None)
            working.result()
        return was_reached

    def issue(self, tenant: str) -> str:
        """A customer's key."""
        peppers = Peppers.read(self.settings)
        keys = CustomerKeys(self.records, self.policy.environment, self.policy.retention, peppers)
        now = dt.datetime.now(dt.UTC)
        return keys.issue(Order(tenant=tenant), "e2e", "to test", now).raw

    def key_id(self, raw: str) -> str:
        """What a customer's key is called, as `make keys` shows it."""
        return raw.split("_")[2]

    def healthz(self) -> int:
        """What an application answers on a route that stays open."""
        return requests.get(f"{self.addresses['shop-1']}/healthz", timeout=LIMIT).status_code

    def command(self, name: str, *arguments: str) -> str:
        """What one of the Makefile's commands prints."""
        path = {n: os.environ[n] for n in ("PATH", "HOME") if n in os.environ}
        done = subprocess.run(
            [sys.executable, "-m", f"twinguard.cli.{name}", *arguments],
            env={**path, "PYTHONPATH": str(SOURCE), **self.settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
        return done.stdout

    def until(
        self,
        condition: Callable[[], Any],
        what: str,
        seconds: float = LIMIT,
        *,
        pause: float = 0.02,
    ) -> Any:
        """What the condition returns once it is true; else everybody's last words."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {what}\n{self.last_words()}")
            time.sleep(pause)
        return found

    def quiet(self, entry_point: str) -> None:
        """Wait until a function is done with everything that it was handed."""

        def is_quiet() -> bool:
            found = self.carrier.of(entry_point)
            return {one.message_id for one in found} == {
                one.message_id for one in found if one.status == OK
            }

        self.until(is_quiet, f"{entry_point} is done with all that it was handed")

    @property
    def shops(self) -> dict[str, str]:
        """The instances of the application, without the gateway."""
        return {name: url for name, url in self.addresses.items() if name != "gateway"}

    # --- what an act sees ------------------------------------------------------------------------

    def state(self, resource: Resource) -> str:
        """The whole resource as JSON, without what Google itself counts up."""
        if resource.kind is Kind.SERVICE:
            whole = self.google.cloud_run.service(resource.name)
        else:
            whole = requests.get(f"{self.pubsub}/v1/{resource.name}", timeout=LIMIT).json()
        return json.dumps({k: v for k, v in whole.items() if k not in _COUNTED}, sort_keys=True)

    def states(self) -> dict[Resource, str]:
        """How everything stands that can be held."""
        return {one: self.state(one) for one in self.resources}

    def ledger_spent(self) -> int:
        """What the ledger says was spent in this environment, in nano-dollars."""
        known = Book(self.records, self.policy.retention).known
        url = self.settings["TWINGUARD_COUNTERS"]
        ledger = open_ledger(url, "staging", budgets_of(self.policy), known)
        (found,) = ledger.totals([Scope.of("environment:staging")])
        return found.spent

    def sums(self) -> tuple[int, int]:
        """Both, once they agree: lines are written, and sums restored, behind the requests' backs;
        as they are if they do not."""
        found = [(0, 1)]

        def agree() -> bool:
            found[:] = [(self.ledger_spent(), self.told_spent())]
            return found[0][0] == found[0][1]

        with contextlib.suppress(AssertionError):
            self.until(agree, "the ledger and the usage lines agree", LIMIT / 2, pause=0.1)
        return found[0]

    def told_spent(self) -> int:
        """The same by the gateway's usage lines."""
        lines = (self.folder / "usage.jsonl").read_text().splitlines()
        return sum(json.loads(line)["cost_nanos"] for line in lines)

    def last_words(self) -> str:
        """The ends of all logs."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-900:]}" for log in logs)

    def ears(self) -> Ears:
        """What people hear from now on."""
        ears = Ears(self.sinks)
        ears.news()
        return ears


@contextlib.contextmanager
def placed(folder: Path, firestore: str, pubsub: str) -> Iterator[Place]:
    """An environment that answers; the emulators' addresses are `host:port`."""
    ours = {"FIRESTORE_EMULATOR_HOST": firestore}  # where our own client looks for it
    with mock.patch.dict(os.environ, ours), contextlib.ExitStack() as stack:
        place = Place(folder, firestore, pubsub)
        place.open(stack)
        yield place
