# SPDX-License-Identifier: Apache-2.0
"""People read what happened, what was done and what to do, in whatever room there is."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinguard.decide.model import Alert, AlertState
from twinguard.notify.text import Text, clean, cut, fitted, render
from twinguard.policy import Level
from twinguard.ports import Message

AT = dt.datetime(2026, 11, 23, 13, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def alert(title: str, level: Level = Level.HIGH, state=AlertState.OPENED, **more) -> Alert:
    return Alert("ci/x/y", "ci", more.pop("kind", "budget"), level, 1, state, title, at=AT, **more)


def test_an_alert_is_worded_once_for_all_channels():
    told = alert("spent", lines=("api: from 3\nto 0", "done"))

    assert render(Message("0123456789abcdef", "ci/x/y", told)) == Text(
        headline="[ci] HIGH: spent",
        items=("api: from 3 to 0", "done"),
        advice="Look at what grew, by service; stop it, or raise the budget in the policy.",
        facts=(
            ("Environment", "ci"),
            ("Level", "high"),
            ("Time", "2026-11-23 12:00 UTC"),
            ("Incident", "ci/x/y"),
            ("Reference", "0123456789ab"),
        ),
    )


@pytest.mark.parametrize(
    ("told", "headline", "advice"),
    [
        (alert("x", state=AlertState.ENDED), "[ci] ENDED (high): x", "Nothing: it is over."),
        (
            alert("x", kind="other"),
            "[ci] HIGH: x",
            "Look into it, and acknowledge it so that others know.",
        ),
    ],
)
def test_the_state_and_the_kind_change_the_words(told, headline, advice):
    text = render(Message("id", "key", told))

    assert (text.headline, text.advice) == (headline, advice)


def test_a_digest_begins_with_the_worst():
    three = (alert("a", Level.LOW), alert("b"), alert("c", Level.MEDIUM, AlertState.ENDED))
    head = alert("3 alerts in one message", lines=("1 high, 1 medium, 1 low; 1 already ended",))

    text = render(Message("id", "key", head, three))

    assert text.items == (
        "1 high, 1 medium, 1 low; 1 already ended",
        "HIGH: b",
        "ENDED (medium): c",
        "LOW: a",
    )


def test_what_does_not_fit_is_counted():
    assert fitted(["aaaa", "bbbb", "cccc", "dddd"], 18) == ("aaaa", "and 3 more")
    assert fitted(["aaaa", "bbbb", "cccc"], 15) == ("aaaa", "bbbb", "cccc")
    assert fitted(["a" * 12], 99, each=8) == ("aaaaa...",)


@given(st.lists(st.text("ab ", max_size=40), max_size=60), st.integers(20, 400))
def test_nothing_is_longer_than_its_room(items, room):
    lines = fitted(items, room)

    assert len("\n".join(lines)) <= room
    assert len(lines) == len(items) or lines[-1] == f"and {len(items) - len(lines) + 1} more"


@given(st.text(), st.integers(0, 20))
def test_a_text_is_cut_to_its_room(text, room):
    assert len(cut(text, room)) <= room


@given(st.text())
def test_a_clean_text_is_one_line(text):
    cleaned = clean(text)

    assert cleaned.isprintable()
    assert cleaned == clean(cleaned)
