# SPDX-License-Identifier: Apache-2.0
"""`make dashboard`: starts without a cloud account, refuses what makes no sense, ends at once."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from servers import free_port
from twinguard.cli import dashboard
from twinguard.cli.baselines import write
from twinguard.cli.processes import die_with_parent
from twinguard.decide.threats.baseline import Baseline

FUNCTIONS = Path(__file__).parents[2] / "functions"


def run(*arguments, **environ):
    app = typer.Typer()
    app.command()(dashboard.main)
    kept = {name: None for name in os.environ if name.startswith(("TWINGUARD_", "K_"))}
    return CliRunner().invoke(app, arguments, env=kept | environ)


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        ((), {"TWINGUARD_RECORDS": "sqlite://"}, "TWINGUARD_RECORDS is of one environment"),
        (("--findings", "f.jsonl"), {}, "--findings is of one environment"),
        (("--baselines", "b.jsonl"), {}, "--baselines is of one environment"),
        (("--env", "staging", "--baselines", "/none"), {}, "/none cannot be read"),
        (("--env", "stagin"), {}, "did you mean staging?"),
        (("--env", "staging"), {"K_SERVICE": "x"}, "TWINGUARD_IAP_AUDIENCE is missing"),
        (("--env", "staging", "--findings", "."), {}, "name a file of findings"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(
    tmp_path, monkeypatch, arguments, environ, message
):
    monkeypatch.setattr(dashboard, "KEPT", tmp_path)

    done = run(*arguments, **environ)

    assert done.exit_code == 2
    assert message in done.output


@pytest.mark.parametrize(
    ("arguments", "counters", "topic"),
    [
        (("--env", "staging"), "memory://", ""),
        (("--env", "staging", "--deployed"), "memory://", ""),
        (("--env", "staging", "--deployed"), "", "usage-events"),
        (("--env", "staging"), "", None),
        ((), "memory://", None),
    ],
)
def test_keys_are_let_go_near_the_counters_else_by_a_deployed_function(
    tmp_path, monkeypatch, arguments, counters, topic
):
    seen = {}
    monkeypatch.setattr(dashboard, "KEPT", tmp_path)
    monkeypatch.setattr(dashboard, "application", lambda watched, *_: seen.update(watched))
    monkeypatch.setattr(dashboard, "_serve", lambda *_, **__: None)
    records = {"TWINGUARD_RECORDS": f"sqlite:///{tmp_path / 'r.sqlite'}"} if arguments else {}

    done = run(*arguments, TWINGUARD_COUNTERS=counters, **records)

    assert done.exit_code == 0, done.output
    lifting = seen["staging"].lifting
    assert (lifting and lifting.topic.rpartition("twinguard-staging-")[2]) == topic


def test_baselines_come_from_a_file_or_else_from_the_counters(tmp_path, monkeypatch):
    seen, file = {}, tmp_path / "baselines.jsonl"
    monkeypatch.setattr(dashboard, "application", lambda watched, *_: seen.update(watched))
    monkeypatch.setattr(dashboard, "_serve", lambda *_, **__: None)
    write(file, {"k1": Baseline(since=7, active=3.0)})
    own = ("--env", "staging", "--baselines", str(file))
    records = {"TWINGUARD_RECORDS": f"sqlite:///{tmp_path / 'r.sqlite'}"}

    found = {}
    for arguments, counters in ((own, ""), (own[:2], "memory://"), (own[:2], "")):
        done = run(*arguments, TWINGUARD_COUNTERS=counters, **records)
        assert done.exit_code == 0, done.output
        found[len(found)] = seen["staging"].security.baseline("k1")

    assert found == {0: Baseline(since=7, active=3.0), 1: None, 2: None}


def test_a_port_that_is_taken_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(dashboard, "KEPT", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = run("--env", "ci", "--port", str(port))

    assert done.exit_code == 2
    assert f"port {port}: Address already in use; name another" in done.output


def test_it_serves_a_sample_without_a_cloud_account_and_ends_with_a_listener(tmp_path):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "twinguard.cli.dashboard", "--env", "staging"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--page", "security"],
        env={
            **{name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ},
            "PYTHONPATH": str(FUNCTIONS),
            "TWINGUARD_RECORDS": f"sqlite:///{tmp_path / 'staging.sqlite'}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 -- calls prctl and getppid only
    )
    deadline = time.monotonic() + 60
    page = ""
    while "Sample costs" not in page:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, page
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                page = answer.read().decode()
        except OSError:
            continue
    with urllib.request.urlopen(f"{url}/staging/security/stream", timeout=20) as stream:
        first = stream.readline()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)

    assert first == b"retry: 2000\n"
    assert process.returncode == 0
    assert output.splitlines() == [f"Dashboard: {url}/security  (Ctrl-C ends it)"]
