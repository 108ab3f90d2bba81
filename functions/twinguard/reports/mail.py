# SPDX-License-Identifier: Apache-2.0
"""Make a mail of a document: plain text, the same as HTML, and its charts inside as pictures.

It only composes; `notify/email.py` sends. The same document gives the same mail, so that a repeat
can be recognised."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, cast

from twinguard.reports import charts, html, markdown
from twinguard.reports.document import Document
from twinguard.reports.names import one_line

if TYPE_CHECKING:
    from email.message import EmailMessage

SUBJECT = 200


def compose(
    document: Document, sender: str, recipients: tuple[str, ...], at: dt.datetime
) -> EmailMessage:
    """The mail for a report, ready to be sent."""
    import email.policy
    from email.message import EmailMessage
    from email.utils import format_datetime

    text = markdown.plain(document)
    domain = sender.rsplit("@", 1)[-1].rstrip(">")
    digest = hashlib.sha256(f"{document.name}\n{at.isoformat()}\n{text}".encode()).hexdigest()[:32]
    addresses = {figure.name: f"{figure.name}.{digest}@{domain}" for figure in document.figures}
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["Subject"] = one_line(document.title)[:SUBJECT]
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{digest}.report@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    sources = {name: f"cid:{address}" for name, address in addresses.items()}
    mail.add_alternative(html.mail_page(document, sources), subtype="html")
    page = cast("EmailMessage", mail.get_body(("html",)))
    for figure in document.figures:
        page.add_related(
            charts.png(figure),
            maintype="image",
            subtype="png",
            cid=f"<{addresses[figure.name]}>",
            filename=f"{figure.name}.png",
            disposition="inline",
        )
    _fix_boundaries(mail, digest)
    return mail


def _fix_boundaries(mail: EmailMessage, digest: str) -> None:
    """Boundaries that follow from the content, instead of being drawn."""
    for at, part in enumerate(part for part in mail.walk() if part.is_multipart()):
        part.set_boundary(f"={at}={digest}=")
