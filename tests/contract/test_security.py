# SPDX-License-Identifier: Apache-2.0
"""Who touched which secret and which keys exist: all pages, Google's words, gaps by name."""

from __future__ import annotations

import datetime as dt

import pytest

from contract.discovery import method_ids, problems
from twinguard import config
from twinguard.decide import exposure
from twinguard.decide.accesses import Access
from twinguard.decide.exposure import AccountKey, ApiKey
from twinguard.decide.inventory import Gap
from twinguard.inventory.exposed import exposed
from twinguard.inventory.security import Security
from twinguard.policy import Environment
from twinguard.standins import security
from twinguard.standins.server import Fault

POLICY = config.load(config.path_of(Environment.STAGING))
PROJECT = POLICY.project.id
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
KEYS = f"projects/{PROJECT}/locations/global/keys"
ACCOUNT = f"projects/{PROJECT}/serviceAccounts/app@{PROJECT}.iam.gserviceaccount.com"
OPENAI = "staging-openai-api-key"
FORGOTTEN = "staging-forgotten"


def secret(name: str) -> str:
    return f"projects/{PROJECT}/secrets/{name}"


@pytest.fixture
def google():
    with security.Security() as google:
        for name, age in ((OPENAI, 20), (FORGOTTEN, 200)):
            google.secrets.add(secret(name), rotates_at="2027-01-01T00:00:00Z")
            google.secrets.add_version(secret(name), NOW - age * DAY)
        log = google.logging
        log.add("AccessSecretVersion", f"{OPENAI}/versions/1", "app@x", NOW - 120 * DAY)
        log.add("AddSecretVersion", OPENAI, "ada@x", NOW - 20 * DAY, log="activity")
        log.add("AccessSecretVersion", f"{OPENAI}/versions/1", "eve@x", NOW - DAY, refused="no")
        google.add_api_key(f"{KEYS}/open", "Browser key")
        google.add_api_key(
            f"{KEYS}/good",
            apiTargets=[{"service": "translate.googleapis.com"}],
            serverKeyRestrictions={"allowedIps": ["192.0.2.0/24"]},
        )
        google.accounts.add(ACCOUNT)
        yield google


@pytest.fixture
def reader(google):
    with Security(PROJECT, google.environment) as reader:
        yield reader


def judged(reader):
    gaps: list[Gap] = []
    read = exposed(reader, NOW, gaps, lambda *_: None)
    return exposure.findings(POLICY, read, NOW), read, gaps


def test_accesses_are_read_in_our_words(reader):
    (page,) = reader.accesses(NOW - 30 * DAY)

    assert page == (
        Access(
            at=NOW - 20 * DAY,
            actor="ada@x",
            action="added a version",
            subject=OPENAI,
            detail="from 192.0.2.7",
        ),
        Access(
            at=NOW - DAY,
            actor="eve@x",
            action="read",
            subject=OPENAI,
            detail="version 1, from 192.0.2.7, refused: no",
        ),
    )


def test_all_pages_are_read_and_a_line_of_two_buckets_once(google, reader, monkeypatch):
    monkeypatch.setattr("twinguard.inventory.security._PAGE", 2)
    for number in range(5):
        google.logging.add("UpdateSecret", OPENAI, f"u{number}", NOW, log="activity")
    google.logging.entries.append(google.logging.entries[-1])

    pages = list(reader.accesses(NOW - 30 * DAY))

    assert [one.actor for page in pages for one in page] == [
        *("ada@x", "eve@x", "u0", "u1", "u2", "u3", "u4")
    ]
    assert len(pages) == 4


@pytest.mark.parametrize("name", ["a", '" OR severity="INFO', "a\\", 'a" AND b:"'])
def test_no_name_of_a_secret_can_change_the_question(reader, name):
    assert list(reader.accesses(NOW - 30 * DAY, name)) == [()]


def test_what_is_exposed_is_found(google, reader):
    google.accounts.add_key(ACCOUNT, NOW - 400 * DAY)
    google.accounts.add_key(ACCOUNT, NOW - 2 * DAY, disabled=True)

    found, read, gaps = judged(reader)

    assert gaps == []
    assert {(one.level, one.rule, one.resource.rsplit("/", 1)[-1]) for one in found} == {
        ("critical", "any-api", "open"),
        ("high", "account-key", "1"),
        ("low", "account-key", "2"),
        ("low", "unread-secret", FORGOTTEN),
    }
    assert read.api_keys == (
        ApiKey(name=f"{KEYS}/open", title="Browser key", apis=(), callers=()),
        ApiKey(
            name=f"{KEYS}/good",
            title="",
            apis=("translate.googleapis.com",),
            callers=("192.0.2.0/24",),
        ),
    )
    assert read.account_keys == (
        AccountKey(name=f"{ACCOUNT}/keys/1", created=NOW - 400 * DAY, disabled=False),
        AccountKey(name=f"{ACCOUNT}/keys/2", created=NOW - 2 * DAY, disabled=True),
    )


@pytest.mark.parametrize(
    ("restrictions", "expected"),
    [
        ({}, {("critical", "any-api")}),
        ({"browserKeyRestrictions": {"allowedReferrers": ["*"]}}, {("critical", "any-api")}),
        ({"browserKeyRestrictions": {"allowedReferrers": ["a.b/*"]}}, {("high", "any-api")}),
        (
            {"apiTargets": [{"service": "generativelanguage.googleapis.com"}]},
            {("high", "any-caller")},
        ),
        (
            {
                "apiTargets": [{"service": "places-backend.googleapis.com"}],
                "serverKeyRestrictions": {"allowedIps": ["0.0.0.0/0"]},
            },
            {("high", "any-caller")},
        ),
        ({"apiTargets": [{"service": "fcm.googleapis.com"}]}, {("low", "any-caller")}),
        (
            {
                "apiTargets": [{"service": "places.googleapis.com"}],
                "iosKeyRestrictions": {"allowedBundleIds": ["com.example"]},
            },
            set(),
        ),
    ],
)
def test_a_google_key_is_judged_by_what_it_opens_and_to_whom(google, restrictions, expected):
    google.api_keys.keys.clear()
    google.add_api_key(f"{KEYS}/one", **restrictions)
    with Security(PROJECT, google.environment) as reader:
        found, _, _ = judged(reader)

    assert {(one.level, one.rule) for one in found if "/keys/" in one.resource} == expected


def test_a_version_past_its_turn_is_found(google, reader):
    google.secrets.add(secret("staging-neo4j-credentials"), rotates_at="2027-01-01T00:00:00Z")
    google.secrets.add_version(secret("staging-neo4j-credentials"), NOW - 120 * DAY)

    found, _, _ = judged(reader)

    assert ("overdue", secret("staging-neo4j-credentials")) in {
        (one.rule, one.resource) for one in found
    }


def test_a_log_that_does_not_reach_back_judges_nobody_unread(google, reader):
    del google.logging.entries[0]

    found, _, (gap,) = judged(reader)

    assert "unread-secret" not in {one.rule for one in found}
    assert gap.why == ("reads of secrets: the log of them begins on 2026-11-22; 90 days are needed")


def test_a_log_without_any_read_may_be_one_that_nobody_may_see(google, reader):
    google.logging.entries.clear()

    _, _, (gap,) = judged(reader)

    assert "roles/logging.privateLogViewer is missing" in gap.why


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/locations/global/keys", "roles/serviceusage.apiKeysViewer"),
        ("/serviceAccounts", "roles/iam.serviceAccountViewer"),
        ("/v2/entries:list", "roles/logging.privateLogViewer"),
        ("/secrets", "roles/secretmanager.viewer"),
    ],
)
def test_what_may_not_be_read_is_not_checked_and_the_rest_is(google, reader, path, role):
    google.fail(Fault(403, "PERMISSION_DENIED"), path=path, times=1)

    found, _, gaps = judged(reader)

    assert role in gaps[0].why
    assert not all(gap.off for gap in gaps)
    assert found


def test_an_api_that_is_switched_off_leaves_nothing_open(google, reader):
    off = Fault(403, "PERMISSION_DENIED", reason="SERVICE_DISABLED")
    google.fail(off, path="/locations/global/keys")

    _, read, gaps = judged(reader)

    assert (read.api_keys, [gap.off for gap in gaps]) == (None, [True])


def test_what_is_said_and_heard_conforms_to_googles_documents(google, reader):
    google.accounts.add_key(ACCOUNT, NOW)
    judged(reader)
    list(reader.accesses(NOW - 30 * DAY, OPENAI))

    assert [problem for each in google.exchanges for problem in problems(each)] == []
    assert set().union(*map(method_ids, google.exchanges)) == {
        "apikeys.projects.locations.keys.list",
        "iam.projects.serviceAccounts.list",
        "iam.projects.serviceAccounts.keys.list",
        "logging.entries.list",
        "secretmanager.projects.secrets.list",
        "secretmanager.projects.secrets.versions.list",
    }
