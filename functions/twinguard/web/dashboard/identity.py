# SPDX-License-Identifier: Apache-2.0
"""Say who asks: whoever is logged in on this machine, or whom Google's IAP vouches for.

IAP's assertion is verified here, signature and all: a header alone proves nothing."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from twinguard.errors import Unavailable

ASSERTION = "x-goog-iap-jwt-assertion"
KEYS = "https://www.gstatic.com/iap/verify/public_key"
ISSUER = "https://cloud.google.com/iap"
ALGORITHM = "ES256"
_LONGEST = 16_384
_SKEW = 30
_UNREADABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What google-auth raises for a token whose parts are not of the types it takes for granted."""


class Stranger(Exception):
    """Nobody vouches for who asks; the text says why and goes into the log, not the answer."""


class Person(Struct, frozen=True):
    """Who asks. `may_act` is false for those who may only read."""

    name: str
    may_act: bool


class Local(Struct, frozen=True):
    """This machine: whoever reaches the loopback address is who started the server."""

    login: str

    def person(self, headers: Mapping[str, str], now: dt.datetime) -> Person:  # noqa: ARG002 - as the other
        """The user who started the server."""
        return Person(self.login, may_act=True)


class Iap(Struct, frozen=True):
    """Identity-Aware Proxy in front: its signed assertion names the person.

    Without `actors` nobody may act; whoever IAP lets in may read."""

    audience: str
    actors: frozenset[str] = frozenset()
    keys_url: str = KEYS

    def person(self, headers: Mapping[str, str], now: dt.datetime) -> Person:
        """Whom a verified assertion names; Stranger without one."""
        token = headers.get(ASSERTION, "")
        if token.count(".") != 2 or len(token) > _LONGEST:  # noqa: PLR2004 - a JWT's dots
            raise Stranger("no assertion of IAP's")
        claims = self._verified(token, now)
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int | float) or not isinstance(expires, int | float):
            raise Stranger("the assertion has no validity")
        if not issued - _SKEW <= now.timestamp() <= expires + _SKEW:
            raise Stranger("the assertion is not valid at this time")
        if claims.get("iss") != ISSUER or claims.get("aud") != self.audience:
            raise Stranger("the assertion is of another issuer or for another audience")
        email = claims.get("email")
        if not isinstance(email, str) or not email:
            raise Stranger("the assertion names nobody")
        name = email.removeprefix("accounts.google.com:").lower()
        return Person(name, may_act=name in self.actors)

    def _verified(self, token: str, now: dt.datetime) -> Mapping[str, Any]:
        import google.auth.exceptions
        import google.auth.jwt

        try:
            header = google.auth.jwt.decode_header(token)  # type: ignore[no-untyped-call]
            if header.get("alg") != ALGORITHM:
                raise Stranger(f"the assertion is not signed with {ALGORITHM}")
            keys = _keys(self.keys_url, f"{now:%Y-%m-%dT%H}")
            if header.get("kid") not in keys:  # made after this hour's first look
                keys = _keys(self.keys_url, f"{now:%Y-%m-%dT%H:%M}")
            found: Mapping[str, Any] = google.auth.jwt.decode(  # type: ignore[no-untyped-call]
                token, certs=keys, audience=self.audience, clock_skew_in_seconds=_SKEW
            )
        except (*_UNREADABLE, google.auth.exceptions.GoogleAuthError) as err:
            raise Stranger(f"the assertion is wrong: {type(err).__name__}") from err
        return found


@functools.lru_cache(maxsize=4)
def _keys(url: str, age: str) -> Mapping[str, str]:  # noqa: ARG001 - ages the cache
    """IAP's public keys by id, fetched once an hour, and once a minute for an unknown id."""
    import requests

    try:
        response = requests.get(url, timeout=5)
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=dict[str, str])
    except (requests.RequestException, msgspec.MsgspecError) as err:
        raise Unavailable("IAP's public keys cannot be fetched; try again") from err
