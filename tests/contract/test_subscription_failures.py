# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import datetime as dt

import pytest

from contract.brokers import FAULTS, PATIENCE, RETENTION
from twinguard.act.pubsub import Subscriptions, TopicPublisher
from twinguard.decide.model import Live, Push
from twinguard.errors import Conflict, Unavailable
from twinguard.standins.server import Fault, Server, route


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        (
            {"bigqueryConfig": {"table": "p.d.t", "useTopicSchema": True}},
            '{"bigqueryConfig":{"table":"p.d.t","useTopicSchema":true}}',
        ),
        (
            {"cloudStorageConfig": {"bucket": "b", "filenamePrefix": "x"}},
            '{"cloudStorageConfig":{"bucket":"b","filenamePrefix":"x"}}',
        ),
        ({"detached": True}, '{"detached":true}'),
    ],
)
def test_a_subscription_that_does_not_push_is_told_apart_and_never_changed(local, fields, config):
    name = local.subscription("orders-export", **fields)
    live = local.subscriptions.read(name)

    assert live == Live(Push(config), patience=None)
    with pytest.raises(Unavailable, match="does not push"):
        local.subscriptions.write(name, Push(), live)


def test_a_paused_subscription_that_became_an_export_is_a_conflict(local):
    name = local.subscription("orders-export", bigqueryConfig={"table": "p.d.t"})

    with pytest.raises(Conflict):
        local.subscriptions.write(name, Push('{"pushEndpoint":"https://a.example"}'), Live(Push()))


def test_patience_is_the_retention_less_the_age_of_the_oldest_message(google, local):
    name = local.subscription(
        "orders-push",
        pushConfig={"pushEndpoint": "http://127.0.0.1:9/x"},
        messageRetentionDuration="3600s",
    )
    google.monitoring.ages[name] = 600

    assert local.subscriptions.patience(name) == dt.timedelta(minutes=50)


def test_without_any_series_nothing_is_waiting(google, local, orders):
    google.monitoring.ages[orders] = None

    assert local.subscriptions.patience(orders) == RETENTION


@pytest.mark.parametrize(
    "answer",
    [
        {"timeSeries": [{"points": []}]},
        {"timeSeries": [{}]},
        {"timeSeries": [{"points": [{"interval": {"endTime": "soon"}, "value": {}}]}]},
        {"unreachable": ["projects/p"]},
        {"executionErrors": [{"code": 8, "message": "half"}]},
        [],
    ],
    ids=str,
)
def test_an_age_that_monitoring_does_not_know_is_never_taken_for_zero(local, orders, answer):
    with Server(route("GET", "/v3/{name=projects/*}/timeSeries", lambda _: answer)) as monitoring:
        subscriptions = Subscriptions(local.url, monitoring.url)

        with pytest.raises(Unavailable, match="backlog"):
            subscriptions.patience(orders)


def test_a_point_of_a_while_ago_is_aged_to_the_present(local, orders):
    now = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    points = [
        {"interval": {"endTime": "2026-11-23T11:50:00Z"}, "value": {"int64Value": "1"}},
        {"interval": {"endTime": "2026-11-23T11:56:00Z"}, "value": {"int64Value": "60"}},
    ]
    answer = {"timeSeries": [{"points": points}]}
    with Server(route("GET", "/v3/{name=projects/*}/timeSeries", lambda _: answer)) as monitoring:
        subscriptions = Subscriptions(local.url, monitoring.url, clock=lambda: now)

        assert subscriptions.patience(orders) == RETENTION - dt.timedelta(minutes=5)


@pytest.mark.parametrize("path", ["/v1/", "/v3/"])
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_subscription_whose_state_is_unknown_is_unavailable(google, local, orders, fault, path):
    google.fail(fault, method="GET", path=path)

    with pytest.raises(Unavailable, match=orders):
        local.subscriptions.patience(orders)


def test_a_subscription_is_put_back_while_monitoring_is_down(google, local, orders):
    google.fail(FAULTS[0], method="GET", path="/v3/")
    live = local.subscriptions.read(orders)
    local.subscriptions.write(orders, Push(), live)

    local.subscriptions.write(orders, live.value, local.subscriptions.read(orders))

    assert local.subscriptions.read(orders) == live


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_pause_that_is_refused_is_unavailable_and_changes_nothing(google, local, orders, fault):
    live = local.subscriptions.read(orders)
    google.fail(fault, path=":modifyPushConfig")
    with pytest.raises(Unavailable, match=orders):
        local.subscriptions.write(orders, Push(), live)

    assert local.subscriptions.read(orders).value == live.value


def test_a_pause_whose_answer_is_lost_is_unavailable_and_found_by_the_next_read(
    google, local, orders
):
    google.fail(Fault(lose_answer=True), path=":modifyPushConfig")
    with pytest.raises(Unavailable, match="no answer"):
        local.subscriptions.write(orders, Push(), local.subscriptions.read(orders))

    assert local.subscriptions.read(orders).value == Push()


def test_a_pause_that_does_not_read_back_is_not_confirmed(google):
    name = "projects/p/subscriptions/deaf"
    config = {"pushEndpoint": "http://127.0.0.1:9/x"}
    state = {"name": name, "pushConfig": config, "messageRetentionDuration": "604800s"}
    deaf = (
        route("GET", f"/v1/{name}", lambda _: state),
        route("POST", f"/v1/{name}:modifyPushConfig", lambda _: {}),
    )
    with Server(*deaf) as server:
        subscriptions = Subscriptions(server.url, google.url)
        live = subscriptions.read(name)

        with pytest.raises(Unavailable, match="written but not confirmed"):
            subscriptions.write(name, Push(), live)


def test_a_slow_subscription_or_topic_is_unavailable(google, local, orders):
    google.fail(Fault(delay=PATIENCE), times=2)

    with pytest.raises(Unavailable, match="no answer"):
        Subscriptions(local.url, local.url, timeout=0.1).read(orders)
    with pytest.raises(Unavailable, match="no answer"):
        TopicPublisher(local.url, timeout=0.1).publish(local.topic, b"x", {})


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_message_that_the_topic_does_not_take_is_unavailable(google, local, fault):
    google.fail(fault, path=":publish")

    with pytest.raises(Unavailable, match="cannot publish"):
        local.publish(b"x")
