# SPDX-License-Identifier: Apache-2.0
"""What an environment file says, from the policy alone; a secret is a reference to where it is.

Pure: reads no secret and no file. `layout.py` has the order, `sources.py` the secrets."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from twinguard.application import NEO4J_SECRET, OPENAI_SECRETS
from twinguard.env_files.layout import LAYOUTS, SUFFIXES
from twinguard.policy import Budget, Policy

__all__ = ["SECRET_NAMES", "Reference", "Value", "sections", "values"]

SECRET_NAMES = frozenset({"OPENAI_API_KEY", "NEO4J_PASSWORD"})
"""Never shown, not even where the value is known to everybody."""


class Reference(Struct, frozen=True):
    """A secret: its name in a shell, its id in Secret Manager, and which field of its JSON."""

    variable: str
    secret: str
    field: str = ""

    @property
    def text(self) -> str:
        """As it stands in a template."""
        return f"${{{self.variable}}}"


class Value(Struct, frozen=True):
    """A variable: its text from the policy, with the key it came from; or a reference."""

    name: str
    text: str
    at: str
    reference: Reference | None = None

    @property
    def is_secret(self) -> bool:
        """True where the value is never to be shown."""
        return self.reference is not None or self.name in SECRET_NAMES


def sections(policy: Policy) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    """The file's comments, each with the variables below it, in order."""
    known = {value.name: value for value in values(policy)}
    found = (
        (part.comment, tuple(known[name] for name in part.names if name in known))
        for part in LAYOUTS[policy.environment]
    )
    return tuple((comment, held) for comment, held in found if held)


def values(policy: Policy) -> Iterator[Value]:
    """Every variable that the policy gives a value, in no particular order."""
    for part in (_openai, _pretended, _places, _neo4j, _firebase, _costs):
        yield from part(policy)


def _openai(policy: Policy) -> Iterator[Value]:
    block = policy.openai
    if block is None:
        return
    own, shared = OPENAI_SECRETS
    kept, field = (own, "") if own in policy.secrets else (shared, own)
    name = "OPENAI_API_KEY"
    yield _secret(policy, name, f"{name}_{_suffix(policy)}", kept, field)
    yield Value("OPENAI_MODEL", block.model, "openai.model")
    yield Value("OPENAI_MAX_TOKENS", str(block.max_tokens), "openai.max_tokens")
    if block.temperature is not None:
        yield Value("OPENAI_TEMPERATURE", _number(block.temperature), "openai.temperature")
    limit = str(block.requests_per_minute)
    yield Value("OPENAI_RATE_LIMIT", limit, "openai.requests_per_minute")


def _pretended(policy: Policy) -> Iterator[Value]:
    if policy.local_llm is not None:
        yield Value("USE_LOCAL_LLM", "true", "local_llm")
        yield Value("LOCAL_LLM_ENDPOINT", policy.local_llm.endpoint, "local_llm.endpoint")
        yield Value("LOCAL_LLM_MODEL", policy.local_llm.model, "local_llm.model")
    if policy.mocks is not None:
        services, answers = policy.mocks.services, policy.mocks.llm_responses
        yield Value("USE_MOCK_SERVICES", _boolean(services), "mocks.services")
        yield Value("MOCK_LLM_RESPONSES", _boolean(answers), "mocks.llm_responses")


def _places(policy: Policy) -> Iterator[Value]:
    yield Value("GCP_PROJECT_ID", policy.project.id, "project.id")
    yield Value("GCP_REGION", policy.region, "region")
    if policy.application is not None:
        account = f"{policy.application.account}@{policy.project.id}.iam.gserviceaccount.com"
        yield Value("GCP_SERVICE_ACCOUNT", account, "application.account")


def _neo4j(policy: Policy) -> Iterator[Value]:
    block = policy.neo4j
    if block is None:
        return
    yield Value("NEO4J_URI", block.uri, "neo4j.uri")
    for field, text in (("user", block.user), ("password", block.password)):
        name = f"NEO4J_{field.upper()}"
        variable = f"NEO4J_{_suffix(policy)}_{field.upper()}"
        if text is None:
            yield _secret(policy, name, variable, NEO4J_SECRET, field)
        else:
            yield Value(name, text, f"neo4j.{field}")


def _firebase(policy: Policy) -> Iterator[Value]:
    if policy.firebase is not None:
        yield Value("FIREBASE_PROJECT_ID", policy.project.id, "project.id")
        yield Value("FIREBASE_AUTH_DOMAIN", f"{policy.project.id}.firebaseapp.com", "project.id")
    block = policy.emulators
    if block is None:
        return
    yield Value("FIREBASE_USE_EMULATOR", "true", "emulators")
    if block.project is not None:
        yield Value("FIREBASE_PROJECT_ID", block.project, "emulators.project")
    if block.firestore is not None:
        yield Value("FIRESTORE_EMULATOR_HOST", block.firestore, "emulators.firestore")
    if block.auth is not None:
        yield Value("FIREBASE_AUTH_EMULATOR_HOST", block.auth, "emulators.auth")


def _costs(policy: Policy) -> Iterator[Value]:
    budget = policy.budget
    if budget is not None and budget.amount is not None:
        yield Value("MAX_MONTHLY_COST", _number(budget.amount), "budget.amount")
        if warnings := _warnings(budget):
            yield Value("ALERT_THRESHOLDS", ",".join(warnings), "budget.thresholds")
    capped = budget is not None and budget.cap.enabled
    yield Value("ENABLE_COST_CAPS", _boolean(capped), "budget.cap.enabled")


def _warnings(budget: Budget) -> list[str]:
    """The steps on the way to the cap: the cap itself is `MAX_MONTHLY_COST`."""
    cap = budget.cap
    steps = (step.percent for step in budget.thresholds)
    return [_number(step) for step in steps if not cap.enabled or step < cap.percent]


def _secret(policy: Policy, name: str, variable: str, kept: str, field: str) -> Value:
    reference = Reference(variable, f"{policy.environment}-{kept}", field)
    return Value(name, reference.text, f"secrets.{kept}", reference)


def _suffix(policy: Policy) -> str:
    return SUFFIXES[policy.environment]


def _number(value: Decimal) -> str:
    """In plain digits, without zeros at the end: 5000, 0.7."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _boolean(value: bool) -> str:
    return "true" if value else "false"
