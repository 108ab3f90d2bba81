# SPDX-License-Identifier: Apache-2.0
"""What one use is, seen from its key's baseline; and whether a finding says anything new. Pure.

Every place that watches keys asks here, so that all of them give the same answers."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from twinguard.decide.threats.baseline import ADDRESS, AGENT, COUNTRY, NETWORK, PATH, Baseline
from twinguard.decide.threats.detectors import surprise
from twinguard.decide.threats.hot import parts_of
from twinguard.decide.threats.reader import Reader
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.sources import GENERIC, IDLE, LISTING, SCANNERS, Source
from twinguard.decide.threats.values import ThreatLevel, Use

CUT = 512
STRANGE = 2.5
"""Bits from which on a new value makes a use strange; below, the key is used to new ones."""

_VOLUME_SECONDS = 3 * 86400.0
HIGH = ThreatLevel.HIGH.rank

Part = tuple[int, str]
"""A dimension of the baseline, and a value."""


class Sighting(Struct, frozen=True):
    """A use as it is compared: `novel` is not fully known, `bits` say how surprising that is."""

    source: Source
    agent: str
    path: str
    parts: tuple[Part, ...]
    novel: tuple[Part, ...]
    bits: float

    @property
    def is_idle(self) -> bool:
        """True for what nobody asks for on purpose: it says nothing of whose use it is."""
        return self.path in IDLE

    @property
    def is_strange(self) -> bool:
        """True for what the key is not used to."""
        return self.bits >= STRANGE


class Words(Struct, frozen=True):
    """What a stranger's use says besides being new."""

    is_listing: bool
    is_scanner: bool
    is_generic: bool
    is_new_address: bool


class Told(Struct, frozen=True):
    """What was said of a key: of its volume, of this network lately, of this run of strange use."""

    volume: int
    volume_at: float
    network: int
    episode: int
    episode_at: float


def sighted(use: Use, hour: int, base: Baseline, reader: Reader, rules: Rules) -> Sighting:
    """How a use looks in that hour."""
    source, agent, path = reader.read(use)
    parts = parts_of(source, agent, path)
    novel = tuple(part for part in parts if base.trust(part[0], part[1], hour, rules) < 1)
    bits = base.maturity(hour) * max(
        (
            surprise(1, base.churn(at, hour)) * (1 - base.trust(at, value, hour, rules))
            for at, value in novel
            if at != PATH
        ),
        default=0.0,
    )
    return Sighting(source, agent, path, parts, novel, bits)


def words_of(use: Use, seen: Sighting, hour: int, base: Baseline, rules: Rules) -> Words:
    """What the texts of a strange use say of it."""
    is_new_agent = base.trust(AGENT, seen.agent, hour, rules) < 1
    address = seen.source.address
    return Words(
        is_listing=LISTING.search(use.path[:CUT]) is not None,
        is_scanner=SCANNERS.search(use.user_agent[:CUT]) is not None,
        is_generic=is_new_agent and GENERIC.search(use.user_agent[:CUT]) is not None,
        is_new_address=bool(address) and base.trust(ADDRESS, address, hour, rules) < 1,
    )


def marks_of(source: Source, agent: str) -> tuple[Part, Part, Part]:
    """What somebody else is told by: another network, another country, another program."""
    return (NETWORK, source.network), (COUNTRY, source.country), (AGENT, agent)


def is_said(
    rank: int,
    told: Told,
    at: float,
    came: Sequence[float | None],
    rules: Rules,
    *,
    is_strange: bool,
) -> bool:
    """True where people know already. `came` is since when each of the use's marks is new.

    Somebody else who came after the last finding is told anew, at its level. It takes hours, or
    another program or country that came with the network."""
    if not is_strange:
        return rank <= told.volume and at - told.volume_at < _VOLUME_SECONDS
    if rank <= told.network:
        return True
    network, *others = (since is not None and since > told.episode_at for since in came)
    is_later = at - told.episode_at > rules.again_seconds
    return rank <= told.episode and not (network and (is_later or any(others)))
