# SPDX-License-Identifier: Apache-2.0
"""What else explains a new place: gaps in what is known, machines that were added, people."""

from __future__ import annotations

import datetime as dt

import pytest
from msgspec.structs import replace

from threats import AWAY, CALL, owned, seen, use, watching
from twinguard.decide.threats.assess import assess
from twinguard.decide.threats.baseline import ADDRESS, AGENT, COUNTRY, KIND, NETWORK, Baseline
from twinguard.decide.threats.moves import beyond_reach, is_additional, new_kind, several
from twinguard.decide.threats.reader import Reader
from twinguard.decide.threats.rules import RULES
from twinguard.decide.threats.sources import source_of
from twinguard.decide.threats.values import NetworkKind, Place, ThreatLevel, Use
from twinguard.decide.threats.window import Novel, Window

SECOND = 1 / 86400
HOUR = 500_000
QUIET = Window(
    at=HOUR * 3600.0,
    hour=HOUR,
    requests_10s=1.0,
    requests_60s=2.0,
    requests_hour=160.0,
    limit=48.0,
    strange=40,
    strange_hour=60.0,
)
ANY = Use(dt.datetime.fromtimestamp(QUIET.at, dt.UTC), "k", "198.51.100.7")


def known(**values: str) -> Baseline:
    """A key of twenty days with a hundred requests an hour and one known value a dimension."""
    base = Baseline(HOUR - 480, active=180.0, avg_requests_per_hour=100.0, several=90.0)
    base.week = [100] * 168
    for dimension, value in values.items():
        base.seen[int(dimension[1:])][value] = [0, 480, 20]
    return base


def new(*dimensions: int) -> tuple[tuple[Novel, ...], ...]:
    found = Novel("x", QUIET.at, 0.0, 0.002)
    return tuple((found,) if at in dimensions else () for at in range(6))


@pytest.mark.parametrize(
    ("ip", "kind"),
    [
        ("10.1.2.3", NetworkKind.INTERNAL),
        ("172.31.0.1", NetworkKind.INTERNAL),
        ("fd00:1::2", NetworkKind.INTERNAL),
        ("worker-3.prod.internal", NetworkKind.INTERNAL),
        ("172.32.0.1", NetworkKind.UNKNOWN),
        ("2a00:1::2", NetworkKind.UNKNOWN),
        ("103.4.5.6", NetworkKind.UNKNOWN),
    ],
)
def test_private_addresses_and_names_are_a_kind_of_their_own(ip, kind):
    assert source_of(ip, None).kind is kind


def test_an_address_without_a_place_takes_that_of_its_block():
    home, other = Place("DE", NetworkKind.EYEBALL, "isp"), Place("US", NetworkKind.HOSTING, "cloud")
    places = {"203.0.113.1": home, "198.51.100.1": home, "198.51.200.1": other}
    reader = Reader(places.get, 100)
    for ip in places:
        reader.read(Use(ANY.at, "k", ip))

    def network(ip: str) -> str:
        return reader.read(Use(ANY.at, "k", ip))[0].network

    assert network("203.0.113.9") == network("203.0.77.9") == "isp"
    assert network("198.51.200.9") == "cloud"
    assert network("198.51.7.9") == "198.51/16"


def test_people_change_networks_and_servers_appear():
    home = known(d3="eyeball")
    phone, server = (
        [replace(new(KIND)[KIND][0], value=kind)] for kind in (NetworkKind.MOBILE, "hosting")
    )

    assert new_kind(phone, QUIET, home, RULES) == 0.5
    assert new_kind(server, QUIET, home, RULES) == 2.5
    assert new_kind(phone, QUIET, known(d3="hosting"), RULES) == 2.0


def test_many_networks_of_one_country_do_not_excuse_another_country():
    one = replace(QUIET, novel=new(COUNTRY))

    assert several(one, known(d2="US"), RULES) == 0
    assert several(QUIET, known(d2="US"), RULES) == pytest.approx(0.5, abs=0.01)
    two = known(d2="US")
    two.seen[COUNTRY]["DE"] = [0, 480, 20]
    assert several(one, two, RULES) == pytest.approx(0.5, abs=0.01)


def test_travel_is_weighed_by_how_much_too_fast_it_was():
    assert beyond_reach(9000, 9.5) == 0
    assert 0 < beyond_reach(9000, 7) < 0.5
    assert beyond_reach(9000, 1) == 1


def test_one_machine_beside_a_full_load_is_no_rollout():
    beside = replace(QUIET, novel=new(ADDRESS, NETWORK))
    many = tuple(values * 2 for values in beside.novel)

    assert is_additional(beside, known())
    assert not is_additional(replace(beside, requests_hour=100.0), known())
    assert not is_additional(replace(beside, novel=many), known())
    assert not is_additional(replace(beside, novel=new(ADDRESS)), known())


def test_an_upgrade_on_the_owners_machines_is_watched_and_a_thiefs_tool_is_slowed():
    upgrade = replace(QUIET, novel=new(AGENT), strange=400, strange_hour=400.0, requests_hour=900.0)
    base = known(d0="198.51.100.7")

    assert assess(ANY, upgrade, base, RULES).level is ThreatLevel.LOW
    tool = replace(upgrade, is_generic=True)
    assert assess(ANY, tool, base, RULES).level is ThreatLevel.MEDIUM


def test_an_old_key_is_not_young_when_it_is_first_seen():
    calls = owned(1)
    made = calls[0].at - dt.timedelta(days=90)
    needed = []
    for created in (None, made, calls[0].at):
        watch, _ = watching(calls, created_at=created)
        hot = watch._keys[calls[0].key_id]
        window = hot.window(hot.last_at, 1.0, 1.0, RULES)
        found = assess(ANY, replace(window, strange=3, novel=new(ADDRESS)), hot.base, RULES)
        needed.append(found.needed[0])

    assert needed[0] == needed[2] > needed[1] > RULES.low


def test_a_second_thief_within_hours_is_told_again():
    watch, _ = watching(owned())
    first = [use(14.3 + 5 * n * SECOND, AWAY, "curl/8.1", CALL) for n in range(40)]
    second = [use(14.35 + 5 * n * SECOND, "185.220.101.4", "aiohttp/3.9", CALL) for n in range(40)]
    seen(watch, first)
    again = seen(watch, second)

    assert max(found.threat_level.rank for found in again) >= ThreatLevel.HIGH.rank
