# SPDX-License-Identifier: Apache-2.0
"""Post to a Slack channel through an incoming webhook, in Block Kit.

Everything that is not ours is escaped, so a title can neither mention anybody nor hide a link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from twinguard.notify.text import clean, fitted, render
from twinguard.notify.wire import Post, post
from twinguard.policy import Channel
from twinguard.ports import Message

if TYPE_CHECKING:
    import requests

# Slack takes 3000 characters in a section's text and 2000 in a context element.
HEADLINE = 600
ITEMS = 2400
ADVICE = 500
FACT = 380  # there are five


class Slack:
    """The webhook, and the channel to name to webhooks that are not bound to one."""

    channel: Channel = Channel.SLACK

    def __init__(self, url: str, room: str = "") -> None:
        self.url = url
        self.room = room

    def send(self, message: Message) -> str:
        """Post it; Slack's id of the request, or its plain `ok`."""
        response = post(
            Post(
                channel=self.channel,
                url=self.url,
                accepted=200,
                remedy="check SLACK_WEBHOOK_URL and SLACK_CHANNEL, and that the app may post there",
                explain=_reason,
                json=payload(message, self.room),
            )
        )
        return clean(response.headers.get("x-slack-unique-id", "ok"))[:100]


def payload(message: Message, room: str = "") -> dict[str, object]:
    """The request body for a message."""
    text = render(message)
    headline = escaped(text.headline, HEADLINE)
    items = fitted((escaped(f"• {item}", 1000) for item in text.items), ITEMS)
    advice = f"*What to do:* {escaped(text.advice, ADVICE)}"
    facts = " | ".join(escaped(f"{name}: {value}", FACT) for name, value in text.facts)
    body: dict[str, object] = {
        "text": headline,
        "blocks": [
            _section(f"*{headline}*"),
            _section("\n".join((*items, advice))),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": facts}]},
        ],
    }
    return body | {"channel": room} if room else body


def escaped(text: str, room: int) -> str:
    """The text with Slack's three control characters escaped, never cut inside an escape."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(safe) <= room:
        return safe
    return re.sub(r"&[a-z]{0,3}$", "", safe[: room - 1]) + "…"


def _section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _reason(response: requests.Response) -> str:
    """Slack answers with one word, such as no_service."""
    return response.text if re.fullmatch(r"[a-z_]{1,60}", response.text) else ""
