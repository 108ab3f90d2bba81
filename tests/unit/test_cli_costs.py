# SPDX-License-Identifier: Apache-2.0
"""The commands about costs: what people and programs read, and with which exit code they end."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twinguard import config
from twinguard.billing import open_costs
from twinguard.cli import costs_source
from twinguard.cli.costs import app
from twinguard.cli.monitor import CostMonitor
from twinguard.decide.spend import Dimension, Query
from twinguard.errors import Misconfigured
from twinguard.policy import Environment
from twinguard.standins import exports, sample_costs
from twinguard.standins.export_files import focus_csv, json_lines
from twinguard.standins.exports import Export
from twinguard.standins.mail import PASSWORD, USER, MailSink

ROOT = Path(__file__).parents[2]
NOW = dt.datetime(2026, 11, 23, 20, tzinfo=dt.UTC)
STAGING = config.load(config.path_of(Environment.STAGING))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(costs_source, "SAMPLES", tmp_path / "samples")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("TWINGUARD_COSTS", "BIGQUERY_ENDPOINT", "OPENAI_ADMIN_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def export() -> Export:
    return sample_costs.made(STAGING, NOW)


@pytest.fixture(scope="module")
def source(export, tmp_path_factory) -> str:
    return str(json_lines(export, tmp_path_factory.mktemp("costs") / "export.jsonl"))


def run(*arguments: str):
    done = CliRunner().invoke(app, [*arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def november(export: Export, *by: Dimension):
    query = Query(
        by=by,
        first=dt.date(2026, 11, 1),
        last=dt.date(2026, 11, 30),
        project="living-twin-staging",
    )
    return export.ledger.lines(query)


def test_without_any_source_a_sample_is_shown_and_said_to_be_one():
    done = run("check", "--env", "dev")

    assert done.exit_code == 0
    assert done.output.startswith("Sample data, made up on this machine: nothing here was spent.")
    assert "Costs of development" in done.output
    assert "Complete through" in done.output


def test_the_sample_is_said_to_be_one_to_programs_too():
    told = json.loads(run("check", "--env", "dev", "--json").output)

    assert told["is_sample"]
    assert "nothing here was spent" in told["note"]


def test_a_source_is_no_sample(source):
    told = json.loads(run("check", "--env", "staging", "--source", source, "--json").output)

    assert (told["is_sample"], told["note"]) == (False, "")
    assert told["scope"] == "project living-twin-staging"


def test_the_totals_are_those_of_the_rows_to_the_last_digit(export, source):
    told = json.loads(run("check", "--env", "staging", "--source", source, "--json").output)
    (line,) = november(export)

    (overview,) = told["overviews"]
    assert Decimal(overview["spent"]) == line.net
    assert Decimal(overview["cost"]) == line.cost
    services = {part["name"]: Decimal(part["net"]) for part in overview["parts"]["service"]}
    assert services == {one.keys[0]: one.net for one in november(export, Dimension.SERVICE)}


def test_the_month_is_named_or_refused(source):
    named = run("check", "--env", "staging", "--source", source, "--month", "2026-10")
    wrong = run("check", "--env", "staging", "--source", source, "--month", "October")

    assert "Costs of staging, October 2026" in named.output
    assert wrong.exit_code == 2
    assert "--month 'October' is no month; write it like 2026-10" in wrong.output


def test_a_budget_that_is_used_up_is_an_exit_code(tmp_path, export):
    dear = [{**row, "cost": 3 * row["cost"]} for row in export.rows]
    place = str(json_lines(Export(dear, export.ledger), tmp_path / "dear.jsonl"))

    done = run("check", "--env", "staging", "--source", place)

    assert done.exit_code == 1
    assert "100 % passed" in done.output


@pytest.mark.parametrize(
    ("factor", "hours", "code", "word"),
    [
        (Decimal(1), 72, 0, "room"),
        (Decimal(3), 72, 1, "over"),
        (Decimal("1.2"), 72, 2, "forecast_over"),
        (Decimal(1), 24, 3, "old"),
    ],
)
def test_the_gate_opens_by_the_budget(tmp_path, monkeypatch, export, factor, hours, code, word):
    rows = [{**row, "cost": factor * row["cost"]} for row in export.rows]
    place = str(json_lines(Export(rows, export.ledger), tmp_path / "export.jsonl"))
    two_days_on = NOW + dt.timedelta(days=2)
    monkeypatch.setattr("twinguard.cli.costs.now", lambda: two_days_on)

    done = run(
        *("gate", "--env", "staging", "--source", place),
        *("--oldest", str(hours), "--json"),
    )

    assert (done.exit_code, json.loads(done.output)["verdict"]) == (code, word)


def test_the_gate_writes_a_comment_for_a_pull_request(tmp_path, source):
    path = tmp_path / "comment.md"

    run(
        "gate", "--env", "staging", "--source", source, "--comment", str(path), "--oldest", "999999"
    )

    text = path.read_text()
    assert text.startswith("### Budget of staging: there is room\n")
    assert "Complete through 2026-11-" in text


def test_nobody_can_tell_where_there_is_no_source_and_it_is_not_an_open_gate():
    done = run("gate", "--env", "staging", "--source", "/nowhere/export.jsonl")

    assert done.exit_code == 3
    assert "/nowhere/export.jsonl" in done.output


def test_no_gate_opens_by_a_sample():
    done = run("gate", "--env", "staging")

    assert done.exit_code == 3
    assert "a sample decides nothing" in done.output


def test_a_project_makes_no_difference_to_a_sample():
    done = run("check", "--env", "dev", "--project", "your-project", "--json")

    (overview,) = json.loads(done.output)["overviews"]
    assert Decimal(overview["spent"]) > 0


def test_a_breakdown_has_what_was_asked_for(export, source):
    done = run(
        *("check", "--env", "staging", "--source", source, "--json"),
        *("--by", "tenant", "--by", "model"),
    )

    told = json.loads(done.output)
    wanted = november(export, Dimension.TENANT, Dimension.MODEL)
    assert {tuple(line["keys"]): Decimal(line["cost"]) for line in told["lines"]} == {
        line.keys: line.cost for line in wanted
    }


def test_a_table_shows_the_largest_and_says_what_is_left(source):
    done = run("check", "--env", "staging", "--source", source, "--by", "tenant", "--top", "2")

    assert "acme" in done.output
    assert "3 more" in done.output
    assert "total" in done.output


def test_csv_holds_every_row_to_the_last_digit(export, source):
    done = run("check", "--env", "staging", "--source", source, "--csv")

    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    (line,) = november(export)
    assert sum((Decimal(row["net"]) for row in rows), Decimal(0)) == line.net
    assert {row["currency"] for row in rows} == {"USD"}
    assert {row["is_complete"] for row in rows if row["day"] <= "2026-11-20"} == {"true"}
    assert {row["is_complete"] for row in rows if row["day"] > "2026-11-20"} == {"false"}


@pytest.mark.parametrize("form", [("--by", "service"), ("--csv",), ("--focus",), ()])
def test_every_output_says_through_when_it_is_complete_and_how_late_rows_are(source, form):
    done = run("check", "--env", "staging", "--source", source, *form)

    told = " ".join(done.output.split())
    assert "Complete through 2026-11-20 (days in Pacific time; later days still grow)" in told
    assert "Lag known: rows come up to 40 hours late, newest row 2026-11-" in told


def test_every_json_says_through_when_it_is_complete(source):
    whole = run("check", "--env", "staging", "--source", source, "--json")
    parts = run("check", "--env", "staging", "--source", source, "--by", "service", "--json")

    fresh = json.loads(parts.stdout)["freshness"]
    assert (fresh["through"], fresh["calendar"]) == ("2026-11-20", "Pacific time")
    assert json.loads(whole.stdout)["overviews"][0]["freshness"] == fresh


def test_rows_for_programs_say_of_a_sample_that_it_is_one():
    done = run("check", "--env", "dev", "--csv")

    assert done.stderr.startswith("Sample data")
    assert done.stdout.startswith("day,service")


def test_focus_rows_have_every_column_that_focus_wants_of_everybody(source):
    done = run("check", "--env", "staging", "--source", source, "--focus")

    row = next(csv.DictReader(io.StringIO(done.stdout)))
    wanted = {
        *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency"),
        *("BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass"),
        *("ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost"),
        *("EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity", "PricingUnit"),
        *("ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
    }
    assert wanted <= set(row)


@pytest.mark.parametrize("kind", ["monthly", "statement", "quarterly"])
def test_a_report_of_a_sample_says_so_itself(tmp_path, kind):
    run("report", "--env", "dev", "--kind", kind, "--form", "md", "--to", str(tmp_path))

    texts = [path.read_text() for path in tmp_path.glob("*.md")]
    assert texts
    assert all("Sample data, made up on this machine" in text for text in texts)


@pytest.mark.parametrize("command", ["check", "gate", "report"])
def test_help_has_examples(command):
    assert f"\n   {command} --env prod" in run(command, "--help").output


def test_what_names_no_environment_is_on_the_bill_and_is_said(tmp_path):
    usual = {
        "cost": 1.5,
        "currency": "USD",
        "invoice": {"month": "202611"},
        "service": {"description": "Cloud Run"},
        "project": {"id": "living-twin-dev"},
        "usage_start_time": "2026-11-03T10:00:00Z",
    }
    rows = (
        usual,
        usual | {"project": None, "cost": 2.85, "cost_type": "tax"},
        usual | {"project": {"id": "somebody-elses"}, "cost": 100},
    )
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))

    done = run("check", "--env", "dev", "--source", str(tmp_path / "a.jsonl"))

    told = " ".join(done.output.split())
    assert "November 2026 · 1.50 USD net" in told
    assert "Besides, 2.85 USD on the bill name no environment" in told


def test_focus_rows_can_be_read_back_with_the_same_totals(tmp_path, export, source):
    done = run("check", "--env", "staging", "--source", source, "--focus")
    path = tmp_path / "focus.csv"
    path.write_text(done.stdout)

    with open_costs(str(path)) as again:
        by = (Dimension.SERVICE, Dimension.TENANT)
        query = Query(by=by, first=dt.date(2026, 11, 1), last=dt.date(2026, 11, 30))
        found = {line.keys: line.net for line in again.lines(query)}

    assert found == {line.keys: line.net for line in november(export, *by) if line.cost}


def test_somebody_elses_file_is_shown_whole_and_that_is_said(tmp_path):
    made = exports.made(400)
    for row in made.rows:
        row["project"] = {"id": "another", "name": "another", "labels": []}
    place = str(focus_csv(made, tmp_path / "focus.csv"))

    done = run("check", "--env", "ci", "--source", place)

    assert "has no costs of project living-twin-ci: all of it is shown." in " ".join(
        done.output.split()
    )


def test_a_file_without_rows_is_said_to_have_none(tmp_path):
    path = focus_csv(exports.made(0), tmp_path / "focus.csv")
    path.write_text(path.read_text().splitlines()[0] + "\n")

    done = run("check", "--env", "dev", "--source", str(path))

    told = " ".join(done.output.split())
    assert done.exit_code == 0
    assert "focus.csv has no rows." in told
    assert "0.00 USD net" in told


def test_what_is_not_focus_is_refused_with_the_column(tmp_path):
    path = tmp_path / "focus.csv"
    path.write_text("BilledCost,ServiceName\n1.00,Run\n")

    done = run("check", "--env", "staging", "--source", str(path))

    assert done.exit_code == 2
    assert "BillingCurrency" in done.output or "column" in done.output


def test_an_unknown_environment_names_the_known_ones():
    done = run("check", "--env", "prodction")

    assert done.exit_code == 2
    assert "did you mean production?" in done.output


def test_a_source_that_does_not_answer_names_the_remedy(monkeypatch):
    monkeypatch.setenv("BIGQUERY_ENDPOINT", "http://127.0.0.1:9")

    done = run("check", "--env", "production", "--source", "bigquery://")

    assert done.exit_code == 3
    assert "gcloud auth application-default login" in done.output


def test_only_one_form_for_programs(source):
    done = run("check", "--env", "staging", "--source", source, "--json", "--csv")

    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("monthly", {"costs-staging-2026-11.md"}),
        ("quarterly", {"review-staging-2026-10.md"}),
        (
            "statement",
            {f"statement-{who}-2026-11.md" for who in ("acme", "globex", "initech", "umbrella")},
        ),
    ],
)
def test_reports_are_written(tmp_path, source, kind, names):
    done = run(
        *("report", "--env", "staging", "--source", source, "--kind", kind),
        *("--form", "md", "--to", str(tmp_path / "reports")),
    )

    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "reports").iterdir()} == names


def test_the_monitor_has_the_strategys_methods(export, source):
    with CostMonitor("living-twin-staging", "staging", source) as monitor:
        costs = monitor.get_current_costs()
        alerts = monitor.check_budget_alerts()
        report = monitor.generate_cost_report()

    wanted = {line.keys[0]: line.net for line in november(export, Dimension.SERVICE)}
    (line,) = november(export)
    assert costs == {"USD": wanted}
    assert [alert.percent for alert in alerts] == [p for p in (75, 90, 100) if 5 * p <= line.cost]
    assert report.startswith("# Costs of staging, November 2026\n")


def test_the_monitor_refuses_another_project(source):
    with pytest.raises(Misconfigured, match="living-twin-staging, not elsewhere"):
        CostMonitor("elsewhere", "staging", source)


def test_the_script_is_the_same_command(source):
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "scripts" / "monitor_costs.py"), "check"),
            *("--env", "staging", "--source", source, "--json"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["environment"] == "staging"


def test_a_report_is_mailed_by_a_real_server(tmp_path, monkeypatch, source):
    with MailSink() as sink:
        for name, value in {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(sink.port),
            "SMTP_USER": USER,
            "SMTP_PASSWORD": PASSWORD,
            "SMTP_CA_FILE": str(sink.ca_file),
        }.items():
            monkeypatch.setenv(name, value)
        arguments = ("report", "--env", "staging", "--source", source, "--form", "md", "--mail")

        done = run(*arguments, "--to", str(tmp_path))

        assert done.exit_code == 0, done.output
        assert "mailed: <" in done.output


def test_a_mail_without_a_server_names_what_is_missing(tmp_path, monkeypatch, source):
    for name in ("SMTP_HOST", "SMTP_USER", "SMTP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    done = run("report", "--env", "staging", "--source", source, "--mail", "--to", str(tmp_path))

    assert done.exit_code == 2
    assert "a mail needs SMTP_HOST, SMTP_USER, SMTP_PASSWORD" in done.output
