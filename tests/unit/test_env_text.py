# SPDX-License-Identifier: Apache-2.0
"""What is written is read back the same by bash, sh, python-dotenv, Docker and ourselves."""

from __future__ import annotations

import io
import shutil
import string
import subprocess

import dotenv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinguard.env_files.text import LONGEST, is_plain, parse, render
from twinguard.errors import Misconfigured

PLAIN = string.ascii_letters + string.digits + "_.,:/@%+=?*^!#{}[]-"
NAMES = st.from_regex("[A-Z][A-Z0-9]{0,6}", fullmatch=True).map(lambda name: f"T_{name}")
TRICKY = st.sampled_from(["#x", "{a,b}", "*", "[a-z]*", "!!", "=", "a=b#c", "-n", "x!y", "{}"])
PAIRS = st.dictionaries(NAMES, st.text(PLAIN, min_size=1) | TRICKY, min_size=1, max_size=8)
UNSAFE = [" ", "$", '"', "'", "`", "\\", "\n", "\r", "\t", "&", "|", ";", "<", ">", "(", ")", "~"]


def written(pairs: dict[str, str]) -> str:
    return render([("One of them", pairs.items())])


def by_shell(shell: str, text: str, pairs: dict[str, str]) -> dict[str, str]:
    """What a shell has after `source`, told apart by zero bytes."""
    program = shutil.which(shell)
    assert program, f"{shell} is part of every system"
    printed = " ".join(f'"${name}"' for name in pairs)
    done = subprocess.run(
        [program, "-c", f'set -eu; . /dev/stdin; printf "%s\\0" {printed}'],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    return dict(zip(pairs, done.stdout.split("\0")[:-1], strict=True))


def by_docker(text: str) -> dict[str, str]:
    """As `docker run --env-file` does: no quotes, no variables, comments at a line's start."""
    lines = (line.lstrip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def by_us(text: str) -> dict[str, str]:
    return {line.name: line.value for line in parse(text.encode(), "x")}


@given(PAIRS)
def test_readers_in_python_and_docker_agree(pairs):
    text = written(pairs)

    assert dict(dotenv.dotenv_values(stream=io.StringIO(text))) == pairs
    assert by_docker(text) == pairs
    assert by_us(text) == pairs


@settings(max_examples=15, deadline=None)
@given(PAIRS, st.sampled_from(["bash", "sh"]))
def test_shells_agree(pairs, shell):
    assert by_shell(shell, written(pairs), pairs) == pairs


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_shells_take_every_character_that_is_allowed(shell):
    pairs = {f"T{number}": f"{one}a{one}" for number, one in enumerate(PLAIN)}
    pairs |= {"ALL": PLAIN, "BACK": PLAIN[::-1]}

    assert by_shell(shell, written(pairs), pairs) == pairs


@pytest.mark.parametrize("character", UNSAFE)
@pytest.mark.parametrize("place", ["{}b", "a{}b", "a{}"])
def test_a_value_that_readers_read_differently_is_refused_unseen(character, place):
    value = f"s3cr3t{place.format(character)}"

    with pytest.raises(Misconfigured) as raised:
        written({"NEO4J_PASSWORD": value})

    assert str(raised.value) == (
        "NEO4J_PASSWORD: its value is empty or holds a character that bash, python-dotenv and "
        "Docker read differently; make it of letters, digits and "
        "_ - . , : / @ % + = ? * ^ ! # { } [ ]"
    )


@given(st.text(min_size=1))
def test_only_printable_ascii_is_plain(text):
    assert is_plain(text) == (set(text) <= set(PLAIN))


@pytest.mark.parametrize("value", ["", "${lower}", "${A}b", "${A", "$A", "${A:-x}", "${}", "${1A}"])
def test_what_is_no_reference_is_not_taken_for_one(value):
    with pytest.raises(Misconfigured):
        written({"A": value})


def test_a_reference_is_filled_in_by_shells_and_python_dotenv(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY_PROD", "made-up")
    text = written({"OPENAI_API_KEY": "${OPENAI_API_KEY_PROD}"})

    assert dict(dotenv.dotenv_values(stream=io.StringIO(text))) == {"OPENAI_API_KEY": "made-up"}
    shell = f"OPENAI_API_KEY_PROD=made-up\n{text}"
    assert by_shell("bash", shell, {"OPENAI_API_KEY": ""}) == {"OPENAI_API_KEY": "made-up"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"A=1\nexport B=2\n", "x: line 2 is no NAME=value, comment or empty line; correct it"),
        (b"A=1\n\n# c\nA=2\n", "x: A stands twice, in lines 1 and 4; keep one"),
        (b"\xff=1\n", "x: not UTF-8; write it anew: make env"),
        (b"A=1\n" + b"#" * LONGEST, "x: larger than 64 kB; write it anew: make env"),
        (
            b'A="s3cr3t"\n',
            (
                "x: A in line 1 holds a character that bash, python-dotenv and Docker read "
                "differently; make its value of letters, digits and "
                "_ - . , : / @ % + = ? * ^ ! # { } [ ]"
            ),
        ),
    ],
)
def test_a_line_that_is_none_is_named_by_its_number(data, message):
    with pytest.raises(Misconfigured) as raised:
        parse(data, "x")

    assert str(raised.value) == message
    assert "s3cr3t" not in str(raised.value)


@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    try:
        lines = parse(data, "x")
    except Misconfigured:
        return

    assert len({line.name for line in lines}) == len(lines)
