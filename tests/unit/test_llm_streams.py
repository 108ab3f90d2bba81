# SPDX-License-Identifier: Apache-2.0
"""Streams on their way: events whole and at once, wherever the network cuts them."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinguard.decide import llm_requests
from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_requests import Endpoint
from twinguard.llm.streams import LARGEST_EVENT, Garbled, Splitter, Watch, broken
from twinguard.standins import openai_answers as answers

HELLO = [{"role": "user", "content": "Hello"}]


def asked(endpoint=Endpoint.CHAT, **body):
    name = "messages" if endpoint is Endpoint.CHAT else "input"
    found = {"model": "gpt-4", name: HELLO, "stream": True} | body
    return llm_requests.asked(endpoint, found, 100, 100)


def cut(data, places):
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def through(pieces, watch=None):
    splitter, out = Splitter(), []
    for piece in pieces:
        events = splitter.events(piece)
        out.extend(events if watch is None else map(watch.see, events))
    return out, splitter.rest()


STREAM = b"".join(
    answers.events("/v1/chat/completions", {"stream_options": {"include_usage": True}}, 1, {"a": 1})
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_events_are_the_same_wherever_the_network_cuts(places):
    whole, _ = through([STREAM])

    found, rest = through(cut(STREAM, places))

    assert found == whole
    assert rest == b""


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_every_kind_of_line_end_ends_an_event(end):
    found, rest = through([b"data: 1" + end + b"data: 2" + end + b"data: 3"])

    assert found == [b"data: 1" + end, b"data: 2" + end]
    assert rest == b"data: 3"


def test_an_event_is_handed_on_with_its_own_last_byte():
    splitter = Splitter()

    assert list(splitter.events(b"data: 1\n")) == []
    assert list(splitter.events(b"\n")) == [b"data: 1\n\n"]


def test_an_event_without_end_is_refused():
    with pytest.raises(Garbled, match="4194304 bytes"):
        through([b"x" * (LARGEST_EVENT + 1)])


def test_usage_that_nobody_asked_for_is_seen_and_taken_out():
    usage = {"prompt_tokens": 9, "completion_tokens": 5}
    events = answers.events(
        "/v1/chat/completions", {"stream_options": {"include_usage": True}}, 1, usage
    )
    watch = Watch(asked())

    out = [watch.see(event) for event in events]

    assert watch.usage == usage
    assert watch.finished
    assert watch.written == 7  # five events of 27 letters
    assert b"usage" not in b"".join(out)
    assert out.count(b"") == 1


def test_usage_that_was_asked_for_passes_untouched():
    body = {"stream_options": {"include_usage": True}}
    events = list(answers.events("/v1/chat/completions", body, 1, {"prompt_tokens": 9}))
    watch = Watch(asked(**body))

    assert [watch.see(event) for event in events] == events


def test_a_text_that_talks_of_usage_is_not_changed():
    words = ',"usage":null and \\"usage\\":null}'
    chunk = {"choices": [{"index": 0, "delta": {"content": words}}], "usage": None}
    event = b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    (line,) = Watch(asked()).see(event).split(b"\n")[:1]

    assert json.loads(line[6:])["choices"][0]["delta"]["content"] == words
    assert "usage" not in json.loads(line[6:])


def test_a_responses_usage_is_in_its_last_event():
    usage = {"input_tokens": 9, "output_tokens": 5}
    events = list(answers.events("/v1/responses", {}, 1, usage))
    watch = Watch(asked(Endpoint.RESPONSES))

    out = [watch.see(event) for event in events]

    assert out == events
    assert (watch.usage, watch.finished, watch.written) == (usage, True, 7)


@pytest.mark.parametrize(
    "event",
    [
        b"data: {broken\n\n",
        b'data: {"choices": 7}\n\n',
        b"data: [1]\n\n",
        b'data: "x"\n\n',
        b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
        b"data: " + b"[" * 5_000 + b"\n\n",
        b"data: \xff\xfe\n\n",
    ],
)
def test_what_cannot_be_read_is_passed_on_and_counted(event):
    watch = Watch(asked())

    assert watch.see(event) == event
    assert watch.written >= 1
    assert watch.usage is None


@pytest.mark.parametrize("event", [b": ping\n\n", b"\n\n", b"event: x\n\n", b"retry: 5\n\n"])
def test_what_says_nothing_counts_for_nothing(event):
    watch = Watch(asked())

    assert watch.see(event) == event
    assert watch.written == 0


def test_what_a_tool_is_called_with_counts_as_written():
    call = {"index": 0, "function": {"arguments": "x" * 400}}
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
    watch = Watch(asked())

    watch.see(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    assert watch.written > 100


def test_data_on_several_lines_is_one_event():
    watch = Watch(asked())

    watch.see(b'event: chunk\ndata: {"choices": [],\ndata: "usage": {"prompt_tokens": 3}}\n\n')

    assert watch.usage == {"prompt_tokens": 3}


def test_a_broken_stream_ends_with_an_error_that_sdks_raise():
    event = broken("it broke", Code.PROVIDER_BROKE_OFF)

    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "provider_broke_off"
    assert event.endswith(b"\n\n")
