# SPDX-License-Identifier: Apache-2.0
"""Print plans, results and the table of rotations, for people or as JSON. Never a key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from rich.text import Text

from twinguard.cli.scale_output import console, print_json, say, table
from twinguard.decide.keys import KeyState, Step, due_at
from twinguard.decide.model import NEVER
from twinguard.policy import Policy


def plan(title: str, lines: tuple[str, ...], *, applied: bool, as_json: bool) -> None:
    """What would be done, or is about to be, step by step."""
    if as_json:
        print_json({"applied": False, "plan": list(lines)})
        return
    say(f"Plan: {title}")
    for number, line in enumerate(lines, start=1):
        say(f"  {number}. {line}")
    if not applied:
        say("Nothing was changed; add --apply to do it (with make: APPLY=1).")


def done(decision: str, state: KeyState, *, as_json: bool) -> None:
    """What was done, and what a person has to do now."""
    trouble = state.trouble
    if as_json:
        lines = list(trouble.lines) if trouble else []
        print_json({"applied": True, "result": decision, "step": state.step, "to_do": lines})
        return
    say(f"{decision}.")
    if trouble is not None:
        say(f"{trouble.title}:")
        for line in trouble.lines:
            say(f"  {line}")


def table_of(
    policy: Policy,
    states: Sequence[KeyState],
    missing: Sequence[str],
    now: dt.datetime,
    *,
    as_json: bool,
) -> None:
    """How each key stands."""
    if as_json:
        rows = [_row(policy, state, now) for state in states]
        print_json({"environment": policy.environment, "keys": rows, "missing": list(missing)})
        return
    headings = ("Key", "Made by", "Step", "Since", "Version", "Next due", "To do")
    shown = table(f"Keys of {policy.environment}", *headings)
    shown.columns[0].no_wrap = True  # to be copied into KEY=
    for state in states:
        row = _row(policy, state, now)
        todo = state.trouble.title if state.trouble else ""
        since = "" if state.step is Step.IDLE else f"{state.step_at:%Y-%m-%d %H:%M}"
        version = str(state.current.version or "none")
        due = "now" if row["due"] else str(row["due_at"])[:10]
        shown.add_row(state.secret, state.kind, state.step, since, version, due, Text(todo))
    for name in missing:
        shown.add_row(name, "", "no version yet", "", "none", "", "")
    console().print(shown)


def _row(policy: Policy, state: KeyState, now: dt.datetime) -> dict[str, object]:
    """A key for machines."""
    due = max(due_at(policy, state), NEVER)
    return {
        "key": state.secret,
        "kind": state.kind,
        "step": state.step,
        "since": state.step_at.isoformat(),
        "version": state.current.version,
        "rotated_at": None if state.rotated_at == NEVER else state.rotated_at.isoformat(),
        "due_at": due.isoformat(),
        "due": state.step is Step.IDLE and due <= now,
        "overlap_until": [old.until.isoformat() for old in state.olds if not old.dead],
        "trouble": state.trouble.title if state.trouble else None,
    }
