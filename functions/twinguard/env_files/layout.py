# SPDX-License-Identifier: Apache-2.0
"""Which variables an environment file has, in which order and under which comments.

After strategy.md 3.1 and 3.2, line by line; where the values come from is in `values.py`."""

from __future__ import annotations

from msgspec import Struct

from twinguard.policy import Environment

__all__ = ["FILES", "LAYOUTS", "SUFFIXES", "Section"]


class Section(Struct, frozen=True):
    """A comment and the variables below it; one that the policy gives no value is left out."""

    comment: str
    names: tuple[str, ...]


FILES = {
    Environment.PRODUCTION: ".env.production",
    Environment.STAGING: ".env.staging",
    Environment.DEVELOPMENT: ".env.development",
    Environment.CI: ".env.test",
    Environment.LOCAL: ".env.local",
}

SUFFIXES = {
    Environment.PRODUCTION: "PROD",
    Environment.STAGING: "STAGING",
    Environment.DEVELOPMENT: "DEV",
    Environment.CI: "TEST",
    Environment.LOCAL: "LOCAL",
}
"""How a secret of the environment is called in a shell: `OPENAI_API_KEY_PROD`."""

_OPENAI = (
    "OPENAI_API_KEY",
    "OPENAI_MODEL",
    "OPENAI_MAX_TOKENS",
    "OPENAI_TEMPERATURE",
    "OPENAI_RATE_LIMIT",
)
_LOCAL_LLM = ("USE_LOCAL_LLM", "LOCAL_LLM_ENDPOINT", "LOCAL_LLM_MODEL")
_GCP = ("GCP_PROJECT_ID", "GCP_REGION", "GCP_SERVICE_ACCOUNT")
_NEO4J = ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD")
_COSTS = Section("Cost Controls", ("MAX_MONTHLY_COST", "ALERT_THRESHOLDS", "ENABLE_COST_CAPS"))
_MOCKS = Section("Mock Services", ("USE_MOCK_SERVICES", "MOCK_LLM_RESPONSES"))
_FIREBASE = Section("Firebase Configuration", ("FIREBASE_PROJECT_ID", "FIREBASE_AUTH_DOMAIN"))
_EMULATORS = Section(
    "Firebase Configuration (Emulators)",
    (
        "FIREBASE_USE_EMULATOR",
        "FIREBASE_PROJECT_ID",
        "FIRESTORE_EMULATOR_HOST",
        "FIREBASE_AUTH_EMULATOR_HOST",
    ),
)

LAYOUTS: dict[Environment, tuple[Section, ...]] = {
    Environment.PRODUCTION: (
        Section("OpenAI Configuration", _OPENAI),
        Section("GCP Configuration", _GCP),
        Section("Neo4j Configuration (Production Cluster)", _NEO4J),
        _FIREBASE,
        _COSTS,
    ),
    Environment.STAGING: (
        Section("OpenAI Configuration", _OPENAI),
        Section("GCP Configuration", _GCP),
        Section("Neo4j Configuration (Staging Instance)", _NEO4J),
        _FIREBASE,
        _COSTS,
    ),
    Environment.DEVELOPMENT: (
        Section("OpenAI Configuration (Limited)", _OPENAI),
        Section("Local LLM Configuration (Preferred for Dev)", _LOCAL_LLM),
        Section("GCP Configuration", _GCP),
        Section("Neo4j Configuration (Local)", _NEO4J),
        _EMULATORS,
        _MOCKS,
        _COSTS,
    ),
    Environment.CI: (
        _MOCKS,
        Section("Minimal OpenAI (for integration tests only)", _OPENAI),
        Section("Local LLM Configuration", _LOCAL_LLM),
        Section("Test Database", _NEO4J),
        Section("Firebase Test Mode", _EMULATORS.names),
        _COSTS,
    ),
    Environment.LOCAL: (
        Section("OpenAI Configuration", _OPENAI),
        Section("Local LLM Configuration", _LOCAL_LLM),
        Section("GCP Configuration (Emulators)", _GCP),
        Section("Neo4j Configuration (Local)", _NEO4J),
        _EMULATORS,
        _MOCKS,
        _COSTS,
    ),
}
"""Every block that an environment's policy may hold has its place here; a test sees to it.

CI's file names no cloud project: strategy.md 3.2 keeps the cloud out of it."""
