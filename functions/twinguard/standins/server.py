# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on this machine that plays a vendor: answers, records, and fails on demand.

For `make demo`, `make drill` and the tests; never part of a deployed function's path."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Body = Any
"""Decoded JSON: what a vendor's documents allow."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for. `match` holds the named parts of the route's path.

    Headers have lower-case names."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body = None
    match: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An error answer of the API, with Google's canonical status name."""

    def __init__(self, code: int, status: str, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.status, self.message, self.reason = code, status, message, reason

    @property
    def body(self) -> Body:
        """The error as Google's APIs write it; with a reason, where there is one."""
        error = {"code": self.code, "message": self.message, "status": self.status}
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        info = {"@type": kind, "reason": self.reason, "domain": "googleapis.com"}
        return {"error": error | ({"details": [info]} if self.reason else {})}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request and its answer; `status` 0 where the connection was dropped."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Body
    status: int
    answer: Body


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with a request.

    `code`, `status` and `reason` answer an error before anything is done; `hang_up` drops the
    connection before anything is done; `lose_answer` does the work and then drops it; `delay` waits
    first."""

    code: int = 0
    status: str = "INTERNAL"
    hang_up: bool = False
    lose_answer: bool = False
    delay: float = 0.0
    reason: str = ""


Answer = Callable[[Request], Body]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path pattern, and what answers."""

    method: str
    path: re.Pattern[str]
    answer: Answer


def route(method: str, path: str, answer: Answer) -> Route:
    """A route whose path is written like Google's: `/v1/{name=projects/*/topics/*}:publish`."""
    pattern = ""
    for literal, name, inner in re.findall(r"([^{]+)|\{(\w+)=([^}]+)\}", path):
        part = re.escape(inner).replace(r"\*", "[^/:]+")
        pattern += re.escape(literal) if literal else f"(?P<{name}>{part})"
    return Route(method, re.compile(pattern), answer)


def paged(items: list[Body], request: Request, field: str) -> dict[str, Body]:
    """The page of a list that was asked for; an empty list is left out, as on Google's wire."""
    start = int(request.query.get("pageToken") or 0)
    end = start + (int(request.query.get("pageSize") or 0) or len(items))
    page = {field: items[start:end]} if items[start:end] else {}
    return page | ({"nextPageToken": str(end)} if end < len(items) else {})


class Server:
    """Routes served over HTTP on 127.0.0.1, as a context manager."""

    def __init__(self, *routes: Route) -> None:
        self.exchanges: list[Exchange] = []
        self._routes = routes
        self._faults: list[tuple[str, re.Pattern[str], Fault]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._http = _Listener(("127.0.0.1", 0), self)
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

    def fail(self, fault: Fault, *, times: int = 1, method: str = "", path: str = "") -> None:
        """Let the next requests fail that have this method and this text in their path."""
        with self._lock:
            self._faults += [(method, re.compile(re.escape(path)), fault)] * times

    def answered(self, request: Request) -> tuple[int, Body]:
        """The status and body for a request, 0 to drop the connection; recorded either way."""
        fault = self._due(request)
        if fault.delay:
            self._stopping.wait(fault.delay)
        if fault.hang_up or self._stopping.is_set():
            code, body = 0, None
        elif fault.code:
            refusal = Refused(fault.code, fault.status, "asked to fail", fault.reason)
            code, body = refusal.code, refusal.body
        else:
            code, body = self._served(request)
        if fault.lose_answer:
            code = 0
        exchange = Exchange(request.method, request.path, request.query, request.body, code, body)
        with self._lock:
            self.exchanges.append(exchange)
        return code, body

    def _served(self, request: Request) -> tuple[int, Body]:
        for known in self._routes:
            found = known.path.fullmatch(request.path)
            if found is None or known.method != request.method:
                continue
            named = replace(request, match=found.groupdict())
            try:
                return 200, known.answer(named)
            except Refused as refusal:
                return refusal.code, refusal.body
        missing = Refused(404, "NOT_FOUND", f"no {request.method} {request.path} here")
        return missing.code, missing.body

    def _due(self, request: Request) -> Fault:
        with self._lock:
            for index, (method, path, fault) in enumerate(self._faults):
                if method in {"", request.method} and path.search(request.path):
                    del self._faults[index]
                    return fault
        return Fault()


class _Listener(ThreadingHTTPServer):
    """Knows its stand-in, and does not complain about clients that left."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], standin: Server) -> None:
        super().__init__(address, _Handler)
        self.standin = standin

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Silence: a client that hung up is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: 40 ms for each answer
    server: _Listener

    def handle_one(self) -> None:
        """Read one request, answer it or drop the connection."""
        parts = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            refusal = Refused(400, "INVALID_ARGUMENT", "the body is not JSON")
            self._send(refusal.code, refusal.body)
            return
        path = urllib.parse.unquote(parts.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, body, {}, headers)
        code, answer = self.server.standin.answered(request)
        if code:
            self._send(code, answer)
        else:
            self._drop()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Silence: `Server.exchanges` is the log."""

    def _send(self, code: int, answer: Body) -> None:
        payload = json.dumps(answer).encode()
        with suppress(OSError):  # the client gave up waiting
            self.send_response(code)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

    def _drop(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def timestamp() -> str:
    """The present as Google's APIs write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
