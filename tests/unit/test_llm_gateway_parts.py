# SPDX-License-Identifier: Apache-2.0
"""The gateway's smaller parts: breaker, pauses, routes, the usage log, keys of providers."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading

import pytest
from msgspec.structs import replace

import gateways
from twinguard.customer_keys import Quota
from twinguard.decide import llm_requests, llm_routes
from twinguard.decide.ledger import Budgets, Scope
from twinguard.decide.llm_requests import Endpoint, Mistake
from twinguard.decide.llm_routes import Route
from twinguard.decide.llm_usage import Kind, Outcome, UsageLine
from twinguard.decide.tokens import Usage
from twinguard.errors import Misconfigured, Unavailable
from twinguard.gateway_wiring import KeyFiles, parts_from
from twinguard.llm import meter as meter_module
from twinguard.llm import usage_log
from twinguard.llm.breaker import FAILURES, OPEN_SECONDS, RESERVE, Breaker, pause
from twinguard.llm.doorkeeper import Caller
from twinguard.llm.ledger_memory import MemoryLedger
from twinguard.llm.meter import Call, Meter, measured
from twinguard.llm.prices import Prices
from twinguard.llm.upstream import Upstream
from twinguard.llm.usage_log import FileLog, Teller, TopicLog
from twinguard.llm.wire import Refusal
from twinguard.llm_policy import Gateway, Provider, ServedModel


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try():
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES - 1):
        breaker.failed()
    breaker.worked()
    for _ in range(FAILURES):
        assert breaker.lets()
        breaker.failed()

    assert not breaker.lets()
    clock.now += OPEN_SECONDS
    assert [breaker.lets(), breaker.lets()] == [True, False]
    breaker.worked()
    assert breaker.lets()


def test_retries_are_a_share_of_what_works():
    breaker = Breaker()
    while breaker.may_retry():
        continue

    for _ in range(5):
        breaker.worked()

    assert [breaker.may_retry(), breaker.may_retry()] == [True, False]
    for _ in range(1_000):
        breaker.worked()
    assert sum(breaker.may_retry() for _ in range(100)) == RESERVE


def test_pauses_double_differ_and_end():
    longest = [pause(retry, lambda: 1.0) for retry in range(1, 9)]
    shortest = [pause(retry, lambda: 0.0) for retry in range(1, 9)]

    assert longest == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert shortest == [each / 2 for each in longest]


PRICES = {"cheap": 1, "good": 5, "best": 20, "embedder": 1, "unpriced": None}


def policy(**gateway):
    models = {
        "best": ServedModel(quality=95),
        "cheap": ServedModel(quality=30),
        "embedder": ServedModel(embeddings=True),
        "good": ServedModel(quality=70, fallbacks=("best",)),
        "unpriced": ServedModel(quality=99),
    }
    block = Gateway(models=models, tasks={"chat": 60, "label": 10, "prove": 96}, **gateway)
    return replace(gateways.policy(), gateway=block)


def chosen(model, task="", endpoint=Endpoint.CHAT, with_policy=None):
    body = {"model": model, "messages": [{}], "input": "x"}
    asked = llm_requests.asked(endpoint, body, 50, 100)
    found = llm_routes.routes(
        with_policy or policy(), asked, task, lambda name, _prices: PRICES.get(name)
    )
    return found if isinstance(found, Mistake) else [route.model for route in found]


def test_auto_takes_the_cheapest_that_is_good_enough_and_falls_back_to_dearer_ones():
    assert chosen("auto", "label") == ["cheap", "good", "best"]
    assert chosen("auto", "chat") == ["good", "best"]
    assert chosen("auto") == ["cheap", "good", "best"]
    assert chosen("auto", endpoint=Endpoint.EMBEDDINGS) == ["embedder"]


def test_what_nobody_priced_is_never_chosen_by_itself():
    assert isinstance(chosen("auto", "prove"), Mistake)
    assert "unpriced" not in chosen("auto", "chat")
    assert chosen("unpriced") == ["unpriced"]


def test_a_named_model_is_taken_with_its_own_fallbacks():
    assert chosen("good") == ["good", "best"]
    assert chosen("best") == ["best"]
    assert chosen("nothing").code == "model_not_found"
    assert "leave one of them out" in chosen("good", "chat").message


def test_a_provider_of_ones_own_has_its_own_prices():
    models = {"llama": ServedModel(provider="mine"), "gpt": ServedModel(provider="azure")}
    providers = {
        "mine": Provider(endpoint="https://llm.example.com/v1", prices="local"),
        "azure": Provider(endpoint="https://azure.example.com/v1"),
    }
    own = replace(gateways.policy(), gateway=Gateway(models=models, providers=providers))
    asked = llm_requests.asked(Endpoint.CHAT, {"model": "llama", "messages": [{}]}, 50, 100)

    def found(model):
        return llm_routes.routes(own, replace(asked, model=model), "", lambda *_: 1)

    assert found("llama") == (Route("llama", "mine", "local"),)
    assert found("gpt") == (Route("gpt", "azure", "azure"),)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"models": {"auto": ServedModel()}}, "this name has one chosen"),
        ({"models": {"a": ServedModel(provider="x1")}}, "x1 is not in gateway.providers"),
        ({"models": {"a": ServedModel(fallbacks=("b",))}}, "b is not in gateway.models"),
        (
            {"models": {"a": ServedModel(embeddings=True), "b": ServedModel(fallbacks=("a",))}},
            "do not go together",
        ),
        ({"providers": {"local": Provider(endpoint="http://x")}}, "local is there already"),
        ({"guarded_networks": ("10.8.0.1/28",)}, "10.8.0.1/28 is no range of addresses"),
        ({"guarded_networks": ("fd00::/129",)}, "write it like 10.8.0.0/28"),
        ({"models": {"a": ServedModel(quality=5)}, "tasks": {"hard": 6}}, "the best has 5"),
    ],
)
def test_a_gateway_that_makes_no_sense_is_refused(block, told):
    with pytest.raises(ValueError, match=told):
        Gateway(**block)


def line(number=1):
    return UsageLine(
        id=f"r-{number}",
        request_id="r",
        attempt=number,
        at=dt.datetime(2026, 11, 25, tzinfo=dt.UTC),
        period="2026-11",
        kind=Kind.USAGE,
        outcome=Outcome.DONE,
        environment="staging",
        tenant="acme",
        feature="f",
        key_id="k",
        operation="chat",
        provider="openai",
        model="gpt-4",
        response_model="gpt-4",
        task="",
        tokens=Usage(input=1),
        nanos=5,
        price_version="v",
        estimated=False,
        batch=False,
    )


class Log:
    def __init__(self, failures=0):
        self.batches, self.failures = [], failures
        self.go = threading.Event()
        self.go.set()

    def write(self, lines):
        self.go.wait(10)
        if self.failures:
            self.failures -= 1
            raise Unavailable("not now")
        self.batches.append(list(lines))


def test_lines_are_written_in_batches_and_all_of_them_at_the_end():
    log = Log()
    teller = Teller(log)
    for number in range(450):
        teller.tell(line(number))
    teller.close()

    assert sum(map(len, log.batches)) == 450
    assert max(map(len, log.batches)) <= usage_log.BATCH


def test_a_log_that_fails_is_tried_again_and_what_is_lost_is_counted(caplog):
    log = Log(failures=2)
    teller = Teller(log, pauses=(0.0, 0.0))
    teller.tell(line())
    teller.close()
    assert (len(log.batches), teller.dropped) == (1, 0)

    lost = Teller(Log(failures=99), pauses=(0.0,))
    lost.tell(line())
    lost.close()
    assert lost.dropped == 1
    assert "1 usage lines are lost" in caplog.text


def test_no_more_than_so_many_lines_ever_wait(monkeypatch, caplog):
    monkeypatch.setattr(usage_log, "WAITING", 10)
    log = Log()
    log.go.clear()
    teller = Teller(log)
    for number in range(500):
        teller.tell(line(number))
    log.go.set()
    teller.close()

    assert teller.dropped > 0
    assert teller.dropped + sum(map(len, log.batches)) == 500
    assert "too many are waiting" in caplog.text


def test_a_topic_gets_lists_and_a_file_lines(tmp_path):
    sent = []

    class Publisher:
        def publish(self, topic, data, attributes):
            sent.append((topic, data, attributes))

    TopicLog(Publisher(), "projects/p/topics/llm-usage").write([line(1), line(2)])
    log = FileLog(tmp_path / "deep" / "usage.jsonl")
    log.write([line(1)])
    log.write([line(2)])

    ((topic, data, attributes),) = sent
    assert (topic, attributes) == ("projects/p/topics/llm-usage", {"kind": "llm-usage"})
    assert data.startswith(b"[{")
    assert len((tmp_path / "deep" / "usage.jsonl").read_text().splitlines()) == 2
    with pytest.raises(Misconfigured, match="TWINGUARD_LLM_USAGE"):
        FileLog(tmp_path / "deep" / "usage.jsonl" / "x")


def test_a_provider_key_is_read_anew_for_each_call(tmp_path):
    keys = KeyFiles({"TWINGUARD_PROVIDER_KEYS": str(tmp_path), "OPENAI_API_KEY": "another"})
    (tmp_path / "openai").write_text("first\n")
    assert keys.key_of("openai").reveal() == "first"
    (tmp_path / "openai").write_text("second\n")
    assert keys.key_of("openai").reveal() == "second"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "key").write_text("mounted\n")
    assert keys.key_of("other").reveal() == "mounted"

    (tmp_path / "openai").write_text("two\nlines")
    with pytest.raises(Unavailable, match="not one line"):
        keys.key_of("openai")
    with pytest.raises(Unavailable, match="mistral cannot be read"):
        keys.key_of("mistral")


def test_without_a_folder_only_openai_has_a_key():
    assert KeyFiles({"OPENAI_API_KEY": "k"}).key_of("openai").reveal() == "k"
    with pytest.raises(Unavailable, match="OPENAI_API_KEY"):
        KeyFiles({}).key_of("openai")
    with pytest.raises(Unavailable, match="no key of mistral"):
        KeyFiles({"OPENAI_API_KEY": "k"}).key_of("mistral")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "TWINGUARD_RECORDS is missing"),
        ({"TWINGUARD_RECORDS": "sqlite://"}, "TWINGUARD_KEY_PEPPER is missing"),
        ({"TWINGUARD_COUNTERS": "etcd://x"}, "TWINGUARD_COUNTERS"),
        ({"TWINGUARD_COUNTERS": "firestore://p/(default)"}, "no ledger; set it to redis"),
        ({"TWINGUARD_CACHE": "etcd://x"}, "TWINGUARD_CACHE"),
        ({"OPENAI_ENDPOINT": "https://evil.example.com/v1"}, "OPENAI_ENDPOINT is for"),
        ({"TWINGUARD_LLM_FIXTURES": "/no/such/folder"}, "TWINGUARD_LLM_FIXTURES"),
    ],
)
def test_a_wrong_setting_stops_the_gateway_by_name(settings, told):
    usual = {**gateways.PEPPER, "TWINGUARD_RECORDS": "sqlite://"}
    env = settings if "PEPPER" in told or "RECORDS" in told else usual | settings

    with pytest.raises(Misconfigured, match=told):
        parts_from(gateways.policy(), env)


@pytest.mark.parametrize("base", ["ftp://x/v1", "https:///v1", "https://user:pw@x/v1", "x"])
def test_an_address_that_is_none_is_refused(base):
    with pytest.raises(Misconfigured, match="no provider's address"):
        Upstream(base)


class Tired:
    """`Sink` and clock of a meter whose process is about to die."""

    def __init__(self):
        self.now = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
        self.lines = []

    def tell(self, told):
        self.lines.append(told)

    def clock(self):
        return self.now


LEASE = Gateway(seconds=30, lease_margin_seconds=12).lease_seconds


def metered(tired):
    ledger = MemoryLedger(Budgets({Scope.of("tenant:acme"): 40_000_000}), clock=tired.clock)
    return ledger, Meter(ledger, Prices(), "staging", tired, tired.clock, LEASE, blocks=False)


def call(id="req_1", **body):
    told = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}], "max_tokens": 100}
    asked = llm_requests.asked(Endpoint.CHAT, told | body, 100, 500)
    return Call(id=id, caller=Caller("key1", "acme", "f", Quota()), asked=asked)


ROUTE = Route("gpt-4", "openai", "openai")


def test_what_a_killed_process_held_is_free_the_policys_margin_after_the_longest_answer():
    """BerriAI/litellm#27639: reservations that were never given back refused calls for ever."""
    tired = Tired()
    ledger, meter = metered(tired)

    async def work():
        for number in range(3):
            await meter.hold(call(f"killed_{number}"), 1, ROUTE)
        with pytest.raises(Refusal) as refused:
            await meter.hold(call(), 1, ROUTE)
        tired.now += dt.timedelta(seconds=30 + 12 - 1)
        with pytest.raises(Refusal):
            await meter.hold(call("a second too early"), 1, ROUTE)
        tired.now += dt.timedelta(seconds=1)
        return refused.value, await meter.hold(call(), 1, ROUTE)

    refused, attempt = asyncio.run(work())

    assert (refused.status, refused.code) == (503, "budget_held")
    assert 1 <= refused.retry_after <= 60
    (standing,) = ledger.totals([Scope.of("tenant:acme")])
    assert (standing.held, standing.spent) == (attempt.held.nanos, 0)


def test_a_settlement_is_tried_again_until_the_ledger_answers(monkeypatch):
    monkeypatch.setattr(meter_module, "_SETTLE_PAUSES", (0.0, 0.0))
    tired = Tired()
    ledger, meter = metered(tired)
    real, failures = ledger.settle, [Unavailable("away"), Unavailable("away")]

    def settle(held, nanos):
        if failures:
            raise failures.pop()
        return real(held, nanos)

    ledger.settle = settle

    async def work():
        attempt = await meter.hold(call(), 1, ROUTE)
        usage = {"prompt_tokens": 10, "completion_tokens": 10}
        meter.settle(attempt, measured(attempt, usage, 0, Outcome.DONE))
        await meter.finish()

    asyncio.run(work())

    (standing,) = ledger.totals([Scope.of("tenant:acme")])
    assert (standing.held, standing.spent) == (0, 900_000)
    assert [line.nanos for line in tired.lines] == [900_000]


def test_a_hold_that_arrives_for_a_cancelled_call_is_given_back():
    tired = Tired()
    ledger, meter = metered(tired)
    slow = threading.Event()
    real = ledger.hold

    def hold(*arguments):
        slow.wait(10)
        return real(*arguments)

    ledger.hold = hold
    meter = Meter(ledger, Prices(), "staging", tired, tired.clock, 30, blocks=True)

    async def work():
        task = asyncio.create_task(meter.hold(call(), 1, ROUTE))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        slow.set()
        await meter.finish()

    asyncio.run(work())

    (standing,) = ledger.totals([Scope.of("tenant:acme")])
    assert (standing.held, standing.spent) == (0, 0)


def test_a_model_without_a_price_is_not_served_and_alarms(caplog):
    _, meter = metered(Tired())

    with pytest.raises(Refusal) as refused:
        asyncio.run(meter.hold(call(), 1, Route("no-such-model", "openai", "openai")))

    assert (refused.value.status, refused.value.code) == (503, "model_unpriced")
    assert "unpriced: no-such-model of openai" in caplog.text
