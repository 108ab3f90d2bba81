# SPDX-License-Identifier: Apache-2.0
"""Read a deployed environment for the doctor: Google's side and our own records. Changes nothing.

What cannot be read becomes a `Gap` with its reason; `decide/health_deployed.py` judges."""

from __future__ import annotations

import datetime as dt
import functools
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from twinguard import billing, state
from twinguard.act.billing import Billing
from twinguard.act.endpoints import override
from twinguard.cli import doctor_synthetic as synthetic
from twinguard.cli.deployed import settings
from twinguard.counters import Counters
from twinguard.decide import grants
from twinguard.decide.budgets import ENVIRONMENT
from twinguard.decide.deployment import (
    Deployment,
    Fast,
    GoogleBudget,
    Iam,
    Known,
    Names,
    Project,
    Recorded,
)
from twinguard.decide.exposure import Exposed
from twinguard.decide.health_deployed import channel_secrets
from twinguard.decide.inventory import Gap
from twinguard.decide.ledger import Standing, period_of
from twinguard.decide.spend import Freshness
from twinguard.decide.storm import ChannelState
from twinguard.dispatch import CHANNELS
from twinguard.errors import Misconfigured, TwinguardError
from twinguard.inventory.deployment import Deployed
from twinguard.inventory.listing import SwitchedOff
from twinguard.inventory.survey import Watch, regions_of
from twinguard.journal import Journal
from twinguard.llm.budgets import budgets_of, environment_of, written
from twinguard.llm.ledger_book import Book
from twinguard.policy import Channel, Policy
from twinguard.ports import Records
from twinguard.state.counters import Options, open_counters

T = TypeVar("T")
_LOOKS = 3
"""How often the counters are asked: the first time pays for the connection."""

_PATIENCE = 5.0
_FAR = (
    "the counters are in a private network; set TWINGUARD_COUNTERS to an address that leads there "
    "from here, or run the doctor inside of it"
)


def examined(policy: Policy, now: dt.datetime, watch: Watch) -> Deployment:
    """Everything that can be read, part by part."""
    with Deployed(policy.project.id, os.environ) as reader:
        return _Examination(policy, reader, now, watch).whole()


@dataclass
class _Examination:
    """One reading of one environment."""

    policy: Policy
    reader: Deployed
    now: dt.datetime
    watch: Watch
    step: int = 0

    def whole(self) -> Deployment:
        reader, region = self.reader, self.policy.region
        project = self.tried("the project", reader.project_state)
        topics = self.tried("topics", reader.topics)
        subscriptions = self.tried("subscriptions", reader.bound)
        kept = self.tried("secrets", lambda: reader.kept(f"{self.policy.environment}-"))
        functions = self.tried("functions", lambda: reader.functions(region))
        services = self.tried("services", self._services)
        exposed, unexposed = self._exposed()
        number = "" if isinstance(project, Gap) else project.number
        present = frozenset[str]().union(
            *(
                known
                for known in (topics, subscriptions, kept, services)
                if not isinstance(known, Gap)
            )
        )
        return Deployment(
            at=self.now,
            project=project,
            linked=self.tried("billing", self._linked),
            budgets=self.tried("budgets", self._budgets),
            functions=functions,
            jobs=self.tried("jobs", lambda: reader.jobs(region)),
            topics=topics,
            subscriptions=subscriptions,
            waiting=self.tried("unread messages", lambda: reader.ages(self.now)),
            secrets=kept,
            services=services,
            accounts=self.tried("accounts", reader.accounts),
            roles=self.tried("roles", reader.roles),
            iam=self._iam(Names(self.policy, number), project, present),
            exposed=exposed,
            unexposed=unexposed,
            recorded=self.tried("records", self._recorded),
            counters=self.tried("counters", self._counted),
            export=self.tried("billing export", self._export),
        )

    def tried(self, what: str, read: Callable[[], T]) -> T | Gap:
        """What was read, or why it could not be."""
        self.step += 1
        self.watch(what, self.step, self.step + 1)
        try:
            return read()
        except SwitchedOff as err:
            return Gap(what, str(err), off=True)
        except TwinguardError as err:
            return Gap(what, str(err))

    def _services(self) -> frozenset[str]:
        regions = regions_of(self.policy)
        return frozenset(one.name for each in regions for one in self.reader.services(each))

    def _linked(self) -> bool:
        return Billing(override(os.environ, "BILLING_ENDPOINT")).is_linked(self.policy.project.id)

    def _budgets(self) -> tuple[GoogleBudget, ...]:
        if self.policy.billing_account is None:
            raise Misconfigured("billing_account is missing in the policy; set it there")
        return self.reader.budgets(self.policy.billing_account)

    def _exposed(self) -> tuple[Exposed, tuple[Gap, ...]]:
        keys = self.tried("Google API keys", self.reader.api_keys)
        files = self.tried("service accounts' keys", self.reader.account_keys)
        gaps = tuple(one for one in (keys, files) if isinstance(one, Gap))
        read = Exposed(
            api_keys=None if isinstance(keys, Gap) else keys,
            account_keys=None if isinstance(files, Gap) else files,
        )
        return read, gaps

    def _iam(
        self, names: Names, project: Known[Project], present: frozenset[str]
    ) -> Mapping[str, Known[Iam]]:
        """The policies of all that somebody is granted something on, as far as it is there."""
        wanted = grants.expected(names, channel_secrets(self.policy))
        own = f"{names.project}/topics/{names.prefix}-"
        places = {one.resource for one in wanted} | {at for at in present if at.startswith(own)}
        found: dict[str, Known[Iam]] = {
            at: self.tried(f"roles on {at}", functools.partial(self.reader.iam_of, at))
            for at in sorted(places & present)
        }
        found[names.project] = project if isinstance(project, Gap) else project.iam
        return found

    def _recorded(self) -> Recorded:
        records, policy = self._records(), self.policy
        journal = Journal(records, policy.retention)
        book = Book(records, policy.retention)
        letters = records.find("dead_letters")
        return Recorded(
            budget=journal.budget(ENVIRONMENT).value,
            own=synthetic.sent(records),
            breaker=journal.breaker().value,
            holds=journal.active_holds(),
            channels=tuple(_channel(records, policy, one) for one in Channel),
            dead_letters=tuple(dt.datetime.fromisoformat(str(one.value["at"])) for one in letters),
            limits=tuple(one.limit for one in book.limits()),
            standings=_standings(policy, book, self.now),
        )

    def _records(self) -> Records:
        return state.open_records(settings(self.policy, os.environ)["TWINGUARD_RECORDS"])

    def _counted(self) -> Fast:
        counters, took = self._counters(), list[float]()
        for _ in range(_LOOKS):
            begun = time.perf_counter()
            held = next(counters.follow())
            took.append(time.perf_counter() - begun)
        return Fast(min(took), len(held))

    def _counters(self) -> Counters:
        authorities = os.environ.get("TWINGUARD_COUNTERS_CA", "")
        options = Options(timeout=_PATIENCE, authorities=authorities)
        if url := os.environ.get("TWINGUARD_COUNTERS"):
            return open_counters(url, options)
        if self.policy.counters is not None:
            raise Misconfigured(_FAR)
        from twinguard.state.counters_records import RecordsCounters

        return RecordsCounters(self._records(), options)

    def _export(self) -> Freshness:
        place = os.environ.get("TWINGUARD_COSTS") or f"bigquery://?project={self.policy.project.id}"
        return billing.open_costs(place, self.policy).freshness(self.now)


def _channel(records: Records, policy: Policy, channel: Channel) -> ChannelState:
    stored = records.get(CHANNELS, f"{policy.environment}/{channel}")
    if stored is None:
        return ChannelState(channel)
    return msgspec.convert(stored.value, ChannelState)


def _standings(policy: Policy, book: Book, now: dt.datetime) -> tuple[Standing, ...]:
    """What the gateways wrote down of each scope that spent anything."""
    known = book.known(period_of(now))
    scopes = sorted({environment_of(policy), *known.spent})
    return written(budgets_of(policy), known, scopes, now)
