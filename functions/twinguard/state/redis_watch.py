# SPDX-License-Identifier: Apache-2.0
"""What one process remembers of a key between two calls, and how a script's reply is read.

Nothing here talks to Redis; `counters_redis.py` does. Everything can be lost at any time."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from msgspec import Struct, msgpack

from twinguard.decide.threats.baseline import Baseline, Tally, decoded, learn
from twinguard.decide.threats.hot import Signature, is_old, limits_of
from twinguard.decide.threats.rules import Rules
from twinguard.decide.threats.sighting import Told
from twinguard.decide.threats.values import KeyFacts, NetworkKind, Use
from twinguard.decide.threats.window import Novel, Window

# The places in the packed state that a reply carries; counters.lua has the same list, from 1.
HOUR = 2
KNOWN_AT, KNOWN_COUNTRY, QUIET_PEAK, VOLUME, VOLUME_AT = 26, 27, 30, 31, 32
IS_OPEN, SINCE, LAST, STRANGE, SUCCEEDED, FAILED, CHANGES, TOLD, TOLD_AT = range(37, 46)
HOURS, KINDS, LISTING, SCANNER, GENERIC, FLAGGED, SAME_AGENT, COLLEAGUE = 47, *range(49, 56)
OTHER_KEYS, PATHS = 56, 57

SAID = {"told": TOLD, "told_at": TOLD_AT, "volume": VOLUME, "volume_at": VOLUME_AT}
"""What was said of a key; the script's word `tell` compares it, and answers it where it changed."""

_SIGNATURES = 1024
_NO_KIND = "-"
_PLAIN = re.compile(r"[A-Za-z0-9._:/-]{1,120}")


class Known:
    """A key's baseline as this process has it, and what it has seen in the hour that runs."""

    __slots__ = ("base", "facts", "familiar", "hour", "limit", "short", "strange", "version")

    def __init__(self, base: Baseline, version: int, facts: KeyFacts | None, rules: Rules) -> None:
        self.base = base
        self.version = version
        self.facts = facts
        self.hour = 0
        self.familiar: dict[Signature, str] = {}
        self.strange: dict[Signature, dict[str, Any]] = {}
        self.limit, self.short = limits_of(base, facts, rules)

    def turn(self, hour: int) -> None:
        """Forget what was seen in another hour."""
        if hour != self.hour:
            self.hour = hour
            self.familiar.clear()
            self.strange.clear()

    def bounded(self) -> None:
        """Keep the signatures of an hour within bounds."""
        if len(self.familiar) > _SIGNATURES:
            self.familiar.clear()
        if len(self.strange) > _SIGNATURES:
            self.strange.clear()


class Weighed(Struct, frozen=True):
    """A reply that asks for a decision: the use's own time, its volume, the state, what is new."""

    at: float
    r60: float
    r10: float
    is_news: bool
    state: list[Any]
    requests_hour: float
    known_active: int
    strange_60s: float
    strange_hour: float
    novel: list[list[tuple[str, float, float]]]
    told_network: int

    @property
    def told(self) -> Told:
        """What was said of the key before."""
        s = self.state
        is_open = s[IS_OPEN]
        return Told(
            volume=s[VOLUME],
            volume_at=s[VOLUME_AT],
            network=self.told_network,
            episode=s[TOLD] if is_open else 0,
            episode_at=s[TOLD_AT] if is_open else 0.0,
        )

    def since(self, dimension: int, value: str) -> float | None:
        """Since when a value is new; None where it is not."""
        found = self.novel[dimension] if self.novel else []
        return next((since for name, since, _ in found if name == value), None)

    def is_strange(self, rules: Rules) -> bool:
        """True while strange use goes on."""
        s = self.state
        return bool(s[IS_OPEN]) and s[STRANGE] > 0 and self.at - s[LAST] <= rules.active_seconds

    def window(self, known: Known, rules: Rules) -> Window:
        """What the detectors need."""
        base = known.base
        s, hour = self.state, int(self.state[HOUR])
        plain: dict[str, Any] = {
            "at": self.at,
            "hour": hour,
            "requests_10s": self.r10,
            "requests_60s": self.r60,
            "requests_hour": self.requests_hour,
            "limit": known.limit,
            "known_at": s[KNOWN_AT],
            "known_country": s[KNOWN_COUNTRY],
            "known_active": self.known_active,
            "is_old": is_old(base, known.facts),
        }
        if not self.is_strange(rules):
            return Window(**plain)
        return Window(
            **plain,
            strange_60s=self.strange_60s,
            strange_hour=self.strange_hour,
            strange=s[STRANGE],
            succeeded=s[SUCCEEDED],
            failed=s[FAILED],
            failed_paths=s[PATHS],
            since=s[SINCE],
            hours=max(1, s[HOURS]),
            novel=tuple(
                tuple(
                    Novel(name, since, base.trust(at, name, hour, rules), churn)
                    for name, since, churn in values
                )
                for at, values in enumerate(self.novel)
            ),
            kinds=tuple(sorted(kind_of(name) for name in s[KINDS][1:-1].split("||"))),
            changes=s[CHANGES],
            is_listing=bool(s[LISTING]),
            is_scanner=bool(s[SCANNER]),
            is_generic=bool(s[GENERIC]),
            other_keys=s[OTHER_KEYS],
            other_keys_agent=bool(s[SAME_AGENT]),
            is_colleague=bool(s[COLLEAGUE]),
            is_flagged=bool(s[FLAGGED]),
        )


def weighed(reply: list[Any]) -> Weighed:
    """A reply of seven parts."""
    _, _, at, r60, r10, is_news, state, seen = reply
    return Weighed(at, r60, r10, bool(is_news), state, *seen)


def lesson(base: Baseline, ended: list[list[Any]], rules: Rules) -> None:
    """Learn from hours that have ended, in place."""
    for hour, requests, strange, peak_60, peak_10, concurrent, suspect, quiet, values in ended:
        tally = Tally(int(hour), requests, strange, peak_60, peak_10, concurrent)
        for text in values:
            dimension, _, value = text.partition(" ")
            tally.values[int(dimension)][value] = True
        base.strange_hour = max(base.strange_hour, float(quiet))
        learn(base, tally, rules, is_suspect=bool(suspect))


def read_base(kept: bytes) -> tuple[int, Baseline | None]:
    """The version of a stored baseline, and it; None for one of another program."""
    version, _, data = kept.partition(b":")
    return int(version or 0), decoded(data)


def named(text: str) -> bytes:
    """A name for a Redis key, such that its braces and length are ours; others by their digest."""
    if _PLAIN.fullmatch(text):
        return text.encode()
    return b"~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32].encode()


def word_of(kind: NetworkKind) -> str:
    """A kind of network in a word that is never empty."""
    return kind.value or _NO_KIND


def kind_of(word: str) -> NetworkKind:
    """The kind of network that a word stands for."""
    return NetworkKind("" if word == _NO_KIND else word)


def digest_of(use: Use) -> str:
    """Tells a repeated use; empty for times of whole seconds, which tell nothing about that."""
    if not use.at.microsecond:
        return ""
    text = f"{use.at.timestamp()!r} {use.ip}\n{use.user_agent}\n{use.path}\n{use.status}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=9).hexdigest()


def packed(**fields: object) -> bytes:
    """Arguments of a script."""
    return _ENCODER.encode(fields)


_ENCODER = msgpack.Encoder()
