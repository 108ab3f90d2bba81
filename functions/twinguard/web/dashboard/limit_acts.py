# SPDX-License-Identifier: Apache-2.0
"""Set a limit on models for a while from a page, or give it back to the policy: plan and effect.

By `raising.py`, as the command line does it."""

from __future__ import annotations

import datetime as dt

from twinguard.decide import ledger_rules as rules
from twinguard.decide.ledger import Scope, dollars_of
from twinguard.decide.model import Outcome
from twinguard.decide.money import money
from twinguard.errors import Misconfigured
from twinguard.raising import Allowance, Raised, amount_of, scope_of, until_of
from twinguard.web.dashboard.asked import Kind, Mistake, Plan, Said, title, told
from twinguard.web.dashboard.watched import Watched


def known(watched: Watched, target: str) -> tuple[str, ...]:
    """The target, if a limit can be about it."""
    try:
        return (target,) if str(_scope(watched, target)) == target else ()
    except Misconfigured:
        return ()


def mistake(said: Said, now: dt.datetime) -> Mistake | None:
    """What is wrong with an amount or an end; None if they will do."""
    field = "amount"
    try:
        amount_of(said.amount)
        field = "until"
        until_of(said.until, now)
    except Misconfigured as err:
        return Mistake(field, _sentence(str(err)))
    return None


def plan_raise(watched: Watched, target: str, by: str, now: dt.datetime) -> Plan:  # noqa: ARG001 - as the others
    """What another limit would mean."""
    found = watched.raising.of_scope(_scope(watched, target), now)
    return Plan(
        title=title(watched, Kind.RAISE, target),
        button="Set this limit",
        lines=(
            _stands(found),
            f"the amount below counts instead until its end, {_since(watched)}",
            "what was spent stays spent; after its end the policy's limit counts again",
        ),
        told=told(watched),
        asks_limit=True,
    )


def plan_unraise(watched: Watched, target: str, by: str, now: dt.datetime) -> Plan:  # noqa: ARG001 - as the others
    """What the policy's limit would mean."""
    found = watched.raising.of_scope(_scope(watched, target), now)
    return Plan(
        title=title(watched, Kind.UNRAISE, target),
        button="Give it back",
        lines=(_stands(found), f"the policy's limit counts again, {_since(watched)}"),
        told=told(watched),
        refusal="" if found.set_by else "The policy's limit counts already.",
    )


def act_raise(watched: Watched, target: str, said: Said, now: dt.datetime) -> tuple[Outcome, str]:
    """Set it."""
    nanos, until = amount_of(said.amount), until_of(said.until, now)
    scope = _scope(watched, target)
    done = watched.raising.carried_out(scope, nanos, until, said.by, said.reason, now)
    return Outcome.DONE, _done(done)


def act_unraise(watched: Watched, target: str, said: Said, now: dt.datetime) -> tuple[Outcome, str]:
    """Give it back."""
    scope = _scope(watched, target)
    done = watched.raising.carried_out(scope, None, None, said.by, said.reason, now)
    return Outcome.DONE, _done(done)


def _scope(watched: Watched, target: str) -> Scope:
    return scope_of(target, watched.policy)


def _stands(found: Allowance) -> str:
    standing, set_by = found.standing, found.set_by
    spent = f"{_usd(standing.spent)} is spent of it in {standing.period.name}"
    if set_by:
        now = f"now {set_by.by} lets it spend {rules.worded(set_by.limit)}: {set_by.reason}"
    elif standing.limit is None:
        now = "now it has no limit"
        spent = f"{_usd(standing.spent)} is spent in {standing.period.name}"
    else:
        now = f"now the policy lets it spend {_usd(standing.limit)} a month"
    return f"{now}; {spent}"


def _since(watched: Watched) -> str:
    return "at once" if watched.raising.ledger else "once the gateways look, within a minute"


def _done(done: Raised) -> str:
    since = "at once" if done.at_once else "once the gateways look, within a minute"
    return (
        f"{done.limit.scope} may spend {rules.worded(done.limit)}, {since}. {_sentence(done.told)}"
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _usd(nanos: int) -> str:
    return money(dollars_of(nanos), "USD")
