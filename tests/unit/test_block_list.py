# SPDX-License-Identifier: Apache-2.0
"""What a block list says of itself, as terraform/modules/observability reads it."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from pathlib import Path

import pytest

from twinguard import logs
from twinguard.block_list import BlockList
from twinguard.decide.restraints import Curb, Restraint
from twinguard.errors import Unavailable

OBSERVABILITY = Path(__file__).parents[2] / "terraform" / "modules" / "observability"
KEY = "0123456789abcdef-7777"


class Store:
    """Counters that are followed once: what they push, or None for no answer at all."""

    def __init__(self, *pushed):
        self.pushed, self.ends = pushed, None

    def follow(self):
        if None in self.pushed:
            self.ends()
            raise Unavailable("no answer")
        yield ()
        yield from self.pushed
        self.ends()


@pytest.fixture
def told():
    """The JSON lines that following a store leads to."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def following(*pushed, stale=60.0):
        stream, store = io.StringIO(), Store(*pushed)
        blocks = BlockList(store, "staging", stale)
        store.ends = blocks._ended.set
        logs.configure(stream=stream)
        blocks._run()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield following
    root.handlers[:] = before
    root.setLevel(level)


def block(seconds_ago=0.25):
    return Restraint(key_id=KEY, curb=Curb.BLOCK, since=time.time() - seconds_ago)


def described():
    """The lines that the module's README promises, by their events."""
    found = re.findall(r"```json\n(.*?)\n```", (OBSERVABILITY / "README.md").read_text(), re.DOTALL)
    return {line["event"]: line for line in map(json.loads, found)}


def test_a_block_that_is_pushed_is_told_with_its_age(told):
    (line,) = told((block(),))

    age = line.pop("age_ms")
    wanted = dict(described()["block_received"])
    assert 250 <= age < 60_000
    assert isinstance(wanted.pop("age_ms"), int)
    assert line == wanted
    assert KEY not in str(line)


def test_a_block_from_a_clock_ahead_has_no_age(told):
    (line,) = told((block(-30),))

    assert line["age_ms"] == 0


def test_a_block_that_comes_twice_is_told_once(told):
    repeated = block()

    assert len(told((repeated,), (repeated,))) == 1


def test_a_throttle_and_a_lift_are_no_blocks(told):
    slowed = Restraint(key_id=KEY, curb=Curb.THROTTLE, since=time.time(), rate=10)
    lifted = Restraint(key_id=KEY, curb=Curb.NONE, since=time.time())

    assert told((slowed,), (lifted,)) == []
    assert len(told((slowed,), (block(),))) == 1


def test_a_list_that_hears_nothing_for_long_says_how_old_it_is(told):
    lost, stale = told(None, stale=0.0)

    wanted = described()["block_list_stale"]
    assert lost["severity"] == "WARNING"
    assert stale | {"age_seconds": wanted["age_seconds"]} == wanted
    assert stale["age_seconds"] == 0


def test_a_short_gap_is_said_once_and_wakes_nobody(told):
    (lost,) = told(None)

    assert lost["message"].startswith("the block list is not followed")
    assert "event" not in lost


def test_terraform_reads_just_these_lines():
    text = (OBSERVABILITY / "blocks.tf").read_text()

    events = set(re.findall(r'jsonPayload\.event = \\"(\w+)\\"', text))
    assert events == described().keys() == {"block_received", "block_list_stale"}
    for line in described().values():
        assert (line["logger"], line["environment"]) == ("twinguard", "staging")
