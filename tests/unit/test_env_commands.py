# SPDX-License-Identifier: Apache-2.0
"""`make env` writes what the policy says, `make env-check` names what differs, neither a secret."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

import pyrage
import pytest
import typer
from typer.testing import CliRunner

from servers import skip_or_fail
from twinguard.cli import env, env_check
from twinguard.env_files import sealed
from twinguard.errors import Misconfigured
from twinguard.settings import Settings
from twinguard.standins.google import Google
from twinguard.standins.server import Fault

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
PROJECTS = {
    "production": "living-twin-prod",
    "staging": "living-twin-staging",
    "development": "living-twin-dev",
    "ci": "living-twin-ci",
}
KEYS = {name: f"made-up-key-of-{name}-0123456789" for name in PROJECTS}
PASSWORD = "made-up-password-0123456789"
SECRETS = (*KEYS.values(), PASSWORD)
SHELL = {
    "OPENAI_API_KEY_STAGING": KEYS["staging"],
    "NEO4J_STAGING_USER": "ada",
    "NEO4J_STAGING_PASSWORD": PASSWORD,
}


def app_of(main):
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    return app


APPS = {"env": app_of(env.main), "check": app_of(env_check.main)}


@dataclass
class Desk:
    """A checkout with the policies, and the command lines at work in it."""

    root: Path
    said: list[str] = field(default_factory=list)

    @property
    def folder(self):
        return self.root / ".env"

    def run(self, command, *arguments):
        places = ["--folder", str(self.folder), "--environments", str(self.root / "environments")]
        done = CliRunner().invoke(APPS[command], [*arguments, *places])
        assert done.exception is None or isinstance(done.exception, SystemExit)
        self.said.append(done.output)
        return done

    def write(self, name, *arguments):
        return self.run("env", "--env", name, *arguments)

    def check(self, *arguments):
        return self.run("check", *arguments)

    def found(self, *arguments):
        """Name, what, policy and file of every difference of the first file."""
        (each, *_) = json.loads(self.check("--json", *arguments).stdout)["files"]
        keys = ("name", "what", "expected", "found")
        return [tuple(one[key] for key in keys) for one in each["differences"]]

    def edit(self, file, *changes):
        path = self.root / file
        text = path.read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} must stand in {file} once"
            text = text.replace(old, new)
        path.write_text(text)


@pytest.fixture
def google():
    with Google() as google:
        for name, project in PROJECTS.items():
            value = KEYS[name]
            kept = {"openai-api-key": value} if name == "ci" else value
            add(
                google,
                project,
                f"{name}-{'test-api-keys' if name == 'ci' else 'openai-api-key'}",
                kept,
            )
            add(google, project, f"{name}-neo4j-credentials", {"user": "ada", "password": PASSWORD})
        yield google


def add(google, project, secret, value):
    name = f"projects/{project}/secrets/{secret}"
    google.secrets.add(name)
    text = value if isinstance(value, str) else json.dumps(value)
    google.secrets.add_version(name, NOW, value=text.encode())


@pytest.fixture
def desk(tmp_path, monkeypatch):
    for path in ROOT.glob("environments/*/policy.yaml"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True)
        shutil.copy(path, copy)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("SOPS_AGE_KEY", raising=False)
    monkeypatch.delenv("SOPS_AGE_KEY_FILE", raising=False)
    desk = Desk(tmp_path)
    yield desk
    assert [text for text in desk.said for secret in SECRETS if secret in text] == []


@pytest.fixture
def cloud(desk, google, monkeypatch):
    monkeypatch.setenv("SECRET_MANAGER_ENDPOINT", google.url)
    return desk


@pytest.fixture
def identity(desk):
    """The key of production's file, named in the policy."""
    try:
        sealed.program(os.environ)
    except Misconfigured as err:
        skip_or_fail(str(err))
    made = pyrage.x25519.Identity.generate()
    block = f"\nenv_file: {{age: [{made.to_public()}]}}\n\nbudget:\n"
    desk.edit("environments/production/policy.yaml", ("\nbudget:\n", block))
    return made


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file"), [("staging", "staging"), ("dev", "development"), ("test", "test")]
)
def test_a_file_holds_the_secrets_and_the_output_says_where_they_are_from(cloud, name, file):
    done = cloud.write(name)

    path = cloud.folder / f".env.{file}"
    environment = {"test": "ci"}.get(file, file)
    assert done.exit_code == 0, done.output
    assert Settings.from_file(path, {}).openai_api_key.reveal() == KEYS[environment]
    assert path.stat().st_mode & 0o777 == 0o600
    words = " ".join(done.stdout.split())
    assert f"OPENAI_API_KEY Secret Manager: {environment}-" in words
    assert "OPENAI_MODEL policy: openai.model" in words


def test_the_shell_is_a_source_too(desk, monkeypatch):
    for name, value in SHELL.items():
        monkeypatch.setenv(name, value)

    done = desk.write("staging", "--from", "shell")

    found = Settings.from_file(desk.folder / ".env.staging", {})
    assert (done.exit_code, found.neo4j_password.reveal()) == (0, PASSWORD)
    assert "shell: NEO4J_STAGING_PASSWORD" in done.stdout


def test_a_local_file_needs_no_network(desk, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked for something")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    done = desk.write("local")

    found = Settings.from_file(desk.folder / ".env.local", {})
    assert done.exit_code == 0
    assert (found.use_local_llm, found.openai_api_key) == (True, None)


def test_lm_studio_takes_the_place_of_ollama_by_policy(desk):
    desk.edit(
        "environments/local/policy.yaml", ('"http://localhost:11434"', '"http://localhost:1234/v1"')
    )

    desk.write("local")

    found = Settings.from_file(desk.folder / ".env.local", {})
    assert found.local_llm_endpoint == "http://localhost:1234/v1"


def test_production_is_only_ever_written_encrypted(cloud, identity, monkeypatch):
    done = cloud.write("production")

    path = cloud.folder / ".env.production"
    assert done.exit_code == 0, done.output
    data = path.read_bytes()
    assert [secret for secret in SECRETS if secret.encode() in data] == []
    assert b"gpt-4" not in data
    assert path.stat().st_mode & 0o777 == 0o600
    opened = sealed.decrypt(data, path, {**os.environ, "SOPS_AGE_KEY": str(identity)})
    assert f"OPENAI_API_KEY={KEYS['production']}\n".encode() in opened
    assert f"NEO4J_PASSWORD={PASSWORD}\n".encode() in opened
    assert [entry.name for entry in cloud.folder.iterdir()] == [path.name]


def test_the_application_opens_productions_file_with_the_key_and_not_without(cloud, identity):
    cloud.write("production")
    path = cloud.folder / ".env.production"

    found = Settings.from_file(path, {**os.environ, "SOPS_AGE_KEY": str(identity)})

    assert found.openai_api_key.reveal() == KEYS["production"]
    assert found.alert_thresholds == (50, 75, 90)
    with pytest.raises(sealed.Locked):
        Settings.from_file(path, dict(os.environ))


def test_production_for_nobody_is_not_written(cloud):
    done = cloud.write("production")

    assert done.exit_code == 2
    assert "nobody is named who could read .env.production" in done.output
    assert not cloud.folder.exists()


def test_without_sops_no_secret_of_production_is_even_read(cloud, google, monkeypatch, tmp_path):
    monkeypatch.setattr(sealed, "SOPS", tmp_path / "sops")
    monkeypatch.setenv("PATH", str(tmp_path))

    done = cloud.write("production")

    assert done.exit_code == 2
    assert "sops is missing" in done.output
    assert google.exchanges == []


def test_a_secret_that_readers_would_read_differently_is_not_written(cloud, google):
    name = "projects/living-twin-staging/secrets/staging-neo4j-credentials"
    value = json.dumps({"user": "ada", "password": f"{PASSWORD} $x"}).encode()
    google.secrets.add_version(name, NOW, value=value)

    done = cloud.write("staging")

    assert done.exit_code == 2
    assert done.output.startswith("NEO4J_PASSWORD: its value is empty or holds a character")
    assert not cloud.folder.exists()


def test_what_cannot_be_had_leaves_the_old_file(cloud, google):
    cloud.write("staging")
    before = (cloud.folder / ".env.staging").read_bytes()
    google.fail(Fault(503, "UNAVAILABLE"), path="staging-neo4j-credentials")

    done = cloud.write("staging")

    assert (done.exit_code, (cloud.folder / ".env.staging").read_bytes()) == (3, before)


def test_a_link_is_refused(cloud, tmp_path):
    aim = tmp_path / "elsewhere"
    aim.mkdir()
    cloud.folder.symlink_to(aim)

    done = cloud.write("staging")

    assert (done.exit_code, list(aim.iterdir())) == (2, [])


# --- comparing -----------------------------------------------------------------------------------


def test_what_was_just_written_is_the_same(cloud, identity, monkeypatch):
    for name in ("production", "staging", "development", "ci", "local"):
        assert cloud.write(name).exit_code == 0
    monkeypatch.setenv("SOPS_AGE_KEY", str(identity))

    done = cloud.check("--from", "secrets")

    assert done.exit_code == 0, done.output
    assert done.output.count("is what the policy says") == 5


@pytest.mark.parametrize(
    ("edit", "difference"),
    [
        (("amount: 500", "amount: 600"), ("MAX_MONTHLY_COST", "different", "600", "500")),
        (
            ("{percent: 75, level: medium}", "{percent: 60, level: medium}"),
            ("ALERT_THRESHOLDS", "different", "60,90", "75,90"),
        ),
        (
            ("model: gpt-3.5-turbo", "model: gpt-4"),
            ("OPENAI_MODEL", "different", "gpt-4", "gpt-3.5-turbo"),
        ),
        (
            ("\nregion: europe-west1\n", "\nregion: europe-west4\n"),
            ("GCP_REGION", "different", "europe-west4", "europe-west1"),
        ),
        (("  temperature: 0.7\n", ""), ("OPENAI_TEMPERATURE", "not in the policy", None, None)),
    ],
)
def test_a_changed_policy_shows_up(cloud, edit, difference):
    cloud.write("staging")
    cloud.edit("environments/staging/policy.yaml", edit)

    assert cloud.check("--env", "staging").exit_code == 1
    found = cloud.found("--env", "staging")
    assert len(found) == 1
    assert found[0][0] == difference[0]
    assert found[0][1].startswith(difference[1])
    assert found[0][2:] == difference[2:]


@pytest.mark.parametrize(
    ("edit", "difference"),
    [
        (("OPENAI_MODEL=gpt-3.5-turbo\n", ""), ("OPENAI_MODEL", "missing", None, None)),
        (
            ("OPENAI_MODEL=", "OPENAI_MODLE="),
            ("OPENAI_MODLE", "not in the policy; did you mean OPENAI_MODEL?", None, None),
        ),
        (("\n# Cost", "\nTLS=1\n# Cost"), ("TLS", "not in the policy", None, None)),
        (
            ("OPENAI_RATE_LIMIT=100", "OPENAI_RATE_LIMIT=1000"),
            ("OPENAI_RATE_LIMIT", "different", "100", "1000"),
        ),
        (
            (f"OPENAI_API_KEY={KEYS['staging']}", "OPENAI_API_KEY=${OPENAI_API_KEY_PROD}"),
            (
                "OPENAI_API_KEY",
                "another secret than",
                "${OPENAI_API_KEY_STAGING}",
                "${OPENAI_API_KEY_PROD}",
            ),
        ),
        ((PASSWORD, ""), ("NEO4J_PASSWORD", "empty", None, None)),
        (
            ("GCP_REGION=europe-west1\n", "GCP_REGION=europe-west1\nGCP_REGION=europe-west1\n"),
            (
                "",
                ".env/.env.staging: GCP_REGION stands twice, in lines 10 and 11; keep one",
                None,
                None,
            ),
        ),
    ],
)
def test_a_changed_file_shows_up(cloud, edit, difference):
    cloud.write("staging")
    cloud.edit(".env/.env.staging", edit)

    done = cloud.check("--env", "staging")

    assert done.exit_code == 1
    assert difference in cloud.found("--env", "staging")


def test_variables_in_another_order_are_named_with_their_place(cloud):
    cloud.write("staging")
    cloud.edit(
        ".env/.env.staging",
        ("OPENAI_MODEL=gpt-3.5-turbo\n", ""),
        ("ENABLE_COST_CAPS=true\n", "ENABLE_COST_CAPS=true\nOPENAI_MODEL=gpt-3.5-turbo\n"),
    )

    assert cloud.found("--env", "staging") == [
        ("OPENAI_MODEL", "out of order; it belongs after OPENAI_API_KEY", None, None)
    ]


def test_a_file_that_others_can_read_is_told(cloud):
    cloud.write("staging")
    (cloud.folder / ".env.staging").chmod(0o644)

    assert cloud.found("--env", "staging") == [
        ("", "others can read it; write it anew", None, None)
    ]


def test_a_renewed_secret_shows_up_where_secrets_are_compared(cloud, google):
    cloud.write("staging")
    name = "projects/living-twin-staging/secrets/staging-openai-api-key"
    google.secrets.add_version(name, NOW, value=b"made-up-renewed")

    assert cloud.check("--env", "staging").exit_code == 0
    assert cloud.check("--env", "staging", "--from", "secrets").exit_code == 1
    assert cloud.found("--env", "staging", "--from", "secrets") == [
        ("OPENAI_API_KEY", "different from secret staging-openai-api-key", None, None)
    ]


def test_secrets_that_cannot_be_had_are_said_to_be_unchecked(cloud, google):
    cloud.write("staging")
    google.fail(Fault(403, "PERMISSION_DENIED"), path="staging-openai-api-key")

    done = cloud.check("--env", "staging", "--from", "secrets")

    assert done.exit_code == 3
    assert "not checked: OPENAI_API_KEY: cannot read secret staging-openai-api-key" in done.output


def test_a_well_known_password_is_compared_and_never_shown(desk):
    desk.write("local")
    desk.edit(".env/.env.local", ("NEO4J_PASSWORD=password", f"NEO4J_PASSWORD={PASSWORD}"))

    assert desk.found("--env", "local") == [
        ("NEO4J_PASSWORD", "different from the policy's neo4j.password", None, None)
    ]


def test_a_production_file_in_plain_text_is_told(cloud, identity, monkeypatch):
    cloud.write("production")
    monkeypatch.setenv("SOPS_AGE_KEY", str(identity))
    path = cloud.folder / ".env.production"
    path.write_bytes(sealed.decrypt(path.read_bytes(), path, dict(os.environ)))

    assert cloud.found("--env", "production") == [
        ("", "not encrypted; write it anew: make env ENV=production", None, None)
    ]


def test_a_sealed_file_shows_what_differs_to_who_has_the_key(cloud, identity, monkeypatch):
    cloud.write("production")
    cloud.edit("environments/production/policy.yaml", ("amount: 5000", "amount: 6000"))
    monkeypatch.setenv("SOPS_AGE_KEY", str(identity))

    assert cloud.found("--env", "production") == [("MAX_MONTHLY_COST", "different", "6000", "5000")]


def test_a_sealed_file_is_checked_for_names_by_who_has_no_key(cloud, identity):
    cloud.write("production")

    whole = cloud.check("--env", "production")
    cloud.edit("environments/production/policy.yaml", ("  temperature: 0.7\n", ""))
    less = cloud.check("--env", "production")

    assert (whole.exit_code, less.exit_code) == (3, 1)
    assert "not checked: values: no key at hand opens .env.production" in whole.output
    assert "OPENAI_TEMPERATURE" in less.output


def test_a_sealed_file_that_was_changed_is_told(cloud, identity, monkeypatch):
    cloud.write("production")
    monkeypatch.setenv("SOPS_AGE_KEY", str(identity))
    path = cloud.folder / ".env.production"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("ENABLE_COST_CAPS=")))

    ((name, what, *_),) = cloud.found("--env", "production")

    assert (name, what.partition(" was")[0]) == ("", ".env.production")
    assert "(MAC mismatch)" in what


def test_a_missing_file_differs_only_for_who_asks_for_it(desk):
    assert desk.check().exit_code == 0
    assert "There is no environment file yet" in desk.said[-1]
    assert desk.found("--env", "stage") == [
        ("", "missing; write it: make env ENV=staging", None, None)
    ]


def test_an_environment_that_is_none_is_refused(desk):
    for command in (desk.write("stagging"), desk.check("--env", "stagging")):
        assert command.exit_code == 2
        assert "did you mean staging?" in command.output


def test_no_secret_is_in_any_file_but_the_environments_own(cloud, identity):
    cloud.write("staging")
    cloud.write("production")
    cloud.check("--from", "secrets")

    holding = {
        path.name
        for path in cloud.root.rglob("*")
        if path.is_file() and any(s.encode() in path.read_bytes() for s in SECRETS)
    }

    assert holding == {".env.staging"}
