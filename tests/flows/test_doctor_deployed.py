# SPDX-License-Identifier: Apache-2.0
"""The doctor in a deployed environment: silent on a healthy one, and it finds what is planted."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from msgspec.structs import replace

from infirmary import DAY, HOUR, policy_of, policy_of_staging, variables, ward
from twinguard.cli.doctor_deployed import examined
from twinguard.decide.deployment import Fast
from twinguard.decide.grants import ACCESSOR, BUDGETS, PUBLISHER, application, member
from twinguard.decide.health import State
from twinguard.decide.health_deployed import checks
from twinguard.decide.ledger import Scope, period_of
from twinguard.decide.model import Breaker, Hold, Kind, Push, Resource, Strength, Why
from twinguard.decide.storm import ChannelState
from twinguard.llm.ledger_book import Book
from twinguard.policy import Channel, Environment
from twinguard.standins.deployment import Deployment
from twinguard.standins.security import stamp


@pytest.fixture
def healthy(tmp_path, monkeypatch):
    now = dt.datetime.now(dt.UTC)
    with Deployment(policy_of_staging(), now) as google:
        found = ward(tmp_path, google, now)
        for name, value in variables(found).items():
            monkeypatch.setenv(name, value)
        yield found


def test_nothing_is_cried_about_a_healthy_environment(healthy):
    assert healthy.wrong() == []


@pytest.mark.parametrize("name", ["production", "development", "ci"])
def test_nothing_is_cried_about_other_healthy_environments(tmp_path, monkeypatch, name):
    now = dt.datetime.now(dt.UTC)
    with Deployment(policy_of(Environment(name)), now) as google:
        here = ward(tmp_path, google, now)
        for variable, value in variables(here).items():
            monkeypatch.setenv(variable, value)

        assert here.wrong() == []


def test_a_healthy_environment_is_looked_at_from_every_side(healthy):
    found = [check.group for check in healthy.checks()]

    assert {group: found.count(group) for group in dict.fromkeys(found)} == {
        "budget": 5,
        "messages": 15,
        "schedules": 8,
        "alerts": 9,
        "nights": 2,
        "guard": 1,
        "limits": 1,
        "keys": 14,
        "access": 6,
        "costs": 1,
    }


# --- what is planted, who finds it, in which words, and what helps -------------------------------


APPLY = "make apply ENV=staging"
THIEF = "serviceAccount:thief@elsewhere.iam.gserviceaccount.com"


def a_budget_that_nobody_made(here):
    here.google.plane.budgets.clear()


def a_budget_that_tells_nobody(here):
    budget = next(iter(here.google.plane.budgets.values()))
    budget["notificationsRule"] = {"schemaVersion": "1.0"}


def a_budget_of_another_amount(here):
    budget = next(iter(here.google.plane.budgets.values()))
    budget["amount"]["specifiedAmount"]["units"] = "5000"


def a_budget_without_the_caps_threshold(here):
    next(iter(here.google.plane.budgets.values()))["thresholdRules"].pop()


def budget_messages_that_stopped(here):
    here.read_budget(here.now - 60 * HOUR)


def a_breaker_that_stuck(here):
    kept = here.journal.breaker()
    here.journal.keep_breaker(kept, Breaker((("environment", "an old reason"),)))


def a_project_without_billing(here):
    here.google.billing.accounts[here.policy.project.id] = ""


def an_event_that_nobody_can_read(here):
    here.journal.dead_letter("on_budget_alert", "no JSON", b"x", here.now - HOUR)


def a_function_that_is_gone(here):
    del here.google.plane.functions[here.google.function("on-schedule")["name"]]


def a_function_that_failed(here):
    here.google.function("on-usage")["state"] = "FAILED"


def a_subscription_that_is_gone(here):
    here.google.pubsub.remove_subscription(here.names.subscription("on-budget-alert"))


def a_subscription_that_lost_its_topic(here):
    here.google.pubsub.edit(here.names.subscription("on-budget-alert"), topic="_deleted-topic_")


def a_subscription_that_does_not_push(here):
    here.google.pubsub.edit(here.names.subscription("dispatch-alert"), pushConfig={})


def a_subscription_that_pushes_elsewhere(here):
    push = {
        "pushEndpoint": "https://elsewhere.example",
        "oidcToken": {"serviceAccountEmail": here.names.push},
    }
    here.google.pubsub.edit(here.names.subscription("on-usage"), pushConfig=push)


def a_subscription_without_dead_letters(here):
    here.google.pubsub.edit(here.names.subscription("on-schedule"), deadLetterPolicy={})


def dead_letters_that_nobody_keeps(here):
    here.google.pubsub.remove_subscription(here.names.subscription("on-schedule-dead-letters"))


def dead_letters_that_wait(here):
    name = here.names.subscription("on-usage-dead-letters")
    here.google.monitoring.ages[name] = 7200


def a_message_that_is_not_taken(here):
    here.google.monitoring.ages[here.names.subscription("on-secret-event")] = 7200


def a_job_that_is_paused(here):
    here.google.job("night")["state"] = "PAUSED"


def a_job_that_is_gone(here):
    del here.google.plane.jobs[here.google.job("expire")["name"]]


def a_job_that_fails(here):
    here.google.job("rotate")["status"] = {"code": 5, "message": "topic not found"}


def a_channel_without_its_setting(here):
    config = here.google.function("dispatch-alert")["serviceConfig"]
    config["secretEnvironmentVariables"] = [
        one for one in config["secretEnvironmentVariables"] if one["key"] != "SLACK_WEBHOOK_URL"
    ]


def a_channel_whose_secret_is_off(here):
    config = here.google.function("dispatch-alert")["serviceConfig"]
    pinned = {one["key"]: one for one in config["secretEnvironmentVariables"]}
    pinned["TWILIO_AUTH_TOKEN"]["version"] = "2"


def a_channel_that_is_dead(here):
    state = ChannelState(Channel.PAGERDUTY, trouble="channel/pagerduty/2026-11-25")
    value = msgspec.to_builtins(state)
    here.records.put("channels", f"{here.policy.environment}/pagerduty", value, None)


def a_night_plan_of_what_is_gone(here):
    place = f"{here.names.project}/locations/{here.policy.region}/services"
    here.google.cloud_run.remove(f"{place}/living-twin-reports")


def a_hold_that_nobody_ended(here):
    resource = Resource(Kind.SUBSCRIPTION, f"{here.names.project}/subscriptions/x-push")
    why = Why("night", Strength.IDLE, here.now - 3 * DAY, here.now - 2 * DAY, "schedule")
    hold = Hold(resource, Push("{}"), (Push(),), (why,), here.now - 3 * DAY)
    here.journal.keep_hold(here.journal.hold(resource), hold)


def a_hold_that_somebody_forgot(here):
    resource = Resource(Kind.SUBSCRIPTION, f"{here.names.project}/subscriptions/x-push")
    why = Why("manual", Strength.IDLE, here.now - 30 * DAY, None, "ada")
    hold = Hold(resource, Push("{}"), (Push(),), (why,), here.now - 30 * DAY)
    here.journal.keep_hold(here.journal.hold(resource), hold)


def a_limit_without_an_end(here):
    book = Book(here.records, here.policy.retention)
    book.set_limit(Scope.of("tenant:acme"), 10**12, None, "eve", "for now", here.now)


def a_limit_that_refuses_nobody(here):
    book = Book(here.records, here.policy.retention)
    period = period_of(here.now)
    book.sums(period, "gateway-1").write({"environment:staging": 900 * 10**9})


def a_secret_that_is_gone(here):
    del here.google.secrets._secrets[here.names.secret("neo4j-credentials")]


def a_secret_without_a_version(here):
    name = here.names.secret("openai-api-key")
    here.google.secrets._versions[name][0]["state"] = "DISABLED"


def a_secret_that_is_overdue(here):
    secret = here.google.secrets._secrets[here.names.secret("openai-api-key")]
    secret["rotation"]["nextRotationTime"] = stamp(here.now - 9 * DAY)


def a_secret_that_does_not_turn(here):
    del here.google.secrets._secrets[here.names.secret("neo4j-credentials")]["rotation"]


def a_secret_that_tells_nobody(here):
    del here.google.secrets._secrets[here.names.secret("neo4j-credentials")]["topics"]


def a_key_that_anybody_may_use(here):
    here.google.api_keys.add(f"{here.names.project}/locations/global/keys/open", "Browser key")


def a_key_file_of_an_account(here):
    account = f"{here.names.project}/serviceAccounts/{here.names.push}"
    here.google.accounts.add_key(account, here.now - DAY)


def somebody_else_who_publishes_budget_messages(here):
    here.google.plane.grant(here.names.topic("budget-alerts"), PUBLISHER, THIEF)


def google_that_may_not_publish(here):
    here.google.plane.take(here.names.topic("budget-alerts"), PUBLISHER, BUDGETS)


def a_role_on_the_project_that_is_too_wide(here):
    account = member(here.names.account("usage"))
    here.google.plane.grant(here.names.project, "roles/editor", account)


def a_role_that_lost_its_condition(here):
    account = member(here.names.account("usage"))
    here.google.plane.grant(here.names.project, "roles/datastore.user", account)


def a_stranger_who_reads_a_secret(here):
    here.google.plane.grant(here.names.secret("openai-api-key"), ACCESSOR, THIEF)


def a_function_that_anybody_may_call(here):
    service = here.names.service("on-budget-alert")
    here.google.plane.grant(service, "roles/run.invoker", "allUsers")


def a_role_that_is_missing(here):
    account = member(here.names.account("schedule"))
    here.google.plane.take(here.names.project, here.names.role("watcher"), account)


def a_secret_that_its_reader_may_not_read(here):
    secret = here.names.secret("openai-api-key")
    here.google.plane.take(secret, ACCESSOR, application(here.names))


def a_role_of_ours_that_grew(here):
    role = here.google.plane.roles[here.names.role("service_holder")]
    role["includedPermissions"].append("run.services.delete")


def a_default_account_that_is_enabled(here):
    here.google.accounts.disabled.clear()


def reads_that_are_not_logged(here):
    here.google.plane.audited.clear()


def an_export_that_stopped(here):
    here.spend_until(here.now - 5 * DAY)


FAULTS = (
    (a_budget_that_nobody_made, "Google's budget", "there is no budget", APPLY),
    (a_budget_that_tells_nobody, "Google's budget", "it is silent", APPLY),
    (a_budget_of_another_amount, "Google's budget", "5,000.00 USD, the policy 500.00", APPLY),
    (a_budget_without_the_caps_threshold, "Google's budget", "not tell at 100 %", APPLY),
    (budget_messages_that_stopped, "budget messages", "60 hours ago", "functions logs read"),
    (a_breaker_that_stuck, "breaker", "no cap is tripped", "make wake ENV=staging HOLD=budget"),
    (a_project_without_billing, "billing account", "has none", "billing projects link"),
    (an_event_that_nobody_can_read, "unreadable events", "1 of the last two days", "read them"),
    (a_function_that_is_gone, "function on-schedule", "not deployed", APPLY),
    (a_function_that_failed, "function on-usage", "FAILED", "functions logs read"),
    (a_subscription_that_is_gone, "subscription of on-budget-alert", "there is none", APPLY),
    (
        a_subscription_that_lost_its_topic,
        "subscription of on-budget-alert",
        "bound to _deleted-topic_",
        "subscriptions delete twinguard-staging-on-budget-alert",
    ),
    (a_subscription_that_does_not_push, "subscription of dispatch-alert", "not push", APPLY),
    (a_subscription_that_pushes_elsewhere, "subscription of on-usage", "elsewhere.example", APPLY),
    (a_subscription_without_dead_letters, "subscription of on-schedule", "no dead-letter", APPLY),
    (dead_letters_that_nobody_keeps, "subscription of on-schedule", "no subscription", APPLY),
    (dead_letters_that_wait, "backlog of on-usage", "for 2 hours", "subscriptions pull"),
    (a_message_that_is_not_taken, "backlog of on-secret-event", "waits for it", "logs read"),
    (a_job_that_is_paused, "job night", "PAUSED", "gcloud scheduler jobs resume"),
    (a_job_that_is_gone, "job expire", "there is none", APPLY),
    (a_job_that_fails, "job rotate", "topic not found", "gcloud scheduler jobs run"),
    (a_channel_without_its_setting, "settings of slack", "SLACK_WEBHOOK_URL: it is muted", APPLY),
    (a_channel_whose_secret_is_off, "settings of sms", "version 2 of", "versions enable 2"),
    (a_channel_that_is_dead, "delivery by pagerduty", "not accepted", "mend its settings"),
    (a_night_plan_of_what_is_gone, "night plan", "service living-twin-reports", "policy.yaml"),
    (a_hold_that_nobody_ended, "holds", "x-push (night)", "make wake ENV=staging HOLD=night"),
    (a_hold_that_somebody_forgot, "holds", "x-push (manual)", "HOLD=manual APPLY=1"),
    (a_limit_without_an_end, "limits on models", "tenant:acme", "make budget-raise ENV=staging"),
    (a_limit_that_refuses_nobody, "limits on models", "it is silent", "TWINGUARD_COUNTERS"),
    (a_secret_that_is_gone, "secret neo4j-credentials", "there is none", APPLY),
    (a_secret_without_a_version, "secret openai-api-key", "no version", "secrets versions add"),
    (a_secret_that_is_overdue, "secret openai-api-key", "9 days overdue", "make rotate KEY="),
    (a_secret_that_does_not_turn, "secret neo4j-credentials", "does not turn", APPLY),
    (a_secret_that_tells_nobody, "secret neo4j-credentials", "told to nobody", APPLY),
    (a_key_that_anybody_may_use, "Google API keys", "opens every API", "api-keys update open"),
    (a_key_file_of_an_account, "key files of service accounts", "a key file of", "keys delete"),
    (
        somebody_else_who_publishes_budget_messages,
        "publishers of budget messages",
        "can trip the cap",
        "gcloud pubsub topics remove-iam-policy-binding twinguard-staging-budget-alerts",
    ),
    (google_that_may_not_publish, "publishers of budget messages", "Google may not", APPLY),
    (
        a_role_on_the_project_that_is_too_wide,
        "roles beyond that",
        "has editor on project",
        "gcloud projects remove-iam-policy-binding living-twin-staging --role=roles/editor",
    ),
    (
        a_role_that_lost_its_condition,
        "roles beyond that",
        "has datastore.user on project",
        "--role=roles/datastore.user --member=serviceAccount:twinguard-staging-usage@",
    ),
    (
        a_stranger_who_reads_a_secret,
        "roles beyond that",
        "thief@elsewhere",
        "gcloud secrets remove-iam-policy-binding staging-openai-api-key",
    ),
    (
        a_function_that_anybody_may_call,
        "roles beyond that",
        "allUsers has run.invoker",
        "gcloud run services remove-iam-policy-binding twinguard-staging-on-budget-alert",
    ),
    (a_role_that_is_missing, "roles that are needed", "lacks twinguard_staging_watcher", APPLY),
    (
        a_secret_that_its_reader_may_not_read,
        "roles that are needed",
        "lacks secretmanager.secretAccessor on secret staging-openai-api-key",
        APPLY,
    ),
    (a_role_of_ours_that_grew, "roles of our own", "may also run.services.delete", APPLY),
    (a_default_account_that_is_enabled, "default accounts", "is enabled", "accounts disable"),
    (reads_that_are_not_logged, "audit log of secrets", "DATA_READ", APPLY),
    (an_export_that_stopped, "billing export", "stale", "is the export still on?"),
)


@pytest.mark.parametrize(
    ("plant", "name", "says", "remedy"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS]
)
def test_what_is_planted_is_found_by_one_check_with_its_remedy(healthy, plant, name, says, remedy):
    plant(healthy)

    (found,) = healthy.wrong()

    assert (found.name, found.state) == (name, State.FAILED)
    assert says in found.says
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("seconds", "state", "says"),
    [
        (0.02, State.OK, "they answer within 100 ms; 3 keys are held back"),
        (0.4, State.UNKNOWN, "they took 400 ms to answer, 100 are allowed: from afar"),
        (2.5, State.FAILED, "they took 2500 ms to answer, 100 are allowed: requests fail open"),
    ],
)
def test_slow_counters_are_broken_only_where_distance_cannot_explain_it(
    healthy, seconds, state, says
):
    seen = examined(healthy.policy, healthy.now, lambda *_: None)
    slow = replace(seen, counters=Fast(seconds, 3))

    (check,) = (one for one in checks(healthy.policy, slow) if one.group == "guard")

    assert check.state is state
    assert check.says.startswith(says)


def test_the_key_that_makes_keys_is_looked_at_where_there_is_one(tmp_path, monkeypatch):
    now, staging = dt.datetime.now(dt.UTC), policy_of_staging()
    policy = replace(staging, openai=replace(staging.openai, project="proj_abc"))
    with Deployment(policy, now) as google:
        here = ward(tmp_path, google, now)
        for name, value in variables(here).items():
            monkeypatch.setenv(name, value)
        assert here.wrong() == []
        del google.secrets._secrets[here.names.secret("openai-admin-key")]

        (found,) = here.wrong()

    assert (found.name, found.state) == ("secret openai-admin-key", State.FAILED)
