# SPDX-License-Identifier: Apache-2.0
"""The values that costs are asked for, told and judged in. Pure; money is exact, in a currency.

Sources answer a `Query` with `Line`s (`billing/`); `forecast.py`, `anomalies.py` and `overview.py`
judge them. Amounts of different currencies are never added."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

from msgspec import Struct

from twinguard.decide.money import EXACT

UNATTRIBUTED = "unattributed"
"""How people see a cost without the label that was asked for; in a `Line` it is None."""


PACIFIC_TIME, UTC = "Pacific time", "UTC"
"""Whose days a source's days are, as people are told."""


class Dimension(enum.StrEnum):
    """What costs can be told apart by."""

    DAY = "day"
    MONTH = "month"
    ENVIRONMENT = "environment"
    PROJECT = "project"
    SERVICE = "service"
    SKU = "sku"
    TENANT = "tenant"
    FEATURE = "feature"
    MODEL = "model"
    KEY = "api_key"
    COST_TYPE = "cost_type"


class Basis(enum.StrEnum):
    """Which calendar a cost belongs to. The two differ around the end of a month.

    By `usage`: the day it was used, in the invoice's time zone (Pacific). By `invoice`: the month
    whose invoice has it; late rows and corrections land in a later one."""

    USAGE = "usage"
    INVOICE = "invoice"


class Query(Struct, frozen=True, kw_only=True):
    """Costs between two days, both included, grouped by some dimensions.

    By invoice, the two days stand for their months. `environment`, `project` and `tenant` select;
    None means all."""

    by: tuple[Dimension, ...]
    first: dt.date
    last: dt.date
    basis: Basis = Basis.USAGE
    environment: str | None = None
    project: str | None = None
    tenant: str | None = None


class Line(Struct, frozen=True, kw_only=True):
    """The costs of one group: `keys` in the query's order, days and months as ISO texts.

    `cost` is before credits, `credits` is zero or less; `corrections` is the part of their sum that
    belongs to usage of an earlier invoice month."""

    keys: tuple[str | None, ...]
    currency: str
    cost: Decimal
    credits: Decimal
    corrections: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """What is paid, to the last digit."""
        return EXACT.add(self.cost, self.credits)


class Freshness(Struct, frozen=True, kw_only=True):
    """How far a source's data reach.

    `through` is the last day whose costs are taken to be complete: nothing, where there are no
    rows; days are of the `calendar`. `newest` is when the newest row was written; `lag` is how late
    the source is known to be: None where nobody knows."""

    source: str
    through: dt.date | None
    newest: dt.datetime | None
    lag: dt.timedelta | None
    calendar: str = PACIFIC_TIME


class Day(Struct, frozen=True, order=True):
    """What was spent on one day (net)."""

    date: dt.date
    amount: Decimal


class Forecast(Struct, frozen=True, kw_only=True):
    """What a month comes to: spent so far, and the ends of an interval around the likely end.

    `low` and `high` hold eight months out of ten (10th and 90th percentile), `lowest` and `highest`
    nineteen out of twenty. `method` says in words where the numbers come from, `days` how many days
    of the past they rest on."""

    spent: Decimal
    lowest: Decimal
    low: Decimal
    middle: Decimal
    high: Decimal
    highest: Decimal
    method: str
    days: int


class Driver(Struct, frozen=True, kw_only=True):
    """A part of a change: what, from how much, to how much."""

    name: str
    before: Decimal
    after: Decimal

    @property
    def change(self) -> Decimal:
        """How much more it is; negative for less."""
        return self.after - self.before


class Anomaly(Struct, frozen=True, kw_only=True):
    """A day on which a group spent what its past does not explain."""

    dimension: Dimension
    name: str
    date: dt.date
    currency: str
    actual: Decimal
    expected: Decimal
    limit: Decimal
    score: Decimal
    drivers: tuple[Driver, ...] = ()


class Share(Struct, frozen=True, kw_only=True):
    """One part of a month's spend (net), and what can be compared: the complete days of it, and
    the same days of the month before. Without `complete`, all days are."""

    name: str | None
    net: Decimal
    before: Decimal
    complete: Decimal | None = None

    @property
    def after(self) -> Decimal:
        """What `before` is compared with."""
        return self.net if self.complete is None else self.complete


class BudgetStand(Struct, frozen=True, kw_only=True):
    """A month's spend against its budget. Percentages as 75 for 75 %.

    `basis` is what Google's budget counts: cost before credits. `crossed` are the thresholds
    reached, `next` the one that comes. `burn` is the typical spend of a day, `reached_on` the day
    on which the cap's percentage is reached if that goes on: None where it is not, this month.
    `forecast` is what the basis comes to."""

    name: str
    amount: Decimal
    currency: str
    basis: Decimal
    percent: Decimal
    crossed: tuple[Decimal, ...]
    next: Decimal | None
    burn: Decimal
    cap_percent: Decimal | None
    reached_on: dt.date | None
    forecast: Forecast | None = None


class Overview(Struct, frozen=True, kw_only=True):
    """All that is said about one environment's month in one currency.

    `notes` are sentences that a reader needs beside the numbers: what is missing, and why."""

    environment: str
    currency: str
    month: dt.date
    as_of: dt.date | None
    freshness: Freshness
    spent: Decimal
    cost: Decimal
    credits: Decimal
    corrections: Decimal
    by_cost_type: tuple[Share, ...]
    days: tuple[Day, ...]
    complete: Decimal
    same_days_before: Decimal
    month_before: Decimal
    forecast: Forecast | None
    budget: BudgetStand | None
    parts: dict[Dimension, tuple[Share, ...]]
    movers: tuple[Driver, ...]
    anomalies: tuple[Anomaly, ...]
    other_currencies: tuple[tuple[str, Decimal], ...] = ()
    notes: tuple[str, ...] = ()
