# SPDX-License-Identifier: Apache-2.0
"""Each detector names what it saw, in numbers; agreement makes the level."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from threats import AWAY, HOME, START, use
from twinguard.decide.threats.assess import assess
from twinguard.decide.threats.baseline import (
    ADDRESS,
    AGENT,
    COUNTRY,
    KIND,
    NETWORK,
    PATH,
    Baseline,
)
from twinguard.decide.threats.detectors import (
    concurrent_usage,
    geographic_anomaly,
    pattern_anomaly,
    surprise,
)
from twinguard.decide.threats.places import apart_km
from twinguard.decide.threats.rules import RULES
from twinguard.decide.threats.values import NetworkKind, ThreatLevel
from twinguard.decide.threats.volume import burst, usage_spike
from twinguard.decide.threats.window import Novel, Window

AT = START.timestamp() + 20 * 86400
HOUR = int(AT // 3600)
ANY = use(20, AWAY)


def baseline(**changes: object) -> Baseline:
    """A key that was used every hour for twenty days, from one address."""
    known = {HOME: [0, 480, 20]}
    seen: list[dict[str, list[int]]] = [{} for _ in range(6)]
    seen[ADDRESS] = known
    seen[COUNTRY] = {"US": [0, 480, 20]}
    seen[KIND] = {"eyeball": [0, 480, 20]}
    given = {
        "since": HOUR - 480,
        "active": 180.0,
        "avg_requests_per_hour": 100.0,
        "peak_hour": 200.0,
        "peak_60": 12.0,
        "peak_10": 4.0,
        "seen": seen,
        "week": [100] * 168,
    }
    return Baseline(**(given | changes))


def window(**changes: object) -> Window:
    """A quiet window of the same key."""
    given = {
        "at": AT,
        "hour": HOUR,
        "requests_10s": 1.0,
        "requests_60s": 2.0,
        "requests_hour": 50.0,
        "limit": 48.0,
        "known_at": AT - 60,
        "known_country": "US",
        "known_active": 1,
    }
    return Window(**(given | changes))


def novel(*dimensions: int, churn: float = 0.002, **values: str) -> tuple[tuple[Novel, ...], ...]:
    """New values of some dimensions, never seen before."""
    return tuple(
        (Novel(values.get(f"d{at}", f"new-{at}"), AT - 5, 0.0, churn),) if at in dimensions else ()
        for at in range(6)
    )


def stranger(*dimensions: int, **changes: object) -> Window:
    given = {"strange": 5, "succeeded": 5, "since": AT - 30, "strange_hour": 5.0}
    return window(novel=novel(*dimensions), **(given | changes))


@pytest.mark.parametrize(("count", "expected"), [(0, 0.1), (1, 1.0), (2, 3.0)])
def test_what_was_expected_is_no_surprise(count, expected):
    assert surprise(count, expected) == 0


def test_one_new_value_surprises_by_its_rarity():
    assert surprise(1, 0.01) == pytest.approx(-math.log2(1 - math.exp(-0.01)), rel=0.01)
    assert surprise(1, 0.5) < 2
    assert surprise(20, 0.1) > surprise(3, 0.1) > surprise(1, 0.1)


def test_a_new_address_of_a_restless_key_means_nothing():
    calm = geographic_anomaly(ANY, stranger(ADDRESS, NETWORK), baseline(), RULES)
    wide = tuple((replace(n[0], churn=3.0),) if n else () for n in novel(ADDRESS, NETWORK))
    restless = geographic_anomaly(ANY, window(strange=5, novel=wide), baseline(), RULES)

    assert calm.parts["new_source"] > 8
    assert restless.parts.get("new_source", 0.0) < 0.1


def test_a_new_place_is_told_with_where_it_was_before():
    at = stranger(ADDRESS, NETWORK, COUNTRY, KIND)
    fresh = list(at.novel)
    fresh[COUNTRY] = (replace(fresh[COUNTRY][0], value="RU"),)
    fresh[KIND] = (replace(fresh[KIND][0], value="hosting"),)
    signal = geographic_anomaly(ANY, replace(at, novel=tuple(fresh)), baseline(), RULES)

    assert signal.parts["new_country"] == 2.0
    assert signal.parts["new_kind_of_network"] == 2.5
    assert signal.parts["impossible_travel"] == pytest.approx(3.0)
    assert signal.evidence["new_countries"] == ["RU"]
    assert signal.evidence["usual_countries"] == ["US"]
    assert signal.evidence["km_from_last_country"] == round(apart_km("US", "RU"))
    assert signal.evidence["hours_since_last_known_use"] == 0.02


def test_a_flight_that_was_possible_is_none_that_was_not():
    at = stranger(ADDRESS, NETWORK, COUNTRY, known_at=AT - 20 * 3600)
    fresh = list(at.novel)
    fresh[COUNTRY] = (replace(fresh[COUNTRY][0], value="DE"),)
    signal = geographic_anomaly(ANY, replace(at, novel=tuple(fresh)), baseline(), RULES)

    assert "impossible_travel" not in signal.parts


def test_more_machines_of_a_known_operator_weigh_less():
    grown = geographic_anomaly(ANY, stranger(ADDRESS), baseline(), RULES)
    foreign = geographic_anomaly(ANY, stranger(ADDRESS, NETWORK), baseline(), RULES)

    assert grown.parts["operator_and_agent_are_known"] == -4.0
    assert grown.bits < foreign.bits


def test_a_stranger_beside_the_owner_counts_more_the_more_they_take_turns():
    once = concurrent_usage(ANY, stranger(NETWORK), baseline(), RULES)
    often = concurrent_usage(ANY, stranger(NETWORK, changes=4), baseline(), RULES)

    assert once.parts == {"beside_known_sources": pytest.approx(1.0)}
    assert often.parts == {"beside_known_sources": pytest.approx(3.0)}
    assert often.evidence["turns_between_known_and_strange"] == 4
    assert often.evidence["seconds_since_last_known_use"] == 60


def test_an_owner_who_is_silent_when_due_has_moved():
    moved = stranger(NETWORK, known_at=AT - 7200)
    signal = concurrent_usage(ANY, moved, baseline(), RULES)

    assert signal.parts["known_sources_moved"] == -3.0


def test_the_same_source_on_other_keys_is_counted():
    signal = concurrent_usage(ANY, stranger(NETWORK, other_keys=3), baseline(), RULES)

    assert signal.parts["same_source_on_other_keys"] == 3.0
    assert signal.evidence["other_keys_of_the_source"] == 3


def test_probing_is_told_with_its_failures():
    at = stranger(AGENT, PATH, failed=4, failed_paths=4, is_listing=True)
    signal = pattern_anomaly(ANY, at, baseline(), RULES)

    assert signal.parts["asks_what_the_key_can_do"] == 2.0
    assert signal.parts["failures"] == pytest.approx(4.0 * 4 / 5)
    assert signal.evidence["failed_requests"] == 4
    assert signal.evidence["new_agents"] == [f"new-{AGENT}"]


def test_an_hour_that_never_sees_use_is_unusual_and_its_neighbours_are_not():
    week = [100 if slot % 24 == HOUR % 24 else 0 for slot in range(168)]
    at = stranger(NETWORK)
    usual = pattern_anomaly(ANY, at, baseline(week=week), RULES)
    shifted = pattern_anomaly(ANY, replace(at, hour=HOUR + 1), baseline(week=week), RULES)
    far = pattern_anomaly(ANY, replace(at, hour=HOUR + 6), baseline(week=week), RULES)

    assert "unusual_hour" not in usual.parts
    assert "unusual_hour" not in shifted.parts
    assert far.parts["unusual_hour"] == 3.0


def test_volume_of_strangers_is_compared_with_what_strangers_bring():
    at = stranger(NETWORK, strange_hour=300.0, requests_hour=350.0)
    calm = usage_spike(ANY, at, baseline(), RULES)
    used_to = usage_spike(ANY, at, baseline(strange_hour=400.0), RULES)

    assert calm.parts["volume_of_strange_sources"] > used_to.parts["volume_of_strange_sources"]
    assert calm.evidence["strange_requests_in_the_hour"] == 300
    assert used_to.evidence["usual_strange_requests_in_an_hour"] == 412.5


def test_a_burst_is_over_either_of_two_windows():
    quiet = burst(ANY, window(), baseline(), RULES)
    minute = burst(ANY, window(requests_60s=96.0), baseline(), RULES)
    seconds = burst(ANY, window(requests_10s=32.0), baseline(), RULES)

    assert quiet.parts == {}
    assert minute.parts == seconds.parts == {"over_the_limit": pytest.approx(6.0)}
    assert minute.evidence["limit_60s"] == 48
    assert seconds.evidence["limit_10s"] == 16


def test_volume_of_known_sources_is_never_more_than_medium():
    at = window(requests_60s=90_000.0, requests_hour=900_000.0)
    found = assess(ANY, at, baseline(), RULES)

    assert found.level is ThreatLevel.MEDIUM


def test_a_country_alone_is_nothing():
    assert assess(ANY, stranger(COUNTRY), baseline(), RULES).level is None


def test_agreement_raises_the_level():
    first = stranger(ADDRESS, NETWORK, strange=30, strange_hour=30.0, requests_hour=400.0)
    more = replace(
        first,
        novel=novel(ADDRESS, NETWORK, COUNTRY, KIND, AGENT),
        kinds=(NetworkKind.HOSTING,),
        changes=3,
    )
    one, other = assess(ANY, first, baseline(), RULES), assess(ANY, more, baseline(), RULES)

    assert one.level in {None, ThreatLevel.LOW, ThreatLevel.MEDIUM}
    assert other.level is ThreatLevel.CRITICAL


def test_a_single_request_is_never_enough():
    at = stranger(ADDRESS, NETWORK, COUNTRY, KIND, AGENT, strange=1)

    assert assess(ANY, at, baseline(), RULES).level is None


def test_another_program_on_the_owners_machines_is_at_most_medium():
    at = stranger(AGENT, PATH, strange=400, strange_hour=400.0, requests_hour=900.0, failed=9)
    found = assess(ANY, replace(at, requests_60s=96.0, failed_paths=9), baseline(), RULES)
    unlogged = assess(
        replace(ANY, ip=""), replace(at, requests_60s=96.0, failed_paths=9), baseline(), RULES
    )

    assert found.bits >= RULES.high
    assert found.level is ThreatLevel.MEDIUM
    assert unlogged.level is ThreatLevel.HIGH


def test_critical_takes_two_kinds_of_new():
    much = {"strange": 900, "strange_hour": 900.0, "requests_hour": 1200.0, "changes": 4}
    at = stranger(ADDRESS, NETWORK, kinds=(NetworkKind.HOSTING,), **much)
    one = assess(ANY, replace(at, requests_60s=480.0), baseline(), RULES)
    two = assess(
        ANY, replace(at, requests_60s=480.0, novel=novel(ADDRESS, NETWORK, KIND)), baseline(), RULES
    )

    assert one.bits >= RULES.critical
    assert (one.level, two.level) == (ThreatLevel.HIGH, ThreatLevel.CRITICAL)


def test_servers_of_the_usual_program_are_a_rollout():
    seen = [dict(values) for values in baseline().seen]
    seen[KIND] = {"hosting": [0, 480, 20]}
    known = baseline(seen=seen)
    at = stranger(ADDRESS, NETWORK, kinds=(NetworkKind.HOSTING,))
    same = geographic_anomaly(ANY, at, known, RULES)
    other = geographic_anomaly(ANY, replace(at, novel=novel(ADDRESS, NETWORK, AGENT)), known, RULES)
    line = geographic_anomaly(ANY, replace(at, kinds=(NetworkKind.EYEBALL,)), known, RULES)

    assert same.parts["servers_with_the_usual_agent"] == -4.0
    assert "servers_with_the_usual_agent" not in other.parts
    assert "servers_with_the_usual_agent" not in line.parts


def test_strangers_of_a_launch_weigh_less_because_the_known_sources_grow_too():
    at = stranger(ADDRESS, NETWORK, strange=300, strange_hour=300.0, requests_hour=700.0)
    launch = usage_spike(ANY, at, baseline(), RULES)
    raid = usage_spike(ANY, replace(at, requests_hour=400.0), baseline(), RULES)

    assert launch.parts["known_sources_grow_too"] == -4.0
    assert "known_sources_grow_too" not in raid.parts


def test_a_key_that_was_never_with_people_does_not_move_like_one():
    away = stranger(NETWORK, known_at=AT - 3600, kinds=(NetworkKind.EYEBALL,))
    seen = [dict(values) for values in baseline().seen]
    seen[KIND] = {"eyeball": [0, 480, 20]}
    calm = {"avg_requests_per_hour": 1.0}
    person = concurrent_usage(ANY, away, baseline(seen=seen, **calm), RULES)
    servers = [*seen[:KIND], {"hosting": [0, 480, 20]}, *seen[KIND + 1 :]]
    machine = concurrent_usage(ANY, away, baseline(seen=servers, **calm), RULES)

    assert person.parts == {"a_person_may_have_moved": -1.0}
    assert machine.parts == {}


def test_a_young_key_takes_more_bits_and_more_requests():
    at = stranger(ADDRESS, NETWORK, AGENT, strange=8, kinds=(NetworkKind.HOSTING,))
    old, young = baseline(), baseline(since=HOUR - 12)
    told, waited = assess(ANY, at, old, RULES), assess(ANY, at, young, RULES)

    assert told.needed == (RULES.low, RULES.medium, RULES.high, RULES.critical)
    assert waited.needed == tuple(limit + RULES.young_bits * 0.75 for limit in told.needed)
    assert told.level in {ThreatLevel.HIGH, ThreatLevel.CRITICAL}
    assert waited.level in {None, ThreatLevel.LOW}


def test_what_is_clear_needs_no_more_requests_of_a_young_key():
    everything = stranger(ADDRESS, NETWORK, COUNTRY, KIND, AGENT, strange=8, is_scanner=True)

    assert assess(ANY, everything, baseline(since=HOUR - 12), RULES).level is ThreatLevel.HIGH


def test_what_is_new_counts_in_the_request_that_shows_it():
    colleague_and_traveller = stranger(NETWORK, COUNTRY, AGENT)
    traveller = [(NETWORK, f"new-{NETWORK}"), (COUNTRY, f"new-{COUNTRY}"), (AGENT, "usual")]
    both = [*traveller[:2], (AGENT, f"new-{AGENT}")]

    shown = colleague_and_traveller.shown_by(traveller)

    assert (shown.novel[AGENT], shown.novel[COUNTRY]) == (
        (),
        colleague_and_traveller.novel[COUNTRY],
    )
    assert colleague_and_traveller.shown_by(both) is colleague_and_traveller


def test_who_tries_a_key_by_hand_asks_a_few_times():
    at = stranger(ADDRESS, NETWORK, AGENT, changes=3, strange=9, kinds=(NetworkKind.EYEBALL,))
    hand, script = (assess(ANY, replace(at, strange=n), baseline(), RULES) for n in (9, 12))
    rented = assess(ANY, replace(at, kinds=(NetworkKind.HOSTING,)), baseline(), RULES)

    assert (hand.level, script.level) == (ThreatLevel.MEDIUM, ThreatLevel.HIGH)
    assert rented.level is ThreatLevel.HIGH


def test_two_requests_are_enough_only_where_little_doubt_is_left():
    at = stranger(ADDRESS, NETWORK, COUNTRY, strange=2, changes=3, kinds=(NetworkKind.HOSTING,))
    plain = replace(at, novel=novel(ADDRESS, NETWORK, COUNTRY, AGENT))

    assert assess(ANY, at, baseline(), RULES).level is ThreatLevel.MEDIUM
    assert assess(ANY, plain, baseline(), RULES).level is ThreatLevel.HIGH


def test_an_office_in_the_usual_country_is_not_blocked_at_once():
    much = {"strange": 900, "strange_hour": 900.0, "requests_hour": 1200.0, "changes": 4}
    test = stranger(ADDRESS, NETWORK, AGENT, kinds=(NetworkKind.BUSINESS,), **much)
    lines = [*baseline().seen[:KIND], {"hosting": [0, 480, 20]}, *baseline().seen[KIND + 1 :]]
    key = baseline(seen=lines)
    office = assess(ANY, replace(test, requests_60s=480.0), key, RULES)
    rented = replace(test, requests_60s=480.0, kinds=(NetworkKind.HOSTING,))

    assert geographic_anomaly(ANY, test, key, RULES).parts["an_office_in_the_usual_country"] == -3.0
    assert office.level is ThreatLevel.HIGH
    assert assess(ANY, rented, key, RULES).level is ThreatLevel.CRITICAL


def test_volume_that_replaces_the_keys_own_counts_half():
    at = stranger(NETWORK, AGENT, strange_hour=200.0, requests_hour=200.0)
    beside = replace(at, requests_hour=400.0)
    instead, more = (usage_spike(ANY, one, baseline(), RULES) for one in (at, beside))

    whole = more.parts["volume_of_strange_sources"]
    assert instead.parts["volume_of_strange_sources"] == pytest.approx(whole / 2)


def test_most_that_comes_in_the_first_hours_is_new():
    at = stranger(NETWORK, strange_hour=50.0)
    first, later = (baseline(active=hours) for hours in (2.0, 180.0))
    early, late = (
        usage_spike(ANY, at, base, RULES).evidence["usual_strange_requests_in_an_hour"]
        for base in (first, later)
    )

    assert (early, late) == (65.0, 12.5)


def test_rare_strangers_are_not_excused_by_what_usual_ones_bring():
    used_to = baseline(strange_hour=400.0)
    usual, rare = (
        usage_spike(ANY, stranger(*new, strange_hour=300.0), used_to, RULES).parts
        for new in ((NETWORK,), (NETWORK, AGENT))
    )

    assert rare["volume_of_strange_sources"] > 3 * usual["volume_of_strange_sources"]


def test_one_of_several_people_abroad_is_no_impossible_traveller():
    at = stranger(ADDRESS, NETWORK, COUNTRY, kinds=(NetworkKind.EYEBALL, NetworkKind.UNKNOWN))
    fresh = list(at.novel)
    fresh[COUNTRY] = (replace(fresh[COUNTRY][0], value="RU"),)
    person = replace(at, novel=tuple(fresh))
    server = replace(person, kinds=(NetworkKind.HOSTING,))
    team = baseline(several=90.0)
    parts, others = (geographic_anomaly(ANY, one, team, RULES).parts for one in (person, server))

    assert parts["people_with_the_usual_program"] == -2.0
    assert parts["impossible_travel"] < 0.1
    assert others["impossible_travel"] == pytest.approx(0.9)


def test_a_pool_of_lines_is_no_person():
    at = stranger(ADDRESS, NETWORK, COUNTRY, kinds=(NetworkKind.EYEBALL,))
    networks = tuple(replace(at.novel[NETWORK][0], value=f"isp-{n}") for n in range(4))
    pool = replace(at, novel=(*at.novel[:NETWORK], networks, *at.novel[NETWORK + 1 :]))
    one, many = (geographic_anomaly(ANY, each, baseline(), RULES).parts for each in (at, pool))

    assert "people_with_the_usual_program" in one
    assert "people_with_the_usual_program" not in many


def test_strangers_beside_a_load_that_goes_on_count_in_full():
    at = stranger(NETWORK, AGENT, strange_hour=200.0, requests_hour=201.0)
    instead = usage_spike(ANY, at, baseline(), RULES).parts["volume_of_strange_sources"]
    beside = replace(at, requests_hour=300.0)

    assert usage_spike(ANY, beside, baseline(), RULES).parts[
        "volume_of_strange_sources"
    ] == pytest.approx(2 * instead, rel=0.02)


def test_hours_of_the_day_stand_for_those_of_the_week_in_the_first_week():
    week = [100 if slot < 24 else 0 for slot in range(168)]
    at = stranger(NETWORK)
    usual = {}
    for age in (60, 480):
        base = baseline(week=week, since=HOUR - age)
        evidence = usage_spike(ANY, at, base, RULES).evidence
        usual[age] = evidence["usual_strange_requests_in_an_hour"]

    assert usual == {60: 12.5, 480: 1.0}
