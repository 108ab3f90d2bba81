# SPDX-License-Identifier: Apache-2.0
"""Budgets by hand: how they stand, who set a limit and why, a plan before each change."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from typer.testing import CliRunner

from ledgers import ACME, CHAT, STAGING, redis_ledger
from twinguard import config, state
from twinguard.billing.usage_table import table_of
from twinguard.cli import budgets
from twinguard.decide.ledger import (
    NANOS,
    Budgets,
    Held,
    Limit,
    Reason,
    Scope,
    ScopeKind,
    Wanted,
    period_of,
)
from twinguard.llm.ledger_book import Book
from twinguard.policy import Environment, Retention
from twinguard.standins.bigquery import BigQuery

RAISE = ("raise", "--env", "staging", "--scope", "tenant:acme", "--reason", "launch")


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Where limits and sums are kept; 63.50 USD of staging's 200 are spent."""
    address = f"sqlite:///{tmp_path / 'records.db'}"
    monkeypatch.setenv("TWINGUARD_RECORDS", address)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("TWINGUARD_COUNTERS", raising=False)
    book = Book(state.open_records(address), Retention())
    sums = {STAGING: 63_500_000_000, ACME: 47_000_000_000, CHAT: 4_000}
    book.sums(period_of(dt.datetime.now(dt.UTC)), "w").write(
        {str(scope): nanos for scope, nanos in sums.items()}
    )
    return book


@pytest.fixture
def ledger(book, monkeypatch, redis_server):
    """The ledger of staging in Redis, as a gateway has it, begun anew."""
    address = redis_server.environment["TWINGUARD_COUNTERS"]
    monkeypatch.setenv("TWINGUARD_COUNTERS", address)
    limits = Budgets({STAGING: 200 * NANOS})
    ledger = redis_ledger(address, limits, restore=book.known)
    for key in ledger._client.keys("{twinguard:staging}*"):
        ledger._client.delete(key)
    return ledger


def run(*arguments, code=0):
    done = CliRunner().invoke(budgets.app, arguments)
    assert done.exit_code == code, done.output
    return done.output


def test_what_gateways_wrote_down_is_shown_without_a_ledger(book):
    shown = run("show", "--env", "staging")

    assert "all of it" in shown
    assert "136.50" in shown
    assert "0.000004" in shown
    assert "set TWINGUARD_COUNTERS to their Redis to see it" in shown


def test_json_is_exact_and_says_what_nobody_knows(book):
    told = json.loads(run("show", "--env", "staging", "--scope", "tenant:acme", "--json"))

    (row,) = told["budgets"]
    assert (row["spent_nanos"], row["limit_nanos"]) == (47_000_000_000, 50_000_000_000)
    assert row["held_nanos"] is None
    assert row["resets_at"].endswith("01T00:00:00+00:00")


def test_a_live_ledger_tells_what_is_held(ledger):
    ledger.hold(Wanted("r1", 1, (STAGING, ACME), 2 * NANOS, 60))

    told = json.loads(run("show", "--env", "staging", "--scope", "environment", "--json"))

    assert told["budgets"][0]["held_nanos"] == 2 * NANOS
    assert told["budgets"][0]["spent_nanos"] == 63_500_000_000


def test_a_plan_changes_nothing(book):
    planned = run(*RAISE, "--amount", "80", "--until", "7d")

    assert "50.00 USD → 80.00 USD until" in planned
    assert "add --apply" in planned
    assert book.limits() == ()


def test_a_raise_is_kept_with_who_why_and_its_end(book):
    run(*RAISE, "--amount", "80", "--until", "7d", "--by", "ann", "--apply")

    (found,) = book.limits()
    assert (found.limit.scope, found.limit.nanos) == (ACME, 80 * NANOS)
    assert (found.by, found.reason, found.limit.generation) == ("ann", "launch", 1)
    assert found.limit.until - found.at == dt.timedelta(days=7)
    shown = run("show", "--env", "staging")
    assert "tenant:acme: 80.00 USD until" in shown
    assert "ann: launch" in shown


def test_a_raise_counts_at_once_where_the_ledger_can_be_reached(ledger):
    before = ledger.hold(Wanted("r1", 1, (ACME,), 4 * NANOS, 60))
    ledger.set_limit(Limit(ACME, 50 * NANOS, 0))
    refused = ledger.hold(Wanted("r2", 1, (ACME,), 4 * NANOS, 60))
    told = run(*RAISE, "--amount", "80", "--until", "12h", "--apply", "--by", "ann")

    assert isinstance(before, Held)
    assert refused.reason is Reason.BUDGET_SPENT
    assert "at once" in told
    assert isinstance(ledger.hold(Wanted("r3", 1, (ACME,), 4 * NANOS, 60)), Held)


def test_a_raise_can_be_undone_before_it_ends(book):
    run(*RAISE, "--amount", "80", "--until", "7d", "--apply", "--by", "ann")
    run(*RAISE, "--amount", "policy", "--apply", "--by", "bob")

    told = json.loads(run("show", "--env", "staging", "--scope", "tenant:acme", "--json"))
    assert told["budgets"][0]["limit_nanos"] == 50 * NANOS
    assert told["budgets"][0]["set_by"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*RAISE, "--amount", "80"), "a limit needs an end"),
        ((*RAISE, "--amount", "80", "--until", "2020-01-01"), "must be ahead"),
        ((*RAISE, "--amount", "80", "--until", "900d"), "within a year"),
        ((*RAISE, "--amount", "lots", "--until", "7d"), "write it as 80"),
        ((*RAISE, "--amount", "-1", "--until", "7d"), "write 0 to 9,007,199 USD"),
        ((*RAISE, "--amount", "NaN", "--until", "7d"), "write 0 to 9,007,199 USD"),
        ((*RAISE[:3], "--scope", "tenat:a", "--reason", "x", "--amount", "1"), "is no scope"),
        (
            (*RAISE[:3], "--scope", "environment:ci", "--reason", "x", "--amount", "1"),
            "choose one",
        ),
        ((*RAISE[:5], "--reason", " ", "--amount", "1", "--until", "7d"), "say why"),
        (
            ("rebuild", "--env", "staging", "--events", "x.jsonl"),
            "TWINGUARD_COUNTERS names no Redis",
        ),
    ],
)
def test_a_mistake_is_named_with_its_remedy(book, arguments, message):
    assert message in run(*arguments, code=2)
    assert book.limits() == ()


def event(number, nanos, **other):
    now = dt.datetime.now(dt.UTC).isoformat()
    usual = {"request_id": f"r{number}", "attempt": 1, "at": now, "environment": "staging"}
    usual |= {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"}
    return {**usual, "tenant": "acme", "cost_nanos": nanos, "kind": "usage", **other}


def test_a_ledger_is_rebuilt_from_the_usage_log(ledger, tmp_path):
    lines = [
        json.dumps(event(1, 60 * NANOS)),
        json.dumps([event(2, 5 * NANOS), event(1, 60 * NANOS)]),
        json.dumps(event(3, -7, kind="credit")),
        json.dumps(event(4, 9, cached=True)),
        json.dumps(event(5, 9, environment="ci")),
        json.dumps(event(6, 9, period="2026-01")),
        "",
    ]
    path = tmp_path / "usage.jsonl"
    path.write_text("\n".join(lines))
    arguments = ("rebuild", "--env", "staging", "--events", str(path))

    planned = run(*arguments)
    before = ledger.totals([STAGING, ACME])
    done = run(*arguments, "--apply")

    assert "4 usage events" in planned
    assert "has spent 65.00 USD" in done
    assert [standing.spent for standing in before] == [63_500_000_000, 47_000_000_000]
    model = Scope(ScopeKind.MODEL, "openai/gpt-4o")
    spent = [standing.spent for standing in ledger.totals([STAGING, ACME, model])]
    assert spent == [65 * NANOS] * 3


def test_a_ledger_is_rebuilt_from_what_bigquery_kept(ledger, monkeypatch):
    policy = config.load(config.path_of(Environment.STAGING))
    messages = [json.dumps([event(1, 60 * NANOS), event(2, 5 * NANOS)]).encode()] * 2
    now = dt.datetime.now(dt.UTC)
    rows = [(now, message) for message in messages]
    with BigQuery(table_of(policy), rows, location=policy.region) as bigquery:
        monkeypatch.setenv(*next(iter(bigquery.environment.items())))
        done = run("rebuild", "--env", "staging", "--events", "usage://", "--apply")

    assert "has spent 65.00 USD" in done
    assert ledger.totals([STAGING])[0].spent == 65 * NANOS


def test_what_is_no_usage_log_is_refused_by_its_line(ledger, tmp_path):
    path = tmp_path / "usage.jsonl"
    path.write_text(json.dumps(event(1, 1)) + "\n{}\n")

    assert "line 2 is no usage event" in run(
        "rebuild", "--env", "staging", "--events", str(path), code=2
    )
