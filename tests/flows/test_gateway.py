# SPDX-License-Identifier: Apache-2.0
"""OpenAI's own SDK against the gateway, on real sockets, with a provider that behaves."""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import threading
from decimal import Decimal

import httpx2
import openai
import pytest
from msgspec.structs import replace

import gateways
import servers
from gateways import EMBEDDER, HELLO, MODEL
from twinguard import gateway_wiring
from twinguard.application import LocalLlm, Mocks
from twinguard.customer_keys import CustomerKeys, Quota
from twinguard.decide.restraints import Curb, Restraint
from twinguard.errors import Unavailable
from twinguard.policy import Environment, OnFailure, Security
from twinguard.standins.openai_provider import Manner
from twinguard.state.counters import Options, open_counters


@pytest.fixture
def gateway():
    with gateways.running() as found:
        yield found


def test_a_chat_is_answered_counted_and_told(gateway):
    key = gateway.key("acme")

    client = gateway.client(key, X_Twinguard_Feature="search")
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=50)

    assert answer.choices[0].message.content == "Twinguard keeps the budget."
    price = 9 * 30_000 + 5 * 60_000  # gpt-4: 30 and 60 dollars a million
    for scope in ("environment:staging", "tenant:acme", "feature:search", "model:openai/gpt-4"):
        assert gateway.settled(scope).spent == price
    (line,) = gateway.told(1)
    assert line["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens
    assert {
        name: line[name]
        for name in ("tenant", "feature", "environment", "gen_ai.request.model", "cost_nanos")
    } == {
        "tenant": "acme",
        "feature": "search",
        "environment": "staging",
        "gen_ai.request.model": MODEL,
        "cost_nanos": price,
    }


def test_the_provider_gets_its_own_key_and_never_the_customers(gateway):
    key = gateway.key()

    gateway.client(key).chat.completions.create(model=MODEL, messages=HELLO)

    (seen,) = gateway.provider.seen
    assert set(seen.headers) == {
        *("host", "content-type", "content-length", "accept", "accept-encoding", "user-agent"),
        *("authorization", "x-client-request-id"),
    }, "no header of the client's goes further"
    assert seen.headers["authorization"] == f"Bearer {gateways.PROVIDER_KEY}"
    assert key.encode() not in seen.raw
    assert key not in str(seen.headers)


def test_the_answer_is_bounded_by_the_policy_where_the_request_has_no_bound(gateway):
    client = gateway.client()

    client.chat.completions.create(model=MODEL, messages=HELLO)
    client.responses.create(model=MODEL, input="Hello")

    chat, response = (seen.body for seen in gateway.provider.seen)
    assert chat["max_completion_tokens"] == 1000
    assert response["max_output_tokens"] == 1000
    assert response["store"] is False


def test_a_stream_arrives_event_by_event_without_what_only_the_gateway_asked_for(gateway):
    chunks = list(
        gateway.client().chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    )

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == (
        "Twinguard keeps the budget."
    )
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert gateway.provider.seen[0].body["stream_options"] == {"include_usage": True}
    assert gateway.settled("tenant:acme").spent == 570_000


@pytest.mark.parametrize("cache", ["on", "off"])
def test_the_first_event_arrives_while_the_provider_waits_with_the_second(gateway, cache):
    """Nothing is buffered: the provider goes on only once the client has its first word."""
    gate = threading.Event()
    gateway.provider.then(Manner(gate=gate))
    client = gateway.client(X_Twinguard_Cache=cache).with_options(timeout=20)

    stream = client.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
    first = next(stream).choices[0].delta.content
    gate.set()

    assert first == "Twinguard"
    assert len(list(stream)) == 5


def test_a_document_instead_of_a_stream_is_passed_on_and_counted(gateway):
    gateway.provider.then(Manner(whole=True))

    found = gateway.post(
        "/v1/chat/completions", json={"model": MODEL, "messages": HELLO, "stream": True}
    )

    assert found.headers["content-type"] == "application/json"
    assert found.json()["choices"][0]["message"]["content"] == "Twinguard keeps the budget."
    assert gateway.settled("tenant:acme").spent == 570_000


def test_a_stream_tells_its_usage_to_who_asked(gateway):
    chunks = list(
        gateway.client().chat.completions.create(
            model=MODEL, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    assert [chunk.usage.total_tokens for chunk in chunks if chunk.usage] == [14]
    assert chunks[-1].choices == []


def test_a_response_is_streamed_and_counted(gateway):
    events = list(gateway.client().responses.create(model=MODEL, input="Hello", stream=True))

    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "Twinguard keeps the budget."
    read = events[-1].response.usage.input_tokens
    assert gateway.settled("tenant:acme").spent == read * 30_000 + 5 * 60_000


def test_embeddings_are_answered_and_counted(gateway):
    answer = gateway.client().embeddings.create(model=EMBEDDER, input=["one", "two"])

    assert len(answer.data) == 2
    assert gateway.settled("tenant:acme").spent == answer.usage.prompt_tokens * 20


def test_only_the_policys_models_are_listed(gateway):
    client = gateway.client()

    assert {model.id for model in client.models.list()} == {
        "auto",
        "gpt-4",
        "gpt-3.5-turbo",
        EMBEDDER,
    }
    assert client.models.retrieve("gpt-4").owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-secret-preview")
    assert gateway.provider.seen == []


def test_cached_and_thought_tokens_are_counted_once_and_at_their_own_price(gateway):
    """BerriAI/litellm#6215: cached tokens billed twice. langfuse#13792: thinking left out."""
    usage = {
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "prompt_tokens_details": {"cached_tokens": 800},
        "completion_tokens_details": {"reasoning_tokens": 60},
    }
    gateway.provider.then(Manner(usage=usage))

    gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

    (line,) = gateway.told(1)
    assert line["tokens"] == {"input": 200, "cache_read": 800, "output": 40, "reasoning": 60}
    assert line["gen_ai.usage.input_tokens"] == 1000
    assert line["cost_nanos"] == 1000 * 30_000 + 100 * 60_000  # gpt-4 has no price for cached ones


def test_a_usage_line_holds_what_was_used_and_no_table_of_prices(gateway):
    """BerriAI/litellm#41499, #2171, #2235, #12067, #16582: two thirds of a row were prices."""
    gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

    (line,) = gateway.told(1)
    assert len(json.dumps(line)) < 900
    assert line["price_version"].startswith("genai-prices ")


def test_auto_takes_the_cheapest_model_that_is_good_enough():
    with gateways.running(gateways.policy(tasks={"classify": 40, "reason": 80})) as gateway:
        cheap = gateway.client(X_Twinguard_Task="classify")
        good = gateway.client(X_Twinguard_Task="reason")

        cheap.chat.completions.create(model="auto", messages=HELLO)
        good.chat.completions.create(model="auto", messages=HELLO)
        with pytest.raises(openai.BadRequestError, match="there are: classify, reason"):
            gateway.client(X_Twinguard_Task="paint").chat.completions.create(
                model="auto", messages=HELLO
            )

        assert [seen.body["model"] for seen in gateway.provider.seen] == ["gpt-3.5-turbo", "gpt-4"]
        assert [line["task"] for line in gateway.told(2)] == ["classify", "reason"]


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_question_of_the_same_tenant_is_answered_once(gateway, stream):
    client = gateway.client(gateway.key("acme"))

    def ask():
        answer = client.chat.completions.create(
            model=MODEL, messages=HELLO, temperature=0, stream=stream
        )
        return [chunk.to_json() for chunk in answer] if stream else answer.to_json()

    first = ask()
    spent = gateway.settled("tenant:acme").spent
    second = ask()

    assert second == first
    assert len(gateway.provider.seen) == 1
    assert gateway.standing("tenant:acme").spent == spent
    lines = gateway.told(3)
    assert [(line["kind"], line["cost_nanos"], line["cached"]) for line in lines] == [
        ("usage", spent, False),
        ("usage", spent, True),
        ("credit", -spent, True),
    ]
    assert sum(line["cost_nanos"] for line in lines) == spent


def test_another_tenants_same_question_is_asked_again(gateway):
    """BerriAI/litellm#29955: a response cache that all tenants shared."""
    for tenant in ("acme", "globex"):
        gateway.client(gateway.key(tenant)).chat.completions.create(
            model=MODEL, messages=HELLO, temperature=0
        )

    assert len(gateway.provider.seen) == 2


def test_only_what_is_deterministic_or_wished_for_is_kept(gateway):
    key = gateway.key()
    for header, arguments in (
        ({}, {}),
        ({}, {"temperature": 0.7}),
        ({"X_Twinguard_Cache": "off"}, {"temperature": 0}),
    ):
        for _ in range(2):
            gateway.client(key, **header).chat.completions.create(
                model=MODEL, messages=HELLO, **arguments
            )
    assert len(gateway.provider.seen) == 6

    for _ in range(2):
        gateway.client(key, X_Twinguard_Cache="on").chat.completions.create(
            model=MODEL, messages=HELLO, temperature=0.9
        )

    assert len(gateway.provider.seen) == 7


def test_a_broken_answer_is_never_kept(gateway):
    client = gateway.client()
    gateway.provider.then(Manner(events=3), Manner(usage=None))

    def ask():
        return list(
            client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0, stream=True)
        )

    with pytest.raises(openai.APIError, match="broke off"):
        ask()
    ask()  # complete, but nobody knows what it cost
    ask()

    assert len(gateway.provider.seen) == 3


def test_keys_are_let_in_by_what_they_allow(gateway):
    now = dt.datetime.now(dt.UTC)
    embeds = gateway.key(scopes=("llm:embeddings",))
    disabled = gateway.key()
    gateway.keys.disable(disabled.split("_")[2], "test", "to test", now)
    hour = dt.timedelta(hours=1)
    expired = gateway.key(issued=now - 2 * hour, expires_at=now - hour)

    mistyped = embeds[:-1] + ("1" if embeds.endswith("0") else "0")

    with pytest.raises(openai.PermissionDeniedError) as refused:
        gateway.client(embeds).chat.completions.create(model=MODEL, messages=HELLO)
    for key in (disabled, expired, "ltk_live_nothing", mistyped):
        with pytest.raises(openai.AuthenticationError, match="This key is not valid"):
            gateway.client(key).chat.completions.create(model=MODEL, messages=HELLO)

    assert refused.value.code == "missing_scope"
    assert gateway.provider.seen == []


def test_a_keys_own_monthly_budget_holds(gateway):
    key = gateway.key(quota=Quota(monthly_budget=Decimal("0.001")))

    with pytest.raises(openai.PermissionDeniedError) as refused:
        gateway.client(key).chat.completions.create(model=MODEL, messages=HELLO)

    assert refused.value.code == "too_large"
    assert "lower max_tokens" in refused.value.message
    assert gateway.provider.seen == []


def test_requests_a_minute_are_limited_and_it_says_when_to_come_back():
    key = {"quota": Quota(requests_per_minute=2)}
    with gateways.running() as gateway:
        client = gateway.client(gateway.key(**key))
        for _ in range(2):
            client.chat.completions.create(model=MODEL, messages=HELLO)

        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model=MODEL, messages=HELLO)

        assert refused.value.code == "requests_per_minute_exceeded"
        assert 50 <= int(refused.value.response.headers["retry-after"]) <= 66
        assert len(gateway.provider.seen) == 2


def test_tokens_a_minute_count_real_tokens_not_calls():
    """wso2/api-platform#2936: a token limit that charged one for each call."""
    with gateways.running(gateways.policy(tokens_per_minute=2_500)) as gateway:
        client = gateway.client()
        ask = {"model": MODEL, "messages": HELLO, "max_tokens": 1000}
        for _ in range(5):  # what was taken for longer answers is given back
            client.chat.completions.create(**ask)
            gateway.settled("tenant:acme")
        gateway.provider.then(Manner(usage={"prompt_tokens": 2_000, "completion_tokens": 300}))
        client.chat.completions.create(**ask)
        gateway.told(6)

        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**ask)

        assert refused.value.code == "tokens_per_minute_exceeded"


def test_with_redis_everything_is_counted_alike(redis_server):
    counters = redis_server.environment["TWINGUARD_COUNTERS"]
    places = {"TWINGUARD_COUNTERS": counters, "TWINGUARD_CACHE": counters}
    with gateways.running(settings=places) as gateway:
        client = gateway.client(gateway.key("with-redis"), X_Twinguard_Feature="redis")

        for _ in range(2):
            client.chat.completions.create(model=MODEL, messages=HELLO, temperature=0)
        list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))

        standing = gateways.until(
            lambda: gateway.standing("tenant:with-redis"), lambda found: found.spent == 2 * 570_000
        )
        assert standing.held == 0
        assert len(gateway.provider.seen) == 2


def test_a_stolen_key_is_held_back_at_the_gateway_too(redis_server, caplog):
    """Wherever it was found: whoever is refused by the application would come here next."""
    caplog.set_level(logging.INFO, "twinguard.gateway")
    counters = redis_server.environment["TWINGUARD_COUNTERS"]
    store = open_counters(counters, Options(timeout=5.0))
    with gateways.running(settings={"TWINGUARD_COUNTERS": counters}) as gateway:
        raw = gateway.key("held-back")
        key_id = raw.split("_")[2]  # as `make keys` shows it

        def hold(curb, rate=0):
            store.restrain(Restraint(key_id=key_id, curb=curb, since=0.0, rate=rate))

        def answered():
            body = {"model": MODEL, "messages": HELLO}
            return gateway.post("/v1/chat/completions", raw, json=body)

        first = answered()
        hold(Curb.BLOCK)
        blocked = gateways.until(answered, lambda found: found.status_code != 200)
        renewed = gateway.keys.rotate(
            key_id, dt.timedelta(hours=1), "ada", "stolen", gateways.now()
        )
        again = gateway.post("/v1/chat/completions", renewed.raw, json={})
        hold(Curb.NONE)
        lifted = gateways.until(answered, lambda found: found.status_code != 403)
        hold(Curb.THROTTLE, rate=1)
        slowed = gateways.until(answered, lambda found: found.status_code != 200)

        assert (first.status_code, lifted.status_code) == (200, 200)
        for one in (blocked, again):
            assert (one.status_code, one.json()["error"]["code"]) == (403, "key_blocked")
        assert slowed.json()["error"]["code"] == "requests_per_minute_exceeded"

    fields = [record.fields for record in caplog.records if hasattr(record, "fields")]
    told = {(one["key_id"], one["code"]) for one in fields if one.get("status") == 403}
    assert told == {(key_id, "key_blocked")}


@pytest.mark.parametrize(("on_failure", "status"), [("open", 200), ("closed", 503)])
def test_without_the_store_of_keys_the_policy_says_whether_a_known_key_goes_on(
    monkeypatch, on_failure, status
):
    """Who was never seen is nobody who could pay."""
    monkeypatch.setattr(gateway_wiring, "SECONDS", 0.0)
    security = Security(on_failure=OnFailure(on_failure))
    body = {"model": MODEL, "messages": HELLO}
    with gateways.running(replace(gateways.policy(), security=security)) as gateway:
        known, other = gateway.key(), gateway.key()
        first = gateway.post("/v1/chat/completions", known, json=body)

        def down(*_):
            raise Unavailable("no answer")

        monkeypatch.setattr(CustomerKeys, "look_up", down)
        answers = [gateway.post("/v1/chat/completions", key, json=body) for key in (known, other)]

    assert [one.status_code for one in (first, *answers)] == [200, status, 503]


def test_only_customers_keys_from_outside_guarded_networks_are_watched():
    """A scanner's made-up keys are good for nothing here, and the application counts its own."""
    body = {"model": MODEL, "messages": HELLO}
    with gateways.running(gateways.policy(guarded_networks=("10.8.0.0/28",))) as gateway:
        key = gateway.key()

        def asked(address, raw):
            headers = {"X-Forwarded-For": address}
            answer = gateway.post("/v1/chat/completions", raw, json=body, headers=headers)
            return answer.status_code, gateway.app.guard.tallies.read().get("admitted", 0)

        seen = [
            asked("203.0.113.9", "made-up"),
            asked("203.0.113.9", key[:-4] + "0000"),
            asked("10.8.0.3", key),
            asked("203.0.113.9, 10.8.0.3", key),  # what the caller wrote himself is no address
            asked("10.8.0.3, 203.0.113.9", key),
        ]

    assert seen == [(401, 0), (401, 0), (200, 0), (200, 0), (200, 1)]


def test_a_process_that_begins_again_knows_what_was_spent(tmp_path):
    records = f"sqlite:///{tmp_path / 'records.db'}"
    with gateways.running(settings={"TWINGUARD_RECORDS": records}) as gateway:
        gateway.client().chat.completions.create(model=MODEL, messages=HELLO)
        spent = gateway.settled("tenant:acme").spent

    with gateways.running(settings={"TWINGUARD_RECORDS": records}) as gateway:
        assert gateway.standing("tenant:acme").spent == spent == 570_000


def test_a_local_model_goes_first_and_openai_only_helps_out():
    with gateways.OpenAIProvider() as nearby:
        local = LocalLlm(endpoint=nearby.url.removesuffix("/v1"), model="llama2")
        policy = replace(gateways.policy(Environment.DEVELOPMENT), local_llm=local)
        with gateways.running(policy) as gateway:
            client = gateway.client()

            first = client.chat.completions.create(model=MODEL, messages=HELLO)
            away = gateway.client(X_Twinguard_Local="off").chat.completions.create(
                model=MODEL, messages=HELLO
            )
            nearby.manner = Manner(status=404)  # the model is not there
            helped = client.chat.completions.create(model=MODEL, messages=HELLO)
            client.embeddings.create(model=EMBEDDER, input="x")

            assert [first.model, away.model, helped.model] == ["llama2", MODEL, MODEL]
            lines = gateway.told(4)
            assert [(line["gen_ai.provider.name"], line["cost_nanos"] > 0) for line in lines] == [
                ("local", False),
                ("openai", True),
                ("openai", True),
                ("openai", True),
            ]
            assert "authorization" not in nearby.seen[0].headers
            assert nearby.seen[0].body["max_tokens"] == 500


def test_a_local_model_that_is_not_running_is_no_hindrance():
    local = LocalLlm(endpoint=f"http://127.0.0.1:{servers.free_port()}", model="llama2")
    with gateways.running(
        replace(gateways.policy(Environment.DEVELOPMENT), local_llm=local)
    ) as gateway:
        answer = gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

        assert answer.model == MODEL
        assert gateway.settled("tenant:acme").spent == 570_000


def test_ci_is_answered_by_mocks_for_nothing():
    policy = replace(gateways.policy(Environment.DEVELOPMENT), mocks=Mocks(llm_responses=True))
    with gateways.running(policy) as gateway:
        client = gateway.client()

        chat = client.chat.completions.create(model=MODEL, messages=HELLO)
        chunks = list(client.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
        response = client.responses.create(model=MODEL, input="Hello")
        events = list(client.responses.create(model=MODEL, input="Hello", stream=True))
        vectors = client.embeddings.create(model=EMBEDDER, input=["a", "b"])

        assert chat.choices[0].message.content == "This is a mock answer."
        assert chunks[0].choices[0].delta.content == "This is a mock answer."
        assert response.output_text == events[-1].response.output_text == "This is a mock answer."
        assert len(vectors.data) == 2
        assert gateway.provider.seen == []
        assert [line["cost_nanos"] for line in gateway.told(5)] == [0] * 5


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_recorded_once_is_answered_again_without_a_provider(tmp_path, stream):
    policy = replace(gateways.policy(Environment.DEVELOPMENT), mocks=Mocks(llm_responses=True))
    folder = tmp_path / "made-by-the-recording"
    fixtures = {"TWINGUARD_LLM_FIXTURES": str(folder)}

    def ask(gateway):
        found = gateway.client().chat.completions.create(model=MODEL, messages=HELLO, stream=stream)
        return [chunk.to_json() for chunk in found] if stream else found.to_json()

    with gateways.running(policy, {**fixtures, "TWINGUARD_LLM_RECORD": "1"}) as gateway:
        first = ask(gateway)
        assert gateway.settled("tenant:acme").spent == 570_000, "recording asks, and pays"
    with gateways.running(policy, fixtures) as gateway:
        second = ask(gateway)
        assert gateway.provider.seen == []

    assert second == first
    (fixture,) = folder.iterdir()
    assert gateways.PROVIDER_KEY not in fixture.read_text()


def test_usage_lines_reach_their_topic(pubsub_server, project):
    """In batches, as JSON lists, behind the requests' backs."""
    topic = f"projects/{project}/topics/llm-usage"
    orders = f"projects/{project}/subscriptions/llm-usage"
    pubsub = f"http://{pubsub_server.address}/v1"
    httpx2.put(f"{pubsub}/{topic}", json={}).raise_for_status()
    httpx2.put(f"{pubsub}/{orders}", json={"topic": topic}).raise_for_status()
    settings = {"TWINGUARD_LLM_USAGE": topic, **pubsub_server.environment}
    with gateways.running(settings=settings, usage_log=None) as gateway:
        gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

    pulled = httpx2.post(f"{pubsub}/{orders}:pull", json={"maxMessages": 10}, timeout=30)
    (message,) = pulled.json()["receivedMessages"]

    (line,) = json.loads(base64.b64decode(message["message"]["data"]))
    assert message["message"]["attributes"] == {"kind": "llm-usage"}
    assert (line["tenant"], line["cost_nanos"]) == ("acme", 570_000)
