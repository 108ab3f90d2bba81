# SPDX-License-Identifier: Apache-2.0
"""Where costs come from, by URL or path: BigQuery, export files, FOCUS, OpenAI, the gateway.

The port is in `ports.py`; the questions are `queries.py`, one text for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from twinguard.errors import Misconfigured
from twinguard.policy import Policy
from twinguard.ports import Costs

if TYPE_CHECKING:
    from twinguard.billing.usage_table import UsageTable

__all__ = ["gateway_usage", "open_costs"]

Factory = Callable[[str, Mapping[str, str], Policy | None], Costs]
"""What follows `scheme://`, the environment's variables, and the policy, to the costs."""


def open_costs(
    place: str, policy: Policy | None = None, environ: Mapping[str, str] | None = None
) -> Costs:
    """The costs that a URL, a file, a folder or a pattern names; Misconfigured where it names none.

    `bigquery://` is the export of the policy. Files are read at once, the others when asked."""
    scheme, found, rest = place.partition("://")
    factory = _FACTORIES.get(scheme) if found else _files
    if not place or factory is None:
        raise _unknown(place)
    return factory(rest if found else place, os.environ if environ is None else environ, policy)


def _bigquery(rest: str, environ: Mapping[str, str], policy: Policy | None) -> Costs:
    from twinguard.act.endpoints import override
    from twinguard.billing.bigquery import GIGABYTE, BigQuery, table_of

    table, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    export = policy.billing_export if policy else None
    location = options.pop("location", export.location if export else "EU")
    gigabytes, project = options.pop("max_gigabytes", "20"), options.pop("project", "")
    if not table and policy is not None:
        table = table_of(policy)
    if options or not gigabytes.isdecimal() or not int(gigabytes) or not table:
        raise _unknown(f"bigquery://{rest}")
    return BigQuery(
        table,
        location=location,
        project=project,
        endpoint=override(environ, "BIGQUERY_ENDPOINT"),
        maximum_bytes=int(gigabytes) * GIGABYTE,
    )


def _files(rest: str, environ: Mapping[str, str], policy: Policy | None) -> Costs:
    from twinguard.billing.usage_log import is_usage_log

    if is_usage_log(rest):
        return _usage(rest, environ, policy)
    from twinguard.billing.duckdb import ExportFiles

    if not rest:
        raise _unknown("file://")
    return ExportFiles(rest)


def _usage(rest: str, environ: Mapping[str, str], policy: Policy | None) -> Costs:
    projects = {policy.project.id: policy.environment.value} if policy is not None else {}
    if rest:
        from twinguard.billing.usage_log import UsageLog

        return UsageLog(rest, projects=projects)
    if policy is None:
        raise _unknown("usage://")
    return gateway_usage(policy, environ)


def gateway_usage(policy: Policy, environ: Mapping[str, str]) -> UsageTable:
    """Where an environment's gateway tells what models cost, in BigQuery."""
    from twinguard.act.endpoints import override
    from twinguard.billing.usage_table import UsageTable, table_of

    return UsageTable(
        table_of(policy),
        {policy.project.id: policy.environment.value},
        location=policy.region,
        endpoint=override(environ, "BIGQUERY_ENDPOINT"),
    )


def _openai(rest: str, environ: Mapping[str, str], policy: Policy | None) -> Costs:  # noqa: ARG001
    from twinguard.billing.openai_costs import OpenAICosts

    if rest:
        raise _unknown(f"openai://{rest}")
    return OpenAICosts.from_environment(environ)


def _unknown(place: str) -> Misconfigured:
    return Misconfigured(f"{place!r} names no source of costs; write one of: {_FORMS}")


_FORMS = (
    "a file, a folder or a pattern (Google's export or FOCUS; also file://PATH),"
    " usage:// (the gateway's usage in BigQuery), usage://PATH (its usage log),"
    " bigquery:// (the policy's export),"
    " bigquery://PROJECT.DATASET.TABLE (optional ?location=EU&max_gigabytes=20&project=ID),"
    " openai:// (the key is in OPENAI_ADMIN_KEY)"
)

_FACTORIES: dict[str, Factory] = {
    "bigquery": _bigquery,
    "file": _files,
    "focus": _files,
    "openai": _openai,
    "usage": _usage,
}
