# SPDX-License-Identifier: Apache-2.0
"""Send mail over SMTP with verified TLS, or not at all: it never falls back to plain text.

Message-IDs follow from the message, so a repeat is the same mail and an incident is one thread."""

from __future__ import annotations

import hashlib
import html
from typing import TYPE_CHECKING

from twinguard.errors import Unavailable
from twinguard.notify.text import Text, cut, fitted, render
from twinguard.notify.wire import CONNECT_SECONDS, READ_SECONDS, Passing, patiently
from twinguard.policy import Channel
from twinguard.ports import Message

if TYPE_CHECKING:
    import smtplib
    import ssl
    from email.message import EmailMessage

SUBJECT = 200
BODY = 100_000
SMTPS_PORT = 465
_REMEDY = "check the SMTP_ settings and SECURITY_EMAIL, and that the server offers TLS"
_PASSING = range(400, 500)


class Email:
    """The server, the account and the people. With `smtps` TLS comes first, else by STARTTLS."""

    channel: Channel = Channel.EMAIL

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        password: str,
        sender: str,
        recipients: tuple[str, ...],
        smtps: bool = False,
        ca_file: str = "",
    ) -> None:
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.sender = sender
        self.recipients = recipients
        self.smtps = smtps
        self.ca_file = ca_file

    def send(self, message: Message) -> str:
        """Mail everybody at once; the Message-ID, and how many addresses were refused."""
        return self.deliver(compose(message, self.sender, self.recipients))

    def deliver(self, mail: EmailMessage) -> str:
        """Hand a mail to the server; the Message-ID, and how many addresses were refused."""
        refused = patiently(lambda: self._send_once(mail))
        note = f"; {refused} of {len(self.recipients)} addresses refused" if refused else ""
        return f"{mail['Message-ID']}{note}"

    def _send_once(self, mail: EmailMessage) -> int:
        import smtplib
        import ssl

        try:
            with self._connected() as server:
                return len(server.send_message(mail, self.sender, self.recipients))
        except smtplib.SMTPRecipientsRefused as err:
            codes = {code for code, _ in err.recipients.values()}
            raise _failure(f"every address refused, status {min(codes)}", min(codes)) from err
        except smtplib.SMTPResponseException as err:
            raise _failure(f"status {err.smtp_code}", err.smtp_code) from err
        except smtplib.SMTPNotSupportedError as err:
            raise _failure("the server offers no STARTTLS or no login") from err
        except ssl.SSLError as err:
            raise _failure("its certificate or TLS could not be verified") from err
        except (smtplib.SMTPServerDisconnected, OSError) as err:
            raise _failure(type(err).__name__, _PASSING.start) from err

    def _connected(self) -> smtplib.SMTP:
        import smtplib

        context = self._context()
        if self.smtps:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=CONNECT_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=CONNECT_SECONDS)
        try:
            if server.sock is not None:
                server.sock.settimeout(READ_SECONDS)
            if not self.smtps:
                server.starttls(context=context)
            server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _context(self) -> ssl.SSLContext:
        import ssl

        context = ssl.create_default_context()
        if self.ca_file:
            context.load_verify_locations(self.ca_file)
        return context


def compose(message: Message, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
    """The mail for a message: the same each time, so that a repeat can be recognised."""
    import email.policy
    from email.message import EmailMessage
    from email.utils import format_datetime

    text = render(message)
    domain = sender.rsplit("@", 1)[-1].rstrip(">")
    thread = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}.incident@{domain}>"
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["Subject"] = cut(text.headline, SUBJECT)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(message.alert.at)
    mail["Message-ID"] = f"<{message.id}@{domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(plain(text))
    mail.add_alternative(page(text), subtype="html")
    return mail


def plain(text: Text) -> str:
    """The body as plain text."""
    items = "\n".join(f"- {item}" for item in fitted(text.items, BODY))
    facts = "\n".join(f"{name}: {value}" for name, value in text.facts)
    parts = (text.headline, items, f"What to do: {text.advice}", facts)
    return "\n\n".join(part for part in parts if part) + "\n"


def page(text: Text) -> str:
    """The same body as a simple page without anything to fetch."""
    items = "".join(f"<li>{html.escape(item)}</li>" for item in fitted(text.items, BODY))
    facts = "".join(
        f"<tr><th align='left'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in text.facts
    )
    return (
        f"<!doctype html><html><body><h3>{html.escape(text.headline)}</h3>"
        + (f"<ul>{items}</ul>" if items else "")
        + f"<p><b>What to do:</b> {html.escape(text.advice)}</p>"
        f"<table>{facts}</table></body></html>\n"
    )


def _failure(what: str, status: int = 0) -> Unavailable:
    kind = Passing if status in _PASSING else Unavailable
    return kind(f"{Channel.EMAIL} did not accept the message ({what}); {_REMEDY}")
