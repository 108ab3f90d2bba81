# SPDX-License-Identifier: Apache-2.0
"""strategy.md's five detectors: pure functions over (use, window, baseline, rules).

Each says in bits how much better theft explains what it sees than the key's own past does, and
why, in numbers. None decides alone: `assess.py` adds them up. Volume is in `volume.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from twinguard.decide.threats.baseline import (
    ADDRESS,
    AGENT,
    COUNTRY,
    DIMENSIONS,
    KIND,
    NETWORK,
    PATH,
    Baseline,
)
from twinguard.decide.threats.moves import (
    beyond_reach,
    has_left_the_inside,
    has_moved,
    is_additional,
    is_an_office,
    is_much,
    is_one_of_them,
    is_roaming,
    is_rollout,
    new_kind,
    several,
    travel,
)
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.values import Detector, Fact, NetworkKind, Signal, Use
from twinguard.decide.threats.volume import SETTLED, burst, usage_spike
from twinguard.decide.threats.window import Novel, Window

_BREADTH = 0.5
"""New values come in company (one job, many runners): each beyond the first counts half."""

_RARE = 0.15
"""An hour of the week that saw use less often is unusual."""

_DUE = 3.0
"""Requests that are missed by now: fewer can be chance."""

_WORKDAYS = 12.0
"""Active hours after which a person is known: some two days of work."""


def surprise(count: int, expected: float) -> float:
    """Bits of seeing so many new values where so many were expected; 0 where they were."""
    if count <= expected or not count:
        return 0.0
    single = -math.log2(-math.expm1(-expected))
    bits = (math.lgamma(count + 1) + expected) / math.log(2) - count * math.log2(expected)
    return single + _BREADTH * max(0.0, bits - single)


def novelty(novel: Sequence[Novel], window: Window, baseline: Baseline, dimension: int) -> float:
    """How surprising the new values of one dimension are for a key of this churn."""
    if not novel:
        return 0.0
    mature = baseline.maturity(window.hour)
    single = mature * max(surprise(1, one.churn) * (1 - one.trust) for one in novel)
    fresh = sorted(one.since for one in novel if not one.trust)
    if len(fresh) < 3:  # noqa: PLR2004 - two are one that moves: a line and a phone
        return single
    hours = max(1.0, min(window.hours, (window.at - fresh[0]) / 3600))
    churn = min(one.churn for one in novel if not one.trust)
    broad = mature * surprise(len(fresh) - 1, churn * hours)
    # Many addresses of one network are one event: machines were added.
    return max(single, min(broad, single + 2) if dimension == ADDRESS else broad)


def geographic_anomaly(_: Use, window: Window, baseline: Baseline, rules: Rules) -> Signal:
    """New addresses, networks, countries and kinds of network, and travel nobody can have made.

    They lie inside one another, so the most surprising counts and the others are not added."""
    country, kind = (_placed(window, baseline, at, rules) for at in (COUNTRY, KIND))
    novel = {ADDRESS: window.novel[ADDRESS], NETWORK: window.novel[NETWORK]}
    novel |= {COUNTRY: country, KIND: kind}
    by = {DIMENSIONS[at]: novelty(new, window, baseline, at) for at, new in novel.items()}
    parts: dict[str, float] = {}
    most = rules.source_bits - 2.0 * is_roaming(window, baseline, rules)
    best = min(max(by.values()), most)
    if best:
        parts["new_source"] = best
    weight = min(1.0, best / 5)
    parts |= _explained(best, window, baseline, rules)
    if country:
        parts["new_country"] = 2.0 * weight
    if best and is_an_office(window):
        parts["an_office_in_the_usual_country"] = -3.0 * weight
    elif kind:
        parts["new_kind_of_network"] = new_kind(kind, window, baseline, rules) * weight
    elif weight and NetworkKind.PROXY in window.kinds:
        parts["proxy"] = 2.0 * weight
    elif has_left_the_inside(window, baseline, rules):
        parts["from_outside"] = 3.0 * weight
    km, hours = travel(window)
    fast = beyond_reach(km, hours)
    if fast and weight and country:
        # Servers of a key that lives on servers do not travel: another region was added.
        servers = NetworkKind.HOSTING in window.kinds and not kind
        usual = max(0.0, 3.0 - 6 * several(window, baseline, rules)) * (0.3 if servers else 1.0)
        parts["impossible_travel"] = usual * fast * weight
    evidence: dict[str, Fact] = {
        "novelty_bits": _rounded(by),
        "new_addresses": _values(window.novel[ADDRESS]),
        "new_networks": _values(window.novel[NETWORK]),
        "new_countries": _values(window.novel[COUNTRY]),
        "new_kinds": _values(window.novel[KIND]),
        "usual_countries": baseline.typical_countries[:5],
        "km_from_last_country": round(km),
        "hours_since_last_known_use": round(hours, 2),
    }
    return Signal(Detector.GEOGRAPHIC_ANOMALY, _kept(parts), evidence)


def _explained(best: float, window: Window, baseline: Baseline, rules: Rules) -> dict[str, float]:
    """What owners do with a usual program: more machines of theirs, or elsewhere, or people."""
    parts = {}
    weight = min(1.0, best / 5)
    if best and not window.novel[NETWORK] and not window.novel[AGENT]:
        parts["operator_and_agent_are_known"] = -min(4.0, best / 2)
    if is_one_of_them(window, baseline, rules):
        parts["people_with_the_usual_program"] = -2.0 * weight
    if is_rollout(window, baseline, rules):
        is_sure = NetworkKind.HOSTING in window.kinds
        bits = -2.0 if not is_sure or is_additional(window, baseline) else -4.0
        parts["servers_with_the_usual_agent"] = bits * weight
    return parts


def _placed(window: Window, baseline: Baseline, dimension: int, rules: Rules) -> tuple[Novel, ...]:
    """What is new of a dimension, nothing where the key's own places are not known."""
    new = window.novel[dimension]
    return new if new and baseline.known(dimension, window.hour, rules) else ()


def concurrent_usage(_: Use, window: Window, baseline: Baseline, rules: Rules) -> Signal:
    """Strange and known sources at the same time, or one strange source on several keys."""
    parts: dict[str, float] = {}
    gap = window.at - window.known_at
    is_strange = window.strange > 0
    usual = several(window, baseline, rules) + 0.5 / (baseline.active + 1)
    has_source = is_strange and any(window.novel[at] for at in (ADDRESS, NETWORK, COUNTRY))
    if has_source and gap <= rules.active_seconds:
        turns = min(1.0, (1 + window.changes) / 3)
        most = 1.5 if is_one_of_them(window, baseline, rules) else 3.0
        parts["beside_known_sources"] = min(most, max(1.0, -math.log2(usual))) * turns
    elif has_source and not is_much(window, baseline):
        if baseline.active >= _WORKDAYS and has_moved(window, baseline, rules):
            parts["a_person_may_have_moved"] = -1.0
        due = baseline.activity(window.hour) * baseline.avg_requests_per_hour * gap / 3600
        # Silence where use was due: it moved, nobody else came.
        if baseline.active >= SETTLED and due > _DUE:
            parts["known_sources_moved"] = -3.0
    if window.other_keys:
        shared = 1.5 * math.log2(1 + window.other_keys)
        parts["same_source_on_other_keys"] = shared + 2.0 * window.other_keys_agent
    if window.is_flagged:
        parts["source_found_on_another_key"] = 5.0
    if window.is_colleague:
        parts["home_of_another_key"] = -4.0
    evidence: dict[str, Fact] = {
        "strange_sources": len(window.novel[ADDRESS]),
        "known_sources_active": window.known_active,
        "max_concurrent_ips": baseline.max_concurrent_ips,
        "turns_between_known_and_strange": window.changes,
        "other_keys_of_the_source": window.other_keys,
        "seconds_since_last_known_use": round(gap) if window.known_at else None,
    }
    return Signal(Detector.CONCURRENT_USAGE, _kept(parts), evidence)


def pattern_anomaly(_: Use, window: Window, baseline: Baseline, __: Rules) -> Signal:
    """New agents and paths, unusual hours, tools, and probing before use."""
    agent = novelty(window.novel[AGENT], window, baseline, AGENT)
    path = novelty(window.novel[PATH], window, baseline, PATH)
    parts = {"new_agent": min(agent, 7.0), "new_path": min(path / 2, 2.5)}
    weight = min(1.0, agent / 5)
    if window.is_scanner:
        parts["attack_tool"] = 8.0
    elif window.is_generic and weight:
        parts["generic_agent"] = 1.0 * weight
    if window.strange and window.is_listing:
        parts["asks_what_the_key_can_do"] = 2.0 if window.novel[PATH] else 1.0
    if window.strange and window.failed >= 2:  # noqa: PLR2004 - one failure happens to anybody
        share = window.failed / max(1, window.strange)
        parts["failures"] = min(4.0, math.log2(window.failed) + window.failed_paths / 2) * share
    activity, daily = baseline.activity(window.hour), baseline.daily(window.hour)
    settled = min(1.0, (window.hour - baseline.since) / 120)
    if window.strange and activity < _RARE:
        most = 3.0 if daily < _RARE else 1.0
        parts["unusual_hour"] = most * settled
    evidence: dict[str, Fact] = {
        "new_agents": _values(window.novel[AGENT]),
        "new_paths": _values(window.novel[PATH]),
        "failed_requests": window.failed,
        "failed_paths": window.failed_paths,
        "share_of_weeks_with_use_at_this_hour": round(activity, 2),
        "typical_hours": ",".join(map(str, baseline.typical_hours)),
    }
    return Signal(Detector.PATTERN_ANOMALY, _kept(parts), evidence)


Detect = Callable[[Use, Window, Baseline, Rules], Signal]

DETECTORS: tuple[Detect, ...] = (
    geographic_anomaly,
    concurrent_usage,
    pattern_anomaly,
    usage_spike,
    burst,
)


def _values(novel: Sequence[Novel]) -> list[str]:
    return [one.value for one in novel[:5]]


def _kept(parts: dict[str, float]) -> dict[str, float]:
    return {name: bits for name, bits in parts.items() if bits}


def _rounded(parts: dict[str, float]) -> dict[str, float]:
    return {name: round(bits, 1) for name, bits in parts.items() if bits}
