# SPDX-License-Identifier: Apache-2.0
"""Serve the gateway on this machine. `--demo` brings a provider, a store and a key of its own.

Exit codes: 0 ended by a signal, 2 wrong settings, 3 unavailable."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from twinguard import config, logs, state
from twinguard.cli.deployed import settings
from twinguard.cli.desk import Env, exiting
from twinguard.cli.scale_output import say
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.errors import Misconfigured
from twinguard.gateway_wiring import SECRETS, parts_from
from twinguard.peppers import Peppers
from twinguard.policy import AUTO, Policy
from twinguard.settled import settled
from twinguard.standins.openai_provider import OpenAIProvider
from twinguard.web.middleware import SecurityMiddleware

HOST = "127.0.0.1"
PORT = 8790
_QUIET_SECONDS = 30

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)


@app.command()
def serve(
    *,
    env: Env,
    port: Annotated[int, typer.Option(min=1, max=65_535)] = PORT,
    demo: Annotated[bool, typer.Option("--demo", help="With a made-up provider and key.")] = False,
) -> None:
    """Serve until a signal comes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was made up is removed, too
    with exiting(), contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
        listener = stack.enter_context(contextlib.closing(_bound(port)))
        policy = config.load(config.path_of(config.environment_named(env)))
        found = stack.enter_context(made_up(policy, port)) if demo else settings(policy, os.environ)
        logs.configure([found[name] for name in SECRETS if found.get(name)], for_people=demo)
        gateway = parts_from(policy, found).app
        say(f"The gateway of {policy.environment} listens at http://{HOST}:{port}/v1")
        settled()
        run(gateway, listener)


def run(gateway: SecurityMiddleware, listener: socket.socket) -> None:
    """Serve until a signal comes, which is raised again once all is in order."""
    import uvicorn

    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    server = uvicorn.Server(
        uvicorn.Config(
            gateway,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_QUIET_SECONDS,
        )
    )
    server.run(sockets=[listener])


@contextlib.contextmanager
def made_up(policy: Policy, port: int) -> Iterator[Mapping[str, str]]:
    """Settings of a gateway that needs nothing: a provider that answers, a key that is shown."""
    with tempfile.TemporaryDirectory() as folder, OpenAIProvider() as provider:
        found = {
            "TWINGUARD_RECORDS": f"sqlite:///{Path(folder) / 'records.db'}",
            "TWINGUARD_KEY_PEPPER": f"1:{secrets.token_hex(32)}",
            "TWINGUARD_LLM_USAGE": str(Path(folder) / "usage.jsonl"),
            "OPENAI_API_KEY": "a-key-of-the-stand-in",
            "OPENAI_ENDPOINT": provider.url,
        }
        peppers = Peppers.read(found)
        records = state.open_records(found["TWINGUARD_RECORDS"])
        keys = CustomerKeys(records, policy.environment, policy.retention, peppers)
        issued = keys.issue(Order(tenant="demo"), "demo", "to try it", dt.datetime.now(dt.UTC))
        _shown(policy, port, issued.raw, found)
        yield found


def _shown(policy: Policy, port: int, key: str, found: Mapping[str, str]) -> None:
    """What to try in another terminal, and where to look afterwards."""
    model = policy.openai.model if policy.openai is not None else AUTO
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    say("A stand-in plays OpenAI. Ask it in another terminal:\n")
    say(f"  curl -s http://{HOST}:{port}/v1/chat/completions \\")
    say(f"    -H 'Authorization: Bearer {key}' \\")
    say("    -H 'Content-Type: application/json' \\")
    say(f"    -d '{json.dumps(body)}'\n")
    say("Then see what it cost, and who may spend what:\n")
    say(f"  make llm-usage FILE={found['TWINGUARD_LLM_USAGE']} BY=tenant")
    say(f"  TWINGUARD_RECORDS={found['TWINGUARD_RECORDS']} make budgets ENV={policy.environment}\n")


def _bound(port: int) -> socket.socket:
    """A socket for the port, or a message that names it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as err:
        listener.close()
        raise Misconfigured(
            f"port {port} cannot be used ({err.strerror}); name another: PORT=8791"
        ) from err
    return listener


if __name__ == "__main__":
    app()
