# SPDX-License-Identifier: Apache-2.0
"""Say what is usual for a key, as its baseline has it. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from msgspec import Struct

from twinguard.decide.threats.baseline import AGENT, HOUR, Baseline
from twinguard.reports.stamps import counted

LISTED = 6


class Usual(Struct, frozen=True):
    """What is usual for a key, as (name, words), and the last hour that was learned from."""

    facts: tuple[tuple[str, str], ...]
    through: dt.datetime


def usual_of(baseline: Baseline | None) -> Usual | None:
    """A baseline in words; None where nothing was learned yet."""
    if baseline is None or not baseline.active:
        return None
    known = (baseline.through - baseline.since) // 24
    facts = (
        ("requests an hour", f"{baseline.avg_requests_per_hour:,.1f} while it is used"),
        ("most in a minute", f"{baseline.peak_60:,.0f}"),
        ("hours", _hours(baseline.typical_hours)),
        ("countries", _listed(baseline.typical_countries)),
        ("addresses", _listed(baseline.typical_ips)),
        ("most at once", counted(baseline.max_concurrent_ips, "source")),
        ("agents", _listed(sorted(one for one in baseline.seen[AGENT] if one))),
        ("known for", counted(known, "day") if known else "less than a day"),
    )
    return Usual(facts, dt.datetime.fromtimestamp((baseline.through + 1) * HOUR, dt.UTC))


def _hours(hours: Sequence[int]) -> str:
    """Hours of the day as spans: `08:00 to 12:00, 14:00 to 18:00 UTC`."""
    spans: list[list[int]] = []
    for hour in hours:
        if spans and spans[-1][1] == hour:
            spans[-1][1] = hour + 1
        else:
            spans.append([hour, hour + 1])
    told = ", ".join(f"{first:02d}:00 to {last:02d}:00" for first, last in spans)
    return f"{told} UTC" if told else "none more than others"


def _listed(values: Iterable[str]) -> str:
    names = list(values)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more or "none known"
