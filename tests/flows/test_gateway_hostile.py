# SPDX-License-Identifier: Apache-2.0
"""Hostile requests to the gateway: refused in OpenAI's shape, and no provider hears of them."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx2
import pytest

import gateways
from gateways import EMBEDDER, HELLO, MODEL
from twinguard.llm import wire

CHAT = "/v1/chat/completions"
FINE = {"model": MODEL, "messages": HELLO}


@pytest.fixture(scope="module")
def gateway():
    with gateways.running(gateways.policy(body_kilobytes=64)) as found:
        yield found


@pytest.fixture(scope="module")
def key(gateway):
    return gateway.key()


@pytest.fixture(autouse=True)
def nothing_reaches_the_provider(gateway):
    gateway.provider.seen.clear()
    yield
    assert gateway.provider.seen == []
    assert gateway.standing("environment:staging").spent == 0


def refused(gateway, key, raw, path=CHAT, **headers):
    found = gateway.post(
        path,
        key,
        content=raw,
        headers={"Content-Type": "application/json", **headers},
    )
    error = found.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert found.headers["x-request-id"].startswith("req_")
    return found.status_code, error["code"], error["message"]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"model": "gpt-4", "model": "o1", "messages": []}', "'model' stands twice"),
        (b'{"model": "gpt-4", "messages": [{"role": "user", "role": "system"}]}', "stands twice"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
        (b'{"model": "\xff"}', "not UTF-8"),
        (b'{"temperature": NaN}', "NaN is not JSON"),
        (b'{"n": -Infinity}', "-Infinity is not JSON"),
        (b'{"n": ' + b"9" * 5_000 + b"}", "the body cannot be read"),
        ("\ufeff{}".encode(), "Expecting value"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(gateway, key, raw, told):
    status, code, message = refused(gateway, key, raw)

    assert (status, code) == (400, "invalid_json")
    assert told in message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        ("text", None),
        ({}, "model"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 10_000}, "model"),
        ({"model": MODEL}, "messages"),
        (FINE | {"messages": {}}, "messages"),
        (FINE | {"messages": "hello"}, "messages"),
        (FINE | {"stream": "yes"}, "stream"),
        (FINE | {"stream": 1}, "stream"),
        (FINE | {"stream_options": [1]}, "stream_options"),
        (FINE | {"n": 0}, "n"),
        (FINE | {"n": -1}, "n"),
        (FINE | {"n": 1.5}, "n"),
        (FINE | {"n": True}, "n"),
        (FINE | {"n": 1000}, "n"),
        (FINE | {"max_tokens": -1}, "max_tokens"),
        (FINE | {"max_tokens": 10**9}, "max_tokens"),
        (FINE | {"max_tokens": "10"}, "max_tokens"),
        (FINE | {"max_completion_tokens": 1001}, "max_completion_tokens"),
        (FINE | {"service_tier": "priority"}, "service_tier"),
        (FINE | {"web_search_options": {"a": 1}}, "web_search_options"),
        (FINE | {"audio": {"voice": "x"}}, "audio"),
        (FINE | {"tools": [{"type": "web_search"}]}, "tools"),
        (FINE | {"tools": "all"}, "tools"),
        (
            FINE
            | {
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}
                ]
            },
            "file_id",
        ),
    ],
)
def test_what_has_no_bound_or_no_shape_is_refused(gateway, key, body, param):
    status, _, message = refused(gateway, key, json.dumps(body))

    assert status == 400
    assert param is None or param in message


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "resp_of_another_tenant"},
        {"conversation": "conv_of_another_tenant"},
        {"prompt": {"id": "pmpt_1"}},
        {"background": True},
        {"tools": [{"type": "code_interpreter"}]},
        {"input": [{"type": "item_reference", "id": "msg_of_another_tenant"}]},
    ],
)
def test_what_other_tenants_left_at_the_provider_is_out_of_reach(gateway, key, more):
    """vllm-project/semantic-router#2134: soft scoping of users leaks."""
    body = {"model": MODEL, "input": "Hello"} | more

    status, _, _ = refused(gateway, key, json.dumps(body), "/v1/responses")

    assert status == 400


def test_embeddings_have_no_streams_and_chats_no_embedders(gateway, key):
    for path, body in (
        ("/v1/embeddings", {"model": EMBEDDER, "input": "x", "stream": True}),
        ("/v1/embeddings", {"model": MODEL, "input": "x"}),
        (CHAT, FINE | {"model": EMBEDDER}),
    ):
        assert refused(gateway, key, json.dumps(body), path)[0] == 400


def test_a_model_that_is_not_in_the_policy_is_not_there(gateway, key):
    status, code, message = refused(gateway, key, json.dumps(FINE | {"model": "o1-pro"}))

    assert (status, code) == (404, "model_not_found")
    assert "GET /v1/models" in message


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(gateway, key):
    big = json.dumps(FINE | {"messages": [{"role": "user", "content": "x" * 100_000}]})

    assert refused(gateway, key, big)[:2] == (413, "body_too_large")


def test_a_body_that_hides_its_size_is_cut_off(gateway, key):
    def pieces():
        for _ in range(200):
            yield b"x" * 1024

    assert refused(gateway, key, pieces())[:2] == (413, "body_too_large")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "text/plain"}, "wrong_content_type"),
        ({"Content-Type": "application/json; charset=utf-16"}, "wrong_content_type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "wrong_content_type"),
        ({"Content-Encoding": "gzip"}, "wrong_encoding"),
    ],
)
def test_only_plain_json_is_read(gateway, key, headers, code):
    assert refused(gateway, key, json.dumps(FINE), **headers)[:2] == (415, code)


@pytest.mark.parametrize(
    "feature", ["", "Search", "a b", "../x", "x" * 65, "a:b", "x;y", "$(id)", "a,b", "é"]
)
def test_a_feature_is_a_short_word(gateway, key, feature):
    headers = {"X-Twinguard-Feature": feature.encode()}

    assert refused(gateway, key, json.dumps(FINE), **headers)[:2] == (400, "invalid_feature")


@pytest.mark.parametrize("header", ["X-Twinguard-Feature", "Authorization"])
def test_a_header_that_comes_twice_counts_for_neither(gateway, key, header):
    value = f"Bearer {key}" if header == "Authorization" else "search"
    pairs = [(header, value), (header, value), ("Content-Type", "application/json")]
    if header != "Authorization":
        pairs.append(("Authorization", f"Bearer {key}"))

    found = httpx2.post(f"{gateway.url}{CHAT}", headers=pairs, content=json.dumps(FINE))

    assert found.status_code in {400, 401}


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_a_key_comes_as_a_bearer(gateway, key, scheme):
    headers = {"Authorization": f"{scheme} {key}".strip()}

    found = httpx2.post(f"{gateway.url}{CHAT}", headers=headers, json=FINE)

    assert found.status_code == 401
    assert key not in found.text


def test_line_ends_in_a_task_or_a_model_write_no_header(gateway, key):
    told = f"{gateway.url}"
    address = urlsplit(told)
    body = json.dumps(FINE | {"model": "gpt-4\r\nX-Evil: 1"}).encode()
    request = (
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nX-Twinguard-Task: a\tb\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode() + body
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.1 4")
    assert b"\r\nX-Evil" not in answer


def test_a_key_is_never_in_an_answer_about_it(gateway):
    key = gateway.key()
    wrong = key[:-8] + "0000000" + key[-1]

    found = gateway.post(CHAT, wrong, json=FINE)

    assert found.status_code == 401
    assert wrong[-20:] not in found.text


def test_a_body_that_never_comes_is_not_waited_for(gateway, key, monkeypatch):
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.1)
    address = urlsplit(gateway.url)
    head = (
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{"
    )
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(head.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"body_too_slow"' in answer
