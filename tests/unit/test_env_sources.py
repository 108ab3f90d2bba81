# SPDX-License-Identifier: Apache-2.0
"""Secrets come from Secret Manager's newest enabled version, or from the shell; none is quoted."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from twinguard.env_files.sources import SecretManager, from_shell, from_template
from twinguard.env_files.values import Reference
from twinguard.errors import Misconfigured, Unavailable
from twinguard.standins.google import Google
from twinguard.standins.server import Fault

PROJECT = "living-twin-staging"
NAME = f"projects/{PROJECT}/secrets/staging-openai-api-key"
KEY = Reference("OPENAI_API_KEY_STAGING", "staging-openai-api-key")
CREDENTIALS = f"projects/{PROJECT}/secrets/staging-neo4j-credentials"
USER = Reference("NEO4J_STAGING_USER", "staging-neo4j-credentials", "user")
PASSWORD = Reference("NEO4J_STAGING_PASSWORD", "staging-neo4j-credentials", "password")
NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
VALUE = b"made-up-key-0123456789"


@pytest.fixture
def google():
    with Google() as google:
        for name in (NAME, CREDENTIALS):
            google.secrets.add(name)
        yield google


def manager(google):
    return SecretManager(PROJECT, google.environment)


def paths(google):
    return [exchange.path.rpartition("/versions")[2] for exchange in google.exchanges]


def test_the_newest_version_is_read(google):
    google.secrets.add_version(NAME, NOW, value=b"older")
    google.secrets.add_version(NAME, NOW, value=VALUE + b"\n")

    found = manager(google)(KEY)

    assert found.value.reveal() == VALUE.decode()
    assert found.origin == "Secret Manager: staging-openai-api-key version 2"
    assert paths(google) == ["/current:access", "/latest:access"]


def test_a_newer_version_that_no_rotation_has_verified_is_not_read(google):
    google.secrets.add_version(NAME, NOW, value=VALUE)
    google.secrets.add_version(NAME, NOW, value=b"not verified yet")
    google.secrets.point(NAME, 1)

    found = manager(google)(KEY)

    assert (found.value.reveal(), found.origin.split()[-1]) == (VALUE.decode(), "1")
    assert paths(google) == ["/current:access"]


def test_the_newest_enabled_version_may_be_pages_away(google):
    google.secrets.add_version(NAME, NOW, value=VALUE)
    for _ in range(501):
        google.secrets.add_version(NAME, NOW, "DISABLED")

    assert manager(google)(KEY).value.reveal() == VALUE.decode()
    assert paths(google)[2:] == ["", "", "/1:access"]


@pytest.mark.parametrize("state", ["DISABLED", "DESTROYED"])
def test_a_newer_version_that_is_off_is_passed_over(google, state):
    google.secrets.add_version(NAME, NOW, value=VALUE)
    google.secrets.add_version(NAME, NOW, state)

    found = manager(google)(KEY)

    assert (found.value.reveal(), found.origin.split()[-1]) == (VALUE.decode(), "1")
    assert paths(google) == ["/current:access", "/latest:access", "", "/1:access"]


def test_user_and_password_are_two_fields_of_one_reading(google):
    value = json.dumps({"user": "ada", "password": "made-up"}).encode()
    google.secrets.add_version(CREDENTIALS, NOW, value=value)
    read = manager(google)

    found = [read(USER), read(PASSWORD)]

    assert [each.value.reveal() for each in found] == ["ada", "made-up"]
    assert found[0].origin == "Secret Manager: staging-neo4j-credentials version 1, field user"
    assert paths(google) == ["/current:access", "/latest:access"]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"s3cr3t", "must be a JSON object with the text field user; add a version that is"),
        (b'["s3cr3t"]', "must be a JSON object with the text field user; add a version that is"),
        (b'{"password": "s3cr3t"}', "must be a JSON object with the text field user; add a versio"),
        (b'{"user": 5, "x": "s3cr3t"}', "must be a JSON object with the text field user; add a v"),
        (b'{"user": "", "x": "s3cr3t"}', "is empty in version 1; add one"),
        (b"\xff\xfes3cr3t", "is not text; add a version that is"),
        (b"[" * 100_000, "must be a JSON object with the text field user; add a version that is"),
    ],
)
def test_a_secret_of_another_shape_is_refused_unseen(google, payload, message):
    google.secrets.add_version(CREDENTIALS, NOW, value=payload)

    with pytest.raises(Misconfigured) as raised:
        manager(google)(USER)

    assert str(raised.value).startswith(f"secret staging-neo4j-credentials {message}")
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("off", [True, False])
def test_a_secret_without_an_enabled_version_is_refused_with_the_command(google, off):
    if off:
        google.secrets.add_version(NAME, NOW, "DISABLED")

    with pytest.raises(Misconfigured) as raised:
        manager(google)(KEY)

    assert str(raised.value) == (
        f"secret staging-openai-api-key has no enabled version in {PROJECT}; add one: gcloud "
        f"secrets versions add staging-openai-api-key --project={PROJECT} --data-file=-"
    )


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            Fault(403, "PERMISSION_DENIED"),
            "not permitted; it needs roles/secretmanager.secretAccessor on the secret",
        ),
        (Fault(503, "UNAVAILABLE"), "Secret Manager answered 503; try again"),
        (Fault(hang_up=True), "no answer ("),
    ],
)
def test_a_refusal_says_what_helps(google, fault, message):
    google.secrets.add_version(NAME, NOW, value=VALUE)
    google.fail(fault, times=3, path=":access")

    with pytest.raises(Unavailable) as raised:
        manager(google)(KEY)

    assert str(raised.value).startswith(f"cannot read secret staging-openai-api-key: {message}")


def test_who_may_not_list_hears_which_role_would_help(google):
    google.secrets.add_version(NAME, NOW, "DISABLED")
    google.fail(Fault(400, "FAILED_PRECONDITION"), times=2, path="/versions")
    google.fail(Fault(403, "PERMISSION_DENIED"), path="/versions")

    with pytest.raises(Unavailable, match=r"needs roles/secretmanager.viewer on the secret"):
        manager(google)(KEY)


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ({"data": "bWFkZS11cA==", "dataCrc32c": "1"}, Unavailable),
        ({"data": "not base64"}, Misconfigured),
        ({"data": "bWFkZS11cA==", "dataCrc32c": "x"}, Misconfigured),
        ([], Misconfigured),
    ],
)
def test_a_damaged_answer_is_no_secret(google, payload, error):
    read = manager(google)
    read._get = lambda path, secret: (200, {"name": "x/versions/1", "payload": payload})

    with pytest.raises(error, match="staging-openai-api-key"):
        read(KEY)


class SignedOut:
    """A session whose credentials Google does not take, not even refreshed."""

    status_code = 401

    def get(self, url, timeout):
        return self

    def json(self):
        raise ValueError("<html>")


def test_who_is_signed_out_hears_how_to_sign_in(google):
    read = manager(google)
    read._http = SignedOut()

    with pytest.raises(Unavailable) as raised:
        read(KEY)

    assert str(raised.value) == (
        "cannot read secret staging-openai-api-key: not signed in; "
        "run gcloud auth application-default login"
    )


def test_no_token_goes_to_a_stranger():
    with pytest.raises(Misconfigured, match="SECRET_MANAGER_ENDPOINT is 'https://evil"):
        SecretManager(PROJECT, {"SECRET_MANAGER_ENDPOINT": "https://evil.example.com"})


def test_the_shell_gives_what_it_has_and_is_asked_for_what_it_has_not():
    resolve = from_shell({"OPENAI_API_KEY_STAGING": "made-up"})

    assert resolve(KEY).value.reveal() == "made-up"
    assert resolve(KEY).origin == "shell: OPENAI_API_KEY_STAGING"
    with pytest.raises(Misconfigured) as raised:
        resolve(USER)
    assert str(raised.value) == (
        "NEO4J_STAGING_USER is not set; export it, or leave FROM out to read "
        "staging-neo4j-credentials from Secret Manager"
    )


def test_a_template_keeps_the_reference():
    found = from_template(KEY)

    assert (found.value.reveal(), found.origin) == (
        "${OPENAI_API_KEY_STAGING}",
        "left as ${OPENAI_API_KEY_STAGING}",
    )
