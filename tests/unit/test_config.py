# SPDX-License-Identifier: Apache-2.0
"""A policy is read exactly, or refused with file, key and remedy."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from twinguard import config, plain
from twinguard.errors import Misconfigured
from twinguard.policy import (
    Budget,
    Cap,
    Environment,
    Level,
    Policy,
    Project,
    Schedule,
    Slot,
    Threshold,
)

SMALLEST = """\
environment: staging
project: {id: living-twin-staging}
region: europe-west1
"""
MONEY = """\
budget:
  name: living-twin-staging-budget
  amount: 12.34
  thresholds:
    - {percent: 0.1, level: low}
    - {percent: 100, level: critical}
  cap: {enabled: true}
"""


def load(tmp_path, text: str | bytes) -> Policy:
    path = tmp_path / "policy.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return config.load(path)


def refusal(tmp_path, text: str | bytes) -> str:
    with pytest.raises(Misconfigured) as raised:
        load(tmp_path, text)
    return str(raised.value).replace(f"{tmp_path}/", "")


def test_what_is_left_out_has_a_default(tmp_path):
    policy = load(tmp_path, SMALLEST)

    assert policy == Policy(
        environment=Environment.STAGING,
        project=Project(id="living-twin-staging"),
        region="europe-west1",
    )


def test_money_and_percentages_are_exact_decimals(tmp_path):
    policy = load(tmp_path, SMALLEST + MONEY)

    assert policy.budget == Budget(
        name="living-twin-staging-budget",
        amount=Decimal("12.34"),
        thresholds=(
            Threshold(percent=Decimal("0.1"), level=Level.LOW),
            Threshold(percent=Decimal(100), level=Level.CRITICAL),
        ),
        cap=Cap(enabled=True),
    )


def test_dates_need_no_quotes_and_times_of_day_do(tmp_path):
    schedule = """\
schedule:
  time_zone: Europe/Brussels
  night: {at: "02:00"}
  morning: {at: "06:30"}
  skip: [2026-12-25, "2027-01-01"]
"""

    policy = load(tmp_path, SMALLEST + schedule)

    assert policy.schedule == Schedule(
        time_zone="Europe/Brussels",
        night=Slot(at="02:00"),
        morning=Slot(at="06:30"),
        skip=(dt.date(2026, 12, 25), dt.date(2027, 1, 1)),
    )


@pytest.mark.parametrize(
    "text", ["02:00", "22:00", "yes", "No", "on", "True", "1e3", "0x1F", "010", "1_000", ".5", "+1"]
)
def test_what_yaml_readers_disagree_about_must_be_in_quotes(tmp_path, text):
    message = refusal(tmp_path, SMALLEST + f"labels: {{owner: {text}}}")

    assert message == (
        f"policy.yaml: labels.owner: {text} means different things to different YAML readers; "
        f'write "{text}" for text, true or false, or plain digits'
    )


@pytest.mark.parametrize("text", ["02:00", "yes", "010", "500", "2026-12-25", "null"])
def test_quotes_make_text_of_anything(tmp_path, text):
    policy = load(tmp_path, SMALLEST + f'labels: {{owner: "{text}"}}')

    assert policy.labels == {"owner": text}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty; start from the policy of another environment"),
        (b"# nothing but this\n", "empty; start from the policy of another environment"),
        (b"region: \xff", "byte 8 is not UTF-8; save the file as UTF-8"),
        (
            b"a: [" + b" " * plain.LARGEST,
            "larger than 256 kB; a policy is a page or two: shorten it",
        ),
        (
            b"\xff" * (plain.LARGEST + 2),
            "larger than 256 kB; a policy is a page or two: shorten it",
        ),
        (b"[" * 5000, "line 1: nested deeper than 20 levels; a policy never is"),
        (
            b"a: &x [1]\nb: [*x, *x]",
            "line 1: anchors and aliases are not read; write the value out",
        ),
        (b"a: *x", "line 1: anchors and aliases are not read; write the value out"),
        (
            b"a: !!python/name:os.system x",
            "line 1: the tag tag:yaml.org,2002:python/name:os.system is not read; remove it",
        ),
        (
            b"region: a\nregion: b\n",
            "region: stands twice, again in line 2; keep one",
        ),
        (
            b"a:\n  b: 1\n  b: 2\n",
            "a.b: stands twice, again in line 3; keep one",
        ),
        (b"? [a]\n: b", "line 1: a key that is not text (line 1); write a name"),
        (
            b"a: \t- b",
            (
                "line 1: while scanning for the next token, found character '\\t' that cannot "
                "start any token; mend the YAML there"
            ),
        ),
        (
            b"a: 1\n---\nb: 2",
            (
                "line 2: expected a single document in the stream, but found another document; "
                "mend the YAML there"
            ),
        ),
        (b"a: \x00", "a character that YAML does not allow; mend the YAML there"),
        (
            b"[1, 2]",
            "the whole file: a list is not a block of keys; write its keys below it, indented",
        ),
        (b"a: 2026-13-01", "a: month must be in 1..12"),
    ],
)
def test_a_file_that_is_no_policy_is_refused(tmp_path, text, message):
    assert refusal(tmp_path, text) == f"policy.yaml: {message}"


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Misconfigured) as raised:
        config.load(tmp_path / "policy.yaml")

    assert str(raised.value) == (
        f"{tmp_path}/policy.yaml: cannot be read (No such file or directory); check the path"
    )


@pytest.mark.parametrize("folder", ["production", "environments/sandbox"])
def test_a_policy_must_stand_in_the_folder_of_its_environment(tmp_path, folder):
    place = tmp_path / folder
    place.mkdir(parents=True)

    message = refusal(place, SMALLEST)

    assert message == (
        f"policy.yaml: environment: staging stands in the folder {place.name}; "
        "make the two the same, or move the file"
    )


def test_rendered_json_reads_back_as_the_same_policy(tmp_path):
    policy = load(tmp_path, SMALLEST + MONEY)

    assert config.parse(config.render(policy), "TWINGUARD_POLICY") == policy
    assert '"amount":12.34,' in config.render(policy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; write the output of config.render into it"),
        (
            "{",
            (
                "not JSON at line 1, column 2 (Expecting property name enclosed in double quotes); "
                "write the output of config.render into it"
            ),
        ),
        ('{"a": 1, "a": 2}', "a: stands twice in one block; keep one"),
        (
            '{"a": NaN}',
            "NaN is not a number of at most 15 digits; write it out, as 1500 or 12.34",
        ),
        (
            '{"a": 1e999}',
            "1e999 is not a number of at most 15 digits; write it out, as 1500 or 12.34",
        ),
        ("[" * 100_000, "nested too deeply; a policy never is"),
        (" " * (plain.LARGEST + 1), "larger than 256 kB; a policy is a page or two: shorten it"),
        ('{"environment": "staging"}', "project: missing; add it"),
    ],
)
def test_json_that_is_no_policy_is_refused(text, message):
    with pytest.raises(Misconfigured) as raised:
        config.parse(text, "TWINGUARD_POLICY")

    assert str(raised.value) == f"TWINGUARD_POLICY: {message}"


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-inf", "1e99999", "٣"])
def test_a_number_in_quotes_must_be_as_plain_as_without(tmp_path, amount):
    message = refusal(tmp_path, SMALLEST + MONEY.replace("12.34", f'"{amount}"'))

    assert message == (
        f"policy.yaml: budget.amount: {amount} is not a number of at most 15 digits; "
        "write it out, as 1500 or 12.34"
    )


@given(st.text(max_size=200))
def test_no_json_text_ends_in_anything_but_a_refusal(text):
    with pytest.raises(Misconfigured):
        config.parse(text, "TWINGUARD_POLICY")


@given(st.text(alphabet=" \n\t:-[]{}&*!?|>#'\"%@`,a1.0~<=", max_size=60))
def test_no_yaml_text_ends_in_anything_but_a_value_or_a_refusal(text):
    with contextlib.suppress(Misconfigured):
        value = plain.from_yaml(text, "policy.yaml")

        assert isinstance(value, (str, int, Decimal, dt.date, list, dict, type(None)))


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("production", Environment.PRODUCTION),
        (" Prod ", Environment.PRODUCTION),
        ("stage", Environment.STAGING),
        ("dev", Environment.DEVELOPMENT),
        ("test", Environment.CI),
        ("local", Environment.LOCAL),
    ],
)
def test_a_command_line_takes_short_names(text, environment):
    assert config.environment_named(text) is environment


def test_an_unknown_environment_is_refused_with_the_closest_name():
    with pytest.raises(Misconfigured) as raised:
        config.environment_named("produciton")

    assert str(raised.value) == (
        "'produciton' is not an environment; did you mean production? choose production, staging, "
        "development, ci, local (or prod, stage, stg, dev, test, cicd)"
    )


def test_the_schema_knows_the_same_numbers_as_the_reader():
    """`config.DECIMALS` names the fields whose quoted numbers are checked."""
    found = {
        name
        for block in config.schema()["$defs"].values()
        for name, field in block.get("properties", {}).items()
        if "number" in (field.get("type"), *(f.get("type") for f in field.get("anyOf", ())))
    }

    assert found == config.DECIMALS


def test_the_schema_accepts_what_the_reader_renders(tmp_path):
    schema = config.schema()
    Draft202012Validator.check_schema(schema)
    rendered = json.loads(config.render(load(tmp_path, SMALLEST + MONEY)))

    assert list(Draft202012Validator(schema).iter_errors(rendered)) == []
