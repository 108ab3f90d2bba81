# SPDX-License-Identifier: Apache-2.0
"""The policy's block about the gateway: which models are served, by whom, how fast, how long.

Types and rules only. What an environment may spend on models is in `openai`."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
import ipaddress
from collections.abc import Set as AbstractSet
from typing import Annotated, Literal

from msgspec import Meta

from twinguard.blocks import Block, refuse

__all__ = [
    "AUTO",
    "LOCAL",
    "MOCK",
    "OPENAI",
    "PEPPER_SECRET",
    "Gateway",
    "Provider",
    "ResponseCache",
    "ServedModel",
    "Service",
]

AUTO = "auto"
"""The model that a request names to have one chosen."""

OPENAI, LOCAL, MOCK = "openai", "local", "mock"
"""Providers that need no entry: OpenAI itself, `local_llm`, and `mocks.llm_responses`."""

OPENAI_SECRET, PEPPER_SECRET = "openai-api-key", "key-pepper"
"""Secrets that a deployed gateway reads: OpenAI's key, what customers' keys are digested with."""

APPLICATION = "application"

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
ModelName = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$")]
Network = Annotated[str, Meta(pattern="^[0-9a-fA-F.:]{2,45}/[0-9]{1,3}$")]
Quality = Annotated[int, Meta(ge=0, le=100)]


class Provider(Block, frozen=True, kw_only=True):
    """Who else answers like OpenAI, and the secret with its key."""

    endpoint: Annotated[
        str,
        Meta(
            pattern="^https?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)*$",
            description="Address of its API, as https://api.example.com/v1.",
        ),
    ]
    secret: Annotated[
        Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{1,61}[a-z0-9]$")] | None,
        Meta(description="Of `secrets`; without one, no key is sent."),
    ] = None
    prices: Annotated[Name | None, Meta(description="Whose prices count; its own by default.")] = (
        None
    )


class ServedModel(Block, frozen=True, kw_only=True):
    """A model that may be asked for."""

    provider: Annotated[Name, Meta(description="Who answers; `openai`, or one of `providers`.")] = (
        OPENAI
    )
    quality: Annotated[Quality, Meta(description="How good it is, as you judge it.")] = 50
    embeddings: Annotated[bool, Meta(description="It makes embeddings, not answers.")] = False
    fallbacks: Annotated[
        tuple[ModelName, ...], Meta(description="What answers instead, while this one does not.")
    ] = ()


class ResponseCache(Block, frozen=True, kw_only=True):
    """Answers that are given again to the same tenant's same question."""

    seconds: Annotated[int, Meta(ge=0, le=2_592_000, description="0: never.")] = 3600
    megabytes: Annotated[int, Meta(ge=1, le=4096, description="In memory, each process.")] = 64


Invoker = Annotated[
    str,
    Meta(
        pattern="^(application|allUsers|(serviceAccount|group|user):[^@ ]+@[^@ ]+[.][a-z]+)$",
        description="`application`, a member like group:a@b.com, or `allUsers`.",
    ),
]


class Service(Block, frozen=True, kw_only=True):
    """The gateway as a Cloud Run service, which night and cap hold like any other of `services`."""

    name: Annotated[
        str, Meta(pattern="^[a-z][a-z0-9-]{1,61}[a-z0-9]$", description="It stands in `services`.")
    ]
    image: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9][a-z0-9.-]*(/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$",
            description="By its digest, as the build prints it.",
        ),
    ]
    ingress: Annotated[
        Literal["internal", "load-balancer", "all"], Meta(description="From where it is reached.")
    ] = "internal"
    minimum: Annotated[
        int, Meta(ge=0, le=100, description="Instances it is made with; then night and cap rule.")
    ] = 0
    maximum: Annotated[int, Meta(ge=1, le=1000, description="Never more than that.")] = 3
    concurrency: Annotated[int, Meta(ge=1, le=1000, description="Calls at once, an instance.")] = 80
    invokers: Annotated[
        tuple[Invoker, ...], Meta(description="Who may call it; customers' keys come on top.")
    ] = (APPLICATION,)

    def __post_init__(self) -> None:
        refuse(
            self.minimum > self.maximum,
            "gateway.service.minimum is above its maximum; lower it",
        )

    def agree(
        self, services: AbstractSet[str], *, has_counters: bool, has_application: bool
    ) -> None:
        """Refuse what the rest of the policy does not bear out; `services` are its region's."""
        refuse(
            self.name not in services,
            f"gateway.service.name: {self.name} is not in services, or in another region; add it "
            "there: night and cap go by it",
        )
        refuse(
            not has_counters,
            "counters is missing; instances of gateway.service count money together: add it",
        )
        refuse(
            APPLICATION in self.invokers and not has_application,
            "application is missing; gateway.service.invokers speaks of it: add it, or name others",
        )


class Gateway(Block, frozen=True, kw_only=True):
    """How models are served (strategy.md 2.1, 6.4). Its requests a minute are OpenAI's."""

    tokens_per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | None,
        Meta(description="Of all callers together; no limit without it."),
    ] = None
    seconds: Annotated[int, Meta(ge=1, le=3600, description="That an answer may take.")] = 300
    lease_margin_seconds: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="After the longest answer, until what a killed process held is free again.",
        ),
    ] = 30
    retries: Annotated[
        int, Meta(ge=0, le=5, description="At one model, before the next is asked.")
    ] = 2
    body_kilobytes: Annotated[int, Meta(ge=1, le=65_536, description="Longest request.")] = 4096
    gather_milliseconds: Annotated[
        int, Meta(ge=0, le=100, description="Single embeddings wait so long for others; 0: never.")
    ] = 3
    guarded_networks: Annotated[
        tuple[Network, ...],
        Meta(
            description="Of applications behind SecurityMiddleware: what they pass on with a "
            "customer's key was counted and reported there."
        ),
    ] = ()
    cache: ResponseCache = ResponseCache()
    providers: Annotated[dict[Name, Provider], Meta(description="Besides OpenAI, by name.")] = {}
    models: Annotated[
        dict[ModelName, ServedModel],
        Meta(description="What may be asked for; without any, `openai.model` alone."),
    ] = {}
    tasks: Annotated[
        dict[Name, Quality], Meta(description="Quality that a class of tasks needs, for `auto`.")
    ] = {}
    service: Annotated[
        Service | None, Meta(description="Deployed by Terraform; without it, by somebody else.")
    ] = None

    @property
    def lease_seconds(self) -> int:
        """For how long money is held for an attempt, unless it is settled or released before."""
        return self.seconds + self.lease_margin_seconds

    def __post_init__(self) -> None:
        for network in self.guarded_networks:
            refuse(
                not _is_network(network),
                f"gateway.guarded_networks: {network} is no range of addresses; write it like "
                "10.8.0.0/28",
            )
        taken = sorted({OPENAI, LOCAL, MOCK} & set(self.providers))
        refuse(
            bool(taken),
            f"gateway.providers.{', '.join(taken)} is there already; choose another name",
        )
        for name, model in self.models.items():
            at = f"gateway.models.{name}"
            refuse(name == AUTO, f"{at}: this name has one chosen; choose another")
            refuse(
                model.provider not in {OPENAI, *self.providers},
                f"{at}.provider: {model.provider} is not in gateway.providers; add it there",
            )
            unknown = sorted(set(model.fallbacks) - set(self.models))
            refuse(
                bool(unknown),
                f"{at}.fallbacks: {', '.join(unknown)} is not in gateway.models; add it there",
            )
            refuse(
                any(self.models[other].embeddings for other in model.fallbacks)
                or (model.embeddings and bool(model.fallbacks)),
                f"{at}.fallbacks: embeddings of two models do not go together; remove them",
            )
        best = max((m.quality for m in self.models.values() if not m.embeddings), default=100)
        for name, floor in self.tasks.items():
            refuse(
                bool(self.models) and floor > best,
                f"gateway.tasks.{name}: no model has a quality of {floor}; the best has {best}",
            )

    def agree(self, kept: AbstractSet[str]) -> None:
        """Refuse a provider whose key is in no secret of the policy."""
        wanted = {one.secret for one in self.providers.values() if one.secret is not None}
        unknown = sorted(wanted - kept)
        refuse(
            bool(unknown),
            f"gateway.providers: the secret {', '.join(unknown)} is not in secrets; add it there",
        )

    def secrets(self, kept: AbstractSet[str]) -> dict[str, str]:
        """The secret with each provider's key; OpenAI's only where the policy keeps it."""
        found = {OPENAI: OPENAI_SECRET} if OPENAI_SECRET in kept else {}
        return found | {
            name: one.secret for name, one in self.providers.items() if one.secret is not None
        }


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
