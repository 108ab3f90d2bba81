# SPDX-License-Identifier: Apache-2.0
"""One line per record, as Cloud Logging reads it, and never a secret in it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinguard import logs

TRACE = "105445aa7843bc8bf206b12000100000"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _root_logger_as_it_was():
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_line_with_its_fields():
    stream = io.StringIO()
    logs.configure(stream=stream, project="living-twin-prod")
    fields = {
        "event": "on_budget_alert",
        "environment": "production",
        "decision": "capped: 500 of 500 USD",
        "actions": ["hold living-twin-worker"],
        "outcome": "done",
        "ms": 12.5,
        "spent": Decimal("500.10"),
        "trace": f"{TRACE}/1;o=1",
    }

    logging.getLogger("twinguard").info("%s: done", "on_budget_alert", extra={"fields": fields})

    assert lines(stream) == [
        {
            "severity": "INFO",
            "message": "on_budget_alert: done",
            "logger": "twinguard",
            "event": "on_budget_alert",
            "environment": "production",
            "decision": "capped: 500 of 500 USD",
            "actions": ["hold living-twin-worker"],
            "outcome": "done",
            "ms": 12.5,
            "spent": "500.10",
            "logging.googleapis.com/trace": f"projects/living-twin-prod/traces/{TRACE}",
        }
    ]


def test_a_message_with_line_breaks_stays_one_line():
    stream = io.StringIO()
    logs.configure(stream=stream)

    logging.getLogger("twinguard").warning('one\ntwo "three"')

    assert lines(stream) == [
        {"severity": "WARNING", "message": 'one\ntwo "three"', "logger": "twinguard"}
    ]


def test_a_field_cannot_pass_itself_off_as_the_severity():
    stream = io.StringIO()
    logs.configure(stream=stream)

    logging.getLogger("twinguard").error("no", extra={"fields": {"severity": "INFO", "event": "e"}})

    assert lines(stream) == [
        {"severity": "ERROR", "message": "no", "logger": "twinguard", "event": "e"}
    ]


def test_a_trace_that_is_none_is_left_out():
    stream = io.StringIO()
    logs.configure(stream=stream, project="living-twin-prod")

    logging.getLogger("twinguard").info("x", extra={"fields": {"trace": "../../other"}})

    assert lines(stream) == [{"severity": "INFO", "message": "x", "logger": "twinguard"}]


def test_configuring_twice_logs_once():
    stream = io.StringIO()
    logs.configure(stream=stream)
    logs.configure(stream=stream)

    logging.getLogger("twinguard").info("once")

    assert lines(stream) == [{"severity": "INFO", "message": "once", "logger": "twinguard"}]


def test_a_terminal_hears_nothing_twice():
    stream = Terminal()
    logs.configure(stream=stream)
    fields = {"event": "gateway", "path": "/v1/models", "status": 200, "ms": 2.5}

    logging.getLogger("x").info("gateway: /v1/models 200", extra={"fields": fields})

    assert stream.getvalue()[8:] == " INFO     gateway: /v1/models 200  ms=2.5\n"


def test_a_terminal_gets_a_line_for_people_with_control_characters_spelled_out():
    stream = Terminal()
    logs.configure(stream=stream)

    logging.getLogger("twinguard").info(
        "evil\x1b[2J\nname", extra={"fields": {"outcome": "done", "ms": 3, "trace": ""}}
    )

    told = stream.getvalue()
    assert told[8:] == " INFO     evil\\x1b[2J\\nname  outcome=done  ms=3\n"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key sk-proj-abcDEF123_456 used", "key sk-[hidden] used"),
        ("key AIza" + "Sy0123_" * 5 + " used", "key AIza[hidden] used"),
        ("token ya29." + "a0AfH6SM" * 5, "token ya29.[hidden]"),
        (
            "POST https://hooks.slack.com/services/T012AB/B034CD/x5Yz: 404",
            "POST https://hooks.slack.com/services/[hidden]: 404",
        ),
        ("token xoxb-123456789-abcdef", "token xoxb-[hidden]"),
        (f"as AC{'0' * 32}:s3cretT0ken", f"as AC{'0' * 32}:[hidden]"),
        ("auth_token=0123456789abcdef", "auth_token=[hidden]"),
        ('{"routing_key": "R0UTINGKEY0", "dedup": 1}', '{"routing_key": "[hidden]", "dedup": 1}'),
        ("api-key: abcdefghijklmnop, sent", "api-key: [hidden], sent"),
        ("x-api-key: 0a1b2c", "x-api-key: [hidden]"),
        ("api_key=overlap, version 4", "api_key=[hidden], version 4"),
        ("password: overlap, then", "password: [hidden], then"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: [hidden]"),
        ("{'authorization': 'Bearer abc.def'}", "{'authorization': '[hidden]'}"),
        ("sent Bearer eyJhbGciOi.J9.x", "sent Bearer [hidden]"),
        ("smtp://alerts:pa%20ss@mail:587 down", "smtp://alerts:[hidden]@mail:587 down"),
        ("redis://:pw@cache:6379", "redis://:[hidden]@cache:6379"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, clean):
    redaction = logs.Redaction()

    assert redaction.cleaned(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        f"projects/living-twin-prod/traces/{TRACE}",
        "message 12345678901234567 of subscription living-twin-ingest-push",
        "https://run.googleapis.com/v2/projects/p/locations/l/services/living-twin-api",
        "key 3f9a…c0de at 12:30, task-force, risk-averse-people",
        "openai-api-key: overlap, version 4; until the old key ends",
        "openai-api-key: OpenAI's answer is none",
        "maps-api-key: 3 keys are ended, but 1 values work on",
    ],
)
def test_what_people_need_to_see_stays(text):
    assert logs.Redaction().cleaned(text) == text


@pytest.mark.parametrize(("words", "pattern"), [row[:2] for row in logs._PATTERNS])
@given(data=st.data())
def test_whatever_a_pattern_hides_has_one_of_the_words_that_are_looked_for_first(
    words, pattern, data
):
    text = data.draw(st.from_regex(pattern))

    assert any(word in text.casefold() for word in words)


def test_a_secret_is_hidden_in_message_arguments_fields_and_tracebacks():
    stream = io.StringIO()
    logs.configure(["p@ss word", "p@ss word longer", "", "abc"], stream)

    try:
        int("p@ss word")
    except ValueError:
        logging.getLogger("x").exception(
            "%s or %s",
            "p@ss word longer",
            "p%40ss%20word",
            extra={"fields": {"a": {"b": ["p@ss word", 1, True, None]}, "p": "abc"}},
        )

    text = stream.getvalue()
    [line] = lines(stream)
    line.pop("exc_text")
    assert "p@ss" not in text
    assert "with base 10: '[hidden]'" in text
    assert line == {
        "severity": "ERROR",
        "message": "[hidden] or [hidden]",
        "logger": "x",
        "a": {"b": ["[hidden]", 1, True, None]},
        "p": "abc",
    }


def test_importing_the_logs_loads_no_third_party_package():
    """Each function imports them before anything else: cold start."""
    code = (
        "import sys; before = set(sys.modules); import twinguard.logs;"
        "new = {n.partition('.')[0] for n in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names - {'twinguard'}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"
