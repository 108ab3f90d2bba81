# SPDX-License-Identifier: Apache-2.0
"""The policy's security block: strategy.md's table by default, and nothing that makes no sense."""

from __future__ import annotations

import msgspec
import pytest

from twinguard.policy import OnFailure, Responses, Security, Treatment


def test_without_a_word_the_policy_says_what_strategy_says():
    responses = Security().responses

    assert responses.critical == Treatment(block=True)
    assert responses.high == Treatment(per_minute=10, hours=24, rotate=True)
    assert responses.medium == Treatment(per_minute=10, hours=1)
    assert responses.low == Treatment()
    assert Security().on_failure is OnFailure.OPEN


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"responses": {"high": {"block": True, "per_minute": 10}}}, "block or per_minute"),
        ({"responses": {"low": {"hours": 3}}}, "hours of what"),
        ({"on_failure": "maybe"}, "Invalid enum value"),
        ({"proxies": -1}, ">= 0"),
        ({"timeout_ms": 1}, ">= 5"),
        ({"exempt_paths": ["healthz"]}, "matching regex"),
        ({"region_header": "a b"}, "matching regex"),
        ({"colour": "red"}, "unknown field"),
    ],
)
def test_a_mistake_is_refused(block, says):
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(block, Security)


def test_a_policy_may_be_milder_or_stricter():
    found = msgspec.convert({"responses": {"high": {"block": True, "hours": 48}}}, Security)

    assert found.responses == Responses(high=Treatment(block=True, hours=48))
