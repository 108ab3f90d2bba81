# SPDX-License-Identifier: Apache-2.0
"""The gateway obeys the counters against stolen keys, and counts for reconciliation by model."""

from __future__ import annotations

import datetime as dt

import gateways
from twinguard.decide.ledger import period_of
from twinguard.decide.restraints import Curb, Restraint
from twinguard.llm.ledger_book import Book
from twinguard.state.counters import Options, open_counters
from twinguard.web.middleware import SecurityMiddleware

CHAT = "/v1/chat/completions"
HELLO = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}]}


def block(url: str, key_id: str) -> None:
    since = dt.datetime.now(dt.UTC).timestamp()
    store = open_counters(url, Options(timeout=5.0))
    store.restrain(Restraint(key_id=key_id, curb=Curb.BLOCK, since=since, reason="stolen"))


def test_a_key_that_is_blocked_for_theft_gets_403_from_the_gateway(redis_server):
    url = redis_server.environment["TWINGUARD_COUNTERS"]
    with gateways.running(settings={"TWINGUARD_COUNTERS": url}) as gateway:
        stolen, other = gateway.key(), gateway.key()
        before = gateway.post(CHAT, stolen, json=HELLO)
        block(url, stolen.split("_")[2])  # the id that `make keys` shows
        after = gateway.post(CHAT, stolen, json=HELLO)
        beside = gateway.post(CHAT, other, json=HELLO)

    assert (before.status_code, after.status_code, beside.status_code) == (200, 403, 200)
    assert "blocked" in after.json()["error"]


def test_who_only_claims_an_id_is_counted_as_somebody_else(redis_server):
    url = redis_server.environment["TWINGUARD_COUNTERS"]
    with gateways.running(settings={"TWINGUARD_COUNTERS": url}) as gateway:
        key, told = gateway.key(), []
        front = gateway.gateway
        look_up = front._key_id_of

        async def heard(text: str) -> str:
            told.append(await look_up(text))
            return told[-1]

        front._key_id_of = heard
        wrong = gateway.post(CHAT, key[:-1] + ("0" if key[-1] != "0" else "1"), json=HELLO)
        right = gateway.post(CHAT, key, json=HELLO)

    assert (wrong.status_code, right.status_code) == (401, 200)
    assert told[0] != told[1] == key.split("_")[2]


def test_without_counters_the_gateway_stands_alone():
    with gateways.running() as gateway:
        assert not isinstance(gateway.gateway, SecurityMiddleware)


def test_a_call_stands_in_the_ledgers_side_of_reconciliation_by_its_model():
    with gateways.running() as gateway:
        assert gateway.post(CHAT, json=HELLO).status_code == 200
        standing = gateway.settled("tenant:acme")
        gateway.parts.ledger.flush()
        found = Book(gateway.keys._records, gateways.policy().retention).by_model(
            period_of(gateways.now())
        )

    assert sum(found.values()) == standing.spent > 0
    assert {model for _, model in found} == {"openai/gpt-4"}
