# SPDX-License-Identifier: Apache-2.0
"""`Costs` over the table that the gateway's topic is written to: its usage log, kept by Google.

BigQuery adds up (`llm_usage.sql`), each line once; what is asked of the sums is `usage_log.py`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from twinguard.billing import queries
from twinguard.billing.bigquery import BigQuery
from twinguard.billing.queries import Parameter, Statement
from twinguard.billing.usage_log import Group, Sums, fresh, summed
from twinguard.decide.spend import Freshness, Line, Query
from twinguard.errors import Misconfigured, TwinguardError
from twinguard.policy import Policy

__all__ = ["UsageTable", "table_of"]

_RECENT = dt.timedelta(days=45)
_EARLIER = dt.timedelta(days=1)
"""A line is published after its call, by clocks that differ a little."""


def table_of(policy: Policy) -> str:
    """The table that terraform/modules/usage makes, as PROJECT.DATASET.TABLE."""
    return f"{policy.project.id}.twinguard_{policy.environment}_usage.messages"


class UsageTable(BigQuery):
    """The costs in one table of messages. What was read since a day is kept until `close`."""

    def __init__(self, table: str, projects: Mapping[str, str], **options: Any) -> None:  # noqa: ANN401 - those of BigQuery
        super().__init__(table, **options)
        self._projects = projects
        self._read: dict[dt.date, tuple[Sums, dt.datetime | None]] = {}

    def lines(self, query: Query) -> tuple[Line, ...]:
        """The costs of each group; exact."""
        first, _ = queries.span(query)
        return summed(self._sums(first)[0], query, self._projects)

    def freshness(self, now: dt.datetime) -> Freshness:
        """How far the lines reach."""
        return fresh(self.table, self._sums(now.date() - _RECENT)[1])

    def messages(self, since: dt.date) -> Iterator[bytes]:
        """What was published since a day, a JSON list of lines each."""
        sql = (
            f"SELECT TO_JSON_STRING(data) FROM `{self.table}`"  # noqa: S608 - checked
            " WHERE publish_time >= TIMESTAMP(@since)"
        )
        for (text,) in self._answers(Statement(sql, (_since(since),))):
            yield str(text).encode()

    def close(self) -> None:
        """Forget what was read."""
        self._read.clear()

    def _sums(self, first: dt.date) -> tuple[Sums, dt.datetime | None]:
        """Costs by group of lines published since a day, and when the last call was."""
        if first not in self._read:
            sql = queries.text("llm_usage.sql").replace("{table}", self.table)
            sums, newest = Sums(), None
            for row in self._answers(Statement(sql, (_since(first),))):
                day, *told, kind, nanos, moment = row
                texts = ("" if text is None else str(text) for text in told)
                group = Group(dt.date.fromisoformat(str(day)), *texts)
                sums.add(group, str(kind), int(str(nanos)))
                newest = max(filter(None, (newest, queries.moment(moment))))
            self._read[first] = sums, newest
        return self._read[first]

    def _refusal(self, status: int, error: dict[str, Any]) -> TwinguardError:
        if status == 404:  # noqa: PLR2004 - HTTP's numbers say themselves
            return Misconfigured(
                f"{self.table}: {error.get('message')}. Nothing keeps the gateway's usage yet: add "
                f"`gateway` to the policy and apply it (asked in {self.location})"
            )
        return super()._refusal(status, error)


def _since(day: dt.date) -> Parameter:
    return Parameter("since", "DATE", (day - _EARLIER).isoformat())
