# SPDX-License-Identifier: Apache-2.0
"""Google's list prices of what stands idle: Cloud Run instances, secret versions, addresses.

In USD, without free tier, discounts and taxes: an upper bound, never a bill. Pure."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

CURRENCY = "USD"
SOURCES = (
    "https://cloud.google.com/run/pricing",
    "https://cloud.google.com/run/docs/locations",
    "https://cloud.google.com/secret-manager/pricing",
    "https://cloud.google.com/vpc/network-pricing",
)
SEEN = "2026-11-23"
"""When these pages were read last; whoever changes a number below changes this as well."""

HOUR = 3600
MONTH_HOURS = 730
"""Hours of a month as Google's own calculator counts them."""

SECRET_VERSION = Decimal("0.06")
"""A month of one version that is not destroyed, in one location."""

ADDRESS_HOUR = Decimal("0.01")
"""An hour of a reserved external address that nothing uses."""


class RunPrice(Struct, frozen=True):
    """Prices of a second, of one vCPU and of one GiB.

    `idle` is a minimum instance without a request, `busy` one with, both billed by request;
    `always` is any instance of a service whose CPU is always allocated."""

    cpu_idle: Decimal
    memory_idle: Decimal
    cpu_busy: Decimal
    memory_busy: Decimal
    cpu_always: Decimal
    memory_always: Decimal


_TIERS = {
    1: RunPrice(*map(Decimal, ("25e-7", "25e-7", "24e-6", "25e-7", "18e-6", "2e-6"))),
    2: RunPrice(*map(Decimal, ("35e-7", "35e-7", "336e-7", "35e-7", "252e-7", "28e-7"))),
}
_REGIONS = {
    1: (
        *("asia-east1", "asia-northeast1", "asia-northeast2", "europe-north1", "europe-southwest1"),
        *("europe-west1", "europe-west4", "europe-west8", "europe-west9", "me-west1"),
        *("us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1"),
    ),
    2: (
        *("africa-south1", "asia-east2", "asia-northeast3", "asia-south1", "asia-south2"),
        *("asia-southeast1", "asia-southeast2", "australia-southeast1", "australia-southeast2"),
        *("europe-central2", "europe-west10", "europe-west12", "europe-west2", "europe-west3"),
        *("europe-west6", "me-central1", "me-central2", "northamerica-northeast1"),
        *("northamerica-northeast2", "southamerica-east1", "southamerica-west1"),
        *("us-west2", "us-west3", "us-west4"),
    ),
}


def run_price(region: str) -> RunPrice | None:
    """The prices of a region; None for one that is not in the table, so that nobody guesses."""
    return next((_TIERS[tier] for tier, regions in _REGIONS.items() if region in regions), None)


def idle_month(cpu: Decimal, memory: Decimal, region: str, *, always: bool) -> Decimal | None:
    """A month of one instance that is kept without a request; memory in GiB."""
    price = run_price(region)
    if price is None:
        return None
    if always:
        second = cpu * price.cpu_always + memory * price.memory_always
    else:
        second = cpu * price.cpu_idle + memory * price.memory_idle
    return second * HOUR * MONTH_HOURS


def busy_hour(cpu: Decimal, memory: Decimal, region: str, *, always: bool) -> Decimal | None:
    """An hour of one instance that never stops answering, the price of requests left out."""
    price = run_price(region)
    if price is None:
        return None
    if always:
        return (cpu * price.cpu_always + memory * price.memory_always) * HOUR
    return (cpu * price.cpu_busy + memory * price.memory_busy) * HOUR
