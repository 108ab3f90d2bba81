# SPDX-License-Identifier: Apache-2.0
"""Tokens of a service account at a real Redis that asks for them: renewed, shared, out of reach.

The account and Google's endpoint are made up; google-auth, redis-py and the server are real."""

from __future__ import annotations

import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import servers
from guarding import KEY_ID
from ledgers import ACME, nothing
from threats import START
from twinguard.decide.ledger import Budgets, Held, ScopeKind, Wanted
from twinguard.decide.threats.values import Use
from twinguard.errors import Unavailable
from twinguard.guard import Guard
from twinguard.llm.ledger import open_ledger
from twinguard.redis_tokens import Tokens
from twinguard.state.counters import Options, open_counters

HOUR, SOON = 3600, 120
"""Seconds a token is good for; google-auth renews one that ends within four minutes."""


class Google:
    """Google's token endpoint: `token-1`, `token-2`, …, each good for `lasts` seconds.

    `refuses` says how many more requests are answered 400; below zero, it hangs up."""

    def __init__(self) -> None:
        self.given, self.lasts, self.refuses = 0, HOUR, 0
        self._turn = threading.Lock()
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                if google.refuses >= 0:
                    status, body = google.answer()
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(json.dumps(body).encode())

            def log_message(self, format, *args):
                """Nothing is printed."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self):
        with self._turn:
            if self.refuses:
                self.refuses -= 1
                return 400, {"error": "invalid_grant"}
            self.given += 1
            token = f"token-{self.given}"
            return 200, {"access_token": token, "expires_in": self.lasts, "token_type": "Bearer"}


@pytest.fixture(scope="module")
def private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(serialization.Encoding.PEM, kind, plain).decode()


@pytest.fixture
def google(tmp_path, monkeypatch, private_key):
    with Google() as google:
        account = {
            "type": "service_account",
            "client_email": "application@living-twin-staging.iam.gserviceaccount.com",
            "private_key": private_key,
            "private_key_id": "made-up",
            "token_uri": f"{google.url}/token",
        }
        (tmp_path / "account.json").write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        yield google


@pytest.fixture
def server(tmp_path):
    """A Redis that knows a person by a word of theirs, and everybody else by `token-1`."""
    with servers.redis(tmp_path) as server:
        servers.redis_answer(server.port, "ACL SETUSER person on >word ~* &* +@all")
        servers.redis_answer(server.port, "ACL SETUSER default resetpass >token-1")
        yield server


def as_person(server, command):
    with redis.Redis(port=server.port, username="person", password="word") as client:
        return client.execute_command(*command.split())


def ledger_of(server):
    url = f"redis://127.0.0.1:{server.port}?iam=true"
    return open_ledger(url, uuid.uuid4().hex, Budgets({}, {ScopeKind.TENANT: 50}), nothing, "")


def held(ledger, number=1):
    return ledger.hold(Wanted(f"request-{number}", 1, (ACME,), 1, 60))


def test_one_token_serves_all_connections_while_it_is_good(google, server):
    ledger = ledger_of(server)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: held(ledger, number), range(24)))

    assert {type(one) for one in found} == {Held}
    assert google.given == 1


def test_a_connection_made_after_a_token_ended_shows_a_new_one(google, server):
    """As Memorystore does it: who is connected stays so; who connects shows what is good now."""
    google.lasts = SOON
    ledger = ledger_of(server)
    first = held(ledger, 1)
    as_person(server, "ACL SETUSER default resetpass >token-2")
    second = held(ledger, 2)
    before = google.given
    as_person(server, "CLIENT KILL TYPE normal SKIPME yes")
    third = held(ledger, 3)

    assert [type(one) for one in (first, second, third)] == [Held, Held, Held]
    assert (before, google.given) == (1, 2)


def test_a_token_that_is_refused_is_unavailable_until_a_good_one_is_given(google, server):
    google.lasts = SOON
    as_person(server, "ACL SETUSER default resetpass >another")
    ledger = ledger_of(server)
    with pytest.raises(Unavailable) as refused:
        held(ledger, 1)
    words = " ".join(f">token-{number}" for number in range(1, 9))
    as_person(server, f"ACL SETUSER default resetpass {words}")

    assert "token-" not in str(refused.value)
    assert isinstance(held(ledger, 2), Held)


@pytest.mark.parametrize("refuses", [100, -1], ids=["refused", "hung up"])
def test_without_googles_answer_the_policy_decides_and_nothing_breaks(google, server, refuses):
    google.refuses = refuses
    url = f"redis://127.0.0.1:{server.port}?iam=true"
    guard = Guard(open_counters(url, Options(timeout=1.0)))
    use = Use(START, KEY_ID, "9.9.9.9")

    with pytest.raises(Unavailable, match="no token for TWINGUARD_COUNTERS"):
        guard.counters.admit(use)
    assert guard.admit(use).passes
    assert guard.tallies.read()["failed_open"] == 1


def test_a_block_list_follows_again_once_google_answers(google, server):
    google.refuses = 2
    url = f"redis://127.0.0.1:{server.port}?iam=true"
    guard = Guard(open_counters(url, Options(timeout=1.0)))
    guard.start()
    try:
        deadline = time.monotonic() + servers.PATIENCE
        while guard.blocks.age() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert guard.blocks.age() <= 1
    finally:
        guard.close()


def test_many_that_connect_at_once_ask_google_once(google):
    tokens = Tokens("TWINGUARD_COUNTERS")
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: tokens.get_credentials(), range(64)))

    assert found == {("default", "token-1")}
    assert google.given == 1
