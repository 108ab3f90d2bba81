# SPDX-License-Identifier: Apache-2.0
"""The ledger's sums in the records: written behind, idempotent, and enough to begin again."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import servers
from fakes import MemoryRecords
from ledgers import ACME, CHAT, GLOBEX, NOON, STAGING, Clock, made, redis_ledger
from twinguard.decide.ledger import (
    Budgets,
    Held,
    Known,
    Limit,
    Period,
    Reason,
    Scope,
    ScopeKind,
    Wanted,
)
from twinguard.errors import Conflict, Unavailable
from twinguard.llm.ledger_book import SCOPES_EACH, Book
from twinguard.llm.ledger_kept import Counted, KeptLedger, rebuild
from twinguard.policy import Retention
from twinguard.state import open_records

NOVEMBER = Period("2026-11")
BUDGETS = Budgets({STAGING: 1_000})
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def records():
    return MemoryRecords()


@pytest.fixture
def book(records):
    return Book(records, Retention())


def kept(book, writer="", clock=None, budgets=BUDGETS):
    inner = made("memory", "", budgets, clock or Clock(), book.known)
    return KeptLedger(inner, book, writer)


def spend(ledger, name, nanos, scopes=(STAGING, ACME)):
    held = ledger.hold(Wanted(name, 1, scopes, nanos, 60))
    ledger.settle(held, nanos)
    return Counted(name, 1, held.period, scopes, nanos)


def test_what_was_settled_is_written_behind(book):
    ledger = kept(book)
    spend(ledger, "r1", 30)
    before = book.known(NOVEMBER)

    assert ledger.flush() == 1
    assert before == Known()
    assert book.known(NOVEMBER) == Known({STAGING: 30, ACME: 30})


def test_writing_again_changes_nothing(book):
    ledger = kept(book)
    held = ledger.hold(Wanted("r1", 1, (STAGING,), 30, 60))
    for _ in range(3):
        ledger.settle(held, 30)
        ledger.flush()

    assert ledger.flush() == 0
    assert book.known(NOVEMBER).spent == {STAGING: 30}


def test_every_writer_has_sums_of_its_own(book):
    for writer in ("a", "b"):
        ledger = kept(book, writer)
        spend(ledger, f"r-{writer}", 30)
        ledger.flush()

    assert book.known(NOVEMBER).spent == {STAGING: 60, ACME: 60}


def test_months_are_kept_apart(book):
    clock = Clock()
    ledger = kept(book, clock=clock)
    spend(ledger, "r1", 30)
    clock.now = NOON + dt.timedelta(days=10)
    spend(ledger, "r2", 5)

    assert ledger.flush() == 2
    assert book.known(Period("2026-12")).spent == {STAGING: 5, ACME: 5}


class Broken(MemoryRecords):
    """Records whose writes fail, or succeed without an answer."""

    def __init__(self, *failures):
        super().__init__()
        self.failures = list(failures)

    def put(self, *arguments, **options):
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "down":
            raise Unavailable("down")
        stored = super().put(*arguments, **options)
        if failure == "no answer":
            raise Unavailable("no answer")
        return stored


@pytest.mark.parametrize("failure", ["down", "no answer"])
def test_a_write_that_failed_or_lost_its_answer_is_made_up_for_once(failure):
    book = Book(Broken(failure), Retention())
    ledger = kept(book)
    spend(ledger, "r1", 30)
    with pytest.raises(Unavailable):
        ledger.flush()

    assert ledger.flush() == 1
    assert book.known(NOVEMBER).spent == {STAGING: 30, ACME: 30}


class Contended(MemoryRecords):
    """Records in which somebody else always wrote just before."""

    def put(self, *_arguments, **_options):
        raise Conflict("somebody else")


def test_two_processes_under_one_name_are_noticed():
    ledger = kept(Book(Contended(), Retention()), "same")
    spend(ledger, "r1", 30)

    with pytest.raises(Conflict, match="name of its own"):
        ledger.flush()


def test_more_scopes_than_one_record_holds_are_kept_in_several(book, records):
    scopes = [Scope(ScopeKind.KEY, f"k{n}") for n in range(SCOPES_EACH + 1)]
    ledger = kept(book, "w", budgets=Budgets())
    for number, scope in enumerate(scopes):
        spend(ledger, f"r{number}", 1, (scope,))
    ledger.flush()
    spend(ledger, "again", 5, (scopes[-1],))
    ledger.flush()

    assert [stored.id for stored in records.find("ledger")] == ["2026-11/w/0", "2026-11/w/1"]
    assert book.known(NOVEMBER).spent[scopes[-1]] == 6
    assert len(book.known(NOVEMBER).spent) == SCOPES_EACH + 1


def test_a_process_that_starts_again_knows_what_was_spent(book):
    first = kept(book)
    spend(first, "r1", 990)
    first.flush()

    refused = kept(book).hold(Wanted("r2", 1, (STAGING,), 11, 60))

    assert (refused.reason, refused.spent) == (Reason.BUDGET_SPENT, 990)


def test_sums_survive_in_a_file(tmp_path):
    address = f"sqlite:///{tmp_path / 'records.db'}"
    ledger = kept(Book(open_records(address), Retention()))
    spend(ledger, "r1", 30, (STAGING, CHAT))
    ledger.flush()

    assert Book(open_records(address), Retention()).known(NOVEMBER).spent[STAGING] == 30


# --- limits --------------------------------------------------------------------------------------


def test_a_limit_is_set_with_who_why_and_the_next_generation(book, records):
    book.set_limit(ACME, 50, None, "ann", "pilot", NOON)
    second = book.set_limit(ACME, 80, NOON + HOUR, "bob", "launch", NOON)

    assert second.limit == Limit(ACME, 80, 2, NOON + HOUR)
    assert book.limits() == (second,)
    begun, ended = [stored.value for stored in records.find("audit")][-2:]
    assert (begun["phase"], begun["actor"], begun["subject"]) == ("begun", "bob", "tenant:acme")
    assert begun["detail"].endswith("2026-11-23 13:00 UTC: launch")
    assert (ended["phase"], ended["outcome"]) == ("ended", "done")


def test_a_ledger_takes_over_the_limits_that_people_set(book):
    ledger = kept(book)
    book.set_limit(ACME, 5, None, "ann", "pilot", NOON)

    ledger.heal(NOVEMBER)

    assert ledger.hold(Wanted("r1", 1, (ACME,), 6, 60)).reason is Reason.TOO_LARGE


# --- begun again ---------------------------------------------------------------------------------


def test_events_that_come_twice_are_counted_once(book):
    events = [Counted("r1", 1, NOVEMBER, (STAGING, ACME), 30)] * 2
    other = Counted("r1", 2, NOVEMBER, (STAGING,), 7)
    old = Counted("r0", 1, Period("2026-10"), (STAGING,), 500)
    ledger = made("memory", "", BUDGETS, Clock())

    assert rebuild(ledger, book, NOVEMBER, [*events, other, old]) == {STAGING: 37, ACME: 30}
    assert ledger.totals([STAGING])[0].spent == 37


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50), st.booleans()), max_size=30))
def test_any_mix_of_flushes_and_lost_writers_is_rebuilt_to_the_sum_of_its_events(calls):
    """A writer that is killed loses what it had not written; the events have it."""
    book, numbers = Book(MemoryRecords(), Retention()), itertools.count()
    ledger, events = kept(book, budgets=Budgets()), []
    for tenant, nanos, flushes in calls:
        scopes = (STAGING, Scope(ScopeKind.TENANT, f"t{tenant}"))
        events.append(spend(ledger, f"r{next(numbers)}", nanos, scopes))
        if flushes:
            ledger.flush()
        elif nanos % 7 == 0:
            ledger = kept(book, budgets=Budgets())
    fresh = made("memory", "", Budgets(), Clock(), book.known)

    rebuild(fresh, book, NOVEMBER, events)

    assert fresh.totals([STAGING])[0].spent == sum(event.nanos for event in events)


def test_redis_lost_in_mid_month_is_rebuilt_to_the_sum_of_usage_events(tmp_path, redis_server):
    """Killed with all it had, and begun anew; then flushed under a running gateway."""
    del redis_server  # one that may die is started here; this only skips where there is none
    book = Book(open_records(f"sqlite:///{tmp_path / 'records.db'}"), Retention())
    clock, events = Clock(), []

    def opened(address, writer):
        return KeptLedger(redis_ledger(address, BUDGETS, clock, book.known), book, writer)

    with servers.redis(tmp_path) as first:
        ledger = opened(first.environment["TWINGUARD_COUNTERS"], "one")
        events += [spend(ledger, f"a{n}", 10 + n) for n in range(10)]
        ledger.flush()
        under_way = ledger.hold(Wanted("under-way", 1, (STAGING, GLOBEX), 40, 60))
        events += [spend(ledger, f"b{n}", 5) for n in range(4)]  # never written: the kill comes
    with servers.redis(tmp_path) as second:
        address = second.environment["TWINGUARD_COUNTERS"]
        other = opened(address, "two")
        rebuild(other._inner, book, NOVEMBER, events)
        rebuilt = other.totals([STAGING, ACME])
        other.settle(under_way, 25)
        events.append(Counted("under-way", 1, NOVEMBER, (STAGING, GLOBEX), 25))
        other.flush()
        second_client = other._inner._client
        second_client.flushall()
        events.append(spend(other, "after", 3))
        rebuild(other._inner, book, NOVEMBER, events)
        again = other.totals([STAGING, ACME, GLOBEX])
        second_client.close()

    assert [standing.spent for standing in rebuilt] == [165, 165]
    assert [standing.spent for standing in again] == [193, 168, 25]
    assert sum(event.nanos for event in events) == 193


def test_a_redis_that_was_emptied_is_never_taken_for_a_fresh_budget(redis_server, book):
    address = redis_server.environment["TWINGUARD_COUNTERS"]
    inner = redis_ledger(address, BUDGETS, Clock(), book.known, "emptied")
    ledger = KeptLedger(inner, book)
    spend(ledger, "r1", 900)
    ledger.flush()
    book.set_limit(ACME, 950, None, "ann", "pilot", NOON)
    inner._client.delete(*inner._client.keys("{twinguard:emptied}*"))

    refused = ledger.hold(Wanted("r2", 1, (STAGING, ACME), 101, 60))

    assert (refused.reason, refused.scope, refused.spent) == (Reason.BUDGET_SPENT, STAGING, 900)
    assert ledger.totals([ACME])[0].limit == 950


def test_records_that_do_not_answer_keep_an_emptied_redis_closed(redis_server):
    def down(_period):
        raise Unavailable("the records do not answer")

    address = redis_server.environment["TWINGUARD_COUNTERS"]
    ledger = redis_ledger(address, BUDGETS, Clock(), down, "closed")

    with pytest.raises(Unavailable, match="records do not answer"):
        ledger.hold(Wanted("r1", 1, (STAGING,), 1, 60))
    with pytest.raises(Unavailable):
        ledger.settle(Held("r1", 1, (STAGING,), 1, NOVEMBER, NOON), 1)


def test_what_others_had_not_written_when_redis_was_lost_comes_back(redis_server, book):
    address = redis_server.environment["TWINGUARD_COUNTERS"]
    one, two = (
        KeptLedger(redis_ledger(address, BUDGETS, Clock(), book.known, "healed"), book, name)
        for name in ("one", "two")
    )
    spend(one, "r1", 30)
    one._inner._client.delete(*one._inner._client.keys("{twinguard:healed}*"))
    spend(two, "r2", 5)
    lost = two.totals([STAGING])[0].spent
    for ledger in (one, two):
        ledger.flush()

    two.heal(NOVEMBER)

    assert lost == 5
    assert two.totals([STAGING])[0].spent == 35
