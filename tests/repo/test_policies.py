# SPDX-License-Identifier: Apache-2.0
"""The policies in `environments/` hold strategy.md's numbers, and every mistake in one is named."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from twinguard import config, notify, plain
from twinguard.errors import Misconfigured
from twinguard.policy import Channel, Environment, Level, Policy, Setting

ENVIRONMENTS = Path(__file__).parents[2] / "environments"
STAGING = (ENVIRONMENTS / "staging" / "policy.yaml").read_text()
EVERYBODY = (Channel.EMAIL, Channel.SLACK, Channel.SMS, Channel.PAGERDUTY)
SECTION_12_3 = {
    Level.LOW: (Channel.EMAIL,),
    Level.MEDIUM: (Channel.EMAIL, Channel.SLACK),
    Level.HIGH: (Channel.EMAIL, Channel.SLACK),
    Level.CRITICAL: EVERYBODY,
}


def policy_of(environment: Environment) -> Policy:
    return config.load(config.path_of(environment))


@pytest.mark.parametrize("environment", Environment)
def test_a_policy_loads_and_survives_the_trip_to_a_function(environment):
    policy = policy_of(environment)

    assert config.parse(config.render(policy), "TWINGUARD_POLICY") == policy


def test_every_folder_is_an_environment():
    assert {path.parent.name for path in ENVIRONMENTS.glob("*/policy.yaml")} == set(Environment)


@pytest.mark.parametrize("environment", Environment)
def test_an_editor_accepts_the_policy_by_the_schema(environment):
    text = config.path_of(environment).read_text()
    schema = json.loads((ENVIRONMENTS / "policy.schema.json").read_text())
    value = plain.from_yaml(text, "policy.yaml")

    assert "\n# yaml-language-server: $schema=../policy.schema.json\n" in text
    assert [error.message for error in Draft202012Validator(schema).iter_errors(value)] == []


def test_every_setting_of_a_channel_can_have_a_version():
    """SECURITY_EMAIL comes from alerts.contacts; a certificate's file is not in a function."""
    of_channels = {name for s in notify.SETTINGS.values() for name in (*s.required, *s.optional)}

    assert {setting.value for setting in Setting} == of_channels - {
        "SECURITY_EMAIL",
        "SMTP_CA_FILE",
    }


def test_the_schema_file_is_fresh():
    """Regenerate it with `make schema`."""
    written = json.loads((ENVIRONMENTS / "policy.schema.json").read_text())

    assert written == config.schema()


@pytest.mark.parametrize(
    ("environment", "project", "amount", "percents"),
    [
        (Environment.PRODUCTION, "living-twin-prod", 5000, (50, 75, 90, 100)),
        (Environment.STAGING, "living-twin-staging", 500, (75, 90, 100)),
        (Environment.DEVELOPMENT, "living-twin-dev", 100, (90, 100)),
        (Environment.CI, "living-twin-ci", 50, (100,)),
    ],
)
def test_the_money_is_the_strategys(environment, project, amount, percents):
    policy = policy_of(environment)
    budget = policy.budget

    assert budget is not None
    assert (policy.project.id, policy.region) == (project, "europe-west1")
    assert budget.name == f"living-twin-{environment}-budget"
    assert (budget.amount, budget.currency) == (Decimal(amount), "USD")
    assert tuple(threshold.percent for threshold in budget.thresholds) == percents
    assert budget.thresholds[-1].level is Level.CRITICAL
    assert tuple(threshold.percent for threshold in budget.forecast) == (100,)
    assert budget.cap.enabled
    assert budget.cap.stop_serving == (environment is not Environment.PRODUCTION)
    assert not budget.cap.unlink_billing


@pytest.mark.parametrize(
    ("environment", "routes"),
    [
        (Environment.PRODUCTION, SECTION_12_3),
        (Environment.STAGING, SECTION_12_3),
        (Environment.DEVELOPMENT, SECTION_12_3),
        (Environment.CI, dict.fromkeys(Level, (Channel.EMAIL,))),
        (Environment.LOCAL, {}),
    ],
)
def test_alerts_go_where_the_strategy_sends_them(environment, routes):
    assert policy_of(environment).alerts.routes == routes


def test_local_costs_nothing_and_tells_nobody():
    policy = policy_of(Environment.LOCAL)

    assert (policy.budget, policy.schedule, policy.services) == (None, None, {})


WORKER = "  living-twin-worker: {critical: false}\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "amount: 500",
            "amuont: 500",
            "budget.amuont: unknown key; did you mean amount? Otherwise remove it.",
        ),
        (
            "owner: platform\n",
            "owner: platform\ncolour: red\n",
            (
                "colour: unknown key; here the keys are alerts, api_keys, application, "
                "billing_account, billing_export, budget, counters, delivery, emulators, env_file, "
                "environment, events, firebase, gateway, labels, local_llm, mocks, neo4j, openai, "
                "project, quotas, region, retention, schedule, secrets, security, services, "
                "spending, subscriptions. Otherwise remove it."
            ),
        ),
        (
            WORKER,
            "  living-twin-worker: {critical: false, crit: 1}\n",
            (
                "services.living-twin-worker.crit: unknown key; did you mean critical? "
                "Otherwise remove it."
            ),
        ),
        ("  name: living-twin-staging-budget\n", "", "budget.name: missing; add it"),
        ("region: europe-west1\n", "", "region: missing; add it"),
        (
            WORKER,
            "  living-twin-worker: {}\n",
            "services.living-twin-worker.critical: missing; add it",
        ),
        (
            "percent: 75",
            "percent: 95",
            "budget.thresholds: percents must ascend without repeats; got 95, 90, 100: sort them",
        ),
        ("percent: 75", "percent: 0", "budget.thresholds: every percent must be above zero"),
        (
            "  amount: 500\n",
            "",
            (
                "budget.amount is missing; a cap cannot be computed without it: add an amount, "
                "or remove thresholds, forecast and cap"
            ),
        ),
        (
            "amount: 500",
            "amount: 0",
            "budget.amount must be above zero; remove it to run without a cap",
        ),
        (
            "percent: 100, level: critical",
            "percent: 99, level: critical",
            (
                "budget.thresholds must contain the cap's percent (100), or the cap has no event "
                "to act on: add it"
            ),
        ),
        (
            "enabled: true",
            "enabled: true\n    percent: 0",
            "budget.cap.percent must be above zero; set cap.enabled to false to run without a cap",
        ),
        (
            "stop_serving: true",
            "unlink_billing: true",
            "budget.cap.unlink_billing stops everything; it needs cap.stop_serving: true as well",
        ),
        (
            "enabled: true",
            "enabled: true\n    release: {reads: 9}",
            "budget.cap.release.reads: 9 is out of range; write a whole number <= 5",
        ),
        (
            "Europe/Brussels",
            "Europe/Brusels",
            (
                "schedule.time_zone 'Europe/Brusels' is not in the tz database; "
                "write it like Europe/Brussels"
            ),
        ),
        (
            "services: [living-twin-api, ",
            "services: [living-twin-apo, ",
            (
                "schedule.services: unknown service living-twin-apo; "
                "add it under services or remove it here"
            ),
        ),
        (
            "subscriptions: [living-twin-ingest-push, ",
            "subscriptions: [ingest, ",
            (
                "schedule.subscriptions: unknown subscription ingest; "
                "add it under subscriptions or remove it here"
            ),
        ),
        (
            WORKER,
            f"{WORKER}  twinguard-on-budget: {{critical: true}}\n",
            (
                "twinguard-on-budget belongs to Twinguard's own control plane and can never be "
                "held; remove it"
            ),
        ),
        ('at: "02:00"', 'at: "06:30"', "schedule.night and schedule.morning are the same"),
        (
            'at: "02:00"',
            'at: "24:00"',
            (
                'schedule.night.at: "24:00" does not match ^([01][0-9]|2[0-3]):[0-5][0-9]$; '
                'write it like "02:00"'
            ),
        ),
        (
            'at: "02:00"',
            "at: 02:00",
            (
                "schedule.night.at: 02:00 means different things to different YAML readers; "
                'write "02:00" for text, true or false, or plain digits'
            ),
        ),
        (
            "days: [mon, tue",
            "days: [mon, mon",
            "schedule.morning: days must not repeat a day",
        ),
        (
            "days: [mon, ",
            "days: [monday, ",
            'schedule.morning.days[0]: "monday" is not known; did you mean mon?',
        ),
        (
            "amount: 500",
            "amount: true",
            "budget.amount: true is not a number; write digits, as 12.34",
        ),
        (
            "owner: platform",
            "owner: 5",
            "labels.owner: 5 is not text; write it in quotes",
        ),
        (
            WORKER,
            "  living-twin-worker: {critical: 0}\n",
            (
                "services.living-twin-worker.critical: 0 is not true or false; "
                "write one of the two, without quotes"
            ),
        ),
        (
            WORKER,
            "  Worker: {critical: false}\n",
            (
                'services.Worker: "Worker" does not match ^[a-z][a-z0-9-]{1,61}[a-z0-9]$; '
                "write it like living-twin-api"
            ),
        ),
        (
            "amount: 500",
            "amount: 500\n  amount: 600",
            "budget.amount: stands twice, again in line 50; keep one",
        ),
        (
            "environment: staging\nproject",
            "environment: stagging\nproject",
            'environment: "stagging" is not known; did you mean staging?',
        ),
        (
            "environment: staging\nproject",
            "environment: production\nproject",
            (
                "environment: production stands in the folder staging; "
                "make the two the same, or move the file"
            ),
        ),
        (
            "critical: [email, ",
            "critical: [fax, ",
            'alerts.routes.critical[0]: "fax" is not known; choose email, pagerduty, slack, sms.',
        ),
        (
            "low: [email]",
            "lowish: [email]",
            'alerts.routes.lowish: "lowish" is not known; did you mean low?',
        ),
        (
            '"012345-567890-ABCDEF"',
            '"12345"',
            (
                'billing_account: "12345" does not match '
                '^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$; write it like "012345-567890-ABCDEF"'
            ),
        ),
        (
            "contacts: [security@example.com]",
            "contacts: [security]",
            (
                "alerts.contacts: security is not an e-mail address; "
                "write it like security@example.com"
            ),
        ),
        (
            "contacts: [security@example.com]",
            "versions: {SMTP_PASWORD: 2}",
            (
                'alerts.versions.SMTP_PASWORD: "SMTP_PASWORD" is not known; '
                "did you mean SMTP_PASSWORD?"
            ),
        ),
        (
            "contacts: [security@example.com]",
            "versions: {SMTP_PASSWORD: 0}",
            ("alerts.versions.SMTP_PASSWORD: 0 is out of range; write a whole number >= 1"),
        ),
        (
            WORKER,
            "  living-twin-worker: {critical: false, account: worker}\n",
            (
                'services.living-twin-worker.account: "worker" does not match '
                "^[a-z0-9][a-z0-9.-]*@[a-z0-9][a-z0-9.-]*\\.gserviceaccount\\.com$; "
                "write it like living-twin-api@living-twin-staging.iam.gserviceaccount.com"
            ),
        ),
        (
            "\nregion: europe-west1\n",
            "\nregion: Europe\n",
            'region: "Europe" does not match ^[a-z]+-[a-z]+[0-9]+$; write it like europe-west1',
        ),
        (
            'readers: [application, "group:qa-team@example.com"], rotation_days: 30}\n  neo4j',
            "readers: [allUsers]}\n  neo4j",
            (
                'secrets.openai-api-key.readers[0]: "allUsers" does not match '
                "^(application|tests|(serviceAccount|group|user):"
                "[^@\\s]+@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+)$; "
                "write it like group:developers@example.com"
            ),
        ),
        (
            'readers: [application, "group:qa-team@example.com"], rotation_days: 30}\n  neo4j',
            "readers: [tests]}\n  neo4j",
            "delivery.tests is missing; a secret's readers speak of it: add it",
        ),
        (
            "  openai-api-key:",
            "  smtp-password:",
            "secrets.smtp-password: the alerts' channels have it already; choose another",
        ),
        (
            "    - roles/aiplatform.user",
            "    - roles/editor",
            (
                'application.roles[0]: "roles/editor" does not match '
                "^roles/[a-zA-Z]+(\\.[a-zA-Z]+)+$; write it like roles/datastore.user"
            ),
        ),
        (
            "    - roles/aiplatform.user",
            "    - roles/secretmanager.secretAccessor",
            (
                "application.roles: roles/secretmanager.secretAccessor would let a stolen key of "
                "the application rule the project, its secrets or the budget's topic; write what "
                "it does, like roles/datastore.user"
            ),
        ),
        (
            "billing_export: {project: living-twin-prod}",
            "billing_export: {project: living-twin-prod, create: true}",
            (
                "billing_export.create makes the dataset in the environment's own project; "
                "set billing_export.project to project.id, or remove create"
            ),
        ),
        (
            '"tenant:*": 50}',
            '"tenant:*": 9007200}',
            "spending.limits.tenant:* must be from 0 to 9007199 USD; correct it, or remove it",
        ),
        (
            '"tenant:*": 50}',
            '"tenant:*": 50}, drift_percent: 0',
            "spending.drift_percent: 0 is out of range; write a whole number >= 1",
        ),
        (
            "open_routes: [/healthz, /readyz]",
            "open_routes: [healthz]",
            (
                'spending.open_routes[0]: "healthz" does not match ^/[^\\s?#]*$; write it like '
                "/healthz"
            ),
        ),
        (
            '"tenant:*": 50}',
            '"customer:acme": 50}',
            (
                'spending.limits.customer:acme: "customer:acme" does not match '
                "^(tenant|feature|key|model):[^\\s]([^\\n]{0,198}[^\\s])?$; write it like "
                "tenant:acme"
            ),
        ),
        (
            "{node: SHARED_CORE_NANO}",
            "{cidr: 8.8.8.0/24}",
            (
                "counters.cidr: 8.8.8.0/24 is not private; take it from 10.0.0.0/8, "
                "172.16.0.0/12, 192.168.0.0/16"
            ),
        ),
        (
            "{node: SHARED_CORE_NANO}",
            "{cidr: 10.0.0.0/28}",
            (
                "counters.cidr: 10.0.0.0/28 must end in /16 to /26: Cloud Run takes no smaller "
                "subnetwork, and more is waste"
            ),
        ),
        (
            "{node: SHARED_CORE_NANO}",
            "{cidr: 10.0.0.1/24}",
            "counters.cidr: 10.0.0.1/24 has host bits set; write it like 10.80.0.0/24",
        ),
        (
            "  monthly_budget: 200 #",
            "  key_days: 30\n  monthly_budget: 200 #",
            "openai.key_days: a key would end before it is rotated; write 38 or more",
        ),
        (
            'repository_id: "0"',
            "repository_id: living-twin",
            (
                'delivery.repository_id: "living-twin" does not match ^[0-9]+$; '
                'write it like "1234567"'
            ),
        ),
        (
            'repository_id: "0"',
            'repository_id: "0"\n  state_project: my-seed-project',
            "delivery.state_project is the project of state_bucket; name that as well",
        ),
        (
            "    stop_serving: true\n",
            (
                "    stop_serving: true\n  services:\n"
                "    run: {service: services/152E-C115-5142, amount: 500.01}\n"
            ),
            (
                "budget.services: together they have 500.01, more than budget.amount (500); "
                "lower them, or raise it"
            ),
        ),
        (
            "    stop_serving: true\n",
            "    stop_serving: true\n  services:\n    run: {service: Cloud Run, amount: 5}\n",
            (
                'budget.services.run.service: "Cloud Run" does not match '
                "^services/[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}$; "
                "write it like services/152E-C115-5142"
            ),
        ),
        (
            "\nquotas:\n",
            "\napi_keys:\n  maps: {apis: [places.googleapis.com]}\nquotas:\n",
            (
                "api_keys.maps: a key needs addresses (a server's) or referrers (a browser's); "
                "write one of the two"
            ),
        ),
        (
            "max_tokens: 1000",
            "max_tokens: 0",
            "openai.max_tokens: 0 is out of range; write a whole number >= 1",
        ),
        ("  requests_per_minute: 100\n", "", "openai.requests_per_minute: missing; add it"),
        (
            "temperature: 0.7",
            "temperature: 2.01",
            "openai.temperature must be from 0 to 2; correct it",
        ),
        (
            "temperature: 0.7",
            'temperature: "NaN"',
            (
                "openai.temperature: NaN is not a number of at most 15 digits; "
                "write it out, as 1500 or 12.34"
            ),
        ),
        (
            "monthly_budget: 200",
            "monthly_budget: 0",
            "openai.monthly_budget must be above zero; correct it",
        ),
        (
            "model: gpt-3.5-turbo",
            "model: gpt 4",
            (
                'openai.model: "gpt 4" does not match ^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$; '
                "write it like gpt-4"
            ),
        ),
        (
            "  openai-api-key:",
            "  other-key:",
            "openai: its key is in no secret; add secrets.openai-api-key (in ci test-api-keys)",
        ),
        (
            "  neo4j-credentials:",
            "  other-credentials:",
            "neo4j: its user and password are in no secret; add secrets.neo4j-credentials",
        ),
        (
            "{uri: neo4j://staging.neo4j.io}",
            "{uri: neo4j://staging.neo4j.io, user: neo4j}",
            (
                "neo4j: needs user and password together; without both, "
                "secrets.neo4j-credentials is read"
            ),
        ),
        (
            "{uri: neo4j://staging.neo4j.io}",
            "{uri: neo4j://staging.neo4j.io, user: neo4j, password: password}",
            (
                "neo4j.password: a policy holds no secrets, and other machines can reach this "
                "database; remove user and password, and put them into secrets.neo4j-credentials"
            ),
        ),
        (
            "neo4j: {uri: neo4j://staging.neo4j.io}",
            'emulators: {firestore: "localhost:8080"}',
            "emulators: staging serves people, with the real thing; remove it",
        ),
        (
            "neo4j: {uri: neo4j://staging.neo4j.io}",
            "env_file: {}",
            ("env_file: needs age or kms, or nobody could read the file; write one, or remove it"),
        ),
        (
            "neo4j: {uri: neo4j://staging.neo4j.io}",
            "env_file: {age: [AGE-SECRET-KEY-1]}",
            (
                'env_file.age[0]: "AGE-SECRET-KEY-1" does not match ^age1[a-z0-9]{20,}$; '
                "write it like age1… as age-keygen prints it"
            ),
        ),
        (
            "  id: living-twin-staging\n",
            "  id: living-twin-staging\n  create: {seed: my-seed-project}\n",
            (
                "project.create: needs a folder or an organisation, by its number; "
                "write one of the two"
            ),
        ),
    ],
)
def test_a_mistake_is_refused_with_file_key_and_remedy(tmp_path, old, new, message):
    path = tmp_path / "staging" / "policy.yaml"
    path.parent.mkdir()
    assert STAGING.count(old) == 1, f"{old!r} must stand in staging's policy once"
    path.write_text(STAGING.replace(old, new))

    with pytest.raises(Misconfigured) as raised:
        config.load(path)

    assert str(raised.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("restrictions", "message"),
    [
        ("addresses: ['10.0.0.1', '10.0.0.1']", "stands there twice; remove one"),
        ("addresses: [example.com]", "'example.com' is no IP address or range; write it like"),
        ("addresses: ['0.0.0.0/1', '128.0.0.0/1']", "0.0.0.0/1 is wider than /16: half of the in"),
        ("addresses: ['2001::/16']", "2001::/16 is wider than /32: half of the internet is no"),
        ("referrers: ['*.com/*']", "'*.com/*' names no site, with * for subdomains and pages"),
        ("addresses: ['10.0.0.1']", "a key is made into the secret of its name, so that its value"),
    ],
)
def test_a_google_key_is_restricted_and_in_a_secret_or_refused(tmp_path, restrictions, message):
    """Terraform makes none: its value would be in the state."""
    path = tmp_path / "policy.yaml"
    key = f"api_keys:\n  maps: {{apis: [places.googleapis.com], {restrictions}}}\n"
    path.write_text(STAGING + key)

    with pytest.raises(Misconfigured, match=re.escape(message)) as raised:
        config.load(path)
    assert "policy.yaml: api_keys.maps: " in str(raised.value)
