# SPDX-License-Identifier: Apache-2.0
"""The application reads its settings, or refuses them by name; no secret ever shows itself."""

from __future__ import annotations

import copy
import logging
import pickle
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import asdict

from twinguard import config
from twinguard.cli.env import resolved, text_of
from twinguard.env_files.sources import from_shell
from twinguard.errors import Misconfigured
from twinguard.policy import Environment
from twinguard.secret_text import SecretText
from twinguard.settings import Settings

KEY = "made-up-key-0123456789"
PASSWORD = "made-up-password"
SHELL = {
    **{f"OPENAI_API_KEY_{suffix}": KEY for suffix in ("PROD", "STAGING", "DEV", "TEST")},
    **{f"NEO4J_{suffix}_USER": "ada" for suffix in ("PROD", "STAGING")},
    **{f"NEO4J_{suffix}_PASSWORD": PASSWORD for suffix in ("PROD", "STAGING")},
}
STAGING = {
    "OPENAI_API_KEY": KEY,
    "OPENAI_MODEL": "gpt-3.5-turbo",
    "OPENAI_MAX_TOKENS": "1000",
    "OPENAI_RATE_LIMIT": "100",
    "NEO4J_URI": "neo4j://staging.neo4j.io",
    "NEO4J_USER": "ada",
    "NEO4J_PASSWORD": PASSWORD,
    "MAX_MONTHLY_COST": "500",
    "ENABLE_COST_CAPS": "true",
}


def file_of(folder, environment):
    policy = config.load(config.path_of(environment))
    path = folder / ".env" / "x"
    path.parent.mkdir()
    path.write_text(text_of(policy, resolved(policy, from_shell(SHELL))))
    return path


@pytest.mark.parametrize("environment", Environment)
def test_what_make_env_writes_the_application_reads(tmp_path, environment):
    policy = config.load(config.path_of(environment))

    found = Settings.from_file(file_of(tmp_path, environment), {})

    budget = policy.budget
    assert found.enable_cost_caps == (budget is not None)
    assert found.max_monthly_cost == (budget.amount if budget else None)
    assert found.openai_rate_limit == (policy.openai.requests_per_minute if policy.openai else None)
    assert found.neo4j_uri == policy.neo4j.uri
    assert found.use_local_llm == (policy.local_llm is not None)
    assert found.firebase_use_emulator == (policy.emulators is not None)


def test_every_type_is_what_it_says(tmp_path):
    found = Settings.from_file(file_of(tmp_path, Environment.PRODUCTION), {})

    assert found == Settings(
        openai_api_key=SecretText(KEY),
        openai_model="gpt-4",
        openai_max_tokens=2000,
        openai_temperature=Decimal("0.7"),
        openai_rate_limit=1000,
        gcp_project_id="living-twin-prod",
        gcp_region="europe-west1",
        gcp_service_account="living-twin-prod@living-twin-prod.iam.gserviceaccount.com",
        neo4j_uri="neo4j+s://prod-cluster.neo4j.io",
        neo4j_user="ada",
        neo4j_password=SecretText(PASSWORD),
        firebase_project_id="living-twin-prod",
        firebase_auth_domain="living-twin-prod.firebaseapp.com",
        max_monthly_cost=Decimal(5000),
        alert_thresholds=(Decimal(50), Decimal(75), Decimal(90)),
        enable_cost_caps=True,
    )


def test_a_process_reads_its_own_variables_and_leaves_others_alone():
    found = Settings.from_environ({**STAGING, "PATH": "/bin", "OPENAI_BASE_URL": "x"})

    assert (found.openai_max_tokens, found.neo4j_user) == (1000, "ada")


def test_references_are_filled_in(tmp_path):
    path = tmp_path / "x"
    text = "\n".join(f"{name}={value}" for name, value in STAGING.items())
    path.write_text(text.replace(KEY, "${OPENAI_API_KEY_STAGING}"))

    assert Settings.from_file(path, SHELL).openai_api_key == SecretText(KEY)
    with pytest.raises(Misconfigured) as raised:
        Settings.from_file(path, {})
    assert str(raised.value) == (
        f"{path}: OPENAI_API_KEY needs OPENAI_API_KEY_STAGING, which is not set"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"OPENAI_MODEL": None}, "OPENAI_MODEL is missing; OPENAI_API_KEY needs it"),
        ({"NEO4J_PASSWORD": None}, "NEO4J_PASSWORD is missing; NEO4J_URI needs it"),
        ({"ENABLE_COST_CAPS": None}, "ENABLE_COST_CAPS is missing"),
        ({"MAX_MONTHLY_COST": None}, "MAX_MONTHLY_COST is missing; ENABLE_COST_CAPS needs it"),
        ({"OPENAI_MODLE": "x"}, "OPENAI_MODLE is not known; did you mean OPENAI_MODEL? Otherwise"),
        ({"SMTP_HOST": "x"}, "SMTP_HOST is not known; remove it"),
        ({"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is empty; give it a value, or remove it"),
        ({"OPENAI_MAX_TOKENS": "many"}, "OPENAI_MAX_TOKENS is not a whole number; correct it"),
        ({"OPENAI_MAX_TOKENS": "1.5"}, "OPENAI_MAX_TOKENS is not a whole number; correct it"),
        ({"OPENAI_RATE_LIMIT": "0"}, "OPENAI_RATE_LIMIT is not a whole number >= 1; correct it"),
        ({"ENABLE_COST_CAPS": "yes"}, "ENABLE_COST_CAPS is not true or false; correct it"),
        ({"MAX_MONTHLY_COST": "NaN"}, "MAX_MONTHLY_COST is not a number in plain digits; correct"),
        ({"MAX_MONTHLY_COST": "5e2"}, "MAX_MONTHLY_COST is not a number in plain digits; correct"),
        ({"ALERT_THRESHOLDS": "5,,9"}, "ALERT_THRESHOLDS is not a number in plain digits; correct"),
        ({"OPENAI_TEMPERATURE": "hot"}, "OPENAI_TEMPERATURE is not a number in plain digits"),
    ],
)
def test_a_mistake_is_refused_with_file_and_name(tmp_path, change, message):
    path = tmp_path / "x"
    pairs = {name: value for name, value in (STAGING | change).items() if value is not None}
    path.write_text("".join(f"{name}={value}\n" for name, value in pairs.items()))

    with pytest.raises(Misconfigured) as raised:
        Settings.from_file(path, {})

    assert str(raised.value).startswith(f"{path}: {message}")
    assert KEY not in str(raised.value)
    assert PASSWORD not in str(raised.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match="does not exist; write it: make env"):
        Settings.from_file(tmp_path / ".env" / "x", {})


# --- what never shows itself ---------------------------------------------------------------------


def test_no_secret_shows_when_settings_are_printed_or_logged(caplog):
    found = Settings.from_environ(STAGING)
    caplog.set_level(logging.INFO)
    logging.getLogger("x").info("%s %r %s", found, found, found.openai_api_key)

    shown = [
        caplog.text,
        f"{found}{found!r}{found.openai_api_key}{found.openai_api_key!r:>60}",
        str(asdict(found)),
        str(copy.deepcopy(found)),
    ]

    assert [text for text in shown if KEY in text or PASSWORD in text] == []
    assert "[hidden]" in caplog.text


@pytest.mark.parametrize("kept", [SecretText(KEY), Settings.from_environ(STAGING)])
def test_no_secret_is_kept_in_a_pickle_or_in_json(kept):
    for way in (pickle.dumps, msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError) as raised:
            way(kept)
        assert KEY not in str(raised.value)


def test_a_secret_is_compared_and_never_hashed():
    assert SecretText("a") == SecretText("a")
    assert SecretText("a") != SecretText("b")
    assert SecretText("a") != "a"
    assert (bool(SecretText("")), SecretText("a").reveal()) == (False, "a")
    with pytest.raises(TypeError):
        hash(SecretText("a"))
    assert not hasattr(SecretText("a"), "__dict__")
