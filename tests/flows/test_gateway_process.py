# SPDX-License-Identifier: Apache-2.0
"""The gateway as people and containers start it: a process, its words, its end."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import openai
import pytest

import gateways
import servers
from gateways import HELLO
from twinguard import config, state
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.peppers import Peppers
from twinguard.standins.openai_provider import Manner, OpenAIProvider

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "functions"
FACTORY = ["-m", "uvicorn", "--factory", "twinguard.gateway_wiring:application"]


def environment(**settings):
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FUNCTIONS)}
    return kept | settings


@pytest.fixture
def start(tmp_path, monkeypatch):
    """What runs a command until it answers, and then gives its log."""

    def started(stack, *command, **settings):
        for name in [name for name in os.environ if name.startswith(("TWINGUARD_", "OPENAI_"))]:
            monkeypatch.delenv(name)
        for name, value in environment(**settings).items():
            monkeypatch.setenv(name, value)
        port = servers.free_port()
        log = tmp_path / "gateway.log"
        told = [sys.executable, *command, "--port", str(port)]
        stack.enter_context(servers.running(told, log, lambda: servers.answers_http(port)))
        return port, log

    return started


def test_the_demo_needs_no_account_and_shows_a_key_that_works(start):
    with contextlib.ExitStack() as stack:
        port, log = start(stack, "-m", "twinguard.cli.gateway", "--env", "dev", "--demo")
        (key,) = re.findall(r"Bearer (ltk_test_\w+)", log.read_text())
        client = stack.enter_context(
            openai.OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
        )
        answer = client.chat.completions.create(model="gpt-3.5-turbo", messages=HELLO)

    told = log.read_text()
    (line,) = [line for line in told.splitlines() if "/v1/chat/completions 200" in line]
    assert answer.choices[0].message.content == "Twinguard keeps the budget."
    assert f"key_id={key.split('_')[2]}" in line
    assert "{" not in line, "the demo is for people, whoever reads along"
    assert told.count(key) == 1


def test_the_demos_own_commands_show_what_a_call_cost(start):
    with contextlib.ExitStack() as stack:
        port, log = start(stack, "-m", "twinguard.cli.gateway", "--env", "dev", "--demo")
        text = log.read_text()
        (key,) = re.findall(r"Bearer (ltk_test_\w+)", text)
        (usage,) = re.findall(r"make llm-usage FILE=(\S+) BY=tenant", text)
        ((records, named),) = re.findall(r"TWINGUARD_RECORDS=(\S+) make budgets ENV=(\S+)", text)
        client = stack.enter_context(
            openai.OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
        )
        client.chat.completions.create(model="gpt-3.5-turbo", messages=HELLO)
        gateways.until(lambda: Path(usage).read_text(), bool)

        calls = told_by("twinguard.cli.llm_usage", "--file", usage, "--by", "tenant")
        show = ("twinguard.cli.budgets", "show", "--env", named)
        money = gateways.until(
            lambda: told_by(*show, TWINGUARD_RECORDS=records), lambda text: "demo" in text, 30
        )

    assert "0.000012" in calls
    assert "tenant:demo" in money


def told_by(module, *arguments, **settings):
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_process_that_ends_first_settles_what_is_under_way(start, tmp_path):
    """SIGTERM is how Cloud Run ends an instance: the ledger's sums are written down."""
    place = f"sqlite:///{tmp_path / 'records.db'}"
    policy = gateways.policy()
    keys = CustomerKeys(
        state.open_records(place),
        policy.environment,
        policy.retention,
        Peppers.read(gateways.PEPPER),
    )
    key = keys.issue(Order(tenant="acme"), "test", "to test", gateways.now()).raw
    usage = tmp_path / "usage.jsonl"
    with OpenAIProvider() as provider, contextlib.ExitStack() as stack:
        port, _log = start(
            stack,
            *FACTORY,
            TWINGUARD_POLICY=config.render(policy),
            TWINGUARD_RECORDS=place,
            TWINGUARD_LLM_USAGE=str(usage),
            OPENAI_API_KEY=gateways.PROVIDER_KEY,
            OPENAI_ENDPOINT=provider.url,
            **gateways.PEPPER,
        )
        provider.manner = Manner(wait=0.3)
        client = stack.enter_context(
            openai.OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
        )
        client.chat.completions.create(model="gpt-4", messages=HELLO)

    assert len(usage.read_text().splitlines()) == 1
    with gateways.running(policy, {"TWINGUARD_RECORDS": place}) as again:
        assert again.standing("tenant:acme").spent == 570_000


def test_the_image_starts_a_gateway_that_its_probes_find_healthy(start, tmp_path):
    """As in the container: the Dockerfile's command, and keys mounted as Cloud Run mounts them."""
    (tmp_path / "keys" / "openai").mkdir(parents=True)
    (tmp_path / "keys" / "openai" / "key").write_text(gateways.PROVIDER_KEY)
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(OpenAIProvider())
        port, log = start(
            stack,
            *image_command()[1:],
            TWINGUARD_POLICY=config.render(gateways.policy()),
            TWINGUARD_RECORDS=f"sqlite:///{tmp_path / 'records.db'}",
            TWINGUARD_PROVIDER_KEYS=str(tmp_path / "keys"),
            OPENAI_ENDPOINT=provider.url,
            **gateways.PEPPER,
        )
        probed = {path: httpx2.get(f"http://127.0.0.1:{port}{path}") for path in probes()}

    assert {path: answer.status_code for path, answer in probed.items()} == {"/healthz": 200}
    assert {answer.headers.get("server") for answer in probed.values()} == {None}
    assert "Traceback" not in log.read_text()


def test_the_image_has_all_that_the_gateway_loads():
    """Each package it imports is in its lock; the file names distributions, not modules."""
    locked = set(
        re.findall(r"(?m)^([a-z0-9._-]+)==", (ROOT / "requirements-gateway.txt").read_text())
    )
    program = (
        "import sys; before = set(sys.modules)\n"
        "import datetime, json, redis, uvicorn, google.cloud.firestore, google.cloud.pubsub_v1\n"
        "import twinguard.gateway_wiring, twinguard.act.pubsub, twinguard.state.firestore\n"
        "import twinguard.state.counters_redis, twinguard.llm.prices as prices\n"
        "prices.Prices().rate('gpt-4', 'openai', datetime.datetime.now(datetime.UTC))\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in {*sys.modules} - before})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    homes = importlib.metadata.packages_distributions()
    loaded = {
        re.sub(r"[-_.]+", "-", home).lower()
        for module in json.loads(done.stdout)
        for home in homes.get(module, ())[:1]
    }

    assert {"redis", "uvicorn", "genai-prices"} <= loaded
    assert loaded - locked == set()


def image_command() -> list[str]:
    """What the image runs."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    return json.loads(re.search(r"(?m)^CMD (.*)$", text)[1])


def probes() -> set[str]:
    """The paths that Cloud Run asks for."""
    text = (ROOT / "terraform" / "modules" / "gateway" / "service.tf").read_text()
    return set(re.findall(r'path = "(/[^"]+)"', text))


def test_a_wrong_setting_ends_the_process_with_one_line_that_says_what():
    done = subprocess.run(
        [sys.executable, *FACTORY, "--port", str(servers.free_port())],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 78
    assert "the gateway cannot start: TWINGUARD_POLICY is missing" in done.stdout


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "twinguard.cli.gateway", "--env", "dev", "--demo"]
        done = subprocess.run(
            [*command, "--port", str(port)],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    assert done.returncode == 2
    assert "Bearer" not in done.stdout
    assert f"port {port} cannot be used" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_an_orderly_end_and_what_was_made_up_is_removed(told, tmp_path):
    port = servers.free_port()
    command = [sys.executable, "-m", "twinguard.cli.gateway", "--env", "dev", "--demo"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env=environment(), stdout=log, stderr=log
        )
        try:
            gateways.until(lambda: servers.answers_http(port), bool, seconds=60)
            process.send_signal(told)
            process.wait(30)
        finally:
            process.kill()
            process.wait()

    text = (tmp_path / "log").read_text()
    (usage,) = re.findall(r"make llm-usage FILE=(\S+)", text)
    assert process.returncode == 0
    assert "Traceback" not in text
    assert not Path(usage).parent.exists()
