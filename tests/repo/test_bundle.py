# SPDX-License-Identifier: Apache-2.0
"""The zip of this repository works where it is deployed: alone, with the locked packages."""

from __future__ import annotations

import ast
import json
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from twinguard import config
from twinguard.cli import bundle
from twinguard.policy import Environment

ROOT = Path(__file__).parents[2]
ENTRY_POINTS = [
    node.name
    for node in ast.parse((ROOT / "functions" / "main.py").read_text()).body
    if isinstance(node, ast.FunctionDef)
]
START = """
import json, site, sys
folder, entry_point, packages = sys.argv[1:4]
for path in json.loads(packages):
    site.addsitedir(path)
sys.path[:] = [path for path in sys.path if "/functions" not in path]
sys.path.insert(0, folder)
import functions_framework
app = functions_framework.create_app(target=entry_point, source=folder + "/main.py")
import twinguard
assert twinguard.__file__.startswith(folder), twinguard.__file__
print(app.test_client().post("/").status_code)
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    made = bundle.build(ROOT / "functions", folder / "zip")
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(folder / "content")
    return folder / "content"


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_entry_point_starts_from_the_zip_alone(unpacked, entry_point):
    """A request without a token is turned away: the function stands."""
    policy = config.load(config.path_of(Environment.STAGING))
    env = {
        "K_SERVICE": "twinguard",
        "TWINGUARD_POLICY": config.render(policy),
        "TWINGUARD_RECORDS": "firestore://demo-x/twinguard-staging",
        "TWINGUARD_ALERTS_TOPIC": "projects/demo-x/topics/alerts",
        "TWINGUARD_COUNTERS": "rediss://10.80.0.3:6379?cluster=true&iam=true",
        "TWINGUARD_PUSH_AUTH": "iam",
        "TWINGUARD_PUSH_ACCOUNT": "push@demo-x.iam.gserviceaccount.com",
        "TWINGUARD_PUSH_AUDIENCE": "https://example.com",
        "SMTP_HOST": "smtp.example.com",
        "SMTP_USER": "alerts@example.com",
        "SMTP_PASSWORD": "made-up",
        "SECURITY_EMAIL": "security@example.com",
        "SLACK_WEBHOOK_URL": "https://example.com/made-up",
        "TWILIO_ACCOUNT_SID": "made-up",
        "TWILIO_AUTH_TOKEN": "made-up",
        "TWILIO_FROM": "+32470123456",
        "SECURITY_PHONE": "+32470123456",
        "PAGERDUTY_INTEGRATION_KEY": "made-up",
    }

    packages = json.dumps(site.getsitepackages())
    command = [sys.executable, "-I", "-B", "-c", START, str(unpacked), entry_point, packages]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["401"]), done.stderr


def test_the_zip_holds_sources_that_git_keeps_and_nothing_else(unpacked):
    """`test_secrets.py` reads every file that git keeps."""
    files = [path for path in unpacked.rglob("*") if path.is_file()]
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "functions"]
    kept = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    names = {f"functions/{path.relative_to(unpacked).as_posix()}" for path in files}

    assert names - set(kept.splitlines()) == set()
    assert {path.suffix for path in files} == {".json", ".lua", ".py", ".sql", ".txt"}
    assert not (unpacked / "twinguard" / "cli").exists()
    assert not (unpacked / "twinguard" / "standins").exists()


def test_nothing_in_the_zip_imports_what_was_left_out(unpacked):
    importing = [
        str(path.relative_to(unpacked))
        for path in unpacked.rglob("*.py")
        for part in bundle.LEFT_OUT
        if f"twinguard.{part}" in path.read_text()
    ]

    assert importing == []


COSTS = """
import datetime, json, os, site, sys
for path in json.loads(sys.argv[2]):
    site.addsitedir(path)
sys.path[:] = [path for path in sys.path if "/functions" not in path]
sys.path.insert(0, sys.argv[1])
for name in ("duckdb", "sqlglot", "jinja2", "typer", "rich", "yaml", "vl_convert"):
    sys.modules[name] = None
from twinguard import config
from twinguard.cost_flow import CostTasks
from twinguard.errors import Unavailable
from twinguard.flow import Flow, Ports
from twinguard.state import open_records
policy = config.parse(os.environ["TWINGUARD_POLICY"], "policy")
ports = Ports(open_records("sqlite://"), {}, None, None, "", costs="bigquery://")
try:
    CostTasks(Flow(policy, ports)).anomalies(datetime.datetime.now(datetime.UTC))
except Unavailable as err:
    print("asked:", err)
"""


def test_the_tasks_about_costs_need_nothing_that_is_not_deployed(unpacked):
    """Nobody answers here; that it was asked is the point."""
    env = {
        "TWINGUARD_POLICY": config.render(config.load(config.path_of(Environment.STAGING))),
        "BIGQUERY_ENDPOINT": "http://127.0.0.1:9",
    }
    packages = json.dumps(site.getsitepackages())
    command = [sys.executable, "-I", "-B", "-c", COSTS, str(unpacked), packages]

    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    assert done.stdout.startswith("asked: "), done.stderr
