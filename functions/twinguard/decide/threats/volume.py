# SPDX-License-Identifier: Apache-2.0
"""Detectors of volume: what strangers bring, what all bring, and what comes in a minute. Pure."""

from __future__ import annotations

import math

from twinguard.decide.threats.baseline import AGENT, COUNTRY, KIND, NETWORK, WEEK, Baseline
from twinguard.decide.threats.moves import is_a_colleague, is_one_of_them
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.values import Detector, Fact, Signal, Use
from twinguard.decide.threats.window import Window

_TELLTALE = (COUNTRY, KIND, AGENT)
"""What strangers usually bring is usual for those who are new in these only as far as such are."""

_STRANGE, _FIRST = 0.1, 3.0
"""The share of a key's volume that new sources bring. In its first hours most of it is new."""

_COLLEAGUE = 0.5
"""The share of the key's volume that one more person brings: there are often two."""

SETTLED = 48.0
"""Active hours after which the week and the usual volume are taken for known."""


def usage_spike(_: Use, window: Window, baseline: Baseline, rules: Rules) -> Signal:
    """The volume of strange sources against what strange sources usually bring, and of all."""
    parts: dict[str, float] = {}
    age = window.hour - baseline.since
    # In a key's first week most hours of the week are new, though those of the day are known.
    often = baseline.activity(window.hour) if age >= WEEK else baseline.daily(window.hour)
    due = 1 - min(1.0, age / WEEK) * (1 - often)
    is_same_program = not window.novel[AGENT]
    known = window.requests_hour - window.strange_hour
    if is_one_of_them(window, baseline, rules):
        due = 1.0  # Whoever travels brings the usual volume, at hours of another time zone.
    usual = 1 + _strangers_usual(window, baseline, rules, due)
    more = max(window.strange_hour, window.strange / max(1.0, window.hours)) / usual
    if window.strange:
        most = max(1.3 * baseline.avg_requests_per_hour, baseline.peak_hour) * due
        beyond = _beyond(window, most, baseline.avg_requests_per_hour * due)
        is_other = bool(window.novel[NETWORK]) and any(window.novel[at] for at in _TELLTALE)
        bits = min(9.0 if is_other else 7.5, 1.5 * math.log2(1 + more))
        parts["volume_of_strange_sources"] = bits * (0.5 + 0.5 * beyond)
        is_explained = is_one_of_them(window, baseline, rules)
        if not beyond and is_same_program and not window.novel[KIND] and not is_explained:
            parts["volume_and_agent_as_usual"] = -1.5
        if is_same_program and baseline.active >= SETTLED / 2 and known > 1.3 * baseline.peak_hour:
            parts["known_sources_grow_too"] = -4.0
    expected = max(baseline.peak_hour, baseline.avg_requests_per_hour * rules.spike, 30.0)
    total = window.requests_hour / expected
    if baseline.active >= SETTLED / 2 and total > 1:
        parts["volume"] = min(6.0, 2 * math.log2(1 + total))
    evidence: dict[str, Fact] = {
        "strange_requests_in_the_hour": round(window.strange_hour),
        "usual_strange_requests_in_an_hour": round(usual, 1),
        "requests_in_the_hour": round(window.requests_hour),
        "avg_requests_per_hour": round(baseline.avg_requests_per_hour, 1),
        "most_in_an_hour": round(baseline.peak_hour),
    }
    return Signal(
        Detector.USAGE_SPIKE, {name: bits for name, bits in parts.items() if bits}, evidence
    )


def _beyond(window: Window, most: float, usual: float) -> float:
    """How far strangers bring more than the key's most, from 0, instead of bringing its own."""
    if window.requests_hour <= most:
        return 0.0
    excess = window.requests_hour / most - 1 if most else 1.0
    goes_on = (window.requests_hour - window.strange_hour) / usual if usual else 0.0
    return min(1.0, max(excess, goes_on))


def _strangers_usual(window: Window, baseline: Baseline, rules: Rules, due: float) -> float:
    """What strangers like these bring in an hour as a rule."""
    own = baseline.avg_requests_per_hour * due
    if is_one_of_them(window, baseline, rules):
        return baseline.strange_hour + own
    if is_a_colleague(window, baseline, rules):
        return baseline.strange_hour + _COLLEAGUE * own
    like = min((one.churn for at in _TELLTALE for one in window.novel[at]), default=1.0)
    share = _STRANGE + (1 - _STRANGE) / (1 + baseline.active / _FIRST)
    return min(1.0, like) * baseline.strange_hour + share * own


def burst(_: Use, window: Window, baseline: Baseline, rules: Rules) -> Signal:
    """Two sliding windows, 60 and 10 seconds, against min(quota, k times the key's own past)."""
    short = max(window.limit / 3, rules.factor * baseline.peak_10)
    over = max(window.requests_60s / window.limit, window.requests_10s / short)
    parts = {"over_the_limit": min(8.0, 3 + 3 * math.log2(over))} if over > 1 else {}
    evidence: dict[str, Fact] = {
        "requests_10s": round(window.requests_10s),
        "requests_60s": round(window.requests_60s),
        "limit_10s": round(short),
        "limit_60s": round(window.limit),
        "most_in_a_minute": round(baseline.peak_60),
    }
    return Signal(Detector.BURST, parts, evidence)
