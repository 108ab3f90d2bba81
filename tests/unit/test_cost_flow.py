# SPDX-License-Identifier: Apache-2.0
"""What the schedule's tasks about costs lead to: told once, and told again only when it matters."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from msgspec.structs import replace

from twinguard.errors import BadEvent, Misconfigured
from twinguard.parse import Event
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment
from twinguard.standins import sample_costs
from twinguard.standins.export_files import json_lines
from twinguard.standins.exports import Export
from world import POLICY, World

NOW = dt.datetime(2026, 11, 23, 20, 0, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 12, 4, 7, 0, tzinfo=dt.UTC)
assert POLICY.environment is Environment.STAGING


@pytest.fixture(scope="module")
def export() -> Export:
    return sample_costs.made(POLICY, NOW)


@pytest.fixture
def place(tmp_path, export) -> str:
    return str(json_lines(export, tmp_path / "export.jsonl"))


def run(world: World, task: str, place: str, now: dt.datetime = NOW):
    pipeline = world.pipeline(POLICY)
    over = Pipeline(POLICY, replace(pipeline.ports, costs=place))
    return over.on_schedule(Event(f"{task}-{now}", now, b"", {"task": task}), now)


def test_a_runaway_is_told_with_its_numbers_and_its_drivers(place):
    world = World()

    report = run(world, "costs", place)

    by_key = {alert.incident.rsplit("/", 2)[-2]: alert for alert in world.published}
    alert = by_key["tenant-globex"]
    assert report.alerts == tuple(world.titles())
    assert alert.title.startswith("tenant globex cost ")
    assert " on 2026-11-19, " in alert.title
    assert any(line.startswith("Claude Sonnet (Vertex AI)") for line in alert.lines)


def test_the_same_task_again_tells_nothing(place):
    world = World()
    run(world, "costs", place)
    told = len(world.published)

    report = run(world, "costs", place)

    assert told > 0
    assert (len(world.published), report.alerts) == (told, ())


def test_a_process_that_died_after_telling_tells_the_same_again(place):
    """What was told is kept last: the alert is repeated under the same id, never lost."""
    world, forgetful = World(), World()
    run(world, "costs", place)
    run(forgetful, "costs", place)

    forgetful.records = World().records
    run(forgetful, "costs", place)

    assert forgetful.identities() == [*world.identities(), *world.identities()]


def test_a_calm_week_ends_what_was_told(tmp_path, export, place):
    world = World()
    run(world, "costs", place)
    opened = {alert.incident for alert in world.published}
    calm = sample_costs.made(POLICY, NOW + dt.timedelta(days=14))
    quiet = [row for row in calm.rows if Decimal(row["cost"]) < 20]
    after = str(json_lines(Export(quiet, calm.ledger), tmp_path / "later.jsonl"))

    run(world, "costs", after, NOW + dt.timedelta(days=14))

    ended = {alert.incident for alert in world.published if alert.state.value == "ended"}
    assert ended & opened == opened


def test_the_month_that_is_over_is_reported_once_its_costs_are_complete(tmp_path):
    world = World()
    over = sample_costs.made(POLICY, LATER)
    place = str(json_lines(over, tmp_path / "export.jsonl"))

    report = run(world, "report", place, LATER)

    (alert,) = world.published
    assert report.decision == "reports of 2026-11"
    assert alert.incident == "staging/report/costs-staging-2026-11"
    assert any("Spent (net)" in line for line in alert.lines)
    assert any("Complete through" in line for line in alert.lines)


def test_after_a_quarter_its_review_comes_too(tmp_path):
    world, now = World(), dt.datetime(2026, 10, 4, 7, 0, tzinfo=dt.UTC)
    place = str(json_lines(sample_costs.made(POLICY, now), tmp_path / "export.jsonl"))

    run(world, "report", place, now)

    assert [alert.incident for alert in world.published] == [
        "staging/report/costs-staging-2026-09",
        "staging/report/review-staging-2026-09",
    ]


def test_without_a_source_the_task_can_never_succeed():
    with pytest.raises(BadEvent, match=r"billing_export\.connected"):
        run(World(), "costs", "")


def test_a_source_that_is_none_is_a_setting_to_correct():
    with pytest.raises(Misconfigured, match="/nowhere"):
        run(World(), "costs", "/nowhere/export.jsonl")
