# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import json

import pytest

from contract.brokers import Broker
from twinguard.act.pubsub import TopicPublisher
from twinguard.decide.model import Live, Push
from twinguard.errors import Conflict, Unavailable


def payload(request):
    message = request.body["message"]
    return base64.b64decode(message["data"]), message.get("attributes", {})


def test_a_paused_subscription_keeps_its_messages_and_delivers_them_when_resumed(
    broker, shop, witness
):
    name = broker.subscription("orders-push", pushConfig={"pushEndpoint": shop.push})
    broker.subscription("orders-witness", pushConfig={"pushEndpoint": witness.push})
    subscriptions = broker.subscriptions
    live = subscriptions.read(name)

    subscriptions.write(name, Push(), live)
    broker.publish(b"while paused", kind="order")
    seen_elsewhere = payload(witness.next())
    delivered_while_paused = shop.received.empty()
    subscriptions.write(name, live.value, subscriptions.read(name))

    assert seen_elsewhere == (b"while paused", {"kind": "order"})
    assert delivered_while_paused
    assert payload(shop.next()) == (b"while paused", {"kind": "order"})


def test_a_push_configuration_survives_a_pause_without_a_loss(broker, shop):
    config = {
        "pushEndpoint": shop.push,
        "attributes": {"x-goog-version": "v1"},
        "oidcToken": {"serviceAccountEmail": "push@demo.example", "audience": "https://a.example"},
        "noWrapper": {"writeMetadata": True},
    }
    name = broker.subscription("orders-push", pushConfig=config)
    subscriptions = broker.subscriptions
    before = subscriptions.read(name)

    subscriptions.write(name, Push(), before)
    paused = subscriptions.read(name)
    subscriptions.write(name, before.value, paused)

    assert json.loads(before.value.config) == config
    assert paused.value == Push()
    assert subscriptions.read(name).value == before.value


def test_the_canonical_configuration_is_sorted_and_has_no_spaces(broker, shop):
    push = {"pushEndpoint": shop.push, "attributes": {"x-goog-version": "v1"}}
    name = broker.subscription("orders-push", pushConfig=push)

    assert broker.subscriptions.read(name).value == Push(
        json.dumps(push, sort_keys=True, separators=(",", ":"))
    )


def test_a_pull_subscription_reads_as_one_without_an_endpoint(broker):
    name = broker.subscription("orders-pull")

    assert broker.subscriptions.read(name) == Live(Push())


def test_a_missing_subscription_reads_as_none(broker):
    assert broker.subscriptions.read(f"projects/{broker.project}/subscriptions/none") is None


def test_a_subscription_that_changed_in_between_is_a_conflict(broker, shop, witness):
    name = broker.subscription("orders-push", pushConfig={"pushEndpoint": shop.push})
    subscriptions = broker.subscriptions
    live = subscriptions.read(name)
    moved = Push(json.dumps({"pushEndpoint": witness.push}, separators=(",", ":")))
    subscriptions.write(name, moved, live)

    with pytest.raises(Conflict, match="changed since it was read"):
        subscriptions.write(name, Push(), live)
    assert subscriptions.read(name).value == moved


def test_writing_the_same_configuration_asks_for_nothing(google, project, shop):
    broker = Broker(google.url, google, project)
    name = broker.subscription("orders-push", pushConfig={"pushEndpoint": shop.push})
    live = broker.subscriptions.read(name)
    broker.subscriptions.write(name, live.value, live)

    assert not [each for each in google.exchanges if each.path.endswith(":modifyPushConfig")]


def test_publishing_to_a_missing_topic_is_unavailable(broker):
    with pytest.raises(Unavailable, match="cannot publish to projects/"):
        TopicPublisher(broker.url).publish(f"projects/{broker.project}/topics/none", b"x", {})


def test_published_bytes_and_attributes_arrive_unchanged(broker, shop):
    broker.subscription("orders-push", pushConfig={"pushEndpoint": shop.push})
    message_id = broker.publish(bytes(range(256)), task="night", zone="Europe/Brussels")

    request = shop.next()
    assert payload(request) == (bytes(range(256)), {"task": "night", "zone": "Europe/Brussels"})
    assert request.body["message"]["messageId"] == message_id


def test_a_delivery_has_the_documented_form(broker, shop):
    name = broker.subscription("orders-push", pushConfig={"pushEndpoint": shop.push})
    broker.publish(b"x", kind="order")

    request = shop.next()
    assert request.body.keys() >= {"message", "subscription"}
    assert request.body["subscription"] == name
    assert request.body["message"].keys() >= {
        *("attributes", "data", "messageId", "message_id", "publishTime", "publish_time")
    }
    assert request.headers["content-type"] == "application/json"
