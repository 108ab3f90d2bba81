# SPDX-License-Identifier: Apache-2.0
"""The gateway while clients leave and providers are slow, broken, lying or not there at all.

What may have cost is counted, what cannot have is given back, and nothing stays held."""

from __future__ import annotations

import concurrent.futures
import contextlib
from decimal import Decimal

import httpx2
import openai
import pytest
from msgspec.structs import replace

import gateways
import servers
from gateways import HELLO, MODEL
from twinguard import state
from twinguard.decide.model import Breaker
from twinguard.journal import Journal
from twinguard.llm import upkeep
from twinguard.standins.openai_provider import Manner

INPUT, OUTPUT = 30_000, 60_000  # nano-dollars for a token of gpt-4
STREAM = {"model": MODEL, "messages": HELLO, "stream": True}


@pytest.fixture
def gateway():
    with gateways.running(gateways.policy(retries=0)) as found:
        yield found


@pytest.fixture
def retrying():
    with gateways.running(gateways.policy(retries=2)) as found:
        yield found


def only_line(gateway):
    (line,) = gateway.told(1)
    return line


def test_a_burst_cannot_spend_what_only_one_of_it_may():
    """BerriAI/litellm#26672: a burst of requests all saw the same old balance."""
    policy = gateways.policy()
    policy = replace(policy, openai=replace(policy.openai, monthly_budget=Decimal("0.03")))
    with gateways.running(policy) as gateway:
        gateway.provider.manner = Manner(wait=0.5)
        client = gateway.client()

        def ask(_number):
            try:
                client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=200)
            except openai.APIStatusError as err:
                return err.status_code, err.code, err.response.headers.get("retry-after")
            return 200, "", None

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            found = list(pool.map(ask, range(12)))

        # 0.03 dollars: one request may cost up to 0.0167.
        assert [one for one in found if one[0] == 200] == [(200, "", None)]
        refused = {one[:2] for one in found if one[0] != 200}
        assert refused == {(503, "budget_held")}
        assert all(1 <= int(one[2]) <= 10 for one in found if one[0] == 503)
        assert len(gateway.provider.seen) == 1


def test_a_spent_budget_is_told_with_a_remedy_and_without_a_wait(gateway):
    policy = gateways.policy()
    policy = replace(policy, openai=replace(policy.openai, monthly_budget=Decimal("0.02")))
    with gateways.running(policy) as small:
        client = small.client()
        small.provider.then(Manner(usage={"prompt_tokens": 400, "completion_tokens": 100}))
        client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=100)
        small.settled("tenant:acme")

        with pytest.raises(openai.InternalServerError) as refused:
            client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=100)

        assert refused.value.status_code == 503
        assert refused.value.code == "budget_spent"
        assert refused.value.message.count("Service temporarily unavailable due to budget limits")
        assert "retry-after" not in refused.value.response.headers
        assert refused.value.response.headers["x-should-retry"] == "false"
        assert len(small.provider.seen) == 1


def test_a_client_that_leaves_a_stream_pays_for_what_came(gateway):
    """BerriAI/litellm#14457, #13245, PR #33736: what was streamed before was never counted."""
    gateway.provider.manner = Manner(apart=0.05)
    stream = gateway.client().chat.completions.create(**STREAM)
    next(stream)
    next(stream)
    stream.close()

    line = only_line(gateway)
    assert line["outcome"] == "left"
    assert line["estimated"] is True
    assert 2 <= line["gen_ai.usage.output_tokens"] <= 6
    assert line["gen_ai.usage.input_tokens"] >= 9
    assert gateway.settled("tenant:acme").spent == line["cost_nanos"]
    assert gateway.provider.left.wait(5), "the provider still talks to nobody"


def test_a_client_that_leaves_a_whole_answer_pays_what_it_really_cost(gateway):
    gateway.provider.manner = Manner(wait=1.0)

    with pytest.raises(openai.APITimeoutError):
        gateway.client().with_options(timeout=0.5).chat.completions.create(
            model=MODEL, messages=HELLO
        )

    line = only_line(gateway)
    assert line["estimated"] is False
    assert gateway.settled("tenant:acme").spent == 9 * INPUT + 5 * OUTPUT


def test_a_client_that_leaves_before_a_stream_begins_pays_for_the_question(gateway):
    gateway.provider.manner = Manner(wait=5.0)

    with pytest.raises(openai.APITimeoutError):
        gateway.client().with_options(timeout=0.5).chat.completions.create(**STREAM)

    line = only_line(gateway)
    assert line["gen_ai.usage.output_tokens"] == 0
    assert line["gen_ai.usage.input_tokens"] > 0
    assert not gateway.settled("tenant:acme").held


def test_a_stream_that_breaks_off_says_so_and_is_counted(gateway):
    gateway.provider.then(Manner(events=3))
    seen = []

    with pytest.raises(openai.APIError, match="broke off"):
        seen.extend(gateway.client().chat.completions.create(**STREAM))

    line = only_line(gateway)
    assert line["outcome"] == "broken"
    assert line["gen_ai.usage.output_tokens"] == 5  # three events of 19 letters
    assert len(gateway.provider.seen) == 1, "a stream is never tried again once a byte is out"
    assert not gateway.settled("tenant:acme").held


def test_a_stream_that_breaks_off_is_not_tried_again_even_where_retries_are_on(retrying):
    retrying.provider.then(Manner(events=1))

    with pytest.raises(openai.APIError, match="broke off"):
        list(retrying.client().chat.completions.create(**STREAM))

    assert len(retrying.provider.seen) == 1


def test_a_provider_that_says_zero_is_believed(gateway):
    """BerriAI/litellm#37992, PR #36008: an explicit zero was billed as the worst case."""
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    gateway.provider.manner = Manner(usage=zero)

    gateway.client().chat.completions.create(model=MODEL, messages=HELLO)
    list(gateway.client().chat.completions.create(**STREAM))

    assert [(line["cost_nanos"], line["estimated"]) for line in gateway.told(2)] == [
        (0, False),
        (0, False),
    ]


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": -5, "completion_tokens": 5},
        {"prompt_tokens": "many", "completion_tokens": 5},
        {"prompt_tokens": 1.5, "completion_tokens": True},
        {"tokens": 12},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_usage_that_is_missing_or_senseless_is_estimated_and_marked(gateway, usage, stream):
    gateway.provider.manner = Manner(usage=usage)

    answer = gateway.client().chat.completions.create(model=MODEL, messages=HELLO, stream=stream)
    if stream:
        list(answer)

    line = only_line(gateway)
    assert line["estimated"] is True
    assert line["gen_ai.usage.input_tokens"] > 0
    assert line["gen_ai.usage.output_tokens"] > 0


def test_usage_beyond_what_was_held_is_counted_in_full(gateway):
    gateway.provider.manner = Manner(usage={"prompt_tokens": 10**7, "completion_tokens": 10**6})

    gateway.client().chat.completions.create(model=MODEL, messages=HELLO, max_tokens=10)

    assert gateway.settled("tenant:acme").spent == 10**7 * INPUT + 10**6 * OUTPUT


def test_usage_beyond_all_reason_does_not_break_the_ledger(gateway):
    gateway.provider.manner = Manner(usage={"prompt_tokens": 10**30, "completion_tokens": 1})

    gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

    assert gateway.settled("tenant:acme").spent == 2**53 - 1


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_the_providers_words_about_a_wrong_request_reach_the_client_and_cost_nothing(
    retrying, status
):
    retrying.provider.manner = Manner(status=status)

    with pytest.raises(openai.APIStatusError, match=f"asked to answer {status}") as refused:
        retrying.client().chat.completions.create(model=MODEL, messages=HELLO)

    assert refused.value.status_code == status
    assert len(retrying.provider.seen) == 1
    assert retrying.standing("tenant:acme").spent == 0
    assert not retrying.settled("tenant:acme", spent=False).held


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_provider_key_is_our_fault_and_shown_to_nobody(gateway, status):
    said = {"error": {"message": f"Incorrect API key provided: {gateways.PROVIDER_KEY}"}}
    gateway.provider.manner = Manner(status=status, body=said)

    with pytest.raises(openai.InternalServerError) as refused:
        gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

    assert refused.value.status_code == 502
    assert refused.value.code == "provider_refused"
    assert "sk-" not in refused.value.response.text


@pytest.mark.parametrize("manner", [Manner(status=429), Manner(status=500), Manner(hang_up=True)])
def test_what_may_pass_is_tried_again_under_its_own_hold(retrying, manner):
    retrying.provider.then(manner)

    answer = retrying.client().chat.completions.create(model=MODEL, messages=HELLO)

    assert answer.choices
    assert len(retrying.provider.seen) == 2
    lines = retrying.told(2 if manner.hang_up else 1)
    assert lines[-1]["attempt"] == 2
    assert not retrying.settled("tenant:acme").held


def test_a_dropped_connection_may_have_cost_so_its_input_counts(retrying):
    retrying.provider.then(Manner(hang_up=True))

    retrying.client().chat.completions.create(model=MODEL, messages=HELLO)

    broken, done = retrying.told(2)
    assert (broken["attempt"], broken["outcome"], broken["estimated"]) == (1, "broken", True)
    assert (done["attempt"], done["outcome"], done["estimated"]) == (2, "done", False)
    spent = retrying.settled("tenant:acme").spent
    assert spent == broken["cost_nanos"] + done["cost_nanos"]


def test_a_model_that_does_not_answer_falls_back_to_the_next(retrying):
    retrying.provider.then(*[Manner(status=503)] * 3)

    answer = retrying.client().chat.completions.create(model=MODEL, messages=HELLO)

    assert answer.model == "gpt-3.5-turbo"
    models = [seen.body["model"] for seen in retrying.provider.seen]
    assert models == [MODEL, MODEL, MODEL, "gpt-3.5-turbo"]
    assert only_line(retrying)["gen_ai.request.model"] == "gpt-3.5-turbo"


def test_a_provider_that_asks_for_a_long_wait_is_not_waited_for(retrying):
    retrying.provider.manner = Manner(status=429, headers={"Retry-After": "120"})

    with pytest.raises(openai.RateLimitError) as refused:
        retrying.client().chat.completions.create(model=MODEL, messages=HELLO)

    assert refused.value.response.headers["retry-after"] == "120"
    assert len(retrying.provider.seen) == 2  # one for each model


def test_a_provider_that_keeps_failing_is_left_alone(gateway):
    gateway.provider.manner = Manner(status=500)
    client = gateway.client()
    for _ in range(5):
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="gpt-3.5-turbo", messages=HELLO)

    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="gpt-3.5-turbo", messages=HELLO)

    assert refused.value.code == "provider_unavailable"
    assert len(gateway.provider.seen) == 5
    assert not gateway.settled("tenant:acme", spent=False).held


def test_a_provider_that_takes_too_long_is_given_up_and_counted():
    with gateways.running(gateways.policy(seconds=1, retries=0)) as gateway:
        gateway.provider.manner = Manner(wait=5)

        with pytest.raises(openai.InternalServerError) as refused:
            gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

        assert refused.value.status_code == 504
        assert refused.value.code == "provider_timeout"
        assert only_line(gateway)["outcome"] == "broken"
        assert not gateway.settled("tenant:acme").held


def test_a_provider_that_nobody_can_reach_costs_nothing():
    nowhere = f"http://127.0.0.1:{servers.free_port()}/v1"
    with gateways.running(gateways.policy(retries=0), {"OPENAI_ENDPOINT": nowhere}) as gateway:
        with pytest.raises(openai.InternalServerError) as refused:
            gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

        assert refused.value.code == "provider_unreachable"
        standing = gateway.settled("tenant:acme", spent=False)
        assert (standing.spent, standing.held) == (0, 0)


def test_a_provider_that_is_away_is_told_once_and_once_when_it_is_back(gateway, caplog):
    caplog.set_level("INFO", "twinguard.gateway")
    gateway.provider.then(*[Manner(hang_up=True)] * 3, Manner(), Manner())
    client = gateway.client()
    for _ in range(5):
        with contextlib.suppress(openai.InternalServerError):
            client.chat.completions.create(model="gpt-3.5-turbo", messages=HELLO)

    told = [line.message.split(":")[0] for line in caplog.records if "openai" in line.message]
    assert told == ["openai fails", "openai answers again"]


def test_without_counters_nothing_is_spent():
    """AutoGPT PR #12990, litellm-rs#836: a store that was away let everybody spend."""
    nowhere = f"redis://127.0.0.1:{servers.free_port()}/0"
    with gateways.running(settings={"TWINGUARD_COUNTERS": nowhere}) as gateway:
        with pytest.raises(openai.InternalServerError) as refused:
            gateway.client().chat.completions.create(model=MODEL, messages=HELLO)

        assert refused.value.status_code == 503
        assert int(refused.value.response.headers["retry-after"]) == 5
        assert gateway.provider.seen == []


def test_no_route_gets_past_the_budgets(gateway):
    """maximhq/bifrost#2873: passthrough routes skipped budgets."""
    key = gateway.key()
    for path in (
        "/v1/completions",
        "/v1/images/generations",
        "/v1/audio/speech",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "/V1/chat/completions",
        "/v1/chat/completions/../../files",
        "/v1/files",
        "/v1/batches",
        "/openai/deployments/gpt-4/chat/completions",
    ):
        found = gateway.post(path, key, json={"model": MODEL, "messages": HELLO})
        assert (found.status_code, found.json()["error"]["code"]) == (404, "unknown_route"), path

    assert gateway.post("/v1/models", key, json={}).status_code == 405
    assert gateway.provider.seen == []


def test_a_stream_of_garbage_goes_through_and_is_counted(gateway):
    gateway.provider.then(
        Manner(raw=b"data: {not json\n\n: a comment\n\ndata:\n\nevent: x\ndata: [1,2\n\n")
    )

    key = gateway.key()
    with httpx2.stream(
        "POST",
        f"{gateway.url}/v1/chat/completions",
        headers={"Authorization": f"Bearer {key}"},
        json=STREAM,
    ) as answer:
        body = answer.read()

    assert body.startswith(b"data: {not json\n\n: a comment\n\n")
    assert b'"code":"provider_broke_off"' in body
    line = only_line(gateway)
    assert (line["outcome"], line["estimated"]) == ("broken", True)


def test_an_event_without_an_end_is_not_collected_for_ever(gateway):
    gateway.provider.then(Manner(raw=b"data: " + b"x" * 5 * 1024 * 1024))

    with pytest.raises(openai.APIError, match="broke off"):
        list(gateway.client().chat.completions.create(**STREAM))

    assert only_line(gateway)["outcome"] == "broken"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_http_is_a_failure_like_any_other(answer):
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(gateways.speaking(answer))
        gateway = stack.enter_context(
            gateways.running(gateways.policy(retries=0), {"OPENAI_ENDPOINT": url})
        )

        with pytest.raises(openai.InternalServerError) as refused:
            gateway.client().chat.completions.create(model="gpt-3.5-turbo", messages=HELLO)

        assert refused.value.code == "provider_broke_off"
        assert only_line(gateway)["outcome"] == "broken"


def test_an_open_cost_breaker_stops_the_gateway_within_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(upkeep.Upkeep.__init__, "__defaults__", (0.02,))
    place = f"sqlite:///{tmp_path / 'records.db'}"
    with gateways.running(settings={"TWINGUARD_RECORDS": place}) as gateway:
        client = gateway.client()
        client.chat.completions.create(model=MODEL, messages=HELLO)
        journal = Journal(state.open_records(place), gateways.policy().retention)
        journal.keep_breaker(journal.breaker(), Breaker((("staging", "used up"),)))

        def ask():
            try:
                client.chat.completions.create(model=MODEL, messages=HELLO)
            except openai.InternalServerError as err:
                return err
            return None

        refused = gateways.until(ask, lambda found: found is not None)

        assert (refused.status_code, refused.code) == (503, "cloud_budget")
        assert "due to budget limits" in refused.message
