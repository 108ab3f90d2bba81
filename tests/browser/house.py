# SPDX-License-Identifier: Apache-2.0
"""A dashboard on this machine over stand-ins, with nothing, a usual month, or trouble in it.

Records are SQLite, costs the sample export, Google the stage of the rehearsals."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import uvicorn
from msgspec.structs import replace

from audience import FakeNotifier
from servers import free_port
from twinguard import config, dispatch
from twinguard.cli.costs_source import opened
from twinguard.cli.month import month_of
from twinguard.cli.stage import Stage
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.decide.keys import Key, KeyState, Kind, Step, Trouble
from twinguard.decide.model import (
    Alert,
    AlertState,
    NightState,
    PeriodState,
    Reading,
    Strength,
    Why,
)
from twinguard.decide.months import before
from twinguard.decide.threats.values import Detector, Finding, ThreatLevel
from twinguard.errors import Misconfigured, Unavailable
from twinguard.key_records import KeyJournal
from twinguard.parse import Event
from twinguard.peppers import Peppers
from twinguard.pipeline import Pipeline
from twinguard.policy import Channel, Environment, Level
from twinguard.standins import sample_costs
from twinguard.standins.export_files import json_lines
from twinguard.standins.exports import Export
from twinguard.state.counters import Options
from twinguard.state.counters_memory import MemoryCounters
from twinguard.theft_flow import TheftFlow
from twinguard.theft_lifts import Lifting
from twinguard.usage import UsageEvent, encoded
from twinguard.web.dashboard.app import application
from twinguard.web.dashboard.findings_file import FindingsFile
from twinguard.web.dashboard.security import RecordedSecurity
from twinguard.web.dashboard.site import Site, site_from
from twinguard.web.dashboard.watched import Source, Watched
from twinguard.wiring import ports_from

EMPTY, NORMAL, ALARMING, BROKEN = "empty", "normal", "alarming", "broken"
PEPPER = "1:" + "p" * 40
SECRETS = ("made-up-admin-key", "made-up-webhook", PEPPER)
"""Values that no page may show."""

STAGING = config.load(config.path_of(Environment.STAGING))
DEVELOPMENT = config.load(config.path_of(Environment.DEVELOPMENT))
TOPIC = f"projects/{STAGING.project.id}/topics/alerts"
DETECTORS = ("usage_spike", "concurrent_usage", "geographic_anomaly", "pattern_anomaly", "burst")
LEVELS = ("LOW", "LOW", "LOW", "MEDIUM", "MEDIUM", "HIGH", "CRITICAL")


@dataclass
class House:
    """What a test sees: the address, the environments, and the files behind them."""

    url: str
    watched: dict[str, Watched]
    findings: Path
    stage: Stage
    site: Site

    @property
    def staging(self) -> Watched:
        return self.watched["staging"]

    def steal(self, key: str) -> str:
        """Let detection find that a key was stolen, and people hear of it; the incident's name."""
        at, evidence = now(), {"reasons": {"new_source": 9.5}, "address": "203.0.113.9"}
        found = Finding(at, key, Detector.BURST, ThreatLevel.CRITICAL, evidence)
        event = UsageEvent(
            at=at, key_id=key, ip="203.0.113.9", path="/v1/chat", counted=True, findings=(found,)
        )
        flow = self.staging.lifting.flow
        flow.on_usage(Event(f"m-{key}", at, encoded([event]), {}), at)
        name = flow.theft_journal.theft(key).name
        tell(self.staging.pipeline, f"theft/{name}", f"{key} is stolen", Level.CRITICAL, at)
        self.staging.records(anew=True)
        return name

    def find(self, number: int, level: str = "CRITICAL") -> None:
        """Let the monitor find something more."""
        with self.findings.open("a") as file:
            file.write(finding_line(number, now(), level))


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextlib.contextmanager
def house(
    folder: Path, kind: str, exports: Path, environ: dict[str, str] | None = None
) -> Iterator[House]:
    """A running dashboard of staging and development."""
    with Stage() as stage:
        stage.pubsub.add_topic(TOPIC)
        findings = folder / "findings.jsonl"
        settings = {
            **stage.environment,
            "TWINGUARD_RECORDS": f"sqlite:///{folder / 'staging.sqlite'}",
            "TWINGUARD_ALERTS_TOPIC": TOPIC,
            "OPENAI_ADMIN_KEY": SECRETS[0],
            "SLACK_WEBHOOK_URL": SECRETS[1],
        }
        pipeline = Pipeline(STAGING, ports_from(settings))
        stage.add(pipeline.resources())
        if kind in {NORMAL, ALARMING}:
            furnish(pipeline, findings, is_alarming=kind == ALARMING)
        others = settings | {"TWINGUARD_RECORDS": f"sqlite:///{folder / 'development.sqlite'}"}
        watched = {
            "staging": _watched(STAGING, settings, _costs(exports, kind), findings),
            "development": _watched(DEVELOPMENT, others, _costs(exports, NORMAL), None),
        }
        site = site_from(environ or {}, "ada")
        for one in watched.values():
            one.warm()
        with served(application(watched, site, now)) as url:
            yield House(url, watched, findings, stage, site)


@contextlib.contextmanager
def served(app) -> Iterator[str]:
    """The application behind uvicorn, in a thread of its own."""
    port = free_port()
    quiet = uvicorn.Config(
        app, port=port, log_level="error", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(quiet)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server ended"
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


def _watched(policy, settings, costs, findings) -> Watched:
    ports = ports_from(settings)
    file = FindingsFile(findings) if findings else None
    security = RecordedSecurity(policy, ports.records, file)
    lifting = Lifting(TheftFlow(policy, ports, MemoryCounters(Options())), "")
    return Watched(policy, ports, ports.records, costs, security, now, tells=True, lifting=lifting)


def _costs(folder: Path, kind: str):
    """A year of costs: dear ones where it is alarming, none where it is empty."""

    @contextlib.contextmanager
    def costs(at):
        if kind == BROKEN:
            raise Unavailable("BigQuery does not answer; check the network")
        path = folder / f"{kind}.jsonl"
        if not path.exists():
            json_lines(export(at, kind), path)
        with opened("staging", "", str(path), at) as found:
            yield Source(found.ledger, "Sample data, made up for a test.", is_sample=True)

    return costs


def export(at: dt.datetime, kind: str) -> Export:
    """Staging's sample, of a year; three times as dear where it is alarming."""
    made = sample_costs.made(STAGING, at)
    if kind == EMPTY:
        return Export(made.rows[:1], made.ledger)
    rows, month = list(made.rows), at
    for _ in range(2):
        month = dt.datetime.combine(before(before(before(month.date()))), dt.time(12), dt.UTC)
        rows = [*sample_costs.made(STAGING, month).rows, *rows]
    if kind == ALARMING:
        rows = [{**row, "cost": 2 * row["cost"]} for row in rows]
    return Export(rows, made.ledger)


# --- records -------------------------------------------------------------------------------------


def furnish(pipeline: Pipeline, findings: Path, *, is_alarming: bool) -> None:
    """Let a usual month leave its marks, or a bad one."""
    at, journal = now(), pipeline.journal
    day = dt.timedelta(days=1)
    journal.keep_night(journal.night(), NightState(f"{at:%Y-%m-%d}", at - day / 4, ended=True))
    keys = KeyJournal(pipeline.ports.records, STAGING.retention)
    for number, secret in enumerate(sorted(STAGING.secrets)):
        keep_key(keys, secret, at - (20 + 3 * number) * day)
    with findings.open("w") as file:
        for number in range(400 if is_alarming else 6):
            level = LEVELS[number % len(LEVELS)] if is_alarming else "LOW"
            file.write(finding_line(number, at - (400 - number) * day / 200, level))
    if is_alarming:
        alarm(pipeline, keys, at)
    else:
        start = at.replace(day=1, hour=8, minute=0, second=0, microsecond=0)
        reading = Reading(at - day / 10, at - day / 24, Decimal("210.5"))
        state = PeriodState("environment", start, Decimal("210.5"), (reading,), amount=Decimal(500))
        journal.keep_budget(journal.budget("environment"), state)
        tell(pipeline, "budget/environment/1", "staging's budget passed 75 %", Level.MEDIUM, at)


def alarm(pipeline: Pipeline, keys: KeyJournal, at: dt.datetime) -> None:
    """Cap the budget, block keys, kill a channel, and leave what nothing can handle."""
    journal, records = pipeline.journal, pipeline.ports.records
    month = month_of(STAGING, STAGING.budget, 7)
    above = next(one for one in month.arrivals if one.cost > STAGING.budget.amount)
    event = Event("m-1", above.published, above.data, dict(above.attributes))
    pipeline.on_budget_alert(event, above.at)
    services = (next(one.short for one in pipeline.non_critical() if one.kind == "service"),)
    why = Why("manual", Strength.IDLE, at - dt.timedelta(hours=3), None, "grace")
    pipeline.executor("grace").carry_out(pipeline.takes(services, (), why), at)
    journal.dead_letter("on_budget_alert", "budget 'x' is not in the policy of staging", b"{}", at)
    journal.dead_letter("on_usage", "the event is no JSON object", b"<html>", at)
    kept = keys.key("openai-api-key")
    trouble = Trouble("openai-api-key was blocked by grace", ("make rotate KEY=openai-api-key",))
    blocked = replace(kept.value, step=Step.BLOCKED, step_at=at, trouble=trouble)
    keys.keep_key(kept, blocked)
    customers = CustomerKeys(
        records,
        STAGING.environment,
        STAGING.retention,
        Peppers.read({"TWINGUARD_KEY_PEPPER": PEPPER}),
    )
    key = customers.issue(Order(tenant="acme", label="web shop"), "ada", "asked for", at).key
    customers.disable(key.id, "grace", "seen in a public repository", at)
    name, lines = "cap/environment/2026-11", ("500.00 of 500 USD is spent", "worker is stopped")
    tell(pipeline, name, "staging's budget is used up: the cap holds", Level.CRITICAL, at, lines)
    evidence = ("42 addresses in a minute, 2 are usual", "requests from 9 countries, 1 is usual")
    title = "A customer's key of acme is used by somebody else"
    tell(pipeline, f"theft/{key.id}/1", title, Level.CRITICAL, at, evidence)


def keep_key(keys: KeyJournal, secret: str, rotated: dt.datetime) -> None:
    """The record of a key that was rotated then."""
    kept = keys.key(secret)
    kind = Kind.OPENAI if secret.startswith("openai") else Kind.MANUAL
    state = KeyState("staging", secret, kind, current=Key(version=3), rotated_at=rotated)
    keys.keep_key(kept, state)


def tell(pipeline, scope, title, level, at, lines=()) -> None:
    """Let an alert reach people, over channels that accept it; e-mail is dead where it is bad."""
    notifiers = {channel: FakeNotifier(channel) for channel in Channel}
    alert = Alert(
        f"staging/{scope}",
        "staging",
        scope.split("/")[0],
        level,
        1,
        AlertState.OPENED,
        title,
        tuple(lines),
        at,
    )
    if level is Level.CRITICAL:
        notifiers[Channel.SMS].plan.append("refuse")
    with contextlib.suppress(Unavailable, Misconfigured):
        dispatch.dispatch(alert, pipeline.ports.records, notifiers, STAGING, at)


def finding_line(number: int, at: dt.datetime, level: str) -> str:
    """A finding as the monitor writes it."""
    chance = random.Random(number)
    evidence = {
        "reasons": {"new_addresses": 9.5, "new_country": 4.25, "odd_hour": 1.5},
        "requests_60s": chance.randrange(40, 900),
        "usual_60s": chance.randrange(3, 30),
        "addresses": [f"203.0.113.{chance.randrange(255)}" for _ in range(9)],
        "countries": ["RO", "BR", "<script>alert(1)</script>"],
    }
    told = {
        "timestamp": at.isoformat(),
        "key_id": f"k-{chance.randrange(14):04x}…{chance.randrange(4096):04x}"[:10],
        "detector": DETECTORS[number % len(DETECTORS)],
        "threat_level": level,
        "evidence": evidence,
    }
    return json.dumps(told) + "\n"
