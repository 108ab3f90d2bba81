# SPDX-License-Identifier: Apache-2.0
"""What people received in a rehearsal, by channel, in plain words.

Reads the stand-ins of the vendors; it never sends anything."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from twinguard.policy import Channel
from twinguard.standins.channels import Fault, HttpSink, Sinks


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it arrived: the first thing people see of it, and all of it.

    `ends` says that it closes a page instead of opening one; `key` is PagerDuty's."""

    channel: Channel
    headline: str
    text: str
    ends: bool = False
    key: str = ""


class Ears:
    """Hears every channel; `news` is what came since the last time."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks
        self._known = dict.fromkeys(Channel, 0)

    def news(self) -> tuple[Heard, ...]:
        """What every channel received since the last look."""
        found: list[Heard] = []
        for channel in Channel:
            arrived = self._arrived(channel)
            found += [_READ[channel](one) for one in arrived[self._known[channel] :]]
            self._known[channel] = len(arrived)
        return tuple(found)

    def deafen(self, channel: Channel, times: int) -> None:
        """Let a channel refuse its next messages for good."""
        if channel is Channel.EMAIL:
            self._sinks.mail.refusals += ["554 5.3.0 the mail system is down"] * times
        else:
            self._http(channel).fail(Fault(status=404, body="no_service"), times)

    def _arrived(self, channel: Channel) -> Sequence[Any]:
        if channel is Channel.EMAIL:
            return tuple(self._sinks.mail.received)
        return self._http(channel).accepted

    def _http(self, channel: Channel) -> HttpSink:
        sinks = self._sinks
        return {
            Channel.SLACK: sinks.slack,
            Channel.SMS: sinks.twilio,
            Channel.PAGERDUTY: sinks.pagerduty,
        }[channel]


def _mail(mail: EmailMessage) -> Heard:
    body = mail.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    head = "\n".join(f"{name}: {mail[name]}" for name in ("Subject", "From", "To", "Date"))
    return Heard(Channel.EMAIL, str(mail["Subject"]), f"{head}\n\n{text.strip()}")


def _slack(body: dict[str, Any]) -> Heard:
    parts = [block["text"]["text"] for block in body["blocks"] if "text" in block]
    return Heard(Channel.SLACK, html.unescape(body["text"]), html.unescape("\n".join(parts)))


def _sms(form: dict[str, str]) -> Heard:
    return Heard(Channel.SMS, form["Body"], f"To {form['To']}: {form['Body']}")


def _page(event: dict[str, Any]) -> Heard:
    key, ends = event["dedup_key"], event["event_action"] == "resolve"
    said = event.get("payload", {}).get("summary") or f"{event['event_action']} {key}"
    return Heard(Channel.PAGERDUTY, said, said, ends, key)


_READ: dict[Channel, Any] = {
    Channel.EMAIL: _mail,
    Channel.SLACK: _slack,
    Channel.SMS: _sms,
    Channel.PAGERDUTY: _page,
}
