# SPDX-License-Identifier: Apache-2.0
"""OpenAI in one piece: models for whoever has a key that its admin API knows; and the file in
which the gateway finds the key, as Cloud Run mounts the version `current` of a secret."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from twinguard.standins.openai_admin import OpenAIAdmin
from twinguard.standins.openai_provider import Manner, OpenAIProvider
from twinguard.standins.secret_manager import SecretManager

UNKNOWN = Manner(status=401)


class Models(OpenAIProvider):
    """Answers who shows a key that works, and notes by id which keys were used."""

    def __init__(self, admin: OpenAIAdmin) -> None:
        super().__init__()
        self._admin = admin
        self.keys_used: list[str] = []
        self.refused = 0

    async def _answered(self, seen, manner, writer):
        value = seen.headers.get("authorization", "").removeprefix("Bearer ")
        known = next((key for key in tuple(self._admin.keys.values()) if key.value == value), None)
        if known is None or not self._admin.works(value):
            self.refused += 1
            return await super()._answered(seen, UNKNOWN, writer)
        known.last_used_at = int(self._admin.clock())
        self.keys_used.append(known.id)
        return await super()._answered(seen, manner, writer)


class Mount:
    """A folder with the value of a secret's version `current`, as a context manager."""

    def __init__(self, secrets: SecretManager, secret: str, path: Path) -> None:
        self._secrets, self._secret, self._path = secrets, secret, path
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._path.parent.mkdir(parents=True)
        self._refresh()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.05):
            self._refresh()

    def _refresh(self) -> None:
        value = self._secrets.read(self._secret) or self._secrets.read(self._secret, "1")
        if value is None or (self._path.exists() and self._path.read_bytes() == value):
            return
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            fresh.write_bytes(value)
            fresh.replace(self._path)
