# SPDX-License-Identifier: Apache-2.0
"""A dashboard on this machine over stand-ins, with nothing, a usual month, or trouble in it.

Records are SQLite, costs the sample export, Google the stage of the rehearsals."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from browser.furniture import ACME, PEPPER, STAGING, finding_line, furnish, now, tell, usual
from servers import free_port
from twinguard import config
from twinguard.cli.costs_source import opened
from twinguard.cli.stage import Stage
from twinguard.decide.ledger import Wanted
from twinguard.decide.months import before
from twinguard.decide.threats.values import Detector, Finding, ThreatLevel
from twinguard.errors import Unavailable
from twinguard.llm.budgets import budgets_of, environment_of
from twinguard.llm.ledger_book import Book
from twinguard.llm.ledger_memory import MemoryLedger
from twinguard.parse import Event
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment, Level
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
SECRETS = ("made-up-admin-key", "made-up-webhook", PEPPER)
"""Values that no page may show."""

DEVELOPMENT = config.load(config.path_of(Environment.DEVELOPMENT))
TOPIC = f"projects/{STAGING.project.id}/topics/alerts"


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
        self.staging.renew()
        return name

    def find(self, number: int, level: str = "CRITICAL") -> None:
        """Let the monitor find something more."""
        with self.findings.open("a") as file:
            file.write(finding_line(number, now(), level))


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
            "staging": _watched(
                STAGING, settings, _costs(exports, kind), findings, _ledger(pipeline, kind)
            ),
            "development": _watched(DEVELOPMENT, others, _costs(exports, NORMAL), None, None),
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


def _watched(policy, settings, costs, findings, ledger) -> Watched:
    ports = ports_from(settings)
    file = FindingsFile(findings) if findings else None
    security = RecordedSecurity(policy, ports.records, file, usual)
    counters = MemoryCounters(Options())
    lifting = Lifting(TheftFlow(policy, ports, counters), "")
    return Watched(
        policy,
        ports,
        ports.records,
        costs,
        security,
        now,
        tells=True,
        lifting=lifting,
        ledger=ledger,
        counters=counters,
    )


class BrokenLedger(MemoryLedger):
    """A ledger whose store does not answer."""

    def totals(self, scopes, period=None):
        raise Unavailable("Redis does not answer; check TWINGUARD_COUNTERS")


def _ledger(pipeline: Pipeline, kind: str) -> MemoryLedger:
    """Limits on models, with what gateways wrote down, and a call under way."""
    book = Book(pipeline.ports.records, STAGING.retention)
    kind_of = BrokenLedger if kind == BROKEN else MemoryLedger
    ledger = kind_of(budgets_of(STAGING), restore=book.known)
    if kind == NORMAL:
        ledger.hold(Wanted("r1", 1, (environment_of(STAGING), ACME), 250_000_000, 3_600))
    return ledger


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
