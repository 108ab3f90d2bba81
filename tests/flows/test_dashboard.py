# SPDX-License-Identifier: Apache-2.0
"""The dashboard over HTTP, without a browser: what is answered, refused, done and written down."""

from __future__ import annotations

import datetime as dt
import re
import threading

import pytest
import requests

from browser.furniture import STAGING, now
from browser.house import ALARMING, EMPTY, SECRETS, house, served
from twinguard.customer_keys import CustomerKeys
from twinguard.decide.customer_keys import KeyState
from twinguard.errors import Unavailable
from twinguard.web.dashboard.app import application
from twinguard.web.dashboard.identity import Person
from twinguard.web.dashboard.lately import Lately
from twinguard.web.dashboard.site import LOOPBACK, Site

READ = ("/", "/staging/costs", "/staging/operations", "/staging/security", "/development/costs")
ACTS = (
    *("wake/manual", "lift/budget", "rotate/openai-api-key", "enable/nobody"),
    *("unblock/nobody", "raise/tenant:acme", "unraise/tenant:acme"),
)


class Reader:
    """Somebody who may only read."""

    def person(self, headers, now):
        return Person("bob@example.com", may_act=False)


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def alarmed(tmp_path_factory, exports):
    with house(tmp_path_factory.mktemp("alarmed"), ALARMING, exports) as found:
        yield found


def trail(found) -> list[dict]:
    return [one.value for one in found.staging.pipeline.ports.records.find("audit")]


def token(session: requests.Session, url: str) -> str:
    return re.search(r'name="csrf" value="(\w+)"', session.get(url, timeout=20).text)[1]


@pytest.mark.parametrize("path", READ)
def test_a_page_is_answered_and_shows_no_secret(alarmed, path):
    answer = requests.get(alarmed.url + path, timeout=20)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert [secret for secret in SECRETS if secret in answer.text] == []


def test_an_earlier_month_is_shown_with_its_own_sum(alarmed):
    page = requests.get(f"{alarmed.url}/staging/costs", timeout=20).text
    months = re.findall(r'costs\?month=([0-9-]+)">[^<]+</a></td><td class="n">([0-9.,]+)<', page)
    month, net = months[-2]

    earlier = requests.get(f"{alarmed.url}/staging/costs?month={month}", timeout=60).text

    assert f"{net} USD" in earlier
    assert "An earlier month." in earlier


@pytest.mark.parametrize("section", ["costs", "operations", "security"])
def test_a_section_without_an_environment_leads_to_one(alarmed, section):
    answer = requests.get(f"{alarmed.url}/{section}", timeout=20)

    assert answer.url == f"{alarmed.url}/staging/{section}"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/production/costs",
        "/staging/security/incidents/staging/nothing",
        "/staging/security/keys/nobody",
        "/staging/act/explode/everything",
        "/staging/act/wake/everything",
        "/staging/act/wake/all",
        "/staging/act/rotate/nothing",
        "/staging/act/raise/environment",
        "/staging/act/raise/environment:ci",
        "/staging/act/raise/acme",
        "/staging/done/7",
        "/staging/costs?month=october",
        "/staging/costs?month=1066-10",
        "/static/../dashboard/site.py",
        "/static/%2e%2e/dashboard/site.py",
    ],
)
def test_what_is_not_there_is_said_to_be_missing(alarmed, path):
    assert requests.get(alarmed.url + path, timeout=20).status_code == 404


@pytest.mark.parametrize(
    "act", ["wake/budget", "wake/all", "lift/night", "rotate/nothing", "raise/environment:ci"]
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(alarmed, act):
    before = trail(alarmed)
    with requests.Session() as session:
        session.get(f"{alarmed.url}/", timeout=20)
        sent = alarmed.site.token(session.cookies["twinguard"], "ada")
        answer = session.post(
            f"{alarmed.url}/staging/act/{act}", data={"reason": "no", "csrf": sent}, timeout=20
        )
        known = session.post(
            f"{alarmed.url}/staging/act/{act}",
            data={"reason": "a good one", "amount": "80", "until": "1d", "csrf": sent},
            timeout=20,
        )

    assert (answer.status_code, known.status_code, trail(alarmed)) == (404, 404, before)


@pytest.mark.parametrize("act", ACTS)
def test_a_form_without_its_token_does_nothing(alarmed, act):
    before = trail(alarmed)

    answer = requests.post(
        f"{alarmed.url}/staging/act/{act}", data={"reason": "for nothing"}, timeout=20
    )

    assert (answer.status_code, trail(alarmed)) == (403, before)


def test_the_token_of_another_session_is_refused(alarmed):
    url = f"{alarmed.url}/staging/act/wake/manual"
    stolen = token(requests.Session(), url)

    answer = requests.post(url, data={"reason": "for nothing", "csrf": stolen}, timeout=20)

    assert answer.status_code == 403


def test_who_may_only_read_sees_no_action_and_can_do_none(alarmed):
    before = trail(alarmed)
    site = Site(LOOPBACK, Reader(), b"s" * 32)
    with served(application(alarmed.watched, site, now)) as url, requests.Session() as session:
        operations = session.get(f"{url}/staging/operations", timeout=20).text
        asked = session.get(f"{url}/staging/act/wake/manual", timeout=20).text
        sent = site.token(session.cookies["twinguard"], "bob@example.com")
        posted = session.post(
            f"{url}/staging/act/wake/manual", data={"reason": "for me", "csrf": sent}, timeout=20
        )

    assert "/act/" not in operations
    assert "You may read here" in asked
    assert "<form" not in asked
    assert (posted.status_code, trail(alarmed)) == (403, before)


def test_what_fails_is_audited_as_failed(tmp_path, exports):
    """Nobody plays Secret Manager here, so a rotation cannot succeed."""
    with house(tmp_path, ALARMING, exports) as found, requests.Session() as session:
        session.get(f"{found.url}/", timeout=20)
        sent = found.site.token(session.cookies["twinguard"], "ada")
        answer = session.post(
            f"{found.url}/staging/act/rotate/openai-api-key",
            data={"reason": "it leaked", "csrf": sent},
            timeout=60,
        )
        begun = next(one for one in trail(found) if one.get("action") == "RotateByHand")

    assert "/done/" in answer.url
    assert "failed" in answer.text
    assert (begun["actor"], begun["detail"]) == ("ada", "it leaked")


@pytest.mark.parametrize(
    ("amount", "until", "words"),
    [
        ("", "7d", "Amount is &#39;&#39;; write it as 80 or 12.50."),
        ("-1", "7d", "write 0 to 9,007,199 USD"),
        ("policy", "7d", "write it as 80"),
        ("80", "", "a limit needs an end"),
        ("80", "2020-01-01", "must be ahead"),
    ],
)
def test_a_limit_that_cannot_be_is_refused_before_anything_is_written(
    alarmed, amount, until, words
):
    before, book = trail(alarmed), alarmed.staging.raising.book
    limits = book.limits()
    with requests.Session() as session:
        session.get(f"{alarmed.url}/", timeout=20)
        sent = alarmed.site.token(session.cookies["twinguard"], "ada")
        answer = session.post(
            f"{alarmed.url}/staging/act/raise/tenant:acme",
            data={"reason": "they asked", "amount": amount, "until": until, "csrf": sent},
            timeout=20,
        )

    assert (answer.status_code, words in answer.text) == (422, True)
    assert (trail(alarmed), book.limits()) == (before, limits)


def test_records_that_do_not_answer_leave_costs_and_findings_as_they_are(tmp_path, exports):
    def read():
        raise Unavailable("Firestore does not answer")

    with house(tmp_path, ALARMING, exports) as found:
        found.staging._records = Lately(read, dt.timedelta(seconds=10), now)
        pages = {path: requests.get(found.url + path, timeout=20) for path in READ}

    assert {path: answer.status_code for path, answer in pages.items()} == dict.fromkeys(READ, 200)
    said = [path for path in READ if "Firestore does not answer" in pages[path].text]
    assert said == ["/", "/staging/costs", "/staging/operations", "/staging/security"]
    assert "Models, by key" in pages["/staging/costs"].text
    assert "new addresses" in pages["/staging/security"].text
    assert "Not known while the records do not answer." in pages["/staging/security"].text


def test_a_scope_that_spent_nothing_yet_has_a_limit_too_and_no_scope_is_said_to_be_none(alarmed):
    url = f"{alarmed.url}/staging/act/raise"
    known = requests.get(url, params={"scope": "feature:new one"}, timeout=20)
    unknown = requests.get(url, params={"scope": "tenat:acme"}, timeout=20)

    assert known.url == f"{url}/feature%3Anew%20one"
    assert "Set another limit for feature:new one?" in known.text
    assert (unknown.status_code, "is no scope; write it like" in unknown.text) == (422, True)


def test_a_server_settles_once_everything_was_read(alarmed):
    done = threading.Event()
    with served(application(alarmed.watched, alarmed.site, now, done.set)):
        assert done.wait(60)


def test_without_a_ledger_what_gateways_wrote_down_is_shown(alarmed):
    page = requests.get(f"{alarmed.url}/development/costs", timeout=20).text

    assert "what is held only the ledger knows" in page
    assert "not known" in page


def test_a_key_that_is_not_there_cannot_be_enabled(alarmed):
    with requests.Session() as session:
        session.get(f"{alarmed.url}/", timeout=20)
        sent = alarmed.site.token(session.cookies["twinguard"], "ada")
        answer = session.post(
            f"{alarmed.url}/staging/act/enable/nobody",
            data={"reason": "for nothing", "csrf": sent},
            timeout=20,
        )

    assert answer.status_code == 503
    assert "id has 12 characters" in answer.text


def test_blocked_keys_are_those_of_the_records(alarmed):
    keys = CustomerKeys(
        alarmed.staging.pipeline.ports.records, STAGING.environment, STAGING.retention
    ).find(now(), state=KeyState.DISABLED)

    blocked = alarmed.staging.security.blocked()

    assert {one.key_id for one in blocked} == {keys[0].id, "openai-api-key"}
    assert alarmed.staging.security.throttled() == ()


def test_a_house_without_anything_says_so_on_each_page(tmp_path, exports):
    with house(tmp_path, EMPTY, exports) as found:
        operations = requests.get(f"{found.url}/staging/operations", timeout=20).text
        security = requests.get(f"{found.url}/staging/security", timeout=20).text

    assert "Nothing of staging is held." in operations
    assert "Nothing has been done yet." in operations
    assert "No finding yet." in security
    assert "No key is blocked." in security


def numbered(number: int) -> str:
    """The id of a finding: how far the file was told of, and the incidents."""
    return f"{number:012d}-{0:015d}"


def test_the_stream_sends_findings_after_the_last_one_seen(tmp_path, exports):
    with house(tmp_path, EMPTY, exports) as found:
        for number in (1, 2, 3):
            found.find(number)
        deadline = now().timestamp() + 20
        while found.staging.board.newest != numbered(3):
            assert now().timestamp() < deadline
        with requests.get(
            f"{found.url}/staging/security/stream",
            headers={"Last-Event-ID": numbered(1)},
            stream=True,
            timeout=20,
        ) as answer:
            lines = answer.iter_lines(decode_unicode=True)
            ids = [next(line for line in lines if line.startswith("id: ")) for _ in range(2)]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert ids == [f"id: {numbered(2)}", f"id: {numbered(3)}"]
