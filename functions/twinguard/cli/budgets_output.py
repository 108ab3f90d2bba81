# SPDX-License-Identifier: Apache-2.0
"""Print how budgets on language models stand, for people or as JSON. Amounts are exact in JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from rich.text import Text

from twinguard.cli.scale_output import console, print_json, say, table
from twinguard.decide.ledger import Limit, Period, Scope, Standing, dollars_of, usd
from twinguard.decide.ledger_rules import worded
from twinguard.decide.money import percent
from twinguard.policy import Policy
from twinguard.raising import Allowance, Raised

__all__ = ["done", "planned", "rebuilding", "rebuilt", "say", "shown"]

_NEARLY = 90


def shown(
    policy: Policy,
    found: Sequence[Allowance],
    top: int,
    now: dt.datetime,
    *,
    live: bool,
    as_json: bool,
) -> None:
    """How each scope stands; what is held is known of a live ledger only."""
    if as_json:
        rows = [_row(one, live=live) for one in found]
        print_json({"environment": policy.environment, "budgets": rows})
        return
    period = found[0].standing.period
    left = period.end - now
    title = f"Language models, {policy.environment}, {period.name}"
    made = table(title, "Whose", "Limit", "Spent", "Held", "Left", "Used", "Set by")
    notes = []
    for column in made.columns[1:6]:
        column.justify = "right"
    for one in found[:top]:
        standing, set_by = one.standing, one.set_by
        made.add_row(
            Text("all of it" if standing.scope.name == policy.environment else str(standing.scope)),
            "none" if standing.limit is None else usd(standing.limit),
            usd(standing.spent),
            usd(standing.held) if live else "?",
            "" if standing.left is None else usd(standing.left),
            _used(standing),
            Text(set_by.by if set_by else "policy"),
        )
        if set_by:
            notes.append(f"{standing.scope}: {worded(set_by.limit)}, {set_by.by}: {set_by.reason}")
    console().print(made)
    for note in notes:
        say(note)
    if len(found) > top:
        say(f"{len(found) - top} more; --top {len(found)} shows all.")
    say(f"USD. Begins anew {period.end:%Y-%m-%d %H:%M} UTC, in {left.days} days.")


def planned(
    policy: Policy, before: Standing, wanted: Limit, *, applied: bool, as_json: bool
) -> None:
    """What would be set."""
    was = "no limit" if before.limit is None else f"{usd(before.limit)} USD"
    if as_json:
        if not applied:
            print_json({"applied": False, "scope": str(wanted.scope), "limit": worded(wanted)})
        return
    say(
        f"{'Setting' if applied else 'Plan'}: {wanted.scope} in {policy.environment}, "
        f"{usd(before.spent)} USD spent: {was} → {worded(wanted)}"
    )
    if not applied:
        say("Nothing was changed; add --apply to do it (with make: APPLY=1).")


def done(found: Raised, *, as_json: bool) -> None:
    """What was set, since when, and who heard of it."""
    limit = found.limit
    if as_json:
        generation = limit.generation
        document = {"applied": True, "scope": str(limit.scope), "limit": worded(limit)}
        print_json(
            {**document, "generation": generation, "at_once": found.at_once, "told": found.told}
        )
        return
    since = "at once" if found.at_once else "once the gateways look, within a minute"
    say(f"{limit.scope} may spend {worded(limit)}, {since}; {found.told}.")


def rebuilding(period: Period, events: int, *, applied: bool, as_json: bool) -> None:
    """What the ledger would be rebuilt from."""
    if applied:
        return
    if as_json:
        print_json({"applied": False, "period": period.name, "events": events})
        return
    say(f"Plan: raise what {period.name} has spent by the book and {events:,} usage events.")
    say("Nothing was changed; add --apply to do it (with make: APPLY=1).")


def rebuilt(period: Period, spent: Mapping[Scope, int], own: Scope, *, as_json: bool) -> None:
    """What the ledger has spent now."""
    if as_json:
        print_json(
            {"applied": True, "spent": {str(scope): nanos for scope, nanos in spent.items()}}
        )
        return
    say(
        f"{period.name}: {len(spent):,} scopes are back; {own} has spent "
        f"{usd(spent.get(own, 0))} USD."
    )


def _row(one: Allowance, *, live: bool) -> dict[str, object]:
    standing, set_by = one.standing, one.set_by
    return {
        "scope": str(standing.scope),
        "period": standing.period.name,
        "limit_nanos": standing.limit,
        "spent_nanos": standing.spent,
        "held_nanos": standing.held if live else None,
        "left_nanos": standing.left,
        "resets_at": standing.resets_at.isoformat(),
        "set_by": set_by.by if set_by else None,
        "reason": set_by.reason if set_by else None,
        "until": set_by.limit.until.isoformat() if set_by and set_by.limit.until else None,
    }


def _used(standing: Standing) -> Text:
    if not standing.limit:
        return Text("")
    used = 100 * dollars_of(standing.spent + standing.held) / dollars_of(standing.limit)
    style = "red" if standing.used_up else "yellow" if used >= _NEARLY else ""
    return Text(percent(used), style=style)
