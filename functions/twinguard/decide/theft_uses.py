# SPDX-License-Identifier: Apache-2.0
"""What was done with a key, by address; and what is strange before anything is found in it. Pure.

A finding takes several strange uses, and those come in batches of several instances, in any order.
`thefts.py` counts them into the incident that they led to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide.threats.rules import RULES
from twinguard.decide.threats.values import FAILED, Use

QUIET = dt.timedelta(seconds=RULES.quiet_seconds)
LONGEST = dt.timedelta(seconds=RULES.longest_seconds)
"""A run of strange use ends after so much quiet, or so long after it began."""

OTHERS = "other addresses"
"""Where the uses from beyond the bound are counted."""

_SOURCES, _PATHS, _BATCHES = 30, 10, 50


class Used(Struct, frozen=True):
    """A use, and whether it is one that its key is not used to."""

    use: Use
    is_strange: bool = False


class Source(Struct, frozen=True, kw_only=True):
    """What one address did with a key."""

    requests: int = 0
    failed: int = 0
    first: dt.datetime
    last: dt.datetime
    paths: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


class Signs(Struct, frozen=True, kw_only=True):
    """A run of strange uses that nothing was found in yet, from the messages `batches`."""

    first: dt.datetime
    last: dt.datetime
    sources: dict[str, Source] = {}
    batches: tuple[str, ...] = ()


def noted(signs: Signs | None, batch: str, strange: Iterable[Use]) -> Signs | None:
    """The signs with a batch's strange uses, once; a run that is over makes room for a new one."""
    if signs is not None and batch in signs.batches:
        return signs
    uses = sorted(strange, key=lambda use: use.at)
    if not uses:
        return signs
    first, last = uses[0].at, uses[-1].at
    if signs is None or not _goes_on(signs, first):
        signs = Signs(first=first, last=last)
    return replace(
        signs,
        first=min(signs.first, first),
        last=max(signs.last, last),
        sources=tallied(signs.sources, uses),
        batches=with_batches(signs.batches, batch),
    )


def tallied(sources: Mapping[str, Source], uses: Iterable[Use]) -> dict[str, Source]:
    """The sources with more uses."""
    found = dict(sources)
    for use in uses:
        _add(
            found,
            use.ip,
            Source(
                requests=1,
                failed=int(use.status >= FAILED),
                first=use.at,
                last=use.at,
                paths=(use.path[:200],),
                agents=(use.user_agent[:200],),
            ),
        )
    return found


def joined(sources: Mapping[str, Source], more: Mapping[str, Source]) -> dict[str, Source]:
    """Both together."""
    found = dict(sources)
    for address, source in more.items():
        _add(found, address, source)
    return found


def with_batches(batches: tuple[str, ...], *more: str) -> tuple[str, ...]:
    """The newest of the messages that were counted."""
    return (*batches, *more)[-_BATCHES:]


def _goes_on(signs: Signs, at: dt.datetime) -> bool:
    return at - signs.last <= QUIET and at - signs.first <= LONGEST


def _add(found: dict[str, Source], address: str, more: Source) -> None:
    name = address if address in found or len(found) < _SOURCES else OTHERS
    known = found.get(name)
    found[name] = more if known is None else replace(
        known,
        requests=known.requests + more.requests,
        failed=known.failed + more.failed,
        first=min(known.first, more.first),
        last=max(known.last, more.last),
        paths=_with(known.paths, more.paths),
        agents=_with(known.agents, more.agents),
    )  # fmt: skip


def _with(known: tuple[str, ...], texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *texts)))[:_PATHS]
