# SPDX-License-Identifier: Apache-2.0
"""`Costs` over the gateway's usage log: what models cost, for whom, to the nano-dollar.

Lines that came twice count once. A log is read whole or refused; days are UTC."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from twinguard.billing import queries, sniff
from twinguard.decide.spend import Basis, Dimension, Freshness, Line, Query
from twinguard.errors import Misconfigured
from twinguard.readers import ready

__all__ = ["Group", "Sums", "UsageLog", "fresh", "is_usage_log", "lines_of", "summed"]

T = TypeVar("T")
CURRENCY: Final = "USD"
_MARK = "cost_nanos"
_SERVICES = {"openai": "OpenAI", "local": "Local models", "mock": "Mocks"}
_DAY = dt.timedelta(days=1)


class _Entry(Struct, frozen=True):
    """What of a line is added up."""

    id: str
    at: dt.datetime
    environment: str
    tenant: str
    feature: str
    key_id: str
    cost_nanos: int
    period: str = ""
    kind: str = "usage"
    provider: str = msgspec.field(name="gen_ai.provider.name", default="")
    model: str = msgspec.field(name="gen_ai.request.model", default="")


class Group(Struct, frozen=True):
    """Lines that no question tells apart."""

    day: dt.date
    month: str
    environment: str
    tenant: str
    feature: str
    key: str
    provider: str
    model: str

    def told(self, dimension: Dimension, basis: Basis) -> str | None:
        """What a dimension says of them."""
        by_invoice = basis is Basis.INVOICE
        found = {
            Dimension.DAY: self.day.isoformat(),
            Dimension.MONTH: self.month if by_invoice else f"{self.day:%Y-%m}",
            Dimension.ENVIRONMENT: self.environment,
            Dimension.SERVICE: _SERVICES.get(self.provider, self.provider),
            Dimension.SKU: self.model,
            Dimension.TENANT: self.tenant,
            Dimension.FEATURE: self.feature,
            Dimension.MODEL: self.model,
            Dimension.KEY: self.key,
            Dimension.COST_TYPE: "regular",
        }
        return found.get(dimension) or None


ready(_Entry, list[_Entry])


class Sums:
    """Costs and credits of groups, in nano-dollars."""

    def __init__(self) -> None:
        self._costs: defaultdict[Group, int] = defaultdict(int)
        self._credits: defaultdict[Group, int] = defaultdict(int)

    def add(self, group: Group, kind: str, nanos: int) -> None:
        """Count what lines of a group and kind cost."""
        (self._credits if kind == "credit" else self._costs)[group] += nanos

    def __iter__(self) -> Iterator[tuple[Group, int, int]]:
        """Each group, its cost and its credits."""
        for group in self._costs.keys() | self._credits.keys():
            yield group, self._costs.get(group, 0), self._credits.get(group, 0)


class UsageLog:
    """The costs in the files of a usage log.

    It knows environments; `projects` has the environment of a project that is asked for."""

    def __init__(self, *places: str, projects: Mapping[str, str] | None = None) -> None:
        self._projects = dict(projects or {})
        self._paths = sniff.files(places)
        self._sums = Sums()
        self._newest: dt.datetime | None = None
        seen: set[bytes] = set()
        for path in self._paths:
            for entry in lines_of(path, _Entry):
                mark = hashlib.blake2b(entry.id.encode(), digest_size=10).digest()
                if mark not in seen:
                    seen.add(mark)
                    self._add(entry)

    @property
    def name(self) -> str:
        """What people are told the numbers come from."""
        more = f" and {len(self._paths) - 1} more" if len(self._paths) > 1 else ""
        return f"{self._paths[0]}{more}"

    def lines(self, query: Query) -> tuple[Line, ...]:
        """The costs of each group; exact."""
        return summed(self._sums, query, self._projects)

    def freshness(self, now: dt.datetime) -> Freshness:  # noqa: ARG002 - the port's
        """How far the log reaches."""
        return fresh(self.name, self._newest)

    def close(self) -> None:
        """Nothing is open."""

    def _add(self, entry: _Entry) -> None:
        at = entry.at.astimezone(dt.UTC)
        group = Group(
            day=at.date(),
            month=entry.period or f"{at:%Y-%m}",
            environment=entry.environment,
            tenant=entry.tenant,
            feature=entry.feature,
            key=entry.key_id,
            provider=entry.provider,
            model=entry.model,
        )
        self._sums.add(group, entry.kind, entry.cost_nanos)
        self._newest = at if self._newest is None else max(self._newest, at)


def summed(sums: Sums, query: Query, projects: Mapping[str, str]) -> tuple[Line, ...]:
    """What a question asks of sums; `projects` has the environment of a project."""
    found: dict[tuple[str | None, ...], list[int]] = {}
    first, last = queries.span(query)
    if query.project is not None:
        if query.environment is None:
            query = replace(query, environment=projects.get(query.project, ""))
        query = replace(query, project=None)
    for group, cost, credit in sums:
        if _is_asked(group, query, first, last):
            keys = tuple(group.told(dimension, query.basis) for dimension in query.by)
            total = found.setdefault(keys, [0, 0])
            total[0] += cost
            total[1] += credit
    return queries.ordered(
        Line(keys=keys, currency=CURRENCY, cost=_dollars(cost), credits=_dollars(credit))
        for keys, (cost, credit) in found.items()
    )


def fresh(source: str, newest: dt.datetime | None) -> Freshness:
    """What can be said of lines until a moment: a day is complete once a later one has begun."""
    through = None if newest is None else newest.date() - _DAY
    return Freshness(source=source, through=through, newest=newest, lag=dt.timedelta())


def is_usage_log(path: str) -> bool:
    """True for a file whose first line is one of the gateway's."""
    try:
        with Path(path).open("rb") as file:
            first = file.readline(64 * 1024).strip()
    except OSError:
        return False
    return first.startswith((b"{", b"[")) and f'"{_MARK}":'.encode() in first


def lines_of(path: str | Path, shape: type[T]) -> Iterator[T]:
    """The lines of a usage log, of each what the shape names; the log is read whole or refused."""
    one, several = msgspec.json.Decoder(shape), msgspec.json.Decoder(list[shape])  # type: ignore[valid-type]
    try:
        with Path(path).open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip()
                try:
                    if text.startswith(b"["):
                        yield from several.decode(text)
                    elif text:
                        yield one.decode(text)
                except msgspec.DecodeError as err:
                    raise Misconfigured(
                        f"{path}, line {number} is no line of a usage log ({err}); remove it"
                    ) from err
    except OSError as err:
        raise Misconfigured(
            f"{path}: cannot be read ({err.strerror}); check its name and rights"
        ) from err


def _is_asked(group: Group, query: Query, first: dt.date, last: dt.date) -> bool:
    if query.basis is Basis.INVOICE:
        is_in_time = f"{first:%Y-%m}" <= group.month <= f"{last:%Y-%m}"
    else:
        is_in_time = first <= group.day <= last
    return (
        is_in_time
        and query.environment in {None, group.environment}
        and query.tenant in {None, group.tenant}
    )


def _dollars(nanos: int) -> Decimal:
    return Decimal(nanos).scaleb(-9)
