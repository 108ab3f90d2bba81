# SPDX-License-Identifier: Apache-2.0
"""Tokens of the service account as a password for Memorystore, renewed before they end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from twinguard.errors import Misconfigured

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Tokens:
    """What redis-py asks whenever it makes a connection (its `CredentialProvider`)."""

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._credentials: Any = None

    def get_credentials(self) -> tuple[str, str]:
        """The user and its token; Memorystore calls every service account `default`."""
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError
        from google.auth.transport.requests import Request

        with self._lock:
            try:
                found = self._credentials or google.auth.default(scopes=[SCOPE])[0]
            except DefaultCredentialsError as err:
                raise Misconfigured(
                    f"{self._setting} asks for tokens (iam=true), but there are no credentials; "
                    "run as a service account, or 'gcloud auth application-default login'"
                ) from err
            if not found.valid:
                found.refresh(Request())
            self._credentials = found
            return "default", str(found.token)

    async def get_credentials_async(self) -> tuple[str, str]:
        """The same, while the event loop serves others: a token is fetched over the network."""
        return await asyncio.to_thread(self.get_credentials)
