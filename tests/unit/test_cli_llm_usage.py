# SPDX-License-Identifier: Apache-2.0
"""What people are told of a usage log: hits, savings, what broke off."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from twinguard.cli.llm_usage import app


def line(number, **fields):
    usual = {
        "id": f"r{number}-1",
        "kind": "usage",
        "outcome": "done",
        "tenant": "acme",
        "feature": "search",
        "key_id": "k",
        "gen_ai.request.model": "gpt-4",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 5,
        "cost_nanos": 500_000_000,
    }
    return usual | fields


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "usage.jsonl"
    lines = [
        line(1),
        line(1),
        line(2, outcome="cached", cached=True),
        line(3, id="r2-0-credit", kind="credit", cost_nanos=-500_000_000),
        line(4, outcome="broken", estimated=True, tenant="globex"),
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in lines[:3]) + json.dumps(lines[3:]))
    return str(path)


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_calls_hits_and_savings_are_told_by_tenant(log):
    told = json.loads(run("--file", log, "--by", "tenant", "--json").output)

    assert [(row["tenant"], row["asked"], row["cached"]) for row in told["rows"]] == [
        ("acme", 1, 1),
        ("globex", 1, 0),
    ]
    assert told["total"] == {
        "asked": 2,
        "cached": 1,
        "hit_rate": 0.333333,
        "together": 0,
        "broken_off": 1,
        "estimated": 1,
        "tokens": 28,
        "cost_usd": "1.000000000",
        "saved_usd": "0.500000000",
    }


def test_people_see_a_table_with_a_total(log):
    found = run("--file", log)

    assert found.exit_code == 0
    assert "(33%)" in found.output
    assert "total" in found.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--by", "colour"], "write one of tenant, feature, model, key, task"),
        (["--file", "/no/such/file"], "cannot be read"),
    ],
)
def test_what_cannot_be_told_is_refused(log, arguments, told):
    found = run("--file", log, *arguments)

    assert found.exit_code == 2
    assert told in " ".join(found.output.split())


def test_a_line_that_is_none_is_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "a", "cost_nanos": 1}\n{"cost": 1}\n')

    assert "line 2 is no line of a usage log" in " ".join(run("--file", str(path)).output.split())
