# SPDX-License-Identifier: Apache-2.0
"""The blocks of a policy that say what the application is told, by its environment file.

Types and rules only: `make env` writes the file, `settings.py` reads it, secrets are elsewhere."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from twinguard.blocks import Block, refuse
from twinguard.words import Environment

__all__ = ["Emulators", "EnvFile", "LocalLlm", "Mocks", "Neo4j", "OpenAI", "agree"]

OPENAI_SECRETS = ("openai-api-key", "test-api-keys")
"""Where the OpenAI key is: by itself, or in CI among the keys of the tests."""

NEO4J_SECRET = "neo4j-credentials"  # noqa: S105 - the name of a secret

SERVING = frozenset({Environment.PRODUCTION, Environment.STAGING})
"""Where people are served: with the real thing."""

ENCRYPTED = ("neo4j+s://", "bolt+s://")
_HOTTEST = 2
_HOST = "[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_NEARBY = r"[a-z0-9+]+://([A-Za-z0-9-]+|127\.0\.0\.1)(:[0-9]+)?"
"""A host without a dot is this machine, or a container beside the tests."""

Text = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$")]
"""What every reader of an environment file reads alike, without quotes."""
HostPort = Annotated[str, Meta(pattern=f"^{_HOST}:[0-9]{{1,5}}$")]


class OpenAI(Block, frozen=True, kw_only=True):
    """The environment's share of OpenAI (strategy.md 2.1): how it is used, and its limits there."""

    model: Annotated[Text, Meta(description="Model to ask.")]
    max_tokens: Annotated[int, Meta(ge=1, le=1_000_000, description="Of one answer.")]
    temperature: Annotated[
        Decimal | None, Meta(description="Left out of the file where there is none.")
    ] = None
    requests_per_minute: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Of the environment, here and at OpenAI.")
    ]
    monthly_budget: Annotated[Decimal, Meta(description="USD a month, at OpenAI.")]
    project: Annotated[
        Annotated[str, Meta(pattern="^proj_[A-Za-z0-9_-]+$")] | None,
        Meta(description="OpenAI's id of the environment's project."),
    ] = None
    scopes: Annotated[
        tuple[Annotated[str, Meta(pattern="^[a-z][a-z0-9_.:-]{1,99}$")], ...],
        Meta(description="What a new key may do, as api.model.request; empty: all of a project's."),
    ] = ()
    key_days: Annotated[
        Annotated[int, Meta(ge=1, le=365)] | None,
        Meta(description="A new key ends by itself after so long, even if nobody rotates it."),
    ] = None

    def __post_init__(self) -> None:
        refuse(self.monthly_budget <= 0, "openai.monthly_budget must be above zero; correct it")
        refuse(
            self.temperature is not None and not 0 <= self.temperature <= _HOTTEST,
            f"openai.temperature must be from 0 to {_HOTTEST}; correct it",
        )


class Neo4j(Block, frozen=True, kw_only=True):
    """The graph database. Its user and password are in `secrets.neo4j-credentials`."""

    uri: Annotated[
        str,
        Meta(
            pattern=f"^(neo4j|bolt)(\\+s|\\+ssc)?://{_HOST}(:[0-9]{{1,5}})?$",
            description="Its address; encrypted in production.",
        ),
    ]
    user: Annotated[Text | None, Meta(description="Only together with `password`.")] = None
    password: Annotated[
        Text | None, Meta(description="Never a secret: only of a database nearby, for tests.")
    ] = None

    def __post_init__(self) -> None:
        refuse(
            (self.user is None) != (self.password is None),
            "neo4j: needs user and password together; without both, secrets.neo4j-credentials is "
            "read",
        )
        refuse(
            self.password is not None and not re.fullmatch(_NEARBY, self.uri),
            "neo4j.password: a policy holds no secrets, and other machines can reach this "
            "database; remove user and password, and put them into secrets.neo4j-credentials",
        )


class LocalLlm(Block, frozen=True, kw_only=True):
    """A model on the developer's machine: Ollama, or LM Studio at http://localhost:1234/v1."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=f"^https?://{_HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._-]+)*$",
            description="Its address.",
        ),
    ]
    model: Annotated[Text, Meta(description="Its name there.")]


class Emulators(Block, frozen=True, kw_only=True):
    """Firebase's emulators instead of Firebase (strategy.md 2.3)."""

    project: Annotated[
        Annotated[str, Meta(pattern="^demo-[a-z0-9-]{1,24}[a-z0-9]$")] | None,
        Meta(description="The prefix demo- keeps the emulators from calling the cloud."),
    ] = None
    firestore: Annotated[
        HostPort | None, Meta(description="host:port of the Firestore emulator.")
    ] = None
    auth: Annotated[
        HostPort | None, Meta(description="host:port of the Authentication emulator.")
    ] = None


class Mocks(Block, frozen=True, kw_only=True):
    """What answers from a script instead of a service (strategy.md 6.2)."""

    services: Annotated[bool, Meta(description="Services answer from a script.")] = False
    llm_responses: Annotated[bool, Meta(description="Models answer from a script.")] = False


class EnvFile(Block, frozen=True, kw_only=True):
    """Who can read an encrypted environment file; without it, `.sops.yaml` says so."""

    age: Annotated[
        tuple[Annotated[str, Meta(pattern="^age1[a-z0-9]{20,}$")], ...],
        Meta(description="Public keys of age, which need no network."),
    ] = ()
    kms: Annotated[
        Annotated[
            str,
            Meta(
                pattern="^projects/[a-z0-9-]+/locations/[a-z0-9-]+/keyRings/[A-Za-z0-9_-]+"
                "/cryptoKeys/[A-Za-z0-9_-]+$"
            ),
        ]
        | None,
        Meta(description="A key of Cloud KMS."),
    ] = None

    def __post_init__(self) -> None:
        refuse(
            not self.age and self.kms is None,
            "env_file: needs age or kms, or nobody could read the file; write one, or remove it",
        )


SPARED = 8
"""Days that a rotation may take: an overlap of one, and a week of grace for a key in use."""


def agree(
    environment: Environment,
    secrets: Mapping[str, int],
    openai: OpenAI | None,
    neo4j: Neo4j | None,
    pretended: Mapping[str, Block | None],
) -> None:
    """Refuse what does not fit the environment, and what nobody keeps the credentials of.

    `secrets` are the days after which each is rotated."""
    refuse(
        openai is not None and not set(OPENAI_SECRETS) & set(secrets),
        "openai: its key is in no secret; add secrets.openai-api-key (in ci test-api-keys)",
    )
    longest = max((days for name, days in secrets.items() if name in OPENAI_SECRETS), default=0)
    refuse(
        openai is not None and openai.key_days is not None and openai.key_days < longest + SPARED,
        f"openai.key_days: a key would end before it is rotated; write {longest + SPARED} or more",
    )
    refuse(
        neo4j is not None and neo4j.user is None and NEO4J_SECRET not in secrets,
        "neo4j: its user and password are in no secret; add secrets.neo4j-credentials",
    )
    refuse(
        environment is Environment.PRODUCTION
        and neo4j is not None
        and not neo4j.uri.startswith(ENCRYPTED),
        "neo4j.uri: production's data must travel encrypted; write neo4j+s:// or bolt+s://",
    )
    wrong = sorted(name for name, block in pretended.items() if block is not None)
    refuse(
        environment in SERVING and bool(wrong),
        f"{', '.join(wrong)}: {environment} serves people, with the real thing; remove it",
    )
