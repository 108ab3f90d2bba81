# SPDX-License-Identifier: Apache-2.0
"""Do what a person asks for on a page: plan first, then by the flow that the command line uses.

Every action has a reason and stands in the audit trail before anything is changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from twinguard.customer_keys import KIND, CustomerKeys
from twinguard.decide import key_plan, wording
from twinguard.decide.model import CloseBreaker, Outcome, Result
from twinguard.decide.thefts import Theft
from twinguard.errors import Misconfigured, TwinguardError, Unavailable
from twinguard.pipeline import MANUAL
from twinguard.policy import Level
from twinguard.ports import Json
from twinguard.reports.theft import lift_lines
from twinguard.waking import Waking, Which
from twinguard.web.dashboard import limit_acts
from twinguard.web.dashboard.asked import Kind, Mistake, Plan, Said, Unknown, title, told
from twinguard.web.dashboard.operations_view import ENDS
from twinguard.web.dashboard.watched import Watched

SHORTEST, LONGEST = 3, 500
"""Characters of a reason."""

NO_COUNTERS = (
    "Set TWINGUARD_COUNTERS to the store that the application uses, and name one ENV; or start "
    "with DEPLOYED=1: on_usage is asked then."
)


def plan(watched: Watched, kind: Kind, target: str, by: str, now: dt.datetime) -> Plan:
    """What the action would do; nothing is changed."""
    _require_known(watched, kind, target)
    try:
        return _PLANS[kind](watched, target, by, now)
    except TwinguardError as err:
        return Plan(
            title=title(watched, kind, target), button="", lines=(), told="", refusal=str(err)
        )


def carry_out(watched: Watched, kind: Kind, target: str, said: Said, now: dt.datetime) -> str:
    """Do it; the id of the audit record that says what was asked for and what came of it."""
    _require_known(watched, kind, target)
    if kind is Kind.ENABLE:  # that flow writes the reason down itself
        _customer_keys(watched).enable(target, said.by, said.reason, now)
        records = watched.pipeline.ports.records
        return records.find("audit", resource=f"{KIND}/{target}")[-1].id
    begun_id = _begun(watched, kind, target, said, now)
    try:
        outcome, detail = _ACTS[kind](watched, target, said, now)
    except TwinguardError as err:
        outcome, detail = Outcome.FAILED, str(err)
    ended: dict[str, Json] = {
        "phase": "ended",
        "at": now.isoformat(),
        "begun": begun_id,
        "outcome": outcome.value,
        "detail": detail,
    }
    watched.pipeline.ports.records.append("audit", ended, _until(watched, now))
    return begun_id


def mistake(kind: Kind, said: Said, now: dt.datetime) -> Mistake | None:
    """What is wrong with what a form says; None if it will do."""
    found = limit_acts.mistake(said, now) if kind is Kind.RAISE else None
    if found is None and not SHORTEST <= len(said.reason) <= LONGEST:
        words = f"Say why, in {SHORTEST} to {LONGEST} characters: it goes into the audit trail."
        return Mistake("reason", words)
    return found


def _require_known(watched: Watched, kind: Kind, target: str) -> None:
    """Unknown for what this action cannot be about; a key's id is its flow's to know."""
    known: dict[Kind, Collection[str]] = {
        Kind.WAKE: (Which.NIGHT, Which.MANUAL, Which.SAVINGS),
        Kind.LIFT: (Which.BUDGET,),
        Kind.ROTATE: watched.policy.secrets,
        Kind.ENABLE: (target,),
        Kind.UNBLOCK: (target,),
        Kind.RAISE: limit_acts.known(watched, target),
        Kind.UNRAISE: limit_acts.known(watched, target),
    }
    if target not in known[kind]:
        raise Unknown(target)


# --- holds and the cap ---------------------------------------------------------------------------


def _plan_wake(watched: Watched, target: str, by: str, now: dt.datetime) -> Plan:
    results = _waking(watched, target).planned(by, now)
    failed = [one for one in results if one.outcome is Outcome.FAILED]
    refusal = ""
    if not results:
        refusal = "Nothing is held for this reason any more."
    elif len(failed) == len(results):
        refusal = failed[0].detail
    return Plan(
        title=title(watched, Kind.WAKE, target),
        button=ENDS[target],
        lines=tuple(_planned(one) for one in results),
        told=told(watched),
        refusal=refusal,
    )


def _planned(result: Result) -> str:
    """A line of the plan; a breaker has no values to tell."""
    if isinstance(result.action, CloseBreaker) and not result.detail:
        return f"{wording.subject(result.action)}: closes, requests are answered again"
    return wording.worded(result)


def _plan_lift(watched: Watched, target: str, by: str, now: dt.datetime) -> Plan:
    found = _plan_wake(watched, target, by, now)
    refusal = found.refusal
    if not watched.tells:
        refusal = "Set TWINGUARD_ALERTS_TOPIC first: people must hear that a cap is lifted."
    again = watched.policy.budget.cap.rearm_percent if watched.policy.budget else None
    more = f"the cap trips again once another {again:f} % of the budget is spent" if again else ""
    return Plan(
        title=title(watched, Kind.LIFT, target),
        button=ENDS[target],
        lines=(*found.lines, *([more] if more else [])),
        told=found.told,
        refusal=refusal,
    )


def _act_wake(watched: Watched, target: str, said: Said, now: dt.datetime) -> tuple[Outcome, str]:
    waking = _waking(watched, target)
    if waking.caps and not watched.tells:
        raise Misconfigured("set TWINGUARD_ALERTS_TOPIC: people must hear that a cap is lifted")
    results = waking.carried_out(said.by, now)
    words = "; ".join(wording.worded(one) for one in results) or "nothing was held any more"
    return _worst(results), f"{words}. {_tell(watched, results, said.by, now)}"


def _waking(watched: Watched, target: str) -> Waking:
    return Waking.of(watched.pipeline, frozenset({Which(target)}))


def _tell(watched: Watched, results: tuple[Result, ...], by: str, now: dt.datetime) -> str:
    if not watched.tells:
        return "Nobody was told: TWINGUARD_ALERTS_TOPIC is not set."
    lines = "; ".join(wording.worded(result) for result in results)
    title = f"{watched.name} was woken by hand by {by}"
    scope = f"{by}-{now:%H%M%S}"
    alert = wording.oddity(watched.policy, MANUAL, scope, Level.MEDIUM, title, lines, now)
    try:
        watched.pipeline.publish(alert)
    except Unavailable as err:
        return f"NOBODY was told: {err}"
    return "The operations team is told."


def _worst(results: tuple[Result, ...]) -> Outcome:
    outcomes = {one.outcome for one in results}
    ranked = (Outcome.FAILED, Outcome.SKIPPED, Outcome.DONE)
    return next((one for one in ranked if one in outcomes), Outcome.ALREADY)


# --- keys ----------------------------------------------------------------------------------------


def _plan_rotate(watched: Watched, target: str, by: str, now: dt.datetime) -> Plan:  # noqa: ARG001 - as the others
    keys = watched.pipeline.keys
    found = {state.secret: state for state in keys.states(now)}
    shelf = keys.keys.secrets.read(f"{watched.name}-{target}")
    if target not in found or shelf is None:
        raise Misconfigured(f"{target} has no version yet; add the first one by hand")
    return Plan(
        title=title(watched, Kind.ROTATE, target),
        button=f"Rotate {target}",
        lines=key_plan.rotation(found[target], shelf),
        told="People hear of it where it needs them.",
    )


def _act_rotate(watched: Watched, target: str, said: Said, now: dt.datetime) -> tuple[Outcome, str]:
    return Outcome.DONE, watched.pipeline.keys.rotate(target, said.by, now).decision


def _plan_enable(watched: Watched, target: str, by: str, now: dt.datetime) -> Plan:  # noqa: ARG001 - as the others
    key = _customer_keys(watched).get(target)
    refusal = "" if key.disabled_at else "This key is not switched off."
    return Plan(
        title=title(watched, Kind.ENABLE, target),
        button="Switch it on again",
        lines=(
            f"the key {key.id} of {key.tenant}, which ends in {key.last4}, works again at once",
            f"it was switched off by {key.changed_by}: {key.reason}",
        ),
        told="It stands in the audit trail; nobody is told.",
        refusal=refusal,
    )


def _plan_unblock(watched: Watched, target: str, by: str, now: dt.datetime) -> Plan:  # noqa: ARG001 - as the others
    theft = _open_theft(watched, target)
    return Plan(
        title=title(watched, Kind.UNBLOCK, target),
        button="Unblock it",
        lines=lift_lines(target, theft),
        told=told(watched),
        refusal="" if watched.lifting else NO_COUNTERS,
        asks_owner=True,
    )


def _act_unblock(
    watched: Watched, target: str, said: Said, now: dt.datetime
) -> tuple[Outcome, str]:
    if watched.lifting is None:
        raise Misconfigured(NO_COUNTERS)
    _open_theft(watched, target)
    lift = watched.lifting.lift
    return Outcome.DONE, lift(target, said.by, said.reason, now, is_owner=said.is_owner)


def _open_theft(watched: Watched, key_id: str) -> Theft:
    theft = watched.security.theft(key_id)
    if theft is None or not theft.is_open or theft.key_id != key_id:
        raise Misconfigured(f"no incident with the key {key_id} is open")
    return theft


def _customer_keys(watched: Watched) -> CustomerKeys:
    policy = watched.policy
    return CustomerKeys(watched.pipeline.ports.records, policy.environment, policy.retention)


# --- the trail -----------------------------------------------------------------------------------


def _begun(watched: Watched, kind: Kind, target: str, said: Said, now: dt.datetime) -> str:
    value: dict[str, Json] = {
        "phase": "begun",
        "at": now.isoformat(),
        "actor": said.by,
        "action": f"{kind.value.title()}ByHand",
        "subject": title(watched, kind, target),
        "resource": target,
        "detail": said.reason,
    }
    return watched.pipeline.ports.records.append("audit", value, _until(watched, now))


def _until(watched: Watched, now: dt.datetime) -> dt.datetime:
    return now + dt.timedelta(days=watched.policy.retention.audit_days)


_PLANS = {
    Kind.WAKE: _plan_wake,
    Kind.LIFT: _plan_lift,
    Kind.ROTATE: _plan_rotate,
    Kind.ENABLE: _plan_enable,
    Kind.UNBLOCK: _plan_unblock,
    Kind.RAISE: limit_acts.plan_raise,
    Kind.UNRAISE: limit_acts.plan_unraise,
}
_ACTS = {
    Kind.WAKE: _act_wake,
    Kind.LIFT: _act_wake,
    Kind.ROTATE: _act_rotate,
    Kind.UNBLOCK: _act_unblock,
    Kind.RAISE: limit_acts.act_raise,
    Kind.UNRAISE: limit_acts.act_unraise,
}
