# SPDX-License-Identifier: Apache-2.0
"""The record of one call to a language model: who, what, how much, what it cost. Pure.

Names are OpenTelemetry's `gen_ai` where it has one; its input counts include what was cached, our
classes of tokens never overlap. What a cache or a discount saved is a line below zero."""

from __future__ import annotations

import datetime as dt
import enum

from msgspec import Struct

from twinguard.decide.tokens import Usage


class Kind(enum.StrEnum):
    """Usage costs; a credit is what of it did not have to be paid."""

    USAGE = "usage"
    CREDIT = "credit"


class Outcome(enum.StrEnum):
    """What became of a call that was counted."""

    DONE = "done"
    LEFT = "left"
    """The client went before the end."""
    BROKEN = "broken"
    """The provider broke off, or took too long."""
    CACHED = "cached"
    """Nobody was asked: the same question had been answered."""


class UsageLine(Struct, frozen=True, kw_only=True):
    """One line of the usage log. `nanos` are nano-dollars, below zero in a credit."""

    id: str
    request_id: str
    attempt: int
    at: dt.datetime
    period: str
    """The month its money was held in."""
    kind: Kind
    outcome: Outcome
    environment: str
    tenant: str
    feature: str
    key_id: str
    operation: str
    provider: str
    model: str
    response_model: str
    task: str
    tokens: Usage
    nanos: int
    price_version: str
    estimated: bool
    """The provider told no usage that can be read: a bound was counted."""
    batch: bool

    def fields(self) -> dict[str, object]:
        """The line as it is published."""
        return {
            "id": self.id,
            "request_id": self.request_id,
            "attempt": self.attempt,
            "at": self.at.isoformat(),
            "period": self.period,
            "kind": self.kind.value,
            "outcome": self.outcome.value,
            "environment": self.environment,
            "tenant": self.tenant,
            "feature": self.feature,
            "key_id": self.key_id,
            "task": self.task,
            "gen_ai.operation.name": self.operation,
            "gen_ai.provider.name": self.provider,
            "gen_ai.request.model": self.model,
            "gen_ai.response.model": self.response_model,
            "gen_ai.usage.input_tokens": self.tokens.input_total,
            "gen_ai.usage.output_tokens": self.tokens.output_total,
            "tokens": {kind.value: count for kind, count in self.tokens.each()},
            "cost_nanos": self.nanos,
            "price_version": self.price_version,
            "estimated": self.estimated,
            "cached": self.outcome is Outcome.CACHED,
            "batch": self.batch,
        }
