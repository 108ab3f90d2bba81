# SPDX-License-Identifier: Apache-2.0
"""Choose where an environment's costs are read from, and say so.

In this order: what the command names, `TWINGUARD_COSTS`, the policy's export once it is connected.
Without any, a sample that is made up on this machine: it says that it is one."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from twinguard import config
from twinguard.billing import open_costs
from twinguard.billing.usage_log import is_usage_log
from twinguard.cli.progress import reading
from twinguard.costs import EVERYTHING, Ledger, Scope, found_scope, scope_of
from twinguard.decide.spend import Dimension
from twinguard.errors import Misconfigured
from twinguard.policy import Policy
from twinguard.ports import Costs
from twinguard.reports.document import Document

SAMPLES = Path(__file__).resolve().parents[3] / ".cache" / "sample-costs"

_FORMS = "SOURCE=FILE, SOURCE=bigquery://, or billing_export.connected in the policy"


@dataclass(frozen=True, slots=True)
class Opened:
    """An environment's ledger, and what must be said of where it comes from."""

    policy: Policy
    ledger: Ledger
    note: str = ""
    is_sample: bool = False

    def documents(self, kind: str, month: dt.date | None, tenant: str | None) -> Iterator[Document]:
        """The reports of a kind, as documents; each says first what must be said of its source."""
        notes = (self.note,) if self.note else ()
        for document in self._documents(kind, month, tenant):
            yield replace(document, stamp=(*notes, *document.stamp))

    def _documents(
        self, kind: str, month: dt.date | None, tenant: str | None
    ) -> Iterator[Document]:
        from twinguard.reports.monthly import monthly
        from twinguard.reports.quarterly import quarterly
        from twinguard.reports.statement import statement

        if kind == "quarterly":
            yield quarterly(self.ledger.quarter(month), self.policy)
            return
        month = month or self.ledger.this_month
        whole = self.ledger.month(month)
        if kind == "monthly":
            yield monthly(whole.overviews)
            return
        left_out = {
            one.currency: share.net
            for one in whole.overviews
            for share in one.parts.get(Dimension.TENANT, ())
            if share.name is None
        }
        for name in (tenant,) if tenant else self.ledger.tenants(month):
            yield statement(name, self.ledger.month(month, name).overviews, left_out)


@contextmanager
def opened(
    env: str, project: str, source: str, now: dt.datetime, *, may_sample: bool = True
) -> Iterator[Opened]:
    """The ledger of an environment over the source that was chosen; closed at the end.

    Where nothing may be decided by made-up numbers, `may_sample` is False: Misconfigured then."""
    policy = config.load(config.path_of(config.environment_named(env)))
    place = source or os.environ.get("TWINGUARD_COSTS", "") or _connected(policy)
    notes, is_sample = [], not place
    if is_sample and not may_sample:
        raise Misconfigured(
            f"no source of {policy.environment}'s costs is known, and a sample decides nothing; "
            f"name one: {_FORMS}"
        )
    if is_sample:
        place = str(_sample(policy, now))
        notes.append(
            "Sample data, made up on this machine: nothing here was spent. For real costs name a "
            f"source: {_FORMS}."
        )
    costs = _costs(place, policy)
    try:
        chosen = Scope(project=project) if project and not is_sample else None
        scope = chosen or _scope(place, policy, costs)
        ledger = Ledger(policy, costs, now, scope)
        if ledger.freshness.through is None and not _is_table(place):
            notes.append(f"{place} has no rows.")
        elif scope == EVERYTHING:
            notes.append(
                f"{place} has no costs of project {policy.project.id}: all of it is shown."
            )
        yield Opened(policy, ledger, " ".join(notes), is_sample)
    finally:
        close = getattr(costs, "close", None)
        if close is not None:
            close()


def _connected(policy: Policy) -> str:
    export = policy.billing_export
    return "bigquery://" if export is not None and export.connected else ""


def _scope(place: str, policy: Policy, costs: Costs) -> Scope:
    """Google's own table knows all projects: one without costs there has none yet.

    To look through all its years for one would also be dear."""
    return scope_of(policy) if _is_table(place) else found_scope(policy, costs)


def _is_table(place: str) -> bool:
    return place == "usage://" or place.startswith("bigquery://")


def _costs(place: str, policy: Policy) -> Costs:
    if "://" in place and not place.startswith(("file://", "focus://")):
        return open_costs(place, policy)
    if is_usage_log(place.partition("://")[2] or place):
        return open_costs(place, policy)
    from twinguard.billing.duckdb import ExportFiles

    with reading() as progress:
        return ExportFiles(place.partition("://")[2] or place, progress=progress)


def _sample(policy: Policy, now: dt.datetime) -> Path:
    """Today's sample of the environment, made at most once a day."""
    from twinguard.standins.sample_costs import write

    path = SAMPLES / f"{policy.environment}-{now:%Y-%m-%d}.jsonl"
    try:
        if not path.exists():
            SAMPLES.mkdir(parents=True, exist_ok=True)
            for old in SAMPLES.glob(f"{policy.environment}-*.jsonl"):
                old.unlink(missing_ok=True)
            write(policy, now, path)
    except OSError as err:
        raise Misconfigured(
            f"{SAMPLES}: the sample cannot be written there ({err.strerror}); make the folder "
            f"writable, or name a source: {_FORMS}"
        ) from err
    return path
