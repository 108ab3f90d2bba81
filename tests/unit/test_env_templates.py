# SPDX-License-Identifier: Apache-2.0
"""The environment files are strategy.md 3.2, line by line; every value comes from the policy."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from twinguard import config
from twinguard.application import Emulators, LocalLlm, Mocks, Neo4j
from twinguard.cli.env import resolved, text_of
from twinguard.env_files.layout import FILES, LAYOUTS, SUFFIXES
from twinguard.env_files.sources import from_template
from twinguard.env_files.values import sections, values
from twinguard.policy import Cap, Environment, Policy
from twinguard.settings import Settings

PRODUCTION = """\
# OpenAI Configuration
OPENAI_API_KEY=${OPENAI_API_KEY_PROD}
OPENAI_MODEL=gpt-4
OPENAI_MAX_TOKENS=2000
OPENAI_TEMPERATURE=0.7
OPENAI_RATE_LIMIT=1000

# GCP Configuration
GCP_PROJECT_ID=living-twin-prod
GCP_REGION=europe-west1
GCP_SERVICE_ACCOUNT=living-twin-prod@living-twin-prod.iam.gserviceaccount.com

# Neo4j Configuration (Production Cluster)
NEO4J_URI=neo4j+s://prod-cluster.neo4j.io
NEO4J_USER=${NEO4J_PROD_USER}
NEO4J_PASSWORD=${NEO4J_PROD_PASSWORD}

# Firebase Configuration
FIREBASE_PROJECT_ID=living-twin-prod
FIREBASE_AUTH_DOMAIN=living-twin-prod.firebaseapp.com

# Cost Controls
MAX_MONTHLY_COST=5000
ALERT_THRESHOLDS=50,75,90
ENABLE_COST_CAPS=true
"""

STAGING = """\
# OpenAI Configuration
OPENAI_API_KEY=${OPENAI_API_KEY_STAGING}
OPENAI_MODEL=gpt-3.5-turbo
OPENAI_MAX_TOKENS=1000
OPENAI_TEMPERATURE=0.7
OPENAI_RATE_LIMIT=100

# GCP Configuration
GCP_PROJECT_ID=living-twin-staging
GCP_REGION=europe-west1
GCP_SERVICE_ACCOUNT=living-twin-staging@living-twin-staging.iam.gserviceaccount.com

# Neo4j Configuration (Staging Instance)
NEO4J_URI=neo4j://staging.neo4j.io
NEO4J_USER=${NEO4J_STAGING_USER}
NEO4J_PASSWORD=${NEO4J_STAGING_PASSWORD}

# Firebase Configuration
FIREBASE_PROJECT_ID=living-twin-staging
FIREBASE_AUTH_DOMAIN=living-twin-staging.firebaseapp.com

# Cost Controls
MAX_MONTHLY_COST=500
ALERT_THRESHOLDS=75,90
ENABLE_COST_CAPS=true
"""

DEVELOPMENT = """\
# OpenAI Configuration (Limited)
OPENAI_API_KEY=${OPENAI_API_KEY_DEV}
OPENAI_MODEL=gpt-3.5-turbo
OPENAI_MAX_TOKENS=500
OPENAI_TEMPERATURE=0.7
OPENAI_RATE_LIMIT=20

# Local LLM Configuration (Preferred for Dev)
USE_LOCAL_LLM=true
LOCAL_LLM_ENDPOINT=http://localhost:11434
LOCAL_LLM_MODEL=llama2

# GCP Configuration
GCP_PROJECT_ID=living-twin-dev
GCP_REGION=europe-west1
GCP_SERVICE_ACCOUNT=living-twin-dev@living-twin-dev.iam.gserviceaccount.com

# Neo4j Configuration (Local)
NEO4J_URI=neo4j://localhost:7687
NEO4J_USER=neo4j
NEO4J_PASSWORD=password

# Firebase Configuration (Emulators)
FIREBASE_USE_EMULATOR=true
FIRESTORE_EMULATOR_HOST=localhost:8080
FIREBASE_AUTH_EMULATOR_HOST=localhost:9099

# Cost Controls
MAX_MONTHLY_COST=100
ALERT_THRESHOLDS=90
ENABLE_COST_CAPS=true
"""

CI = """\
# Mock Services
USE_MOCK_SERVICES=true
MOCK_LLM_RESPONSES=true

# Minimal OpenAI (for integration tests only)
OPENAI_API_KEY=${OPENAI_API_KEY_TEST}
OPENAI_MODEL=gpt-3.5-turbo
OPENAI_MAX_TOKENS=100
OPENAI_RATE_LIMIT=5

# Test Database
NEO4J_URI=neo4j://test-neo4j:7687
NEO4J_USER=neo4j
NEO4J_PASSWORD=test

# Firebase Test Mode
FIREBASE_USE_EMULATOR=true
FIREBASE_PROJECT_ID=demo-test

# Cost Controls
MAX_MONTHLY_COST=50
ENABLE_COST_CAPS=true
"""

LOCAL = """\
# Local LLM Configuration
USE_LOCAL_LLM=true
LOCAL_LLM_ENDPOINT=http://localhost:11434
LOCAL_LLM_MODEL=llama2

# GCP Configuration (Emulators)
GCP_PROJECT_ID=demo-living-twin
GCP_REGION=europe-west1

# Neo4j Configuration (Local)
NEO4J_URI=neo4j://localhost:7687
NEO4J_USER=neo4j
NEO4J_PASSWORD=password

# Firebase Configuration (Emulators)
FIREBASE_USE_EMULATOR=true
FIREBASE_PROJECT_ID=demo-living-twin
FIRESTORE_EMULATOR_HOST=localhost:8080
FIREBASE_AUTH_EMULATOR_HOST=localhost:9099

# Cost Controls
ENABLE_COST_CAPS=false
"""

TEMPLATES = {
    Environment.PRODUCTION: PRODUCTION,
    Environment.STAGING: STAGING,
    Environment.DEVELOPMENT: DEVELOPMENT,
    Environment.CI: CI,
    Environment.LOCAL: LOCAL,
}
"""The first four as strategy.md 3.2 has them; it asks for the fifth without writing it out."""

SECTION_2_1 = {
    Environment.PRODUCTION: ("OPENAI_API_KEY_PROD", 2000, 1000),
    Environment.STAGING: ("OPENAI_API_KEY_STAGING", 200, 100),
    Environment.DEVELOPMENT: ("OPENAI_API_KEY_DEV", 50, 20),
    Environment.CI: ("OPENAI_API_KEY_TEST", 10, 5),
}
SECTION_3_1 = {".env.production", ".env.staging", ".env.development", ".env.test", ".env.local"}


def policy_of(environment: Environment) -> Policy:
    return config.load(config.path_of(environment))


def template_of(policy: Policy) -> str:
    return text_of(policy, resolved(policy, from_template))


@pytest.mark.parametrize("environment", Environment)
def test_a_file_is_the_strategys_template(environment):
    assert template_of(policy_of(environment)) == TEMPLATES[environment]


def test_the_files_are_named_as_in_the_strategy():
    assert set(FILES.values()) == SECTION_3_1


@pytest.mark.parametrize("environment", SECTION_2_1)
def test_keys_budgets_and_limits_at_openai_are_the_strategys(environment):
    policy = policy_of(environment)
    (key,) = (each for each in values(policy) if each.name == "OPENAI_API_KEY")

    assert policy.openai is not None
    assert (
        key.reference.variable,
        policy.openai.monthly_budget,
        policy.openai.requests_per_minute,
    ) == SECTION_2_1[environment]


def test_a_local_environment_needs_no_secret_and_pays_nobody():
    policy = policy_of(Environment.LOCAL)

    assert [each for each in values(policy) if each.reference] == []
    assert (policy.openai, policy.budget, policy.secrets) == (None, None, {})


@pytest.mark.parametrize("environment", [e for e in Environment if e is not Environment.LOCAL])
def test_a_secret_of_a_file_is_one_that_terraform_makes(environment):
    policy = policy_of(environment)

    kept = {each.reference.secret for each in values(policy) if each.reference}

    assert kept <= {f"{environment}-{name}" for name in policy.secrets}
    assert kept


@pytest.mark.parametrize("environment", Environment)
def test_whatever_a_policy_says_has_a_place_in_the_file(environment):
    """Production and staging pretend nothing; a cloud project has no place in CI's file."""
    base = policy_of(environment)
    serving = environment in {Environment.PRODUCTION, Environment.STAGING}
    pretended = {
        "emulators": Emulators(project="demo-x", firestore="a:1", auth="b:2"),
        "local_llm": LocalLlm(endpoint="http://localhost:1234/v1", model="m"),
        "mocks": Mocks(services=True),
    }
    full = replace(base, **({} if serving else pretended))
    placed = {each.name for _, held in sections(full) for each in held}

    assert len({name for part in LAYOUTS[environment] for name in part.names}) == sum(
        len(part.names) for part in LAYOUTS[environment]
    )
    assert {each.name for each in values(full)} - placed == (
        {"GCP_PROJECT_ID", "GCP_REGION", "GCP_SERVICE_ACCOUNT"}
        if environment is Environment.CI
        else set()
    )


def test_the_application_knows_every_variable_and_no_other():
    laid_out = {name for parts in LAYOUTS.values() for part in parts for name in part.names}

    assert laid_out == set(Settings.names())


def test_every_environment_has_a_file_a_layout_and_a_suffix():
    assert set(FILES) == set(LAYOUTS) == set(SUFFIXES) == set(Environment)


def test_without_a_cap_people_hear_at_every_step():
    policy = policy_of(Environment.STAGING)
    free = replace(policy, budget=replace(policy.budget, cap=Cap(enabled=False)))

    text = template_of(free)

    assert "ALERT_THRESHOLDS=75,90,100\nENABLE_COST_CAPS=false\n" in text


def test_numbers_are_written_in_plain_digits():
    policy = policy_of(Environment.STAGING)
    text = config.render(policy).replace('"amount":500', '"amount":512.50')
    edited = config.parse(text, "edited")

    assert "MAX_MONTHLY_COST=512.5\n" in template_of(edited)


def test_a_block_that_is_removed_takes_its_part_of_the_file_along():
    policy = replace(policy_of(Environment.DEVELOPMENT), openai=None, gateway=None, local_llm=None)

    assert template_of(policy) == DEVELOPMENT[DEVELOPMENT.index("# GCP Configuration") :]


def test_a_key_of_its_own_goes_before_the_tests_keys():
    policy = policy_of(Environment.CI)
    secret = policy.secrets["test-api-keys"]
    own = replace(policy, secrets={"openai-api-key": secret, "test-api-keys": secret})

    found = [
        (each.reference.secret, each.reference.field)
        for each in (*values(policy), *values(own))
        if each.reference
    ]

    assert found == [("ci-test-api-keys", "openai-api-key"), ("ci-openai-api-key", "")]


@pytest.mark.parametrize(
    ("environment", "change", "message"),
    [
        ("staging", {"emulators": Emulators()}, "emulators: staging serves people"),
        (
            "production",
            {"mocks": Mocks(), "local_llm": LocalLlm(endpoint="http://a:1", model="m")},
            "local_llm, mocks: production serves people",
        ),
        ("production", {"neo4j": Neo4j(uri="neo4j+ssc://a.b")}, "neo4j.uri: production's data"),
        ("local", {"neo4j": Neo4j(uri="neo4j://a.b")}, "neo4j: its user and password are in no"),
        (
            "local",
            {"openai": policy_of(Environment.CI).openai},
            "openai: its key is in no secret",
        ),
    ],
)
def test_what_does_not_fit_the_environment_is_refused(environment, change, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        replace(policy_of(Environment(environment)), **change)
