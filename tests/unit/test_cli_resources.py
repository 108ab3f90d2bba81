# SPDX-License-Identifier: Apache-2.0
"""`make check-resources` and `make cost-optimize-dev` over stand-ins: plans first, all undone."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

import pytest
import typer
from typer.testing import CliRunner

from twinguard import config
from twinguard.cli import resources, savings, scale
from twinguard.cli.stage import Stage
from twinguard.pipeline import Pipeline
from twinguard.policy import Environment
from twinguard.standins.server import Fault
from twinguard.wiring import ports_from

POLICY = config.load(config.path_of(Environment.DEVELOPMENT))
PROJECT = POLICY.project.id
TOPIC = f"projects/{PROJECT}/topics/alerts"
SERVICES = f"projects/{PROJECT}/locations/{POLICY.region}/services"
API = f"{SERVICES}/living-twin-api"
INGEST = f"projects/{PROJECT}/subscriptions/living-twin-ingest-push"
WAKE = ("wake", "--env", "dev", "--hold", "savings", "--apply", "--by", "ada")
DAY = dt.timedelta(days=1)


def app_of(main):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    return app


APPS = {"check": app_of(resources.main), "save": app_of(savings.main), "scale": scale.app}


@dataclass
class Room:
    """A stage with development's resources, and the command lines looking at it."""

    stage: Stage
    pipeline: Pipeline

    def run(self, command, *arguments):
        done = CliRunner().invoke(APPS[command], list(arguments))
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done

    def check(self, *arguments):
        return self.run("check", "--env", "dev", *arguments)

    def save(self, *arguments):
        return self.run("save", "--project", PROJECT, "--by", "ada", *arguments)

    def found(self, *arguments):
        return json.loads(self.check("--json", *arguments).stdout)

    def told(self):
        return [json.loads(m.data) for m in self.stage.clocked.messages.values()]

    @property
    def held(self):
        return self.pipeline.journal.active_holds()


@pytest.fixture
def room(tmp_path, monkeypatch):
    with Stage() as stage:
        stage.pubsub.add_topic(TOPIC)
        settings = {
            "TWINGUARD_RECORDS": f"sqlite:///{tmp_path / 'records.db'}",
            "TWINGUARD_ALERTS_TOPIC": TOPIC,
        }
        for name, value in (settings | stage.environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COLUMNS", "120")
        pipeline = Pipeline(POLICY, ports_from(settings | stage.environment))
        stage.add(pipeline.resources())
        for name in POLICY.secrets:
            secret = f"projects/{PROJECT}/secrets/development-{name}"
            stage.secrets.add(secret, rotates_at="2027-01-01T00:00:00Z")
            stage.secrets.add_version(secret, dt.datetime.now(dt.UTC) - DAY)
        yield Room(stage, pipeline)


@pytest.fixture
def tidy(room):
    """A room in which nothing is wrong: everything is as development wants it."""
    labels = {**POLICY.labels}
    room.stage.pubsub.edit(
        INGEST,
        labels=labels,
        expirationPolicy={},
        deadLetterPolicy={"deadLetterTopic": TOPIC, "maxDeliveryAttempts": 5},
    )
    for name in POLICY.services:
        room.stage.cloud_run.add(f"{SERVICES}/{name}", {"maxInstanceCount": 3}, labels=labels)
    return room


# --- check-resources -----------------------------------------------------------------------------


def test_a_tidy_project_ends_with_nothing_found(tidy):
    done = tidy.check("--project", PROJECT)

    assert done.stdout == (
        f"development ({PROJECT}): 2 services in europe-west1, 1 subscription, 2 secrets, "
        "0 addresses\nNothing was found.\n"
    )
    assert done.exit_code == 0


def test_what_is_found_is_shown_by_resource_with_what_it_saves(room):
    done = room.check()

    assert done.exit_code == 1
    assert done.output.count("service living-twin-api") == 1
    assert "keeps 2 instances (minimum: service 2) where everything scales to zero" in done.output
    assert "→ make cost-optimize-dev" in done.output
    assert "Mending it saves up to 17.16 USD a month (Google's list prices of" in done.output


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_of_the_table_is_wider_than_the_terminal(room, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))

    lines = room.check().output.splitlines()

    table = [line for line in lines if not line.startswith("Mending")]
    assert max(map(len, table)) <= columns
    assert any("living-twin-ingest-push" in line for line in table)


def test_machines_get_the_same_with_exact_text(room):
    told = room.found()

    one = next(each for each in told["findings"] if each["rule"] == "minimum-instances")
    assert one == {
        "level": "medium",
        "rule": "minimum-instances",
        "resource": API,
        "why": "keeps 2 instances (minimum: service 2) where everything scales to zero; "
        "1 vCPU, 0.5 GiB each",
        "remedy": "make cost-optimize-dev",
        "saving": "11.44",
    }
    assert (told["saving"], told["currency"], told["not_checked"]) == ("17.16", "USD", [])
    assert told["prices"]["sources"][0] == "https://cloud.google.com/run/pricing"


def test_a_level_leaves_out_what_is_below_it(room):
    levels = {each["level"] for each in room.found("--level", "medium")["findings"]}

    assert levels == {"medium"}
    assert room.check("--level", "critical").exit_code == 0


def test_limits_come_from_the_command_line(tidy):
    assert tidy.check("--max-cpu", "0.5").exit_code == 1
    assert tidy.found("--max-memory", "0.25")["findings"][0]["why"] == (
        "0.5 GiB is above 0.25, this environment's limit"
    )


def test_it_changes_nothing(room):
    before = room.stage.states()
    room.check()

    assert (room.stage.states(), room.stage.writes, room.told()) == (before, [], [])
    assert {each.method for each in room.stage.exchanges} == {"GET"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/services", "cannot list Cloud Run services in europe-west1: not permitted; it needs"),
        ("/subscriptions", "cannot list Pub/Sub subscriptions: not permitted; it needs"),
        ("/timeSeries", "cannot list unread messages (Monitoring): not permitted; it needs"),
        ("/secrets", "cannot list secrets: not permitted; it needs roles/secretmanager.viewer"),
        ("/addresses", "cannot list addresses: not permitted; it needs roles/compute.viewer"),
    ],
)
def test_what_could_not_be_checked_is_named_and_is_exit_code_3(tidy, path, words):
    tidy.stage.fail(Fault(code=403, status="PERMISSION_DENIED"), path=path)

    done = tidy.check()

    assert done.exit_code == 3
    assert f"Not checked: {words}" in done.output
    assert "Nothing was found in what was checked." in done.output


def test_an_api_that_is_off_is_named_but_leaves_nothing_open(tidy):
    off = Fault(code=403, status="PERMISSION_DENIED", reason="SERVICE_DISABLED")
    tidy.stage.fail(off, path="/addresses")

    done = tidy.check()

    assert done.exit_code == 0
    assert f"Not checked: addresses: the API is switched off in {PROJECT}" in done.output


def test_a_google_that_does_not_answer_is_exit_code_3_with_every_part_named(room, monkeypatch):
    for name in room.stage.environment:
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    done = room.check()

    assert done.exit_code == 3
    assert "nothing could be read" in done.output
    for part in ("Cloud Run services", "Pub/Sub subscriptions", "secrets", "addresses"):
        assert f"Not checked: cannot list {part}" in done.output


def test_holds_that_cannot_be_read_are_named_too(tidy, monkeypatch):
    monkeypatch.setenv("TWINGUARD_RECORDS", "tape:///reel")

    done = tidy.check()

    assert done.exit_code == 3
    assert "Not checked: cannot read Twinguard's holds: TWINGUARD_RECORDS" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--env", "mars"),
        ("--env", "dev", "--project", "living-twin-prod"),
        ("--env", "dev", "--level", "loud"),
        ("--env", "dev", "--max-cpu", "0"),
        (),
    ],
)
def test_wrong_usage_of_the_check_is_exit_code_2(room, arguments):
    assert room.run("check", *arguments).exit_code == 2


# --- cost-optimize-dev ---------------------------------------------------------------------------


def test_the_plan_shows_what_it_saves_and_changes_nothing(room):
    before = room.stage.states()

    done = room.save()

    assert done.exit_code == 0
    assert "Saves: up to 17.16 USD a month" in done.output
    assert "Nothing was changed; add --apply to do it (with make: APPLY=1)." in done.output
    assert (room.stage.states(), room.stage.writes, room.told()) == (before, [], [])
    assert room.held == ()


def test_machines_get_the_plan_with_each_months_amount(room):
    room.stage.monitoring.ages[INGEST] = 2 * DAY.total_seconds()

    told = json.loads(room.save("--json").stdout)

    assert [(row["what"], row["detail"], row["month"]) for row in told["actions"]] == [
        ("service living-twin-api", "at least 2 instances → from zero instances", "11.44"),
        ("service living-twin-worker", "at least 1 instances → from zero instances", "5.72"),
        ("subscription living-twin-ingest-push", "pushing → paused", None),
    ]
    assert (told["applied"], told["month"], told["month_already"]) == (False, "17.16", "0.00")


def test_what_is_applied_comes_back_byte_for_byte(room):
    room.stage.monitoring.ages[INGEST] = 2 * DAY.total_seconds()
    before = room.stage.states()

    done = room.save("--apply")
    idle = room.stage.states()
    woken = room.run("scale", *WAKE)

    assert (done.exit_code, woken.exit_code) == (0, 0)
    assert "Undo it with: make wake ENV=development HOLD=savings APPLY=1" in done.output
    assert all(idle[one] != state for one, state in before.items())
    assert room.stage.states() == before
    assert room.held == ()
    assert [alert["title"] for alert in room.told()] == [
        "ada let development scale to zero, which saves up to 17.16 USD a month",
        "development was woken by hand by ada",
    ]


def test_holds_have_a_key_of_their_own_and_only_subscriptions_have_an_end(room):
    room.stage.monitoring.ages[INGEST] = 2 * DAY.total_seconds()
    room.save("--apply", "--days", "5")

    found = {hold.resource.short: hold.reasons[0] for hold in room.held}
    assert {why.key for why in found.values()} == {"savings"}
    paused = found.pop("living-twin-ingest-push")
    assert paused.until - paused.since == 5 * DAY
    assert {why.until for why in found.values()} == {None}


def test_applying_twice_changes_and_tells_nothing_more(room):
    room.save("--apply")
    once, writes, told = room.stage.states(), len(room.stage.writes), len(room.told())

    again = room.save("--apply")

    assert again.exit_code == 0
    assert "Saved already: up to 17.16 USD a month" in again.output
    assert "There is nothing more to save." in again.output
    assert (room.stage.states(), len(room.stage.writes), len(room.told())) == (once, writes, told)


def test_what_is_saved_is_no_finding_any_more(room):
    room.save("--apply")

    told = room.found()

    assert "minimum-instances" not in {each["rule"] for each in told["findings"]}
    assert len(told["held"]) == 2


def test_a_person_who_changed_a_held_service_is_respected(room):
    room.save("--apply")
    room.stage.cloud_run.edit(API, {"scalingMode": "AUTOMATIC", "minInstanceCount": 7})

    again = room.save("--apply", "--json")
    woken = room.run("scale", *WAKE)

    row = next(
        each
        for each in json.loads(again.stdout)["actions"]
        if each["what"] == "service living-twin-api"
    )
    assert (again.exit_code, row["outcome"], row["month"]) == (1, "skipped", None)
    assert row["detail"] == (
        "was changed by somebody else (from zero instances → at least 7 instances)"
    )
    assert woken.exit_code == 1
    assert room.stage.cloud_run.service(API)["scaling"]["minInstanceCount"] == 7


def test_other_holds_are_not_ended_by_undoing_the_savings(room):
    room.save("--apply")
    down = ("down", "--env", "dev", "--project", PROJECT, "--apply", "--by", "bob")
    room.run("scale", *down)

    room.run("scale", *WAKE)

    assert {why.key for hold in room.held for why in hold.reasons} == {"manual"}
    assert room.stage.cloud_run.service(API)["scaling"].get("minInstanceCount", 0) == 0


def test_waking_without_a_choice_leaves_the_savings_alone(room):
    room.save("--apply")

    room.run("scale", "wake", "--env", "dev", "--apply", "--by", "ada")

    assert {why.key for hold in room.held for why in hold.reasons} == {"savings"}


def test_waking_everything_ends_the_savings_too(room):
    room.save("--apply")

    room.run("scale", "wake", "--env", "dev", "--hold", "all", "--apply", "--by", "ada")

    assert room.held == ()


def test_a_pause_that_could_lose_messages_is_left_alone_and_says_why(room):
    room.stage.monitoring.ages[INGEST] = 29 * DAY.total_seconds()

    done = room.save("--apply", "--json")

    rows = {each["what"]: each for each in json.loads(done.stdout)["actions"]}
    left = rows["subscription living-twin-ingest-push"]
    assert (done.exit_code, left["outcome"]) == (1, "skipped")
    assert "could lose them" in left["detail"]
    assert room.stage.pubsub.subscription(INGEST)["pushConfig"]["pushEndpoint"]


def test_what_the_policy_does_not_know_and_the_control_plane_are_never_touched(room):
    others = (f"{SERVICES}/experiment", f"{SERVICES}/twinguard-development-alerts")
    for name in others:
        room.stage.cloud_run.add(name, {"minInstanceCount": 4})
    before = [room.stage.cloud_run.service(name) for name in others]

    room.save("--apply")

    assert {hold.resource.short for hold in room.held} == set(POLICY.services)
    assert [room.stage.cloud_run.service(name) for name in others] == before


@pytest.mark.parametrize("path", ["/services", "/subscriptions", "/timeSeries"])
def test_without_the_whole_picture_nothing_is_done(room, path):
    room.stage.fail(Fault(code=503, status="UNAVAILABLE"), path=path)

    done = room.save("--apply")

    assert done.exit_code == 3
    assert "asked to fail" in done.stderr
    assert "nothing was done" in done.stderr
    assert (room.stage.writes, room.held) == ([], ())


def test_a_project_that_is_tidy_has_nothing_to_save(tidy):
    done = tidy.save("--apply")

    assert (done.exit_code, done.output) == (0, "There is nothing to save.\n")


def test_without_a_topic_it_says_that_nobody_was_told(room, monkeypatch):
    monkeypatch.delenv("TWINGUARD_ALERTS_TOPIC")

    done = room.save("--apply")

    assert done.exit_code == 0
    assert "Nobody was told: TWINGUARD_ALERTS_TOPIC is not set." in done.output


@pytest.mark.parametrize(
    "arguments", [(), ("--project", "living-twin-prod"), ("--project", PROJECT, "--days", "0")]
)
def test_wrong_usage_of_the_savings_is_exit_code_2(room, arguments):
    assert room.run("save", *arguments, *(("--by", "ada") if arguments else ())).exit_code == 2
    assert room.stage.writes == []
