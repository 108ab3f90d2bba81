# SPDX-License-Identifier: Apache-2.0
"""Bring alerts to people: one message per channel and step, with receipts (`decide/incidents.py`).

Exactly once, but for one window: where the process dies, the store refuses the receipt, or the
vendor's answer is lost, that one message may repeat, under the same id."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from twinguard.decide import incidents, routing, storm
from twinguard.decide.incidents import Claim, Incident, Receipt
from twinguard.decide.model import Alert
from twinguard.decide.storm import ChannelState, Digest, Pending
from twinguard.errors import Conflict, TwinguardError, Unavailable
from twinguard.policy import Channel, Policy
from twinguard.ports import Message, Notifier, Records
from twinguard.readers import ready

ready(Incident, ChannelState)

INCIDENTS = "incidents"
CHANNELS = "channels"
_ATTEMPTS = 20  # of one compare-and-set; a lost receipt would repeat a message

T = TypeVar("T", Incident, ChannelState)
_Routes: TypeAlias = tuple[Channel, ...]


class Dispatched(Struct, frozen=True):
    """What one call did: channels that accepted a message, and messages kept for a digest."""

    delivered: tuple[Channel, ...] = ()
    deferred: tuple[Channel, ...] = ()


def dispatch(
    alert: Alert,
    records: Records,
    notifiers: Mapping[Channel, Notifier],
    policy: Policy,
    now: dt.datetime,
) -> Dispatched:
    """Tell every channel what it has not heard; Unavailable while any of them is missing it.

    A channel that left the policy gets no message any more, not even the end."""
    run = _Run(records, notifiers, policy, now)
    run.tell(alert)
    return run.finish(f"alert {alert.incident}")


def flush(
    records: Records,
    notifiers: Mapping[Channel, Notifier],
    policy: Policy,
    now: dt.datetime,
) -> Dispatched:
    """Send the digests that have room again; Unavailable while one of them fails."""
    return _Run(records, notifiers, policy, now).finish("digest")


@dataclass
class _Run:
    """One call: the same ports and the same `now` all along, and what came of it."""

    records: Records
    notifiers: Mapping[Channel, Notifier]
    policy: Policy
    now: dt.datetime
    delivered: list[Channel] = field(default_factory=list)
    deferred: list[Channel] = field(default_factory=list)
    failed: dict[Channel, str] = field(default_factory=dict)
    busy: list[str] = field(default_factory=list)

    def tell(self, alert: Alert) -> None:
        """Learn the alert and complete every channel."""
        incident, _ = self._change(alert.incident, lambda known: incidents.absorb(known, alert))
        opened = incident.opened
        routes = routing.routes_for(opened, self.policy.alerts) if opened is not None else ()
        for channel in Channel:
            self._complete(alert.incident, channel, routes)

    def finish(self, what: str) -> Dispatched:
        """Send digests, report channels that died or came back, and raise what is missing."""
        for channel in storm.DIGESTED:
            if channel in self.notifiers:
                self._flush(channel)
        for channel in self.notifiers:
            if channel not in self.failed:
                self._end_outage(channel)
        reported: list[Channel] = []
        while waiting := [c for c in self.failed if c not in reported]:
            self._report(waiting[0])
            reported.append(waiting[0])
        if self.failed or self.busy:
            missing = [f"{channel}: {reason}" for channel, reason in self.failed.items()]
            raise Unavailable(f"{what} is not complete, retry it: {'; '.join(missing + self.busy)}")
        return Dispatched(tuple(self.delivered), tuple(self.deferred))

    # --- one message -----------------------------------------------------------------------------

    def _complete(self, id: str, channel: Channel, routes: _Routes) -> None:
        if channel in self.notifiers:
            while self._deliver_next(id, channel, routes):
                pass
        elif channel in routes and incidents.due(self._read(id), channel, routes) is not None:
            self._fail(channel, "", "it is routed to, but nothing sends for it; open its notifier")

    def _deliver_next(self, id: str, channel: Channel, routes: _Routes) -> bool:
        """True once this message is dealt with and another one may be due."""
        incident, held = self._claim(id, channel, routes)
        if held is None:
            return False
        alert = incidents.alert_for(incident, held.mark)
        message = Message(incidents.message_id(id, held.mark), id, alert)
        if self._is_kept(channel, Pending(id, held.mark), message):
            self._change(id, lambda known: incidents.defer(known, channel, held))
            self.deferred.append(channel)
            return False
        if incidents.due(self._read(id), channel, routes) != held.mark:  # a digest was faster
            self._change(id, lambda known: incidents.release(known, channel, held))
            return True
        receipt = self._send(channel, message, message.id)
        if receipt is None:
            self._change(id, lambda known: incidents.release(known, channel, held))
            return False
        self._record(id, channel, Receipt(held.mark, receipt, self.now))
        return True

    def _claim(self, id: str, channel: Channel, routes: _Routes) -> tuple[Incident, Claim | None]:
        """Reserve the next message that is due; no claim where there is none, or it is taken."""

        def claimed(incident: Incident) -> Incident:
            mark = incidents.due(incident, channel, routes)
            if mark is None or incident.line(channel).is_claimed(self.now):
                return incident
            return incidents.claim(incident, channel, mark, self.now)

        incident, is_ours = self._change(id, claimed)
        line = incident.line(channel)
        if not is_ours and line.is_claimed(self.now):
            self.busy.append(f"{channel}: another instance sends, or died less than a minute ago")
        return incident, line.claim if is_ours else None

    def _is_kept(self, channel: Channel, entry: Pending, message: Message) -> bool:
        """True if the message has to wait for the digest; else it has a slot in the window."""
        if channel not in storm.DIGESTED:
            return False
        level, rule = message.alert.level, self.policy.alerts.storm
        state, _ = self._change_channel(
            channel, lambda known: storm.admit(known, entry, level, message.id, rule, self.now)
        )
        return not storm.passes(channel, level) and entry in state.pending

    def _send(self, channel: Channel, message: Message, slot: str) -> str | None:
        """The receipt, or None after the failure has been noted."""
        try:
            receipt = self.notifiers[channel].send(message)
        except TwinguardError as err:
            self._fail(channel, slot, str(err))
            return None
        self.delivered.append(channel)
        return receipt

    def _fail(self, channel: Channel, slot: str, reason: str) -> None:
        self.failed[channel] = reason
        outage = routing.channel_incident(self.policy.environment, channel, self.now)
        self._change_channel(channel, lambda known: storm.fail(known, slot, outage))

    def _record(self, id: str, channel: Channel, receipt: Receipt) -> None:
        self._change(id, lambda known: incidents.deliver(known, channel, receipt))

    # --- digests ---------------------------------------------------------------------------------

    def _flush(self, channel: Channel) -> None:
        """Send what waits for this channel's digest, if there is room for it."""
        rule = self.policy.alerts.storm
        state, is_ours = self._change_channel(
            channel, lambda known: storm.claim_digest(known, rule, self.now)
        )
        if not is_ours:
            return
        digest = state.digest or self._send_digest(channel, state)
        if digest is None:
            self._change_channel(channel, lambda known: storm.release_digest(known, state.claimed))
            return
        for told in digest.told:
            self._record(told.incident, channel, Receipt(told.mark, digest.receipt, digest.at))
        self._change_channel(channel, lambda known: storm.settle(known, digest))

    def _send_digest(self, channel: Channel, state: ChannelState) -> Digest | None:
        entries, told, alerts = self._compose(channel, state)
        if not alerts:
            return Digest("", self.now, entries, ())
        said = tuple((one.incident, one.mark) for one in told)
        message = Message(incidents.message_id(*said[0]), said[0][0], alerts[0])
        if len(alerts) > 1:
            alert = storm.digest_alert(self.policy.environment, channel, alerts, self.now)
            message = Message(incidents.digest_id(channel, said), alert.incident, alert, alerts)
        receipt = self._send(channel, message, storm.digest_slot(self.now))
        if receipt is None:
            return None
        digest = Digest(receipt, self.now, entries, told)
        self._change_channel(channel, lambda known: storm.accepted(known, digest))
        return digest

    def _compose(
        self, channel: Channel, state: ChannelState
    ) -> tuple[tuple[Pending, ...], tuple[Pending, ...], tuple[Alert, ...]]:
        """The entries that are dealt with, what is told of them, and the alerts behind that.

        What has become critical meanwhile has a message of its own, which its event retries."""
        entries: list[Pending] = []
        told: list[Pending] = []
        alerts: list[Alert] = []
        for entry in state.pending:
            incident = self._read(entry.incident)
            mark = incidents.owed(incident, channel, (channel,))
            entries.append(entry)
            if mark is None or storm.passes(channel, incidents.alert_for(incident, mark).level):
                continue
            told.append(Pending(entry.incident, mark))
            alerts.append(incidents.alert_for(incident, mark))
        return tuple(entries), tuple(told), tuple(alerts)

    # --- dead channels ---------------------------------------------------------------------------

    def _report(self, dead: Channel) -> None:
        """Tell people of a dead channel once, through the first channel that accepts it."""
        environment, now = self.policy.environment, self.now
        outage = self._channel(dead).trouble or routing.channel_incident(environment, dead, now)
        alert = routing.channel_failed(outage, environment, dead, self.failed[dead], now)
        incident, _ = self._change(outage, lambda known: incidents.absorb(known, alert))
        for channel in routing.reporters_for(dead):
            if any(line.is_told or line.is_claimed(now) for line in incident.lines):
                return
            if channel in self.notifiers and channel not in self.failed:
                self._complete(outage, channel, (channel,))
                incident = self._read(outage)

    def _end_outage(self, channel: Channel) -> None:
        """Tell those who heard that the channel was dead that it works again."""
        outage = self._channel(channel).trouble
        if outage is None:
            return
        if channel not in self.delivered and self._read(outage).ended is None:
            return  # nothing shows that it works
        alert = routing.channel_works(outage, self.policy.environment, channel, self.now)
        self._change(outage, lambda known: incidents.absorb(known, alert))
        for told in Channel:
            self._complete(outage, told, ())
        incident = self._read(outage)
        if all(incidents.due(incident, told, ()) is None for told in self.notifiers):
            self._change_channel(channel, lambda known: storm.recover(known, outage))

    # --- records ---------------------------------------------------------------------------------

    def _read(self, id: str) -> Incident:
        return self._change(id, lambda known: known)[0]

    def _channel(self, channel: Channel) -> ChannelState:
        return self._change_channel(channel, lambda known: known)[0]

    def _change(self, id: str, change: Callable[[Incident], Incident]) -> tuple[Incident, bool]:
        return self._swap(INCIDENTS, id, Incident(id), change)

    def _change_channel(
        self, channel: Channel, change: Callable[[ChannelState], ChannelState]
    ) -> tuple[ChannelState, bool]:
        name = f"{self.policy.environment}/{channel}"
        return self._swap(CHANNELS, name, ChannelState(channel), change)

    def _swap(self, kind: str, id: str, fresh: T, change: Callable[[T], T]) -> tuple[T, bool]:
        """Compare-and-set until it holds: the value as it now stands, and if we wrote it."""
        for _ in range(_ATTEMPTS):
            stored = self.records.get(kind, id)
            known = fresh if stored is None else msgspec.convert(stored.value, type(fresh))
            changed = change(known)
            if changed == known:
                return known, False
            version = None if stored is None else stored.version
            value = msgspec.to_builtins(changed)
            with contextlib.suppress(Conflict):
                self.records.put(kind, id, value, version, self._expiry(changed))
                return changed, True
        raise Conflict(f"{kind} {id!r} changed {_ATTEMPTS} times while it was written; retry")

    def _expiry(self, value: Incident | ChannelState) -> dt.datetime | None:
        if isinstance(value, Incident):
            return self.now + dt.timedelta(days=self.policy.retention.history_days)
        return None
