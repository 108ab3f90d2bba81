# SPDX-License-Identifier: Apache-2.0
"""The money of every attempt: bounded, held, and settled or released whatever happens to the call.

Nothing reaches a provider without a hold. Each attempt has its own, under (request, attempt)."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from twinguard.decide import ledger as money
from twinguard.decide.ledger import Held, Period, Reason, Refused, Scope, ScopeKind, Wanted
from twinguard.decide.llm_codes import Code
from twinguard.decide.llm_requests import Asked
from twinguard.decide.llm_routes import Route
from twinguard.decide.llm_usage import Kind, Outcome, UsageLine
from twinguard.decide.rates import Cost, Unpriced
from twinguard.decide.stops import ERROR
from twinguard.decide.tokens import PROVIDER_SHAPES, Usage, openai
from twinguard.errors import Unavailable
from twinguard.llm import wire
from twinguard.llm.doorkeeper import Caller
from twinguard.llm.ledger import Ledger
from twinguard.llm.prices import Prices

__all__ = ["Attempt", "Call", "Measured", "Meter", "Sink"]

_THREADS: Final = 32
_UNAVAILABLE: Final = 503
_SETTLE_PAUSES = (0.2, 1.0, 5.0, 20.0, 60.0, 300.0)
_log = logging.getLogger("twinguard.gateway")
_T = TypeVar("_T")


class Sink(Protocol):
    """Where usage lines go; never blocks."""

    def tell(self, line: UsageLine) -> None:
        """Take one line."""


class Call(Struct, frozen=True, kw_only=True):
    """One request of a customer."""

    id: str
    caller: Caller
    asked: Asked
    task: str = ""


class Attempt(Struct, frozen=True):
    """One try at a call, with the money that is set aside for it."""

    call: Call
    number: int
    route: Route
    held: Held


class Measured(Struct, frozen=True):
    """What an attempt came to, as far as anybody can say."""

    usage: Usage
    estimated: bool
    outcome: Outcome
    model: str = ""
    batch: bool = False


class Meter:
    """Holds and settles at one ledger, by one book of prices."""

    def __init__(
        self,
        ledger: Ledger,
        prices: Prices,
        environment: str,
        sink: Sink,
        clock: Callable[[], dt.datetime],
        lease_seconds: int,
        *,
        blocks: bool,
    ) -> None:
        self._ledger, self._prices, self._sink, self._clock = ledger, prices, sink, clock
        self._environment = environment
        self._lease = lease_seconds
        self._threads = ThreadPoolExecutor(_THREADS, "ledger") if blocks else None
        """A ledger that waits for a network is asked in threads of its own."""
        self._busy: set[asyncio.Task[None]] = set()

    def bound(self, asked: Asked, model: str, prices: str) -> Cost | Unpriced:
        """The most that a request can cost."""
        return self._prices.estimate(
            model,
            asked.bytes,
            asked.longest,
            provider=prices,
            at=self._clock(),
            images=asked.images,
            audio=asked.audio,
            choices=asked.choices,
        )

    def cost(self, route: Route, usage: Usage, share: Decimal = Decimal(1)) -> Cost | Unpriced:
        """What usage costs now."""
        return self._prices.cost(
            route.model, usage, provider=route.prices, at=self._clock(), share=share
        )

    async def hold(self, call: Call, number: int, route: Route) -> Attempt:
        """Set the attempt's money aside; a refusal says why, and whether waiting helps."""
        bound = self.bound(call.asked, route.model, route.prices)
        if isinstance(bound, Unpriced):
            _log.error("unpriced: %s of %s: %s", bound.model, bound.provider, bound.why)
            told = (
                f"nobody knows what {route.model} costs, so it is not served; an operator is told"
            )
            raise wire.Refusal(Code.MODEL_UNPRICED, told)
        nanos, scopes = min(bound.nanos, money.MOST), self.scopes(call.caller, route)
        wanted = Wanted(call.id, number, scopes, nanos, self._lease)
        asking = self._asking(self._ledger.hold, wanted)
        try:
            found = await asyncio.shield(asking)
        except asyncio.CancelledError:
            # A thread goes on asking: what it still gets for nobody is given back.
            self._kept(self._unwanted(asking, call, number, route))
            raise
        except Unavailable as err:
            _log.warning("no budget can be held: %s", err)
            told = "budgets cannot be checked right now, and nothing is spent without; try again"
            raise wire.Refusal(Code.BUDGET_UNAVAILABLE, told, retry_after=5) from err
        if isinstance(found, Refused):
            raise refusal_of(found)
        return Attempt(call, number, route, found)

    def settle(self, attempt: Attempt, measured: Measured) -> asyncio.Task[None]:
        """Count an attempt; nobody has to wait for it, and no cancelled caller stops it."""
        return self._kept(self._settled(attempt, measured))

    def release(self, attempt: Attempt) -> asyncio.Task[None]:
        """Give an attempt's money back: nothing was sent, or the provider took nothing for it."""
        return self._kept(self._released(attempt))

    def saved(self, call: Call, route: Route, usage: Usage, nanos: int, version: str) -> None:
        """Record what an answer from the cache would have cost, and that it did not."""
        measured = Measured(usage, estimated=False, outcome=Outcome.CACHED)
        period = money.period_of(self._clock())
        for kind, amount in ((Kind.USAGE, nanos), (Kind.CREDIT, -nanos)):
            self._tell(call, 0, route, measured, kind, Cost(amount, version), period)

    async def finish(self) -> None:
        """Wait until everything is settled that can be."""
        while self._busy:
            await asyncio.wait(self._busy, timeout=5)
        if self._threads is not None:
            self._threads.shutdown(wait=False)

    def scopes(self, caller: Caller, route: Route) -> tuple[Scope, ...]:
        """Whose budgets a call counts against, and the model that bills are compared by."""
        return (
            Scope(ScopeKind.ENVIRONMENT, self._environment),
            Scope(ScopeKind.TENANT, caller.tenant),
            Scope(ScopeKind.FEATURE, caller.feature),
            Scope(ScopeKind.KEY, caller.key_id),
            money.model_scope(route.provider, route.model),
        )

    async def _settled(self, attempt: Attempt, measured: Measured) -> None:
        cost = self.cost(attempt.route, measured.usage)
        if isinstance(cost, Unpriced):
            # It was priced when it was held: a class without a price counts as the bound.
            _log.error("unpriced: %s of %s: %s", cost.model, cost.provider, cost.why)
            cost = Cost(attempt.held.nanos, "unpriced")
        cost = Cost(min(cost.nanos, money.MOST), cost.version)
        call, route = attempt.call, attempt.route
        period = attempt.held.period
        self._tell(call, attempt.number, route, measured, Kind.USAGE, cost, period)
        for pause in (*_SETTLE_PAUSES, None):
            try:
                await self._asking(self._ledger.settle, attempt.held, cost.nanos)
            except Unavailable as err:
                if pause is None:
                    _log.error("call %s is not in the ledger: %s", call.id, err)
                    return
                await asyncio.sleep(pause)
            else:
                return

    async def _unwanted(
        self, asking: asyncio.Future[Held | Refused], call: Call, number: int, route: Route
    ) -> None:
        with contextlib.suppress(Unavailable):
            found = await asking
            if isinstance(found, Held):
                await self._released(Attempt(call, number, route, found))

    async def _released(self, attempt: Attempt) -> None:
        try:
            await self._asking(self._ledger.release, attempt.held)
        except Unavailable as err:
            _log.warning("call %s is released by its lease: %s", attempt.call.id, err)

    def _tell(
        self,
        call: Call,
        number: int,
        route: Route,
        measured: Measured,
        kind: Kind,
        cost: Cost,
        period: Period,
    ) -> None:
        ending = "" if kind is Kind.USAGE else f"-{kind}"
        self._sink.tell(
            UsageLine(
                id=f"{call.id}-{number}{ending}",
                request_id=call.id,
                attempt=number,
                at=self._clock(),
                period=period.name,
                kind=kind,
                outcome=measured.outcome,
                environment=self._environment,
                tenant=call.caller.tenant,
                feature=call.caller.feature,
                key_id=call.caller.key_id,
                operation=call.asked.endpoint.operation,
                provider=route.provider,
                model=route.model,
                response_model=measured.model,
                task=call.task,
                tokens=measured.usage,
                nanos=cost.nanos,
                price_version=cost.version,
                estimated=measured.estimated,
                batch=measured.batch,
            )
        )

    def _asking(self, method: Callable[..., _T], *args: object) -> asyncio.Future[_T]:
        """The ledger's answer: at once from memory, else from a thread."""
        loop = asyncio.get_running_loop()
        if self._threads is not None:
            return loop.run_in_executor(self._threads, method, *args)
        answer = loop.create_future()
        try:
            answer.set_result(method(*args))
        except Unavailable as err:
            answer.set_exception(err)
        return answer

    def _kept(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return task


def measured(
    attempt: Attempt,
    told: object,
    written: int,
    outcome: Outcome,
    model: str = "",
    *,
    batch: bool = False,
) -> Measured:
    """What an attempt came to: what the provider told, even if it is nothing, else a bound.

    Without a word of the provider the whole input counts, and of the answer what was seen."""
    usage = PROVIDER_SHAPES.get(attempt.route.prices, openai)(told)
    if usage is not None:
        return Measured(usage, False, outcome, model, batch)
    asked = attempt.call.asked
    guess = Usage(input=asked.input_guess, output=min(written, asked.choices * asked.longest))
    return Measured(guess, True, outcome, model, batch)


def refusal_of(found: Refused) -> wire.Refusal:
    """A budget's refusal: 503 where all of the environment waits for it, with the usual words."""
    code = Code(found.reason)
    waits = found.scope.kind is ScopeKind.ENVIRONMENT and found.reason is Reason.BUDGET_SPENT
    status = _UNAVAILABLE if waits else code.status
    told = f"{ERROR}: {found.remedy}" if status == _UNAVAILABLE else found.remedy
    return wire.Refusal(code, told, status=status, retry_after=found.retry_after)
