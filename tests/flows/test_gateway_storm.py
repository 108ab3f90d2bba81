# SPDX-License-Identifier: Apache-2.0
"""Everything at once: whatever clients and providers do, the ledger and the log tell the same."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import random
from collections import Counter

import openai
import pytest

import gateways
from gateways import EMBEDDER, HELLO, MODEL
from twinguard.decide.ledger import ScopeKind
from twinguard.llm.ledger_events import counted
from twinguard.standins.openai_provider import Manner

OWN = {ScopeKind.TENANT, ScopeKind.KEY}
"""What no other test counts in the same Redis."""

MANNERS = (
    *[Manner()] * 6,
    Manner(status=429),
    Manner(status=500),
    Manner(status=400),
    Manner(hang_up=True),
    Manner(events=2),
    Manner(usage=None),
    Manner(usage={"prompt_tokens": 0, "completion_tokens": 0}),
    Manner(usage={"prompt_tokens": -1}),
    Manner(raw=b"data: {broken\n\n"),
    Manner(apart=0.02),
    Manner(wait=0.05),
    Manner(whole=True),
)


def one_call(client, number):
    """A call as a client of any temper makes it."""
    chance = random.Random(number)
    hurried = client.with_options(timeout=chance.choice([0.05, 20, 20]))
    kind = chance.choice(["chat", "stream", "left", "responses", "embeddings", "cached"])
    with contextlib.suppress(openai.OpenAIError, ValueError):  # garbage is passed on
        if kind == "chat":
            hurried.chat.completions.create(model=MODEL, messages=HELLO)
        elif kind == "cached":
            hurried.chat.completions.create(model=MODEL, messages=HELLO, temperature=0)
        elif kind == "responses":
            list(hurried.responses.create(model=MODEL, input="Hello", stream=True))
        elif kind == "embeddings":
            hurried.embeddings.create(model=EMBEDDER, input=f"text {number}")
        else:
            stream = hurried.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            if kind == "left":
                next(iter(stream), None)
                stream.close()
            else:
                list(stream)


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_the_ledger_and_the_log_agree_to_the_nano_dollar(store, request):
    settings = {}
    if store == "redis":
        settings = dict(request.getfixturevalue("redis_server").environment)
    policy = gateways.policy(retries=1, gather_milliseconds=2)
    with gateways.running(policy, settings) as gateway:
        gateway.provider.then(*random.Random(7).choices(MANNERS, k=400))
        tenant = f"storm-{store}"
        client = gateway.client(gateway.key(tenant))

        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: one_call(client, number), range(150)))

        def agreed():
            standing = gateway.standing(f"tenant:{tenant}")
            told = sum(line["cost_nanos"] for line in list(gateway.lines))
            return standing.held, standing.spent, told

        held, spent, told = gateways.until(
            agreed, lambda found: not found[0] and found[1] == found[2], seconds=30
        )

        assert held == 0
        assert spent == told > 0
        attempts = [(line["request_id"], line["attempt"]) for line in gateway.lines]
        kinds = {line["outcome"] for line in gateway.lines}
        assert {"done", "broken"} <= kinds
        log = (json.dumps(line).encode() for line in gateway.lines)
        rebuilt = Counter()
        for one in counted(log, "staging"):
            own = (scope for scope in one.scopes if store == "memory" or scope.kind in OWN)
            rebuilt.update(dict.fromkeys(own, one.nanos))
        standings = gateway.parts.ledger.totals(tuple(rebuilt))
        assert {one.scope: one.spent for one in standings} == rebuilt, "what a rebuild would find"
        assert len({*attempts}) == len([one for one in gateway.lines if one["kind"] == "usage"])
