# SPDX-License-Identifier: Apache-2.0
"""Under which names the dashboard answers, and to whom; refuses to start where a door is open.

On this machine: loopback only. In the cloud: behind IAP, whose assertion is verified."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping

from msgspec import Struct

from twinguard.errors import Misconfigured
from twinguard.web.dashboard.identity import KEYS, Iap, Local

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SHORTEST = 32
_EXAMPLE = "/projects/123456789/locations/europe-west1/services/twinguard-dashboard"


class Site(Struct, frozen=True):
    """One dashboard. `secret` signs the tokens of its forms."""

    hosts: frozenset[str]
    identity: Local | Iap
    secret: bytes

    @property
    def is_public(self) -> bool:
        """True where it is reached over HTTPS, through IAP."""
        return isinstance(self.identity, Iap)

    @property
    def cookie(self) -> str:
        """The session's name: with the prefix that only HTTPS may set, where there is HTTPS."""
        return "__Host-twinguard" if self.is_public else "twinguard"

    def token(self, session: str, name: str) -> str:
        """What a form of this session and person carries."""
        said = f"{session}\n{name}".encode()
        return hmac.new(self.secret, said, hashlib.sha256).hexdigest()

    def answers_to(self, host: str) -> bool:
        """True for a `Host` header that names us, with any port on this machine."""
        name = host.lower()
        if not self.is_public:
            head, colon, port = name.rpartition(":")
            name = head if colon and port.isdigit() else name
        return name in self.hosts


def site_from(env: Mapping[str, str], login: str) -> Site:
    """The site that the settings name; Misconfigured where anybody could come in."""
    audience = env.get("TWINGUARD_IAP_AUDIENCE", "")
    if not audience:
        if "K_SERVICE" in env:
            raise Misconfigured(
                "TWINGUARD_IAP_AUDIENCE is missing: in the cloud the dashboard answers only to "
                f"whom IAP vouches for; set it, for example to {_EXAMPLE}"
            )
        return Site(LOOPBACK, Local(login), secrets.token_bytes(_SHORTEST))
    hosts = _listed(env.get("TWINGUARD_DASHBOARD_HOSTS", ""))
    if not hosts:
        raise Misconfigured(
            "TWINGUARD_DASHBOARD_HOSTS is missing; set it to the names the dashboard is reached "
            "under, as dashboard.example.com"
        )
    secret = env.get("TWINGUARD_DASHBOARD_SECRET", "")
    if len(secret) < _SHORTEST:
        raise Misconfigured(
            f"TWINGUARD_DASHBOARD_SECRET has fewer than {_SHORTEST} characters; set it to a random "
            "text, the same for all instances: openssl rand -hex 32"
        )
    keys_url = env.get("TWINGUARD_IAP_KEYS_URL", KEYS)
    if keys_url != KEYS and not (
        keys_url.startswith("http://127.0.0.1:") and "K_SERVICE" not in env
    ):
        raise Misconfigured(
            f"TWINGUARD_IAP_KEYS_URL is {keys_url!r}; leave it out for Google's keys, or write "
            "http://127.0.0.1:PORT/… on a machine of your own"
        )
    actors = _listed(env.get("TWINGUARD_DASHBOARD_ACTORS", ""))
    return Site(hosts, Iap(audience, actors, keys_url), secret.encode())


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip().lower() for part in text.split(",") if part.strip())
