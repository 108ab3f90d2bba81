# SPDX-License-Identifier: Apache-2.0
"""What made-up exports are about: things that are sold, projects, and the values of labels.

Service ids are Google's where Google publishes them; SKU ids and prices are made up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

ACCOUNT = "012345-567890-ABCDEF"


@dataclass(frozen=True, slots=True)
class Sku:
    """Something that is sold; `is_third_party` never gets a credit."""

    service_id: str
    service: str
    id: str
    name: str
    unit: str
    price: Decimal
    model: str | None = None
    is_third_party: bool = False


SKUS = (
    Sku(
        "152E-C115-5142",
        "Cloud Run",
        "0F2A-11B1-0001",
        "Services CPU (Request-based)",
        "seconds",
        Decimal("0.000024"),
    ),
    Sku(
        "152E-C115-5142",
        "Cloud Run",
        "0F2A-11B1-0002",
        "Services Memory (Request-based)",
        "byte-seconds",
        Decimal("0.0000025"),
    ),
    Sku(
        "C7E2-9256-1C43",
        "Vertex AI",
        "7C01-22AA-0001",
        "Gemini 2.5 Flash Text Input",
        "count",
        Decimal("0.0000003"),
        "gemini-2.5-flash",
    ),
    Sku(
        "C7E2-9256-1C43",
        "Vertex AI",
        "7C01-22AA-0002",
        "Gemini 2.5 Pro Text Output",
        "count",
        Decimal("0.00001"),
        "gemini-2.5-pro",
    ),
    Sku(
        "D97A-4F10-77C3",
        "Claude Sonnet (Vertex AI)",
        "93B0-40D2-0001",
        "Claude Sonnet Output Tokens",
        "count",
        Decimal("0.000015"),
        "claude-sonnet",
        is_third_party=True,
    ),
    Sku(
        "95FF-2EF5-5EA1",
        "Cloud Storage",
        "E5F0-6A5D-0001",
        "Standard Storage Belgium",
        "byte-seconds",
        Decimal("0.00000002"),
    ),
    Sku(
        "EE2C-7FAC-5E08",
        "Cloud Firestore",
        "6A1B-3C4D-0001",
        "Entity Reads Belgium",
        "count",
        Decimal("0.0000006"),
    ),
    Sku(
        "24E6-581D-38E5",
        "BigQuery",
        "3362-E469-0001",
        "Analysis (europe-west1)",
        "bytes",
        Decimal("0.000000000006"),
    ),
)
PROJECTS = {
    "living-twin-prod": "production",
    "living-twin-staging": "staging",
    "living-twin-dev": "development",
    "shared-tools": None,
}
TENANTS = ("acme", "globex", "initech", "umbrella")
FEATURES = ("chat", "search", "reports")
KEYS = ("k-7f3a", "k-90bd")
