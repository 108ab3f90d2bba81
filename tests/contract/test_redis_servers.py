# SPDX-License-Identifier: Apache-2.0
"""Addresses of Redis; servers that are encrypted and ask who is there, for threads and tasks."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import servers
from ledgers import ACME, nothing
from twinguard.decide.ledger import Budgets, Held, ScopeKind, Wanted
from twinguard.decide.minutes import Allowance, Taken
from twinguard.errors import Misconfigured, Unavailable
from twinguard.llm.ledger import open_ledger
from twinguard.llm.limits import open_limits
from twinguard.redis_servers import Target, target_of
from twinguard.redis_tokens import Tokens

TOKEN = "a-token-of-the-service-account"
NOVEMBER = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://h:1/0", Target(url="redis://h:1/0", authorities="CA")),
        ("redis://:word@h/3", Target(url="redis://:word@h/3", authorities="CA")),
        ("rediss://h:1", Target(url="rediss://h:1", authorities="CA")),
        ("redis://h:1?cluster=true", Target(url="redis://h:1", is_cluster=True, authorities="CA")),
        (
            "rediss://h:1?cluster=true&iam=true",
            Target(url="rediss://h:1", is_cluster=True, has_tokens=True, authorities="CA"),
        ),
        ("rediss://h:1?cluster=false", Target(url="rediss://h:1", authorities="CA")),
        ("redis://h:1/2?timeout=1.5", Target(url="redis://h:1/2", authorities="CA", timeout=1.5)),
    ],
)
def test_an_address_names_a_server(url, target):
    assert target_of(url, "CA") == target


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "redis",
            "redis://",
            "redis://:1/0",
            "http://h",
            "redis://h:nowhere/0",
            "redis://h/x",
        ),
        *("redis://h?cluster=yes", "redis://h?x=1", "redis://h/1?cluster=true"),
        *(
            "redis://h?timeout=0",
            "redis://h?timeout=x",
            "redis://h?timeout=61",
            "redis://h?timeout=",
        ),
        *("redis://h?timeout=nan", "redis://h?timeout=-1"),
        "rediss://u:word@h?iam=true",
    ],
)
def test_another_address_is_refused_by_the_settings_name_and_no_password_is_shown(url):
    with pytest.raises(Misconfigured, match="TWINGUARD_CACHE") as refused:
        target_of(url, setting="TWINGUARD_CACHE")

    assert "word@" not in str(refused.value)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    """A server that speaks TLS only, and its own authority's certificate."""
    folder = tmp_path_factory.mktemp("redis-tls")
    key, certificate = _certified()
    (folder / "key.pem").write_bytes(key)
    (folder / "cert.pem").write_bytes(certificate)
    port = servers.free_port()
    options = ("--tls-port", str(port), "--tls-auth-clients", "no")
    files = ("--tls-key-file", "key.pem", "--tls-cert-file", "cert.pem")
    with servers.redis(folder, *options, *files) as server:
        servers.redis_answer(server.port, f"ACL SETUSER default resetpass >{TOKEN}")
        yield f"rediss://127.0.0.1:{port}", certificate.decode()


def _certified() -> tuple[bytes, bytes]:
    """A key, and the certificate of this machine that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(NOVEMBER)
        .not_valid_after(NOVEMBER + dt.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return private, certificate.public_bytes(pem)


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setattr(Tokens, "get_credentials", lambda _self: ("default", TOKEN))


def held(url, authorities):
    name = uuid.uuid4().hex
    ledger = open_ledger(url, name, Budgets({}, {ScopeKind.TENANT: 50}), nothing, authorities)
    return ledger.hold(Wanted(name, 1, (ACME,), 30, 60))


def taken(url, authorities):
    async def work():
        limits = open_limits(url, uuid.uuid4().hex, authorities)
        try:
            return await limits.take((Allowance("key:a", 1, None), Allowance("b", 1, None)), 1)
        finally:
            await limits.close()

    return asyncio.run(work())


@pytest.mark.usefixtures("token")
def test_threads_and_tasks_reach_a_server_with_its_own_authority_by_a_token(encrypted):
    url, authority = encrypted

    assert isinstance(held(f"{url}?iam=true", authority), Held)
    assert isinstance(taken(f"{url}?iam=true", authority), Taken)


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("ask", [held, taken])
def test_a_server_whose_authority_nobody_trusts_is_not_spoken_to(encrypted, ask):
    with pytest.raises(Unavailable):
        ask(f"{encrypted[0]}?iam=true", "")


@pytest.mark.parametrize("ask", [held, taken])
def test_without_a_token_nothing_is_answered(encrypted, ask):
    with pytest.raises(Unavailable):
        ask(*encrypted)


@pytest.mark.parametrize("ask", [held, taken])
def test_a_cluster_that_is_not_there_is_unavailable(ask):
    with pytest.raises(Unavailable):
        ask(f"redis://127.0.0.1:{servers.free_port()}?cluster=true", "")


def test_of_a_burst_nobody_is_refused_a_connection_to_a_cluster(redis_cluster):
    async def work():
        limits = open_limits(redis_cluster.environment["TWINGUARD_COUNTERS"], uuid.uuid4().hex)
        limits._client.gate._seconds = 30  # a busy machine is no failure
        try:
            await limits.take((Allowance("key:a", None, None),), 1)
            asked = (limits.take((Allowance("key:a", 100, None),), 1) for _ in range(300))
            return await asyncio.gather(*asked)
        finally:
            await limits.close()

    found = asyncio.run(work())

    assert sum(isinstance(one, Taken) for one in found) == 99
