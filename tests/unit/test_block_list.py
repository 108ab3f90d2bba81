# SPDX-License-Identifier: Apache-2.0
"""What an instance says when a block reaches it, or none can: the lines that Terraform reads."""

from __future__ import annotations

import json
import logging
import re
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from twinguard.block_list import BlockList
from twinguard.decide.restraints import Curb, Restraint
from twinguard.errors import Unavailable
from twinguard.logs import JsonLines

README = Path(__file__).parents[2] / "terraform" / "modules" / "observability" / "README.md"


class Pushed:
    """A store that pushes what it is given, and then no more."""

    def __init__(self, *changes):
        self.changes = changes

    def follow(self):
        yield from self.changes


def block(key_id="k1", age=0.25):
    return Restraint(key_id=key_id, curb=Curb.BLOCK, since=time.time() - age)


@pytest.fixture
def lines(caplog):
    """What was said about blocks after the store pushed this."""

    def heard(*changes):
        with caplog.at_level(logging.INFO, "twinguard"):
            BlockList(Pushed(*changes), "staging")._listen()
        told = [json.loads(JsonLines().format(record)) for record in caplog.records]
        return [line for line in told if line.get("event") == "block_received"]

    return heard


def test_a_block_that_arrives_says_how_old_it_is(lines):
    (line,) = lines((), (block(age=0.25),))

    assert 250 <= line.pop("age_ms") < 5_000
    assert line == {
        "severity": "INFO",
        "message": "block received",
        "logger": "twinguard",
        "event": "block_received",
        "environment": "staging",
    }


def test_the_line_has_what_terraform_says_it_has(lines):
    (line,) = lines((), (block(),))
    described = json.loads(re.search(r"```json\n(.*?)```", README.read_text(), re.DOTALL)[1])

    assert line.keys() == described.keys()


def test_a_block_from_the_future_is_not_younger_than_nothing(lines):
    (line,) = lines((), (block(age=-60),))

    assert line["age_ms"] == 0


def test_what_was_known_or_found_at_the_start_or_is_no_block_says_nothing(lines):
    known, other = block(), block("k2")
    slowed = replace(other, curb=Curb.THROTTLE, rate=10)
    lifted = replace(known, curb=Curb.NONE)

    assert lines((known,), (known,), (slowed,), (lifted,)) == []


def test_a_block_after_a_throttle_and_one_that_comes_again_later_are_news(lines):
    one = block()
    slowed, lifted = replace(one, curb=Curb.THROTTLE, rate=10), replace(one, curb=Curb.NONE)

    assert len(lines((), (slowed,), (one,), (one,), (lifted,), (one,))) == 2


def test_a_block_after_one_that_has_ended_by_itself_is_news(lines):
    ended = replace(block(age=90), until=time.time() - 30)

    assert len(lines((ended,), (block(),))) == 1


class Silent:
    """A store that does not answer, and ends what follows it."""

    def follow(self):
        self.ends()
        raise Unavailable("no answer")


@pytest.fixture
def complaints(caplog):
    """What a list that hears nothing says once `stale` seconds are over."""

    def heard(stale):
        store = Silent()
        blocks = BlockList(store, "staging", stale)
        store.ends = blocks._ended.set
        blocks._run()
        return [json.loads(JsonLines().format(record)) for record in caplog.records]

    return heard


def test_a_list_that_hears_nothing_for_long_says_how_old_it_is(complaints):
    lost, stale = complaints(0.0)
    described = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)

    assert lost["severity"] == "WARNING"
    assert stale == json.loads(described[1]) | {"age_seconds": 0}


def test_a_short_gap_is_said_once_and_wakes_nobody(complaints):
    (lost,) = complaints(60.0)

    assert lost["message"].startswith("the block list is not followed")
    assert "event" not in lost
