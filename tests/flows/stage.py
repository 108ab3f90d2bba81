# SPDX-License-Identifier: Apache-2.0
"""An environment on this machine: functions as processes, a Pub/Sub that pushes to them, stand-ins.

Everything a function says to Google, to its store or to people goes over a real connection."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import time

import msgspec
import requests

from contract.brokers import Endpoint
from flows.gate import Gate, reserved_port
from twinguard import config
from twinguard.cli.processes import Function, running
from twinguard.policy import Environment, Project
from twinguard.standins.channels import Sinks
from twinguard.standins.cloud_run import CloudRun
from twinguard.standins.google import Google
from twinguard.state import open_records
from world import message

BUDGET, ALERTS, USAGE = "on_budget_alert", "dispatch_alert", "on_usage"
TOPICS = {BUDGET: "budget-alerts", ALERTS: "alerts", USAGE: "usage-events"}
POLICY = config.load(config.path_of(Environment.STAGING))
BEFORE = {"scalingMode": "AUTOMATIC", "minInstanceCount": 2, "maxInstanceCount": 9}
STOPPED = {"scalingMode": "MANUAL", "manualInstanceCount": 0}
RETENTION = {True: "604800s", False: "2678400s"}
"""The longest that the emulator takes, and Pub/Sub itself."""
DEAD = "budget-alerts-dead"
HELD = ("living-twin-reports", "living-twin-worker")
LIMIT = 60.0

_NOW = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
LAST = _NOW - dt.timedelta(days=35)
NEXT = _NOW - dt.timedelta(days=2)
"""Beginnings of two periods, in different months, of which both are over an hour old."""

CAP = f"staging/cap/environment/{LAST:%Y-%m-%dT%HZ}.1"


class Stage:
    """What a test sees of it. `mail` and `cloud_run` are gates that can be shut."""

    def __init__(self, folder, project, google, sinks, mail, cloud_run, emulator):
        self.folder, self.project, self.google, self.sinks = folder, project, google, sinks
        self.mail, self.cloud_run = mail, cloud_run
        self.is_emulated = emulator is not None
        self.pubsub = f"http://{emulator.address}" if emulator else google.url
        self.policy = msgspec.structs.replace(POLICY, project=Project(id=project))
        self.functions = {}
        self.settings = {
            **sinks.environment(),
            "SMTP_PORT": str(mail.port),
            "PUBSUB_EMULATOR_HOST": self.pubsub.removeprefix("http://"),
            "CLOUD_RUN_ENDPOINT": f"http://{cloud_run.address}",
            "MONITORING_ENDPOINT": google.url,
            "BILLING_ENDPOINT": google.url,
            "TWINGUARD_ALERTS_TOPIC": self.name("topics", "alerts"),
            "TWINGUARD_POLICY": config.render(self.policy),
            "TWINGUARD_RECORDS": f"sqlite:///{folder}/records.db",
        }

    # --- what there is -------------------------------------------------------------------------

    def name(self, collection, short):
        return f"projects/{self.project}/{collection}/{short}"

    def service_name(self, short):
        return f"projects/{self.project}/locations/{self.policy.region}/services/{short}"

    def furnish(self, work):
        """Services, subscriptions that push to `work`, and the topics of all that follows."""
        for short in self.policy.services:
            self.google.cloud_run.add(self.service_name(short), scaling=BEFORE)
        for topic in ("work", DEAD, *TOPICS.values()):
            self._put("topics", topic, {})
        for short in self.policy.subscriptions:
            push = {
                "pushConfig": {"pushEndpoint": work},
                "messageRetentionDuration": RETENTION[self.is_emulated],
            }
            self.subscribe(short, "work", **push)
            self.google.monitoring.ages[self.name("subscriptions", short)] = 0.0
        self.subscribe(DEAD, DEAD)

    def perform(self, entry_point, port):
        """A function on this port that the topic of its entry point pushes to."""
        log = self.folder / f"{entry_point}.log"
        function = self.functions[entry_point] = Function(entry_point, self.settings, log, port)
        self.subscribe(
            f"{TOPICS[entry_point]}-push",
            TOPICS[entry_point],
            pushConfig={"pushEndpoint": function.url},
            ackDeadlineSeconds=60,
            deadLetterPolicy={
                "deadLetterTopic": self.name("topics", DEAD),
                "maxDeliveryAttempts": 5,
            },
        )

    def subscribe(self, short, topic, **fields):
        self._put("subscriptions", short, {"topic": self.name("topics", topic), **fields})

    def _put(self, collection, short, body):
        url = f"{self.pubsub}/v1/{self.name(collection, short)}"
        requests.put(url, json=body, timeout=LIMIT).raise_for_status()

    # --- what a test does ------------------------------------------------------------------------

    def publish(self, topic, data, attributes):
        """The id of the message."""
        body = {"data": base64.b64encode(data).decode(), "attributes": dict(attributes)}
        return self._post(f"topics/{topic}:publish", messages=[body])["messageIds"][0]

    def tell_budget(self, cost, start=LAST, **fields):
        """Publish a budget notification as Google does."""
        event = message(cost, start=start, **fields)
        return self.publish("budget-alerts", event.data, event.attributes)

    def tell_alert(self, alert):
        return self.publish("alerts", msgspec.json.encode(alert), {})

    def push(self, entry_point, event, headers=None):
        """Send an event straight to a function; the response."""
        return post(self.functions[entry_point].url, pushed(event), headers)

    def pull(self, short):
        """What waits in a pull subscription: (data, attributes) of each message."""
        answer = self._post(
            f"subscriptions/{short}:pull", maxMessages=10, returnImmediately=True
        ).get("receivedMessages", [])
        messages = [received["message"] for received in answer]
        return [(base64.b64decode(m.get("data", "")), m.get("attributes", {})) for m in messages]

    def _post(self, path, **body):
        url = f"{self.pubsub}/v1/projects/{self.project}/{path}"
        response = requests.post(url, json=body, timeout=LIMIT)
        response.raise_for_status()
        return response.json()

    def restart(self, entry_point):
        self.functions[entry_point].start()
        self.functions[entry_point].wait(lambda: None)

    def wait_until(self, condition):
        """What the condition returns once it is true; fails with the functions' own words."""
        deadline = time.monotonic() + LIMIT
        while not (found := condition()):
            if time.monotonic() > deadline:
                logs = "\n".join(f.log.read_text()[-2000:] for f in self.functions.values())
                raise AssertionError(f"not true within {LIMIT} s; the functions said:\n{logs}")
            time.sleep(0.05)
        return found

    def wait_for(self, entry_point, *outcomes):
        """Wait until a function has answered this many requests, in just this way."""
        self.wait_until(lambda: len(self.outcomes(entry_point)) >= len(outcomes))

        assert self.outcomes(entry_point)[: len(outcomes)] == list(outcomes)

    def wait_done(self, entry_point, number):
        """Wait until a function is done with this many messages."""
        self.wait_until(lambda: self.outcomes(entry_point).count("done") >= number)

    # --- what a test sees ------------------------------------------------------------------------

    def lines(self, entry_point):
        """The function's log, without a last line that is not whole yet."""
        text = self.functions[entry_point].log.read_text(errors="replace")
        whole = text[: text.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in whole if line.startswith("{")]

    def outcomes(self, entry_point):
        return [line["outcome"] for line in self.lines(entry_point) if "outcome" in line]

    def services(self):
        """Each service's scaling."""
        shorts = self.policy.services
        named = {short: self.google.cloud_run.service(self.service_name(short)) for short in shorts}
        return {short: service["scaling"] for short, service in named.items()}

    def endpoints(self):
        """Where each of the environment's subscriptions pushes to; empty while paused."""
        found = {}
        for short in self.policy.subscriptions:
            url = f"{self.pubsub}/v1/{self.name('subscriptions', short)}"
            config = requests.get(url, timeout=LIMIT).json()["pushConfig"]
            found[short] = config.get("pushEndpoint", "")
        return found

    def records(self, kind):
        """The records of a kind, as the functions left them."""
        return [one.value for one in open_records(self.settings["TWINGUARD_RECORDS"]).find(kind)]

    def breaker(self):
        return [budget for one in self.records("breakers") for budget, _ in one["open_by"]]

    def heard(self):
        """What people received, by channel, in order."""
        sinks = self.sinks
        return {
            "email": [mail["Subject"].strip() for mail in sinks.mail.received],
            "slack": [body["text"] for body in sinks.slack.accepted],
            "sms": [form["Body"].split(". ")[0] for form in sinks.twilio.accepted],
            "pagerduty": [(e["event_action"], e["dedup_key"]) for e in sinks.pagerduty.accepted],
        }


def fresh(cost, **fields):
    """A budget notification of the last period that was published just now."""
    event = message(cost, start=LAST, **fields)
    return msgspec.structs.replace(event, published_at=dt.datetime.now(dt.UTC))


def pushed(event):
    """The body of a push request."""
    return {
        "message": {
            "messageId": event.message_id,
            "publishTime": event.published_at.isoformat().replace("+00:00", "Z"),
            "data": base64.b64encode(event.data).decode(),
            "attributes": dict(event.attributes),
        },
        "subscription": "projects/living-twin-staging/subscriptions/budget-alerts-push",
    }


def post(url, body, headers=None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    return requests.post(url, data=json.dumps(body), headers=headers, timeout=LIMIT)


@contextlib.contextmanager
def staged(folder, project, *entry_points, emulator=None, work="", **settings):
    """Run the functions of these entry points, pushed to by the emulator or else by a stand-in."""
    with contextlib.ExitStack() as stack:
        google = stack.enter_context(Google(CloudRun(polls=0)))
        sinks = stack.enter_context(Sinks())
        mail = stack.enter_context(Gate(sinks.mail.port))
        cloud_run = stack.enter_context(Gate(int(google.url.rsplit(":", 1)[1])))
        work = work or stack.enter_context(Endpoint()).push
        stage = Stage(folder, project, google, sinks, mail, cloud_run, emulator)
        stage.settings.update(settings)
        stage.furnish(work)
        for entry_point in entry_points:
            stage.perform(entry_point, stack.enter_context(reserved_port()))
        with running(tuple(stage.functions.values()), lambda: None):
            yield stage
