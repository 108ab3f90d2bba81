# SPDX-License-Identifier: Apache-2.0
"""The values the core decides over and the closed set of actions it can ask for.

Frozen, comparable, free of vendor types. `act/` carries the actions out."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from twinguard.policy import Level

NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

# --- budgets -------------------------------------------------------------------------------------


class BudgetNotice(Struct, frozen=True):
    """One budget notification of Google's schema 1.0. Money in `currency`, percents as 75 for 75 %.

    `forecast` is the highest forecast rule crossed; None where Google reported none."""

    message_id: str
    published_at: dt.datetime
    budget_id: str
    name: str
    period_start: dt.datetime
    cost: Decimal
    amount: Decimal
    currency: str
    forecast: Decimal | None = None


class Reading(Struct, frozen=True, order=True):
    """What Google reported within one slot of `release.apart_minutes`.

    When it first and last did, and the highest cost it named."""

    first: dt.datetime
    last: dt.datetime
    cost: Decimal


class PeriodState(Struct, frozen=True):
    """What is known and done about one budget in one period.

    Known: `peak` is the highest cost seen, `readings` the newest slots, `forecast` the highest
    forecast rule crossed (per cent), `amount` what Google takes the budget to be. Cap: `tripped`
    says that it is enforced and `tripped_at` since when, `trips` counts how often, `rearm_at` is
    the spend at which a cap that a person lifted trips again, `unlinked` that billing was taken
    off. Told: `notified` is the highest *spend* people were told of, so editing a budget re-alerts
    nobody; `trips_told`, `trips_ended`, `cap_step` and `failing` (odd while effects fail) count
    messages; `over` holds the ends of the period before, said once everything is put back;
    `outbox` holds alerts decided on but not yet with the alerts topic."""

    budget: str
    period_start: dt.datetime
    peak: Decimal = Decimal(0)
    readings: tuple[Reading, ...] = ()
    forecast: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    tripped: bool = False
    tripped_at: dt.datetime = NEVER
    trips: int = 0
    rearm_at: Decimal = Decimal(0)
    unlinked: bool = False
    notified: Decimal = Decimal(0)
    forecast_told: Decimal = Decimal(0)
    amount_told: Decimal = Decimal(0)
    trips_told: int = 0
    trips_ended: int = 0
    cap_step: int = 1
    failing: int = 0
    over: tuple[Alert, ...] = ()
    outbox: tuple[Alert, ...] = ()


class NightState(Struct, frozen=True):
    """The latest night: its name, since when it is carried out, and what people heard of it."""

    night: str
    begun_at: dt.datetime | None = None
    failing: bool = False
    ended: bool = False


# --- alerts --------------------------------------------------------------------------------------


class AlertState(enum.StrEnum):
    """Where an incident stands. `opened` covers a rise: same incident, higher step."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    ENDED = "ended"


class Alert(Struct, frozen=True):
    """One thing to tell people. (incident, step, state) is its identity: sent once, however often
    it is delivered. `incident` is `environment/kind/scope/period`; a higher step is a rise."""

    incident: str
    environment: str
    kind: str
    level: Level
    step: int
    state: AlertState
    title: str
    lines: tuple[str, ...] = ()
    at: dt.datetime = NEVER


# --- what can be held ----------------------------------------------------------------------------


class Kind(enum.StrEnum):
    """Kinds of resources that can be held."""

    SERVICE = "service"
    SUBSCRIPTION = "subscription"


class Resource(Struct, frozen=True, order=True):
    """A Cloud Run service or Pub/Sub subscription by its full API name (`projects/…`)."""

    kind: Kind
    name: str

    @property
    def short(self) -> str:
        """The last part of the name, for people."""
        return self.name.rsplit("/", 1)[-1]


class Mode(enum.StrEnum):
    """Cloud Run's scaling modes."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Scaling(Struct, frozen=True):
    """A Cloud Run service's scaling. Zero stands for unset, as on the wire, but for `count`.

    `count` is the number of instances in manual mode (0 = no requests are served) and 0 in
    automatic mode; `revision_*` are the template's limits."""

    mode: Mode = Mode.AUTOMATIC
    minimum: int = 0
    maximum: int = 0
    count: int = 0
    revision_minimum: int = 0
    revision_maximum: int = 0


class Push(Struct, frozen=True):
    """A subscription's push configuration as the API's canonical JSON; empty while it is paused."""

    config: str = ""


Value: TypeAlias = Scaling | Push


class Live(Struct, frozen=True):
    """What a resource looks like now.

    `etag` guards the write that follows; `patience` is how long a subscription may stay paused
    before it loses messages (None: for ever)."""

    value: Value
    etag: str = ""
    patience: dt.timedelta | None = None


class Strength(enum.StrEnum):
    """How hard a hold brakes. Idle still answers requests from zero instances; stop does not."""

    IDLE = "idle"
    STOP = "stop"


class Why(Struct, frozen=True):
    """One reason of a hold. `key` is `night`, `manual`, `savings`, `security` or `budget/<which>`.

    It is `overruled` once somebody else changed the resource: it still counts, but lowers
    nothing."""

    key: str
    strength: Strength
    since: dt.datetime
    until: dt.datetime | None
    by: str
    overruled: bool = False


class Hold(Struct, frozen=True):
    """A resource that Twinguard changed, with what it takes to put it back.

    `before` is what stood there before the first change. `expected` are the values the resource can
    have if nobody else touched it; the last is the one wanted, and once that is confirmed it stands
    alone. No reasons and nothing on its way: the hold has ended. `left` says why the last reason
    that was dropped left the resource as it is."""

    resource: Resource
    before: Value
    expected: tuple[Value, ...]
    reasons: tuple[Why, ...] = ()
    changed_at: dt.datetime = NEVER
    left: str = ""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the reasons."""
        return frozenset(why.key for why in self.reasons)

    @property
    def settled(self) -> bool:
        """True when no write of ours is on its way."""
        return len(self.expected) == 1

    @property
    def active(self) -> bool:
        """True while somebody wants it held or a write is under way."""
        return bool(self.reasons) or not self.settled


class Breaker(Struct, frozen=True):
    """The environment's cost breaker: open while any budget has tripped it.

    `open_by` pairs a budget with the reason the middleware shows."""

    open_by: tuple[tuple[str, str], ...] = ()

    @property
    def open(self) -> bool:
        """True while requests must be refused."""
        return bool(self.open_by)


# --- actions -------------------------------------------------------------------------------------


class TakeHold(Struct, frozen=True):
    """Lower a resource for a reason."""

    resource: Resource
    why: Why


class DropHold(Struct, frozen=True):
    """Take a reason back, and restore the resource when it was the last."""

    resource: Resource
    key: str


class OpenBreaker(Struct, frozen=True):
    """Refuse requests on behalf of a budget."""

    budget: str
    reason: str


class CloseBreaker(Struct, frozen=True):
    """Let requests through again, as far as this budget is concerned."""

    budget: str


class UnlinkBilling(Struct, frozen=True):
    """Take the project off its billing account; only a person can put it back."""

    project: str


Action: TypeAlias = TakeHold | DropHold | OpenBreaker | CloseBreaker | UnlinkBilling


class Outcome(enum.StrEnum):
    """How an action ended."""

    DONE = "done"
    ALREADY = "already"
    SKIPPED = "skipped"
    FAILED = "failed"


class Result(Struct, frozen=True):
    """An action, how it ended, and why in words for people."""

    action: Action
    outcome: Outcome
    detail: str = ""
