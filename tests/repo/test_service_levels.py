# SPDX-License-Identifier: Apache-2.0
"""What operations and service levels say of times, alerts and figures is what stands elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LEVELS = (DOCS / "slos.md").read_text()
OPERATIONS = (DOCS / "operations.md").read_text()
OBSERVABILITY = "\n".join(
    path.read_text()
    for path in sorted((ROOT / "terraform" / "modules" / "observability").glob("*.tf"))
)


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    part = text.split(f"\n## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    table = [line for line in part.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[2:]]


def crons() -> dict[str, str]:
    """The fixed times of Cloud Scheduler's jobs, as Terraform has them."""
    text = (ROOT / "terraform" / "modules" / "functions" / "schedule.tf").read_text()
    return dict(re.findall(r'(\w+) += \{ topic = "\w+", cron = "([^"]+)" \}', text))


def test_every_task_stands_in_the_table_of_what_runs_when():
    told = {row[1].strip("`"): row[0] for row in rows(OPERATIONS, "What runs when")}

    assert told.keys() == {*crons(), "night", "morning", "Google's budget"}
    assert told["flush"] == "each ten minutes"
    assert crons()["flush"] == "*/10 * * * *"


@pytest.mark.parametrize("task", ["expire", "rotate", "costs", "report", "reconcile"])
def test_a_task_runs_when_operations_says(task):
    minute, hour, day, *_ = crons()[task].split()
    (when,) = (row[0] for row in rows(OPERATIONS, "What runs when") if row[1] == f"`{task}`")

    assert when.startswith(f"{int(hour):02}:{int(minute):02}")
    assert ("fourth of the month" in when) == (day == "4")


def test_every_alert_policy_is_named_once_and_exists():
    named = [row[0].strip("`").replace(" <function>", "") for row in rows(LEVELS, "Who is woken")]
    made = re.findall(r'resource "google_monitoring_alert_policy" "(\w+)"', OBSERVABILITY)

    assert [name for name in named if name not in OBSERVABILITY] == []
    # One resource makes three kinds: dead letters and errors of functions, dead letters of usage.
    assert len(named) == len(set(named)) == len(made) + 2


def test_each_objective_has_its_figure():
    objectives = {row[0] for row in rows(LEVELS, "Objectives")}
    figures = {row[0] for row in rows(LEVELS, "Where it stands")}

    assert figures == objectives - {"events"}, "of events there is no figure before a deployment"


def figures_of(what: str) -> list[str]:
    (cell,) = (row[1] for row in rows(LEVELS, "Where it stands") if row[0] == what)
    return re.findall(r"\d[\d.,]*\d|\d", cell)


def test_the_figures_of_detection_are_those_of_its_page():
    text = (DOCS / "detection.md").read_text()
    median = re.search(r"^\| median time to HIGH \|(.*)\|$", text, re.MULTILINE)[1]
    plain = re.search(r"^\| core thefts ≥ HIGH \|(.*)\|$", text, re.MULTILINE)[1]
    seconds = [int(number) for number in re.findall(r"(\d+) s", median)[:3]]
    shares = [float(cell.split("%")[0]) for cell in plain.split("|")[:3]]

    told = figures_of("detection")

    assert told == [
        *(str(number) for number in (min(seconds), max(seconds))),
        *(str(int(share)) for share in (min(shares), max(shares))),
    ]


def test_the_figures_of_gateway_and_cap_are_those_of_their_pages():
    gateway = (DOCS / "gateway.md").read_text()
    added = re.search(r"^\| whole answer.*\|$", gateway, re.MULTILINE)[0].strip("| ").split(" | ")

    assert figures_of("gateway")[:2] == [added[3], added[5]]
    assert figures_of("cap on models")[0] in (DOCS / "ledger.md").read_text()
    assert figures_of("middleware")[0][:-2] in (DOCS / "scaling.md").read_text()
