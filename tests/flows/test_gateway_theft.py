# SPDX-License-Identifier: Apache-2.0
"""A customer's key is stolen and used at the gateway itself: found, blocked, told, and given back.

The functions are processes of their own, the counters are a real Redis, the SDK is OpenAI's."""

from __future__ import annotations

import datetime as dt
import itertools

import openai
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

import gateways
from flows.stage import ALERTS, USAGE, staged
from gateways import HELLO, MODEL
from threats import owned
from twinguard.cli import thefts
from twinguard.places import Places
from twinguard.state.counters import Options, open_counters

HOME, AWAY = ("203.0.113.9", "US"), [(f"198.51.100.{n}", "RU") for n in (5, 77, 140)]
AGENT = "acme-backend/1.4 httpx/0.27"


def headers(source, agent):
    """As the load balancer sends them on."""
    address, country = source
    return {"X-Forwarded-For": address, "X-Client-Region": country, "User-Agent": agent}


def fortnight(counters, places, key_id):
    """The owner's use until an hour ago, as it was counted."""
    places.tell(*HOME)
    uses = owned(14)
    shift = gateways.now() - dt.timedelta(hours=1) - uses[-1].at
    for one in uses:
        path = "/v1/chat/completions"
        counters.observe(
            replace(one, key_id=key_id, at=one.at + shift, ip=HOME[0], user_agent=AGENT, path=path)
        )


def asked(gateway, key, source, agent):
    """Whether a call was served; else the SDK's error."""
    client = gateway.client(
        key, **{n.replace("-", "_"): v for n, v in headers(source, agent).items()}
    )
    try:
        client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=20)
    except openai.APIStatusError as err:
        return err
    return None


@pytest.fixture
def counters(redis_server):
    url = redis_server.environment["TWINGUARD_COUNTERS"]
    places = Places()
    return url, places, open_counters(url, Options(place_of=places, timeout=5.0))


def test_a_key_that_is_stolen_and_used_here_is_blocked_told_and_given_back(
    tmp_path, project, counters, monkeypatch
):
    url, places, store = counters
    policy = gateways.policy()
    security = replace(policy.security, region_header="X-Client-Region", timeout_ms=2000)
    with staged(tmp_path, project, USAGE, ALERTS, TWINGUARD_COUNTERS=url) as stage:
        settings = {
            "TWINGUARD_COUNTERS": url,
            "TWINGUARD_RECORDS": stage.settings["TWINGUARD_RECORDS"],
            "TWINGUARD_USAGE_TOPIC": stage.name("topics", "usage-events"),
            "PUBSUB_EMULATOR_HOST": stage.settings["PUBSUB_EMULATOR_HOST"],
        }
        with gateways.running(replace(policy, security=security), settings) as gateway:
            key, other = gateway.key(), gateway.key("globex")
            key_id = key.split("_")[2]
            fortnight(store, places, key_id)
            first = asked(gateway, key, HOME, AGENT)
            found = [
                asked(gateway, key, source, "OpenAI/Python 1.40.0")
                for source in itertools.islice(itertools.cycle(AWAY), 60)
            ]
            stage.wait_until(lambda: len(stage.heard()["pagerduty"]) == 1)
            owner = asked(gateway, key, HOME, AGENT)
            bystander = asked(gateway, other, ("192.0.2.1", "DE"), "globex/1.0")
            for name, value in settings.items():
                monkeypatch.setenv(name, value)
            why = ("--reason", "the leak is closed", "--by", "ada", "--owner", "--apply")
            done = CliRunner().invoke(
                thefts.app, ["unblock", "--env", "staging", "--key", key_id, *why]
            )
            again = gateways.until(
                lambda: asked(gateway, key, HOME, AGENT), lambda one: one is None, seconds=20
            )
        (theft,) = stage.records("thefts")

    assert (first, bystander, done.exit_code, again) == (None, None, 0, None)
    for refused in (found[-1], owner):
        assert isinstance(refused, openai.PermissionDeniedError)
        assert refused.code == "key_blocked"
        assert "blocked for security reasons" in refused.message
        assert refused.response.headers["x-request-id"].startswith("req_")
    assert found.count(None) < 20
    assert (theft["key_id"], theft["level"]) == (key_id, "CRITICAL")
    assert {source for source, _ in AWAY} & set(theft["sources"])
    assert f"API key {key_id}: CRITICAL" in stage.heard()["sms"][0]
