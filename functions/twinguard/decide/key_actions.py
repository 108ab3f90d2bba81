# SPDX-License-Identifier: Apache-2.0
"""What a rotation can see of the world, and what it can do to it, one frozen action at a time.

Pure, and never the value of a key. Which is next is decided in `rotation.py`."""

from __future__ import annotations

import datetime as dt
import enum
from typing import TypeAlias

from msgspec import Struct

# --- what is seen --------------------------------------------------------------------------------


class Verdict(enum.StrEnum):
    """What a provider says to a key: it works, it is alive but may not do this, it is dead."""

    ACCEPTED = "accepted"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"


class VersionState(enum.StrEnum):
    """How a version of a secret stands; `ending` is disabled and destroyed at a set time."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    ENDING = "ending"
    DESTROYED = "destroyed"


class Version(Struct, frozen=True):
    """A version of a secret, without its value."""

    number: int
    state: VersionState
    created: dt.datetime


class Shelf(Struct, frozen=True):
    """A secret: its versions, the one that readers of `current` get (0: none is named so), and
    whether a destroyed version can be had back for a while."""

    versions: tuple[Version, ...] = ()
    current: int = 0
    keeps: bool = False

    @property
    def newest(self) -> int:
        """The highest version number there ever was."""
        return max((version.number for version in self.versions), default=0)

    def version(self, number: int) -> Version | None:
        """The version of that number."""
        return next((one for one in self.versions if one.number == number), None)

    def is_enabled(self, number: int) -> bool:
        """True for a version that can be read."""
        found = self.version(number)
        return found is not None and found.state is VersionState.ENABLED


class Listed(Struct, frozen=True):
    """A key as its provider lists it."""

    id: str
    name: str
    last_used: dt.datetime | None = None


class Seen(Struct, frozen=True):
    """The world around one secret: the secret itself, the provider's keys, and how long a value
    outlives its key where Secret Manager does not see to that."""

    shelf: Shelf
    keys: tuple[Listed, ...] = ()
    ttl: dt.timedelta = dt.timedelta(days=30)


# --- actions -------------------------------------------------------------------------------------


class Anchor(Struct, frozen=True):
    """Name the version that readers have now `current`, so that a new one changes nothing yet."""

    version: int


class Identify(Struct, frozen=True):
    """Find the provider's id of the key in a version."""

    version: int


class DropKeys(Struct, frozen=True):
    """End keys that nobody can read: their values are lost, or were refused."""

    ids: tuple[str, ...]


class MakeKey(Struct, frozen=True):
    """Make a key of this name and put its value into a new version, at once."""

    name: str


class FindVersion(Struct, frozen=True):
    """Look for the version above `after` that holds the value with this digest."""

    mark: str
    after: int


class Verify(Struct, frozen=True):
    """Ask the provider whether it takes the key in a version."""

    version: int


class Promote(Struct, frozen=True):
    """Let readers have this version from now on."""

    version: int


class ExpireKey(Struct, frozen=True):
    """Let the provider end the key by itself, should nobody do it before."""

    id: str
    seconds: int


class KillKey(Struct, frozen=True):
    """End the old key in a version, and see that it is dead."""

    version: int
    id: str


class DisableVersion(Struct, frozen=True):
    """Let nobody read a version; it can be had back."""

    version: int


class DestroyVersion(Struct, frozen=True):
    """Have a version's value destroyed."""

    version: int


class Finish(Struct, frozen=True):
    """Close the rotation."""


class Wait(Struct, frozen=True):
    """Nothing to do before `until`."""

    until: dt.datetime
    why: str


KeyAction: TypeAlias = (
    Anchor
    | Identify
    | DropKeys
    | MakeKey
    | FindVersion
    | Verify
    | Promote
    | ExpireKey
    | KillKey
    | DisableVersion
    | DestroyVersion
    | Finish
    | Wait
)
