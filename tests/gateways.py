# SPDX-License-Identifier: Apache-2.0
"""A whole gateway on real sockets, for tests: before it a store of keys, behind it a provider."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import openai
import uvicorn
from msgspec.structs import replace

from twinguard import config, gateway_wiring, state
from twinguard.customer_keys import CustomerKeys, Order
from twinguard.decide.ledger import Scope, Standing
from twinguard.llm_policy import Gateway as Block
from twinguard.llm_policy import ServedModel
from twinguard.peppers import Peppers
from twinguard.policy import Environment, Policy
from twinguard.standins.openai_provider import OpenAIProvider
from twinguard.web.middleware import SecurityMiddleware

PEPPER = {"TWINGUARD_KEY_PEPPER": "1:" + "p" * 40}
PROVIDER_KEY = "sk-provider-" + "k" * 40
MODEL, EMBEDDER = "gpt-4", "text-embedding-3-small"
HELLO = [{"role": "user", "content": "Hello"}]


def policy(environment: Environment = Environment.STAGING, **gateway: Any) -> Policy:
    """A policy that serves a few models, and never waits long."""
    found = config.load(config.path_of(environment))
    models = {
        "gpt-4": ServedModel(quality=90, fallbacks=("gpt-3.5-turbo",)),
        "gpt-3.5-turbo": ServedModel(quality=40),
        EMBEDDER: ServedModel(embeddings=True),
    }
    block = Block(**{"models": models, "seconds": 30, "gather_milliseconds": 0, **gateway})
    assert found.openai is not None
    limits = replace(found.openai, requests_per_minute=10_000)
    return replace(found, openai=limits, gateway=block, local_llm=None, mocks=None)


@dataclasses.dataclass
class Running:
    """A gateway that answers."""

    url: str
    app: SecurityMiddleware
    provider: OpenAIProvider
    keys: CustomerKeys
    parts: gateway_wiring.Parts
    lines: list[dict[str, Any]]
    closing: contextlib.ExitStack

    def key(self, tenant: str = "acme", *, issued: dt.datetime | None = None, **order: Any) -> str:
        at = issued or dt.datetime.now(dt.UTC)
        return self.keys.issue(Order(tenant=tenant, **order), "test", "to test", at).raw

    def client(self, key: str = "", **headers: str) -> openai.OpenAI:
        return self.closing.enter_context(
            openai.OpenAI(
                api_key=key or self.key(),
                base_url=f"{self.url}/v1",
                max_retries=0,
                default_headers={name.replace("_", "-"): value for name, value in headers.items()},
            )
        )

    def post(self, path: str, key: str = "", **arguments: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {key or self.key()}", **arguments.pop("headers", {})}
        return httpx2.post(f"{self.url}{path}", headers=headers, timeout=30, **arguments)

    def standing(self, scope: str) -> Standing:
        """How a scope stands once nothing is under way any more."""
        (found,) = self.parts.ledger.totals([Scope.of(scope)])
        return found

    def settled(self, scope: str, spent: bool = True) -> Standing:
        """How a scope stands as soon as nothing is held (and something is spent)."""
        return until(
            lambda: self.standing(scope),
            lambda found: not found.held and (bool(found.spent) is spent),
        )

    def told(self, count: int) -> list[dict[str, Any]]:
        """The usage lines, as soon as there are so many."""
        return until(lambda: list(self.lines), lambda lines: len(lines) >= count)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def until(look: Any, good: Any, seconds: float = 10.0) -> Any:
    """What is seen as soon as it is good."""
    deadline = time.monotonic() + seconds
    while not good(found := look()):
        assert time.monotonic() < deadline, f"still {found!r}"
        time.sleep(0.005)
    return found


class _Lines:
    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self._lines = lines

    def write(self, lines: Any) -> None:
        self._lines.extend(line.fields() for line in lines)


@contextlib.contextmanager
def running(
    with_policy: Policy | None = None, settings: Mapping[str, str] | None = None, **options: Any
) -> Iterator[Running]:
    """A gateway and its provider, each in a thread, until the block ends."""
    found = with_policy or policy()
    records = state.open_records((settings or {}).get("TWINGUARD_RECORDS", "sqlite://"))
    peppers = Peppers.read(PEPPER)
    lines: list[dict[str, Any]] = []
    with OpenAIProvider() as provider:
        env = {
            **PEPPER,
            "TWINGUARD_RECORDS": "sqlite://",
            "OPENAI_API_KEY": PROVIDER_KEY,
            "OPENAI_ENDPOINT": provider.url,
            **(settings or {}),
        }
        parts = gateway_wiring.parts_from(
            found, env, records=records, **{"usage_log": _Lines(lines), **options}
        )
        app = parts.app
        keys = CustomerKeys(records, found.environment, found.retention, peppers)
        with serving(app) as url, contextlib.ExitStack() as closing:
            yield Running(url, app, provider, keys, parts, lines, closing)


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """An ASGI application on a free port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, workers=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until(lambda: server.started, bool)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@contextlib.contextmanager
def speaking(answer: bytes) -> Iterator[str]:
    """A server that says this to everybody, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65_536)
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
