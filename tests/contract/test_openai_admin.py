# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime as dt
import traceback

import pytest
import requests

from contract.openai_schema import operation, operations, problems
from twinguard.act.openai_admin import OpenAIAdmin
from twinguard.decide.key_actions import Listed, Verdict
from twinguard.errors import Misconfigured, Unavailable
from twinguard.key_ports import RateLimit, RawKey
from twinguard.standins.openai_admin import ADMIN_KEY, PROJECT
from twinguard.standins.openai_admin import OpenAIAdmin as StandIn
from twinguard.standins.server import Exchange, Fault, Server, route

NAME = "twinguard-staging-openai-api-key-1"
FAULTS = [Fault(code=429), Fault(code=500), Fault(code=503), Fault(hang_up=True)]


@pytest.fixture
def openai():
    with StandIn() as openai:
        yield openai
        assert [problem for each in openai.exchanges if each.status for problem in problems(each)
                if "asked to fail" not in str(each.answer)] == []  # fmt: skip


@pytest.fixture
def admin(openai):
    return adapter(openai.url)


def adapter(url, key=ADMIN_KEY, project=PROJECT):
    return OpenAIAdmin(key, project, "twinguard-staging", url, timeout=5)


def test_a_key_is_made_works_and_is_ended(openai, admin):
    key_id, value = admin.make(NAME)
    listed, owner, before = admin.listed(), admin.owner(value), admin.verdict(value)
    admin.drop(key_id)

    assert listed == (Listed(key_id, NAME),)
    assert (owner, before) == (key_id, Verdict.ACCEPTED)
    assert (admin.listed(), admin.verdict(value)) == ((), Verdict.REFUSED)
    (account,) = openai.accounts.values()
    assert (account["name"], account["role"]) == ("twinguard-staging", "member")


def test_ending_a_key_that_is_gone_is_no_failure(admin):
    admin.drop("key_gone")
    admin.drop("key_gone", 60)

    assert admin.listed() == ()


def test_a_key_expires_after_a_while(openai, admin):
    key_id, value = admin.make(NAME)
    now = dt.datetime.now(dt.UTC).timestamp()
    openai.clock = lambda: now
    admin.drop(key_id, 3600)
    before = admin.verdict(value)
    openai.clock = lambda: now + 3601

    assert (before, admin.verdict(value)) == (Verdict.ACCEPTED, Verdict.REFUSED)


def test_an_account_that_was_left_without_a_role_becomes_a_member(openai, admin):
    """The process died between making the account and giving it a role."""
    openai.fail(Fault(hang_up=True), method="POST", path="/service_accounts/")
    with pytest.raises(Unavailable):
        admin.make(NAME)
    admin.make(NAME)

    (account,) = openai.accounts.values()
    assert account["role"] == "member"


def test_a_new_key_may_do_what_the_policy_says_and_ends_by_itself(openai):
    url, now = openai.url, 1_795_000_000
    openai.clock = lambda: now
    limited = OpenAIAdmin(
        ADMIN_KEY, PROJECT, "twinguard-staging", url, scopes=("api.model.request",), days=98
    )

    key_id, _ = limited.make(NAME)

    key = openai.keys[key_id]
    assert (key.scopes, key.expires_at) == (["api.model.request"], now + 98 * 86_400)


def test_many_keys_are_read_page_by_page(openai, admin):
    for number in range(205):
        openai.add_key(f"key {number}")

    assert len(admin.listed()) == 205
    assert [each.query.get("after") for each in openai.exchanges] == [None, "key_100", "key_200"]


def test_when_a_key_was_last_used_is_told(openai, admin):
    openai.add_key("a").last_used_at = 1_795_000_000

    assert admin.listed()[0].last_used == dt.datetime.fromtimestamp(1_795_000_000, dt.UTC)


def test_a_key_is_never_guessed_where_two_look_alike(openai, admin):
    for number in (1, 2):
        openai.add_key(f"key {number}").value = f"sk-svcacct-{number}-same"

    with pytest.raises(Unavailable, match="2 keys of the project look alike"):
        admin.owner(RawKey("sk-svcacct-1-same"))
    assert admin.owner(RawKey("sk-svcacct-1-other")) == ""


def test_a_line_end_behind_a_value_is_no_part_of_it(openai, admin):
    key = openai.add_key("by hand")
    value = RawKey(f"{key.value}\n")

    assert (admin.owner(value), admin.verdict(value)) == (key.id, Verdict.ACCEPTED)


@pytest.mark.parametrize("text", ["", "two words\nand more", "schlüssel"])
def test_what_cannot_be_a_key_is_refused_without_asking(openai, admin, text):
    assert admin.verdict(RawKey(text)) is Verdict.REFUSED
    assert openai.exchanges == []


def test_limits_are_read_set_and_confirmed(openai, admin):
    before = (admin.spend_limit(), admin.rate_limits()[0])
    admin.limit_spend(20_000)
    admin.limit_rate("rl-gpt-3.5-turbo", 100)

    assert before == (None, RateLimit("rl-gpt-3.5-turbo", "gpt-3.5-turbo", 3500))
    assert (admin.spend_limit(), openai.models["gpt-3.5-turbo"]) == (20_000, 100)


CALLS = {
    "listed": lambda admin: admin.listed(),
    "make": lambda admin: admin.make(NAME),
    "drop": lambda admin: admin.drop("key_1"),
    "expire": lambda admin: admin.drop("key_1", 60),
    "verdict": lambda admin: admin.verdict(RawKey("sk-x")),
    "owner": lambda admin: admin.owner(RawKey("sk-x")),
    "spend_limit": lambda admin: admin.spend_limit(),
    "limit_spend": lambda admin: admin.limit_spend(1),
    "rate_limits": lambda admin: admin.rate_limits(),
    "limit_rate": lambda admin: admin.limit_rate("rl-gpt-3.5-turbo", 1),
}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_answer_is_unavailable(openai, admin, call, fault):
    openai.fail(fault)

    with pytest.raises(Unavailable, match="no answer"):
        call(admin)


def test_a_request_that_openai_refuses_is_told_from_one_it_does_not_answer(openai, admin):
    openai.fail(Fault(code=400))

    with pytest.raises(Unavailable, match=r"OpenAI refuses the request \(400\)"):
        admin.limit_spend(1)


def test_a_lost_answer_to_a_deletion_is_asked_for_again(openai, admin):
    key = openai.add_key("a")
    openai.fail(Fault(lose_answer=True), method="DELETE")
    with pytest.raises(Unavailable):
        admin.drop(key.id)
    admin.drop(key.id)

    assert admin.listed() == ()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_admin_key_is_told_without_the_key(openai, status):
    openai.fail(Fault(code=status))
    key = f"sk-admin-{status}-made-up"

    with pytest.raises(Unavailable) as raised:
        adapter(openai.url, key).listed()
    told = "".join(traceback.format_exception(raised.value))
    assert "OpenAI refuses OPENAI_ADMIN_KEY" in told
    assert key not in told


def test_a_project_that_is_not_there_names_the_policys_key(openai):
    with pytest.raises(Unavailable, match=r"check openai.project in the policy"):
        adapter(openai.url, project="proj_other").listed()


def test_an_error_never_quotes_a_value(openai, admin):
    key = openai.add_key("a")
    openai.fail(Fault(hang_up=True))

    with pytest.raises(Unavailable) as raised:
        admin.verdict(RawKey(key.value))
    assert key.value not in "".join(traceback.format_exception(raised.value))
    assert key.value not in repr((admin, RawKey(key.value), str(RawKey(key.value))))


@pytest.mark.parametrize(
    "answer",
    [[], {"data": 7}, {"data": [7]}, {"data": [{"name": "no id"}]}, {"data": [], "has_more": True}],
)
def test_an_answer_of_another_shape_is_unavailable(answer):
    path = "/v1/organization/projects/{project=*}/api_keys"
    with Server(route("GET", path, lambda _: answer)) as server, pytest.raises(Unavailable):
        adapter(server.url).listed()


def test_pages_that_never_end_are_given_up():
    page = {"data": [], "has_more": True, "last_id": "again"}
    path = "/v1/organization/projects/{project=*}/api_keys"
    with (
        Server(route("GET", path, lambda _: page)) as server,
        pytest.raises(Unavailable, match="the answers never end"),
    ):
        adapter(server.url).listed()


@pytest.mark.parametrize(
    "address",
    ["http://api.openai.com", "https://api.openai.com.example.com", "https://example.com"],
)
def test_the_admin_key_goes_to_openai_or_to_this_machine_only(address):
    with pytest.raises(Misconfigured, match="OPENAI_ENDPOINT is for"):
        adapter(address)


@pytest.mark.parametrize("key", ["", "two words", "line\nend"])
def test_a_wrong_admin_key_is_refused_without_quoting_it(key):
    with pytest.raises(Misconfigured) as raised:
        adapter("", key)

    assert not key or key not in str(raised.value)


def test_every_operation_of_the_schema_is_called(openai, admin):
    key_id, value = admin.make(NAME)
    admin.drop(key_id, 60)
    admin.owner(value)
    admin.verdict(value)
    admin.limit_spend(1)
    admin.spend_limit()
    for limit in admin.rate_limits():
        admin.limit_rate(limit.id, 1)
    admin.drop(key_id)

    assert {operation(each) for each in openai.exchanges} == operations()


@pytest.mark.parametrize(
    "exchange",
    [
        Exchange("GET", "/v1/organization/projects/p/users", {}, None, 200, {}),
        Exchange("GET", "/v1/models", {"limit": "1"}, None, 200, {"object": "list", "data": []}),
        Exchange("GET", "/v1/models", {}, None, 200, {"object": "list"}),
        Exchange("POST", "/v1/organization/projects/p/spend_limit", {},
                 {"threshold_amount": 1}, 401, {"error": "no"}),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_conform_would_be_seen(exchange):
    assert problems(exchange) != []


def test_the_stand_in_refuses_a_stranger(openai):
    with requests.Session() as http:
        answer = http.get(f"{openai.url}/v1/organization/projects/{PROJECT}/api_keys", timeout=5)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
