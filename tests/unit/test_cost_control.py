# SPDX-License-Identifier: Apache-2.0
"""What an application answers while a budget says stop: 503 on every route, the rest untouched."""

from __future__ import annotations

import asyncio
import datetime as dt
import json

import pytest
import redis

from fakes import MemoryRecords
from ledgers import ACME, CHAT, STAGING, Clock, made
from twinguard import config
from twinguard.decide.ledger import NANOS, Budgets, Wanted, period_of
from twinguard.decide.model import Breaker
from twinguard.decide.stops import StopReason, is_open_route
from twinguard.errors import Misconfigured, Unavailable
from twinguard.journal import Journal
from twinguard.llm.budgets import budgets_of
from twinguard.llm.ledger_book import Book
from twinguard.policy import Environment, Retention
from twinguard.state import open_records
from twinguard.web.cost_control import BudgetWatch, CostControlMiddleware

ERROR = "Service temporarily unavailable due to budget limits"


async def app(scope, receive, send):
    """An application that streams two chunks."""
    del receive
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk, more in ((b"one ", True), (b"two", False)):
            await send({"type": "http.response.body", "body": chunk, "more_body": more})
    else:
        await send({"type": f"{scope['type']}.seen"})


class Site:
    """An application behind the middleware, with a breaker and a ledger that tests change."""

    def __init__(self, **options):
        self.journal = Journal(MemoryRecords(), Retention())
        self.ledger = made("memory", "", Budgets({STAGING: 100}), Clock())
        self.at = 0.0
        options.setdefault("watch", BudgetWatch(self.journal, self.standing))
        options.setdefault("open_routes", ("/healthz", "/static/"))
        self.middleware = CostControlMiddleware(app, clock=lambda: self.at, **options)

    def standing(self):
        return self.ledger.totals([STAGING])[0]

    def open_breaker(self):
        opened = Breaker((("b1", "502.81 of 500 USD"),))
        self.journal.keep_breaker(self.journal.breaker(), opened)

    def close_breaker(self):
        self.journal.keep_breaker(self.journal.breaker(), Breaker())

    def spend(self, nanos):
        self.ledger.settle(self.ledger.hold(Wanted("r1", 1, (STAGING,), 0, 60)), nanos)

    async def messages(self, path="/chat", method="GET", kind="http"):
        sent = []

        async def send(message):
            sent.append(message)

        await self.middleware({"type": kind, "path": path, "method": method}, None, send)
        return sent

    def asked(self, path="/chat", **options):
        start, *bodies = asyncio.run(self.messages(path, **options))
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, b"".join(message["body"] for message in bodies)


async def looked(site):
    """Until a look that has begun has ended."""
    if site.middleware._looking is not None:
        await site.middleware._looking


def test_while_there_is_money_every_chunk_passes_as_it_is():
    sent = asyncio.run(Site().messages())

    assert [message.get("body") for message in sent] == [None, b"one ", b"two"]
    assert sent[0]["status"] == 200


def test_an_open_breaker_answers_503_in_the_words_of_the_strategy():
    site = Site()
    site.open_breaker()

    status, headers, body = site.asked()

    assert (status, headers["content-type"]) == (503, "application/json")
    assert json.loads(body) == {
        "error": ERROR,
        "reason": "cloud_budget",
        "remedy": "the environment's cloud budget is used up; its operators can lift the cap",
    }
    assert "retry-after" not in headers
    assert b"502.81" not in body


def test_a_spent_ledger_answers_503_and_says_when_it_ends():
    site = Site()
    site.spend(100)

    status, headers, body = site.asked()

    found = json.loads(body)
    assert (status, found["error"], found["reason"]) == (503, ERROR, "llm_budget")
    assert found["resets_at"] == "2026-12-01T00:00:00+00:00"
    assert int(headers["retry-after"]) >= 1
    assert headers["content-length"] == str(len(body))


def test_a_ledger_with_one_nano_dollar_left_serves():
    site = Site()
    site.spend(99)

    assert site.asked()[0] == 200


def test_a_budget_that_is_only_held_serves():
    """Calls under way settle or lapse by themselves: nothing is used up yet."""
    site = Site()
    site.ledger.hold(Wanted("r1", 1, (STAGING,), 100, 60))

    assert site.asked()[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/static/x.css"])
def test_open_routes_are_answered_without_money(path):
    site = Site()
    site.open_breaker()

    assert site.asked(path)[0] == 200


@pytest.mark.parametrize("path", ["/", "/healthz/", "/healthzz", "/static", "/other/static/x"])
def test_no_other_route_is(path):
    """Every route by default: the ones somebody forgot would spend on."""
    assert not is_open_route(path, ("/healthz", "/static/"))


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_other_scopes_are_untouched(kind):
    site = Site()
    site.open_breaker()

    assert asyncio.run(site.messages(kind=kind)) == [{"type": f"{kind}.seen"}]


def test_a_head_request_gets_no_body():
    site = Site()
    site.open_breaker()

    status, headers, body = site.asked(method="HEAD")

    assert (status, body) == (503, b"")
    assert int(headers["content-length"]) > 0


def test_a_change_is_seen_after_a_few_seconds():
    async def story():
        site, seen = Site(), []
        for seconds, change in ((0, site.open_breaker), (2.9, None), (3, site.close_breaker)):
            site.at = seconds
            seen.append((await site.messages())[0]["status"])
            await looked(site)
            if change:
                change()
        seen.append((await site.messages())[0]["status"])
        site.at = 6
        for _ in range(2):
            await site.messages()
            await looked(site)
        seen.append((await site.messages())[0]["status"])
        return seen

    assert asyncio.run(story()) == [200, 200, 200, 503, 200]


class Silent:
    """Budgets that cannot be looked at."""

    def __init__(self):
        self.looks = 0

    def look(self):
        self.looks += 1
        raise Unavailable("no answer")


@pytest.mark.parametrize(("when_unknown", "status"), [("open", 200), ("closed", 503)])
def test_budgets_that_cannot_be_looked_at_count_as_the_application_says(when_unknown, status):
    watch = Silent()
    site = Site(watch=watch, when_unknown=when_unknown)

    assert [site.asked()[0] for _ in range(3)] == [status] * 3
    assert watch.looks == 1


def test_what_was_known_counts_while_nothing_answers():
    site = Site()
    site.open_breaker()
    site.asked()
    site.middleware._watch, site.at = Silent(), 60

    assert site.asked()[0] == 503


def test_a_hundred_requests_at_once_look_once():
    class Counting(BudgetWatch):
        looks = 0

        def look(self):
            Counting.looks += 1
            return super().look()

    site = Site()
    site.middleware._watch = Counting(site.journal, site.standing)

    async def story():
        return await asyncio.gather(*(site.messages() for _ in range(100)))

    answers = asyncio.run(story())

    assert {sent[0]["status"] for sent in answers} == {200}
    assert Counting.looks == 1


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """Settings of an application of staging, and its records."""
    address = f"sqlite:///{tmp_path / 'records.db'}"
    found = {
        "TWINGUARD_POLICY_FILE": str(config.path_of(Environment.STAGING)),
        "TWINGUARD_RECORDS": address,
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TWINGUARD_POLICY", raising=False)
    monkeypatch.delenv("TWINGUARD_COUNTERS", raising=False)
    return open_records(address)


def test_settings_alone_are_enough(settings):
    middleware = CostControlMiddleware(app)
    before = middleware._watch.look()
    journal = Journal(settings, Retention())
    journal.keep_breaker(journal.breaker(), Breaker((("b1", "used up"),)))

    assert middleware._open_routes == ("/healthz", "/readyz")
    assert before is None
    assert middleware._watch.look().reason is StopReason.CLOUD_BUDGET


@pytest.mark.parametrize("kind", ["memory", "firestore", "redis"])
def test_what_gateways_spent_stops_the_application(kind, settings, monkeypatch, request):
    address = {"memory": "memory://", "firestore": "firestore://p/(default)"}.get(kind, "")
    if kind == "redis":
        server = request.getfixturevalue("redis_server")
        address = server.environment["TWINGUARD_COUNTERS"]
        with redis.Redis(port=server.port) as client:
            for key in client.keys("{twinguard:staging}*"):
                client.delete(key)
    monkeypatch.setenv("TWINGUARD_COUNTERS", address)
    this_month = period_of(dt.datetime.now(dt.UTC))
    Book(settings, Retention()).sums(this_month, "w").write({str(STAGING): 200 * NANOS})

    found = CostControlMiddleware(app)._watch.look()

    assert (found.reason, found.resets_at) == (StopReason.LLM_BUDGET, this_month.end)


def test_a_wrong_option_stops_the_application_when_it_is_built():
    with pytest.raises(Misconfigured, match="open or closed"):
        Site(when_unknown="maybe")


def test_the_policys_limits_become_nano_dollars():
    policy = config.load(config.path_of(Environment.STAGING))

    found = budgets_of(policy)

    assert found.limit_of(STAGING) == 200 * NANOS
    assert found.limit_of(ACME) == 50 * NANOS
    assert found.limit_of(CHAT) is None
