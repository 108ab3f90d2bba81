# SPDX-License-Identifier: Apache-2.0
"""Print findings and savings, for people and for machines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from twinguard.cli.scale_output import console, print_json, say, table
from twinguard.decide.inventory import Finding, Inventory
from twinguard.decide.money import money, rounded
from twinguard.decide.resources import total
from twinguard.decide.run_prices import CURRENCY, SEEN, SOURCES
from twinguard.inventory.survey import Watch
from twinguard.policy import Level, Policy

BASIS = f"Google's list prices of {SEEN}, without free tier and discounts"
_STYLES = {Level.CRITICAL: "bold red", Level.HIGH: "red", Level.MEDIUM: "yellow", Level.LOW: ""}


def report(
    policy: Policy, inventory: Inventory, found: tuple[Finding, ...], *, as_json: bool
) -> None:
    """What was found, what it saves, and what could not be checked."""
    if as_json:
        print_json(_document(policy, inventory, found))
        return
    title = f"{policy.environment} ({policy.project.id}): {_counted(inventory)}"
    if found:
        _table(title, found)
        if saves := total(found):
            say(f"Mending it saves up to {money(saves, CURRENCY)} a month ({BASIS}).")
    else:
        say(title)
        say("Nothing was found in what was checked." if inventory.gaps else "Nothing was found.")
    if inventory.holds:
        say(
            f"{len(inventory.holds)} held by Twinguard (make holds ENV={policy.environment}): "
            "services are judged by what is put back."
        )
    for gap in inventory.gaps:
        style = "" if gap.off else "yellow"
        line = Text.assemble(("Not checked: ", style), gap.why)
        console().print(line, soft_wrap=True)


@contextlib.contextmanager
def watched() -> Iterator[Watch]:
    """A moving bar on a terminal, nothing elsewhere."""
    errors = Console(stderr=True)
    if not errors.is_terminal:
        yield lambda what, done, of: None  # noqa: ARG005 - nobody watches
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("Reading", total=None)
        yield lambda what, done, of: progress.update(
            task, description=f"Reading {escape(what)}", completed=done, total=of
        )


def saving(amount: Decimal | None) -> str:
    """An amount in a column of amounts; empty where nobody can say."""
    return "" if amount is None else money(amount, CURRENCY)


def _table(title: str, found: tuple[Finding, ...]) -> None:
    """A block for each resource, in the order of the worst that was found about it."""
    shown = table(title, "Level", "What, and what helps")
    shown.add_column("Saves up to", justify="right", no_wrap=True)
    blocks: dict[str, list[Finding]] = {}
    for finding in found:
        blocks.setdefault(finding.resource, []).append(finding)
    for block in blocks.values():
        for place, finding in enumerate(block):
            below = "" if place else "\n"  # the resource's name stands in a line of its own
            level = Text(below).append(finding.level, style=_STYLES[finding.level])
            text = Text("" if place else f"{finding.subject}\n", style="bold")
            text.append(f"{finding.why}\n→ {finding.remedy}", style="not bold")
            saves = f"{below}{saving(finding.saving)}"
            shown.add_row(level, text, saves, end_section=finding is block[-1])
    console().print(shown)


def _counted(inventory: Inventory) -> str:
    parts = {
        f"service in {', '.join(sorted(inventory.regions))}": (
            inventory.services if inventory.regions else None
        ),
        "subscription": inventory.subscriptions,
        "secret": inventory.secrets,
        "address": inventory.addresses,
    }
    return ", ".join(
        f"{len(read)} {_noun(name, len(read))}" for name, read in parts.items() if read is not None
    ) or ("nothing could be read")


def _noun(name: str, count: int) -> str:
    word, rest = name.partition(" ")[0], name.partition(" ")[2]
    plural = word if count == 1 else f"{word}{'es' if word.endswith('s') else 's'}"
    return f"{plural} {rest}".rstrip()


def _document(
    policy: Policy, inventory: Inventory, found: tuple[Finding, ...]
) -> dict[str, object]:
    return {
        "environment": policy.environment.value,
        "project": policy.project.id,
        "at": inventory.at.isoformat(),
        "regions": sorted(inventory.regions),
        "findings": [
            {
                "level": finding.level.value,
                "rule": finding.rule,
                "resource": finding.resource,
                "why": finding.why,
                "remedy": finding.remedy,
                "saving": None if finding.saving is None else amount(finding.saving),
            }
            for finding in found
        ],
        "saving": amount(total(found)),
        "currency": CURRENCY,
        "prices": {"basis": BASIS, "seen": SEEN, "sources": SOURCES},
        "held": sorted(inventory.holds),
        "not_checked": [
            {"what": gap.what, "why": gap.why, "switched_off": gap.off} for gap in inventory.gaps
        ],
    }


def amount(value: Decimal) -> str:
    """An amount for machines: exact text, in whole minor units."""
    return f"{rounded(value, CURRENCY):f}"
