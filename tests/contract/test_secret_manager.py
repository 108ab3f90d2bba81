# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime as dt
import pickle
import traceback

import pytest

from contract.brokers import FAULTS
from contract.discovery import method_ids, problems
from twinguard.act.secret_manager import SecretManager, crc32c
from twinguard.decide.key_actions import Shelf, Version, VersionState
from twinguard.errors import Conflict, Misconfigured, Unavailable
from twinguard.key_ports import RawKey
from twinguard.standins.server import Fault, Server, route

NAME = "projects/demo/secrets/staging-openai-api-key"
SECRET = "staging-openai-api-key"
NOW = dt.datetime(2026, 11, 23, 8, tzinfo=dt.UTC)
VALUE = RawKey("sk-made-up-value")


@pytest.fixture(autouse=True)
def conforming(google):
    google.secrets.add(NAME, keeps="2592000s")
    google.secrets.add_version(NAME, NOW, value=b"sk-first")
    yield
    found = [problem for each in google.exchanges for problem in problems(each)]
    assert found == []


@pytest.fixture
def secrets(google):
    return SecretManager("demo", google.url, timeout=5)


def states(shelf):
    return [version.state for version in shelf.versions]


def test_a_secret_is_read_without_its_values(google, secrets):
    assert secrets.read(SECRET) == Shelf(
        (Version(1, VersionState.ENABLED, NOW),), current=0, keeps=True
    )
    assert not [each for each in google.exchanges if ":access" in each.path]


def test_a_secret_that_is_not_there_is_none(secrets):
    assert secrets.read("staging-other") is None


def test_a_value_goes_in_with_its_checksum_and_comes_back(google, secrets):
    number = secrets.add(SECRET, VALUE)

    assert (number, secrets.value(SECRET, number).reveal()) == (2, VALUE.reveal())
    payload = google.exchanges[0].body["payload"]
    assert payload["dataCrc32c"] == str(crc32c(VALUE.reveal().encode()))


def test_readers_of_current_get_what_is_promoted_and_other_aliases_stay(google, secrets):
    google.secrets.point(NAME, 1)
    google.secrets._secrets[NAME]["versionAliases"]["stable"] = "1"
    number = secrets.add(SECRET, VALUE)
    before = google.secrets.read(NAME)
    secrets.promote(SECRET, number)
    secrets.promote(SECRET, number)

    assert (before, google.secrets.read(NAME)) == (b"sk-first", b"sk-made-up-value")
    assert google.secrets.read(NAME, "stable") == b"sk-first"
    assert len([each for each in google.exchanges if each.method == "PATCH"]) == 1


def test_a_secret_that_somebody_else_changed_is_a_conflict(google, secrets):
    secrets.add(SECRET, VALUE)
    google.fail(Fault(code=400, status="FAILED_PRECONDITION"), method="PATCH")

    with pytest.raises(Conflict, match="it is read again"):
        secrets.promote(SECRET, 2)


def test_a_promotion_that_did_not_happen_is_not_confirmed():
    secret = {"name": NAME, "etag": '"1"', "versionAliases": {}}
    routes = (
        route("GET", "/v1/{name=projects/*/secrets/*}", lambda _: secret),
        route("PATCH", "/v1/{name=projects/*/secrets/*}", lambda _: secret),
    )
    with Server(*routes) as server, pytest.raises(Unavailable, match="not confirmed"):
        SecretManager("demo", server.url).promote(SECRET, 2)


def test_a_version_is_disabled_and_then_waits_for_its_destruction(secrets):
    secrets.end(SECRET, 1, destroy=False)
    disabled = states(secrets.read(SECRET))
    secrets.end(SECRET, 1, destroy=False)
    secrets.end(SECRET, 1, destroy=True)
    ending = states(secrets.read(SECRET))
    secrets.end(SECRET, 1, destroy=True)

    assert (disabled, ending) == ([VersionState.DISABLED], [VersionState.ENDING])
    assert secrets.value(SECRET, 1) is None


def test_without_a_time_to_wait_a_destruction_is_at_once(google, secrets):
    google.secrets.add("projects/demo/secrets/other")
    google.secrets.add_version("projects/demo/secrets/other", NOW, value=b"x")
    secrets.end("other", 1, destroy=True)
    secrets.end("other", 1, destroy=True)

    assert states(secrets.read("other")) == [VersionState.DESTROYED]
    assert not secrets.read("other").keeps


def test_ending_or_reading_a_version_that_is_not_there_is_no_failure(secrets):
    secrets.end(SECRET, 7, destroy=True)

    assert secrets.value(SECRET, 7) is None


def test_many_versions_are_read_page_by_page(google, secrets):
    for _ in range(600):
        google.secrets.add_version(NAME, NOW, "DESTROYED")

    shelf = secrets.read(SECRET)

    assert (len(shelf.versions), shelf.newest) == (601, 601)


def test_a_value_that_was_damaged_on_its_way_is_refused():
    answer = {"name": "n", "payload": {"data": "eA==", "dataCrc32c": "1"}}
    path = "/v1/{name=projects/*/secrets/*/versions/*}:access"
    with (
        Server(route("GET", path, lambda _: answer)) as server,
        pytest.raises(Unavailable, match="damaged"),
    ):
        SecretManager("demo", server.url).value(SECRET, 1)


@pytest.mark.parametrize("payload", [{}, {"data": 7}, {"data": "%"}, {"data": "/w=="}])
def test_an_answer_without_a_text_is_unavailable(payload):
    path = "/v1/{name=projects/*/secrets/*/versions/*}:access"
    with (
        Server(route("GET", path, lambda _: {"payload": payload})) as server,
        pytest.raises(Unavailable),
    ):
        SecretManager("demo", server.url).value(SECRET, 1)


CALLS = {
    "read": lambda secrets: secrets.read(SECRET),
    "add": lambda secrets: secrets.add(SECRET, VALUE),
    "value": lambda secrets: secrets.value(SECRET, 1),
    "promote": lambda secrets: secrets.promote(SECRET, 1),
    "end": lambda secrets: secrets.end(SECRET, 1, destroy=True),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_secret_manager_that_does_not_answer_is_unavailable(google, secrets, call, fault):
    google.fail(fault)

    with pytest.raises(Unavailable, match=r"no answer|not permitted") as raised:
        call(secrets)
    told = "".join(traceback.format_exception(raised.value))
    assert VALUE.reveal() not in told
    assert "c2stbWFkZS11cC12YWx1ZQ" not in told


def test_no_adapter_starts_with_an_endpoint_that_could_catch_a_value():
    with pytest.raises(Misconfigured, match="SECRET_MANAGER_ENDPOINT is"):
        SecretManager("demo", "https://secretmanager.example.com")


def test_every_call_is_one_of_googles(google, secrets):
    secrets.promote(SECRET, secrets.add(SECRET, VALUE))
    secrets.value(SECRET, 2)
    secrets.read(SECRET)
    secrets.end(SECRET, 1, destroy=False)
    secrets.end(SECRET, 1, destroy=True)

    called = {name for each in google.exchanges for name in method_ids(each)}
    assert {name.removeprefix("secretmanager.projects.secrets.") for name in called} == {
        *("addVersion", "get", "patch"),
        *(f"versions.{verb}" for verb in ("access", "destroy", "disable", "get", "list")),
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA)],
)
def test_the_checksum_is_castagnolis(data, expected):
    """Check values of RFC 3720, appendix B.4, and of the catalogue of CRCs."""
    assert crc32c(data) == expected


def test_a_raw_key_says_nothing_unasked():
    told = (repr(VALUE), str(VALUE), f"{VALUE}", repr([VALUE]))

    assert not [text for text in told if "made-up" in text]
    with pytest.raises(TypeError, match="never written"):
        pickle.dumps(VALUE)
