# SPDX-License-Identifier: Apache-2.0
"""What Twinguard itself costs follows from the policy, and nothing unknown is free."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
import typer
import yaml
from msgspec.structs import replace
from typer.testing import CliRunner

from twinguard import config
from twinguard.cli import running_costs as command
from twinguard.decide import running_costs, running_prices
from twinguard.decide.running_costs import Line, Unpriced, estimate, jobs
from twinguard.policy import Environment
from twinguard.provisions import BillingExport, Counters

PLANS = Path(__file__).parents[1] / "terraform" / "plans"
DEPLOYED = [one for one in Environment if one is not Environment.LOCAL]


def policy(environment=Environment.STAGING):
    return config.load(config.path_of(environment))


def of(found, product, purpose=""):
    (line,) = (one for one in found if one.product == product and purpose in one.purpose)
    return line


def total(found):
    return sum(line.list_cost for line in found if isinstance(line, Line))


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(command.main)
    return lambda *words: CliRunner().invoke(app, words)


@pytest.mark.parametrize("environment", DEPLOYED)
def test_it_counts_what_terraform_makes(environment):
    """The plans are what was agreed; tests/terraform holds Terraform to them."""
    counts = yaml.safe_load((PLANS / f"{environment}.yaml").read_text())["kinds"]
    found = estimate(policy(environment), 0)
    secrets = of(found, "Secret Manager", "one each").amount

    assert len(jobs(policy(environment))) == counts["google_cloud_scheduler_job"]
    assert of(found, "Cloud Scheduler").amount == counts["google_cloud_scheduler_job"]
    # More than one version each while one is replaced: about a month's turns.
    assert counts["google_secret_manager_secret"] <= secrets
    assert secrets < counts["google_secret_manager_secret"] + len(policy(environment).secrets) * 2
    # Silence has two conditions, every other alert policy one.
    assert of(found, "Monitoring").amount == counts["google_monitoring_alert_policy"] + 1


def test_an_amount_costs_its_price_beyond_what_is_free():
    line = Line("Cloud Scheduler", "tasks", Decimal(5), running_prices.JOB)

    assert (line.list_cost, line.cost) == (Decimal("0.50"), Decimal("0.20"))
    assert Line("Cloud Scheduler", "tasks", Decimal(2), running_prices.JOB).cost == 0


def test_more_requests_cost_more_and_none_leave_what_stands():
    none, some, more = (total(estimate(policy(), many)) for many in (0, 10**6, 10**7))

    assert 0 < none < some < more
    assert Decimal(1) < (more - some) / 9 < Decimal(2), "USD for each million"


def test_counters_cost_by_node_shard_and_replica():
    one = replace(policy(), counters=Counters(node="STANDARD_SMALL"))
    six = replace(policy(), counters=Counters(node="STANDARD_SMALL", shards=3, replicas=1))

    assert of(estimate(six, 0), "Memorystore").cost == 6 * of(estimate(one, 0), "Memorystore").cost


def test_a_node_without_a_known_price_is_said_and_never_free():
    found = estimate(replace(policy(), counters=Counters(node="HIGHMEM_XLARGE")), 0)

    assert Unpriced("Memorystore", "1 nodes HIGHMEM_XLARGE") in found
    assert ("Memorystore", "1 nodes HIGHMEM_XLARGE", "", "no price known", "no price known") in (
        command.rows(found)
    )


def test_without_counters_blocks_are_read_from_firestore():
    with_, without = policy(), replace(policy(), counters=None)

    assert of(estimate(without, 0), "Firestore", "once a second").amount == 720_000
    assert not [one for one in estimate(with_, 0) if "once a second" in getattr(one, "purpose", "")]


def test_a_connected_export_brings_its_tasks_and_its_queries():
    export = BillingExport(project="living-twin-staging", create=True, connected=True)
    found = replace(policy(), billing_export=export)

    assert jobs(found).keys() - jobs(policy()).keys() == {"costs", "report", "reconcile"}
    assert of(estimate(found, 0), "BigQuery", "reconciliation").amount > 0


def test_the_command_says_it_as_a_table_and_for_machines(run):
    told = run("--env", "staging", "--requests", "1000000")
    data = json.loads(run("--env", "staging", "--requests", "1000000", "--json").stdout)

    assert told.exit_code == 0
    assert "staging, 1,000,000 guarded requests a month" in told.stdout
    assert data["requests"] == 1_000_000
    assert data["prices_of"] == running_prices.SEEN
    assert {"product", "purpose", "amount", "list_usd", "usd"} == data["lines"][0].keys()
    assert data["unpriced"] == []


def test_a_machine_without_a_cloud_costs_nothing(run):
    assert run("--env", "local").stdout == "local has no cloud: it costs nothing.\n"


def test_an_environment_that_does_not_exist_is_wrong_usage(run):
    assert run("--env", "moon").exit_code == 2


def test_each_environment_has_a_number_of_requests_to_begin_with():
    assert running_costs.REQUESTS.keys() == set(Environment)
