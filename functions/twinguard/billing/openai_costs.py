# SPDX-License-Identifier: Apache-2.0
"""`Costs` over OpenAI's costs API: days by project, line item and key, in exact amounts.

The admin key may delete and create keys: it comes from OPENAI_ADMIN_KEY, goes to OpenAI or to this
machine only, and is never part of a message."""

from __future__ import annotations

import datetime as dt
import functools
import json
import urllib.parse
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

from twinguard.billing import queries
from twinguard.decide.spend import UTC, Dimension, Freshness, Line, Query
from twinguard.errors import Misconfigured, TwinguardError, Unavailable

_ADDRESS = "https://api.openai.com"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_BUCKETS, _PAGES = 180, 200
_DIGITS = 60
"""Sums are exact: OpenAI's amounts have more digits than Decimal keeps by default."""
_LAG = dt.timedelta(days=1)
_DAY = dt.timedelta(days=1)
_GROUPS = {
    Dimension.ENVIRONMENT: "project_id",
    Dimension.PROJECT: "project_id",
    Dimension.SKU: "line_item",
    Dimension.MODEL: "line_item",
    Dimension.KEY: "api_key_id",
}
_OK, _BUSY = 200, frozenset({408, 429})
_NO_ACCESS = frozenset({401, 403})
_BROKEN = 500


class OpenAICosts:
    """What an organisation spent at OpenAI. Days are UTC, which is OpenAI's own calendar.

    `environments` has the environment of each OpenAI project. Tenants and features are unknown to
    OpenAI: their costs are unattributed, and asking for one tenant finds nothing."""

    def __init__(
        self,
        key: str,
        *,
        environments: Mapping[str, str] | None = None,
        endpoint: str = "",
        timeout: float = 30.0,
    ) -> None:
        if not key:
            raise Misconfigured("OPENAI_ADMIN_KEY is missing; set it to an admin key of OpenAI")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise Misconfigured("OPENAI_ADMIN_KEY has a blank or a line end in it; set it anew")
        self._key, self._timeout = key, timeout
        self.environments = dict(environments or {})
        self.endpoint = _checked(endpoint) or _ADDRESS

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], environments: Mapping[str, str] | None = None
    ) -> OpenAICosts:
        """With the key of OPENAI_ADMIN_KEY, and the address of OPENAI_ENDPOINT where it is set."""
        endpoint = environ.get("OPENAI_ENDPOINT", "")
        key = environ.get("OPENAI_ADMIN_KEY", "")
        return cls(key, environments=environments, endpoint=endpoint)

    def __repr__(self) -> str:
        return f"OpenAICosts({self.endpoint})"

    def lines(self, query: Query) -> tuple[Line, ...]:
        """The costs of each group. Credits are not told by OpenAI: cost is what is charged."""
        projects = self._projects(query)
        if query.tenant is not None or projects == ():
            return ()
        sums: dict[tuple[tuple[str | None, ...], str], Decimal] = defaultdict(Decimal)
        with localcontext(prec=_DIGITS):
            for day, result in self._results(query, projects or ()):
                keys = tuple(self._key_of(dimension, day, result) for dimension in query.by)
                currency, amount = _amount(result)
                sums[keys, currency] += amount
        return queries.ordered(
            Line(keys=keys, currency=currency, cost=cost, credits=Decimal(0))
            for (keys, currency), cost in sums.items()
        )

    def freshness(self, now: dt.datetime) -> Freshness:
        """By the clock alone: OpenAI does not tell when it wrote a cost."""
        through = (now - _LAG).astimezone(dt.UTC).date() - _DAY
        return Freshness(source="OpenAI", through=through, newest=None, lag=_LAG, calendar=UTC)

    def _projects(self, query: Query) -> tuple[str, ...] | None:
        """The projects that are meant, None for all of them."""
        found = None if query.project is None else (query.project,)
        if query.environment is None:
            return found
        if not self.environments:
            raise Misconfigured(
                "OpenAI knows projects, not environments; say which project is which environment's"
            )
        mine = [each for each, name in self.environments.items() if name == query.environment]
        return tuple(each for each in mine if found is None or each in found)

    def _results(
        self, query: Query, projects: tuple[str, ...]
    ) -> Iterator[tuple[dt.date, dict[str, Any]]]:
        """The results of all days, page by page."""
        first, last = queries.span(query)
        groups = sorted({_GROUPS[each] for each in query.by if each in _GROUPS})
        asked: list[tuple[str, str]] = [
            ("start_time", str(_seconds(first))),
            ("end_time", str(_seconds(last + _DAY))),
            ("bucket_width", "1d"),
            ("limit", str(_BUCKETS)),
            *(("group_by", group) for group in groups),
            *(("project_ids", project) for project in projects),
        ]
        page: list[tuple[str, str]] = []
        for _ in range(_PAGES):
            body = self._asked(asked + page)
            yield from _told(body)
            if not body.get("has_more"):
                return
            if not isinstance(body.get("next_page"), str):
                raise Unavailable("OpenAI has more costs and does not say where; ask again")
            page = [("page", body["next_page"])]
        raise Unavailable(f"OpenAI has more than {_PAGES} pages of costs; ask for fewer months")

    def _asked(self, query: list[tuple[str, str]]) -> dict[str, Any]:
        import requests

        try:
            answer = self._session.get(
                f"{self.endpoint}/v1/organization/costs",
                params=query,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as err:
            # The name only: a text could quote the request's headers.
            raise Unavailable(f"OpenAI's costs: no answer ({type(err).__name__})") from None
        if answer.status_code != _OK:
            raise _refusal(answer.status_code)
        try:
            body = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
        except (ValueError, RecursionError) as err:
            raise Unavailable("OpenAI's costs: the answer is no JSON; ask again") from err
        if not isinstance(body, dict) or not isinstance(body.get("data"), list):
            raise Unavailable("OpenAI's costs: the answer is not OpenAI's; check what sits between")
        return body

    def _key_of(self, dimension: Dimension, day: dt.date, result: dict[str, Any]) -> str | None:
        project, item = result.get("project_id"), result.get("line_item")
        # A line item is told as `gpt-4o-2024-08-06, input`.
        model, comma, _ = (item or "").partition(",")
        known: dict[Dimension, str | None] = {
            Dimension.DAY: day.isoformat(),
            Dimension.MONTH: f"{day:%Y-%m}",
            Dimension.ENVIRONMENT: self.environments.get(project or ""),
            Dimension.PROJECT: project,
            Dimension.SERVICE: "OpenAI",
            Dimension.SKU: item,
            Dimension.MODEL: model if comma else None,
            Dimension.KEY: result.get("api_key_id"),
            Dimension.COST_TYPE: "regular",
        }
        return known.get(dimension)

    @functools.cached_property
    def _session(self) -> Any:  # noqa: ANN401 - a session of requests
        import requests

        found = requests.Session()
        found.trust_env = False  # a .netrc would replace the key, a proxy would see it
        found.headers["Authorization"] = f"Bearer {self._key}"
        return found


def _checked(endpoint: str) -> str:
    """The address, if it is OpenAI's or this machine's: the key goes there."""
    parts = urllib.parse.urlsplit(endpoint)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    openai = parts.scheme == "https" and parts.netloc == "api.openai.com"
    plain = not (parts.username or parts.password or parts.query or parts.path.strip("/"))
    if endpoint and not ((local or openai) and plain):
        raise Misconfigured(
            f"OPENAI_ENDPOINT is for {parts.hostname!r}; write http://127.0.0.1:PORT, {_ADDRESS}, "
            "or leave it out"
        )
    return endpoint.rstrip("/")


def _told(body: dict[str, Any]) -> Iterator[tuple[dt.date, dict[str, Any]]]:
    """Each result of a page with its day."""
    for bucket in body["data"]:
        try:
            start = dt.datetime.fromtimestamp(int(bucket["start_time"]), dt.UTC)
            results = bucket["results"]
            for result in results:
                yield start.date(), dict(result)
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as err:
            raise Unavailable("OpenAI's costs: a bucket has no start or no results") from err


def _amount(result: dict[str, Any]) -> tuple[str, Decimal]:
    """Currency and amount. The amount has come as a number and as a text."""
    amount: Any = result.get("amount")
    try:
        value = Decimal(amount["value"])
        currency = str(amount["currency"]).upper()
    except (KeyError, TypeError, ValueError, InvalidOperation) as err:
        raise Unavailable("OpenAI's costs: an amount cannot be read; nothing is counted") from err
    if not value.is_finite():
        raise Unavailable("OpenAI's costs: an amount is no number; nothing is counted")
    return currency, value


def _refusal(status: int) -> TwinguardError:
    if status in _NO_ACCESS:
        return Misconfigured(
            f"OpenAI refuses OPENAI_ADMIN_KEY ({status}); it must be an admin key of the "
            "organisation, made by an owner, with the right to read usage"
        )
    if status in _BUSY or status >= _BROKEN:
        return Unavailable(f"OpenAI's costs: no answer now ({status}); ask again")
    return Misconfigured(
        f"OpenAI refuses the question about costs ({status}); check the project ids"
    )


def _seconds(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
