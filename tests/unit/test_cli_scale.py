# SPDX-License-Identifier: Apache-2.0
"""Scaling by hand: plans first, changes only with --apply, never the wrong project."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from twinguard import config
from twinguard.cli.month import month_of
from twinguard.cli.scale import app
from twinguard.cli.stage import Stage
from twinguard.decide.model import Breaker
from twinguard.parse import Event
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment
from twinguard.wiring import ports_from

POLICY = config.load(config.path_of(Environment.STAGING))
PROJECT = POLICY.project.id
TOPIC = f"projects/{PROJECT}/topics/alerts"
DOWN = ("down", "--env", "staging", "--project", PROJECT)


@dataclass
class Room:
    """A stage with staging's resources, and the command line looking at it."""

    stage: Stage
    pipeline: Pipeline

    @property
    def journal(self):
        return self.pipeline.journal

    def capped(self):
        """Let the last message of a month above the cap arrive."""
        month = month_of(POLICY, POLICY.budget, 7)
        above = next(one for one in month.arrivals if one.cost > POLICY.budget.amount)
        event = Event("m-1", above.published, above.data, dict(above.attributes))
        self.pipeline.on_budget_alert(event, above.at)

    def run(self, *arguments):
        by = () if arguments[0] == "holds" else ("--by", "ada")
        done = CliRunner().invoke(app, [*arguments, *by])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    def told(self):
        return [json.loads(m.data) for m in self.stage.clocked.messages.values()]


@pytest.fixture
def room(tmp_path, monkeypatch):
    records = f"sqlite:///{tmp_path / 'records.db'}"
    with Stage() as stage:
        stage.pubsub.add_topic(TOPIC)
        settings = {"TWINGUARD_RECORDS": records, "TWINGUARD_ALERTS_TOPIC": TOPIC}
        for name, value in (settings | stage.environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COLUMNS", "160")
        pipeline = Pipeline(POLICY, ports_from(settings | stage.environment))
        stage.add(pipeline.resources())
        yield Room(stage, pipeline)


def test_without_apply_nothing_changes(room):
    before = room.stage.states()

    done = room.run(*DOWN)

    assert done.exit_code == 0
    assert "Nothing was changed; add --apply to do it (with make: APPLY=1)." in done.output
    assert (room.stage.states(), room.stage.writes, room.told()) == (before, [], [])
    assert room.journal.active_holds() == ()


def test_the_plan_says_what_would_change(room):
    done = room.run(*DOWN, "--json")

    told = json.loads(done.stdout)
    assert told["applied"] is False
    assert [(row["what"], row["detail"]) for row in told["plan"]] == [
        ("service living-twin-api", "at least 2 instances → from zero instances"),
        ("service living-twin-worker", "at least 1 instances → from zero instances"),
        ("service living-twin-reports", "manual, 3 instances → from zero instances"),
        ("subscription living-twin-ingest-push", "pushing → paused"),
        ("subscription living-twin-reports-push", "pushing → paused"),
    ]


def test_down_and_wake_put_everything_back(room):
    before = room.stage.states()

    down = room.run(*DOWN, "--apply", "--json")
    asleep = room.stage.states()
    wake = room.run("wake", "--env", "staging", "--apply", "--json")

    assert (down.exit_code, wake.exit_code) == (0, 0)
    assert all(asleep[one] != state for one, state in before.items())
    assert room.stage.states() == before
    assert room.journal.active_holds() == ()
    assert json.loads(down.stdout)["told"] == "the operations team is told"
    assert [alert["title"] for alert in room.told()] == [
        "staging was put to sleep by hand by ada",
        "staging was woken by hand by ada",
    ]


def test_hard_stops_services_for_as_long_as_it_is_told(room):
    done = room.run(*DOWN, "--hard", "--hours", "2", "--apply")

    assert done.exit_code == 0
    service = f"projects/{PROJECT}/locations/europe-west1/services/living-twin-api"
    scaling = room.stage.cloud_run.service(service)["scaling"]
    assert scaling == {"scalingMode": "MANUAL", "manualInstanceCount": 0}
    (why,) = room.journal.active_holds()[0].reasons
    assert (why.key, why.by, why.until - why.since) == ("manual", "ada", dt.timedelta(hours=2))


def test_another_project_than_the_policys_is_refused(room):
    done = room.run("down", "--env", "staging", "--project", "living-twin-prod", "--apply")

    assert done.exit_code == 2
    assert done.stderr == (
        "--project is living-twin-prod, but staging's policy says living-twin-staging; nothing "
        "was done: name the project you mean\n"
    )
    assert room.stage.writes == []


def test_a_person_who_changed_a_held_service_is_respected_and_named(room):
    room.run(*DOWN, "--apply")
    service = f"projects/{PROJECT}/locations/europe-west1/services/living-twin-api"
    room.stage.cloud_run.edit(service, {"scalingMode": "AUTOMATIC", "minInstanceCount": 7})

    done = room.run("wake", "--env", "staging", "--apply", "--json")

    assert done.exit_code == 1
    skipped = [row for row in json.loads(done.stdout)["results"] if row["outcome"] == "skipped"]
    assert [(row["what"], row["detail"]) for row in skipped] == [
        (
            "service living-twin-api",
            "was changed by somebody else (from zero instances → at least 7 instances)",
        )
    ]
    assert room.stage.cloud_run.service(service)["scaling"]["minInstanceCount"] == 7


def test_holds_shows_reasons_and_values(room):
    room.run(*DOWN, "--apply")

    done = room.run("holds", "--env", "staging", "--json")

    told = json.loads(done.stdout)
    found = {row["resource"].rsplit("/", 1)[-1]: row for row in told["holds"]}
    assert (done.exit_code, told["breaker_open"], len(found)) == (0, False, 5)
    worker = found["living-twin-worker"]
    assert (worker["before"], worker["now"]) == ("at least 1 instances", "from zero instances")
    assert [(why["key"], why["by"]) for why in worker["reasons"]] == [("manual", "ada")]


def test_an_environment_that_is_awake_says_so(room):
    done = room.run("holds", "--env", "staging")

    assert (done.exit_code, done.stdout) == (
        0,
        "The breaker is closed.\nNothing of staging is held.\n",
    )


def test_what_is_left_held_for_another_reason_is_planned_as_such(room):
    """A cap's hold outlasts the night's and a person's."""
    room.run(*DOWN, "--apply")
    room.capped()

    done = room.run("wake", "--env", "staging", "--json")

    details = {row["what"]: row["detail"] for row in json.loads(done.stdout)["plan"]}
    assert details["service living-twin-api"] == "from zero instances → at least 2 instances"
    assert details["service living-twin-worker"] == "stays stopped: held for budget/environment"


def test_a_cap_is_lifted_on_a_persons_word(room):
    room.capped()
    before = room.journal.breaker().value

    done = room.run("wake", "--env", "staging", "--hold", "budget", "--apply")

    assert (before.open, done.exit_code) == (True, 0)
    assert room.journal.breaker().value == Breaker()
    assert room.journal.active_holds() == ()
    assert "staging was woken by hand by ada" in [alert["title"] for alert in room.told()]


def test_without_a_topic_it_says_that_nobody_was_told(room, monkeypatch):
    monkeypatch.delenv("TWINGUARD_ALERTS_TOPIC")

    done = room.run(*DOWN, "--apply")

    assert done.exit_code == 0
    assert "Nobody was told: TWINGUARD_ALERTS_TOPIC is not set." in done.output
    assert room.told() == []


def test_what_does_not_answer_is_unavailable_and_names_the_remedy(room, monkeypatch):
    for name in ("CLOUD_RUN_ENDPOINT", "PUBSUB_ENDPOINT", "MONITORING_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    done = room.run(*DOWN)

    assert done.exit_code == 3
    assert "gcloud auth application-default login" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("down", "--env", "staging"),
        ("down", "--env", "mars", "--project", "x"),
        ("wake", "--env", "staging", "--hold", "noon"),
        ("holds",),
    ],
)
def test_wrong_usage_is_exit_code_2(room, arguments):
    assert room.run(*arguments).exit_code == 2
