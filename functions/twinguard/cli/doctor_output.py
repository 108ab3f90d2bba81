# SPDX-License-Identifier: Apache-2.0
"""Print what the doctor found, for people and for machines."""

from __future__ import annotations

import datetime as dt
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from twinguard.cli.scale_output import complain, console, print_json, say
from twinguard.decide.health import Check, State, exit_code, verdict, worst_first

_STYLES = {State.FAILED: "bold red", State.UNKNOWN: "yellow", State.OK: "green"}
_WORDS = {State.FAILED: "broken", State.UNKNOWN: "unknown", State.OK: "ok"}


def report(name: str, checks: tuple[Check, ...], at: dt.datetime, *, as_json: bool) -> None:
    """All checks, what is wrong first, and one line that says what they come to."""
    if as_json:
        print_json(document(name, checks, at))
        return
    wrong = [check for check in worst_first(checks) if check.state is not State.OK]
    if wrong:
        console().print(_table(f"{name}: what is wrong or not known", wrong))
        _helps(wrong)
    fine = [check for check in checks if check.state is State.OK]
    if fine:
        console().print(_table(f"{name}: what works", fine))
    if 2 * sum(check.state is State.UNKNOWN for check in checks) > len(checks):
        say("Without a project to read: make doctor works every control on this machine.")
    code = exit_code(checks)
    style = _STYLES[State.FAILED if code == 1 else State.UNKNOWN if code else State.OK]
    console().print(Text(verdict(name, checks), style=style), soft_wrap=True)


def document(name: str, checks: tuple[Check, ...], at: dt.datetime) -> dict[str, object]:
    """The same for machines."""
    return {
        "environment": name,
        "at": at.isoformat(),
        "verdict": verdict(name, checks),
        "exit_code": int(exit_code(checks)),
        "checks": [
            {
                "group": check.group,
                "name": check.name,
                "state": check.state.value,
                "says": check.says,
                "remedy": check.remedy,
            }
            for check in checks
        ],
    }


def _table(title: str, checks: list[Check]) -> Table:
    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    made.add_column("", no_wrap=True)
    made.add_column("Control", overflow="fold")
    made.add_column("What was seen", overflow="fold")
    for _, members in groupby(checks, key=lambda check: (check.state, check.group)):
        rows = _merged(list(members))
        for number, (names, check) in enumerate(rows):
            made.add_row(
                Text(_WORDS[check.state], style=_STYLES[check.state]),
                f"{check.group}: {names}",
                Text(check.says),
                end_section=number == len(rows) - 1,
            )
    return made


def _helps(checks: list[Check]) -> None:
    """The remedies, each in a line that can be copied."""
    remedies = [check for check in checks if check.remedy]
    if remedies:
        console().print(Text("What helps", style="bold"))
    for check in remedies:
        line = Text.assemble(f"  {check.name}: ", (check.remedy, "bold"))
        console().print(line, soft_wrap=True)
    console().print()


def _merged(checks: list[Check]) -> list[tuple[str, Check]]:
    """The checks of one group; those of which the same is said stand together."""
    found: dict[tuple[str, str], list[Check]] = {}
    for check in checks:
        found.setdefault((check.says, check.remedy), []).append(check)
    return [(", ".join(one.name for one in same), same[0]) for same in found.values()]


def beyond() -> None:
    """Say what cannot be seen on this machine."""
    say(
        "Not here: roles, Google's budget and schedules, secrets and the real export exist only "
        "where it is deployed: make doctor ENV=staging."
    )


def planned(lines: tuple[str, ...]) -> None:
    """Say what is about to be sent; on standard error, so that JSON stays alone."""
    complain("Sent now, because LIVE=1 asks for it:\n" + "\n".join(f"- {line}" for line in lines))


def stopped() -> None:
    """Say that a person ended it."""
    complain("stopped; nothing is left running")
