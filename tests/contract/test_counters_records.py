# SPDX-License-Identifier: Apache-2.0
"""What counters over records promise: a block list and throttles that every instance keeps to."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from msgspec.structs import replace

from fakes import MemoryRecords
from threats import AWAY, CALL, PLACES, START, owned, use
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.values import ThreatLevel
from twinguard.state import open_records
from twinguard.state.counters import Options, open_counters
from twinguard.state.counters_records import RecordsCounters

SECOND = 1 / 86400
THEFT = [use(9.3 + n * SECOND, AWAY, "curl/8.1", CALL) for n in range(20)]


@pytest.fixture(params=["double", "firestore"])
def opened(request):
    """Opens the same store as often as it is called, as several instances would."""
    if request.param == "firestore":
        request.getfixturevalue("firestore_server")
        url = f"firestore://{request.getfixturevalue('project')}/(default)"
        return lambda: RecordsCounters(open_records(url), Options(), every=0.0)
    records = MemoryRecords()
    return lambda: RecordsCounters(records, Options(place_of=PLACES.get), every=0.0)


@pytest.fixture
def key():
    return f"key-{uuid.uuid4().hex[:12]}"


def of(key, uses):
    return [replace(one, key_id=key) for one in uses]


def found(counters, uses):
    """The ranks of what uses show."""
    return [one.threat_level.rank for use in uses for one in counters.observe(use).findings]


def restraint(key, curb, **more):
    return Restraint(key_id=key, curb=curb, since=START.timestamp(), **more)


def test_a_blocked_key_is_refused_on_every_instance_until_it_is_lifted(opened, key):
    one, other = opened(), opened()
    one.restrain(block := restraint(key, Curb.BLOCK, reason="stolen"))

    assert other.admit(use(0.1, key_id=key)).refused == block
    assert other.admit(use(0.1, key_id="another")).refused is None
    one.restrain(restraint(key, Curb.NONE))
    assert other.admit(use(0.2, key_id=key)).refused is None


def test_a_block_that_ends_by_itself_is_over(opened, key):
    one = opened()
    one.restrain(restraint(key, Curb.BLOCK, until=START.timestamp() + 60))

    assert one.admit(use(59 * SECOND, key_id=key)).refused is not None
    assert one.admit(use(60 * SECOND, key_id=key)).refused is None


def test_a_throttled_key_gets_its_rate_over_all_instances(opened, key):
    instances = [opened(), opened()]
    instances[0].restrain(restraint(key, Curb.THROTTLE, rate=10))
    answers = [instances[n % 2].admit(use((60 + n) * SECOND, key_id=key)) for n in range(30)]

    assert sum(answer.refused is None for answer in answers) == 10
    assert all(answer.retry_after > 0 for answer in answers if answer.refused)


def test_a_throttle_does_not_lift_a_block(opened, key):
    one = opened()
    one.restrain(restraint(key, Curb.BLOCK))
    one.restrain(restraint(key, Curb.THROTTLE, rate=10))

    assert one.admit(use(0.1, key_id=key)).refused.curb is Curb.BLOCK


def test_a_follower_hears_first_what_is_in_force_and_then_each_change(opened, key):
    one = opened()
    one.restrain(block := restraint(key, Curb.BLOCK))
    following = opened().follow()
    first = next(following)
    one.restrain(restraint(key, Curb.NONE))
    changes = next(change for change in following if change)

    assert block in first
    assert [(change.key_id, change.curb) for change in changes] == [(key, Curb.NONE)]


@pytest.mark.parametrize("is_held", [True, False])
def test_a_lift_is_heard_by_the_instance_that_found_the_theft(opened, key, is_held):
    """What is strange is in its memory; who lifts sits at another machine."""
    finder, lifter = opened(), opened()
    found(finder, of(key, [*owned(9), *THEFT[:3]]))
    if is_held:
        finder.restrain(restraint(key, Curb.BLOCK))
    lifter.restrain(restraint(key, Curb.NONE, is_owner=True))
    again = [replace(one, at=one.at + dt.timedelta(hours=2)) for one in of(key, THEFT)]

    assert found(finder, again) == []


def test_a_lift_that_says_nothing_of_the_owner_lets_the_thief_be_found_again(opened, key):
    finder, lifter = opened(), opened()
    before = found(finder, of(key, [*owned(9), *THEFT]))
    lifter.restrain(restraint(key, Curb.NONE))
    again = [replace(one, at=one.at + dt.timedelta(hours=2)) for one in of(key, THEFT)]

    assert max(found(finder, again)) >= max(before)


def test_what_is_over_is_asked_for_a_day_longer_and_then_gone(key):
    records = MemoryRecords()
    one = RecordsCounters(records, Options(), every=0.0)
    one.restrain(restraint(key, Curb.THROTTLE, rate=10, until=START.timestamp() + 3600))
    one.restrain(restraint(f"{key}-2", Curb.NONE))
    one.restrain(restraint(f"{key}-3", Curb.BLOCK))

    assert records.purge(START + dt.timedelta(hours=24)) == 0
    assert records.purge(START + dt.timedelta(hours=26)) == 2


def test_theft_is_found_in_the_memory_of_the_instance(key):
    one = RecordsCounters(MemoryRecords(), Options(place_of=PLACES.get))

    assert max(found(one, [*owned(9), *THEFT])) >= ThreatLevel.HIGH.rank


def test_an_address_of_firestore_opens_them():
    assert isinstance(open_counters("firestore://demo/(default)"), RecordsCounters)
