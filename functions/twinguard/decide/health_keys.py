# SPDX-License-Identifier: Apache-2.0
"""Whether keys are guarded: the counters answer, secrets turn, no key lies about. Pure."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Mapping

from twinguard.decide import exposure
from twinguard.decide.deployment import Deployment, Fast, KeptSecret, Names
from twinguard.decide.health import Check, Look
from twinguard.decide.inventory import Finding, Gap, short
from twinguard.policy import Policy

KEYS, GUARD = "keys", "guard"
_GRACE = dt.timedelta(days=1)
_FAR = 10
"""How many times slower than allowed is no matter of the distance any more."""

_EXPOSED = {
    "Google API keys": ("any-api", "any-caller"),
    "key files of service accounts": ("account-key",),
}


def guard(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """The store that says who is blocked, and how fast it does."""
    look = Look(GUARD, "counters")

    def judged(known: Fast) -> Check:
        allowed, took = policy.security.timeout_ms, 1000 * known.seconds
        said = f"they took {took:.0f} ms to answer, {allowed} are allowed"
        if took > _FAR * allowed:
            return look.failed(
                f"{said}: requests fail {policy.security.on_failure}",
                "look at the store's load, and at the network between",
            )
        if took > allowed:
            return look.unknown(
                f"{said}: from afar that says little", "run the doctor in the counters' network"
            )
        return look.ok(f"they answer within {allowed} ms; {known.held} keys are held back")

    yield look.about(seen.counters, judged, f"make apply ENV={policy.environment}")


def secrets(policy: Policy, seen: Deployment, others: frozenset[str]) -> Iterator[Check]:
    """Each secret is there, can be read, turns in time, and tells of it."""
    names = seen.named(policy)
    for name in (*policy.secrets, *sorted(others)):
        look = Look(KEYS, f"secret {name}")
        judge = functools.partial(_secret, names, name, look, seen.at)
        yield look.about(seen.secrets, judge, f"make apply ENV={policy.environment}")


def _secret(
    names: Names, name: str, look: Look, at: dt.datetime, known: Mapping[str, KeptSecret]
) -> Check:
    apply = f"make apply ENV={names.policy.environment}"
    found = known.get(names.secret(name))
    if found is None:
        return look.failed("there is none of that name", apply)
    if isinstance(found.enabled, Gap):
        return look.unknown(found.enabled.why)
    if not found.enabled:
        add = f"gcloud secrets versions add {short(found.name)} --data-file=-"
        return look.failed("it has no version that can be read", add)
    return _turns(names, name, look, at, found)


def _turns(names: Names, name: str, look: Look, at: dt.datetime, found: KeptSecret) -> Check:
    apply = f"make apply ENV={names.policy.environment}"
    if found.turns is None:
        return look.failed("it does not turn: nobody is asked to renew it", apply)
    if at - found.turns > _GRACE:
        days = (at - found.turns).days
        rotate = f"make rotate KEY={name} ENV={names.policy.environment} APPLY=1"
        return look.failed(f"its turn is {days} days overdue", rotate)
    if names.topic("secret-events") not in found.topics:
        return look.failed("its turns are told to nobody", apply)
    return look.ok(f"next turn on {found.turns:%Y-%m-%d}")


def exposed(policy: Policy, seen: Deployment) -> Iterator[Check]:
    """Keys that anybody could use."""
    found = exposure.findings(policy, seen.exposed, seen.at)
    read = (seen.exposed.api_keys, seen.exposed.account_keys)
    for (name, rules), known in zip(_EXPOSED.items(), read, strict=True):
        look = Look(KEYS, name)
        mine = [one for one in found if one.rule in rules]
        if mine:
            yield look.failed(_told(mine), mine[0].remedy)
        elif known is None:
            why = next((gap for gap in seen.unexposed if not gap.off), None)
            yield look.unknown(why.why) if why else look.ok("the API is switched off")
        else:
            yield look.ok(f"{len(known)} of them, none that anybody could use" if known else "none")


def _told(found: list[Finding]) -> str:
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{short(found[0].resource)}: {found[0].why}{more}"
