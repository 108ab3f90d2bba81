# SPDX-License-Identifier: Apache-2.0
"""OpenAI's GET /v1/organization/costs on this machine, as a context manager.

Amounts are told as JSON numbers of any length. tests/data/vendors has the published formats."""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

KEY = "sk-admin-standin"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_MOST, _USUAL = 180, 7
_ONE = frozenset({"start_time", "end_time", "bucket_width", "limit", "page"})
_GROUPS = frozenset({"project_id", "line_item", "api_key_id"})


@dataclass(frozen=True, slots=True)
class Spent:
    """What one key of one project spent on one thing on one day."""

    day: dt.date
    project_id: str
    line_item: str
    api_key_id: str
    amount: Decimal
    currency: str = "usd"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and its answer; the key is not kept."""

    query: Mapping[str, list[str]]
    status: int
    answer: bytes


class _Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class OpenAICosts:
    """An organisation's costs. `failures` are statuses that the next requests are answered with."""

    def __init__(self, spent: Iterable[Spent] = (), key: str = KEY) -> None:
        self.spent = list(spent)
        self.asked: list[Asked] = []
        self.failures: list[int] = []
        self._key = key
        self._http = _Listener(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send our adapter here."""
        return {"OPENAI_ENDPOINT": self.url, "OPENAI_ADMIN_KEY": self._key}

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def answered(self, address: str, authorization: str) -> tuple[int, bytes]:
        """The status and body for a request; recorded."""
        parts = urlsplit(address)
        query = parse_qs(parts.query, keep_blank_values=True)
        try:
            body = self._page(parts.path, query, authorization)
            status, answer = 200, _ENCODER.encode(body)
        except _Refused as err:
            error = {"message": err.message, "type": "invalid_request_error", "param": None}
            status, answer = err.status, _ENCODER.encode({"error": error | {"code": None}})
        self.asked.append(Asked(query, status, answer))
        return status, answer

    def _page(self, path: str, query: dict[str, list[str]], authorization: str) -> dict[str, Any]:
        if self.failures:
            raise _Refused(self.failures.pop(0), "asked to fail")
        if authorization != f"Bearer {self._key}":
            raise _Refused(401, "Incorrect API key provided")
        if path != "/v1/organization/costs":
            raise _Refused(404, f"Unknown request URL: GET {path}")
        _check(query)
        start = _day(query["start_time"][0])
        end = _day(query["end_time"][0])
        limit = int(query.get("limit", [str(_USUAL)])[0])
        offset = int(query.get("page", ["page_0"])[0].removeprefix("page_"))
        days = [start + dt.timedelta(days=number) for number in range((end - start).days)]
        shown = days[offset : offset + limit]
        more = offset + limit < len(days)
        return {
            "object": "page",
            "data": [self._bucket(day, query) for day in shown],
            "has_more": more,
            "next_page": f"page_{offset + limit}" if more else None,
        }

    def _bucket(self, day: dt.date, query: dict[str, list[str]]) -> dict[str, Any]:
        groups, wanted = query.get("group_by", []), query.get("project_ids")
        sums: dict[tuple[tuple[str | None, ...], str], Decimal] = defaultdict(Decimal)
        for each in self.spent:
            if each.day == day and (wanted is None or each.project_id in wanted):
                keys = tuple(
                    getattr(each, name) if name in groups else None for name in sorted(_GROUPS)
                )
                sums[keys, each.currency] += each.amount
        return {
            "object": "bucket",
            "start_time": _seconds(day),
            "end_time": _seconds(day + dt.timedelta(days=1)),
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": amount, "currency": currency},
                    **dict(zip(sorted(_GROUPS), keys, strict=True)),
                }
                for (keys, currency), amount in sums.items()
            ],
        }


def _check(query: Mapping[str, list[str]]) -> None:
    unknown = query.keys() - _ONE - {"group_by", "project_ids"}
    faults = (
        (bool(unknown), f"Unknown parameter: {', '.join(sorted(unknown))}"),
        (any(len(query.get(name, "1")) != 1 for name in _ONE), "A parameter is there twice"),
        (not query.get("start_time", [""])[0].isdecimal(), "start_time is missing or no integer"),
        (not query.get("end_time", [""])[0].isdecimal(), "end_time is no integer"),
        (query.get("bucket_width", ["1d"]) != ["1d"], "bucket_width must be 1d"),
        (not set(query.get("group_by", ())) <= _GROUPS, "group_by has an unknown field"),
        (not _is_limit(query.get("limit", ["7"])[0]), "limit must be from 1 to 180"),
    )
    for is_wrong, message in faults:
        if is_wrong:
            raise _Refused(400, message)


def _is_limit(text: str) -> bool:
    return text.isdecimal() and 1 <= int(text) <= _MOST


def _day(seconds: str) -> dt.date:
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).date()


def _seconds(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], standin: OpenAICosts) -> None:
        super().__init__(address, _Handler)
        self.standin = standin


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_GET(self) -> None:
        """Answer one request."""
        authorization = self.headers.get("Authorization", "")
        status, answer = self.server.standin.answered(self.path, authorization)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: `OpenAICosts.asked` is the log."""
