# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import traceback

import pytest

from contract.brokers import FAULTS
from contract.discovery import method_ids, problems
from twinguard.act.api_keys import ApiKeys, restricted
from twinguard.decide.key_actions import Verdict
from twinguard.errors import Conflict, Misconfigured, Unavailable
from twinguard.key_ports import NameTaken, RawKey
from twinguard.provisions import ApiKey
from twinguard.standins.server import Fault

KEYS = "projects/demo/locations/global/keys"
NAME = "twinguard-staging-maps-1"
POLICY = ApiKey(apis=("maps.googleapis.com", "geo.googleapis.com"), addresses=("10.0.0.1",))


@pytest.fixture(autouse=True)
def conforming(google):
    yield
    assert [problem for each in google.exchanges for problem in problems(each)] == []


@pytest.fixture
def api(google):
    return ApiKeys("demo", POLICY, google.url, timeout=5, pause=lambda _: None)


def test_a_key_is_made_with_its_restrictions_and_ended(google, api):
    key_id, value = api.make(NAME)
    before = (api.owner(value), api.verdict(value), [key.name for key in api.listed()])
    api.drop(key_id)

    assert before == (NAME, Verdict.ACCEPTED, [NAME])
    assert (api.listed(), api.verdict(value)) == ((), Verdict.REFUSED)
    assert google.api_keys.keys[f"{KEYS}/{NAME}"]["restrictions"] == {
        "apiTargets": [{"service": "geo.googleapis.com"}, {"service": "maps.googleapis.com"}],
        "serverKeyRestrictions": {"allowedIps": ["10.0.0.1"]},
    }


def test_a_name_is_used_once_even_by_a_key_that_was_deleted(api):
    """A key that was ended may have been stolen: it is never had back."""
    _, first = api.make(NAME)
    with pytest.raises(NameTaken, match="there is or was one of that name"):
        api.make(NAME)
    before = api.verdict(first)
    api.drop(NAME)
    with pytest.raises(NameTaken):
        api.make(NAME)

    assert (before, api.verdict(first)) == (Verdict.ACCEPTED, Verdict.REFUSED)


def test_a_conflict_without_such_a_key_is_no_used_up_name(google, api):
    google.fail(Fault(409, "ABORTED"), method="POST")

    with pytest.raises(Conflict, match="changed since it was read") as raised:
        api.make(NAME)
    assert not isinstance(raised.value, NameTaken)


def test_a_key_without_its_restrictions_is_not_accepted(google, api):
    value = google.api_keys.add(f"{KEYS}/loose", "loose")

    assert api.verdict(RawKey(value)) is Verdict.FORBIDDEN


def test_a_browsers_key_is_restricted_to_its_sites():
    key = ApiKey(
        apis=("maps.googleapis.com",), referrers=("https://b.example", "https://a.example")
    )

    assert restricted(key)["browserKeyRestrictions"] == {
        "allowedReferrers": ["https://a.example", "https://b.example"]
    }


def test_google_has_no_later_end_and_a_gone_key_is_no_failure(api):
    api.make(NAME)
    api.drop(NAME, 60)
    api.drop("gone")

    assert [key.id for key in api.listed()] == [NAME]


def test_many_keys_are_read_page_by_page(google, api):
    for number in range(310):
        google.api_keys.add(f"{KEYS}/key-{number}")

    assert len(api.listed()) == 310


def test_a_name_that_google_would_not_take_is_refused_with_the_remedy(api):
    with pytest.raises(Misconfigured, match="Google takes 63 characters; shorten the secret"):
        api.make("twinguard-staging-" + "x" * 46)


def test_an_operation_that_never_ends_is_given_up(google, api):
    google.api_keys.polls = 10_000

    with pytest.raises(Unavailable, match="not confirmed in time"):
        api.make(NAME)


CALLS = {
    "listed": lambda api: api.listed(),
    "make": lambda api: api.make(NAME),
    "drop": lambda api: api.drop(NAME),
    "verdict": lambda api: api.verdict(RawKey("x")),
    "owner": lambda api: api.owner(RawKey("x")),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_api_that_does_not_answer_is_unavailable(google, api, call, fault):
    google.fail(fault)

    with pytest.raises(Unavailable, match=r"no answer|not permitted"):
        call(api)


def test_an_error_never_quotes_a_value(google, api):
    value = google.api_keys.add(f"{KEYS}/one")
    google.fail(Fault(hang_up=True), path="keyString")

    with pytest.raises(Unavailable) as raised:
        api.owner(RawKey(value))
    assert value not in "".join(traceback.format_exception(raised.value))


def test_no_adapter_starts_with_an_endpoint_that_could_catch_a_value():
    with pytest.raises(Misconfigured, match="API_KEYS_ENDPOINT is"):
        ApiKeys("demo", POLICY, "https://apikeys.example.com")


def test_every_call_is_one_of_googles(google, api):
    api.make(NAME)
    api.drop(NAME)

    called = {name for each in google.exchanges for name in method_ids(each)}
    prefix = "apikeys.projects.locations.keys."
    assert {name.removeprefix(prefix) for name in called} == {
        *("create", "delete", "get", "getKeyString", "list"),
        "apikeys.operations.get",
    }
