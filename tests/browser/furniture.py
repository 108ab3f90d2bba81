# SPDX-License-Identifier: Apache-2.0
"""What a usual month leaves in the records of a house, and what a bad one does."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import random
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from audience import FakeNotifier
from twinguard import config, dispatch
from twinguard.cli.month import month_of
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.decide.keys import Key, KeyState, Kind, Step, Trouble
from twinguard.decide.ledger import NANOS, Scope, period_of
from twinguard.decide.model import (
    Alert,
    AlertState,
    NightState,
    PeriodState,
    Reading,
    Strength,
    Why,
)
from twinguard.decide.threats.baseline import ADDRESS, AGENT, COUNTRY, DIMENSIONS, Baseline
from twinguard.errors import Misconfigured, Unavailable
from twinguard.key_records import KeyJournal
from twinguard.llm.budgets import environment_of
from twinguard.llm.ledger_book import Book
from twinguard.parse import Event
from twinguard.peppers import Peppers
from twinguard.pipeline import Pipeline
from twinguard.policy import Channel, Environment, Level

PEPPER = "1:" + "p" * 40
STAGING = config.load(config.path_of(Environment.STAGING))
ACME = Scope.of("tenant:acme")
DETECTORS = ("usage_spike", "concurrent_usage", "geographic_anomaly", "pattern_anomaly", "burst")
LEVELS = ("LOW", "LOW", "LOW", "MEDIUM", "MEDIUM", "HIGH", "CRITICAL")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


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
    spend(pipeline, at, is_alarming=is_alarming)
    if is_alarming:
        alarm(pipeline, keys, at)
    else:
        start = at.replace(day=1, hour=8, minute=0, second=0, microsecond=0)
        reading = Reading(at - day / 10, at - day / 24, Decimal("210.5"))
        state = PeriodState("environment", start, Decimal("210.5"), (reading,), amount=Decimal(500))
        journal.keep_budget(journal.budget("environment"), state)
        tell(pipeline, "budget/environment/1", "staging's budget passed 75 %", Level.MEDIUM, at)


def spend(pipeline: Pipeline, at: dt.datetime, *, is_alarming: bool) -> None:
    """Let gateways write down what models cost; where it is bad, all of the environment's money."""
    book = Book(pipeline.ports.records, STAGING.retention)
    spent = {"feature:chat": 31, "feature:search": 12, "key:k1:…wxyz": 47}
    spent |= {str(ACME): 47, "tenant:globex": 16, "model:openai/gpt-4o": 63}
    spent[str(environment_of(STAGING))] = 200 if is_alarming else 63
    nanos = {name: dollars * NANOS for name, dollars in spent.items()}
    book.sums(period_of(at), "gateway-1").write(nanos)
    if is_alarming:
        until = at + dt.timedelta(days=5)
        book.set_limit(ACME, 60 * NANOS, until, "grace", "their launch week", at)


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


def usual(key_id: str) -> Baseline | None:
    """What was learned of keys that the monitor watches."""
    if not key_id.startswith("k-"):
        return None
    hour = int(now().timestamp() // 3600)
    seen = [{} for _ in DIMENSIONS]
    seen[ADDRESS] = {f"192.0.2.{n}": [0, 700, 20 - n] for n in range(9)}
    seen[COUNTRY] = {"BE": [0, 700, 20], "NL": [4, 600, 6]}
    seen[AGENT] = {"acme-backend/1.4 httpx/0.27": [0, 700, 20]}
    return Baseline(
        since=hour - 700,
        through=hour - 1,
        active=240.0,
        avg_requests_per_hour=118.4,
        peak_60=14.0,
        max_concurrent_ips=2,
        week=[90 if 7 <= at % 24 < 18 else 0 for at in range(168)],
        seen=seen,
    )


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
