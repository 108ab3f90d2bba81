# SPDX-License-Identifier: Apache-2.0
"""What the rotation of keys needs of the outside world, as protocols of five methods or fewer.

A raw key lives in a `RawKey` only, between the call that returned it and the one that takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NoReturn, Protocol

from msgspec import Struct

from twinguard.decide.key_actions import Listed, Shelf, Verdict
from twinguard.errors import Conflict


class NameTaken(Conflict):
    """A key of this name exists already, or did a while ago: the next one has another."""


class RawKey:
    """The value of a key. It says so only when asked, so no log, error or record can hold it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "RawKey(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a raw key is never written anywhere")

    def reveal(self) -> str:
        """The value itself; hand it to a vendor's API and to nothing else."""
        return self._text

    @property
    def mark(self) -> str:
        """A digest to know the value again by. Keys are random, so nobody can guess them from it;
        passwords of people are not, so they get none."""
        return hashlib.sha256(self._text.encode()).hexdigest()[:32]


class Secrets(Protocol):
    """Secrets of one project, by their ids."""

    def read(self, secret: str) -> Shelf | None:
        """A secret's versions without their values, or None where there is no such secret."""

    def add(self, secret: str, value: RawKey) -> int:
        """Put a value into a new version; its number."""

    def value(self, secret: str, version: int) -> RawKey | None:
        """The value in a version, None where it is not to be had any more."""

    def promote(self, secret: str, version: int) -> None:
        """Let `current` name this version, and confirm it."""

    def end(self, secret: str, version: int, *, destroy: bool) -> None:
        """Disable a version, or have it destroyed; nothing where that is so already."""


class KeyMaker(Protocol):
    """Whoever makes and ends the keys of one secret."""

    def listed(self) -> tuple[Listed, ...]:
        """Every key that works, ours or not."""

    def make(self, name: str) -> tuple[str, RawKey]:
        """A new key's id and value; NameTaken where names are ids and this one was used."""

    def drop(self, key_id: str, seconds: int = 0) -> None:
        """End a key now or after a while; nothing where it is gone."""

    def verdict(self, value: RawKey) -> Verdict:
        """What the provider says to a key."""

    def owner(self, value: RawKey) -> str:
        """The id of the listed key with this value, empty where there is none.

        Unavailable where it could be one of several: who guesses ends somebody else's key."""


class RateLimit(Struct, frozen=True):
    """How often one model may be asked in a minute."""

    id: str
    model: str
    requests: int


class Brakes(Protocol):
    """The limits that a provider itself keeps to, for one project of its own."""

    def spend_limit(self) -> int | None:
        """What a month may cost, in US cents; None without a limit."""

    def limit_spend(self, cents: int) -> None:
        """Set what a month may cost, and confirm it."""

    def rate_limits(self) -> tuple[RateLimit, ...]:
        """The limit of every model."""

    def limit_rate(self, limit_id: str, requests: int) -> None:
        """Set how often a model may be asked in a minute, and confirm it."""


class KeyPorts(Struct, frozen=True):
    """The outside world as the rotation sees it. Makers and brakes are made when first needed:
    each wants its own credentials."""

    secrets: Secrets
    maker: Callable[[str], KeyMaker]
    brakes: Callable[[], Brakes]
