# SPDX-License-Identifier: Apache-2.0
"""Word a message for people: what happened, what was done, what to do. The only place that does.

Channels cut and escape it to their own limits; they never reword it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from msgspec import Struct

from twinguard.decide.model import Alert, AlertState
from twinguard.ports import Message


class Text(Struct, frozen=True):
    """A message in plain words: every part is free of control characters.

    `items` are the facts of an alert, or the alerts of a digest, the worst first."""

    headline: str
    items: tuple[str, ...]
    advice: str
    facts: tuple[tuple[str, str], ...]


def render(message: Message) -> Text:
    """The words for a message, in full length."""
    alert = message.alert
    items = alert.lines
    if message.digest:
        worst = sorted(message.digest, key=lambda one: -one.level.rank)
        items = (*alert.lines, *(_listed(one) for one in worst))
    return Text(
        headline=clean(f"[{alert.environment}] {_state(alert)}: {alert.title}"),
        items=tuple(clean(item) for item in items),
        advice=_advice(message),
        facts=(
            ("Environment", clean(alert.environment)),
            ("Level", str(alert.level)),
            ("Time", f"{alert.at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"),
            ("Incident", clean(alert.incident)),
            ("Reference", message.id[:12]),
        ),
    )


def clean(text: str) -> str:
    """The text on one line: control characters and line breaks become single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def cut(text: str, room: int) -> str:
    """The text in at most `room` characters; dots show that something is missing."""
    return text if len(text) <= room else text[: max(room - 3, 0)].rstrip() + "..."[:room]


def fitted(items: Iterable[str], room: int, each: int = 1000) -> tuple[str, ...]:
    """As many items as fit with a line break each, then how many more there are."""
    lines = [cut(item, each) for item in items]
    sizes = [len(line) + 1 for line in lines]
    if sum(sizes) <= room:
        return tuple(lines)
    fit, left = 0, room - len(_more(len(lines))) - 1
    while fit < len(lines) and sizes[fit] <= left:
        left -= sizes[fit]
        fit += 1
    return (*lines[:fit], _more(len(lines) - fit))


def _more(number: int) -> str:
    return f"and {number} more"


def _listed(alert: Alert) -> str:
    return f"{_state(alert)}: {alert.title}"


def _state(alert: Alert) -> str:
    if alert.state is AlertState.OPENED:
        return alert.level.upper()
    return f"{alert.state.upper()} ({alert.level})"


def _advice(message: Message) -> str:
    if message.digest:
        return "Begin with the worst; each incident that is still open gets a message when it ends."
    if message.state is AlertState.ENDED:
        return "Nothing: it is over."
    return _ADVICE.get(message.alert.kind, "Look into it, and acknowledge it so that others know.")


_ADVICE = {
    "budget": "Look at what grew, by service; stop it, or raise the budget in the policy.",
    "forecast": "Nothing has stopped. Look at what grew before the cap is reached.",
    "cap": "Find what spent the money first. Lift the cap only when that has stopped.",
    "enforcement": "Something may still spend: stop it by hand, then look at why it failed.",
    "night": "Nothing, unless something here should have stayed awake.",
    "channel": "Check the channel's settings and its vendor; until then rely on the others.",
}
