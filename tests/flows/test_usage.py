# SPDX-License-Identifier: Apache-2.0
"""From requests at two instances that share nothing, over Pub/Sub and two functions, to people.

The functions are processes of their own, the block is in a real Redis."""

from __future__ import annotations

import asyncio
import datetime as dt

from msgspec.structs import replace

from flows.stage import ALERTS, USAGE, staged
from guarding import KEY_ID, Site
from threats import AWAY, START, owned
from twinguard.state.counters import Options, open_counters


class Wire:
    """The topic `usage-events` of a stage."""

    def __init__(self, stage):
        self.stage = stage

    def publish(self, topic, data, attributes):
        return self.stage.publish(topic.rsplit("/", 1)[-1], data, attributes)


def now():
    return dt.datetime.now(dt.UTC)


def owners(days):
    """The owner's uses until an hour ago."""
    shift = now() - dt.timedelta(hours=1) - START - dt.timedelta(days=days)
    return [replace(one, key_id=KEY_ID, at=one.at + shift) for one in owned(days, per_hour=2)]


async def tried(sites):
    """A thief's requests, now here, now there."""
    return [
        (await sites[number % 2].get(ip=AWAY, agent="sqlmap/1.7")).status_code
        for number in range(40)
    ]


def served(stage):
    """The thief's requests that the incident tells of."""
    return sum(theft["sources"][AWAY]["requests"] for theft in stage.records("thefts"))


def test_a_theft_spread_over_instances_is_blocked_and_told(tmp_path, project, redis_server):
    url = redis_server.environment["TWINGUARD_COUNTERS"]
    counters = open_counters(url, Options(timeout=5.0))
    counters._calls._client().flushall()
    for one in owners(10):
        counters.observe(one)
    with staged(tmp_path, project, USAGE, ALERTS, TWINGUARD_COUNTERS=url) as stage:
        sites = [Site(clock=now), Site(clock=now)]
        for site in sites:
            site.reporter._publisher = Wire(stage)
        statuses = asyncio.run(tried(sites))
        for site in sites:
            site.close()
        guarded = Site(url, clock=now)
        guarded.reporter._publisher = Wire(stage)  # it may be the one that is told of the theft
        stage.wait_until(lambda: asyncio.run(guarded.get()).status_code == 403)
        stage.wait_until(lambda: len(stage.heard()["pagerduty"]) == 1)
        stage.wait_until(lambda: served(stage) >= len(statuses))
        guarded.close()
        (theft,) = stage.records("thefts")
        outcomes = set(stage.outcomes(USAGE))

    assert theft["level"] == "CRITICAL"
    assert theft["sources"][AWAY]["requests"] == 40
    assert f"API key {KEY_ID}: CRITICAL" in stage.heard()["sms"][0]
    assert outcomes == {"done"}
