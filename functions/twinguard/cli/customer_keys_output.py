# SPDX-License-Identifier: Apache-2.0
"""Print customers' keys, plans and, once, a new secret."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import msgspec
from rich.text import Text

from twinguard.cli.scale_output import complain, console, print_json, say, table
from twinguard.customer_keys import Issued
from twinguard.decide.customer_keys import CustomerKey, Quota, Refusal

ONCE = "This key is shown once and kept nowhere; hand it over in a safe way."


def listed(
    name: str, found: tuple[CustomerKey, ...], limit: int, now: dt.datetime, *, as_json: bool
) -> None:
    """Keys as a table, without anything that could be used as one."""
    shown = found[:limit]
    if as_json:
        rows = [facts(key, now) for key in shown]
        print_json({"environment": name, "found": len(found), "keys": rows})
        return
    if not found:
        say(f"No key of {name} is like that.")
        return
    columns = ("Id", "Tenant and label", "State", "May", "At most", "Made, changed", "Ends in")
    made = table(f"Keys of {name}", *columns)
    made.columns[0].no_wrap = True  # to be copied into KEY=
    for key in shown:
        owner = Text(f"{key.tenant}\n{key.label}" if key.label else key.tenant)
        changed = f"{key.created_at:%Y-%m-%d} by {key.created_by}\n{key.changed_by}: {key.reason}"
        scopes = "\n".join(key.scopes)
        row = (Text(key.id), owner, Text(standing(key, now)), Text(scopes), Text(limits(key.quota)))
        made.add_row(*row, Text(changed), Text(f"…{key.last4}"))
    console().print(made)
    if len(found) > limit:
        say(
            f"{len(found) - limit} more; narrow it with TENANT=, LABEL= or STATE=, or raise LIMIT=."
        )


def planned(what: str, *, applied: bool, as_json: bool) -> None:
    """What is about to happen, before it does."""
    if as_json and not applied:
        print_json({"applied": False, "plan": what})
    elif not as_json:
        say(f"Plan: {what}.")
        if not applied:
            say("Nothing was changed; add --apply to do it (with make: APPLY=1).")


def changed(key: CustomerKey, word: str, now: dt.datetime, *, as_json: bool) -> None:
    """What became of a key."""
    if as_json:
        print_json({"applied": True, "key": facts(key, now)})
    else:
        say(f"Key {key.id} of {key.tenant} is {word}.")


def revealed(issued: Issued, now: dt.datetime, *, piped: bool, as_json: bool) -> None:
    """The new secret: the one place that prints it. Piped, it stands alone on standard output."""
    if as_json:
        print_json({"applied": True, "key": facts(issued.key, now), "secret": issued.raw})
    elif piped:
        complain(f"Key {issued.key.id} of {issued.key.tenant}. {ONCE}")
        print(issued.raw)
    else:
        say(f"Key {issued.key.id} of {issued.key.tenant}. {ONCE}")
        print(issued.raw)


def checked(answer: CustomerKey | Refusal, now: dt.datetime, *, as_json: bool) -> None:
    """Whether a key works, and whose it is or why it does not."""
    if isinstance(answer, Refusal):
        if as_json:
            print_json({"valid": False, "id": answer.id, "reason": answer.reason.value})
        else:
            say(f"Refused: {answer.reason}{f' (key {answer.id})' if answer.id else ''}.")
    elif as_json:
        print_json({"valid": True, "key": facts(answer, now)})
    else:
        say(f"Valid: key {answer.id} of {answer.tenant}, for {', '.join(answer.scopes)}.")


def facts(key: CustomerKey, now: dt.datetime) -> dict[str, object]:
    """A key for machines."""
    return {**cast("dict[str, Any]", msgspec.to_builtins(key)), "state": key.state(now).value}


def standing(key: CustomerKey, now: dt.datetime) -> str:
    """Its state, with the time at which that changes by itself."""
    until = key.overlap_until if key.state(now).value == "rotating" else key.expires_at
    return f"{key.state(now)}\nuntil {until:%Y-%m-%d %H:%M}" if until else key.state(now)


def limits(quota: Quota) -> str:
    """A quota in words."""
    parts = (
        (quota.requests_per_minute, "requests/min"),
        (quota.tokens_per_minute, "tokens/min"),
        (quota.monthly_budget, f"{quota.currency}/month"),
    )
    return "\n".join(f"{limit:,} {unit}" for limit, unit in parts if limit is not None) or "-"
