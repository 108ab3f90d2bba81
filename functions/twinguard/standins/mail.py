# SPDX-License-Identifier: Apache-2.0
"""A mail server on this machine: TLS with a throw-away certificate, a login, and a mailbox.

aiosmtpd (the command line's dependency group) and cryptography are imported when it starts."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

USER = "alerts@example.com"
PASSWORD = "made-up-for-the-stand-in"  # noqa: S105 - opens nothing


@dataclass
class MailSink:
    """Keeps what it accepts in `received`; answers `refusals`, first to last, to the next mails.

    `starttls` and `implicit` say which TLS it offers; `refused_addresses` get a 550."""

    starttls: bool = True
    implicit: bool = False
    received: list[EmailMessage] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    refused_addresses: set[str] = field(default_factory=set)
    port: int = 0
    _folder: tempfile.TemporaryDirectory[str] | None = None
    _controller: Any = None

    @property
    def ca_file(self) -> str:
        """The certificate to trust."""
        if self._folder is None:
            raise RuntimeError("the mail stand-in is not running; use it in a with statement")
        return str(Path(self._folder.name) / "certificate.pem")

    def __enter__(self) -> Self:
        from aiosmtpd.controller import Controller

        self._folder = tempfile.TemporaryDirectory()
        context = _certified(Path(self._folder.name))
        self.port = _free_port()
        upgrades = self.starttls and not self.implicit  # only then aiosmtpd knows that TLS is on
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=context if self.implicit else None,
            tls_context=context if upgrades else None,
            require_starttls=upgrades,
            authenticator=_authenticated,
            auth_require_tls=upgrades,
            auth_required=upgrades,
            auth_exclude_mechanism=["CRAM-MD5"],
        )
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: Any,  # noqa: ANN401 - aiosmtpd has no types
        session: Any,  # noqa: ANN401
        envelope: Any,  # noqa: ANN401
        address: str,
        options: list[str],
    ) -> str:
        """Take the address, or refuse it for good."""
        del server, session, options
        if address in self.refused_addresses:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ANN401, N802
        """Keep the mail, or refuse it as asked."""
        del server, session
        if self.refusals:
            return self.refusals.pop(0)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        if not isinstance(mail, EmailMessage):
            return "554 5.6.0 not a message"
        self.received.append(mail)
        return "250 2.0.0 queued"


def _authenticated(  # aiosmtpd's authenticator
    server: Any,  # noqa: ANN401
    session: Any,  # noqa: ANN401
    envelope: Any,  # noqa: ANN401
    mechanism: str,
    credentials: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    from aiosmtpd.smtp import AuthResult

    del server, session, envelope, mechanism
    is_known = (credentials.login, credentials.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=False)


def _certified(folder: Path) -> ssl.SSLContext:
    """A TLS server context for 127.0.0.1; the certificate is left in the folder."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "twinguard stand-in")])
    now = dt.datetime.now(dt.UTC)
    places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context


def _free_port() -> int:
    """A port that is free now: aiosmtpd cannot be given port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
