# SPDX-License-Identifier: Apache-2.0
"""What the doctor's checks come to, how they are shown, and how the command ends."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import typer
from typer.testing import CliRunner

from infirmary import policy_of_staging, variables, ward
from twinguard.cli import doctor, doctor_output
from twinguard.decide.deployment import NARROWED
from twinguard.decide.health import Exit, Look, State, exit_code, verdict, worst_first
from twinguard.decide.inventory import Gap
from twinguard.standins.deployment import Deployment

LOOK = Look("budget", "messages")
OK, FAILED, UNKNOWN = LOOK.ok("well"), LOOK.failed("bad", "mend it"), LOOK.unknown("dark")
APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(doctor.main)


@pytest.mark.parametrize(
    ("checks", "code", "says"),
    [
        ((OK,), Exit.HEALTHY, "x is healthy: 1 control checked, nothing is wrong."),
        ((OK, FAILED), Exit.BROKEN, "x is not healthy: of 2 controls, 1 broken."),
        (
            (OK, UNKNOWN),
            Exit.UNKNOWN,
            "x cannot be called healthy: of 2 controls, 1 could not be checked.",
        ),
        (
            (UNKNOWN, FAILED, OK),
            Exit.BROKEN,
            "x is not healthy: of 3 controls, 1 broken, 1 could not be checked.",
        ),
    ],
)
def test_broken_counts_more_than_unknown_and_unknown_is_not_healthy(checks, code, says):
    assert (exit_code(checks), verdict("x", checks)) == (code, says)


def test_what_is_wrong_comes_first():
    assert worst_first((OK, UNKNOWN, FAILED)) == (FAILED, UNKNOWN, OK)


def test_what_could_not_be_read_is_unknown_and_what_is_off_is_broken():
    gap, off = Gap("jobs", "not permitted"), Gap("jobs", "the API is off", off=True)

    assert LOOK.about(gap, lambda _: OK, "make apply") == LOOK.unknown("not permitted")
    assert LOOK.about(off, lambda _: OK, "make apply") == LOOK.failed(
        "the API is off: none of it can work", "make apply"
    )
    assert LOOK.about(7, lambda known: LOOK.ok(str(known)), "") == LOOK.ok("7")


def test_people_see_what_is_wrong_first_with_its_remedy_and_a_line_at_the_end(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")

    doctor_output.report("staging", (OK, FAILED), dt.datetime.now(dt.UTC), as_json=False)

    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line for line in lines if "─" not in line] == [
        "staging: what is wrong or not known",
        "Control            What was seen",
        "broken   budget: messages   bad",
        "What helps",
        "messages: mend it",
        "staging: what works",
        "Control            What was seen",
        "ok   budget: messages   well",
        "staging is not healthy: of 2 controls, 1 broken.",
    ]


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    now = dt.datetime.now(dt.UTC)
    with Deployment(policy_of_staging(), now) as google:
        found = ward(tmp_path, google, now)
        for name, value in variables(found).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TWINGUARD_COUNTERS", "memory://")
        yield found


def run(*arguments):
    done = CliRunner().invoke(APP, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done


def test_a_deployed_environment_is_read_and_told_to_machines(here):
    """Staging's own policy has counters in a network and no export yet: grants and jobs differ."""
    done = run("--env", "staging", "--json")
    told = json.loads(done.stdout)

    states = {check["name"]: check["state"] for check in told["checks"]}
    assert told["environment"] == "staging"
    assert told["exit_code"] == done.exit_code == 1
    assert {name for name, state in states.items() if state == "failed"} == {
        "roles that are needed",
        "roles beyond that",
    }
    assert {name for name, state in states.items() if state == "unknown"} == {"billing export"}


def test_what_cannot_be_checked_alone_ends_with_three(here):
    for short in ("usage", ""):
        account = here.names.account(short) if short else "living-twin-staging"
        host = "" if short else "@living-twin-staging.iam.gserviceaccount.com"
        who = f"serviceAccount:{account}{host}"
        here.google.plane.grant(
            here.names.project, f"roles/memorystore.dbConnectionUser{NARROWED}", who
        )
    schedule = f"serviceAccount:{here.names.account('schedule')}"
    here.google.plane.take(here.names.project, "roles/bigquery.jobUser", schedule)

    done = run("--env", "staging")

    assert done.exit_code == 3
    assert "costs: billing export" in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "staging cannot be called healthy: of 59 controls, 1 could not be checked."
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--env", "stagging"), "stagging"),
        (
            ("--live",),
            "--live needs a deployed environment; name it: --env staging (with make: ENV=staging)",
        ),
        (("--env", "staging", "--embedded", "--live"), "--live needs a deployed environment"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_what_to_write(arguments, message):
    done = run(*arguments)

    assert done.exit_code == 2
    assert message in done.stderr


def test_without_credentials_nothing_is_called_broken(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    for name in ("TWINGUARD_RECORDS", "TWINGUARD_COUNTERS", "FIRESTORE_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)

    done = run("--env", "staging", "--json")

    assert done.exit_code == 3
    states = [State(check["state"]) for check in json.loads(done.stdout)["checks"]]
    assert State.FAILED not in states
