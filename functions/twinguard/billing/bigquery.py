# SPDX-License-Identifier: Apache-2.0
"""`Costs` over the billing export in BigQuery, by its REST API: one query for each question.

A query that would read more than `maximum_bytes` is refused by BigQuery before it costs anything.
What BigQuery refuses is told with its remedy in `_refusal`."""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import Iterator
from typing import Any

from twinguard.act.endpoints import checked, session, translated
from twinguard.billing import queries
from twinguard.billing.queries import Statement
from twinguard.decide.spend import Freshness, Line, Query
from twinguard.errors import Misconfigured, TwinguardError, Unavailable
from twinguard.policy import Policy

SCOPE = "https://www.googleapis.com/auth/bigquery"
GIGABYTE = 10**9
_ADDRESS = "https://bigquery.googleapis.com"
_SHORT = {
    "rateLimitExceeded",
    "quotaExceeded",
    "backendError",
    "internalError",
    "jobRateLimitExceeded",
}
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_OK = range(200, 300)
_RECENT = dt.timedelta(days=45)


def table_of(policy: Policy) -> str:
    """The table that the policy's export writes, as PROJECT.DATASET.TABLE."""
    export, account = policy.billing_export, policy.billing_account
    if export is None or account is None:
        missing = "billing_export" if export is None else "billing_account"
        raise Misconfigured(
            f"{policy.environment}: the policy has no {missing}, so nobody knows where its costs "
            "are; add it, or give files of an export"
        )
    kind = "resource_v1" if export.detailed else "v1"
    return (
        f"{export.project}.{export.dataset}.gcp_billing_export_{kind}_{account.replace('-', '_')}"
    )


class BigQuery:
    """The costs in one export table. Jobs run in `project`, or where the table is.

    `page` is the most rows of one answer, `wait` the most seconds for one query."""

    def __init__(
        self,
        table: str,
        *,
        location: str = "EU",
        project: str = "",
        endpoint: str = "",
        maximum_bytes: int = 20 * GIGABYTE,
        labels: dict[str, str] | None = None,
        page: int = 10_000,
        wait: float = 120.0,
    ) -> None:
        self._rows = queries.rows(table)
        self._recent = queries.rows(table, since=True)
        self.table, self.location = table, location
        self.project = project or table.split(".", maxsplit=1)[0]
        self.endpoint = checked(endpoint, "BIGQUERY_ENDPOINT")
        self.maximum_bytes, self.page, self.wait = maximum_bytes, page, wait
        self.labels = {"application": "twinguard"} | (labels or {})

    def lines(self, query: Query) -> tuple[Line, ...]:
        """The costs of each group, from the partitions that can have them."""
        statement = queries.sums(query, self._recent, since=True)
        return queries.lines(self._answers(statement), query)

    def freshness(self, now: dt.datetime) -> Freshness:
        """How far the export reaches; reads two columns of recent partitions, or of all."""
        for statement in (
            queries.freshness(self._recent, now.date() - _RECENT),
            queries.freshness(self._rows),
        ):
            for newest, last, _ in self._answers(statement):
                if newest is not None:
                    return queries.fresh(self.table, queries.moment(newest), queries.day(last))
        return queries.fresh(self.table, None, None)

    def estimate(self, query: Query) -> int:
        """How many bytes a question would read. Costs nothing."""
        statement = queries.sums(query, self._recent, since=True)
        return int(self._post(self._body(statement) | {"dryRun": True})["totalBytesProcessed"])

    def _answers(self, statement: Statement) -> Iterator[list[object]]:
        """The rows of an answer, page by page."""
        answer = self._post(self._body(statement))
        deadline = time.monotonic() + self.wait
        while True:
            if not answer.get("jobComplete"):
                if time.monotonic() > deadline:
                    raise Unavailable(f"{self.table}: no answer in {self.wait:g} s; ask again")
                answer = self._get(answer, "")
                continue
            for row in answer.get("rows", ()):
                yield [cell.get("v") for cell in row["f"]]
            if not (token := answer.get("pageToken", "")):
                return
            answer = self._get(answer, token)

    def _body(self, statement: Statement) -> dict[str, Any]:
        return {
            "query": statement.sql,
            "useLegacySql": False,
            "parameterMode": "NAMED",
            "queryParameters": [
                {
                    "name": each.name,
                    "parameterType": {"type": each.type},
                    "parameterValue": {"value": each.value},
                }
                for each in statement.parameters
            ],
            "maximumBytesBilled": str(self.maximum_bytes),
            "maxResults": self.page,
            "timeoutMs": 10_000,
            "location": self.location,
            "labels": self.labels,
        }

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._asked("POST", "", json=body)

    def _get(self, answer: dict[str, Any], token: str) -> dict[str, Any]:
        job = answer.get("jobReference", {})
        query = {"location": job.get("location", self.location), "maxResults": str(self.page)}
        query |= {"pageToken": token} if token else {"timeoutMs": "10000"}
        found = self._asked("GET", f"/{job.get('jobId', '')}", params=query)
        return {"jobReference": job} | found

    def _asked(self, method: str, path: str, **what: Any) -> dict[str, Any]:  # noqa: ANN401
        url = f"{self.endpoint or _ADDRESS}/bigquery/v2/projects/{self.project}/queries{path}"
        with translated(f"cannot query {self.table}"):
            answer = self._session.request(method, url, timeout=30.0, **what)
            body = answer.json() if answer.status_code in _OK else None
        if answer.status_code not in _OK:
            raise self._refusal(answer.status_code, _error(answer))
        if not isinstance(body, dict):
            raise Unavailable(f"{self.table}: not BigQuery's answer; check what sits in between")
        return body

    def _refusal(self, status: int, error: dict[str, Any]) -> TwinguardError:
        """What BigQuery's refusal means, and what to do."""
        message = str(error.get("message") or f"status {status}")
        reasons = {
            str(each.get("reason")) for each in error.get("errors", ()) if isinstance(each, dict)
        }
        if status in _BUSY or reasons & _SHORT or error.get("status") == "RESOURCE_EXHAUSTED":
            return Unavailable(f"{self.table}: BigQuery cannot answer now ({message}); ask again")
        if status == 404:  # noqa: PLR2004 - HTTP's numbers say themselves
            return Misconfigured(
                f"{self.table}: {message}. The export is not connected, or has no rows yet: in the "
                "console, under Billing, Billing export, BigQuery export, switch on the usage cost "
                "export for this project and dataset, wait for its first rows (some hours), and "
                "set billing_export.connected; billing_export.location must be the dataset's "
                f"(asked in {self.location})"
            )
        if status in {401, 403}:
            return Misconfigured(
                f"{self.table}: no access ({message}); give the caller roles/bigquery.dataViewer "
                f"on the dataset and roles/bigquery.jobUser on project {self.project}"
            )
        if "bytesBilledLimitExceeded" in reasons or "bytes billed" in message:
            return Misconfigured(
                f"{self.table}: the question would read more than the "
                f"{self.maximum_bytes / GIGABYTE:g} GB allowed ({message}); ask for fewer months, "
                "or allow more: bigquery://…?max_gigabytes=N"
            )
        return Misconfigured(
            f"{self.table}: BigQuery refuses the query ({message}); if the export has lost a "
            "column, costs.sql has to follow"
        )

    @functools.cached_property
    def _session(self) -> Any:  # noqa: ANN401 - google-auth has no types
        with translated("cannot sign in for BigQuery"):
            return session(self.endpoint, SCOPE)


def _error(answer: Any) -> dict[str, Any]:  # noqa: ANN401 - requests' answer
    try:
        error = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}
