# SPDX-License-Identifier: Apache-2.0
"""What every store of counters promises: the same answers for the same uses.

Memory, a Redis server, a Redis cluster of three masters; Firestore for what it is used for."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from threats import AGENT, AWAY, CALL, HOME, PLACES, RUNNER, START, owned, use
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.values import KeyFacts, ThreatLevel
from twinguard.state.counters import Options, open_counters

SECOND = 1 / 86400
THEFT = [use(9.3 + 5 * n * SECOND, AWAY, "curl/8.1", CALL) for n in range(40)]
OPTIONS = Options(place_of=PLACES.get, timeout=5.0)


@pytest.fixture(params=["memory", "redis", "cluster"])
def opened(request):
    """Opens the same store as often as it is called, as several instances would."""
    if request.param == "memory":
        only = open_counters("memory://", OPTIONS)
        return lambda: only
    server = request.getfixturevalue(f"redis_{'server' if request.param == 'redis' else 'cluster'}")
    url = server.environment["TWINGUARD_COUNTERS"]
    return lambda: open_counters(url, OPTIONS)


@pytest.fixture
def key():
    """A key that no other test uses."""
    return f"key-{uuid.uuid4().hex[:12]}"


def of(key, uses):
    return [replace(one, key_id=key) for one in uses]


def seen(counters, uses):
    return [finding for one in uses for finding in counters.observe(one)]


def watched(uses, **facts):
    watch = Watch([KeyFacts(uses[0].key_id, **facts)] if facts else [], PLACES.get)
    return [finding for one in uses for finding in watch.observe(one)]


def test_a_theft_is_found_as_in_memory(opened, key):
    uses = of(key, [*owned(9), *THEFT])
    found = seen(opened(), uses)

    assert found == watched(uses)
    assert max(one.threat_level.rank for one in found) >= ThreatLevel.HIGH.rank
