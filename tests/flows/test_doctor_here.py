# SPDX-License-Identifier: Apache-2.0
"""The doctor on this machine: it works every control, and hears when one is out of order."""

from __future__ import annotations

import contextlib
import datetime as dt
import json

import pytest
import typer
from msgspec.structs import replace
from typer.testing import CliRunner

import servers
from twinguard import config
from twinguard.cli import doctor
from twinguard.cli.doctor_canary import limited, worked
from twinguard.cli.doctor_embedded import Embedded
from twinguard.cli.processes import running
from twinguard.cli.rehearsal import Play
from twinguard.cli.stage import Stage
from twinguard.decide.health import Look, State
from twinguard.decide.ledger import Budgets, Outcome, Settlement
from twinguard.decide.model import Breaker
from twinguard.errors import Unavailable
from twinguard.llm.budgets import budgets_of
from twinguard.llm.ledger_memory import MemoryLedger
from twinguard.policy import Channel, Environment, Responses, Treatment
from twinguard.standins.channels import Sinks
from twinguard.standins.server import Fault
from twinguard.state.counters import open_counters

POLICY = config.load(config.path_of(Environment.STAGING))
NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


@contextlib.contextmanager
def at_work(folder, policy=POLICY):
    """The processes and stand-ins, and the doctor beside them."""
    with Sinks() as sinks, Stage() as stage:
        play = Play(policy, policy.budget, stage, sinks, folder, servers.PATIENCE, lambda: None)
        with running(tuple(play.functions.values()), lambda: None):
            yield Embedded(policy, play, policy.budget, NOW), play


def wrong(found):
    return [(check.name, check.state) for check in found if check.state is not State.OK]


def test_on_a_healthy_machine_every_control_works(monkeypatch):
    monkeypatch.delenv("TWINGUARD_COUNTERS", raising=False)
    app = typer.Typer()
    app.command()(doctor.main)

    done = CliRunner().invoke(app, ["--json"])
    told = json.loads(done.stdout)

    assert (done.exit_code, told["exit_code"]) == (0, 0)
    assert told["environment"] == "staging on this machine"
    assert {check["state"] for check in told["checks"]} == {"ok"}
    assert [f"{check['group']}: {check['name']}" for check in told["checks"]] == [
        "alerts: routes",
        *(f"alerts: delivery by {channel}" for channel in Channel),
        "budget: budget messages",
        "budget: cap",
        "budget: breaker opens",
        "budget: breaker closes",
        "budget: everything is put back",
        "budget: unreadable events",
        "nights: night plan",
        "keys: secrets turn",
        "guard: canary key",
        "limits: limits on models",
        "costs: reading of the export",
    ]


@pytest.mark.parametrize("channel", list(Channel))
def test_a_muted_channel_is_heard_of(tmp_path, channel):
    with at_work(tmp_path) as (doctors, play):
        play.ears.deafen(channel, 500)

        found = tuple(doctors.channels())

    assert wrong(found) == [(f"delivery by {channel}", State.FAILED)]
    (check,) = (check for check in found if check.state is State.FAILED)
    assert "nobody received what was" in check.says
    assert f"the settings of {channel}" in check.remedy


def test_a_channel_that_no_level_is_routed_to_is_not_missed_but_a_silent_level_is(tmp_path):
    routes = {
        level: tuple(one for one in channels if one is Channel.EMAIL)
        for level, channels in POLICY.alerts.routes.items()
        if level != "low"
    }
    policy = replace(POLICY, alerts=replace(POLICY.alerts, routes=routes))
    with at_work(tmp_path, policy) as (doctors, _):
        found = tuple(doctors.channels())

    assert [(check.name, check.state) for check in found] == [
        ("routes", State.FAILED),
        ("delivery by email", State.OK),
    ]
    assert found[0].says == "nobody hears of what is low"


def test_a_budget_subscription_that_does_not_push_is_heard_of(tmp_path):
    with at_work(tmp_path) as (doctors, play):
        name = next(one for one in play.stage.pubsub.names(POLICY.project.id) if "budget" in one)
        play.stage.pubsub.edit(name, pushConfig={})

        found = tuple(doctors.loop())

    assert wrong(found) == [("budget messages", State.FAILED)]
    assert found[0].says == "one was answered nothing"


def test_a_cap_that_cannot_hold_something_is_heard_of(tmp_path):
    with at_work(tmp_path) as (doctors, play):
        fault = Fault(code=403, status="PERMISSION_DENIED")
        play.stage.fail(fault, times=500, method="PATCH", path="living-twin-worker")

        found = tuple(doctors.loop())

    states = dict(wrong(found))
    assert states["cap"] is State.FAILED
    assert "living-twin-worker" in next(check.says for check in found if check.name == "cap")


def test_a_night_plan_of_something_that_is_gone_is_heard_of(tmp_path):
    with at_work(tmp_path) as (doctors, play):
        gone = next(one for one in play.stage.resources if one.short == "living-twin-reports")
        play.stage.cloud_run.remove(gone.name)
        play.stage.resources = tuple(one for one in play.stage.resources if one != gone)

        found = tuple(doctors.nights())

    assert wrong(found) == [("night plan", State.FAILED)]
    assert "living-twin-reports" in found[0].says


@pytest.mark.parametrize("name", ["production", "development"])
def test_other_environments_sleep_and_wake_too(tmp_path, name):
    policy = config.load(config.path_of(Environment(name)))
    with at_work(tmp_path, policy) as (doctors, _):
        found = tuple(doctors.nights())

    assert [(check.name, check.state) for check in found] == [("night plan", State.OK)]


def test_secrets_whose_turn_nobody_hears_of_are_named(tmp_path):
    with at_work(tmp_path) as (doctors, play):
        name = next(one for one in play.stage.pubsub.names(POLICY.project.id) if "sched" in one)
        play.stage.pubsub.edit(name, pushConfig={})

        found = tuple(doctors.secrets())

    assert wrong(found) == [("secrets turn", State.FAILED)]
    assert "openai-api-key" in found[0].says


def test_a_breaker_that_the_middleware_does_not_see_is_heard_of(tmp_path):
    with at_work(tmp_path) as (doctors, play):
        look = Look("budget", "breaker opens")

        closed = doctors._served(look, "make drill", is_open=True)
        kept = play.pipeline.journal.breaker()
        play.pipeline.journal.keep_breaker(kept, Breaker((("environment", "spent"),)))

    assert (closed.state, closed.says) == (State.FAILED, "it is closed")
    assert doctors._served(look, "make drill", is_open=True).says == "by the cap; requests get 503"


def test_a_theft_that_the_policy_lets_pass_is_heard_of():
    mild = Responses(critical=Treatment(per_minute=100_000))
    policy = replace(POLICY, security=replace(POLICY.security, responses=mild))

    found = tuple(worked(policy, "memory://", NOW))

    assert wrong(found) == [("canary key", State.FAILED)]
    assert found[0].says == "a thief used it 60 times and was never blocked"
    assert "security.responses.critical" in found[0].remedy


class Forgetful(MemoryLedger):
    """A ledger that does not count."""

    def settle(self, held, nanos):
        return Settlement(Outcome.TOO_LATE)


@pytest.mark.parametrize(
    ("ledger", "says"),
    [
        (MemoryLedger(Budgets()), "it is silent: spent, and still it refuses nobody"),
        (Forgetful(budgets_of(POLICY)), "200.00 USD were spent, it counted 0.00 USD"),
    ],
)
def test_a_silent_limit_is_heard_of(ledger, says):
    check = limited(POLICY, ledger, Look("limits", "limits on models"))

    assert (check.state, check.says) == (State.FAILED, says)
    assert "openai.monthly_budget" in check.remedy


def test_a_store_that_is_not_there_is_heard_of_by_both_guards():
    found = tuple(worked(POLICY, "redis://127.0.0.1:1/0", NOW))

    assert wrong(found) == [("canary key", State.FAILED), ("limits on models", State.FAILED)]
    assert {check.remedy for check in found} == {"is TWINGUARD_COUNTERS right?"}


def test_a_ledger_that_was_never_set_up_is_not_said_to_be_down(monkeypatch):
    """Firestore holds blocks; while it is away, money is no question of it."""

    def away(*_):
        raise Unavailable("Firestore does not answer")

    monkeypatch.setattr("twinguard.state.counters_records.RecordsCounters.observe", away)
    monkeypatch.setattr("twinguard.state.counters_records.RecordsCounters.restrain", away)
    counters, ledger = worked(POLICY, "firestore://p/(default)", NOW)

    assert (counters.state, ledger.state) == (State.FAILED, State.UNKNOWN)
    assert "counters do not answer" in counters.says
    assert "answer" not in ledger.says
    assert "set it to redis://" in ledger.remedy


def test_counters_that_are_none_are_said_to_be_set_wrong():
    counters, _ = worked(POLICY, "etcd://x", NOW)

    assert counters.state is State.FAILED
    assert "TWINGUARD_COUNTERS is 'etcd://x'" in counters.remedy


def test_both_guards_trust_the_certificates_of_the_settings(monkeypatch):
    told = []

    def opened(target, *_, **__):
        told.append(target)
        raise Unavailable("not here")

    monkeypatch.setenv("TWINGUARD_COUNTERS_CA", "certificates")
    monkeypatch.setattr("twinguard.state.redis_calls.opened", opened)
    monkeypatch.setattr("twinguard.llm.ledger_redis.opened", opened)
    found = tuple(worked(POLICY, "rediss://127.0.0.1:1", NOW))

    assert wrong(found) == [("canary key", State.FAILED), ("limits on models", State.FAILED)]
    assert {(target.url, target.authorities) for target in told} == {
        ("rediss://127.0.0.1:1", "certificates")
    }


@pytest.mark.parametrize("name", ["production", "development", "ci"])
def test_the_guards_of_every_environment_work(name):
    policy = config.load(config.path_of(Environment(name)))

    assert wrong(worked(policy, "memory://", NOW)) == []


def test_a_canary_leaves_nobody_held_back_in_a_shared_store(redis_server):
    url = redis_server.environment["TWINGUARD_COUNTERS"]
    following = open_counters(url).follow()
    before = next(following)

    found = tuple(worked(POLICY, url, NOW))

    assert wrong(found) == []
    assert next(open_counters(url).follow()) == before
