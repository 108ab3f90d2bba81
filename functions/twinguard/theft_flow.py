# SPDX-License-Identifier: Apache-2.0
"""What becomes of what the application used: decided across instances, acted on, told.

A batch comes at least once, late and out of order. Events that a shared store has counted are not
counted again; what they showed there is only acted on. Every effect is audited before it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from twinguard import parse, usage
from twinguard.baseline_records import BaselineKeeper
from twinguard.counters import Answer, Store
from twinguard.decide import thefts
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.theft_uses import Used
from twinguard.decide.thefts import Case, HoldBack, Mark, Rotate, Step, Tell, Theft
from twinguard.decide.threats.values import FAILED, Finding, ThreatLevel
from twinguard.errors import Conflict, Misconfigured, Unavailable
from twinguard.flow import Flow, Ports, Report
from twinguard.journal import Kept
from twinguard.places import Places
from twinguard.policy import Policy
from twinguard.theft_records import TheftJournal

ROTATE = "SECRET_ROTATE"
_ATTEMPTS = 20
_AHEAD = dt.timedelta(minutes=5)
_ACTOR = "detection"
_UNSAID = 1000
"""Keys, and findings of one, that wait for the records to answer."""


class Seen(Struct):
    """What a batch says of one key."""

    used: list[Used]
    found: list[Finding]


class TheftFlow(Flow):
    """The keys of one environment, as their use shows them."""

    def __init__(
        self,
        policy: Policy,
        ports: Ports,
        counters: Store | None,
        *,
        places: Places | None = None,
        secret_topic: str = "",
    ) -> None:
        super().__init__(policy, ports)
        self.theft_journal = TheftJournal(ports.records, policy.retention)
        self._counters = counters
        self._places = places
        self._secret_topic = secret_topic
        self._keeper = None if counters is None else BaselineKeeper(ports.records, counters)
        self._unsaid: dict[str, list[Finding]] = {}

    def on_usage(self, event: parse.Event, now: dt.datetime) -> Report:
        """Decide on a batch, and act on what it shows; Unavailable where that is not complete."""
        if event.attributes.get("task") == usage.LIFT:
            return self._lift_asked(event, now)
        batch = usage.read(event)
        name = usage.name_of(event)
        if self.theft_journal.knows_batch(name):
            return Report(f"batch {name} is known: changes nothing")
        oldest = now - dt.timedelta(hours=self.policy.events.max_age_hours)
        fresh = [one for one in batch if oldest <= one.at <= now + _AHEAD]
        if self._keeper is not None:  # before anything is judged by what may be lost
            served = (one.key_id for one in fresh if one.status < FAILED)
            self._keeper.look_after(dict.fromkeys(served), now)
        by_key = self._seen(fresh)
        told, failed = [], []
        for key_id, seen in by_key.items():
            seen.found = [*self._unsaid.pop(key_id, ()), *seen.found]
            try:
                if title := self._pursue(key_id, seen, name, now):
                    told.append(title)
            except (Unavailable, Misconfigured) as err:  # the other keys are dealt with
                failed.append(f"{key_id}: {err}")
                self._remember(key_id, seen.found)
        if failed:
            raise Unavailable("; ".join(failed))
        ignored = len(batch) - len(fresh)
        words = f"{len(fresh)} uses of {len(by_key)} keys"
        if ignored:
            words = f"{words}, {ignored} ignored for their time"
        self.theft_journal.keep_batch(name, now)
        return Report(words, alerts=tuple(told))

    def lift(self, key_id: str, by: str, why: str, now: dt.datetime, *, is_owner: bool) -> str:
        """End what holds a key back on a person's word; in words, what that was."""
        known = self.theft_journal.theft(key_id)
        theft = known or Theft(key_id=key_id, opened_at=now, last_at=now, level=ThreatLevel.LOW)
        lifted = Restraint(
            key_id=key_id,
            curb=Curb.NONE,
            since=now.timestamp(),
            reason=why,
            by=by,
            is_owner=is_owner,
        )
        begun = self.theft_journal.step_begins(theft, f"Lift: {why}", by, now)
        try:
            self._store().restrain(lifted)
        except Unavailable as err:
            self.theft_journal.step_ends(begun, "failed", str(err), now)
            raise
        self.theft_journal.step_ends(begun, "done", "", now)

        def over(case: Case) -> Case:
            found = case.theft or theft
            if found.findings != theft.findings:
                raise Conflict(
                    f"more was found of {key_id} meanwhile; look at it, and lift it again"
                )
            return Case(theft=thefts.ended(found, by, why, now))

        # Also where none was open: what was found before and is only heard of later is over too.
        self._carry_out(self._changed(key_id, over), by, now)
        if known is None or not known.is_open:
            return f"{key_id} is not held back any more; no incident was open"
        return f"{key_id} is not held back any more; incident {theft.name} is over"

    def _lift_asked(self, event: parse.Event, now: dt.datetime) -> Report:
        """Lift what a person asked for; a message from before a newer incident lifts nothing."""
        asked = usage.lift(event)
        theft = self.theft_journal.theft(asked.key_id)
        hours = dt.timedelta(hours=self.policy.events.max_age_hours)
        is_newer = theft is not None and theft.is_open and theft.opened_at > event.published_at
        if is_newer or event.published_at < now - hours:
            return Report(f"the lift of {asked.key_id} came too late: changes nothing")
        if self.theft_journal.knows_batch(event.message_id):
            return Report(f"message {event.message_id} is known: changes nothing")
        said = self.lift(asked.key_id, asked.by, asked.why, now, is_owner=asked.is_owner)
        self.theft_journal.keep_batch(event.message_id, now)
        return Report(said)

    def end_quiet(self, now: dt.datetime) -> tuple[str, ...]:
        """End the incidents of keys that have been quiet for long; their names."""
        hours = self.policy.security.quiet_hours
        why, names = f"nothing was found for {hours} hours", []
        for theft in thefts.quiet(self.theft_journal.open_thefts(), hours, now):
            kept = self.theft_journal.case(theft.key_id)
            if kept.value.theft == theft:  # else it was used meanwhile: the next look decides
                self._finish(kept, thefts.ended(theft, "schedule", why, now), "schedule", now)
                names.append(theft.name)
        return tuple(names)

    def _seen(self, events: list[usage.UsageEvent]) -> dict[str, Seen]:
        """What events show, by key, in the order of their time."""
        by_key: dict[str, Seen] = {}
        for one in sorted(events, key=lambda one: one.at):
            seen = by_key.setdefault(one.key_id, Seen([], []))
            try:
                answer = self._shown(one)
            except Unavailable:
                for key_id, known in by_key.items():
                    self._remember(key_id, known.found)
                raise
            seen.used.append(Used(one.use, is_strange=answer.is_strange))
            seen.found += answer.findings
        return by_key

    def _shown(self, event: usage.UsageEvent) -> Answer:
        """What an event showed where it was counted, or shows now."""
        told = tuple(one for one in event.findings if one.key_id == event.key_id)
        if event.counted:
            return Answer(findings=told, is_strange=event.strange)
        if self._places is not None and event.country:
            self._places.tell(event.ip, event.country)
        answer = self._store().observe(event.use)
        return replace(answer, findings=(*told, *answer.findings))

    def _pursue(self, key_id: str, seen: Seen, batch: str, now: dt.datetime) -> str:
        """Bring a key's incident up to date and do what is due; the title of what was told."""
        quiet = dt.timedelta(hours=self.policy.security.quiet_hours)

        def changed(case: Case) -> Case:
            return thefts.followed(case, batch, seen.found, seen.used, quiet)

        kept = self._changed(key_id, changed)
        if (theft := kept.value.theft) and (held := thefts.slipped(theft, seen.used)):
            # From now on: stores keep it for as long as it spans, and its age is what is alarming.
            held = replace(held, since=now.timestamp())
            self._step(theft, HoldBack(held), _ACTOR, now)
        return self._carry_out(kept, _ACTOR, now)

    def _remember(self, key_id: str, found: list[Finding]) -> None:
        """Keep what could not be recorded: the counters say a finding once, to whoever asked."""
        found = [*self._unsaid.pop(key_id, ()), *found]
        if found and len(self._unsaid) < _UNSAID:
            self._unsaid[key_id] = found[-_UNSAID:]

    def _changed(self, key_id: str, change: Callable[[Case], Case]) -> Kept[Case]:
        """Compare-and-set until it holds."""
        for _ in range(_ATTEMPTS):
            kept = self.theft_journal.case(key_id)
            case = change(kept.value)
            if case == kept.value:
                return kept
            try:
                return self.theft_journal.keep_case(kept, case, key_id)
            except Conflict:
                continue
        raise Conflict(f"the incident of {key_id} changed {_ATTEMPTS} times meanwhile; retry")

    def _finish(self, kept: Kept[Case], theft: Theft, actor: str, now: dt.datetime) -> None:
        kept = self.theft_journal.keep_case(kept, Case(theft=theft), theft.key_id)
        self._carry_out(kept, actor, now)

    def _carry_out(self, kept: Kept[Case], actor: str, now: dt.datetime) -> str:
        """Do what is due, one step after the other, each noted once it is done."""
        title = ""
        while (theft := kept.value.theft) and (steps := thefts.due(theft, self.policy, now)):
            title = self._step(theft, steps[0], actor, now) or title
            kept = self._noted(kept, thefts.done(theft, steps[0]))
        return title

    def _step(self, theft: Theft, step: Step, actor: str, now: dt.datetime) -> str:
        """Do one step, audited before and after; the title of what was told."""
        begun = self.theft_journal.step_begins(theft, step, actor, now)
        try:
            title = self._do(step, theft)
        except (Unavailable, Misconfigured) as err:
            self.theft_journal.step_ends(begun, "failed", str(err), now)
            raise
        self.theft_journal.step_ends(begun, "done", "", now)
        return title

    def _noted(self, kept: Kept[Case], noted: Theft) -> Kept[Case]:
        """Note that a step is done, also where the incident has changed meanwhile."""
        for _ in range(_ATTEMPTS):
            try:
                case = replace(kept.value, theft=noted)
                return self.theft_journal.keep_case(kept, case, noted.key_id)
            except Conflict:
                kept = self.theft_journal.case(noted.key_id)
                if kept.value.theft is None:
                    return kept
                noted = thefts.merged(kept.value.theft, noted)
        raise Conflict(f"the incident of {noted.key_id} changed {_ATTEMPTS} times meanwhile; retry")

    def _do(self, step: Step, theft: Theft) -> str:
        match step:
            case HoldBack(restraint):
                self._store().restrain(restraint)
            case Rotate(secret):
                self._ask_rotation(secret, theft)
            case Mark():
                return ""  # the incident says so; `make incident` shows the command
            case Tell(alert):
                self.publish(alert)
                return alert.title
        return ""

    def _ask_rotation(self, secret: str, theft: Theft) -> None:
        """Nudge whoever rotates keys, as Secret Manager does when one is due."""
        if not self._secret_topic:
            raise Misconfigured(
                f"TWINGUARD_SECRET_TOPIC is missing; {secret} is to be rotated: set it to the "
                "topic of on_secret_event"
            )
        name = f"{self.policy.environment}-{secret}"
        attributes = {
            "eventType": ROTATE,
            "dataFormat": "JSON_API_V1",
            "secretId": f"projects/{self.policy.project.id}/secrets/{name}",
            "incident": theft.name,
        }
        data = json.dumps({"incident": theft.name}).encode()
        self.ports.publisher.publish(self._secret_topic, data, attributes)

    def _store(self) -> Store:
        if self._counters is None:
            raise Misconfigured(
                "TWINGUARD_COUNTERS is missing; set it to the store that the application uses"
            )
        return self._counters
