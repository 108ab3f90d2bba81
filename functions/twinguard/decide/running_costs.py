# SPDX-License-Identifier: Apache-2.0
"""What Twinguard itself costs an environment each month: from its policy and stated assumptions.

An estimate from list prices, never a bill. Prices are in `running_prices.py`. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from twinguard.decide import running_prices as prices
from twinguard.decide.health_delivery import REQUIRED
from twinguard.decide.run_prices import MONTH_HOURS
from twinguard.decide.running_prices import Price
from twinguard.policy import Environment, Policy, Slot

DAYS, HOUR = Decimal("30.4"), 3600
GIB = Decimal(1024**3)
ENTRY_POINTS = 5
REQUESTS = {
    Environment.PRODUCTION: 10_000_000,
    Environment.STAGING: 500_000,
    Environment.DEVELOPMENT: 50_000,
    Environment.CI: 5_000,
    Environment.LOCAL: 0,
}
"""Requests a month that the middleware guards, where nobody says another number."""

BATCH = 10
"""Uses in one message of `usage-events`; a busy instance sends up to 200 at once."""

BUDGET_MESSAGES = 48
"""Of Google's budget, a day."""

ALERTS = 100
SECONDS = Decimal("0.4")
"""An event takes a function so long, its share of cold starts included."""

BYTES_A_USE, BYTES_A_LINE, LEAST_BYTES = 400, 900, 1000
LISTENING_HOURS = 200
"""Hours a month in which instances ask Firestore for blocks once a second, without counters."""

STARTS = 2000
"""Starts of instances a month, each of which reads its secrets."""

EXPORT_GIB, EXPORT_READS = 1, 60
RECORDS_GIB = Decimal("0.1")
IMAGE_GIB = Decimal("0.2")
KEPT_IMAGES = 5
_PLAIN = "SECURITY_EMAIL"
"""What a channel needs and no secret holds."""

CONDITIONS = 2 * ENTRY_POINTS + 5
"""Dead letters and errors of each function, silence (two), late blocks, none, refused callers."""


class Line(Struct, frozen=True):
    """One thing that is paid for: of which product, what for, how much of it, at which price."""

    product: str
    purpose: str
    amount: Decimal
    price: Price

    @property
    def list_cost(self) -> Decimal:
        """Without anything free."""
        return self.amount * self.price.each

    @property
    def cost(self) -> Decimal:
        """After what is free, if nothing else of the billing account uses that."""
        return max(self.amount - self.price.free, Decimal(0)) * self.price.each


class Unpriced(Struct, frozen=True):
    """What nobody here knows the price of."""

    product: str
    what: str


def estimate(policy: Policy, requests: int) -> tuple[Line | Unpriced, ...]:
    """Everything that an environment pays for, for so many guarded requests a month."""
    if policy.environment is Environment.LOCAL:
        return ()
    messages = _messages(policy, requests)
    number = sum(messages.values(), Decimal(0))
    return (
        *_functions(number),
        *_topics(number, messages["usage-events"], requests),
        *_records(policy, number),
        *_counters(policy),
        *_secrets(policy),
        *_watching(policy, number),
        *_costs(policy),
    )


def jobs(policy: Policy) -> dict[str, Decimal]:
    """Runs a month of each Cloud Scheduler job, as terraform/modules/functions makes them."""
    found = {"expire": DAYS, "flush": 144 * DAYS, "rotate": DAYS}
    if policy.schedule is not None:
        found |= {"night": _days(policy.schedule.night), "morning": _days(policy.schedule.morning)}
    reads_costs = policy.billing_export is not None and policy.billing_export.connected
    if reads_costs:
        found |= {"costs": DAYS, "report": Decimal(1)}
    if reads_costs or (policy.openai is not None and policy.openai.project is not None):
        found["reconcile"] = DAYS
    return found


def _days(slot: Slot) -> Decimal:
    return DAYS * len(slot.days) / 7


def _messages(policy: Policy, requests: int) -> dict[str, Decimal]:
    """Messages a month, by topic."""
    scheduled = jobs(policy)
    return {
        "budget-alerts": BUDGET_MESSAGES * DAYS if policy.budget is not None else Decimal(0),
        "schedule": sum(scheduled.values(), Decimal(0)) - scheduled["flush"],
        "usage-events": Decimal(requests) / BATCH,
        "alerts": ALERTS + scheduled["flush"],
        "secret-events": Decimal(len(policy.secrets)),
    }


def _functions(messages: Decimal) -> Iterator[Line]:
    seconds = messages * SECONDS
    yield Line("Cloud Run functions", "events", messages, prices.CALL)
    yield Line("Cloud Run functions", "1 vCPU each", seconds, prices.CPU)
    yield Line("Cloud Run functions", "512 MiB each", seconds / 2, prices.MEMORY)
    images = ENTRY_POINTS * KEPT_IMAGES * IMAGE_GIB
    yield Line("Artifact Registry", "five images of each function", images, prices.IMAGE)


def _topics(number: Decimal, batches: Decimal, requests: int) -> Iterator[Line]:
    used = Decimal(requests) * BYTES_A_USE
    moved = max(used, batches * LEAST_BYTES) + (number - batches) * LEAST_BYTES
    yield Line("Pub/Sub", "published and pushed", 2 * moved / GIB, prices.TRAFFIC)
    yield Line("Pub/Sub", "usage-events, 31 days", used / GIB, prices.KEPT)


def _records(policy: Policy, number: Decimal) -> Iterator[Line]:
    listened = Decimal(LISTENING_HOURS * HOUR) if policy.counters is None else Decimal(0)
    yield Line("Firestore", "state, four documents an event", 4 * number, prices.READ)
    if listened:
        yield Line("Firestore", "blocks, once a second", listened, prices.READ)
    yield Line("Firestore", "state, one document an event", number, prices.WRITE)
    yield Line("Firestore", "what is too old", number, prices.DELETE)
    yield Line("Firestore", "records", RECORDS_GIB, prices.STORED)


def _counters(policy: Policy) -> Iterator[Line | Unpriced]:
    counters = policy.counters
    if counters is None:
        return
    nodes = counters.shards * (1 + counters.replicas)
    hour = prices.NODES.get(counters.node)
    if hour is None:
        yield Unpriced("Memorystore", f"{nodes} nodes {counters.node}")
        return
    price = Price(f"hours of {counters.node}", hour)
    purpose = f"counters on {nodes} node{'s' if nodes > 1 else ''}"
    yield Line("Memorystore", purpose, Decimal(nodes * MONTH_HOURS), price)


def _secrets(policy: Policy) -> Iterator[Line]:
    routed = {channel for channels in policy.alerts.routes.values() for channel in channels}
    settings = len({name for channel in routed for name in REQUIRED[channel]} - {_PLAIN})
    turns = sum((DAYS / one.rotation_days for one in policy.secrets.values()), Decimal(0))
    # An old version is paid for until it is destroyed: a day of overlap, a week at most.
    yield Line(
        "Secret Manager", "one each, two while one is replaced",
        Decimal(settings + len(policy.secrets)) + turns, prices.VERSION,
    )  # fmt: skip
    yield Line("Secret Manager", "starts", Decimal(STARTS * settings), prices.ACCESS)
    turns += settings * DAYS / policy.alerts.rotation_days
    yield Line("Secret Manager", "told when due", turns, prices.ROTATION)
    yield Line("Cloud Scheduler", "tasks", Decimal(len(jobs(policy))), prices.JOB)


def _watching(policy: Policy, messages: Decimal) -> Iterator[Line]:
    lines = messages * 2 * BYTES_A_LINE / GIB
    yield Line("Logging", "Cloud Run's line and ours", lines, prices.LOG)
    # A gateway's usage has dead letters, too.
    conditions = Decimal(CONDITIONS + (policy.gateway is not None))
    yield Line("Monitoring", "alert policies", conditions, prices.CONDITION)


def _costs(policy: Policy) -> Iterator[Line]:
    export = policy.billing_export
    if export is None:
        return
    if export.create:
        yield Line("BigQuery", "billing export", Decimal(EXPORT_GIB), prices.TABLE)
    if export.connected:
        read = Decimal(EXPORT_GIB * EXPORT_READS) / 1024
        yield Line("BigQuery", "costs, reports, reconciliation", read, prices.QUERY)
