# SPDX-License-Identifier: Apache-2.0
"""Two instances of an application over a real Redis: what one finds, the other refuses at once."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest
from msgspec.structs import replace

from guarding import KEY_ID, Clock, Site
from threats import AWAY, START, owned
from twinguard.decide.restraints import Curb, Restraint
from twinguard.state.counters import Options, open_counters

SECOND = 1 / 86400
WITHIN = 1.0


@pytest.fixture(params=["redis_server", "redis_cluster"])
def url(request):
    server = request.getfixturevalue(request.param)
    found = server.environment["TWINGUARD_COUNTERS"]
    open_counters(found, Options(timeout=5.0))._calls._client().flushall()
    return found


@pytest.fixture
def sites(url):
    clock = Clock(14.3)
    made = [Site(url, clock=clock), Site(url, clock=clock)]
    for site in made:
        site.guard.start()
        assert soon(lambda site=site: site.guard.blocks.age() < 1)
    yield made
    for site in made:
        site.close()


def soon(is_so, within=5.0):
    """True once something is so."""
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True


def test_from_the_deciding_request_to_403_on_a_second_instance(sites, capsys):
    """Both the push alone, and a request that asks."""
    one, other = sites
    for use in owned(14):
        one.guard.counters.observe(replace(use, key_id=KEY_ID))
    for number in range(200):
        one.clock.days = 14.3 + 5 * number * SECOND
        decided = time.monotonic()
        answer = asyncio.run(one.get(ip=AWAY, agent="sqlmap/1.7"))
        if answer.status_code == 403:
            break
    assert answer.status_code == 403

    assert soon(lambda: other.guard.blocks.held(KEY_ID, START.timestamp() + 15 * 86400))
    pushed = time.monotonic() - decided
    refused = asyncio.run(other.get())
    took = time.monotonic() - decided
    with capsys.disabled():
        sys.stdout.write(f" pushed after {1000 * pushed:.1f} ms, 403 after {1000 * took:.1f} ms ")

    assert refused.status_code == 403
    assert other.tallies.read()["refused_blocked"] == 1
    assert took < WITHIN


def test_a_lifted_block_is_lifted_everywhere(sites):
    one, other = sites
    block = Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp())
    one.guard.counters.restrain(block)
    assert soon(lambda: len(one.guard.blocks) == len(other.guard.blocks) == 1)
    one.guard.counters.restrain(replace(block, curb=Curb.NONE))

    assert soon(lambda: len(one.guard.blocks) == len(other.guard.blocks) == 0)
    assert asyncio.run(other.get()).status_code == 200


def test_before_a_block_is_lifted_each_instance_hears_of_whose_it_is(sites):
    one, other = sites
    heard = []
    other.guard.blocks.before_lift = heard.append
    block = Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp())
    one.guard.counters.restrain(block)
    assert soon(lambda: len(other.guard.blocks) == 1)
    one.guard.counters.restrain(replace(block, curb=Curb.NONE))

    assert soon(lambda: len(other.guard.blocks) == 0)
    assert heard == [KEY_ID]


def test_an_instance_that_starts_later_knows_all_blocks(sites, url):
    block = Restraint(key_id=KEY_ID, curb=Curb.BLOCK, since=START.timestamp())
    sites[0].guard.counters.restrain(block)
    later = Site(url, clock=Clock(1.0))
    later.guard.start()

    assert soon(lambda: later.guard.blocks.held(KEY_ID, START.timestamp() + 1) == block)
    later.close()


def test_ten_a_minute_is_kept_over_all_instances(sites):
    block = Restraint(key_id=KEY_ID, curb=Curb.THROTTLE, since=START.timestamp(), rate=10)
    sites[0].guard.counters.restrain(block)
    codes = [asyncio.run(sites[n % 2].get()).status_code for n in range(40)]

    assert codes == [200] * 10 + [429] * 30
