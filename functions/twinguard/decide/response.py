# SPDX-License-Identifier: Apache-2.0
"""Decide what a finding leads to: how a key is held back, by the policy's table (strategy.md 12.1).

Pure. What becomes of the whole incident is in `thefts.py`."""

from __future__ import annotations

from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.values import Finding, ThreatLevel
from twinguard.policy import Responses, Treatment

BLOCKED = "API key has been blocked for security reasons"
"""What the caller of a blocked key is told, in strategy.md's words."""

BY = "detection"


def treatment_for(level: ThreatLevel, responses: Responses) -> Treatment:
    """What happens to a key that was found at this level."""
    return {
        ThreatLevel.CRITICAL: responses.critical,
        ThreatLevel.HIGH: responses.high,
        ThreatLevel.MEDIUM: responses.medium,
        ThreatLevel.LOW: responses.low,
    }[level]


def restraint_for(finding: Finding, responses: Responses) -> Restraint | None:
    """How the key is held back from now on; None where it is only watched."""
    treatment = treatment_for(finding.threat_level, responses)
    if not treatment.block and treatment.per_minute is None:
        return None
    since = finding.timestamp.timestamp()
    return Restraint(
        key_id=finding.key_id,
        curb=Curb.BLOCK if treatment.block else Curb.THROTTLE,
        since=since,
        until=None if treatment.hours is None else since + 3600 * treatment.hours,
        rate=treatment.per_minute or 0,
        reason=f"{finding.threat_level}: {finding.detector.replace('_', ' ')}",
        by=BY,
    )


def strictest(found: tuple[Finding, ...]) -> Finding | None:
    """The worst of what a request showed."""
    return max(found, key=lambda one: one.threat_level.rank, default=None)
