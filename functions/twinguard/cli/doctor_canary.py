# SPDX-License-Identifier: Apache-2.0
"""Work the guards of keys and money: a canary key is stolen and blocked, a limit is spent.

Both with the stores of the settings, or in memory; what is left of the canary is lifted again."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import secrets
from collections.abc import Iterator
from decimal import Decimal

from twinguard.cli.doctor_request import BLOCKED, SERVED, answered, served
from twinguard.counters import Counters
from twinguard.decide.health import Check, Look
from twinguard.decide.ledger import NANOS, Held, Known, Refused, Wanted
from twinguard.decide.money import money
from twinguard.decide.restraints import Curb, Restraint
from twinguard.decide.threats.values import NetworkKind, Place, Use
from twinguard.errors import Misconfigured, TwinguardError
from twinguard.guard import Guard
from twinguard.llm.budgets import budgets_of, environment_of
from twinguard.llm.ledger import Ledger, open_ledger
from twinguard.policy import Policy
from twinguard.state.counters import Options, open_counters
from twinguard.web.middleware import SecurityMiddleware

OWNER, THIEF = "9.9.9.9", "5.5.5.5"
_PLACES = {
    OWNER: Place("US", NetworkKind.BUSINESS, "The owner"),
    THIEF: Place("RU", NetworkKind.HOSTING, "A thief"),
}
_WEEKS, _PER_HOUR, _TRIES = 14, 4, 60
_PATIENCE = 2.0


def worked(policy: Policy, url: str, now: dt.datetime) -> Iterator[Check]:
    """The checks of both guards; `url` names their store."""
    authorities = os.environ.get("TWINGUARD_COUNTERS_CA", "")
    options = Options(place_of=_PLACES.get, timeout=_PATIENCE, authorities=authorities)
    look = Look("guard", "canary key")
    try:
        yield _Theft(policy, open_counters(url, options), now).check(look)
    except Misconfigured as err:
        yield look.failed("the counters cannot be used", str(err))
    except TwinguardError as err:
        yield look.failed(f"the counters do not answer: {err}", "is TWINGUARD_COUNTERS right?")
    look = Look("limits", "limits on models")
    if policy.openai is not None:
        try:
            own = f"doctor-{secrets.token_hex(6)}"  # nobody's real spend
            budgets = budgets_of(policy)
            ledger = open_ledger(url, own, budgets, lambda _: Known(), authorities)
            yield limited(policy, ledger, look)
        except Misconfigured as err:
            yield look.unknown("no ledger is set up here", str(err))
        except TwinguardError as err:
            yield look.failed(f"the ledger does not answer: {err}", "is TWINGUARD_COUNTERS right?")


class _Theft:
    """Two weeks of an owner, then a thief, through the middleware that applications use."""

    def __init__(self, policy: Policy, counters: Counters, now: dt.datetime) -> None:
        self.counters, self.guard = counters, Guard(counters, policy.security)
        self.key_id = f"canary-{secrets.token_hex(8)}"
        self.start = now - dt.timedelta(days=_WEEKS, hours=6)
        self.now = self.start
        self.app = SecurityMiddleware(
            served, guard=self.guard, key_id_of=lambda _: self.key_id, clock=lambda: self.now
        )

    def check(self, look: Look) -> Check:
        try:
            return asyncio.run(self._checked(look))
        finally:
            self._lift()
            self.app.close()

    async def _checked(self, look: Look) -> Check:
        self._learn()
        if (answer := await self._asked(OWNER, "acme/1.4")) != SERVED:
            return look.failed(f"its owner was answered {answer}", _REMEDY)
        if not (uses := await self._stolen()):
            return look.failed(f"a thief used it {_TRIES} times and was never blocked", _REMEDY)
        if (answer := await self._asked(OWNER, "acme/1.4")) != BLOCKED:
            return look.failed(f"found to be stolen, and yet answered {answer}", _REMEDY)
        self._lift()
        if (answer := await self._asked(OWNER, "acme/1.4")) != SERVED:
            return look.failed(f"unblocked, and yet answered {answer}", _REMEDY)
        return look.ok(f"found to be stolen and blocked at its use {uses}, then unblocked")

    async def _stolen(self) -> int:
        """At which of its uses the thief was blocked; 0 where that never happened."""
        for use in range(1, _TRIES + 1):
            self.now += dt.timedelta(seconds=5)
            if await self._asked(THIEF, "sqlmap/1.7") == BLOCKED:
                return use
        return 0

    def _learn(self) -> None:
        step = dt.timedelta(hours=1) / _PER_HOUR
        for _ in range(_WEEKS * 24 * _PER_HOUR):
            self.counters.observe(Use(self.now, self.key_id, OWNER, "acme/1.4", "/v1/chat"))
            self.now += step

    def _lift(self) -> None:
        lifted = Restraint(
            key_id=self.key_id,
            curb=Curb.NONE,
            since=self.now.timestamp(),
            reason="the doctor's canary",
            by="doctor",
            is_owner=True,
        )
        self.counters.restrain(lifted)
        self.guard.blocks.note(lifted)

    async def _asked(self, address: str, agent: str) -> int:
        """One request with the key; the status of its answer."""
        headers = {
            "authorization": "Bearer canary",
            "x-forwarded-for": ", ".join([address] * max(1, self.guard.security.proxies)),
            "user-agent": agent,
        }
        return await answered(self.app, headers)


_REMEDY = "make evaluate-detection; is security.responses.critical in the policy still a block?"


def limited(policy: Policy, ledger: Ledger, look: Look) -> Check:
    """Spend the environment's limit in a fresh ledger, and ask for one dollar more."""
    scope = environment_of(policy)
    limit = budgets_of(policy).named[scope]
    held = ledger.hold(Wanted("doctor-1", 0, (scope,), limit, 60))
    if isinstance(held, Refused):
        return look.failed(f"nothing was spent, and yet it refuses: {held.reason}", _LIMIT)
    ledger.settle(held, limit)
    (standing,) = ledger.totals([scope])
    if standing.spent != limit:
        return look.failed(f"{_usd(limit)} were spent, it counted {_usd(standing.spent)}", _LIMIT)
    if isinstance(more := ledger.hold(Wanted("doctor-2", 0, (scope,), NANOS, 60)), Held):
        ledger.release(more)
        return look.failed("it is silent: spent, and still it refuses nobody", _LIMIT)
    return look.ok(f"{_usd(limit)} accrue, and one dollar more is refused")


_LIMIT = "openai.monthly_budget and spending.limits in the policy; then docs/gateway.md"


def _usd(nanos: int) -> str:
    return money(Decimal(nanos) / NANOS, "USD")
