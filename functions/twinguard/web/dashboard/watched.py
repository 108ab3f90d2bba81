# SPDX-License-Identifier: Apache-2.0
"""One environment as the pages see it: its policy, costs, records and findings, each read lately.

Reads only; `actions.py` changes things."""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import cast

import msgspec
from msgspec import Struct

from twinguard.costs import Ledger, Month
from twinguard.counters import Counters
from twinguard.decide import budgets
from twinguard.decide.incidents import Incident
from twinguard.decide.keys import KeyState
from twinguard.decide.model import Breaker, Hold, NightState, PeriodState
from twinguard.decide.restraints import Restraint
from twinguard.decide.spend import Dimension, Line
from twinguard.decide.storm import ChannelState
from twinguard.dispatch import CHANNELS
from twinguard.errors import Misconfigured
from twinguard.flow import Ports
from twinguard.key_records import KeyJournal
from twinguard.llm.ledger import KeepsCount
from twinguard.pipeline import Pipeline
from twinguard.policy import Policy
from twinguard.ports import Recent, Stored
from twinguard.raising import Allowance, Raising
from twinguard.readers import ready
from twinguard.theft_lifts import Lifting
from twinguard.web.dashboard.board import Board
from twinguard.web.dashboard.lately import Lately, Reading
from twinguard.web.dashboard.security import Restrained, SecurityView

COSTS_FRESH, RECORDS_FRESH = dt.timedelta(minutes=15), dt.timedelta(seconds=10)
MONTHS = 13
"""Months before the current one whose costs are kept in memory."""

PATIENCE = 5.0
"""Seconds that a page waits for a source that was never read before."""

_WHOLE = 600.0
"""Seconds that who warms up waits: nobody looks at it meanwhile."""

AUDIT = 400
"""Audit records that are read: an effect has two."""

ready(ChannelState)


class Source(Struct, frozen=True):
    """A ledger, and what must be said of where its costs come from."""

    ledger: Ledger
    note: str = ""
    is_sample: bool = False


OpenCosts = Callable[[dt.datetime], AbstractContextManager[Source]]


class CostsSeen(Struct, frozen=True, kw_only=True):
    """A month, its use of models by key, and a year of days and of months."""

    month: Month
    usage: tuple[Line, ...]
    days: tuple[Line, ...]
    months: tuple[Line, ...]
    note: str
    is_sample: bool


class RecordsSeen(Struct, frozen=True, kw_only=True):
    """What the records know: what is held, due, broken, told and done."""

    holds: tuple[Hold, ...]
    breaker: Breaker
    night: NightState | None
    period: PeriodState | None
    keys: tuple[KeyState, ...]
    unknown_keys: tuple[str, ...]
    dead_letters: tuple[Stored, ...]
    channels: tuple[ChannelState, ...]
    incidents: tuple[Incident, ...]
    blocked: tuple[Restrained, ...] | None
    throttled: tuple[Restrained, ...] | None
    audit: tuple[Stored, ...]


class Beside(Struct, frozen=True):
    """What is read beside the records: costs, limits on models, and how many keys the counters
    hold back; `guard` is None where nobody says which counters those are."""

    costs: Reading[CostsSeen]
    limits: Reading[tuple[Allowance, ...]]
    guard: Reading[int] | None


class Watched:
    """An environment. `tells` is true where people hear of what is done by hand; `lifting` is how
    a key that is held for theft is let go, None where there is no way; `ledger` is of its models,
    None where only what gateways wrote down of it is known; `counters` hold its keys back."""

    def __init__(
        self,
        policy: Policy,
        ports: Ports,
        recent: Recent,
        costs: OpenCosts,
        security: SecurityView,
        clock: Callable[[], dt.datetime],
        *,
        tells: bool,
        lifting: Lifting | None = None,
        ledger: KeepsCount | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.policy, self.tells, self.security = policy, tells, security
        self.lifting = lifting
        self.pipeline = Pipeline(policy, ports)
        self.raising = Raising(self.pipeline, ledger, tells)
        self.board = Board(security)
        self._recent, self._open, self._clock = recent, costs, clock
        self._costs: dict[dt.date | None, Lately[CostsSeen]] = {}
        self._records = Lately(self._read_records, RECORDS_FRESH, clock)
        self._limits = Lately(lambda: self.raising.allowances(clock()), RECORDS_FRESH, clock)
        self._guard = None
        if counters is not None:
            self._guard = Lately(lambda: _held_back(counters), RECORDS_FRESH, clock)

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.policy.environment.value

    def costs(self, patience: float = 0, month: dt.date | None = None) -> Reading[CostsSeen]:
        """A month's costs, by default the current one's.

        A first reading is waited for only so many seconds."""
        if month not in self._costs:
            if len(self._costs) > MONTHS:  # the oldest asked for goes, never the current one
                self._costs.pop(next(key for key in tuple(self._costs) if key is not None), None)
            read = functools.partial(self._read_costs, month)
            self._costs.setdefault(month, Lately(read, COSTS_FRESH, self._clock))
        return self._costs[month].now(patience)

    def records(self) -> Reading[RecordsSeen]:
        """What the records know."""
        return self._records.now(PATIENCE)

    def limits(self) -> Reading[tuple[Allowance, ...]]:
        """What may be spent on models, by whom."""
        return self._limits.now(PATIENCE)

    def beside(self, patience: float = 0) -> Beside:
        """What is read beside the records; costs are waited for only so many seconds."""
        guard = self._guard.now(PATIENCE) if self._guard else None
        return Beside(self.costs(patience), self.limits(), guard)

    def renew(self) -> None:
        """Read again what a person has just changed."""
        self._records.anew()
        self._limits.anew()

    def warm(self) -> None:
        """Read everything once, so that the first page need not."""
        self._records.now(PATIENCE)
        self._limits.now(PATIENCE)
        self.costs(_WHOLE)

    def _read_costs(self, month: dt.date | None) -> CostsSeen:
        with self._open(self._clock()) as source:
            ledger = source.ledger
            return CostsSeen(
                month=ledger.month(month),
                usage=ledger.told_by((Dimension.MODEL, Dimension.KEY), month=month),
                days=ledger.history(Dimension.DAY),
                months=ledger.history(Dimension.MONTH),
                note=source.note,
                is_sample=source.is_sample,
            )

    def _read_records(self) -> RecordsSeen:
        journal, records = self.pipeline.journal, self.pipeline.ports.records
        keys = KeyJournal(records, self.policy.retention)
        known = {secret: keys.key(secret).value for secret in sorted(self.policy.secrets)}
        return RecordsSeen(
            holds=journal.active_holds(),
            breaker=journal.breaker().value,
            night=journal.night().value,
            period=journal.budget(budgets.ENVIRONMENT).value,
            keys=tuple(state for state in known.values() if state is not None),
            unknown_keys=tuple(name for name, state in known.items() if state is None),
            dead_letters=records.find("dead_letters"),
            channels=tuple(_channel(stored) for stored in records.find(CHANNELS)),
            incidents=self.security.incidents(),
            blocked=self.security.blocked(),
            throttled=self.security.throttled(),
            audit=self._recent.newest("audit", AUDIT),
        )


def _held_back(counters: Counters) -> int:
    """How many keys are held back, as an instance that has just started hears it."""
    following = counters.follow()
    with contextlib.closing(cast("Generator[tuple[Restraint, ...]]", following)):
        return len(next(following))


def _channel(stored: Stored) -> ChannelState:
    try:
        return msgspec.convert(stored.value, ChannelState)
    except msgspec.ValidationError as err:
        raise Misconfigured(
            f"the stored channel {stored.id} cannot be read: {err}; "
            "the store belongs to another version"
        ) from err
