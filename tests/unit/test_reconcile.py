# SPDX-License-Identifier: Apache-2.0
"""The ledger against bills: by days and models, as far as a bill is complete."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from fakes import MemoryRecords
from ledgers import STAGING, Clock, made
from twinguard import config, state
from twinguard.cli import reconcile as command
from twinguard.decide.ledger import NANOS, Budgets, Period, Scope, ScopeKind, Wanted
from twinguard.decide.reconcile import family, reconciled
from twinguard.decide.spend import Dimension, Freshness, Line
from twinguard.errors import BadEvent, Misconfigured
from twinguard.llm.ledger_book import Book
from twinguard.llm.ledger_kept import KeptLedger
from twinguard.parse import Event
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment, Retention
from twinguard.reconciliation import Bill, bills_of, compared
from twinguard.standins import sample_costs
from twinguard.standins.export_files import json_lines
from twinguard.standins.openai_costs import OpenAICosts as StandIn
from twinguard.standins.openai_costs import Spent
from world import POLICY, World

NOVEMBER = Period("2026-11")
FIRST, LAST = dt.date(2026, 11, 1), dt.date(2026, 11, 30)
MONDAY = dt.date(2026, 11, 23)
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


def found(counted, billed, limit=5):
    ours = {(MONDAY, name): nanos for name, nanos in counted.items()}
    theirs = {(MONDAY, name): nanos for name, nanos in billed.items()}
    return reconciled("openai", FIRST, LAST, ours, theirs, limit)


class Told:
    """A provider's costs, complete through a day."""

    def __init__(self, lines=(), through=MONDAY):
        self.told, self.through, self.asked = lines, through, []

    def lines(self, query):
        self.asked.append(query)
        return self.told

    def freshness(self, _now):
        return Freshness(source="x", through=self.through, newest=None, lag=dt.timedelta(1))


def line(day, model, dollars, currency="USD"):
    keys = (day.isoformat(), model)
    return Line(keys=keys, currency=currency, cost=Decimal(dollars), credits=Decimal(0))


def spent(records, *calls):
    """A book in which calls were counted: (day, provider/model, nanos)."""
    book, clock = Book(records, Retention()), Clock()
    ledger = KeptLedger(made("memory", "", Budgets(), clock), book, "w", clock)
    for number, (day, model, nanos) in enumerate(calls):
        clock.now = dt.datetime.combine(day, dt.time(12), dt.UTC)
        scopes = (STAGING, Scope(ScopeKind.MODEL, model))
        ledger.settle(ledger.hold(Wanted(f"r{number}", 1, scopes, nanos, 60)), nanos)
    ledger.flush()
    return book


# --- comparing -----------------------------------------------------------------------------------


def test_a_bill_that_agrees_is_told_to_nobody():
    assert found({"gpt-4o": 100 * NANOS}, {"gpt-4o-2024-08-06": 104 * NANOS}).drifted == ()


def test_a_model_that_drifts_is_told_with_what_may_be_behind_it():
    told = found({"gpt-4o": 100 * NANOS, "gpt-4": 500 * NANOS}, {"gpt-4o": 120 * NANOS})

    assert [row.model for row in told.drifted] == ["all models", "gpt-4", "gpt-4o"]
    assert "another name" in told.rows[0].cause
    assert "past the gateway" in told.rows[1].cause


@pytest.mark.parametrize(
    ("counted", "billed", "cause"),
    [
        (0, 9, "by another key of the project"),
        (9, 0, "or not yet"),
        (100, 50, "batches"),
        (100, 130, "killed process"),
        (100, 80, "told no usage"),
        (100, 100, ""),
    ],
)
def test_every_kind_of_difference_has_a_likely_cause(counted, billed, cause):
    (row,) = found({"m": counted}, {"m": billed}).rows

    assert cause in row.cause
    assert bool(cause) is bool(row.cause)


def test_what_a_bill_names_no_model_for_is_told_apart():
    (row,) = found({}, {None: 9 * NANOS}).rows

    assert (row.model, "tools" in row.cause) == ("no model named", True)


def test_a_difference_below_a_dollar_is_told_to_nobody():
    assert found({"m": 1}, {"m": NANOS}).drifted == ()
    assert found({"m": 1}, {"m": NANOS + 1}).drifted != ()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
        ("gpt-4", "gpt-4"),
        ("o3", "o3"),
    ],
)
def test_a_models_dates_are_no_other_model(name, plain):
    assert family(name) == plain


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 10**12)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 10**12)),
)
def test_rows_add_up_to_both_sides(counted, billed):
    told = found(counted, billed)

    assert told.total.counted == sum(counted.values())
    assert told.total.billed == sum(billed.values())


# --- gathering -----------------------------------------------------------------------------------


def test_days_that_a_bill_does_not_have_yet_are_left_out_on_both_sides():
    after = MONDAY + dt.timedelta(1)
    book = spent(
        MemoryRecords(),
        (MONDAY, "openai/gpt-4o", 3 * NANOS),
        (after, "openai/gpt-4o", 100 * NANOS),
        (MONDAY, "google/gemini-2.5-pro", 7 * NANOS),
    )
    bill = Bill("openai", Told([line(MONDAY, "gpt-4o", "3"), line(after, "gpt-4o", "50")]))

    (told,) = compared(POLICY, book, [bill], NOVEMBER, NOW)

    assert (told.last, told.total.counted, told.total.billed) == (MONDAY, 3 * NANOS, 3 * NANOS)
    assert bill.costs.asked[0].by == (Dimension.DAY, Dimension.MODEL)


def test_a_bill_of_which_no_day_is_complete_is_not_compared():
    bills = [
        Bill("openai", Told(through=None)),
        Bill("openai", Told(through=dt.date(2026, 10, 31))),
    ]

    assert compared(POLICY, spent(MemoryRecords()), bills, NOVEMBER, NOW) == ()


def test_of_googles_bill_only_models_are_compared():
    told = [line(MONDAY, None, "900"), line(MONDAY, "gemini-2.5-pro", "7")]
    told.append(line(MONDAY, "gemini-2.5-pro", "7", "EUR"))
    book = spent(MemoryRecords(), (MONDAY, "google/gemini-2.5-pro", 7 * NANOS))

    (found_,) = compared(POLICY, book, [Bill("google", Told(told))], NOVEMBER, NOW)

    assert [(row.model, row.difference) for row in found_.rows] == [("gemini-2.5-pro", 0)]


def test_without_any_bill_it_says_what_to_set():
    with pytest.raises(Misconfigured, match="OPENAI_ADMIN_KEY"):
        bills_of(POLICY, {})


# --- told ----------------------------------------------------------------------------------------


def scheduled(world, bills):
    pipeline = world.pipeline(POLICY)
    over = Pipeline(POLICY, replace(pipeline.ports, bills=bills))
    return over.on_schedule(Event("1", NOW, b"", {"task": "reconcile"}), NOW)


def test_the_scheduled_task_tells_what_drifts_under_one_name():
    world = World()
    spent(world.records, (MONDAY, "openai/gpt-4o", 100 * NANOS))
    bill = Bill("openai", Told([line(MONDAY, "gpt-4o", "150")]))

    for _ in range(2):
        report = scheduled(world, lambda _policy: (bill,))

    first, again = world.published
    assert report.decision == "1 bills of 2026-11 compared"
    assert first.incident == again.incident
    assert first.incident.split("/")[1:] == ["reconcile", "openai", "2026-11"]
    assert "100.00 USD counted, 150.00 USD billed, 33 % apart" in first.lines[1]


def test_the_scheduled_task_tells_nothing_where_they_agree():
    world = World()
    spent(world.records, (MONDAY, "openai/gpt-4o", 100 * NANOS))
    scheduled(world, lambda _policy: (Bill("openai", Told([line(MONDAY, "gpt-4o", "99")])),))

    assert world.published == []


def test_a_schedule_without_bills_is_refused_with_the_remedy():
    with pytest.raises(BadEvent, match="delete the Cloud Scheduler job"):
        scheduled(World(), None)


# --- by hand -------------------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A book on disk, and a sample of Google's export with three models; its file."""
    address = f"sqlite:///{tmp_path / 'records.db'}"
    monkeypatch.setenv("TWINGUARD_RECORDS", address)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("OPENAI_ADMIN_KEY", raising=False)
    spent(state.open_records(address), (FIRST, "google/gemini-2.5-pro", 10 * NANOS))
    return str(json_lines(sample_costs.made(POLICY, NOW), tmp_path / "export.jsonl"))


def run(*arguments):
    return CliRunner().invoke(command.app, ["--env", "staging", *arguments])


def test_the_command_shows_models_and_ends_with_one_where_they_drift(desk):
    done = run("--month", "2026-11", "--source", desk)

    assert done.exit_code == 1, done.output
    assert "claude-sonnet" in done.output
    assert "above the limit of 5 %" in done.output


def test_the_command_speaks_json(desk):
    told = json.loads(run("--month", "2026-11", "--source", desk, "--json").output)

    (bill,) = told["bills"]
    models = {row["model"]: row for row in bill["models"]}
    assert bill["drifted"][0] == "all models"
    assert models["gemini-2.5-pro"]["counted_nanos"] == 10 * NANOS
    assert models["gemini-2.5-pro"]["billed_nanos"] > 0


def test_the_command_without_a_bill_says_what_to_set(desk):
    done = run()

    assert done.exit_code == 2
    assert "openai.project" in done.output


def test_openais_own_account_is_compared_by_its_project():
    item, day = "gpt-4o-2024-08-06, input", MONDAY
    mine = Spent(day, "proj_mine", item, "key_a", Decimal("2.5"))
    other = Spent(day, "proj_other", item, "key_a", Decimal(900))
    policy = config.load(config.path_of(Environment.STAGING))
    policy = replace(policy, openai=replace(policy.openai, project="proj_mine"))
    book = spent(MemoryRecords(), (day, "openai/gpt-4o", 2 * NANOS), (day, "local/llama2", 5))

    with StandIn([mine, other]) as server:
        bills = bills_of(policy, server.environment)
        (told,) = compared(policy, book, bills, NOVEMBER, NOW)

    assert [(row.model, row.counted, row.billed) for row in told.rows] == [
        ("gpt-4o", 2 * NANOS, 2_500_000_000)
    ]
