# SPDX-License-Identifier: Apache-2.0
"""What becomes of a request whose client is quicker than the gateway's own work after it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time

import pytest

import gateways
from twinguard.decide.customer_keys import Quota
from twinguard.decide.ledger import Budgets
from twinguard.decide.llm_requests import Endpoint
from twinguard.decide.llm_routes import Route
from twinguard.llm import wire
from twinguard.llm.attempts import Opened
from twinguard.llm.doorkeeper import Caller
from twinguard.llm.ledger_memory import MemoryLedger
from twinguard.llm.limits import MemoryLimits
from twinguard.llm.meter import Meter
from twinguard.llm.mock import Told
from twinguard.llm.prices import Prices
from twinguard.llm.serving import Serving

ROUTE = Route("gpt-4", "openai", "openai")
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
WHOLE = json.dumps({"model": "gpt-4", "choices": [], "usage": USAGE}).encode()
STREAM = b"data: " + WHOLE + b"\n\ndata: [DONE]\n\n"


class SlowCache:
    """A cache that needs a few turns of the loop to keep an answer."""

    def __init__(self):
        self.kept = []

    async def get(self, key):
        return None

    async def put(self, key, entry):
        for _ in range(20):
            await asyncio.sleep(0)
        self.kept.append(entry.body)


class Answering:
    """Attempts that are answered at once."""

    def __init__(self, meter):
        self.meter = meter

    async def open(self, call, routes):
        attempt = await self.meter.hold(call, 1, ROUTE)
        deadline = time.monotonic() + 30
        if call.asked.stream:
            return Opened(attempt, Told("text/event-stream", STREAM), deadline, first=STREAM)
        return Opened(attempt, Told("application/json", WHOLE), deadline, body=WHOLE)


class Hasty:
    """A client that leaves with the last byte of its answer."""

    def __init__(self, **body):
        told = {"model": "gpt-4", "messages": gateways.HELLO, "temperature": 0, **body}
        self.body, self.left = json.dumps(told).encode(), asyncio.Event()
        self.asked = False

    async def receive(self):
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self.body}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.left.set()


@pytest.mark.parametrize("stream", [False, True])
def test_a_complete_answer_is_kept_though_its_client_leaves_at_once(stream):
    cache = SlowCache()

    async def work():
        ledger, lines = MemoryLedger(Budgets()), []

        class Sink:
            tell = staticmethod(lines.append)

        def clock():
            return dt.datetime(2026, 11, 25, tzinfo=dt.UTC)

        meter = Meter(ledger, Prices(), "staging", Sink(), clock, 60, blocks=False)
        serving = Serving(gateways.policy(), meter, Answering(meter), MemoryLimits(), cache)
        client = Hasty(stream=stream)
        headers = [(b"content-type", b"application/json")]
        scope = {"method": "POST", "path": Endpoint.CHAT.value, "headers": headers}
        request, caller = wire.Request(scope, client.receive), Caller("k", "acme", "f", Quota())
        return await serving.serve(Endpoint.CHAT, request, caller, client.send, "req_1")

    status = asyncio.run(work())

    assert status == 200
    assert len(cache.kept) == 1
