# SPDX-License-Identifier: Apache-2.0
"""Draw a Mermaid sequence as SVG, so that a page shows it without JavaScript or a network.

Reads the part of Mermaid that our pictures use, and refuses the rest rather than leave it out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from twinguard.errors import Misconfigured

LETTER = 6.7
"""The width of an average letter of the text below, in pixels."""

LINE, STEP, MARGIN, PADDING, TEXT_GAP = 17, 44, 10, 10, 24
NARROWEST = 92

_PARTICIPANT = re.compile(r"participant (?P<id>\w+) as (?P<label>.+)")
_MESSAGE = re.compile(r"(?P<source>\w+)(?P<arrow>--?>>)(?P<target>\w+): (?P<text>.+)")
_NOTE = re.compile(r"Note over (?P<over>\w+(?:,\w+)?): (?P<text>.+)")


@dataclass(frozen=True, slots=True)
class Message:
    """An arrow from one participant to another, or to itself; an answer is drawn with dashes."""

    source: str
    target: str
    text: tuple[str, ...]
    is_answer: bool


@dataclass(frozen=True, slots=True)
class Note:
    """A remark over one participant, or over all from the first to the last."""

    first: str
    last: str
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Who takes part, by id and in order, and what happens."""

    participants: dict[str, tuple[str, ...]]
    steps: tuple[Message | Note, ...]


def read(text: str, where: str) -> Sequence:
    """The sequence that a fenced block describes."""
    first, *rest = [line.strip() for line in text.strip().splitlines()]
    if first != "sequenceDiagram":
        raise Misconfigured(f"{where}: {first!r} is not drawn here; write a sequenceDiagram")
    participants: dict[str, tuple[str, ...]] = {}
    steps: list[Message | Note] = []
    for line in filter(None, rest):
        if re.search("[;#]", line):
            raise Misconfigured(f"{where}: {line!r} ends early on GitHub; write it without ; and #")
        if found := _PARTICIPANT.fullmatch(line):
            participants[found["id"]] = _lines(found["label"])
        elif found := _MESSAGE.fullmatch(line):
            is_answer = found["arrow"] == "-->>"
            step = Message(found["source"], found["target"], _lines(found["text"]), is_answer)
            steps.append(step)
        elif found := _NOTE.fullmatch(line):
            over = found["over"].split(",")
            steps.append(Note(over[0], over[-1], _lines(found["text"])))
        else:
            raise Misconfigured(
                f"{where}: cannot draw {line!r}; write `participant a as A`, `a->>b: text`, "
                "`b-->>a: text` or `Note over a,b: text`"
            )
    if strange := {name for step in steps for name in _ends(step)} - participants.keys():
        raise Misconfigured(
            f"{where}: {', '.join(sorted(strange))} takes part in nothing; add a participant"
        )
    return Sequence(participants, tuple(steps))


def words(sequence: Sequence) -> str:
    """Everything that is written in a picture."""
    texts = [*sequence.participants.values(), *(step.text for step in sequence.steps)]
    return " ".join(line for text in texts for line in text)


def svg(sequence: Sequence, title: str) -> str:
    """The picture, in colours that the page around it sets."""
    at = _columns(sequence)
    head = 2 * PADDING + LINE * max(len(lines) for lines in sequence.participants.values())
    drawn, y = [], MARGIN + head
    for step in sequence.steps:
        y += STEP + LINE * (len(step.text) - 1)
        drawn.append(_message(step, at, y) if isinstance(step, Message) else _note(step, at, y))
    height = y + STEP // 2 + MARGIN
    last = [*at][-1]
    width = at[last] + max(_half(sequence.participants[last]), _beyond(sequence, last)) + MARGIN
    lines = [
        f'<line class="life" x1="{x}" y1="{MARGIN + head}" x2="{x}" y2="{height - MARGIN}"/>'
        for x in at.values()
    ]
    boxes = [_box(at[name], head, text) for name, text in sequence.participants.items()]
    return (
        f'<svg role="img" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" '
        f'height="{height}"><title>{escape(title)}</title>{"".join([*lines, *boxes, *drawn])}</svg>'
    )


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in re.split(r"<br */?>", text))


def _ends(step: Message | Note) -> tuple[str, str]:
    return (step.source, step.target) if isinstance(step, Message) else (step.first, step.last)


def _width(text: tuple[str, ...]) -> float:
    return LETTER * max(len(line) for line in text)


def _half(text: tuple[str, ...]) -> float:
    return max(_width(text) + 2 * PADDING, NARROWEST) / 2


def _beyond(sequence: Sequence, name: str) -> float:
    """How far what a participant tells itself reaches to its right."""
    own = [s for s in sequence.steps if isinstance(s, Message) and s.source == s.target == name]
    return max((_width(step.text) + 2 * TEXT_GAP for step in own), default=0.0)


def _columns(sequence: Sequence) -> dict[str, int]:
    """Where each participant stands: far enough apart for the boxes and for every message."""
    names = [*sequence.participants]
    order = {name: number for number, name in enumerate(names)}
    at = [MARGIN + _half(sequence.participants[names[0]])]
    for number, name in enumerate(names[1:], start=1):
        before = names[number - 1]
        boxes = _half(sequence.participants[before]) + _half(sequence.participants[name])
        x = at[-1] + max(boxes + MARGIN, _beyond(sequence, before) + MARGIN)
        for step in sequence.steps:
            first, last = sorted(order[end] for end in _ends(step))
            if isinstance(step, Message) and last == number and first < last:
                x = max(x, at[first] + _width(step.text) + TEXT_GAP)
        at.append(x)
    return {name: round(x) for name, x in zip(names, at, strict=True)}


def _box(x: int, height: int, text: tuple[str, ...]) -> str:
    half = _half(text)
    top = MARGIN + (height - LINE * len(text)) / 2 + LINE * 0.75
    return (
        f'<rect class="who" x="{x - half:.0f}" y="{MARGIN}" width="{2 * half:.0f}" '
        f'height="{height}" rx="6"/>{_text(text, x, top, "middle")}'
    )


def _message(step: Message, at: dict[str, int], y: int) -> str:
    start, end = at[step.source], at[step.target]
    kind = "answer" if step.is_answer else "call"
    above = y - 7 - LINE * (len(step.text) - 1)
    if start == end:
        path = f"M{start} {y - 10}h{TEXT_GAP - 8}v18H{start + 7}"
        words = _text(step.text, start + TEXT_GAP, y + 3 - LINE * (len(step.text) - 1), "start")
        return f'<path class="{kind}" d="{path}"/>{_head(start, y + 8, -1)}{words}'
    side = 1 if end > start else -1
    words = _text(step.text, (start + end) / 2, above, "middle")
    return f'<path class="{kind}" d="M{start} {y}H{end - 7 * side}"/>{_head(end, y, side)}{words}'


def _head(x: int, y: int, side: int) -> str:
    return f'<path class="head" d="M{x} {y}l{-9 * side} -4.5v9z"/>'


def _note(step: Note, at: dict[str, int], y: int) -> str:
    middle = (at[step.first] + at[step.last]) / 2
    half = max((at[step.last] - at[step.first]) / 2, _width(step.text) / 2) + PADDING
    height = LINE * len(step.text) + PADDING
    return (
        f'<rect class="note" x="{middle - half:.0f}" y="{y - height + PADDING}" '
        f'width="{2 * half:.0f}" height="{height}" rx="3"/>'
        f"{_text(step.text, middle, y - LINE * (len(step.text) - 1) + 4, 'middle')}"
    )


def _text(text: tuple[str, ...], x: float, y: float, anchor: str) -> str:
    spans = "".join(
        f'<tspan x="{x:.0f}" y="{y + LINE * number:.0f}">{escape(line)}</tspan>'
        for number, line in enumerate(text)
    )
    return f'<text text-anchor="{anchor}">{spans}</text>'
