# SPDX-License-Identifier: Apache-2.0
"""Single embeddings that come at the same time: one call, exact shares, tenants apart."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateways
from gateways import EMBEDDER
from twinguard.decide.parts import parted
from twinguard.llm.gather import Gathering
from twinguard.llm.mock import Told
from twinguard.llm.upstream import Lost
from twinguard.standins.openai_provider import Manner

BODY = {"model": EMBEDDER}


class Provider:
    """`Sender` that embeds a text as its length, and takes its time."""

    def __init__(self, status=200, answer=None):
        self.bodies, self.status, self.answer = [], status, answer
        self.go = asyncio.Event()

    async def send(self, method, path, body, headers, group=""):
        asked = json.loads(body)
        self.bodies.append(asked)
        await self.go.wait()
        texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
        if self.status != 200 and ("bad" in texts or self.status >= 429):
            return Told("application/json", b'{"error":{"message":"no"}}', self.status)
        data = [{"index": at, "embedding": [len(text)]} for at, text in enumerate(texts)]
        tokens = 7 * len(texts) + 1
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        told = {"data": data[::-1], "usage": usage, "model": EMBEDDER}
        told = told if self.answer is None else self.answer
        return Told("application/json", json.dumps(told).encode())

    def close(self):
        """Nothing is open."""


def asked_together(provider, *texts, groups=None, bodies=None):
    """The answers to these texts, where the first is under way when the others come."""

    async def work():
        sender = Gathering(provider, 0.001)
        tasks = []
        for at, text in enumerate(texts):
            body = json.dumps((bodies[at] if bodies else BODY) | {"input": text}).encode()
            group = groups[at] if groups else "acme"
            tasks.append(asyncio.create_task(sender.send("POST", "/embeddings", body, {}, group)))
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0.002)
        provider.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return [
            one if isinstance(one, Exception) else (one.status, json.loads(await one.read()))
            for one in found
        ]

    return asyncio.run(work())


def test_what_comes_while_one_is_under_way_goes_together():
    provider = Provider()

    found = asked_together(provider, "a", "bbb", "cc", "dddd")

    assert [body["input"] for body in provider.bodies] == ["a", ["bbb", "cc", "dddd"]]
    assert [told["data"][0]["embedding"] for _, told in found] == [[1], [3], [2], [4]]
    assert {told["data"][0]["index"] for _, told in found} == {0}
    shares = [told["usage"]["prompt_tokens"] for _, told in found[1:]]
    assert sum(shares) == 22
    assert shares == sorted(shares, key=[7, 5, 10].index)


def test_tenants_and_different_requests_never_go_together():
    provider = Provider()
    groups = ["acme", "globex", "acme", "globex"]

    asked_together(provider, "a", "b", "c", "d", groups=groups)
    assert sorted(str(body["input"]) for body in provider.bodies) == ["a", "b", "c", "d"]

    other = Provider()
    asked_together(other, "a", "b", "c", bodies=[BODY, BODY | {"dimensions": 8}, BODY])
    assert all(isinstance(body["input"], str) for body in other.bodies)


def test_a_wrong_text_spoils_nobody_elses_answer():
    found = asked_together(Provider(status=400), "a", "good", "bad", "fine")

    assert [status for status, _ in found] == [200, 200, 400, 200]


def test_a_busy_provider_is_asked_once_and_all_hear_it():
    provider = Provider(status=429)

    found = asked_together(provider, "a", "b", "c")

    assert [status for status, _ in found] == [429] * 3
    assert len(provider.bodies) == 2


@pytest.mark.parametrize(
    "answer", [{"data": []}, {"data": [{"index": 0}]}, {"x": 1}, [], {"data": None}]
)
def test_an_answer_that_does_not_fit_is_none(answer):
    found = asked_together(Provider(answer=answer), "a", "b", "c")

    assert [type(one) for one in found[1:]] == [Lost, Lost]


def test_through_the_gateway_each_pays_its_share():
    with gateways.running(gateways.policy(gather_milliseconds=20)) as gateway:
        gateway.provider.manner = Manner(wait=0.05)
        client = gateway.client()

        def embed(number):
            text = "x" * (number + 1) * 10
            return client.embeddings.create(model=EMBEDDER, input=text, encoding_format="float")

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(embed, range(12)))

        assert all(len(answer.data) == 1 for answer in answers)
        assert len(gateway.provider.seen) < 12
        tokens = sum(answer.usage.prompt_tokens for answer in answers)
        lines = gateway.told(12)
        assert sum(line["gen_ai.usage.input_tokens"] for line in lines) == tokens
        assert sum(line["cost_nanos"] for line in lines) == tokens * 20
        assert any(line["batch"] for line in lines)
        assert gateway.settled("tenant:acme").spent == tokens * 20
        alone = {
            tuple(
                client.embeddings.create(model=EMBEDDER, input="x" * 30, encoding_format="float")
                .data[0]
                .embedding
            )
        }
        assert alone == {tuple(answers[2].data[0].embedding)}


def test_a_provider_that_breaks_off_fails_all_that_went_together():
    with gateways.running(gateways.policy(gather_milliseconds=20, retries=0)) as gateway:
        gateway.provider.manner = Manner(hang_up=True, wait=0.05)
        client = gateway.client()

        def embed(number):
            with pytest.raises(openai.InternalServerError):
                client.embeddings.create(model=EMBEDDER, input=f"text {number}")

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(embed, range(4)))

        assert not gateway.settled("tenant:acme").held


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_parts_add_up_and_none_is_further_off_than_one(total, weights):
    parts = parted(total, weights)

    assert sum(parts) == total
    counted = weights if any(weights) else [1] * len(weights)
    for part, weight in zip(parts, counted, strict=True):
        assert abs(part - total * weight / sum(counted)) < 1


def test_nothing_has_no_parts():
    assert parted(5, []) == ()
