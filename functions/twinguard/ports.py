# SPDX-License-Identifier: Apache-2.0
"""What the pipeline needs of the outside world, as protocols of five methods or fewer.

Adapters turn vendor errors into `Unavailable`; `wiring.py` picks them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from msgspec import Struct

from twinguard.decide.model import Alert, AlertState, Live, Value
from twinguard.policy import Channel

if TYPE_CHECKING:  # no entry point needs them: they would cost the cold start
    from twinguard.decide.spend import Freshness, Line, Query

Json: TypeAlias = "str | int | float | bool | Mapping[str, Json] | Sequence[Json] | None"
"""What a record may hold: what JSON can say. Decimals and times are strings in it."""


class Stored(Struct, frozen=True):
    """A record as it stands in the store; `version` is opaque and changes with every write."""

    id: str
    value: Mapping[str, Json]
    version: str


class Records(Protocol):
    """Durable documents with compare-and-set, and kinds that are only ever appended to.

    Kinds are lower-case words; ids are any text of 1 to 400 characters."""

    def get(self, kind: str, id: str) -> Stored | None:
        """The record, or None."""

    def put(
        self,
        kind: str,
        id: str,
        value: Mapping[str, Json],
        version: str | None,
        expires: dt.datetime | None = None,
    ) -> Stored:
        """Write if the record still has `version` (None: if there is none yet), else Conflict."""

    def find(self, kind: str, /, **equal: str | bool) -> tuple[Stored, ...]:
        """All records of a kind whose top-level fields equal these, ordered by id."""

    def append(
        self, kind: str, value: Mapping[str, Json], expires: dt.datetime | None = None
    ) -> str:
        """Add a record that can never be changed; its id, which orders after all before it."""

    def purge(self, now: dt.datetime) -> int:
        """Delete the records that expired before `now`; how many."""


class Recent(Protocol):
    """What was appended to a kind lately, without reading all of it; every store of records can."""

    def newest(self, kind: str, limit: int) -> tuple[Stored, ...]:
        """The last records of a kind by id, the newest first."""


class Scaler(Protocol):
    """One kind of resource that can be held."""

    def read(self, name: str) -> Live | None:
        """How the resource stands, or None where there is none of that name."""

    def patience(self, name: str) -> dt.timedelta | None:
        """How long the resource may stay paused before it loses something; None: for ever."""

    def write(self, name: str, value: Value, seen: Live) -> None:
        """Make one legal change, wait for it, read it back; Conflict if `seen` is out of date."""


class BillingAccounts(Protocol):
    """The link between a project and the account that pays for it."""

    def is_linked(self, project: str) -> bool:
        """True while the project has an open billing account."""

    def unlink(self, project: str) -> None:
        """Take the project off its billing account and confirm it."""


class Publisher(Protocol):
    """A topic to hand messages to."""

    def publish(self, topic: str, data: bytes, attributes: Mapping[str, str]) -> str:
        """The id of the message, once the topic has it."""


class Message(Struct, frozen=True):
    """An alert, or a digest of several, ready for one channel.

    `key` stays the same over all messages of an incident; `id` is this message's own."""

    id: str
    key: str
    alert: Alert
    digest: tuple[Alert, ...] = ()

    @property
    def state(self) -> AlertState:
        """Whether the incident opens, is acknowledged or ends."""
        return self.alert.state


class Notifier(Protocol):
    """One channel to people."""

    channel: Channel

    def send(self, message: Message) -> str:
        """Deliver, and return the vendor's receipt; Unavailable if it was not accepted."""


class Costs(Protocol):
    """One source of what was spent."""

    def lines(self, query: Query) -> tuple[Line, ...]:
        """The costs of each group and currency, ordered by keys (None last) and currency."""

    def freshness(self, now: dt.datetime) -> Freshness:
        """How far the source's data reach; by the data themselves wherever they tell."""
