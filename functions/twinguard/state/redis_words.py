# SPDX-License-Identifier: Apache-2.0
"""What the script of the counters is told of a use and of the rules, and the scripts themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twinguard.counters import Answer
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.sighting import CUT, Sighting, words_of
from twinguard.decide.threats.values import Use
from twinguard.state.redis_watch import Known, word_of

_LEASE = 10.0
"""Seconds after which an hour that nobody learned from is handed to somebody else."""


def told_of(known: Known, use: Use, seen: Sighting, rules: Rules) -> dict[str, Any]:
    """What a use that is not familiar says."""
    base, hour = known.base, known.hour
    fields: dict[str, Any] = {
        "novel": [(at, value, base.churn(at, hour)) for at, value in seen.novel],
        "network": seen.source.network,
        "country": seen.source.country,
        "strange": seen.is_strange,
    }
    if seen.is_strange:
        said = words_of(use, seen, hour, base, rules)
        fields |= {
            "kind": word_of(seen.source.kind),
            "listing": said.is_listing,
            "scanner": said.is_scanner,
            "generic": said.is_generic,
            "asks": said.is_new_address,
        }
    return fields


def ending(use: Use, seen: Sighting, hour: int, at: float, *, is_fine: bool) -> dict[str, Any]:
    """The script's arguments about how a use ended."""
    network = seen.source.network
    fields = {"at": at, "hour": hour, "strange": seen.is_strange, "network": network}
    return fields | ({"values": values(seen)} if is_fine else {"failed": use.path[:CUT]})


def values(seen: Sighting) -> list[str]:
    """What a successful use showed, by dimension."""
    return [f"{at} {value}" for at, value in seen.parts]


def preamble(rules: Rules) -> str:
    """The rules that the script needs, as its first line."""
    numbers = {
        "active": rules.active_seconds,
        "brief": int(rules.brief_seconds),
        "late": rules.late_seconds,
        "lease": _LEASE,
        "longest": rules.longest_seconds,
        "quiet": rules.quiet_seconds,
        "strangers": rules.strangers,
    }
    return f"local RULES = {{ {', '.join(f'{name} = {n}' for name, n in numbers.items())} }}\n"


def throttled(key_id: str, seconds: float, rate: int) -> Answer:
    """The answer to a request that has to wait."""
    held = Restraint(key_id=key_id, curb=Curb.THROTTLE, since=0.0, rate=rate)
    return Answer(refused=held, retry_after=seconds, rate=rate)


def text_of(name: str) -> str:
    """A script's text, which lies beside this module."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
