# SPDX-License-Identifier: Apache-2.0
"""Mail goes out over verified TLS or not at all, to a real SMTP server with a real login."""

from __future__ import annotations

import datetime as dt
import traceback

import pytest
import stamina

from twinguard.decide.model import Alert, AlertState
from twinguard.errors import Unavailable
from twinguard.notify.email import Email, compose
from twinguard.policy import Level
from twinguard.ports import Message
from twinguard.standins import mail
from twinguard.standins.mail import MailSink

TO = ("security@example.com", "oncall@example.com")
ALERT = Alert(
    incident="staging/budget/Staging/2026-11",
    environment="staging",
    kind="budget",
    level=Level.HIGH,
    step=9000,
    state=AlertState.OPENED,
    title="Staging passed 90 %: 450.00 of 500 USD (90 %)",
    lines=("service <api> & worker",),
    at=dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC),
)
MESSAGE = Message("0123456789abcdef0123456789abcdef", ALERT.incident, ALERT)


@pytest.fixture(autouse=True)
def _no_waiting():
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture
def sink():
    with MailSink() as running:
        yield running


def email_at(sink: MailSink, **changes) -> Email:
    settings = {
        "host": "127.0.0.1",
        "port": sink.port,
        "user": mail.USER,
        "password": mail.PASSWORD,
        "sender": mail.USER,
        "recipients": TO,
        "ca_file": sink.ca_file,
    }
    return Email(**(settings | changes))


def test_a_mail_arrives_in_both_forms(sink):
    receipt = email_at(sink).send(MESSAGE)

    (got,) = sink.received
    headers = {
        name: got[name]
        for name in ("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted")
    }
    assert headers == {
        "Subject": "[staging] HIGH: Staging passed 90 %: 450.00 of 500 USD (90 %)",
        "From": "alerts@example.com",
        "To": "security@example.com, oncall@example.com",
        "Date": "Mon, 23 Nov 2026 12:00:00 +0000",
        "Message-ID": "<0123456789abcdef0123456789abcdef@example.com>",
        "Auto-Submitted": "auto-generated",
    }
    assert got["References"] == got["In-Reply-To"] == compose(MESSAGE, mail.USER, TO)["References"]
    assert got.get_body(("plain",)).get_content().splitlines() == [
        "[staging] HIGH: Staging passed 90 %: 450.00 of 500 USD (90 %)",
        "",
        "- service <api> & worker",
        "",
        "What to do: Look at what grew, by service; stop it, or raise the budget in the policy.",
        "",
        "Environment: staging",
        "Level: high",
        "Time: 2026-11-23 12:00 UTC",
        "Incident: staging/budget/Staging/2026-11",
        "Reference: 0123456789ab",
    ]
    assert "<li>service &lt;api&gt; &amp; worker</li>" in got.get_body(("html",)).get_content()
    assert receipt == "<0123456789abcdef0123456789abcdef@example.com>"


def test_the_messages_of_an_incident_are_one_thread():
    end = Message("f" * 32, ALERT.incident, ALERT)
    other = Message("e" * 32, "staging/budget/Other/2026-11", ALERT)

    threads = [compose(m, mail.USER, TO)["References"] for m in (MESSAGE, end, other)]

    assert (threads[0] == threads[1], threads[0] == threads[2]) == (True, False)


def test_a_repeat_is_the_same_mail():
    first, second = (compose(MESSAGE, mail.USER, TO) for _ in range(2))

    assert (first["Message-ID"], first["Date"]) == (second["Message-ID"], second["Date"])


def test_a_title_cannot_add_a_header(sink):
    evil = Alert(
        ALERT.incident,
        "staging",
        "budget",
        Level.LOW,
        1,
        AlertState.OPENED,
        "x\r\nBcc: evil@example.com\r\n\r\nbody",
        at=ALERT.at,
    )

    email_at(sink).send(Message("a" * 32, evil.incident, evil))

    (got,) = sink.received
    assert (got["Bcc"], got["Subject"]) == (None, "[staging] LOW: x Bcc: evil@example.com body")


def test_tls_may_come_first():
    with MailSink(implicit=True) as sink:
        email_at(sink, smtps=True).send(MESSAGE)

        assert len(sink.received) == 1


def test_a_server_without_starttls_gets_neither_login_nor_mail():
    with MailSink(starttls=False) as sink:
        with pytest.raises(Unavailable) as caught:
            email_at(sink).send(MESSAGE)

        assert sink.received == []
    assert "(the server offers no STARTTLS or no login)" in str(caught.value)


def test_a_certificate_nobody_vouches_for_is_refused(sink):
    with pytest.raises(Unavailable) as caught:
        email_at(sink, ca_file="").send(MESSAGE)

    assert sink.received == []
    assert "(its certificate or TLS could not be verified)" in str(caught.value)


def test_a_certificate_for_another_host_is_refused(sink):
    with pytest.raises(Unavailable) as caught:
        email_at(sink, host="0.0.0.0").send(MESSAGE)

    assert sink.received == []
    assert "(its certificate or TLS could not be verified)" in str(caught.value)


def test_a_wrong_password_is_told_without_the_password(sink):
    wrong = mail.PASSWORD[::-1]
    notifier = email_at(sink, password=wrong)

    with pytest.raises(Unavailable) as caught:
        notifier.send(MESSAGE)

    shown = "".join(traceback.format_exception(caught.value)) + repr(notifier)
    assert str(caught.value) == (
        "email did not accept the message (status 535); "
        "check the SMTP_ settings and SECURITY_EMAIL, and that the server offers TLS"
    )
    assert wrong not in shown


def test_a_passing_refusal_is_tried_again_at_once(sink):
    sink.refusals = ["451 4.3.0 try again", "451 4.3.0 try again"]

    email_at(sink).send(MESSAGE)

    assert (len(sink.received), sink.refusals) == (1, [])


def test_a_lasting_refusal_is_not_repeated(sink):
    sink.refusals = ["554 5.7.1 no", "554 5.7.1 no"]

    with pytest.raises(Unavailable):
        email_at(sink).send(MESSAGE)

    assert sink.refusals == ["554 5.7.1 no"]


def test_one_bad_address_keeps_nobody_from_being_told(sink):
    sink.refused_addresses = {TO[0]}

    receipt = email_at(sink).send(MESSAGE)

    assert receipt.endswith("; 1 of 2 addresses refused")
    assert len(sink.received) == 1


def test_no_address_at_all_is_a_failure(sink):
    sink.refused_addresses = set(TO)

    with pytest.raises(Unavailable) as caught:
        email_at(sink).send(MESSAGE)

    assert "(every address refused, status 550)" in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable():
    with MailSink() as sink:
        notifier = email_at(sink, ca_file="")

    with pytest.raises(Unavailable) as caught:
        notifier.send(MESSAGE)

    assert "(ConnectionRefusedError)" in str(caught.value)
