# SPDX-License-Identifier: Apache-2.0
"""docs/errors.md has every code of the gateway and every reason of the middlewares, as they are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from twinguard.decide.ledger import Period, Reason, Refused, Scope
from twinguard.decide.llm_codes import Code, kind_of
from twinguard.decide.stops import StopReason
from twinguard.errors import Unavailable
from twinguard.llm import meter, wire
from twinguard.web.cost_control import CostControlMiddleware

ERRORS = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
PROVIDERS_OWN = ("the provider's", "by the status")


def rows(columns: int) -> dict[str, tuple[str, ...]]:
    """The rows of the tables with so many columns, by what stands first."""
    cells = [
        line.strip("| ").split(" | ") for line in ERRORS.splitlines() if line.startswith("| `")
    ]
    return {
        one[0].strip("`"): tuple(cell.strip("`") for cell in one[1:-1])
        for one in cells
        if len(one) == columns and "status" not in one
    }


def refusal_of(scope: str, reason: Reason) -> wire.Refusal:
    """What a caller hears where a budget refuses."""
    return meter.refusal_of(Refused(reason, Scope.of(scope), 1, 0, 0, Period("2026-11"), None))


def told_of(code: Code) -> tuple[str, str]:
    """The statuses and the type that a code goes out with."""
    if code is Code.PROVIDER_ERROR:
        return PROVIDERS_OWN
    statuses = {code.status}
    if code in set(Reason):
        statuses = {
            refusal_of(scope, Reason(code)).status for scope in ("tenant:acme", "environment:ci")
        }
    return ", ".join(map(str, sorted(statuses))), kind_of(code, code.status)


def test_every_code_of_the_gateway_is_described_with_its_statuses_and_type():
    assert rows(4) == {str(code): told_of(code) for code in Code}


@pytest.mark.parametrize("code", list(Code))
def test_a_refusal_says_what_the_table_says(code):
    refusal = wire.Refusal(code, "why")

    error = json.loads(refusal.body)["error"]

    assert (error["code"], error["type"]) == (str(code), kind_of(code, code.status))
    assert refusal.status == code.status


def test_every_reason_of_the_middleware_is_described():
    assert set(rows(3)) == {*map(str, StopReason), unknown()["reason"]}


def unknown() -> dict[str, str]:
    """What the middleware says where nobody can tell."""

    class Nobody:
        def look(self) -> None:
            raise Unavailable("the store is away")

    sent = []

    async def send(message) -> None:
        sent.append(message)

    app = CostControlMiddleware(None, watch=Nobody(), open_routes=(), when_unknown="closed")
    asyncio.run(app({"type": "http", "path": "/", "method": "GET"}, None, send))
    return json.loads(sent[1]["body"])
