# SPDX-License-Identifier: Apache-2.0
"""Slack, Twilio, PagerDuty and a mail server on this machine, recording what they are sent.

For `make demo`, `make drill` and the tests. What the vendors answer is in `vendors.py`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from twinguard.standins import mail, vendors
from twinguard.standins.mail import MailSink
from twinguard.standins.vendors import Answer, Body, Vendor

WEBHOOK = "/services/T0STANDIN/B0STANDIN/madeUpForTheStandIn"
ROOM = "#security-alerts"
ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "fedcba9876543210" * 2
SENDER = "+15005550006"
PHONE = "+32470123456"
INTEGRATION = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request: an answer of the vendor's, a dropped connection, a delay.

    `lose_answer` accepts the request first and then drops the connection."""

    status: int = 0
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang_up: bool = False
    lose_answer: bool = False
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request and the status it was answered with; 0 where the connection was dropped."""

    path: str
    headers: Mapping[str, str]
    content: Body
    status: int
    is_accepted: bool


class HttpSink:
    """One vendor over HTTP, in a thread of its own."""

    def __init__(self, vendor: Vendor) -> None:
        self.requests: list[Received] = []
        self._vendor = vendor
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._http = _Listener(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def accepted(self) -> list[Body]:
        """What people would have seen: the contents of the requests that were accepted."""
        return [request.content for request in self.requests if request.is_accepted]

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Let the next requests go wrong."""
        with self._lock:
            self._faults += [fault] * times

    def answer(self, path: str, headers: Mapping[str, str], raw: bytes) -> Answer | None:
        """The vendor's answer, or None to drop the connection; recorded either way."""
        with self._lock:
            fault = self._faults.pop(0) if self._faults else Fault()
        if fault.delay:
            self._stopping.wait(fault.delay)
        answer = self._vendor(path, headers, raw)
        is_accepted = answer.status in _ACCEPTED and not fault.status and not fault.hang_up
        if fault.status:
            answer = Answer(fault.status, fault.body, answer.content, tuple(fault.headers.items()))
        is_dropped = fault.hang_up or fault.lose_answer
        status = 0 if is_dropped else answer.status
        with self._lock:
            self.requests.append(Received(path, dict(headers), answer.content, status, is_accepted))
        return None if is_dropped else answer


class Sinks:
    """All four vendors, as a context manager; `environment()` points a deployment at them."""

    def __init__(self) -> None:
        self.mail = MailSink()
        self.slack = HttpSink(vendors.slack(WEBHOOK, ROOM))
        self.twilio = HttpSink(vendors.twilio(ACCOUNT, TOKEN, SENDER))
        self.pagerduty = HttpSink(vendors.pagerduty(INTEGRATION))
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.mail)
            for sink in (self.slack, self.twilio, self.pagerduty):
                stack.enter_context(sink)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def environment(self) -> dict[str, str]:
        """The variables of strategy.md 12.3 that lead here."""
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.mail.port),
            "SMTP_USER": mail.USER,
            "SMTP_PASSWORD": mail.PASSWORD,
            "SMTP_CA_FILE": self.mail.ca_file,
            "SECURITY_EMAIL": "security@example.com",
            "SLACK_WEBHOOK_URL": self.slack.url + WEBHOOK,
            "SLACK_CHANNEL": ROOM,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_FROM": SENDER,
            "TWILIO_API_URL": self.twilio.url,
            "SECURITY_PHONE": PHONE,
            "PAGERDUTY_INTEGRATION_KEY": INTEGRATION,
            "PAGERDUTY_SERVICE_ID": "PSTANDIN",
            "PAGERDUTY_EVENTS_URL": f"{self.pagerduty.url}/v2/enqueue",
        }


_ACCEPTED = range(200, 300)


class _Listener(ThreadingHTTPServer):
    """Knows its sink, and does not complain about clients that left."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, sink: HttpSink) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.sink = sink

    def handle_error(self, request: object, client_address: object) -> None:
        """Silence: a client that hung up is no news here."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_POST(self) -> None:
        """Read one request, answer it or drop the connection."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.sink.answer(self.path, headers, raw)
        if answer is None:
            self.close_connection = True
            return
        body = answer.body.encode()
        self.send_response(answer.status)
        for name, value in (*answer.headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence: what was received is in `requests`."""
