# SPDX-License-Identifier: Apache-2.0
"""Trigger, acknowledge and resolve alerts through PagerDuty's Events API v2.

All messages of an incident share one dedup_key, so PagerDuty itself folds what is repeated."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from twinguard.decide.model import AlertState
from twinguard.notify.text import cut, fitted, render
from twinguard.notify.wire import Post, post
from twinguard.policy import Channel, Level
from twinguard.ports import Message

if TYPE_CHECKING:
    import requests

EVENTS = "https://events.pagerduty.com/v2/enqueue"
SUMMARY = 1024
KEY = 255
DETAILS = 30_000  # characters; at most 12 bytes each in JSON, well under 512 kB

_ACTIONS = {
    AlertState.OPENED: "trigger",
    AlertState.ACKNOWLEDGED: "acknowledge",
    AlertState.ENDED: "resolve",
}
_SEVERITIES = {
    Level.LOW: "info",
    Level.MEDIUM: "warning",
    Level.HIGH: "error",
    Level.CRITICAL: "critical",
}


class PagerDuty:
    """The integration that receives the events; the service is only shown in their details."""

    channel: Channel = Channel.PAGERDUTY

    def __init__(self, integration: str, service: str = "", url: str = EVENTS) -> None:
        self.integration = integration
        self.service = service
        self.url = url

    def send(self, message: Message) -> str:
        """Enqueue the event; the dedup_key and what was done with it."""
        event = payload(message, self.service) | {"routing_key": self.integration}
        post(
            Post(
                channel=self.channel,
                url=self.url,
                accepted=202,
                remedy="check PAGERDUTY_INTEGRATION_KEY: it an Events API v2 integration's",
                explain=_reason,
                json=event,
            )
        )
        return f"{event['event_action']} {event['dedup_key']}"


def dedup_key(key: str) -> str:
    """The incident's key; a digest of it where PagerDuty would find it too long."""
    if len(key) <= KEY:
        return key
    return f"{key[:190]}/{hashlib.sha256(key.encode()).hexdigest()}"


def payload(message: Message, service: str = "") -> dict[str, object]:
    """The event for a message, without the key that admits it."""
    event: dict[str, object] = {
        "event_action": _ACTIONS[message.state],
        "dedup_key": dedup_key(message.key),
    }
    if message.state is not AlertState.OPENED:
        return event
    text, alert = render(message), message.alert
    details: dict[str, object] = {name.lower(): value for name, value in text.facts}
    details |= {"what happened": list(fitted(text.items, DETAILS)), "what to do": text.advice}
    return event | {
        "client": "Twinguard",
        "payload": {
            "summary": cut(text.headline, SUMMARY),
            "source": f"twinguard/{alert.environment}",
            "severity": _SEVERITIES[alert.level],
            "timestamp": alert.at.isoformat(),
            "component": alert.kind,
            "group": alert.environment,
            "class": alert.kind,
            "custom_details": details | ({"service": service} if service else {}),
        },
    }


def _reason(response: requests.Response) -> str:
    """Nothing: PagerDuty's words may repeat what was sent."""
    del response
    return ""
