# SPDX-License-Identifier: Apache-2.0
"""What the application is told, read from its environment or from one of `.env/.env.*`.

A name that is missing, unknown or of the wrong type is refused; a secret never shows itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta, Struct

from twinguard import plain
from twinguard.env_files import files, sealed, text
from twinguard.errors import Misconfigured
from twinguard.readers import ready
from twinguard.secret_text import SecretText

__all__ = ["Settings"]

SECRETS = frozenset({"OPENAI_API_KEY", "NEO4J_PASSWORD"})
LISTS = frozenset({"ALERT_THRESHOLDS"})
TOGETHER = (
    ("OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_MAX_TOKENS", "OPENAI_RATE_LIMIT"),
    ("USE_LOCAL_LLM", "LOCAL_LLM_ENDPOINT", "LOCAL_LLM_MODEL"),
    ("GCP_PROJECT_ID", "GCP_REGION"),
    ("NEO4J_URI", "NEO4J_USER", "NEO4J_PASSWORD"),
)
"""Who has one of them needs all of them."""

_WORDS = {"bool": "true or false", "int": "a whole number", "decimal": "a number in plain digits"}
_AT = re.compile(r"Expected `(\w+)(?: \| \w+)*`(?:, got `\w+`)?( [<>]=? \d+)?.* at `\$\.(\w+)")

Positive = Annotated[int, Meta(ge=1)]


class Settings(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename=str.upper,
):
    """One field for each variable; None, false or empty where the environment has no such thing."""

    openai_api_key: SecretText | None = None
    openai_model: str | None = None
    openai_max_tokens: Positive | None = None
    openai_temperature: Decimal | None = None
    openai_rate_limit: Positive | None = None
    use_local_llm: bool = False
    local_llm_endpoint: str | None = None
    local_llm_model: str | None = None
    gcp_project_id: str | None = None
    gcp_region: str | None = None
    gcp_service_account: str | None = None
    neo4j_uri: str | None = None
    neo4j_user: str | None = None
    neo4j_password: SecretText | None = None
    firebase_use_emulator: bool = False
    firebase_project_id: str | None = None
    firebase_auth_domain: str | None = None
    firestore_emulator_host: str | None = None
    firebase_auth_emulator_host: str | None = None
    use_mock_services: bool = False
    mock_llm_responses: bool = False
    max_monthly_cost: Decimal | None = None
    alert_thresholds: tuple[Decimal, ...] = ()
    enable_cost_caps: bool

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """The settings in a process's variables; others than ours are left alone."""
        own = {name: environ[name] for name in cls.names() if name in environ}
        return cls._of(own, "the environment")

    @classmethod
    def from_file(cls, path: Path, environ: Mapping[str, str]) -> Self:
        """The settings in a file; what it refers to as `${NAME}` is looked up in `environ`.

        An encrypted one is opened by sops, with the key that `environ` leads to."""
        stored = files.read(path)
        if stored is None:
            raise Misconfigured(f"{path}: does not exist; write it: make env ENV=…")
        data = stored.data
        if sealed.is_sealed(data):
            data = sealed.decrypt(data, path.absolute(), environ)
        found = {line.name: line.value for line in text.parse(data, str(path))}
        for name, value in found.items():
            if wanted := text.is_reference(value):
                if not environ.get(wanted):
                    raise Misconfigured(f"{path}: {name} needs {wanted}, which is not set")
                found[name] = environ[wanted]
        return cls._of(found, str(path))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Every variable that there is."""
        return tuple(cls.__struct_encode_fields__)

    @classmethod
    def _of(cls, found: Mapping[str, str], source: str) -> Self:
        for name in found:
            if name not in cls.names():
                close = difflib.get_close_matches(name, cls.names(), n=1)
                hint = f"did you mean {close[0]}? Otherwise " if close else ""
                raise Misconfigured(f"{source}: {name} is not known; {hint}remove it")
        _check_whole(found, source)
        try:
            raw = {name: _raw(name, value) for name, value in found.items()}
            return msgspec.convert(raw, cls, strict=False)
        except msgspec.ValidationError as err:
            raise Misconfigured(f"{source}: {_worded(str(err))}") from None


def _check_whole(found: Mapping[str, str], source: str) -> None:
    """Refuse an empty value, and a part where the whole is needed."""
    groups = [*TOGETHER, ("ENABLE_COST_CAPS",)]
    if found.get("ENABLE_COST_CAPS") == "true":
        groups.append(("ENABLE_COST_CAPS", "MAX_MONTHLY_COST"))
    for group in groups:
        present = [name for name in group if name in found]
        missing = [name for name in group if name not in found]
        if missing and (present or len(group) == 1):
            because = f"; {present[0]} needs it" if present else ""
            raise Misconfigured(f"{source}: {missing[0]} is missing{because}")
    for name, value in found.items():
        if not value:
            raise Misconfigured(f"{source}: {name} is empty; give it a value, or remove it")


def _raw(name: str, value: str) -> object:
    """The value as msgspec takes it; exact numbers in plain digits only."""
    if name in SECRETS:
        return SecretText(value)
    try:
        if name in LISTS:
            return [Decimal(plain.number(item)) for item in value.split(",")]
        if name in {"OPENAI_TEMPERATURE", "MAX_MONTHLY_COST"}:
            return Decimal(plain.number(value))
    except ValueError:
        raise msgspec.ValidationError(f"Expected `decimal` at `$.{name}`") from None
    return value


def _worded(refusal: str) -> str:
    parts = _AT.search(refusal)
    if parts is None:
        return refusal
    wanted, limit, name = parts.groups()
    return f"{name} is not {_WORDS.get(wanted, wanted)}{limit or ''}; correct it"


ready(Settings)
