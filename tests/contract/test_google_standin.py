# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import requests

from contract.brokers import PATIENCE
from twinguard.standins.delivery import Delivery
from twinguard.standins.google import Google
from twinguard.standins.pubsub import PubSub
from twinguard.standins.server import Fault, Refused

TOPIC = "projects/demo-drill/topics/orders"
DEAD = "projects/demo-drill/topics/orders-dead"
PUSH = "projects/demo-drill/subscriptions/orders-push"
KEEP = "projects/demo-drill/subscriptions/orders-keep"
SERVICE = "projects/demo-drill/locations/europe-west1/services/api"


@pytest.fixture
def google():
    with Google(pubsub=PubSub(backoff=(0.01, 0.05), timeout=5)) as google:
        for topic in (TOPIC, DEAD):
            google.pubsub.add_topic(topic)
        google.pubsub.add_subscription(KEEP, DEAD)
        google.cloud_run.add(SERVICE)
        yield google


def test_a_refused_message_is_delivered_again_until_it_is_taken(google, shop):
    google.pubsub.add_subscription(PUSH, TOPIC, pushConfig={"pushEndpoint": shop.push})
    shop.fail(Fault(code=503))
    shop.fail(Fault(hang_up=True))
    number = google.pubsub.publish(TOPIC, b"x")
    shop.next()

    assert google.pubsub.wait_idle()
    assert google.pubsub.deliveries == [
        Delivery(PUSH, number, 1, 503),
        Delivery(PUSH, number, 2, 0),
        Delivery(PUSH, number, 3, 200),
    ]


def test_one_refused_message_does_not_hold_up_the_next(google, shop):
    google.pubsub.add_subscription(PUSH, TOPIC, pushConfig={"pushEndpoint": shop.push})
    shop.fail(Fault(code=500))
    for data in (b"first", b"second"):
        google.pubsub.publish(TOPIC, data)

    assert google.pubsub.wait_idle()
    assert sorted(each.attempt for each in google.pubsub.deliveries) == [1, 1, 2]


def test_a_message_that_is_never_taken_ends_in_the_dead_letter_topic(google, shop):
    policy = {"deadLetterTopic": DEAD, "maxDeliveryAttempts": 5}
    google.pubsub.add_subscription(
        PUSH, TOPIC, pushConfig={"pushEndpoint": shop.push}, deadLetterPolicy=policy
    )
    shop.fail(Fault(code=500), times=5)
    google.pubsub.publish(TOPIC, b"poison", {"kind": "order"}, published="2026-10-01T00:00:00Z")

    assert google.pubsub.wait_idle()
    (dead,) = google.pubsub.backlog(KEEP)
    assert (dead.data, dead.attributes) == (
        b"poison",
        {
            "kind": "order",
            "CloudPubSubDeadLetterSourceDeliveryCount": "5",
            "CloudPubSubDeadLetterSourceSubscription": "orders-push",
            "CloudPubSubDeadLetterSourceSubscriptionProject": "demo-drill",
            "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-10-01T00:00:00Z",
        },
    )
    assert [each.body["deliveryAttempt"] for each in shop.exchanges] == [1, 2, 3, 4, 5]


def test_a_delivery_carries_the_authorization_of_its_subscription(google, shop):
    google.pubsub.add_subscription(PUSH, TOPIC, pushConfig={"pushEndpoint": shop.push})
    google.pubsub.sign(PUSH, lambda: "Bearer signed")
    google.pubsub.publish(TOPIC, b"x")

    assert shop.next().headers["authorization"] == "Bearer signed"


def test_a_message_of_the_past_keeps_its_time(google, shop):
    google.pubsub.add_subscription(PUSH, TOPIC, pushConfig={"pushEndpoint": shop.push})
    body = {"messages": [{"data": "eA==", "publishTime": "2026-10-01T08:00:00Z"}]}
    with requests.Session() as http:
        http.post(f"{google.url}/v1/{TOPIC}:publish", json=body, timeout=PATIENCE)

    assert shop.next().body["message"]["publishTime"] == "2026-10-01T08:00:00Z"


def test_an_unwrapped_delivery_is_the_data_with_its_metadata_in_headers(google, shop):
    config = {"pushEndpoint": shop.push} | {"noWrapper": {"writeMetadata": True}}
    google.pubsub.add_subscription(PUSH, TOPIC, pushConfig=config)
    number = google.pubsub.publish(TOPIC, b'{"order": 7}', {"kind": "order"})

    request = shop.next()
    assert request.body == {"order": 7}
    assert request.headers["x-goog-pubsub-message-id"] == number
    assert request.headers["x-goog-pubsub-subscription-name"] == PUSH
    assert request.headers["kind"] == "order"


def test_the_age_of_the_backlog_is_that_of_the_oldest_message_left(google):
    google.pubsub.add_subscription(PUSH, TOPIC)
    before = google.pubsub.oldest_age(PUSH)
    google.pubsub.publish(TOPIC, b"x")

    assert before == 0
    assert google.pubsub.oldest_age(PUSH) > 0
    assert google.pubsub.oldest_age(f"{PUSH}-none") is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/v2/{SERVICE}-none", None, "NOT_FOUND"),
        ("GET", "/v2/projects/demo-drill/locations/-/services", None, "INVALID_ARGUMENT"),
        ("PATCH", f"/v2/{SERVICE}", {}, "INVALID_ARGUMENT"),
        ("PATCH", f"/v2/{SERVICE}?updateMask=uid", {}, "INVALID_ARGUMENT"),
        ("PATCH", f"/v2/{SERVICE}?updateMask=scaling.count", {}, "INVALID_ARGUMENT"),
        ("PATCH", f"/v2/{SERVICE}?updateMask=labels", {"etag": "old"}, "ABORTED"),
        (
            "PATCH",
            f"/v2/{SERVICE}?updateMask=template.scaling",
            {"template": {"scaling": {"minInstanceCount": 101}}},
            "INVALID_ARGUMENT",
        ),
        ("POST", f"/v1/{TOPIC}-none:publish", {"messages": [{"data": "eA=="}]}, "NOT_FOUND"),
        ("POST", f"/v1/{TOPIC}:publish", {"messages": [{}]}, "INVALID_ARGUMENT"),
        ("PUT", f"/v1/{TOPIC}", {}, "ALREADY_EXISTS"),
        ("PUT", f"/v1/{KEEP}", {"topic": TOPIC}, "ALREADY_EXISTS"),
        ("PUT", f"/v1/{PUSH}", {"topic": f"{TOPIC}-none"}, "NOT_FOUND"),
        ("GET", "/v1/projects/demo-drill/billingInfo", None, "PERMISSION_DENIED"),
        ("GET", "/v3/projects/demo-drill/timeSeries", None, "INVALID_ARGUMENT"),
        ("GET", "/v1/unheard-of", None, "NOT_FOUND"),
    ],
)
def test_what_google_refuses_is_refused_here(google, method, path, body, status):
    with requests.Session() as http:
        answer = http.request(method, google.url + path, json=body, timeout=PATIENCE)

    assert answer.json()["error"]["status"] == status
    assert answer.status_code == answer.json()["error"]["code"]


def test_a_check_only_request_changes_nothing(google):
    before = google.cloud_run.service(SERVICE)
    query = {"updateMask": "scaling.min_instance_count", "validateOnly": "true"}
    body = {"scaling": {"minInstanceCount": 3}}
    with requests.Session() as http:
        answer = http.patch(f"{google.url}/v2/{SERVICE}", params=query, json=body, timeout=PATIENCE)

    assert answer.status_code == 200
    assert google.cloud_run.service(SERVICE) == before


def test_a_service_is_reconciling_until_its_operation_is_done(google):
    query, body = {"updateMask": "scaling"}, {"scaling": {"minInstanceCount": 3}}
    with requests.Session() as http:
        address = f"{google.url}/v2/{SERVICE}"
        operation = http.patch(address, params=query, json=body, timeout=PATIENCE).json()
        during = google.cloud_run.service(SERVICE)
        http.get(f"{google.url}/v2/{operation['name']}", timeout=PATIENCE)

    after = google.cloud_run.service(SERVICE)
    assert (during["reconciling"], during["generation"], during["observedGeneration"]) == (
        True,
        "2",
        "1",
    )
    assert (after["reconciling"], after["observedGeneration"]) == (False, "2")


def test_the_environment_sends_every_adapter_to_the_stand_in(google):
    names = (
        *("API_KEYS", "BILLING", "CLOUD_RUN", "COMPUTE", "MONITORING", "PUBSUB"),
        "SECRET_MANAGER",
    )

    assert google.environment == {f"{name}_ENDPOINT": google.url for name in names}


def test_a_topic_that_is_not_there_takes_no_message(google):
    with pytest.raises(Refused, match="orders-none"):
        google.pubsub.publish(f"{TOPIC}-none", b"x")


def test_a_stand_in_that_was_stopped_answers_nobody_not_even_on_an_open_connection():
    with requests.Session() as http:
        with Google() as google:
            address = f"{google.url}/v2/{SERVICE}"
            before = http.get(address, timeout=PATIENCE).status_code

        with pytest.raises(requests.ConnectionError):
            http.get(address, timeout=PATIENCE)
    assert before == 404
