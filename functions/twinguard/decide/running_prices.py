# SPDX-License-Identifier: Apache-2.0
"""Google's list prices of what Twinguard itself uses, with what is free of each, and since when.

In USD, without discounts and taxes. Whoever changes a number changes `SEEN` as well. Pure."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

from twinguard.decide.run_prices import SECRET_VERSION

SEEN = "2026-11-25"
"""When the pages were read last, as far as they are kept in public; not from Google's own API."""

SOURCES = (
    ("Cloud Run functions", "https://cloud.google.com/run/pricing"),
    ("Pub/Sub", "https://cloud.google.com/pubsub/pricing"),
    ("Cloud Scheduler", "https://cloud.google.com/scheduler/pricing"),
    ("Firestore", "https://firebase.google.com/docs/firestore/pricing"),
    ("Memorystore", "https://cloud.google.com/memorystore/docs/valkey/pricing"),
    ("Secret Manager", "https://cloud.google.com/secret-manager/pricing"),
    ("Logging and Monitoring", "https://cloud.google.com/stackdriver/pricing"),
    ("BigQuery", "https://cloud.google.com/bigquery/pricing"),
    ("Artifact Registry", "https://cloud.google.com/artifact-registry/pricing"),
)


class Price(Struct, frozen=True):
    """What one of a unit costs, and how many a month are free; `unit` is in words."""

    unit: str
    each: Decimal
    free: Decimal = Decimal(0)


def _price(unit: str, each: str, free: int = 0) -> Price:
    return Price(unit, Decimal(each), Decimal(free))


CALL = _price("calls", "4e-7", 2_000_000)
CPU = _price("vCPU seconds", "24e-6", 180_000)
MEMORY = _price("GiB seconds", "25e-7", 360_000)
TRAFFIC = _price("GiB moved", "0.0390625", 10)  # 40 USD a TiB
KEPT = _price("GiB kept for a month", "0.27")
JOB = _price("jobs", "0.10", 3)
READ = _price("documents read", "3e-7")
WRITE = _price("documents written", "9e-7")
DELETE = _price("documents deleted", "1e-7")
STORED = _price("GiB stored", "0.15")
VERSION = Price("secret versions", SECRET_VERSION, Decimal(6))
ACCESS = _price("accesses", "3e-6", 10_000)
ROTATION = _price("rotation notices", "0.05", 3)
LOG = _price("GiB of log lines", "0.50", 50)
CONDITION = _price("alert conditions", "1.50")
TABLE = _price("GiB of tables", "0.02", 10)
QUERY = _price("TiB read by queries", "6.25", 1)
IMAGE = Price("GiB of images", Decimal("0.10"), Decimal("0.5"))

NODES = {"SHARED_CORE_NANO": Decimal("0.0318"), "STANDARD_SMALL": Decimal("0.1425")}
"""An hour of a Memorystore node, by its type; one that is not here has no known price."""
