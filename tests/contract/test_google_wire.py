# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from google.pubsub_v1 import PushConfig

from contract.discovery import method_ids, problems, schema
from twinguard.act.billing import Billing
from twinguard.act.cloud_run import CloudRun
from twinguard.act.pubsub import Subscriptions, TopicPublisher
from twinguard.decide.model import Push, Scaling, Strength
from twinguard.decide.scaling import lowered, steps
from twinguard.errors import Unavailable
from twinguard.standins.google import Google
from twinguard.standins.server import Exchange, Fault

SERVICE = "projects/demo-wire/locations/europe-west1/services/api"
TOPIC = "projects/demo-wire/topics/orders"
SUBSCRIPTION = "projects/demo-wire/subscriptions/orders-push"
PATCH = Exchange(
    "PATCH",
    f"/v2/{SERVICE}",
    {"updateMask": "scaling.minInstanceCount", "$alt": "json;enum-encoding=int"},
    {"etag": '"1"', "scaling": {"minInstanceCount": 1, "scalingMode": 1}},
    200,
    {"name": "projects/demo-wire/locations/europe-west1/operations/1", "done": False},
)
PUBLISH = Exchange(
    "POST",
    f"/v1/{TOPIC}:publish",
    {},
    {"messages": [{"data": "aGk=", "publishTime": "2026-10-01T00:00:00Z"}]},
    200,
    {"messageIds": ["1"]},
)
SERIES = Exchange(
    "GET",
    "/v3/projects/demo-wire/timeSeries",
    {"filter": "x", "interval.endTime": "2026-10-01T00:00:00Z", "view": "FULL", "pageSize": "5"},
    None,
    200,
    {"timeSeries": [{"points": [{"value": {"int64Value": "7"}}]}]},
)


@pytest.fixture
def google():
    with Google() as google:
        google.cloud_run.add(
            SERVICE, {"minInstanceCount": 2}, {"minInstanceCount": 1, "maxInstanceCount": 9}
        )
        google.pubsub.add_topic(TOPIC)
        google.pubsub.add_subscription(
            SUBSCRIPTION,
            TOPIC,
            pushConfig={
                "pushEndpoint": "http://127.0.0.1:9/push",
                "oidcToken": {"serviceAccountEmail": "push@demo-wire.example", "audience": "app"},
            },
        )
        google.billing.accounts["demo-wire"] = "billingAccounts/012345-567890-ABCDEF"
        yield google


def hold_and_restore(scaler, name, strength):
    before = scaler.read(name).value
    for wanted in (lowered(before, strength), before):
        for step in steps(scaler.read(name).value, wanted):
            scaler.write(name, step, scaler.read(name))


def conversation(google):
    """Google's part of what was said, deliveries to endpoints left out."""
    return [exchange for exchange in google.exchanges if exchange.path.startswith("/v")]


def test_everything_the_adapters_say_and_hear_conforms_to_googles_documents(google):
    for strength in Strength:
        hold_and_restore(CloudRun(google.url, poll=0.01), SERVICE, strength)
        hold_and_restore(Subscriptions(google.url, google.url), SUBSCRIPTION, strength)
    Subscriptions(google.url, google.url).patience(SUBSCRIPTION)
    TopicPublisher(google.url).publish(TOPIC, b"\x00\xff", {"task": "night"})
    Billing(google.url).unlink("demo-wire")

    said = conversation(google)
    assert [problem for exchange in said for problem in problems(exchange)] == []
    found = set().union(*map(method_ids, said))
    # Others have operations at the very same paths as Cloud Run.
    others = ("cloudfunctions.", "logging.")
    assert {name for name in found if not name.startswith(others)} == {
        "run.projects.locations.services.get",
        "run.projects.locations.services.patch",
        "run.projects.locations.operations.get",
        "pubsub.projects.subscriptions.get",
        "pubsub.projects.subscriptions.modifyPushConfig",
        "pubsub.projects.topics.publish",
        "monitoring.projects.timeSeries.list",
        "cloudbilling.projects.getBillingInfo",
        "cloudbilling.projects.updateBillingInfo",
    }


def test_error_answers_and_failed_operations_conform_too(google):
    run = CloudRun(google.url, poll=0.01)
    live = run.read(SERVICE)
    google.cloud_run.failing = [13]
    with pytest.raises(Unavailable):
        run.write(SERVICE, Scaling(), live)
    google.fail(Fault(code=503, status="UNAVAILABLE"))
    with pytest.raises(Unavailable):
        run.read(SERVICE)
    run.read(f"{SERVICE}-missing")

    assert [each.status for each in conversation(google)] == [200, 200, 200, 503, 404]
    assert [problem for each in conversation(google) for problem in problems(each)] == []


def test_the_list_of_services_conforms(google):
    import requests

    with requests.Session() as http:
        address = f"{google.url}/v2/{SERVICE.rsplit('/', 1)[0]}"
        names = [each["name"] for each in http.get(address, timeout=5).json()["services"]]

    assert names == [SERVICE]
    assert [problem for each in conversation(google) for problem in problems(each)] == []


@pytest.mark.parametrize("exchange", [PATCH, PUBLISH, SERIES])
def test_the_examples_that_are_broken_below_conform_as_they_are(exchange):
    assert problems(exchange) == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (replace(PATCH, method="POST"), "POST is not one of DELETE, GET, PATCH"),
        (replace(PATCH, path=f"/v2/{SERVICE}/more"), "no method has this path"),
        (replace(PATCH, query={"mask": "x"}), "query mask: unknown"),
        (replace(PATCH, query={"validateOnly": "yes"}), "'yes' is not of type boolean"),
        (replace(PATCH, query={"updateMask": "a b"}), "is not a google-fieldmask"),
        (replace(PATCH, query={"$alt": "xml"}), "'xml' is not one of json"),
        (replace(PATCH, body={"scalings": {}}), "body.scalings: unknown field"),
        (replace(PATCH, body={"generation": "4"}), "body.generation: only Google writes"),
        (replace(PATCH, body={"scaling": {"scalingMode": 3}}), "3 is not the number of one of"),
        (replace(PATCH, body={"scaling": {"scalingMode": "OFF"}}), "'OFF' is not one of"),
        (replace(PATCH, body={"scaling": {"minInstanceCount": "1"}}), "not of type integer"),
        (replace(PATCH, body={"scaling": {"minInstanceCount": True}}), "not of type integer"),
        (replace(PATCH, body={"scaling": {"minInstanceCount": 2**31}}), "is not a int32"),
        (replace(PATCH, query={}), "body.scaling.scalingMode: 1 is not of type string"),
        (replace(PATCH, answer={"nam": "x"}), "answer.nam: unknown field"),
        (
            replace(
                PATCH,
                answer={
                    "response": {
                        "@type": "type.googleapis.com/google.cloud.run.v2.Service",
                        "scale": 1,
                    }
                },
            ),
            "answer.response.scale: unknown field",
        ),
        (replace(PATCH, status=500, answer={"oops": 1}), "is not an error of Google's APIs"),
        (replace(PUBLISH, body={"messages": [{"data": "%%"}]}), "is not a byte"),
        (replace(PUBLISH, body={"messages": {}}), "is not of type array"),
        (replace(PUBLISH, body={"messages": [{"publishTime": "now"}]}), "not a google-datetime"),
        (replace(PUBLISH, body={"messages": [{"attributes": {"a": 1}}]}), "not of type string"),
        (replace(SERIES, body={}), "takes no body"),
        (replace(SERIES, query={"view": "ALL"}), "'ALL' is not one of FULL"),
        (replace(SERIES, query={"pageSize": "many"}), "'many' is not of type integer"),
        (
            replace(SERIES, answer={"timeSeries": [{"points": [{"value": {"int64Value": "x"}}]}]}),
            "is not a int64",
        ),
    ],
)
def test_the_check_finds_what_does_not_conform(broken, problem):
    assert any(problem in found for found in problems(broken)), problems(broken)


def test_our_client_knows_every_field_of_a_push_configuration_so_none_is_lost_by_a_pause():
    documented = set(schema("pubsub.v1", "PushConfig")["properties"])

    assert {
        field.json_name for field in PushConfig.pb(PushConfig()).DESCRIPTOR.fields
    } == documented


def test_a_pause_sends_an_empty_push_configuration_and_nothing_else(google):
    subscriptions = Subscriptions(google.url, google.url)
    subscriptions.write(SUBSCRIPTION, Push(), subscriptions.read(SUBSCRIPTION))

    bodies = [each.body for each in conversation(google) if each.method != "GET"]
    assert bodies == [{"pushConfig": {}}]
