# SPDX-License-Identifier: Apache-2.0
"""Carry a rotation out, step by step: decide, write down, change, write down again.

What a process that dies leaves half done is known from the record, or found again. The steps are
decided in `decide/rotation.py`; values of keys live in `_made` and nowhere else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide import key_tell, rotated
from twinguard.decide.key_actions import (
    Anchor,
    DestroyVersion,
    DisableVersion,
    DropKeys,
    ExpireKey,
    FindVersion,
    Identify,
    KeyAction,
    KillKey,
    MakeKey,
    Promote,
    Seen,
    Shelf,
    Verdict,
    Verify,
    Wait,
)
from twinguard.decide.keys import LEASE, KeyState, Kind
from twinguard.decide.model import NEVER, Alert
from twinguard.decide.rotation import next_step
from twinguard.errors import Misconfigured, Unavailable
from twinguard.journal import Kept
from twinguard.key_ports import KeyMaker, KeyPorts, NameTaken, RawKey, Secrets
from twinguard.key_records import KeyJournal, TakenOver
from twinguard.policy import Policy

_MOST = 50
"""Steps of one run; a rotation has about twelve."""
_READING = (FindVersion, Identify, Verify)


class Rotator(Struct, frozen=True):
    """One environment's keys, on somebody's behalf."""

    policy: Policy
    journal: KeyJournal
    ports: KeyPorts
    publish: Callable[[Alert], None]
    actor: str

    def advance(self, kept: Kept[KeyState], now: dt.datetime) -> tuple[Kept[KeyState], Wait]:
        """Go on until there is nothing to do for now. Unavailable while a step fails.

        The record is taken for a while first: two processes that start at once do the work once."""
        if kept.value.busy_until > now:
            raise TakenOver(f"{kept.value.secret}: another process rotates it")
        kept = self._keep(kept, replace(kept.value, busy_until=now + LEASE), now)
        try:
            kept, wait = self._steps(kept, now)
        except TakenOver:
            raise
        except (Unavailable, Misconfigured) as err:
            known = self.journal.key(kept.value.secret)
            if known.value is None or known.value.busy_until != now + LEASE:
                raise
            is_lasting = isinstance(err, Misconfigured)
            failed = rotated.stuck(known.value, str(err), attempts=1 if is_lasting else 3)
            self._released(Kept(failed, known.version), now)
            raise Unavailable(str(err)) from err
        return self._released(kept, now), wait

    def seen(self, state: KeyState) -> Seen:
        """The world around a secret."""
        shelf = self.ports.secrets.read(self.secret_id(state.secret))
        if shelf is None:
            raise Unavailable(
                f"secret {self.secret_id(state.secret)} does not exist; apply Terraform"
            )
        keys = () if state.kind is Kind.MANUAL else self._maker(state).listed()
        days = self.policy.secrets[state.secret].destroy_ttl_days
        return Seen(shelf, keys, dt.timedelta(days=days))

    def secret_id(self, secret: str) -> str:
        """The secret's id in Secret Manager."""
        return f"{self.policy.environment}-{secret}"

    def _steps(self, kept: Kept[KeyState], now: dt.datetime) -> tuple[Kept[KeyState], Wait]:
        for _ in range(_MOST):
            action = next_step(kept.value, self.seen(kept.value), now)
            if isinstance(action, Wait):
                return kept, action
            kept = self._audited(kept, action, now)
        raise Unavailable(f"{kept.value.secret}: its rotation goes round in circles")

    def _audited(self, kept: Kept[KeyState], action: KeyAction, now: dt.datetime) -> Kept[KeyState]:
        if isinstance(action, _READING):
            return self._taken(kept, action, now)
        secret = kept.value.secret
        begun = self.journal.key_step_begins(secret, action, self.actor, now)
        try:
            kept = self._taken(kept, action, now)
        except NameTaken as err:  # of a life that the records know nothing of
            self.journal.key_step_ends(begun, "failed", str(err), now)
            return self._keep(kept, rotated.renamed(kept.value), now)
        except Unavailable as err:
            self.journal.key_step_ends(begun, "failed", str(err), now)
            raise
        self.journal.key_step_ends(begun, "done", _stands(kept.value), now)
        return kept

    def _taken(self, kept: Kept[KeyState], action: KeyAction, now: dt.datetime) -> Kept[KeyState]:
        """Make one step and write down what it means."""
        state, secret = kept.value, self.secret_id(kept.value.secret)
        is_done = True
        match action:
            case MakeKey():
                return self._made(kept, action, now)
            case FindVersion():
                state = rotated.found(state, self._find(secret, action), now)
            case Identify(version=version):
                value = self.ports.secrets.value(secret, version)
                key_id = "" if value is None else self._maker(state).owner(value)
                state = rotated.identified(state, version, key_id)
            case Verify(version=version):
                state = self._verified(state, secret, version, now)
            case KillKey():
                is_done = self._killed(state, secret, action)
                state = rotated.after(state, action, is_done, now)
            case _:
                self._changed(state, secret, action)
                state = rotated.after(state, action, is_done, now)
        return self._keep(kept, state, now)

    def _changed(self, state: KeyState, secret: str, action: KeyAction) -> None:
        """The changes that tell nothing but that they are done."""
        secrets = self.ports.secrets
        match action:
            case Anchor(version=version) | Promote(version=version):
                secrets.promote(secret, version)
            case DropKeys(ids=ids):
                for key_id in ids:
                    self._maker(state).drop(key_id)
            case ExpireKey(id=key_id, seconds=seconds):
                self._maker(state).drop(key_id, seconds)
            case DisableVersion(version=version):
                secrets.end(secret, version, destroy=False)
            case DestroyVersion(version=version):
                secrets.end(secret, version, destroy=True)

    def _made(self, kept: Kept[KeyState], action: MakeKey, now: dt.datetime) -> Kept[KeyState]:
        """The one place where a value is: between the provider and the secret."""
        maker = self._maker(kept.value)
        key_id, value = maker.make(action.name)
        try:
            kept = self._keep(kept, rotated.made(kept.value, key_id, value.mark, now), now)
        except TakenOver:
            maker.drop(key_id)  # nobody else knows that there is such a key
            raise
        version = self.ports.secrets.add(self.secret_id(kept.value.secret), value)
        return self._keep(kept, rotated.added(kept.value, version, now), now)

    def _find(self, secret: str, action: FindVersion) -> int:
        shelf = self.ports.secrets.read(secret) or Shelf()
        for version in shelf.versions:
            if version.number > action.after and shelf.is_enabled(version.number):
                value = self.ports.secrets.value(secret, version.number)
                if value is not None and value.mark == action.mark:
                    return version.number
        return 0

    def _verified(self, state: KeyState, secret: str, version: int, now: dt.datetime) -> KeyState:
        value = self.ports.secrets.value(secret, version)
        verdict = Verdict.REFUSED if value is None else self._maker(state).verdict(value)
        told = rotated.verified(state, verdict, now)
        if told == state:
            raise Unavailable(f"{state.name} is not accepted yet ({verdict}); it is asked again")
        return told

    def _killed(self, state: KeyState, secret: str, action: KillKey) -> bool:
        """End an old key; True once it is dead. A person's credentials are that person's."""
        if state.kind is Kind.MANUAL:
            return True
        if action.id:
            self._maker(state).drop(action.id)
            return True
        return is_dead(self.ports.secrets, self._maker(state), secret, action.version)

    def _maker(self, state: KeyState) -> KeyMaker:
        return self.ports.maker(state.secret)

    def _keep(self, kept: Kept[KeyState], state: KeyState, now: dt.datetime) -> Kept[KeyState]:
        return self.journal.keep_key(kept, key_tell.told(state, self.policy, now))

    def _released(self, kept: Kept[KeyState], now: dt.datetime) -> Kept[KeyState]:
        """Give the record back, and hand over what people are to hear."""
        kept = self._keep(kept, replace(kept.value, busy_until=NEVER), now)
        return self.emptied(kept)

    def emptied(self, kept: Kept[KeyState]) -> Kept[KeyState]:
        """Hand the outbox to the topic; an alert may come twice, never not at all."""
        for alert in kept.value.outbox:
            self.publish(alert)
        if kept.value.outbox:
            kept = self.journal.keep_key(kept, replace(kept.value, outbox=()))
        return kept


def _stands(state: KeyState) -> str:
    """How a rotation stands, for the audit trail."""
    newest = state.candidate or state.current
    return f"{state.step}; key {newest.id or 'unknown'}, version {newest.version or 'none yet'}"


def is_dead(secrets: Secrets, maker: KeyMaker, secret: str, version: int) -> bool:
    """True where the provider refuses the key in a version, or nobody can read it any more."""
    value: RawKey | None = secrets.value(secret, version)
    return value is None or maker.verdict(value) is Verdict.REFUSED
