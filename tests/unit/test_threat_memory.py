# SPDX-License-Identifier: Apache-2.0
"""One use in, findings out: owners are left alone, thieves are found, nothing hostile breaks it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from threats import AGENT, AWAY, CALL, HOME, PLACES, RUNNER, owned, seen, use, watching
from twinguard.decide.threats.baseline import (
    KEPT,
    NETWORK,
    VERSION,
    Baseline,
    Tally,
    decoded,
    encoded,
    learn,
    slot_of,
)
from twinguard.decide.threats.memory import Watch
from twinguard.decide.threats.rules import RULES, Rules
from twinguard.decide.threats.sources import agent_family, path_class, source_of
from twinguard.decide.threats.values import Detector, ThreatLevel, Use

SECOND = 1 / 86400
THEFT = [use(14.3 + 5 * n * SECOND, AWAY, "curl/8.1", CALL) for n in range(40)]


def worst(found):
    return max((finding.threat_level.rank for finding in found), default=0)


def test_an_owner_is_left_alone_for_weeks():
    _, found = watching(owned(21))

    assert found == []


def test_a_thief_from_a_data_centre_is_found_within_a_few_requests():
    watch, _ = watching(owned())
    found = seen(watch, THEFT)

    assert worst(found) >= ThreatLevel.HIGH.rank
    high = next(f for f in found if f.threat_level.rank >= ThreatLevel.HIGH.rank)
    assert high.timestamp <= THEFT[4].at
    assert high.evidence["address"] == AWAY
    assert high.evidence["new_networks"] == ["bulletproof"]
    assert high.evidence["strange_requests"] <= 5


def test_each_level_is_told_once():
    watch, _ = watching(owned())
    levels = [finding.threat_level.rank for finding in seen(watch, THEFT)]

    assert levels == sorted(set(levels))


def test_a_person_who_says_it_was_the_owner_ends_it():
    watch, _ = watching(owned())
    seen(watch, THEFT)
    watch.accept("key-1")

    again = [replace(one, at=one.at + dt.timedelta(hours=2)) for one in THEFT]
    assert seen(watch, again) == []


def test_an_upgrade_of_the_client_is_nothing():
    watch, _ = watching(owned())
    found = seen(watch, [use(14.3 + n / 200, agent=AGENT.replace("1.4", "2.0")) for n in range(99)])

    assert found == []


def test_hostile_use_from_known_machines_is_slowed_but_never_blocked():
    watch, _ = watching(owned())
    found = seen(watch, [use(14.3 + n * SECOND / 20) for n in range(3000)])

    assert {finding.detector for finding in found} <= {Detector.BURST, Detector.USAGE_SPIKE}
    assert 1 <= worst(found) <= ThreatLevel.MEDIUM.rank


def test_a_new_key_may_make_its_quota_and_not_much_more():
    calls = [use(n * SECOND / 2) for n in range(150)]

    assert watching(calls, rate_limit_per_min=1000)[1] == []
    assert watching(calls)[1][0].evidence["limit_60s"] == 100


def test_a_thief_does_not_become_the_owner_by_staying():
    watch, _ = watching(owned())
    steady = [use(14.3 + n / 48, AWAY, "curl/8.1") for n in range(6 * 48)]
    found = seen(watch, sorted([*owned(20)[14 * 144 :], *steady], key=lambda one: one.at))
    hour = int(steady[-1].at.timestamp() // 3600)

    assert worst(found) >= ThreatLevel.HIGH.rank
    assert watch.baseline("key-1").trust(NETWORK, "bulletproof", hour, RULES) < 1


def test_one_thief_with_many_keys_is_found_on_all():
    keys = [f"key-{n}" for n in range(4)]
    uses = [replace(one, key_id=key) for one in owned() for key in keys]
    watch, _ = watching(uses)
    tried = [
        use(14.3 + (9 * k + n) * SECOND, AWAY, "curl/8.1", "/v1/models", key_id=key)
        for k, key in enumerate(keys)
        for n in range(4)
    ]
    found = seen(watch, tried)

    assert {f.key_id for f in found if f.threat_level.rank >= 3} == set(keys)


def test_late_uses_change_nothing():
    watch, _ = watching(owned())
    late = [replace(one, at=one.at - dt.timedelta(days=3)) for one in THEFT]

    assert seen(watch, late) == []
    assert watch.late == len(late)
    assert seen(watch, THEFT) == seen(watching(owned())[0], THEFT)


def test_a_repeated_use_changes_nothing():
    exact = [replace(one, at=one.at.replace(microsecond=7)) for one in THEFT]
    once, twice = watching(owned())[0], watching(owned())[0]

    assert seen(once, exact) == seen(twice, [one for use in exact for one in (use, use)])
    assert twice.repeated == len(exact)


def test_uses_of_the_same_moment_may_come_in_any_order():
    at = THEFT[0].at
    same = [replace(one, at=at) for one in (*THEFT[:9], *[use(14.3) for _ in range(9)])]
    there, back = watching(owned())[0], watching(owned())[0]

    assert abs(worst(seen(there, same)) - worst(seen(back, same[::-1]))) <= 1


def test_without_places_a_thief_is_still_found():
    watch = Watch()
    seen(watch, owned())

    assert worst(seen(watch, THEFT)) >= ThreatLevel.HIGH.rank


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            Use,
            at=st.datetimes(
                dt.datetime(1970, 1, 2),  # noqa: DTZ001 - Hypothesis adds the zone
                dt.datetime(2100, 1, 1),  # noqa: DTZ001
                timezones=st.just(dt.UTC),
            ),
            key_id=st.sampled_from(["a", "b", ""]),
            ip=st.one_of(st.text(max_size=60), st.ip_addresses().map(str), st.just("x" * 10_000)),
            user_agent=st.one_of(st.text(max_size=80), st.just("Ü/1 " * 2500)),
            path=st.text(max_size=80),
            status=st.integers(-5, 999),
        ),
        max_size=60,
    )
)
def test_nothing_that_a_caller_sends_breaks_it(uses):
    watch = Watch(place_of=PLACES.get)
    for one in sorted(uses, key=lambda one: one.at):
        watch.observe(one)
    for key in ("a", "b", ""):
        if (baseline := watch.baseline(key)) is not None:
            assert len(encoded(baseline)) <= 4096


def test_memory_is_bounded_in_keys_and_in_what_a_key_shows():
    watch = Watch(rules=Rules(keys=10, cached=50, strangers=16))
    for n in range(3000):
        day = n / 1000
        watch.observe(use(day, f"10.{n % 250}.{n % 199}.7", f"agent-{n} x", f"/p{n}"))
        watch.observe(use(day, f"11.{n % 250}.1.7", key_id=f"key {n}"))

    assert watch.tracked == 10
    assert all(len(values) <= 16 for values in watch._keys["key 2999"].novel)


def test_a_full_baseline_is_small_and_reads_back_as_it_was():
    baseline = Baseline(since=490_000)
    for hour in range(24 * 40):
        tally = Tally(490_000 + hour, requests=100_000, peak_60=9999.123456789, peak_10=999.12345)
        for at, values in enumerate(tally.values):
            values.update({f"{hour % 90:03} {at} {'x' * 22}": True})
        learn(baseline, tally, RULES, is_suspect=False)
    data = encoded(baseline)

    assert [len(values) for values in baseline.seen] == list(KEPT)
    assert len(data) <= 4096
    assert decoded(data) == baseline


def test_a_baseline_of_another_version_is_learned_anew():
    other = Baseline(since=1, version=VERSION + 1)

    assert decoded(encoded(other)) is None
    assert decoded(b"\xc1 no baseline") is None


def test_hours_under_suspicion_teach_nothing_new():
    baseline = Baseline(since=490_000)
    learn(
        baseline,
        Tally(490_000, requests=5, values=[{"a": True} for _ in range(6)]),
        RULES,
        is_suspect=False,
    )
    before = encoded(baseline)
    learn(
        baseline,
        Tally(490_001, requests=9000, values=[{"b": True} for _ in range(6)]),
        RULES,
        is_suspect=True,
    )

    assert encoded(baseline) == before


def test_a_value_is_known_after_its_fourth_day():
    baseline, first = Baseline(since=490_000), 490_000
    trusted = []
    for day in range(12):
        values = [{"old": True} | ({"new": True} if day >= 7 else {}) for _ in range(6)]
        learn(baseline, Tally(first + 24 * day, requests=5, values=values), RULES, is_suspect=False)
        trusted.append(baseline.trust(NETWORK, "new", first + 24 * day + 1, RULES))

    assert trusted[7:] == [0.0, 0.25, 0.5, 1.0, 1.0]
    assert baseline.trust(NETWORK, "old", first + 300, RULES) == 1.0


def test_strategys_words_are_there():
    baseline = watching(owned(14, hours=range(8, 20)))[0].baseline("key-1")

    assert baseline.avg_requests_per_hour == pytest.approx(6.0)
    assert baseline.typical_hours == list(range(8, 20))
    assert baseline.typical_countries == ["US"]
    assert baseline.typical_ips == [HOME]
    assert baseline.max_concurrent_ips == 1


def test_a_week_begins_on_monday():
    monday = int(dt.datetime(2026, 9, 7, tzinfo=dt.UTC).timestamp() // 3600)

    assert slot_of(monday) == 0
    assert slot_of(monday - 1) == 167


@given(st.ip_addresses(v=6))
def test_ipv6_is_compared_by_its_64(address):
    source = source_of(address.exploded, None)
    if address.ipv4_mapped is not None:
        return
    network = ipaddress.ip_network((int(address) >> 64 << 64, 64))
    groups = [f"{int(group, 16):x}" for group in network.network_address.exploded.split(":")]

    assert source.address == ":".join(groups[:4]) + "::/64"
    assert source_of(str(address), None) == source


@given(st.ip_addresses(v=4))
def test_ipv4_inside_ipv6_is_ipv4(address):
    assert source_of(f"::ffff:{address}", None).address == str(address)


@pytest.mark.parametrize(
    ("text", "address", "network"),
    [
        ("", "", ""),
        ("Build-7.eu.corp.example", "build-7.eu.corp.example", "eu.corp.example"),
        ("999.1.1.1", "999.1.1.1", "#"),
        ("1:2:3", "1:2:3", "#:#:#"),
    ],
)
def test_what_is_no_address_is_a_name(text, address, network):
    source = source_of(text, None)

    assert source.address == address
    assert source.network == network


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        ("python-requests/2.31.0", "python-requests"),
        ("OpenAI/Python 1.4.0", "openai python"),
        ("Go-http-client/2.0", "go-http-client"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/121.0 Safari/537.36",
            "mozilla chrome windows",
        ),
        ("", ""),
    ],
)
def test_an_agent_is_its_products_without_versions(agent, family):
    assert agent_family(agent) == family


@given(st.text(string.printable, max_size=200))
def test_a_path_is_short_and_without_its_query(path):
    assert len(path_class(path)) <= 48
    assert "?" not in path_class(path)


def test_a_runner_of_the_usual_cloud_is_no_thief():
    uses = sorted([*owned(), *[use(d + 0.4, RUNNER) for d in range(14)]], key=lambda one: one.at)
    watch, _ = watching(uses)

    assert seen(watch, [use(14.4, RUNNER), use(14.41, RUNNER)]) == []


def test_an_uptime_checker_that_asks_for_health_is_neither_strange_nor_learned():
    watch, _ = watching(owned())
    probes = [use(14.3 + n / 288, AWAY, "Uptime/1.0", "/healthz") for n in range(400)]

    assert seen(watch, probes) == []
    assert "bulletproof" not in watch.baseline("key-1").seen[NETWORK]
    assert worst(seen(watch, [replace(one, at=probes[-1].at) for one in THEFT])) >= 3


def test_keys_of_one_owner_move_together_and_are_no_list():
    """The same source on five keys counts only where they are at home in different places."""
    found = {}
    for name, homes in (("one", [HOME] * 5), ("five", [f"9.9.{n}.9" for n in range(5)])):
        uses = [
            replace(one, key_id=f"key-{n}", ip=home)
            for one in owned()
            for n, home in enumerate(homes)
        ]
        watch, _ = watching(uses)
        moved = [
            use(14.3 + (5 * step + n) * SECOND, AWAY, key_id=f"key-{n}")
            for step in range(6)
            for n in range(5)
        ]
        others = [f.evidence["reasons"] for f in seen(watch, moved)]
        found[name] = max(reasons.get("same_source_on_other_keys", 0.0) for reasons in others)

    assert found["one"] == 0.0
    assert found["five"] > 2
