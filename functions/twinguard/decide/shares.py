# SPDX-License-Identifier: Apache-2.0
"""Tell a month's parts and what moved most, from lines by day and one dimension. Pure; exact."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

from twinguard.decide.months import ONE, before, last_of, same_day
from twinguard.decide.spend import UNATTRIBUTED, Driver, Line, Share

MOVERS = 3
"""Movers in each direction."""


def shares(lines: Iterable[Line], month: dt.date, as_of: dt.date | None) -> tuple[Share, ...]:
    """The parts, the dearest first: all of the month, and the same days of the month before."""
    last, first, until = last_of(month), before(month), same_days_until(as_of, month)
    now: dict[str | None, Decimal] = {}
    done: dict[str | None, Decimal] = {}
    then: dict[str | None, Decimal] = {}
    for line in lines:
        date, name = date_of(line), line.keys[1]
        if month <= date <= last:
            now[name] = now.get(name, Decimal(0)) + line.net
            if as_of is not None and date <= as_of:
                done[name] = done.get(name, Decimal(0)) + line.net
        elif first <= date <= until:
            then[name] = then.get(name, Decimal(0)) + line.net
    shares = [
        Share(
            name=name,
            net=now.get(name, Decimal(0)),
            before=then.get(name, Decimal(0)),
            complete=done.get(name, Decimal(0)) if done.get(name) != now.get(name) else None,
        )
        for name in now.keys() | then.keys()
    ]
    return tuple(sorted(shares, key=lambda one: (-one.net, one.name is None, one.name or "")))


def movers(lines: Iterable[Line], month: dt.date, as_of: dt.date | None) -> tuple[Driver, ...]:
    """What rose most and what fell most, complete days only; rises first, the largest first."""
    if as_of is None or as_of < month:
        return ()
    complete = [line for line in lines if date_of(line) <= as_of]
    moved = [
        Driver(name=one.name or UNATTRIBUTED, before=one.before, after=one.net)
        for one in shares(complete, month, as_of)
    ]
    up = sorted((o for o in moved if o.change > 0), key=lambda o: (-o.change, o.name))
    down = sorted((o for o in moved if o.change < 0), key=lambda o: (o.change, o.name))
    return (*up[:MOVERS], *down[:MOVERS])


def same_days_until(as_of: dt.date | None, month: dt.date) -> dt.date:
    """The day of the month before up to which it is compared: the day before it, for no day."""
    earlier = before(month)
    if as_of is None or as_of < month:
        return earlier - ONE
    return same_day(as_of, earlier)


def date_of(line: Line) -> dt.date:
    """The day of a line; every row of a source has one."""
    return dt.date.fromisoformat(line.keys[0] or "")
