# SPDX-License-Identifier: Apache-2.0
"""Decide who may call an entry point: only the push subscriptions' own service account.

Messages are unsigned, so the caller's identity token is all that keeps a forged one out. `iam` is
for Cloud Run with IAM in front (it checks the signature and removes it), `token` checks it here."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import enum
import functools
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from twinguard.errors import Misconfigured, Unavailable

_ISSUERS = {"https://accounts.google.com", "accounts.google.com"}
_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
_REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"
_SKEW = dt.timedelta(seconds=60)
_UNREADABLE = (AttributeError, KeyError, RecursionError, TypeError, ValueError)
"""What google-auth raises for a token whose parts are not of the types it takes for granted."""


class Forged(Exception):
    """The caller is not who may call; the text says why and goes into the log, not the answer."""


class Check(enum.StrEnum):
    """How callers are checked (`TWINGUARD_PUSH_AUTH`)."""

    IAM = "iam"
    TOKEN = "token"  # noqa: S105 - the name of a mode
    NONE = "none"


class Callers(Struct, frozen=True):
    """Whose tokens are accepted."""

    check: Check
    account: str = ""
    audience: str = ""
    certs_url: str = ""

    def require(self, headers: Mapping[str, str], now: dt.datetime) -> None:
        """Return if the request comes from the expected account; else Forged."""
        if self.check is Check.NONE:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token.count(".") != 2:  # noqa: PLR2004 - a JWT's dots
            raise Forged("no identity token")
        signed = not token.endswith(f".{_REMOVED}")
        if self.check is Check.TOKEN:
            if not signed:
                raise Forged("the token's signature is missing")
            self._verify_signature(token, now)
        self._verify_claims(_claims(token), now)

    def _verify_claims(self, claims: Mapping[str, Any], now: dt.datetime) -> None:
        expires, issued = claims.get("exp"), claims.get("iat")
        if not isinstance(expires, int | float) or not isinstance(issued, int | float):
            raise Forged("the token has no validity")
        if not issued - _SKEW.seconds <= now.timestamp() <= expires + _SKEW.seconds:
            raise Forged("the token is not valid at this time")
        if claims.get("iss") not in _ISSUERS:
            raise Forged("the token was issued by somebody else")
        if claims.get("aud") != self.audience:
            raise Forged("the token is meant for another audience")
        if claims.get("email") != self.account or claims.get("email_verified") is not True:
            raise Forged("the token belongs to another account")

    def _verify_signature(self, token: str, now: dt.datetime) -> None:
        import google.auth.exceptions
        import google.auth.jwt

        certs = _certificates(self.certs_url, f"{now:%Y-%m-%dT%H}")
        try:
            google.auth.jwt.decode(token, certs=certs, audience=self.audience)  # type: ignore[no-untyped-call]
        except (*_UNREADABLE, google.auth.exceptions.GoogleAuthError) as err:
            raise Forged(f"the token's signature is wrong: {err}") from err


@functools.lru_cache(maxsize=2)
def _certificates(url: str, hour: str) -> Mapping[str, str]:  # noqa: ARG001 - ages the cache
    """Google's signing certificates by key id, fetched at most once an hour."""
    import requests

    try:
        response = requests.get(url, timeout=5)
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=dict[str, str])
    except (requests.RequestException, msgspec.MsgspecError) as err:
        raise Unavailable("Google's signing certificates cannot be fetched; try again") from err


def callers_from(env: Mapping[str, str]) -> Callers:
    """Who may call, from the settings; Misconfigured where that would leave a door open."""
    in_cloud = "K_SERVICE" in env
    named = env.get("TWINGUARD_PUSH_AUTH", "" if in_cloud else "none")
    if named not in set(Check) or (in_cloud and named == Check.NONE):
        allowed = "iam or token" if in_cloud else "iam, token or none"
        raise Misconfigured(f"TWINGUARD_PUSH_AUTH is {named!r}; set it to {allowed}")
    check = Check(named)
    if check is Check.NONE:
        return Callers(check)
    missing = [n for n in ("TWINGUARD_PUSH_ACCOUNT", "TWINGUARD_PUSH_AUDIENCE") if not env.get(n)]
    if missing:
        raise Misconfigured(f"TWINGUARD_PUSH_AUTH={named} needs {' and '.join(missing)}; set them")
    certs_url = env.get("TWINGUARD_PUSH_CERTS_URL", _CERTIFICATES)
    if not certs_url.startswith((_CERTIFICATES, "http://127.0.0.1:")):
        raise Misconfigured(
            f"TWINGUARD_PUSH_CERTS_URL is {certs_url!r}; leave it out for Google's certificates, "
            "or write http://127.0.0.1:PORT/… for your own on this machine"
        )
    account, audience = env["TWINGUARD_PUSH_ACCOUNT"], env["TWINGUARD_PUSH_AUDIENCE"]
    return Callers(check, account, audience, certs_url)


def _claims(token: str) -> Mapping[str, Any]:
    payload = token.split(".")[1]
    try:
        raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as err:
        raise Forged("the token cannot be read") from err
