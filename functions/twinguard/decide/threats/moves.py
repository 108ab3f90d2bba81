# SPDX-License-Identifier: Apache-2.0
"""What else may explain a new place: machines that were added, and people who moved. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from twinguard.decide.threats.baseline import ADDRESS, AGENT, COUNTRY, KIND, NETWORK, Baseline
from twinguard.decide.threats.places import apart_km
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.values import NetworkKind
from twinguard.decide.threats.window import Novel, Window

_FASTEST_KMH = 900.0
_FARTHEST_GUESS_KM = 700.0
_WITHIN_KM = 500.0

_LINES = 3
"""One person's networks in an hour: a line, an office and a telephone."""

_STAFF = {NetworkKind.EYEBALL, NetworkKind.MOBILE, NetworkKind.BUSINESS}
_PEOPLE = {NetworkKind.EYEBALL, NetworkKind.MOBILE}
_MACHINES = {NetworkKind.HOSTING, NetworkKind.UNKNOWN}
SERVERS = {NetworkKind.HOSTING, NetworkKind.PROXY}


def is_rollout(window: Window, baseline: Baseline, rules: Rules) -> bool:
    """A key that lives on servers only is used from other servers, by the same program."""
    if window.novel[AGENT] or window.novel[KIND]:
        return False
    usual = baseline.known(KIND, window.hour, rules)
    if not usual:  # Nothing is known of any address: a launch looks like this, too.
        return not window.novel[COUNTRY] and set(window.kinds) <= {NetworkKind.UNKNOWN}
    return NetworkKind.HOSTING in usual and usual <= _MACHINES and set(window.kinds) <= _MACHINES


def is_additional(window: Window, baseline: Baseline) -> bool:
    """One machine of another operator brings its own volume; the known sources go on as always."""
    if len(window.novel[ADDRESS]) > 1:
        return False
    usual = baseline.avg_requests_per_hour * baseline.activity(window.hour)
    known = window.requests_hour - window.strange_hour
    if not window.novel[NETWORK] or known < 0.6 * usual:
        return False
    chance = 2 * math.sqrt(usual)
    return window.strange_hour > 0.3 * usual and window.requests_hour > 1.3 * usual + chance


def new_kind(kind: Sequence[Novel], window: Window, baseline: Baseline, rules: Rules) -> float:
    """People change between lines, mobile networks and offices; nobody becomes a server."""
    kinds = {one.value for one in kind}
    if kinds <= _STAFF and _is_of_people(window, baseline, rules):
        return 0.5
    return 2.5 if kinds & SERVERS else 2.0


def is_an_office(window: Window) -> bool:
    """A business's line in the usual country: thieves rent machines, relays and homes."""
    return set(window.kinds) == {NetworkKind.BUSINESS} and not window.novel[COUNTRY]


def is_one_of_them(window: Window, baseline: Baseline, rules: Rules) -> bool:
    """A key of people is used by a usual program from a line, an office or a telephone."""
    is_usual = not window.novel[AGENT] and _is_a_line(window)
    return is_usual and _is_of_people(window, baseline, rules)


def is_a_colleague(window: Window, baseline: Baseline, rules: Rules) -> bool:
    """A key of people is used by a person's line in the usual country."""
    is_here = not window.novel[COUNTRY] and _is_a_line(window)
    return is_here and _is_of_people(window, baseline, rules)


def _is_a_line(window: Window) -> bool:
    """A few sources, and all that have a place are people's: files of places have gaps."""
    placed = set(window.kinds) - {NetworkKind.UNKNOWN}
    return bool(placed) and placed <= _STAFF and len(window.novel[NETWORK]) <= _LINES


def _is_of_people(window: Window, baseline: Baseline, rules: Rules) -> bool:
    return not _STAFF.isdisjoint(baseline.known(KIND, window.hour, rules))


def has_left_the_inside(window: Window, baseline: Baseline, rules: Rules) -> bool:
    """A key of private addresses and names of hosts is used from the Internet."""
    inside = baseline.known(KIND, window.hour, rules) == {NetworkKind.INTERNAL}
    return inside and NetworkKind.INTERNAL not in window.kinds


def several(window: Window, baseline: Baseline, rules: Rules) -> float:
    """How usual it is that several places use the key at once: countries, if a new one does.

    Where several people share a key, one of them may be abroad with the usual program."""
    if is_one_of_them(window, baseline, rules):
        return baseline.several / (baseline.active + 1)
    if window.novel[COUNTRY] and len(baseline.known(COUNTRY, window.hour, rules)) == 1:
        return 0.0
    return baseline.several / (baseline.active + 1)


def is_much(window: Window, baseline: Baseline) -> bool:
    """Strangers bring more than the owner ever did: who moves does as always."""
    return window.strange_hour > 1.5 * max(baseline.peak_hour, 1.3 * baseline.avg_requests_per_hour)


def has_moved(window: Window, baseline: Baseline, rules: Rules) -> bool:
    """A key of people is used elsewhere by the same program, and nowhere else meanwhile."""
    return not window.changes and is_one_of_them(window, baseline, rules)


def is_roaming(window: Window, baseline: Baseline, rules: Rules) -> bool:
    """A key of phones is used by the same program in other networks of people at home."""
    if window.novel[AGENT] or window.novel[COUNTRY] or not set(window.kinds) <= _PEOPLE:
        return False
    return NetworkKind.MOBILE in baseline.known(KIND, window.hour, rules)


def travel(window: Window) -> tuple[float, float]:
    """Kilometres and hours between the last known use and this one."""
    hours = max(0.0, window.at - window.known_at) / 3600 if window.known_at else 0.0
    fresh = {one.value for one in window.novel[COUNTRY]}
    if not window.known_at or not window.known_country or not fresh:
        return 0.0, hours
    distances = [apart_km(window.known_country, country) for country in fresh]
    return max(distances) or _FARTHEST_GUESS_KM, hours


def beyond_reach(km: float, hours: float) -> float:
    """0 for a distance that somebody can have travelled, 1 for more than twice as far.

    Countries are known by rough middles."""
    near = _WITHIN_KM if km > _FARTHEST_GUESS_KM else 0.0
    reach = near + _FASTEST_KMH * hours
    return min(1.0, max(0.0, km / reach - 1)) if reach else float(km > 0)
