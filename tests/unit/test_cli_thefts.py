# SPDX-License-Identifier: Apache-2.0
"""What people see of an incident, and how they lift a block: a plan first, with a reason."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from threats import AWAY
from twinguard import config
from twinguard.cli import thefts
from twinguard.decide.customer_keys import KeyClass, composed
from twinguard.decide.thefts import Case, HoldBack, Source, Theft, absorbed, done, due
from twinguard.decide.threats.values import Detector, Finding, ThreatLevel
from twinguard.policy import Environment
from twinguard.reports.theft import next_steps
from twinguard.state import open_records
from twinguard.state.counters import Options
from twinguard.state.counters_memory import MemoryCounters
from twinguard.theft_records import TheftJournal

KEY = "0123456789abcdef-7777"
RAW = composed(KeyClass.TEST, "0h3kq2m8x1nz", 4711).raw
POLICY = config.load(config.path_of(Environment.STAGING))
NOW = dt.datetime(2026, 11, 20, 10, 30, 15, tzinfo=dt.UTC)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Records and counters that commands find in the settings."""
    url = f"sqlite:///{tmp_path / 'records.db'}"
    counters = MemoryCounters(Options())
    monkeypatch.setenv("TWINGUARD_RECORDS", url)
    monkeypatch.setenv("TWINGUARD_COUNTERS", "memory://")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("twinguard.wiring.counters_from", lambda *_: counters)
    return TheftJournal(open_records(url), POLICY.retention), counters


def run(*arguments, code=0):
    found = CliRunner().invoke(thefts.app, [*arguments])
    assert found.exit_code == code, found.output
    return found.output


def stolen(desk, level=ThreatLevel.CRITICAL, agent="curl/8.1"):
    """An incident as `on_usage` leaves it."""
    evidence = {
        "bits": 31.0,
        "reasons": {"new_source": 12.0, "attack_tool": 8.0},
        "address": AWAY,
        "new_networks": ["bulletproof"],
        "seconds_since_last_known_use": None,
    }
    found = Finding(NOW, KEY, Detector.GEOGRAPHIC_ANOMALY, level, evidence)
    theft = absorbed(None, found, dt.timedelta(days=1))
    for step in due(theft, POLICY, NOW):
        if isinstance(step, HoldBack):
            desk[1].restrain(step.restraint)
        theft = done(theft, step)
    source = Source(
        requests=7, failed=2, first=NOW, last=NOW, paths=("/v1/models",), agents=(agent,)
    )
    theft = replace(theft, sources={AWAY: source})
    desk[0].keep_case(desk[0].case(KEY), Case(theft=theft), KEY)
    return theft


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("openai-api-key", "make rotate ENV=staging KEY=openai-api-key APPLY=1"),
        (
            "0h3kq2m8x1nz",
            "make key-rotate ENV=staging KEY=0h3kq2m8x1nz REASON='…' OVERLAP=0 APPLY=1",
        ),
        (KEY, "where it was issued"),
    ],
)
def test_an_incident_says_how_its_own_key_is_replaced(key, words):
    theft = Theft(key_id=key, opened_at=NOW, last_at=NOW, level=ThreatLevel.HIGH)

    assert f"replace the key: {words}" in "\n".join(next_steps(theft, POLICY))


def test_an_incident_shows_evidence_timeline_what_was_served_and_what_to_do(desk):
    theft = stolen(desk)
    said = run("incident", "--env", "staging", "--id", theft.name)

    for line in (
        f"Incident {KEY}/2026-11-20T10-30-15",
        "CRITICAL, 1 findings",
        "blocked; rotation: not asked for",
        "2026-11-20 10:30:15  CRITICAL geographic anomaly: new source, attack tool",
        "new networks                           bulletproof",
        "5.5.5.5                  7 requests, 2 failed",
        "paths  /v1/models",
        f"make unblock KEY={KEY} ENV=staging REASON='…' OWNER=1 APPLY=1",
    ):
        assert line in said


def test_a_keys_id_names_its_newest_incident(desk):
    stolen(desk)

    told = json.loads(run("incident", "--env", "staging", "--id", KEY, "--json"))
    assert (told["level"], told["sources"][AWAY]["requests"]) == ("CRITICAL", 7)
    assert told["next"][0].startswith("Ask the key's owner")


def test_without_a_name_the_open_incidents_are_listed(desk):
    assert "no open incident" in run("incident", "--env", "staging")
    stolen(desk)

    assert f"{KEY}/2026-11-20T10-30-15" in run("incident", "--env", "staging")


def test_a_name_that_is_none_is_refused_with_the_way_to_the_list(desk):
    said = run("incident", "--env", "staging", "--id", "nobody", code=2)

    assert "make incident ENV=staging lists the open ones" in said


def test_a_thiefs_words_cannot_draw_on_the_terminal(desk):
    theft = stolen(desk, agent="\x1b[2J\u202eevil\r")
    said = run("incident", "--env", "staging", "--id", theft.name)

    assert "�[2J�evil�" in said
    assert "\x1b" not in said


def test_a_block_is_lifted_only_when_asked_for(desk):
    stolen(desk)
    for_it = ("unblock", "--env", "staging", "--key", KEY, "--reason", "our new region")
    said = run(*for_it)
    journal, counters = desk
    held = dict(counters._held)
    applied = run(*for_it, "--owner", "--apply", "--by", "ada")

    assert "Plan: unblock" in said
    assert "Nothing is changed without --apply" in said
    assert list(held) == [KEY]
    assert "is not held back any more; incident" in applied
    assert counters._held == {}
    assert journal.theft(KEY).ended_why == "our new region"


def test_far_from_the_counters_the_function_is_asked(desk, monkeypatch):
    """People's machines are not in the counters' private network."""
    sent = []

    def publish(_, topic, data, attributes):
        sent.append((topic, json.loads(data), attributes))
        return "1"

    monkeypatch.delenv("TWINGUARD_COUNTERS")
    monkeypatch.setattr("twinguard.act.pubsub.TopicPublisher.publish", publish)
    for_it = ("unblock", "--env", "staging", "--key", KEY, "--reason", "found", "--by", "ada")
    said = run(*for_it, "--apply")

    assert f"on_usage is asked to lift {KEY}" in said
    assert sent == [
        (
            "projects/living-twin-staging/topics/twinguard-staging-usage-events",
            {"key_id": KEY, "by": "ada", "why": "found", "is_owner": False},
            {"task": "lift"},
        )
    ]


def test_a_lift_needs_a_reason(desk):
    run("unblock", "--env", "staging", "--key", KEY, "--reason", " ", code=2)


@pytest.mark.parametrize(
    "arguments", [("incident", "--id"), ("unblock", "--reason", "found", "--apply", "--key")]
)
@pytest.mark.parametrize("raw", [RAW, RAW[:-1], "sk-proj-4711"])
def test_a_key_where_its_id_is_meant_is_refused_and_not_repeated(desk, arguments, raw):
    told = run(arguments[0], "--env", "staging", *arguments[1:], raw, code=2)

    assert "that is a key, not its id" in told
    assert ("its id is 0h3kq2m8x1nz" in told) == (raw == RAW)
    assert raw not in told
