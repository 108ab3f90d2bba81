# SPDX-License-Identifier: Apache-2.0
"""The block of a policy that says how API keys are guarded against theft (strategy.md 12).

Types and rules only. Every default is strategy.md's."""

# Annotations are values here, not texts: msgspec would compile each of them as a function starts.
import enum
from typing import Annotated

from msgspec import Meta

from twinguard.blocks import Block, refuse

__all__ = ["OnFailure", "Responses", "Security", "Treatment"]

Path = Annotated[str, Meta(pattern="^/[A-Za-z0-9._~/-]*$")]
Header = Annotated[str, Meta(pattern="^[A-Za-z0-9-]{1,60}$")]


class OnFailure(enum.StrEnum):
    """What becomes of requests while the store of the counters does not answer."""

    OPEN = "open"
    CLOSED = "closed"


class Treatment(Block, frozen=True, kw_only=True):
    """What happens to a key that was found at a level."""

    block: Annotated[bool, Meta(description="It is refused with 403 everywhere.")] = False
    per_minute: Annotated[
        Annotated[int, Meta(ge=1, le=100_000)] | None,
        Meta(description="Throttled to so many requests a minute."),
    ] = None
    hours: Annotated[
        Annotated[int, Meta(ge=1, le=8784)] | None,
        Meta(description="So long; without it until a person lifts it."),
    ] = None
    rotate: Annotated[bool, Meta(description="The key is replaced.")] = False

    def __post_init__(self) -> None:
        refuse(
            self.block and self.per_minute is not None,
            "security.responses: a blocked key is not throttled; write block or per_minute",
        )
        refuse(
            self.hours is not None and not self.block and self.per_minute is None,
            "security.responses: hours of what? write block or per_minute, or remove hours",
        )


class Responses(Block, frozen=True, kw_only=True):
    """What happens to a key, by level (strategy.md 12.1)."""

    critical: Treatment = Treatment(block=True)
    high: Treatment = Treatment(per_minute=10, hours=24, rotate=True)
    medium: Treatment = Treatment(per_minute=10, hours=1)
    low: Treatment = Treatment()


class Security(Block, frozen=True, kw_only=True):
    """How requests are guarded."""

    on_failure: Annotated[
        OnFailure, Meta(description="While the counters do not answer; known blocks hold anyhow.")
    ] = OnFailure.OPEN
    closed_paths: Annotated[
        tuple[Path, ...], Meta(description="Paths that are refused then, as what costs money.")
    ] = ()
    timeout_ms: Annotated[
        int, Meta(ge=5, le=5000, description="How long a request waits for the counters.")
    ] = 100
    proxies: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="Addresses at the end of X-Forwarded-For that our own side wrote: 1 on "
            "Cloud Run, 2 behind a load balancer, 0 without any.",
        ),
    ] = 1
    region_header: Annotated[
        Header | None,
        Meta(description="Where the load balancer writes the client's country, and strips others."),
    ] = None
    exempt_paths: Annotated[tuple[Path, ...], Meta(description="Never looked at.")] = (
        "/healthz",
        "/readyz",
    )
    quiet_hours: Annotated[
        int, Meta(ge=1, le=720, description="An incident ends after so long without a finding.")
    ] = 24
    responses: Responses = Responses()

    def closes(self, path: str) -> bool:
        """True where a request to this path is refused while nobody can tell."""
        return self.on_failure is OnFailure.CLOSED or any(
            path == closed or path.startswith(closed.rstrip("/") + "/")
            for closed in self.closed_paths
        )
