# SPDX-License-Identifier: Apache-2.0
"""What is known of the keys that are kept in secrets, and which of them are due for another one.

Pure, and never the value of a key: only ids, version numbers and digests. What is done next is in
`rotation.py`, with what in `key_actions.py`, what people are told in `key_tell.py`."""

from __future__ import annotations

import datetime as dt
import enum
import re
from collections.abc import Mapping

from msgspec import Struct

from twinguard.decide.key_actions import Shelf, VersionState
from twinguard.decide.model import NEVER, Alert
from twinguard.policy import Level, Policy

OPENAI_SECRET = "openai-api-key"  # noqa: S105 - the name of a secret
"""The secret that holds an OpenAI key by itself; `test-api-keys` holds several things."""

OVERLAP = dt.timedelta(days=1)
"""How long the old key goes on working: an application must read `current` at least that often."""

LONGEST = dt.timedelta(days=7)
"""How long an old key that is still used is spared; its expiry at the provider is never later."""

GRACE = dt.timedelta(minutes=10)
"""How long a new key may be refused: providers need a moment to spread it."""

LEASE = dt.timedelta(minutes=10)
"""How long a rotation belongs to who advances it. Longer than a function's timeout of 540 s."""

RETRY = dt.timedelta(hours=20)
"""A rotation that failed is tried again after this: the task runs daily."""


class Kind(enum.StrEnum):
    """Who makes the key: an API of OpenAI's or Google's, or a person."""

    OPENAI = "openai"
    GOOGLE = "google_api_key"
    MANUAL = "manual"


class Step(enum.StrEnum):
    """How far a rotation is.

    `making`: a key of the recorded name may exist. `made`: it exists, its value may be in a
    version. `added`: the version is known. `verified`: the provider took it. `overlap`: readers get
    it, the old one ends. `abandoning`: it was refused and is taken back. `asked`: a person's turn.
    `blocked`: a person ended every key, and a person begins anew."""

    IDLE = "idle"
    MAKING = "making"
    MADE = "made"
    ADDED = "added"
    VERIFIED = "verified"
    OVERLAP = "overlap"
    ABANDONING = "abandoning"
    ASKED = "asked"
    BLOCKED = "blocked"


class Key(Struct, frozen=True):
    """A key by its version in the secret and its id at the provider.

    An id is None until somebody looked for it, and empty where the provider lists no such key.
    `mark` is the digest of a value we made."""

    version: int = 0
    id: str | None = None
    mark: str = ""


class Old(Struct, frozen=True):
    """A key that was replaced. Before `until` it is not ended; `expires` once it will by itself."""

    key: Key
    until: dt.datetime
    expires: bool = False
    dead: bool = False


class Trouble(Struct, frozen=True):
    """What people have to know of a key until it is over."""

    title: str
    lines: tuple[str, ...] = ()
    level: Level = Level.HIGH


class KeyState(Struct, frozen=True):
    """Everything kept of one secret's key.

    `number` ends the newest key's name; `newest` was the highest version before the rotation.
    `busy_until` keeps other processes away. `sure`: the new key was seen to work after the overlap.
    `incident` is odd while people know of `told`; `outbox` holds alerts that are not yet with the
    topic, so a crash can neither lose nor repeat one."""

    environment: str
    secret: str
    kind: Kind
    step: Step = Step.IDLE
    number: int = 0
    newest: int = 0
    current: Key = Key()
    candidate: Key | None = None
    olds: tuple[Old, ...] = ()
    rotated_at: dt.datetime = NEVER
    started_at: dt.datetime = NEVER
    step_at: dt.datetime = NEVER
    failed_at: dt.datetime = NEVER
    busy_until: dt.datetime = NEVER
    sure: bool = False
    attempts: int = 0
    trouble: Trouble | None = None
    told: Trouble | None = None
    incident: int = 0
    rises: int = 0
    outbox: tuple[Alert, ...] = ()

    @property
    def name(self) -> str:
        """The newest key's name at the provider."""
        return f"{prefix(self.environment, self.secret)}{self.number}"

    @property
    def under_way(self) -> bool:
        """True while a rotation has a next step of its own."""
        return self.step not in {Step.IDLE, Step.BLOCKED}

    @property
    def ids(self) -> frozenset[str]:
        """The provider's ids of every key that is still ours to keep."""
        known = (self.current, self.candidate, *(old.key for old in self.olds))
        return frozenset(key.id for key in known if key is not None and key.id)


# --- which, and when -----------------------------------------------------------------------------


def kind_of(policy: Policy, secret: str) -> Kind:
    """Who makes the key in a secret of the policy."""
    if secret == OPENAI_SECRET and policy.openai is not None and policy.openai.project:
        return Kind.OPENAI
    return Kind.GOOGLE if secret in policy.api_keys else Kind.MANUAL


def prefix(environment: str, secret: str) -> str:
    """What the names of our keys for a secret begin with; a number follows."""
    return f"twinguard-{environment}-{secret}-"


def is_ours(name: str, environment: str, secret: str) -> bool:
    """True for the name of a key that Twinguard made for this secret, and for no other."""
    return re.fullmatch(re.escape(prefix(environment, secret)) + "[0-9]+", name) is not None


def due_at(policy: Policy, state: KeyState) -> dt.datetime:
    """When a secret's next rotation is to begin."""
    period = dt.timedelta(days=policy.secrets[state.secret].rotation_days)
    return max(state.rotated_at + period, state.failed_at + RETRY)


def is_due(policy: Policy, state: KeyState, now: dt.datetime) -> bool:
    """True where a rotation is to begin, and none is under way."""
    return state.step is Step.IDLE and due_at(policy, state) <= now


def due(policy: Policy, states: Mapping[str, KeyState], now: dt.datetime) -> tuple[str, ...]:
    """The secrets of the policy whose rotation is to begin, by name."""
    known = (states[name] for name in sorted(policy.secrets) if name in states)
    return tuple(state.secret for state in known if is_due(policy, state, now))


def adopted(
    environment: str, secret: str, kind: Kind, shelf: Shelf, now: dt.datetime
) -> KeyState | None:
    """The first record of a secret: as old as the version that readers have.

    A manual secret without a version is not there yet, so it cannot be too old."""
    number = current_of(shelf)
    version = shelf.version(number)
    state = KeyState(environment, secret, kind, step_at=now)
    if version is None:
        return None if kind is Kind.MANUAL else state
    return KeyState(
        environment,
        secret,
        kind,
        step_at=now,
        current=Key(version=number),
        rotated_at=version.created,
    )


def current_of(shelf: Shelf) -> int:
    """The version that readers have: the one named `current`, else the newest that is enabled."""
    enabled = [one.number for one in shelf.versions if one.state is VersionState.ENABLED]
    return shelf.current or max(enabled, default=0)
