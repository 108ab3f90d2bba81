# SPDX-License-Identifier: Apache-2.0
"""Say of what time a report speaks, and how far its data reach. Pure; on every report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from twinguard.decide.months import last_of
from twinguard.decide.spend import Freshness
from twinguard.reports.names import one_line


def month_name(month: dt.date) -> str:
    """`October 2026`, in every locale."""
    return f"{_MONTHS[month.month - 1]} {month.year}"


def stamp(found: Iterable[Freshness], last: dt.date) -> tuple[str, ...]:
    """A line for each source: complete through when, how late its rows are, and its newest one.

    `last` is the last day the report is about: before it the amounts still grow."""
    lines: list[str] = []
    for freshness in found:
        line = _line(freshness, last)
        if line not in lines:
            lines.append(line)
    return tuple(lines)


def is_complete(freshness: Freshness, month: dt.date) -> bool:
    """True where every day of the month is taken to be complete."""
    return freshness.through is not None and freshness.through >= last_of(month)


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    all_ = list(words)
    return " and ".join((", ".join(all_[:-1]), all_[-1])) if len(all_) > 1 else "".join(all_)


def counted(number: int, thing: str) -> str:
    """`1 day`, `2 days`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _line(freshness: Freshness, last: dt.date) -> str:
    if freshness.through is None:
        reach = "Complete through: no day yet"
    else:
        grows = "; later days still grow" if freshness.through < last else ""
        reach = (
            f"Complete through {min(freshness.through, last)} (days in {freshness.calendar}{grows})"
        )
    newest = (
        f", newest row {freshness.newest.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        if freshness.newest
        else ""
    )
    late = f"Lag known: rows come up to {_span(freshness.lag)} late" if freshness.lag else _UNKNOWN
    return f"{reach}. {late}{newest}. Source: {one_line(freshness.source)}."


def _span(lag: dt.timedelta) -> str:
    hours = round(lag / dt.timedelta(hours=1))
    return counted(hours, "hour")


_UNKNOWN = "Lag: not known, the source does not say when rows were written"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
