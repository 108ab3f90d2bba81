# SPDX-License-Identifier: Apache-2.0
"""One key's incident from its first finding to its end, and what is to be done about it. Pure.

A level only rises while an incident is open. What was done is noted in the incident, so that a
process that dies in between is followed by one that goes on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide import theft_tell
from twinguard.decide.model import Alert
from twinguard.decide.response import restraint_for, treatment_for
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.theft_uses import (
    LONGEST,
    QUIET,
    Signs,
    Source,
    Used,
    joined,
    noted,
    tallied,
    with_batches,
)
from twinguard.decide.threats.values import Finding, ThreatLevel
from twinguard.policy import Policy

_FINDINGS = 30
_HEARD = 60.0
"""Seconds after which every instance knows of a block."""


class Theft(Struct, frozen=True, kw_only=True):
    """An incident. `restrained` and `told` are the ranks of the levels that were acted on and told.

    `rotation` says what became of the key: asked of the rotation, or marked for its owner. The uses
    in the messages `batches` (the newest of them) are counted in `sources`: all since it opened,
    and before that the strange ones since `since`, which led to it."""

    key_id: str
    opened_at: dt.datetime
    since: dt.datetime | None = None
    last_at: dt.datetime
    level: ThreatLevel
    findings: tuple[Finding, ...] = ()
    sources: dict[str, Source] = {}
    batches: tuple[str, ...] = ()
    held: Restraint | None = None
    restrained: int = 0
    rotation: str = ""
    told: int = 0
    ended_at: dt.datetime | None = None
    ended_by: str = ""
    ended_why: str = ""
    end_told: bool = False

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.key_id}/{self.opened_at:%Y-%m-%dT%H-%M-%S}"

    @property
    def is_open(self) -> bool:
        """True until it ended."""
        return self.ended_at is None


class Case(Struct, frozen=True, kw_only=True):
    """What is remembered of a key: its newest incident, and signs that none is open for."""

    theft: Theft | None = None
    signs: Signs | None = None


class HoldBack(Struct, frozen=True):
    """Block or throttle the key on every instance."""

    restraint: Restraint


class Rotate(Struct, frozen=True):
    """Have the provider's key in this secret replaced."""

    secret: str


class Mark(Struct, frozen=True):
    """Tell the key's owner to rotate it; only they can."""

    key_id: str


class Tell(Struct, frozen=True):
    """Tell people."""

    alert: Alert


Step: TypeAlias = HoldBack | Rotate | Mark | Tell


def absorbed(theft: Theft | None, found: Finding, quiet: dt.timedelta) -> Theft | None:
    """The incident once a finding is known. Repeats, and what came before its end, change nothing.

    What is quiet for long is over, unless something still holds the key back."""
    if theft is not None and theft.ended_at is not None and found.timestamp <= theft.ended_at:
        return theft
    if theft is None or not theft.is_open or _is_over(theft, found.timestamp, quiet):
        return Theft(
            key_id=found.key_id,
            opened_at=found.timestamp,
            since=_since(theft, found.timestamp),
            last_at=found.timestamp,
            level=found.threat_level,
            findings=(found,),
        )
    if any(_is_same(known, found) for known in theft.findings):
        return theft
    first, rest = theft.findings[:1], theft.findings[1:]
    return replace(
        theft,
        last_at=max(theft.last_at, found.timestamp),
        level=max(theft.level, found.threat_level, key=lambda level: level.rank),
        findings=(*first, *(*rest, found)[-(_FINDINGS - 1) :]),
    )


def followed(
    case: Case, batch: str, found: Sequence[Finding], used: Sequence[Used], quiet: dt.timedelta
) -> Case:
    """What is known of a key once a batch is, whichever batch of several comes first.

    A batch may come again: its uses are counted once."""
    theft, signs = case.theft, case.signs
    for one in found:
        theft = absorbed(theft, one, quiet)
    if theft is None or not theft.is_open:
        after = None if theft is None else theft.ended_at
        strange = [one.use for one in used if one.is_strange]
        strange = [use for use in strange if after is None or use.at > after]
        return Case(theft=theft, signs=noted(signs, batch, strange))
    if signs is not None and theft.opened_at - signs.last <= QUIET:
        theft = replace(
            theft,
            sources=joined(theft.sources, signs.sources),
            batches=with_batches(theft.batches, *signs.batches),
        )
    return Case(theft=counted(theft, batch, used))


def counted(theft: Theft, batch: str, used: Sequence[Used]) -> Theft:
    """The incident with a batch's uses of the key, once; whose they were is for people to say."""
    if batch in theft.batches:
        return theft
    since = theft.since or theft.opened_at
    uses = [one.use for one in used if one.use.at >= (since if one.is_strange else theft.opened_at)]
    batches = with_batches(theft.batches, batch)
    return replace(theft, sources=tallied(theft.sources, uses), batches=batches)


def slipped(theft: Theft, used: Sequence[Used]) -> Restraint | None:
    """The block of a key that is used all the same, a while after: the counters have lost it."""
    held = theft.held if theft.is_open else None
    if held is None or held.curb is not Curb.BLOCK:
        return None
    times = (one.use.at.timestamp() for one in used)
    return held if any(held.holds(at) and at > held.since + _HEARD for at in times) else None


def due(theft: Theft, policy: Policy, now: dt.datetime) -> tuple[Step, ...]:
    """What is still to be done, in the order in which it is done: the block before the words."""
    if not theft.is_open:
        is_due = theft.told and not theft.end_told
        return (Tell(theft_tell.ended(theft, policy, now)),) if is_due else ()
    steps: list[Step] = []
    worst = max(theft.findings, key=lambda one: one.threat_level.rank)
    restraint = restraint_for(worst, policy.security.responses)
    if restraint is not None and theft.restrained < theft.level.rank:
        steps.append(HoldBack(restraint))
    if treatment_for(theft.level, policy.security.responses).rotate and not theft.rotation:
        is_ours = theft.key_id in policy.secrets
        steps.append(Rotate(theft.key_id) if is_ours else Mark(theft.key_id))
    if theft.told < theft.level.rank:
        steps.append(Tell(theft_tell.opened(theft, worst, restraint, policy, now)))
    return tuple(steps)


def done(theft: Theft, step: Step) -> Theft:
    """The incident once a step is carried out."""
    match step:
        case HoldBack(restraint):
            return replace(theft, held=restraint, restrained=theft.level.rank)
        case Rotate():
            return replace(theft, rotation="asked")
        case Mark():
            return replace(theft, rotation="marked")
        case Tell():
            if theft.is_open:
                return replace(theft, told=theft.level.rank)
            return replace(theft, end_told=True)


def merged(theft: Theft, noted: Theft) -> Theft:
    """The incident as somebody else left it, with what was done meanwhile as `noted` has it."""
    if theft.opened_at != noted.opened_at:
        return theft
    is_stricter = noted.restrained > theft.restrained
    return replace(
        theft,
        held=noted.held if is_stricter else theft.held,
        restrained=max(theft.restrained, noted.restrained),
        rotation=theft.rotation or noted.rotation,
        told=max(theft.told, noted.told),
        end_told=theft.end_told or (noted.end_told and not theft.is_open),
    )


def ended(theft: Theft, by: str, why: str, now: dt.datetime) -> Theft:
    """The incident after its end."""
    return replace(theft, ended_at=max(now, theft.last_at), ended_by=by, ended_why=why)


def quiet(thefts: Collection[Theft], hours: int, now: dt.datetime) -> tuple[Theft, ...]:
    """Those that are over by themselves: nothing found for long, and nothing holds the key back."""
    after = dt.timedelta(hours=hours)
    return tuple(theft for theft in thefts if theft.is_open and _is_over(theft, now, after))


def _is_over(theft: Theft, now: dt.datetime, quiet: dt.timedelta) -> bool:
    is_held = theft.held is not None and theft.held.holds(now.timestamp())
    return now - theft.last_at > quiet and not is_held


def _is_same(known: Finding, found: Finding) -> bool:
    return (known.timestamp, known.detector, known.threat_level) == (
        found.timestamp,
        found.detector,
        found.threat_level,
    )


def _since(before: Theft | None, at: dt.datetime) -> dt.datetime:
    """From when on strange use belongs to an incident: never to the one that ended before it."""
    ended_at = None if before is None else before.ended_at
    return at - LONGEST if ended_at is None else max(ended_at, at - LONGEST)
