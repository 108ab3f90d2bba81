# SPDX-License-Identifier: Apache-2.0
"""The comment on a pull request: what a plan changes, by name and never by value."""

from __future__ import annotations

import json

import pytest

from twinguard.cli.plan_comment import LISTED, Plan, _read, comment
from twinguard.errors import Misconfigured

BUDGET = "### Budget of staging: there is room"


def planned(*changes: tuple[str, list[str]]) -> Plan:
    """What Terraform would show of these changes, values included."""
    shown = [
        {
            "address": address,
            "mode": "managed",
            "change": {"actions": actions, "before": None, "after": {"secret": "hunter2"}},
        }
        for address, actions in changes
    ]
    return _read(json.dumps({"format_version": "1.2", "resource_changes": shown}))


def test_what_cannot_be_undone_is_named_first_and_no_value_is_shown():
    plan = planned(
        ("module.a.google_pubsub_topic.alerts", ["create"]),
        ("module.a.google_secret.key", ["delete", "create"]),
        ('module.a.google_job.task["night|x`y"]', ["update"]),
        ("module.a.google_bucket.old", ["delete"]),
        ("data.google_project.one", ["read"]),
        ("module.a.google_topic.same", ["no-op"]),
    )

    text = comment("staging", plan, BUDGET)

    assert text == "\n".join(
        [
            "## Plan of staging: 1 to destroy, 1 to replace, 1 to change, 1 to create",
            "",
            "<details><summary>Resources</summary>",
            "",
            "| | |",
            "| --- | --- |",
            "| destroy | `module.a.google_bucket.old` |",
            "| replace | `module.a.google_secret.key` |",
            '| change | `module.a.google_job.task["night\\|x\'y"]` |',
            "| create | `module.a.google_pubsub_topic.alerts` |",
            "",
            "</details>",
            "",
            BUDGET,
            "",
        ]
    )


def test_an_empty_plan_is_one_line():
    assert comment("ci", planned(), BUDGET).splitlines() == [
        "## Plan of ci: nothing changes",
        "",
        BUDGET,
    ]


def test_a_long_plan_is_counted_beyond_what_a_reader_would_read():
    plan = planned(*((f"google_topic.t{number:03}", ["create"]) for number in range(LISTED + 3)))

    lines = comment("ci", plan, BUDGET).splitlines()

    assert lines[0] == f"## Plan of ci: {LISTED + 3} to create"
    assert lines[-5:] == [
        "| | and 3 more, in the job's log |",
        "",
        "</details>",
        "",
        BUDGET,
    ]


def test_a_plan_in_another_form_is_refused():
    with pytest.raises(Misconfigured, match="a form unknown here"):
        _read('{"resource_changes": [{"address": 1}]}')
