# SPDX-License-Identifier: Apache-2.0
"""Tokens of the service account as a password for Memorystore, renewed before they end."""

from __future__ import annotations

import asyncio
import functools
import threading
from typing import Any, Final

from twinguard.errors import Misconfigured

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
SECONDS: Final = 5.0
"""How long a token is waited for: whoever makes a connection waits behind it."""


class Tokens:
    """What redis-py asks whenever it makes a connection (its `CredentialProvider`)."""

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._credentials: Any = None

    def get_credentials(self) -> tuple[str, str]:
        """The user and its token; Memorystore calls every service account `default`.

        Without one there is no connection: redis-py closes it, and its callers know that error."""
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
        from google.auth.transport.requests import Request
        from redis.exceptions import ConnectionError as NoConnection

        with self._lock:
            try:
                found = self._credentials or google.auth.default(scopes=[SCOPE])[0]
            except DefaultCredentialsError as err:
                raise Misconfigured(
                    f"{self._setting} asks for tokens (iam=true), but there are no credentials; "
                    "run as a service account, or 'gcloud auth application-default login'"
                ) from err
            self._credentials = found
            if not found.valid:
                try:
                    found.refresh(functools.partial(Request(), timeout=SECONDS))
                except GoogleAuthError as err:
                    raise NoConnection(f"no token for {self._setting}: {err}") from err
            return "default", str(found.token)

    async def get_credentials_async(self) -> tuple[str, str]:
        """The same, while the event loop serves others: a token is fetched over the network."""
        return await asyncio.to_thread(self.get_credentials)
