# SPDX-License-Identifier: Apache-2.0
"""Limits on models set by hand: kept even where the ledger does not answer, told, taken back."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from fakes import MemoryRecords
from twinguard.decide.ledger import NANOS, Scope
from twinguard.errors import Misconfigured, Unavailable
from twinguard.flow import Ports
from twinguard.llm.budgets import budgets_of
from twinguard.llm.ledger_memory import MemoryLedger
from twinguard.pipeline import Pipeline
from twinguard.raising import Raising, ledger_from
from world import POLICY

ACME = Scope.of("tenant:acme")
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Topic:
    """Keeps what is published; refuses while `is_down`."""

    def __init__(self):
        self.sent, self.is_down = [], False

    def publish(self, topic, data, attributes):
        if self.is_down:
            raise Unavailable("the topic does not answer")
        self.sent.append(json.loads(data))
        return "1"


class Deaf(MemoryLedger):
    """Its store does not answer."""

    def set_limit(self, limit):
        raise Unavailable("Redis does not answer")


def raising(ledger=None, topic=None, *, tells=True) -> Raising:
    ports = Ports(MemoryRecords(), {}, None, topic or Topic(), "alerts")
    return Raising(Pipeline(POLICY, ports), ledger, tells)


def raised(office: Raising, dollars: int | None = 80, until=NOW + DAY):
    nanos = None if dollars is None else dollars * NANOS
    return office.carried_out(ACME, nanos, until, "ann", "launch", NOW)


@pytest.mark.parametrize(("kind", "at_once"), [(None, False), (Deaf, False), (MemoryLedger, True)])
def test_a_limit_is_kept_and_counts_at_once_where_the_ledger_answers(kind, at_once):
    office = raising(kind and kind(budgets_of(POLICY)))

    done = raised(office)

    assert (done.at_once, done.limit.nanos) == (at_once, 80 * NANOS)
    assert [one.limit for one in office.book.limits()] == [done.limit]


def test_people_hear_of_a_limit_and_of_nobody_having_heard():
    topic = Topic()
    office = raising(topic=topic)
    heard = raised(office).told
    topic.is_down = True
    unheard = raised(office).told

    assert heard == "the operations team is told"
    assert topic.sent[0]["title"].startswith("tenant:acme may spend 80.00 USD until")
    assert unheard == "NOBODY was told: the topic does not answer"
    assert "TWINGUARD_ALERTS_TOPIC" in raised(raising(tells=False)).told


def test_who_set_a_limit_is_said_only_while_it_is_in_force():
    office = raising(MemoryLedger(budgets_of(POLICY)))

    before = office.of_scope(ACME, NOW).set_by
    raised(office)
    during = office.of_scope(ACME, NOW).set_by
    raised(office, None, None)
    after = office.of_scope(ACME, NOW).set_by

    assert (before, during.by, during.reason, after) == (None, "ann", "launch", None)


def test_every_scope_is_listed_that_has_a_limit_or_spent_something():
    office = raising()
    raised(office)

    found = [str(one.standing.scope) for one in office.allowances(NOW)]

    assert found == [f"environment:{POLICY.environment}", "tenant:acme"]


@pytest.mark.parametrize("url", ["", "memory://", "firestore://project/database"])
def test_a_store_that_holds_no_ledger_of_others_is_none(url):
    assert ledger_from(POLICY, MemoryRecords(), {"TWINGUARD_COUNTERS": url}) is None


def test_a_store_that_is_none_at_all_is_refused():
    with pytest.raises(Misconfigured, match="no ledger"):
        ledger_from(POLICY, MemoryRecords(), {"TWINGUARD_COUNTERS": "redi://x"})
