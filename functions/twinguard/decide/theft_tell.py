# SPDX-License-Identifier: Apache-2.0
"""Word a theft for the people who are alerted. Pure; `thefts.py` decides when they are.

A terminal and a page show the whole of it: `reports/theft.py`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from twinguard.decide.model import Alert
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.values import Finding, reasons_of
from twinguard.decide.wording import END, alert_of
from twinguard.policy import Policy

if TYPE_CHECKING:
    from twinguard.decide.thefts import Theft

KIND = "theft"
_SHOWN = 5


def opened(
    theft: Theft, worst: Finding, restraint: Restraint | None, policy: Policy, now: dt.datetime
) -> Alert:
    """That a key is used by somebody else, why that is thought, and what was done."""
    title = f"API key {theft.key_id}: {theft.level}, {worst.detector.replace('_', ' ')}"
    address = worst.evidence.get("address")
    lines = (
        f"Why: {_why(worst)}.",
        f"Address: {address if address and isinstance(address, str) else 'unknown'}.",
        f"First sign: {theft.opened_at:%Y-%m-%d %H:%M:%S} UTC, {len(theft.findings)} findings.",
        _held_words(restraint),
        f"Evidence and next steps: make incident ID={theft.name} ENV={policy.environment}",
    )
    key, level = f"{KIND}/{theft.name}", theft.level
    return alert_of(policy, key, level.level, level.rank, title, lines, now)


def ended(theft: Theft, policy: Policy, now: dt.datetime) -> Alert:
    """That an incident is over, and by whom."""
    title = f"API key {theft.key_id}: the incident is over"
    lines = (f"{theft.ended_why} ({theft.ended_by})",)
    key = f"{KIND}/{theft.name}"
    return alert_of(policy, key, theft.level.level, END, title, lines, now)


def _why(found: Finding) -> str:
    words = (f"{name} ({bits:g} bits)" for name, bits in reasons_of(found.evidence)[:_SHOWN])
    return ", ".join(words) or "see the evidence"


def _held_words(restraint: Restraint | None) -> str:
    if restraint is None:
        return "The key is watched; nothing holds it back."
    until = "until a person lifts it"
    if restraint.until is not None:
        until = f"until {dt.datetime.fromtimestamp(restraint.until, dt.UTC):%Y-%m-%d %H:%M} UTC"
    if restraint.curb is Curb.BLOCK:
        return f"The key is blocked {until}."
    return f"The key may make {restraint.rate} requests a minute {until}."
