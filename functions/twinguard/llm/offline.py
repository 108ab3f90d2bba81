# SPDX-License-Identifier: Apache-2.0
"""Jobs that can wait: a file of requests through a provider's batch API, at its discount.

The whole job is held before it is sent and settled by its results. What is under way is on record,
so the same command goes on after a crash. Calls over HTTP are in `batch_api.py`."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from twinguard.decide import llm_requests
from twinguard.decide.ledger import Held, Refused, Scope, ScopeKind, Wanted, model_scope
from twinguard.decide.llm_requests import Asked, Endpoint, Mistake
from twinguard.decide.llm_routes import served
from twinguard.decide.llm_usage import Kind, Outcome, UsageLine
from twinguard.decide.rates import Cost, Unpriced
from twinguard.decide.tokens import Usage, openai
from twinguard.errors import BadEvent, Misconfigured, Unavailable
from twinguard.llm.batch_api import BatchApi, Stage
from twinguard.llm.ledger import Ledger
from twinguard.llm.meter import Sink
from twinguard.llm.prices import Prices
from twinguard.llm.wire import Refusal, decoded, encoded
from twinguard.policy import OPENAI, Policy
from twinguard.ports import Json, Records
from twinguard.readers import ready

__all__ = ["DISCOUNT", "Job", "Offline", "Order"]

DISCOUNT: Final = Decimal("0.5")
"""The share of its price that OpenAI asks for what may take a day."""

KIND: Final = "llm_batches"
LEASE_SECONDS: Final = 26 * 3600
"""A batch may take 24 hours; whatever nobody fetched in time is given back, and settled late."""

MOST: Final = 50_000
"""Requests in one batch, at OpenAI."""


class Order(Struct, frozen=True):
    """A file of requests, read and found good. `nanos`: the most that all of it costs."""

    digest: str
    endpoint: Endpoint
    model: str
    requests: Mapping[str, Asked]
    data: bytes
    nanos: int


class Job(Struct, frozen=True, kw_only=True):
    """A batch on record: whose it is, what is held for it, and how it is called over there."""

    id: str
    tenant: str
    feature: str
    held: Held
    at: dt.datetime
    file: str = ""
    batch: str = ""
    ended: str = ""
    spent: int = 0


class _Row(Struct):
    custom_id: str
    url: str
    body: dict[str, Any]
    method: str = "POST"


class _Answer(Struct):
    body: Any = None
    status_code: int = 0


class _Result(Struct):
    custom_id: str
    response: _Answer | None = None


ready(Job, _Row, _Result)


class Offline:
    """Plans, sends and settles batches for one environment."""

    def __init__(
        self,
        policy: Policy,
        ledger: Ledger,
        prices: Prices,
        records: Records,
        api: BatchApi,
        sink: Sink,
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._policy, self._ledger, self._prices = policy, ledger, prices
        self._records, self._api, self._sink, self._clock = records, api, sink, clock

    def order(self, raw: bytes) -> Order:
        """What a file asks for; BadEvent names the line that cannot be served."""
        requests: dict[str, Asked] = {}
        kinds: set[tuple[Endpoint, str]] = set()
        lines, nanos = [], 0
        for number, line in enumerate(raw.splitlines(), start=1):
            if not line.strip():
                continue
            name, asked = self._read(line, number)
            if name in requests:
                raise BadEvent(f"line {number}: custom_id {name[:40]!r} is there twice; rename one")
            requests[name] = asked
            kinds.add((asked.endpoint, asked.model))
            nanos += self._bound(asked, number)
            body = llm_requests.sent(asked, asked.model, "max_completion_tokens")
            told = {"custom_id": name, "method": "POST", "url": asked.endpoint, "body": body}
            lines.append(encoded(told))
        if not requests or len(requests) > MOST:
            raise BadEvent(f"a batch has 1 to {MOST:,} requests, one on each line")
        if len(kinds) > 1:
            mixed = ", ".join(f"{model} at {endpoint}" for endpoint, model in sorted(kinds))
            raise BadEvent(f"one batch is for one of {mixed}; split the file")
        data = b"\n".join(lines) + b"\n"
        digest = hashlib.sha256(data).hexdigest()[:24]
        return Order(digest, *kinds.pop(), requests, data, nanos)

    def job(self, order: Order, tenant: str) -> Job | None:
        """The job of this file and tenant, if it was begun before."""
        found = self._records.get(KIND, f"{tenant}/{order.digest}")
        return None if found is None else msgspec.convert(found.value, Job)

    def begin(self, order: Order, tenant: str, feature: str) -> Job | Refused:
        """Hold the money, then send the file; a job that was begun goes on where it stopped."""
        job = self.job(order, tenant)
        if job is None:
            scopes = self._scopes(order, tenant, feature)
            name = f"batch-{hashlib.sha256(tenant.encode()).hexdigest()[:8]}-{order.digest}"
            held = self._ledger.hold(Wanted(name, 0, scopes, order.nanos, LEASE_SECONDS))
            if isinstance(held, Refused):
                return held
            job = Job(id=name, tenant=tenant, feature=feature, held=held, at=self._clock())
            self._keep(order, job)
        if not job.file:
            job = replace(job, file=self._api.upload(order.data))
            self._keep(order, job)
        if not job.batch:
            job = replace(job, batch=self._api.create(job.file, order.endpoint.value, job.id))
            self._keep(order, job)
        return job

    def look(self, job: Job) -> Stage:
        """How far the provider is."""
        return self._api.stage(job.batch)

    def end(self, order: Order, job: Job, stage: Stage, output: Path) -> tuple[Job, bytes]:
        """Fetch and settle a batch that is over; the job and its results, one on each line.

        They are written down before the provider's copies go."""
        results = b"".join(self._api.content(file) for file in stage.files)
        try:
            output.write_bytes(results)
        except OSError as err:
            raise Misconfigured(f"{output}: cannot be written ({err.strerror})") from err
        spent = self._told(order, job, results)
        self._ledger.settle(job.held, spent)
        for file in (job.file, *stage.files):
            self._api.delete(file)
        job = replace(job, ended=stage.status, spent=spent)
        self._keep(order, job)
        return job, results

    def _told(self, order: Order, job: Job, results: bytes) -> int:
        """A usage line for each result that cost something; what all of them cost."""
        total = 0
        seen: set[str] = set()
        for number, line in enumerate(filter(None, results.splitlines())):
            found = _result(line)
            asked = order.requests.get(found.custom_id)
            answer = found.response
            if asked is None or answer is None or answer.status_code != _OK:
                continue
            if found.custom_id in seen:
                continue
            seen.add(found.custom_id)
            body = answer.body if isinstance(answer.body, dict) else {}
            usage = openai(body.get("usage"))
            estimated = usage is None
            counted = usage or Usage(input=asked.input_guess, output=asked.choices * asked.longest)
            cost = self._prices.cost(
                asked.model, counted, provider=OPENAI, at=job.at, share=DISCOUNT
            )
            if isinstance(cost, Unpriced):
                raise Misconfigured(f"{asked.model}: {cost.why}")
            total += cost.nanos
            self._sink.tell(self._line(job, number, asked, counted, cost, estimated=estimated))
        return total

    def _line(
        self, job: Job, number: int, asked: Asked, usage: Usage, cost: Cost, *, estimated: bool
    ) -> UsageLine:
        return UsageLine(
            id=f"{job.id}-{number}",
            request_id=job.id,
            attempt=number,
            at=self._clock(),
            period=job.held.period.name,
            kind=Kind.USAGE,
            outcome=Outcome.DONE,
            environment=self._policy.environment.value,
            tenant=job.tenant,
            feature=job.feature,
            key_id="",
            operation=asked.endpoint.operation,
            provider=OPENAI,
            model=asked.model,
            response_model="",
            task="",
            tokens=usage,
            nanos=cost.nanos,
            price_version=cost.version,
            estimated=estimated,
            batch=True,
        )

    def _read(self, line: bytes, number: int) -> tuple[str, Asked]:
        try:
            decoded(line)  # refuses what two readers could understand differently
            row = msgspec.json.decode(line, type=_Row)
            endpoint = Endpoint(row.url)
        except (Refusal, msgspec.DecodeError, ValueError) as err:
            raise BadEvent(f"line {number}: {err}; write it as OpenAI's batches have it") from err
        longest = self._policy.openai.max_tokens if self._policy.openai is not None else 0
        asked = llm_requests.asked(endpoint, row.body, len(line), longest)
        if isinstance(asked, Mistake):
            raise BadEvent(f"line {number}: {asked.message}")
        model = served(self._policy).get(asked.model)
        if model is None or model.provider != OPENAI or asked.stream:
            wrong = "it is streamed" if asked.stream else f"{asked.model[:40]!r} is not OpenAI's"
            raise BadEvent(f"line {number}: {wrong}; a batch takes no such request")
        return row.custom_id, asked

    def _bound(self, asked: Asked, number: int) -> int:
        bound = self._prices.estimate(
            asked.model,
            asked.bytes,
            asked.longest,
            provider=OPENAI,
            at=self._clock(),
            images=asked.images,
            audio=asked.audio,
            choices=asked.choices,
        )
        if isinstance(bound, Unpriced):
            raise BadEvent(f"line {number}: nobody knows what {asked.model} costs; {bound.why}")
        return -int(-(bound.nanos * DISCOUNT) // 1)

    def _scopes(self, order: Order, tenant: str, feature: str) -> tuple[Scope, ...]:
        return (
            Scope(ScopeKind.ENVIRONMENT, self._policy.environment.value),
            Scope(ScopeKind.TENANT, tenant),
            Scope(ScopeKind.FEATURE, feature),
            model_scope(OPENAI, order.model),
        )

    def _keep(self, order: Order, job: Job) -> None:
        name = f"{job.tenant}/{order.digest}"
        stored = self._records.get(KIND, name)
        until = job.at + dt.timedelta(days=self._policy.retention.history_days)
        value = cast("dict[str, Json]", msgspec.to_builtins(job))
        self._records.put(KIND, name, value, None if stored is None else stored.version, until)


_OK = 200


def _result(line: bytes) -> _Result:
    try:
        return msgspec.json.decode(line, type=_Result)
    except msgspec.DecodeError as err:
        raise Unavailable(f"a result that cannot be read ({err}); fetch it again") from err
