# SPDX-License-Identifier: Apache-2.0
"""What becomes of keys: rotated when due, confirmed by people where no API makes them, blocked.

Events only nudge: whatever is late, repeated or out of order finds the record as it is. The steps
are carried out in `key_steps.py`."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

from msgspec.structs import replace

from twinguard import parse
from twinguard.decide import brakes, key_tell, keys, rotated
from twinguard.decide.key_actions import Verdict
from twinguard.decide.keys import LEASE, KeyState, Kind, Step
from twinguard.decide.model import NEVER
from twinguard.decide.rotation import strays
from twinguard.decide.wording import oddity
from twinguard.errors import Misconfigured, Unavailable
from twinguard.flow import Flow, Ports, Report
from twinguard.journal import Kept
from twinguard.key_ports import KeyPorts
from twinguard.key_records import Blocking, KeyJournal, TakenOver
from twinguard.key_steps import Rotator
from twinguard.policy import Level, Policy

ROTATE = "SECRET_ROTATE"


class KeyFlow(Flow):
    """The keys of one environment."""

    def __init__(self, policy: Policy, ports: Ports) -> None:
        super().__init__(policy, ports)
        self.key_journal = KeyJournal(ports.records, policy.retention)

    @property
    def keys(self) -> KeyPorts:
        """The ports of the rotation."""
        if self.ports.keys is None:
            raise Misconfigured("this process was given no way to the keys")
        return self.ports.keys(self.policy)

    def on_secret_event(self, event: parse.Event, now: dt.datetime) -> Report:
        """Act on a notification of Secret Manager: rotate what is due, go on with what is begun."""
        notice = parse.secret(event)
        secret = notice.secret.removeprefix(f"{self.policy.environment}-")
        if secret == notice.secret or secret not in self.policy.secrets:
            return Report(f"{notice.secret} is no key of the policy: changes nothing")
        state = self._state(secret, now)
        if state is None:
            return Report(f"{secret} has no version yet: changes nothing")
        wants = notice.kind == ROTATE and self._is_wanted(state, notice)
        if not (wants or state.under_way):
            return Report(f"{notice.kind} of {secret}: changes nothing")
        try:
            return Report(self._turn(secret, f"{notice.kind} {event.message_id}", now, wants=wants))
        except TakenOver:
            return Report(f"{secret} is being rotated already: changes nothing")

    def rotate_due(self, now: dt.datetime) -> Report:
        """Begin every rotation that is due, go on with the others, and set the provider's limits.

        One that fails does not hold up the next; Unavailable in the end, so all are tried again."""
        told, failed = [], []
        for secret in sorted(self.policy.secrets):
            try:
                told.append(self._turn(secret, "schedule rotate", now))
            except Unavailable as err:
                failed.append(f"{secret}: {err}")
            except Misconfigured as err:
                told.append(self._hopeless(secret, err, now))
        try:
            told += self.set_brakes("schedule rotate", now)
        except Unavailable as err:
            failed.append(f"limits: {err}")
        except Misconfigured as err:
            told.append(self._hopeless("limits", err, now))
        if failed:
            raise Unavailable("; ".join(failed))
        return Report("; ".join(line for line in told if line) or "no key is due")

    def rotate(self, secret: str, by: str, now: dt.datetime) -> Report:
        """Rotate a key on a person's word, due or not; a blocked one begins anew."""
        return Report(self._turn(self.require(secret), by, now, wants=True))

    def confirm(self, secret: str, by: str, now: dt.datetime) -> Report:
        """Go on with what a person renewed, once their new version is there."""
        kept, state = self.confirmable(secret, now)
        done, wait = self._rotator(by).advance(self.key_journal.keep_key(kept, state), now)
        return Report(f"{secret}: version {done.value.current.version} is current; {wait.why}")

    def confirmable(self, secret: str, now: dt.datetime) -> tuple[Kept[KeyState | None], KeyState]:
        """The record, and what a confirmation makes of it; Misconfigured says what is missing."""
        kept, rotator = self.key_journal.key(self.require(secret)), self._rotator("")
        if kept.value is None or kept.value.step is not Step.ASKED:
            raise Misconfigured(f"{secret}: no renewal waits for a person; make rotations says why")
        state = rotated.confirmed(kept.value, rotator.seen(kept.value).shelf, now)
        if state is None:
            raise Misconfigured(
                f"{secret} has no version after {kept.value.newest}; add one first: gcloud secrets "
                f"versions add {rotator.secret_id(secret)} --data-file=-"
            )
        return kept, state

    def block(self, secret: str, by: str, now: dt.datetime) -> Report:
        """End every key of a secret at its provider, and see that it refuses them.

        An emergency waits for nobody: a rotation under way loses its record and stops."""
        state = self._state(self.require(secret), now)
        if state is None or state.kind is Kind.MANUAL:
            raise Misconfigured(f"{secret}: no API ends it; end it where it was made")
        rotator, kept = self._rotator(by), self.key_journal.key(secret)
        begun = self.key_journal.key_step_begins(secret, Blocking(by), by, now)
        held = replace(kept.value or state, step=Step.BLOCKED, busy_until=now + LEASE)
        held = replace(held, trouble=key_tell.unconfirmed(held))  # should nobody come to end it
        kept_state = self.key_journal.keep_key(kept, held)
        try:
            ended = self._ended(rotator, held)
        except (Misconfigured, Unavailable) as err:
            self.key_journal.key_step_ends(begun, "failed", str(err), now)
            held = key_tell.told(replace(held, busy_until=NEVER), self.policy, now)
            with suppress(Unavailable):  # the first error tells more
                rotator.emptied(self.key_journal.keep_key(kept_state, held))
            raise
        self.key_journal.key_step_ends(begun, "done", f"{ended} keys ended", now)
        state = replace(rotated.blocked(held, now), trouble=key_tell.ended(held, by))
        state = key_tell.told(replace(state, busy_until=NEVER), self.policy, now)
        told = f"{secret} is blocked: {ended} keys ended, and refused"
        try:
            rotator.emptied(self.key_journal.keep_key(kept_state, state))
        except Unavailable as err:  # the keys are dead all the same; the daily task tells it again
            told += f"; people were not told yet ({err})"
        return Report(told)

    def set_brakes(self, by: str, now: dt.datetime) -> list[str]:
        """Set those of the provider's own limits that differ from the policy; in words, which."""
        if self.policy.openai is None or not self.policy.openai.project:
            return []
        port = self.keys.brakes()
        rates = tuple((one.id, one.model, one.requests) for one in port.rate_limits())
        told, failed = [], []
        for limit in brakes.changes(self.policy, port.spend_limit(), rates):
            begun = self.key_journal.key_step_begins("limits", limit, by, now)
            try:
                if limit.model:
                    port.limit_rate(limit.id, limit.wanted)
                else:
                    port.limit_spend(limit.wanted)
            except Unavailable as err:  # the others still brake
                self.key_journal.key_step_ends(begun, "failed", str(err), now)
                failed.append(str(err))
            else:
                self.key_journal.key_step_ends(begun, "done", limit.words, now)
                told.append(limit.words)
        if failed:
            raise Unavailable("; ".join(failed))
        return told

    def states(self, now: dt.datetime) -> tuple[KeyState, ...]:
        """What is known of each secret of the policy, by name; writes nothing."""
        found = (self._state(secret, now) for secret in sorted(self.policy.secrets))
        return tuple(state for state in found if state is not None)

    def _turn(self, secret: str, actor: str, now: dt.datetime, *, wants: bool = False) -> str:
        """Begin or go on with one rotation; in words how far it got, empty if nothing is due."""
        state, rotator = self._state(secret, now), self._rotator(actor)
        if state is None:
            if wants:
                raise Misconfigured(f"{secret} has no version yet; add the first one by hand")
            return ""
        kept: Kept[KeyState | None] = self.key_journal.key(secret)
        if state.busy_until > now:
            raise TakenOver(f"{secret}: another process rotates it")
        begins = keys.is_due(self.policy, state, now) or (wants and self._may_begin(state, rotator))
        if begins:
            state = rotated.begun(state, rotator.seen(state).shelf, now)
        if begins and state.kind is Kind.MANUAL:
            state = replace(state, trouble=key_tell.asked(state, self.policy))
        is_new = kept.value is None  # so readers find `current` from the first day on
        is_untold = bool(state.outbox) or state.trouble != state.told
        if not (is_new or begins or state.under_way or state.olds or is_untold):
            return ""
        # Of two that begin at once, one loses here.
        saved = self.key_journal.keep_key(kept, state) if begins else Kept(state, kept.version)
        done, wait = rotator.advance(saved, now)
        how = f"{secret}: {done.value.step}, version {done.value.current.version}; {wait.why}"
        return how if begins or state.under_way else ""

    def _hopeless(self, what: str, err: Misconfigured, now: dt.datetime) -> str:
        """Tell people, once a day, of what no retry can save."""
        title = f"{what} of {self.policy.environment} cannot be rotated or set"
        self.publish(oddity(self.policy, "rotation", what, Level.HIGH, title, str(err), now))
        return f"{what}: {err}"

    def _may_begin(self, state: KeyState, rotator: Rotator) -> bool:
        """True where a person or an event may begin: nothing is under way, or it was undone."""
        if state.step is Step.OVERLAP:
            return rotator.seen(state).shelf.current != state.current.version
        return not state.under_way

    def _is_wanted(self, state: KeyState, notice: parse.SecretNotice) -> bool:
        """True for a turn that is news: half a period after the last rotation, or later.

        After a theft: if it was not replaced since."""
        period = dt.timedelta(days=self.policy.secrets[state.secret].rotation_days)
        after = dt.timedelta(0) if notice.incident else period / 2
        return state.step is Step.IDLE and notice.published_at > state.rotated_at + after

    def _state(self, secret: str, now: dt.datetime) -> KeyState | None:
        """What is known of a secret, or what can be seen of one that nobody knows yet."""
        kind = keys.kind_of(self.policy, secret)
        known = self.key_journal.key(secret).value
        if known is not None:
            return known if known.under_way else replace(known, kind=kind)
        shelf = self.keys.secrets.read(f"{self.policy.environment}-{secret}")
        if shelf is None:
            return None
        return keys.adopted(self.policy.environment, secret, kind, shelf, now)

    def _ended(self, rotator: Rotator, state: KeyState) -> int:
        """End all keys that a secret's versions hold or that bear its name; how many."""
        secret, secrets = rotator.secret_id(state.secret), self.keys.secrets
        maker, seen = self.keys.maker(state.secret), rotator.seen(state)
        # First what is known by name: no trouble with finding the others may spare these.
        listed = {key.id for key in seen.keys}
        known = (state.ids & listed) | set(strays(state, seen))
        for key_id in sorted(known):
            maker.drop(key_id)
        values = [
            value
            for version in seen.shelf.versions
            if seen.shelf.is_enabled(version.number)
            and (value := secrets.value(secret, version.number)) is not None
        ]
        found = {maker.owner(value) for value in values} - {""} - known
        for key_id in sorted(found):
            maker.drop(key_id)
        alive = sum(maker.verdict(value) is not Verdict.REFUSED for value in values)
        if alive:
            raise Unavailable(
                f"{state.secret}: {len(known | found)} keys are ended, but {alive} values work on; "
                "block again in a minute, or end them where they were made"
            )
        return len(known | found)

    def require(self, secret: str) -> str:
        """The name of a secret of the policy; what is none may be a key, so it is not repeated."""
        if secret not in self.policy.secrets:
            names = ", ".join(sorted(self.policy.secrets)) or "none"
            raise Misconfigured(
                f"that is the name of no secret in {self.policy.environment}'s policy; there are "
                f"{names}. Was it a key? Then it stands in your shell's history: rotate it"
            )
        return secret

    def _rotator(self, actor: str) -> Rotator:
        return Rotator(self.policy, self.key_journal, self.keys, self.publish, actor)
