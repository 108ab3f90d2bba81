# SPDX-License-Identifier: Apache-2.0
"""Who answers: addresses, the keys that open them, and how each wants to be asked.

A key is read when it is needed, goes into one header, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from twinguard.decide.llm_requests import Asked
from twinguard.errors import Misconfigured
from twinguard.llm.breaker import Breaker
from twinguard.llm.upstream import Answer, Upstream
from twinguard.policy import LOCAL, MOCK, OPENAI, Policy
from twinguard.secret_text import SecretText

__all__ = ["Provider", "Providers", "Sender"]

OPENAI_ADDRESS: Final = "https://api.openai.com/v1"

Key = Callable[[], "SecretText | None"]


class Sender(Protocol):
    """A way to a provider."""

    async def send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], group: str = ""
    ) -> Answer:
        """The beginning of the answer. Requests of one `group` may be asked together."""

    def close(self) -> None:
        """Drop what is kept open."""


class Provider:
    """One provider: the way to it, its key, its health."""

    def __init__(
        self, name: str, sender: Sender, key: Key, *, limit: str, retries: bool = True
    ) -> None:
        self.name, self.sender = name, sender
        self.breaker = Breaker()
        self.limit = limit
        """The field that bounds a chat's answer."""
        self.retries = retries
        self._key = key

    def __repr__(self) -> str:
        return f"Provider({self.name})"

    def headers(self, asked: Asked, request_id: str) -> dict[str, str]:
        """What goes with a request; Unavailable where its key cannot be read."""
        kind = "text/event-stream" if asked.stream else "application/json"
        told = {
            "Content-Type": "application/json",
            "Accept": kind,
            "Accept-Encoding": "identity",
            "User-Agent": "twinguard-gateway",
            "X-Client-Request-Id": request_id,
        }
        if (key := self._key()) is not None:
            told["Authorization"] = f"Bearer {key.reveal()}"
        return told

    async def send(
        self, asked: Asked, body: bytes, headers: Mapping[str, str], group: str
    ) -> Answer:
        """Ask it."""
        path = asked.endpoint.value.removeprefix("/v1")
        return await self.sender.send("POST", path, body, headers, group)


def _straight(sender: Sender) -> Sender:
    return sender


class Providers:
    """Everybody whom the policy names."""

    def __init__(
        self,
        policy: Policy,
        key_of: Callable[[str], SecretText | None],
        *,
        openai: str = "",
        mock: Sender | None = None,
        through: Callable[[Sender], Sender] = _straight,
    ) -> None:
        def nobody() -> None:
            return None

        address, bound = openai or OPENAI_ADDRESS, "max_completion_tokens"
        real = Provider(OPENAI, through(Upstream(address)), _reader(key_of, OPENAI), limit=bound)
        self._all = {OPENAI: real}
        if policy.local_llm is not None:
            base = policy.local_llm.endpoint.rstrip("/")
            base = base if base.endswith("/v1") else f"{base}/v1"
            near = through(Upstream(base, connect_seconds=0.5))
            self._all[LOCAL] = Provider(LOCAL, near, nobody, limit="max_tokens", retries=False)
        if mock is not None:
            self._all[MOCK] = Provider(MOCK, mock, nobody, limit="max_tokens", retries=False)
        for name, block in policy.gateway.providers.items() if policy.gateway else ():
            key = nobody if block.secret is None else _reader(key_of, name)
            sender = through(Upstream(block.endpoint))
            self._all[name] = Provider(name, sender, key, limit="max_tokens")

    def named(self, name: str) -> Provider:
        """The provider of that name."""
        try:
            return self._all[name]
        except KeyError:
            raise Misconfigured(
                f"there is no provider {name!r}; add it to gateway.providers"
            ) from None

    def close(self) -> None:
        """Drop all connections that are not in use."""
        for provider in self._all.values():
            provider.sender.close()


def _reader(key_of: Callable[[str], SecretText | None], name: str) -> Key:
    return lambda: key_of(name)
