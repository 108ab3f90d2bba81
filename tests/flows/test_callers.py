# SPDX-License-Identifier: Apache-2.0
"""Only the push subscriptions' own account is answered; a forged call leaves no trace at all."""

from __future__ import annotations

import base64
import datetime as dt
import json
import time

import google.auth.crypt
import google.auth.jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from flows.stage import BEFORE, BUDGET, HELD, STOPPED, fresh, staged
from twinguard.standins.server import Fault, Server, route

ACCOUNT = "budget-push@living-twin-staging.iam.gserviceaccount.com"
AUDIENCE = "https://on-budget-alert.example"
REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"
KINDS = ("audit", "breakers", "budgets", "dead_letters", "holds")


class Issuer:
    """Signs tokens as Google does, and knows the certificate that proves it."""

    def __init__(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example")])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        self._signer = google.auth.crypt.RSASigner.from_string(private.decode(), "key-1")

    def token(self, **changed):
        """An identity token of a push subscription, with some claims changed."""
        return google.auth.jwt.encode(self._signer, claims(**changed)).decode()


def claims(**changed):
    now = int(time.time())
    good = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now - 10,
        "exp": now + 3590,
        "sub": "113774264463038321964",
    }
    return good | changed


def made_up(header, signature=""):
    """A token with good claims that nobody signed."""
    parts = (json.dumps(header), json.dumps(claims()), signature)
    return ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts)


def stripped(token):
    """The token as Cloud Run passes it on once it has checked the signature."""
    return f"{token.rpartition('.')[0]}.{REMOVED}"


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


WRONG_CLAIMS = {
    "another account": {"email": "owner@living-twin-staging.iam.gserviceaccount.com"},
    "an account that is not verified": {"email_verified": False},
    "another audience": {"aud": "https://on-schedule.example"},
    "another issuer": {"iss": "https://accounts.example.com"},
    "expired": {"iat": int(time.time()) - 7200, "exp": int(time.time()) - 3600},
    "from the future": {"iat": int(time.time()) + 3600, "exp": int(time.time()) + 7200},
    "no validity": {"exp": None},
}


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


@pytest.fixture
def certificates(issuer):
    """Where the issuer publishes its certificates, in the form of Google's own page."""
    with Server(route("GET", "/oauth2/v1/certs", lambda _: {"key-1": issuer.certificate})) as page:
        yield page


@pytest.fixture
def mode():
    return "token"


@pytest.fixture
def stage(mode, tmp_path, project, certificates):
    with staged(
        tmp_path,
        project,
        BUDGET,
        K_SERVICE="on-budget-alert",
        TWINGUARD_PUSH_AUTH=mode,
        TWINGUARD_PUSH_ACCOUNT=ACCOUNT,
        TWINGUARD_PUSH_AUDIENCE=AUDIENCE,
        TWINGUARD_PUSH_CERTS_URL=f"{certificates.url}/oauth2/v1/certs",
    ) as stage:
        yield stage


def forged(issuer, mode):
    """Headers that no push subscription sends, by what is wrong with them."""
    found = {"no token": {}, "no identity": bearing("ya29.opaque"), "no JSON": bearing("a.b.c")}
    found["basic"] = {"Authorization": f"Basic {issuer.token()}"}
    for name, changed in WRONG_CLAIMS.items():
        token = issuer.token(**changed)
        found[name] = bearing(token)
        found[f"{name}, without signature"] = bearing(stripped(token))
    if mode == "token":
        found["another key"] = bearing(Issuer().token())
        found["alg none"] = bearing(made_up({"alg": "none", "typ": "JWT"}))
        found["alg of a shared secret"] = bearing(made_up({"alg": "HS256", "kid": "key-1"}, "x"))
        found["a key id that is none"] = bearing(made_up({"alg": "RS256", "kid": ["key-1"]}, "x"))
        found["a header that is none"] = bearing(made_up([], "x"))
        found["signature removed"] = bearing(stripped(issuer.token()))
        found["signature of another token"] = bearing(
            issuer.token(email="a@b.c").rpartition(".")[0] + "." + issuer.token().rpartition(".")[2]
        )
    return found


both_modes = pytest.mark.parametrize("mode", ["token", "iam"])


@both_modes
def test_a_forged_call_is_refused_and_has_no_effect_at_all(stage, issuer, mode):
    calls = forged(issuer, mode)
    furnished = len(stage.google.exchanges)

    answers = {name: stage.push(BUDGET, fresh(512.5), headers) for name, headers in calls.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(
        calls, 401
    )
    assert [answer.json() for answer in answers.values()] == [{"outcome": "refused"}] * len(calls)
    assert stage.outcomes(BUDGET) == ["refused"] * len(calls)
    assert len(stage.google.exchanges) == furnished
    assert {kind: stage.records(kind) for kind in KINDS} == {kind: [] for kind in KINDS}


@both_modes
def test_a_forged_call_with_a_broken_message_is_not_even_kept_as_a_dead_letter(stage, issuer):
    answer = stage.push(BUDGET, fresh(512.5, budget="another"), bearing(issuer.token(aud="x")))

    assert answer.status_code == 401
    assert stage.records("dead_letters") == []


@both_modes
def test_the_push_subscriptions_own_token_is_answered(stage, issuer, mode):
    token = issuer.token() if mode == "token" else stripped(issuer.token())

    answer = stage.push(BUDGET, fresh(512.5), bearing(token))

    assert (answer.status_code, answer.json()["outcome"]) == (200, "done")
    assert stage.services() == {"living-twin-api": BEFORE, **dict.fromkeys(HELD, STOPPED)}


def test_calls_wait_while_the_certificates_cannot_be_fetched(stage, issuer, certificates):
    certificates.fail(Fault(code=503))

    answers = [stage.push(BUDGET, fresh(1), bearing(issuer.token())) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [503, 200]
