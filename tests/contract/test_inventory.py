# SPDX-License-Identifier: Apache-2.0
"""What is listed of a project: all pages, in Google's own words, and every gap by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest
import requests
from google.auth.exceptions import DefaultCredentialsError

from contract.discovery import method_ids, problems
from twinguard.decide.inventory import Address, Gap, Version
from twinguard.decide.model import Mode, Scaling
from twinguard.errors import Misconfigured, Unavailable
from twinguard.inventory.listing import Source, pages
from twinguard.inventory.reader import Reader
from twinguard.inventory.survey import regions_of, survey
from twinguard.inventory.wire import (
    AddressOnWire,
    ServiceOnWire,
    SubscriptionOnWire,
    quantity,
    seconds,
)
from twinguard.policy import Policy
from twinguard.standins.google import Google
from twinguard.standins.server import Fault, Server, route

PROJECT = "demo-inventory"
SERVICES = f"projects/{PROJECT}/locations/europe-west1/services"
SECRETS = f"projects/{PROJECT}/secrets"
TOPIC = f"projects/{PROJECT}/topics/orders"
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
POLICY = msgspec.convert(
    {
        "environment": "development",
        "project": {"id": PROJECT},
        "region": "europe-west1",
        "services": {"api": {"critical": False}, "far": {"critical": True, "region": "us-east1"}},
    },
    Policy,
)


@pytest.fixture
def google():
    with Google() as google:
        google.cloud_run.add(
            f"{SERVICES}/api",
            {"minInstanceCount": 2},
            {"minInstanceCount": 1, "maxInstanceCount": 9},
            {"environment": "development"},
            {"limits": {"cpu": "2000m", "memory": "1536Mi"}, "startupCpuBoost": True},
        )
        google.pubsub.add_topic(TOPIC)
        google.pubsub.add_subscription(
            f"projects/{PROJECT}/subscriptions/push",
            TOPIC,
            pushConfig={"pushEndpoint": "http://127.0.0.1:9/x"},
            expirationPolicy={},
            deadLetterPolicy={"deadLetterTopic": TOPIC, "maxDeliveryAttempts": 5},
            labels={"environment": "development"},
        )
        google.pubsub.add_subscription(f"projects/{PROJECT}/subscriptions/pull", TOPIC)
        google.monitoring.ages = {
            f"projects/{PROJECT}/subscriptions/push": 2 * 86400.0,
            f"projects/{PROJECT}/subscriptions/pull": None,
        }
        google.secrets.add(f"{SECRETS}/one", {"a": "b"}, "2027-01-01T00:00:00Z")
        google.secrets.add(f"{SECRETS}/two")
        for days, state in ((30, "DESTROYED"), (20, "DISABLED"), (3, "ENABLED")):
            google.secrets.add_version(f"{SECRETS}/one", NOW - days * DAY, state)
        google.compute.add_address(PROJECT, "regions/europe-west1", "idle")
        google.compute.add_address(PROJECT, "global", "used", {"status": "IN_USE", "users": ["x"]})
        yield google


@pytest.fixture
def read(google):
    with Reader(PROJECT, google.environment) as reader:
        yield lambda: survey(POLICY, reader, NOW, lambda *_: None)


def test_everything_of_a_project_is_read_in_our_words(read):
    found = read()

    (service,) = found.services
    assert service.scaling == Scaling(Mode.AUTOMATIC, 2, 0, 0, 1, 9)
    assert (service.cpu, service.memory, service.always) == (Decimal(2), Decimal("1.5"), True)
    assert (service.region, service.labels) == ("europe-west1", {"environment": "development"})
    pull, push = found.subscriptions
    assert (push.pushes, push.expires, push.oldest) == (True, None, 2 * DAY)
    assert (pull.pushes, pull.expires, pull.oldest) == (False, 31 * DAY, dt.timedelta(0))
    two, one = found.secrets
    assert (one.rotates, two.rotates, two.versions) == (True, False, ())
    assert one.versions == (
        Version(number="3", created=NOW - 3 * DAY, enabled=True),
        Version(number="2", created=NOW - 20 * DAY, enabled=False),
    )
    assert set(found.addresses) == {
        Address(
            name=f"projects/{PROJECT}/regions/europe-west1/addresses/idle",
            external=True,
            used=False,
        ),
        Address(name=f"projects/{PROJECT}/global/addresses/used", external=True, used=True),
    }
    assert (found.regions, found.gaps) == (frozenset(regions_of(POLICY)), ())


def test_what_is_said_and_heard_conforms_to_googles_documents(google, read):
    read()

    assert [problem for each in google.exchanges for problem in problems(each)] == []
    assert set().union(*map(method_ids, google.exchanges)) == {
        "run.projects.locations.services.list",
        "pubsub.projects.subscriptions.list",
        "monitoring.projects.timeSeries.list",
        "secretmanager.projects.secrets.list",
        "secretmanager.projects.secrets.versions.list",
        "compute.addresses.aggregatedList",
    }


def test_it_only_reads(google, read):
    read()

    assert {each.method for each in google.exchanges} == {"GET"}
    assert not any(":access" in each.path for each in google.exchanges)


def test_every_page_of_a_long_list_is_read(google, read):
    for number in range(1201):
        google.secrets.add(f"{SECRETS}/many-{number}")
    with Reader(PROJECT, google.environment) as reader:
        names = {secret.name for secret in reader.secrets()}

    assert len(names) == 1203
    assert [each.query.get("pageToken") for each in google.exchanges] == [None, "500", "1000"]
    assert [problem for each in google.exchanges for problem in problems(each)] == []


def stranger(answer):
    """A server that answers a list of secrets with something else."""
    return Server(route("GET", "/v1/{parent=projects/*}/secrets", lambda _: answer))


def test_an_api_that_answers_with_the_same_page_for_ever_is_given_up():
    with stranger({"secrets": [], "nextPageToken": "again"}) as server:
        never = pytest.raises(Unavailable, match="the answers never end")
        with Reader(PROJECT, {"SECRET_MANAGER_ENDPOINT": server.url}) as reader, never:
            reader.secrets()

    assert len(server.exchanges) == 2


PARTS = {
    "/us-east1/services": "Cloud Run services in us-east1",
    "/subscriptions": "Pub/Sub subscriptions",
    "/timeSeries": "unread messages",
    "/secrets": "secrets",
    "/one/versions": "versions of secret one",
    "/addresses": "addresses",
}


@pytest.mark.parametrize(("path", "what"), PARTS.items())
def test_each_api_that_fails_is_a_gap_of_its_own(google, read, path, what):
    google.fail(Fault(code=503, status="UNAVAILABLE"), path=path)

    found = read()

    assert [gap.what for gap in found.gaps] == [what]
    assert "503 (asked to fail)" in found.gaps[0].why
    assert not found.gaps[0].off


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/us-east1/services", "roles/run.viewer"),
        ("/subscriptions", "roles/pubsub.viewer"),
        ("/timeSeries", "roles/monitoring.viewer"),
        ("/secrets", "roles/secretmanager.viewer"),
        ("/one/versions", "roles/secretmanager.viewer"),
        ("/addresses", "roles/compute.viewer"),
    ],
)
def test_what_is_not_permitted_names_the_role(google, read, path, role):
    google.fail(Fault(code=403, status="PERMISSION_DENIED"), path=path)

    (gap,) = read().gaps

    assert gap.why.endswith(f"not permitted; it needs {role} on {PROJECT}")
    assert [problem for each in google.exchanges for problem in problems(each)] == []


def test_an_api_that_is_switched_off_is_told_from_one_that_is_forbidden(google, read):
    off = Fault(code=403, status="PERMISSION_DENIED", reason="SERVICE_DISABLED")
    google.fail(off, path="/addresses")

    found = read()

    why = f"addresses: the API is switched off in {PROJECT}"
    assert (found.addresses, found.gaps) == (None, (Gap("addresses", why, off=True),))
    assert [problem for each in google.exchanges for problem in problems(each)] == []


def test_monitoring_that_is_switched_off_leaves_the_backlog_open(google, read):
    off = Fault(code=403, status="PERMISSION_DENIED", reason="SERVICE_DISABLED")
    google.fail(off, path="/timeSeries")

    (gap,) = read().gaps

    assert (gap.what, gap.off) == ("unread messages", False)


def test_a_region_that_fails_is_not_taken_for_an_empty_one(google, read):
    google.fail(Fault(hang_up=True), path="/europe-west1/services")

    found = read()

    assert (found.regions, found.services) == (frozenset({"us-east1"}), ())
    assert found.gaps[0].why.startswith("cannot list Cloud Run services in europe-west1: no answer")


def test_an_unknown_backlog_is_unknown_and_not_empty(google, read):
    google.fail(Fault(code=500), path="/timeSeries")

    assert {one.oldest for one in read().subscriptions} == {None}


def test_refused_credentials_name_the_command(google):
    google.fail(Fault(code=401, status="UNAUTHENTICATED"))
    source = Source(f"{google.url}/v1/projects/p/secrets", "secrets", "roles/x", "p")

    with requests.Session() as http, pytest.raises(Unavailable) as raised:
        list(pages(http, source, {}, 5))

    assert str(raised.value) == (
        "cannot list secrets: not signed in; run gcloud auth application-default login"
    )


def test_without_credentials_each_list_says_so_and_they_are_looked_for_once(monkeypatch):
    asked = []

    def nobody(**_):
        asked.append(1)
        raise DefaultCredentialsError("none")

    monkeypatch.setattr("google.auth.default", nobody)
    with Reader(PROJECT, {}) as reader:
        found = survey(POLICY, reader, NOW, lambda *_: None)

    assert len(asked) == 1
    assert [gap.what for gap in found.gaps] == [
        "Cloud Run services in europe-west1",
        "Cloud Run services in us-east1",
        "Pub/Sub subscriptions",
        "secrets",
        "addresses",
    ]
    assert all("no credentials; run gcloud auth" in gap.why for gap in found.gaps)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"secrets": {}},
        {"secrets": [{"labels": {}}]},
        {"secrets": [{"name": 7}]},
        {"secrets": [{"name": "x", "labels": {"a": 1}}]},
    ],
)
def test_an_answer_of_another_shape_is_unavailable(answer):
    refused = pytest.raises(Unavailable, match="cannot list secrets")
    with (
        stranger(answer) as server,
        Reader(PROJECT, {"SECRET_MANAGER_ENDPOINT": server.url}) as reader,
        refused,
    ):
        reader.secrets()


def test_no_reader_starts_with_an_endpoint_that_could_catch_a_token():
    with pytest.raises(Misconfigured, match="SECRET_MANAGER_ENDPOINT is"):
        Reader(PROJECT, {"SECRET_MANAGER_ENDPOINT": "https://secretmanager.example.com"})


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([], ("1", "0.5", 0, False)),
        ([{}], ("1", "0.5", 0, False)),
        ([{"resources": {"cpuIdle": True}}], ("1", "0.5", 0, False)),
        ([{"resources": {}}], ("1", "0.5", 0, True)),
        (
            [
                {"resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "cpuIdle": True}},
                {"resources": {"limits": {"cpu": "500m", "memory": "512Mi"}, "cpuIdle": True}},
            ],
            ("2.5", "1.5", 0, False),
        ),
        (
            [{"resources": {"limits": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}}}],
            ("8", "32", 1, True),
        ),
    ],
)
def test_an_instance_is_as_large_as_its_containers_together(containers, expected):
    """Left out, `cpuIdle` is true; with `resources` given, leaving it out makes it false."""
    body = {"name": f"{SERVICES}/api", "template": {"containers": containers}}

    found = msgspec.convert(body, ServiceOnWire).read()

    cpu, memory, gpus, always = expected
    assert (found.cpu, found.memory) == (Decimal(cpu), Decimal(memory))
    assert (found.gpus, found.always) == (gpus, always)


def test_manual_scaling_is_read_with_its_count():
    body = {
        "name": f"{SERVICES}/api",
        "scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 3, "maxInstanceCount": 9},
    }

    assert msgspec.convert(body, ServiceOnWire).read().scaling == Scaling(Mode.MANUAL, count=3)


def test_exports_and_detached_subscriptions_are_told_apart():
    body = {"name": "n", "bigqueryConfig": {"table": "p.d.t"}, "detached": True}
    found = msgspec.convert(body, SubscriptionOnWire).read(None)

    assert (found.pushes, found.exports, found.detached) == (False, True, True)


def test_a_reserved_address_with_a_user_is_used():
    body = {"name": "a", "status": "RESERVED", "users": ["x"], "addressType": "INTERNAL"}
    found = msgspec.convert(body, AddressOnWire).read("projects/p/global")

    assert found == Address(name="projects/p/global/addresses/a", external=False, used=True)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1", "1"), ("0.08", "0.08"), ("250m", "0.25"), ("1G", "1e9"), ("2Ki", "2048")],
)
def test_amounts_are_read_as_kubernetes_writes_them(text, amount):
    assert quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1Xi", "-1"])
def test_other_amounts_are_refused(text):
    with pytest.raises(ValueError, match="is not an amount"):
        quantity(text)


@pytest.mark.parametrize("text", ["", "soon", "s", "1e999s"])
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)
