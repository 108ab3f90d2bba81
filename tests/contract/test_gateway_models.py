# SPDX-License-Identifier: Apache-2.0
"""What the gateway spends is known by model: the ledger's side of `make reconcile`."""

from __future__ import annotations

import gateways
from twinguard.decide.ledger import period_of
from twinguard.llm.ledger_book import Book

CHAT = "/v1/chat/completions"
HELLO = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}]}


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
