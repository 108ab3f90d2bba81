# SPDX-License-Identifier: Apache-2.0
"""Production's file is sealed by the real sops, opened only with the key, and mended by nobody."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pyrage
import pytest

from servers import skip_or_fail
from twinguard.application import EnvFile
from twinguard.env_files import sealed
from twinguard.errors import Misconfigured, Unavailable

TEXT = "# One\nOPENAI_API_KEY=made-up-key#{}[]*?%\nOPENAI_MODEL=gpt-4\n\n# Two\nA=${B}\n"
WITHOUT_GAPS = TEXT.replace("\n\n", "\n").encode()
SHOWN = ("made-up-key", "gpt-4", "${B}", "# One")


@pytest.fixture(scope="module", autouse=True)
def _sops():
    try:
        sealed.program(os.environ)
    except Misconfigured as err:
        skip_or_fail(str(err))


@pytest.fixture
def identity():
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def recipients(identity):
    return EnvFile(age=(str(identity.to_public()),))


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".env" / ".env.production"


def environ(identity=None, **more):
    own = {"PATH": os.environ.get("PATH", ""), "HOME": "/nowhere"}
    return own | ({"SOPS_AGE_KEY": str(identity)} if identity else {}) | more


def test_a_sealed_file_opens_with_the_key_and_shows_only_names(path, identity, recipients):
    data = sealed.encrypt(TEXT, recipients, path, environ())

    assert sealed.is_sealed(data)
    assert [text for text in SHOWN if text.encode() in data] == []
    assert sealed.names(data) == ("OPENAI_API_KEY", "OPENAI_MODEL", "A")
    assert sealed.decrypt(data, path, environ(identity)) == WITHOUT_GAPS


def test_another_implementation_of_age_opens_it_too(path, identity, recipients):
    """The key that sops seals the values with is itself an age file for the recipient."""
    data = sealed.encrypt(TEXT, recipients, path, environ()).decode()
    (kept,) = (line for line in data.splitlines() if line.startswith("sops_age__list_0__map_enc="))

    armour = kept.partition("=")[2].split("\\n")
    body = "".join(line for line in armour if not line.startswith("-----"))
    opened = pyrage.decrypt(base64.b64decode(body), [identity])

    assert len(opened) == 32


def test_without_the_key_it_stays_locked(path, recipients):
    data = sealed.encrypt(TEXT, recipients, path, environ())
    stranger = pyrage.x25519.Identity.generate()

    for who in (None, stranger):
        with pytest.raises(sealed.Locked) as raised:
            sealed.decrypt(data, path, environ(who))
        assert str(raised.value) == (
            "no key at hand opens .env.production; set SOPS_AGE_KEY_FILE, or sign in for KMS"
        )


@pytest.mark.parametrize("at", ["OPENAI_MODEL=ENC[AES256_GCM,data:", "A=ENC[AES256_GCM,data:"])
def test_a_changed_file_is_refused(path, identity, recipients, at):
    data = sealed.encrypt(TEXT, recipients, path, environ()).decode()
    lines = data.splitlines()
    kept = [line for line in lines if not line.startswith(at)]
    assert len(kept) == len(lines) - 1

    with pytest.raises(Misconfigured, match=r"\.env\.production was changed after it was encr"):
        sealed.decrypt(("\n".join(kept) + "\n").encode(), path, environ(identity))


def test_the_rules_of_the_checkout_apply_where_the_policy_names_nobody(path, identity):
    rules = path.parent.parent / ".sops.yaml"
    rules.write_text(
        "creation_rules:\n  - path_regex: \\.env/\\.env\\.production$\n"
        f"    age: {identity.to_public()}\n"
    )

    data = sealed.encrypt(TEXT, None, path, environ())

    assert sealed.decrypt(data, path, environ(identity)) == WITHOUT_GAPS


@pytest.mark.parametrize("rule", ["encrypted_regex: ^OPENAI_API", "unencrypted_suffix: MODEL"])
def test_rules_that_leave_values_readable_are_refused(path, identity, rule):
    rules = path.parent.parent / ".sops.yaml"
    rules.write_text(f"creation_rules:\n  - age: {identity.to_public()}\n    {rule}\n")

    with pytest.raises(Misconfigured) as raised:
        sealed.encrypt(TEXT, None, path, environ())

    assert str(raised.value).startswith(".env.production: sops left OPENAI_MODEL")
    assert "gpt-4" not in str(raised.value)


@pytest.mark.parametrize("by_rules", [True, False])
def test_nobody_else_is_let_in_by_a_variable(path, identity, recipients, by_rules):
    stranger = pyrage.x25519.Identity.generate()
    rules = path.parent.parent / ".sops.yaml"
    rules.write_text(f"creation_rules:\n  - age: {identity.to_public()}\n")
    other = path.parent.parent / "other.yaml"
    other.write_text(f"creation_rules:\n  - age: {stranger.to_public()}\n")
    variables = {"SOPS_AGE_RECIPIENTS": str(stranger.to_public()), "SOPS_CONFIG": str(other)}

    data = sealed.encrypt(TEXT, None if by_rules else recipients, path, environ(**variables))

    assert data.count(b"map_recipient=") == 1
    assert str(identity.to_public()).encode() in data
    with pytest.raises(sealed.Locked):
        sealed.decrypt(data, path, environ(stranger))


def test_a_file_for_nobody_is_refused_with_the_remedy(path):
    with pytest.raises(Misconfigured) as raised:
        sealed.encrypt(TEXT, None, path, environ())

    assert str(raised.value) == (
        "nobody is named who could read .env.production; write a public key of age or a key of "
        "Cloud KMS into the policy's env_file, or creation_rules into .sops.yaml"
    )


def test_a_key_that_is_none_is_refused_without_quoting_the_file(path):
    with pytest.raises(Unavailable) as raised:
        sealed.encrypt(TEXT, EnvFile(age=("age1" + "q" * 58,)), path, environ())

    assert str(raised.value).startswith("sops could not encrypt .env.production (exit status ")
    assert [text for text in SHOWN if text in str(raised.value)] == []


def test_plaintext_never_touches_the_disk(path, identity, recipients, tmp_path):
    """sops is replaced by a program that records its arguments and its folder, then runs sops."""
    program = tmp_path / "bin" / "sops"
    program.parent.mkdir()
    seen = tmp_path / "seen"
    real = sealed.program(os.environ)
    program.write_text(f'#!/bin/sh\nprintf "%s " "$@" >>{seen}\nenv >>{seen}\nexec {real} "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    found = f"{program.parent}{os.pathsep}{os.environ['PATH']}"

    sealed.encrypt(TEXT, recipients, path, environ(PATH=found, TMPDIR=str(temporary)))

    assert "--filename-override .env/.env.production" in seen.read_text()
    assert [text for text in SHOWN if text in seen.read_text()] == []
    assert list(temporary.iterdir()) == []
    assert not path.parent.exists()


def test_keys_of_age_and_of_the_cloud_both_reach_sops(path, tmp_path):
    """Cloud KMS itself is out of reach here: what sops is asked for is all that can be seen."""
    program, seen = tmp_path / "sops", tmp_path / "seen"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{seen}\nexit 1\n')
    program.chmod(0o700)
    key = "projects/p/locations/europe/keyRings/env/cryptoKeys/env"

    with pytest.raises(Unavailable, match=r"for Cloud KMS the credentials and the network"):
        sealed.encrypt(
            TEXT, EnvFile(age=("age1a", "age1b"), kms=key), path, environ(PATH=str(tmp_path))
        )

    assert seen.read_text().split() == [
        *("encrypt", "--age", "age1a,age1b", "--gcp-kms", key),
        *("--input-type", "dotenv", "--output-type", "dotenv"),
        *("--filename-override", ".env/.env.production"),
    ]


def test_without_sops_the_way_to_get_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sealed, "SOPS", tmp_path / "sops")

    with pytest.raises(Misconfigured) as raised:
        sealed.program({"PATH": str(tmp_path)})

    assert str(raised.value) == (
        "sops is missing, and production's file is only ever written encrypted; install it: "
        "go install github.com/getsops/sops/v3/cmd/sops@v3.13.3 "
        "(or a package from github.com/getsops/sops/releases)"
    )


def test_the_version_that_is_built_is_the_one_that_is_looked_for():
    script = (Path(__file__).parents[2] / ".ci" / "run").read_text()

    assert f"build_tool sops {sealed.VERSION} " in script
