# SPDX-License-Identifier: Apache-2.0
"""Who may come in: a start that leaves no door open, IAP's assertion verified, forms of our own."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from twinguard.errors import Misconfigured, Unavailable
from twinguard.web.dashboard import identity
from twinguard.web.dashboard.guard import Guard
from twinguard.web.dashboard.identity import ASSERTION, Iap, Person, Stranger
from twinguard.web.dashboard.site import site_from

NOW = dt.datetime.now(dt.UTC)
"""As google-auth has a clock of its own."""

AUDIENCE = "/projects/1/locations/europe-west1/services/twinguard-dashboard"
SECRET = "s" * 32
IN_CLOUD = {
    "K_SERVICE": "dashboard",
    "TWINGUARD_IAP_AUDIENCE": AUDIENCE,
    "TWINGUARD_DASHBOARD_HOSTS": "dashboard.example.com",
    "TWINGUARD_DASHBOARD_SECRET": SECRET,
    "TWINGUARD_DASHBOARD_ACTORS": "ada@example.com",
}
CLAIMS = {
    "iss": "https://cloud.google.com/iap",
    "aud": AUDIENCE,
    "email": "ada@example.com",
    "sub": "accounts.google.com:1",
    "iat": NOW.timestamp() - 10,
    "exp": NOW.timestamp() + 3600,
}
OURS, FOREIGN = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def assertion(key=OURS, header=None, **claims) -> str:
    """An assertion as IAP signs it."""
    head = {"alg": "ES256", "kid": "k1", "typ": "JWT"} | (header or {})
    said = f"{part(head)}.{part(CLAIMS | claims)}"
    r, s = utils.decode_dss_signature(key.sign(said.encode(), ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{said}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.fixture
def keys():
    """Where Google's keys are, played: the addresses asked, and what is answered."""
    pem = OURS.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    answers = {"k1": pem.decode()}
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = json.dumps(answers).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    identity._keys.cache_clear()
    yield f"http://127.0.0.1:{server.server_port}/keys", asked
    server.shutdown()
    server.server_close()
    identity._keys.cache_clear()


def test_a_verified_assertion_names_the_person(keys):
    iap = Iap(AUDIENCE, frozenset({"ada@example.com"}), keys[0])

    ada = iap.person({ASSERTION: assertion()}, NOW)
    bob = iap.person({ASSERTION: assertion(email="accounts.google.com:Bob@example.com")}, NOW)

    assert (ada, bob) == (Person("ada@example.com", True), Person("bob@example.com", False))
    assert len(keys[1]) == 1, "keys are fetched once an hour"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        "x" * 20_000,
        assertion(FOREIGN),
        assertion(aud="/projects/2/locations/x/services/y"),
        assertion(iss="https://accounts.google.com"),
        assertion(exp=NOW.timestamp() - 60),
        assertion(iat=NOW.timestamp() + 9000, exp=NOW.timestamp() + 9900),
        assertion(email=""),
        assertion(email=None),
        assertion(exp="soon"),
        assertion(header={"kid": "unknown"}),
        assertion(header={"alg": "none"}),
        assertion(header={"alg": "HS256"}),
        assertion()[:-6] + "AAAAAA",
    ],
)
def test_whatever_else_is_a_stranger(keys, token):
    with pytest.raises(Stranger):
        Iap(AUDIENCE, frozenset(), keys[0]).person({ASSERTION: token}, NOW)


def test_keys_that_cannot_be_fetched_let_nobody_in():
    identity._keys.cache_clear()

    with pytest.raises(Unavailable):
        Iap(AUDIENCE, frozenset(), "http://127.0.0.1:9/keys").person({ASSERTION: assertion()}, NOW)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"TWINGUARD_IAP_AUDIENCE": ""}, "TWINGUARD_IAP_AUDIENCE is missing"),
        ({"TWINGUARD_DASHBOARD_HOSTS": " , "}, "TWINGUARD_DASHBOARD_HOSTS is missing"),
        ({"TWINGUARD_DASHBOARD_SECRET": "short"}, "TWINGUARD_DASHBOARD_SECRET has fewer"),
        ({"TWINGUARD_IAP_KEYS_URL": "http://127.0.0.1:8/k"}, "TWINGUARD_IAP_KEYS_URL is"),
        ({"TWINGUARD_IAP_KEYS_URL": "https://evil.example/k"}, "TWINGUARD_IAP_KEYS_URL is"),
    ],
)
def test_in_the_cloud_it_refuses_to_start_with_a_door_open(change, named):
    with pytest.raises(Misconfigured) as raised:
        site_from(IN_CLOUD | change, "")

    assert named in str(raised.value)


def test_in_the_cloud_only_its_own_name_is_answered_and_the_cookie_needs_https():
    site = site_from(IN_CLOUD, "")

    assert [site.answers_to(host) for host in ("dashboard.example.com", "localhost", "x.com")] == [
        True,
        False,
        False,
    ]
    assert (site.is_public, site.cookie) == (True, "__Host-twinguard")


# --- the guard -----------------------------------------------------------------------------------


async def echo(scope, receive, send):
    """The application behind: says who asks."""
    state = scope["state"]
    body = f"{state['person'].name} {state['csrf']} {dict(state['fields'])}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def asked(method="GET", path="/", headers=None, body=b"", env=None):
    """Status, headers and text of one request through the guard."""
    guard = Guard(echo, site_from(env or {}, "ada"), lambda: NOW)
    return through(guard, method, path, headers, body)


def through(guard, method="GET", path="/", headers=None, body=b""):
    told = {"host": "127.0.0.1:8765"} | (headers or {})
    pairs = [(k.encode(), v.encode()) for k, v in told.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": pairs}
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    head = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], head, sent[1]["body"].decode()


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8765", "[::1]:80"])
def test_this_machine_is_answered_under_its_own_names(host):
    assert asked(headers={"host": host})[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_another_name_for_this_machine_is_refused(host):
    """A page of another site could otherwise read this one by pointing its name here."""
    assert asked(headers={"host": host})[0] == 400


def test_each_answer_carries_the_headers_refusals_included():
    for status, headers, _ in (asked(), asked(headers={"host": "evil.example"})):
        assert status in {200, 400}
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_a_session_is_begun_once_and_scripts_cannot_read_it():
    _, first, _ = asked()
    cookie = first["set-cookie"].partition(";")[0]

    _, again, _ = asked(headers={"cookie": cookie})
    _, forged, _ = asked(headers={"cookie": "twinguard=short"})

    assert "HttpOnly" in first["set-cookie"]
    assert "SameSite=Strict" in first["set-cookie"]
    assert "set-cookie" not in again
    assert "set-cookie" in forged


def posted(fields=None, headers=None, forget=False, body=None):
    guard = Guard(echo, site_from({}, "ada"), lambda: NOW)
    _, head, text = through(guard)
    cookie = head["set-cookie"].partition(";")[0]
    sent = {"reason": "why", "csrf": text.split()[1]} | (fields or {})
    told = {
        "content-type": "application/x-www-form-urlencoded",
        **({} if forget else {"cookie": cookie}),
        **(headers or {}),
    }
    return through(guard, "POST", "/", told, urlencode(sent).encode() if body is None else body)


def test_a_form_of_the_session_is_taken():
    status, _, text = posted(headers={"origin": "http://127.0.0.1:8765"})

    assert (status, "'reason': 'why'" in text) == (200, True)


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"fields": {"csrf": ""}}, 403),
        ({"fields": {"csrf": "0" * 64}}, 403),
        ({"forget": True}, 403),
        ({"headers": {"origin": "https://evil.example"}}, 403),
        ({"headers": {"origin": "null"}}, 403),
        ({"headers": {"sec-fetch-site": "cross-site"}}, 403),
        ({"headers": {"content-type": "text/plain"}}, 415),
        ({"body": b"x" * 20_000}, 413),
    ],
)
def test_any_other_form_is_refused(how, status):
    assert posted(**how)[0] == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_pages_are_read_and_forms_posted_and_nothing_else(method):
    assert asked(method)[0] == 405


def test_a_stranger_is_turned_away_and_is_not_told_why(keys):
    env = {name: value for name, value in IN_CLOUD.items() if name != "K_SERVICE"}
    env |= {"TWINGUARD_IAP_KEYS_URL": keys[0]}
    name = {"host": "dashboard.example.com"}

    without = asked(headers=name, env=env)
    known = asked(headers=name | {ASSERTION: assertion()}, env=env)
    claimed = asked(headers=name | {"x-goog-authenticated-user-email": "ada@example.com"}, env=env)

    assert (without[0], claimed[0], known[0]) == (401, 401, 200)
    assert "assertion" not in without[2]
    assert known[2].startswith("ada@example.com")
    assert known[1]["set-cookie"].startswith("__Host-twinguard=")
    assert known[1]["set-cookie"].endswith("; Secure")
