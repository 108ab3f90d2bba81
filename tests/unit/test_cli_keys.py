# SPDX-License-Identifier: Apache-2.0
"""Customers' keys by hand: plans first, shown once, never where others would read it."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging

import pytest
from typer.testing import CliRunner

from twinguard import audit_log, logs
from twinguard.cli import audit, customer_keys
from twinguard.decide.customer_keys import parsed
from twinguard.standins.security import Security
from twinguard.standins.server import Fault

FOR = ("--env", "staging", "--tenant", "acme", "--reason", "asked for")
PEPPER = "1:" + "p" * 40


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A store, the pepper, Google's logs, and commands that run there."""
    settings = {
        "TWINGUARD_RECORDS": f"sqlite:///{tmp_path / 'records.db'}",
        "TWINGUARD_KEY_PEPPER": PEPPER,
        "COLUMNS": "200",
    }
    monkeypatch.chdir(tmp_path)
    with Security() as google:
        for name, value in (settings | google.environment).items():
            monkeypatch.setenv(name, value)
        yield google


@pytest.fixture
def logged(monkeypatch) -> io.StringIO:
    """All that is logged, as the functions log it."""
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [*root.handlers])
    monkeypatch.setattr(root, "level", root.level)
    logs.configure([], stream)
    return stream


def run(*arguments, code=0, app=customer_keys.app, given=None):
    done = CliRunner().invoke(app, [*arguments], input=given)
    assert (done.exit_code, done.exception is None or isinstance(done.exception, SystemExit)) == (
        code,
        True,
    ), done.output
    return done


def issue(*more):
    done = run("issue", *FOR, *more, "--apply", "--output", "-", "--by", "ada", "--json")
    told = json.loads(done.stdout)
    return told["key"]["id"], told["secret"]


def listed(*more):
    return json.loads(run("list", "--env", "staging", *more, "--json").stdout)["keys"]


def change(verb, key, *more, code=0):
    told = ("--env", "staging", "--key", key, "--reason", "why", "--by", "ada")
    return run(verb, *told, *more, code=code)


def test_without_apply_no_key_is_made(desk):
    done = run("issue", *FOR, "--expires", "90d")

    assert "Plan: a key of staging for acme, for llm:*, until" in done.output
    assert "Nothing was changed; add --apply to do it (with make: APPLY=1)." in done.output
    assert listed() == []


def test_a_key_is_not_shown_on_what_is_no_terminal(desk):
    done = run("issue", *FOR, "--apply", code=2)

    assert "perhaps a log; nothing was done" in done.stderr
    assert listed() == []


def test_piped_the_key_stands_alone(desk):
    done = run("issue", *FOR, "--apply", "--output", "-", "--by", "ada")

    assert parsed(done.stdout.removesuffix("\n")) is not None
    assert "This key is shown once" in done.stderr


def test_a_key_keeps_its_terms(desk):
    terms = ("--label", "Build", "--scopes", "llm:chat, llm:embed", "--requests", "60")
    key, _ = issue(*terms, "--tokens", "9000", "--budget", "25.50", "--expires", "2099-01-31")

    (row,) = listed("--tenant", "acme", "--label", "bui")

    assert (row["id"], row["scopes"], row["state"]) == (key, ["llm:chat", "llm:embed"], "active")
    assert row["expires_at"] == "2099-02-01T00:00:00Z"
    assert row["quota"] == {
        "requests_per_minute": 60,
        "tokens_per_minute": 9000,
        "monthly_budget": "25.50",
        "currency": "USD",
    }


def test_a_key_is_checked_from_standard_input_alone(desk):
    key, raw = issue()
    check = ("check", "--env", "staging")

    assert f"Valid: key {key} of acme" in run(*check, "-", given=f"{raw}\n").output
    assert "Refused: malformed." in run(*check, "-", given="x", code=1).output
    assert "may not do" in run(*check, "--scope", "admin", "-", given=raw, code=1).output
    done = run(*check, raw, code=2)
    assert "kept in the shell's history" in done.output
    assert raw not in done.output


def test_a_key_handed_in_for_its_id_is_not_repeated(desk):
    key, raw = issue()

    done = change("disable", raw, code=2)

    told = " ".join(done.output.split())
    assert "that is a key, not its id, and now it is in your shell's history: rotate it" in told
    assert f"its id is {key}" in told
    assert raw not in done.output


def test_changes_are_planned_then_made(desk):
    key, _ = issue()
    for verb, state_then in (("disable", "disabled"), ("enable", "active"), ("delete", None)):
        change(verb, key)
        before = [row["state"] for row in listed()]
        change(verb, key, "--apply")

        assert before != [state_then]
        assert [row["state"] for row in listed()] == [state_then] * (state_then is not None)
    assert [row["id"] for row in listed("--state", "deleted")] == [key]


def test_a_rotation_shows_the_new_secret_and_both_work(desk):
    key, raw = issue()

    done = change("rotate", key, "--apply", "--output", "-", "--json")

    told = json.loads(done.stdout)
    for one in (raw, told["secret"]):
        run("check", "--env", "staging", "-", given=one)
    assert told["key"]["state"] == "rotating"
    assert change("rotate", key, "--apply", "--output", "-", code=2).stdout == ""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--expires", "2020-01-01"), "is over"),
        (("--expires", "soon"), "write 2027-03-31, or 90d"),
        (("--budget", "1.234"), "write it as 25.50"),
        (("--expires", "9999-12-31"), "write 2027-03-31, or 90d"),
        (("--budget", "NaN"), "write it as 25.50"),
        (("--budget", "1e999999"), "write it as 25.50"),
        (("--budget", "1e13"), "a limit above 1,000,000,000,000 limits nothing"),
        (("--requests", "9" * 30), "a limit above 1,000,000,000,000 limits nothing"),
        (("--scopes", "*"), "scope '*'"),
        (("--scopes", " , "), "a key without any may do nothing"),
        (("--output", "file"), "--output takes only -"),
    ],
)
def test_wrong_terms_are_named_with_what_to_write(desk, more, message):
    assert message in " ".join(run("issue", *FOR, *more, code=2).output.split())


def test_without_a_pepper_no_key_is_made(desk, monkeypatch):
    monkeypatch.delenv("TWINGUARD_KEY_PEPPER")

    done = run("issue", *FOR, "--apply", "--output", "-", code=2)

    assert "TWINGUARD_KEY_PEPPER is missing" in done.output
    assert listed() == []


def test_after_a_whole_life_the_key_is_nowhere(desk, tmp_path, logged):
    """Not in the store, the audit log, an output, a log line or an error."""
    key, raw = issue("--label", "Build")
    outputs = []
    for given in (raw, raw[:-1] + "!", raw.upper()):
        code = 0 if given == raw else 1
        outputs.append(run("check", "--env", "staging", "-", given=given, code=code).output)
    outputs.append(change("disable", raw, code=2).output)
    rotated = json.loads(change("rotate", key, "--apply", "--output", "-", "--json").stdout)
    logging.getLogger("twinguard").error("refused %s", raw)
    outputs += [change(verb, key, "--apply").output for verb in ("disable", "enable", "delete")]
    outputs.append(run("list", "--env", "staging", "--state", "deleted").output)
    desk.logging.add("AccessSecretVersion", "a/versions/1", "app@x", audit_now())
    outputs += [
        run("show", "--env", "staging", "--log", *how, app=audit.app).output
        for how in ((), ("--json",))
    ]
    outputs.append(run("verify", "--env", "staging", app=audit.app).output)
    log = (tmp_path / audit_log.name_of("staging")).read_text()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("records.db*"))
    everything = "\n".join((*outputs, log, logged.getvalue(), stored.decode("latin-1")))

    for secret in (raw, rotated["secret"]):
        assert secret not in everything
        assert secret.split("_")[3][:10] not in everything.lower()
        assert secret.split("_")[3][:10].upper() not in everything
    assert PEPPER[2:] not in everything
    assert f"customer key {key}" in log
    assert f"refused ltk_test_{key}_[hidden]" in logged.getvalue()
    actions = [json.loads(line)["action"] for line in log.splitlines()]
    assert {"IssueKey: begun", "RotateKey: done", "DeleteKey: done"} <= set(actions)


def audit_now():
    return dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)


# --- the audit by hand ---------------------------------------------------------------------------


def test_the_audit_merges_google_and_ours_by_time(desk):
    key, _ = issue()
    desk.logging.add("AccessSecretVersion", "openai/versions/1", "app@x", audit_now())

    done = run("show", "--env", "staging", "--json", app=audit.app)

    told = json.loads(done.stdout)
    assert [(one["source"], one["action"], one["subject"]) for one in told["accesses"]] == [
        ("google", "read", "openai"),
        ("twinguard", "IssueKey: begun", f"customer key {key}"),
        ("twinguard", "IssueKey: done", f"customer key {key}"),
    ]
    assert told["not_read"] == []
    only = run("show", "--env", "staging", "--secret", key, "--actor", "ADA", app=audit.app)
    assert "2 since" in only.output


def test_an_audit_that_misses_something_says_so(desk):
    desk.fail(Fault(403, "PERMISSION_DENIED"), path="entries:list")

    done = run("show", "--env", "staging", app=audit.app, code=3)

    assert "Not read: cannot list audit log lines of Secret Manager: not permitted" in done.output


def test_a_changed_byte_is_found_by_the_command(desk, tmp_path):
    issue()
    run("show", "--env", "staging", "--log", app=audit.app, code=3)
    path = tmp_path / audit_log.name_of("staging")
    assert "sound" in run("verify", "--env", "staging", app=audit.app).output
    data = path.read_bytes()
    place = data.index(b"asked for")
    path.write_bytes(data.replace(b"asked for", b"Asked for"))

    done = run("verify", "--env", "staging", "--json", app=audit.app, code=1)

    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["kind"], problem["byte"], problem["spot"]["line"]) == ("changed", place, 2)


def test_a_cut_end_is_found_and_an_unknown_one_is_said(desk, tmp_path, monkeypatch):
    issue()
    run("show", "--env", "staging", "--log", app=audit.app, code=3)
    path = tmp_path / audit_log.name_of("staging")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))

    cut = run("verify", "--env", "staging", app=audit.app, code=1)
    monkeypatch.setenv("TWINGUARD_RECORDS", "sqlite://")
    unknown = run("verify", "--env", "staging", app=audit.app, code=3)

    assert (
        "CUT OFF  security_audit_staging.log line 2: 1 of 3 entries are gone at the end"
        in " ".join(cut.output.split(" "))
    )
    assert "Not checked: whether the end was cut off" in unknown.output


def test_a_log_that_is_not_there_is_named(desk):
    done = run("verify", "--env", "staging", app=audit.app, code=2)

    assert "security_audit_staging.log is not there" in done.output


def test_the_exposure_audit_ends_with_what_it_found(desk):
    desk.add_api_key("projects/living-twin-staging/locations/global/keys/k", "Old key")
    done = run("exposure", "--env", "staging", "--json", app=audit.app, code=3)
    told = json.loads(done.stdout)
    assert [one["rule"] for one in told["findings"]] == ["any-api"]
    assert [one["what"] for one in told["not_checked"]] == ["reads of secrets"]
