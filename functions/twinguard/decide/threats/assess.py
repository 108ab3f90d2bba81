# SPDX-License-Identifier: Apache-2.0
"""Add the detectors up to a level, and say it by the one that saw most. Pure.

Agreement raises the level: no detector's bits alone reach HIGH, and volume of known sources never
goes beyond MEDIUM, because that is a question of cost."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from twinguard.decide.threats.baseline import (
    ADDRESS,
    AGENT,
    COUNTRY,
    KIND,
    NETWORK,
    Baseline,
)
from twinguard.decide.threats.detectors import DETECTORS
from twinguard.decide.threats.moves import SERVERS, is_an_office
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.values import Detector, Fact, Finding, Signal, ThreatLevel, Use
from twinguard.decide.threats.window import Window

_VOLUME = {Detector.USAGE_SPIKE, Detector.BURST}
_FOREIGN = (NETWORK, COUNTRY, KIND, AGENT)
_TELLING = 2.0
"""Bits from which on a detector agrees."""

_CLEAR = 8.0
"""So many bits over its limit a level is as clear in a key's first hours as later."""

_PLAIN = 4.5
"""So many bits over its limit, half way to CRITICAL, HIGH needs no third request."""

_KNOWN = 24.0
"""Active hours before which a key is too little known to be blocked at once for what is new."""

_FAILURES = 5
_MEDIUM = ThreatLevel.MEDIUM.rank

_LEAST = 5.0
"""Known sources some 1.6 times over the limit: below, a quota deals with it."""


class Assessment(Struct, frozen=True):
    """The level of a window, None for nothing; the signals behind it, the strongest first.

    `needed` are the bits that each level takes of strange use, from LOW on."""

    level: ThreatLevel | None
    bits: float
    signals: tuple[Signal, ...]
    needed: tuple[float, ...] = ()


def assess(use: Use, window: Window, baseline: Baseline, rules: Rules) -> Assessment:
    """What all detectors together make of a window."""
    signals = [detect(use, window, baseline, rules) for detect in DETECTORS]
    signals.sort(key=lambda signal: -signal.bits)
    bits = sum(signal.bits for signal in signals)
    if not window.strange:
        return Assessment(
            _of_known(signals, _LEAST if baseline.active else 0.0), bits, tuple(signals)
        )
    is_burst = any(signal.bits for signal in signals if signal.detector is Detector.BURST)
    # What is over every limit needs no past to be compared with.
    age = rules.young_hours if is_burst else window.hour - baseline.since
    # The first days that were seen of an old key are days as any.
    most = rules.old_share if window.is_old else 1.0
    youth = most * max(0.0, 1 - age / rules.young_hours)
    limits = (rules.low, rules.medium, rules.high, rules.critical)
    needed = tuple(limit + rules.young_bits * youth for limit in limits)
    floors = _floors(window, youth, bits, needed, rules)
    found = None
    for level, limit, least in zip(ThreatLevel, needed, floors, strict=True):
        if bits >= limit and window.strange >= least:
            found = level
    return Assessment(
        _of_strange(found, use, window, baseline, signals), bits, tuple(signals), needed
    )


def _floors(
    window: Window, youth: float, bits: float, needed: Sequence[float], rules: Rules
) -> tuple[float, ...]:
    """The strange requests that each level takes: more while a key is young, fewer the clearer."""
    is_odd = _is_odd(window)
    floors = []
    for level, least, limit in zip(ThreatLevel, rules.requests, needed, strict=True):
        doubt = max(0.0, 1 - max(0.0, bits - limit) / _CLEAR)
        by_hand = rules.by_hand if level.rank > _MEDIUM and not is_odd else 1.0
        is_plain = level is ThreatLevel.HIGH and is_odd and bits >= limit + _PLAIN
        floors.append((least - is_plain) * max(1 + rules.young_requests * youth * doubt, by_hand))
    return tuple(floors)


def finding(use: Use, window: Window, assessment: Assessment, level: ThreatLevel) -> Finding:
    """The finding of an assessment, with the numbers of every detector that agreed."""
    strongest = assessment.signals[0]
    reasons = {
        name: round(bits, 1) for one in assessment.signals for name, bits in one.parts.items()
    }
    evidence: dict[str, Fact] = {
        "bits": round(assessment.bits, 1),
        "bits_needed": round(assessment.needed[level.rank - 1], 1) if assessment.needed else None,
        "reasons": reasons,
        "strange_requests": window.strange,
        "strange_since": round(window.since) if window.strange else None,
        "address": use.ip[:48],
    }
    for signal in assessment.signals:
        if signal is strongest or signal.bits >= _TELLING:
            evidence |= signal.evidence
    return Finding(use.at, use.key_id, strongest.detector, level, evidence)


def _of_known(signals: Sequence[Signal], least: float) -> ThreatLevel | None:
    """Known sources only: too many requests are watched, far too many are slowed down."""
    by = {signal.detector: signal.bits for signal in signals}
    if by[Detector.BURST] <= least:
        return None
    if by[Detector.BURST] + by[Detector.USAGE_SPIKE] >= 11:  # noqa: PLR2004 - both at once
        return ThreatLevel.MEDIUM
    return ThreatLevel.LOW


def _of_strange(
    found: ThreatLevel | None,
    use: Use,
    window: Window,
    baseline: Baseline,
    signals: Sequence[Signal],
) -> ThreatLevel | None:
    """The level that bits and requests reach, lowered where too little agrees."""
    if found is not None and _is_at_home(use, window):
        most = ThreatLevel.LOW if _is_upgrade(window) else ThreatLevel.MEDIUM
        return min(found, most, key=lambda level: level.rank)
    agreeing = [signal for signal in signals if signal.bits >= _TELLING]
    if found in {ThreatLevel.HIGH, ThreatLevel.CRITICAL} and len(agreeing) < 2:  # noqa: PLR2004
        return ThreatLevel.MEDIUM
    if found is ThreatLevel.CRITICAL and not _is_certain(window, baseline, signals):
        return ThreatLevel.HIGH
    return found


def _is_at_home(use: Use, window: Window) -> bool:
    """An operator and an agent that are known are more machines; another agent on the owner's own
    machines is a new program. Either is at most a question of cost."""
    has_stranger = not use.ip or bool(window.novel[ADDRESS])
    return not has_stranger or not any(window.novel[at] for at in _FOREIGN)


def _is_odd(window: Window) -> bool:
    """What no colleague does who tries a key by hand: abroad, on rented machines, with a list."""
    does = window.is_listing or window.is_scanner or window.is_flagged or window.other_keys
    is_abroad = bool(window.novel[COUNTRY]) or not SERVERS.isdisjoint(window.kinds)
    return is_abroad or bool(does) or window.failed >= _FAILURES


def _is_upgrade(window: Window) -> bool:
    """Another program on the owner's own machines, which does nothing that thieves do."""
    is_odd = window.is_generic or window.is_listing or window.is_scanner
    return not window.novel[ADDRESS] and not is_odd and window.failed < _FAILURES


def _is_certain(window: Window, baseline: Baseline, signals: Sequence[Signal]) -> bool:
    """Somebody else's network and one thing more, and much of it, or known to be hostile.

    Another region or program on the owner's cloud, or a test from an office, can be the owner."""
    if window.is_scanner or window.is_flagged:
        return window.succeeded > 0
    if baseline.active < _KNOWN or not window.novel[NETWORK] or is_an_office(window):
        return False
    volume = max(signal.bits for signal in signals if signal.detector in _VOLUME)
    new = sum(bool(window.novel[at]) for at in _FOREIGN)
    return volume >= _TELLING and new >= 2  # noqa: PLR2004 - one network more can be a launch
