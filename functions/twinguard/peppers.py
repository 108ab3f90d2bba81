# SPDX-License-Identifier: Apache-2.0
"""Our own secrets that digests of customers' keys are keyed with, by version.

A stolen copy of the records is worth nothing without them. They are never printed."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping

from twinguard.decide.customer_keys import Presented, Slot
from twinguard.errors import Misconfigured

SETTING = "TWINGUARD_KEY_PEPPER"
_SHORTEST = 32
_NAME = re.compile(r"[a-z0-9]{1,20}")


def _shown(text: str) -> str:
    """The end of a key, with what may not stand in a name replaced."""
    return re.sub(r"[^A-Za-z0-9_-]", ".", text)


class Peppers:
    """Secrets of ours that every digest is keyed with, by version; the first makes new digests."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name: value.encode() for name, value in values.items()}
        self.current = next(iter(values))

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Peppers:
        """From `TWINGUARD_KEY_PEPPER`: `2:NEW,1:OLD`, the newest first. Never shows a value."""
        values: dict[str, str] = {}
        for part in filter(None, env.get(SETTING, "").strip().split(",")):
            name, colon, value = part.partition(":")
            if not colon or not _NAME.fullmatch(name) or len(value) < _SHORTEST or name in values:
                raise Misconfigured(
                    f"{SETTING}: write VERSION:VALUE, or several with commas and the newest first; "
                    f"a version once, in small letters and digits, a value of {_SHORTEST} "
                    "characters or more"
                )
            values[name] = value
        if not values:
            raise Misconfigured(
                f"{SETTING} is missing; read it from Secret Manager, or make one for a machine of "
                "your own: python3 -c \"import secrets; print('1:' + secrets.token_hex(32))\""
            )
        return cls(values)

    def digests(self, raw: str) -> dict[str, str]:
        """The digest of a key under every version."""
        return {
            name: hmac.new(pepper, raw.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()
            for name, pepper in self._values.items()
        }

    def key_ids(self, raw: str) -> tuple[str, ...]:
        """What a key that is not ours is called, by each version, never to be undone.

        The oldest first: the name stays when a newer version comes."""
        digests = reversed(self.digests(raw).values())
        return tuple(f"{digest[:16]}-{_shown(raw[-4:])}" for digest in digests)

    def key_id(self, raw: str) -> str:
        """What a key that is not ours is called wherever it is stored, compared or shown."""
        return self.key_ids(raw)[0]

    def slot(self, key: Presented, now: dt.datetime) -> Slot:
        """How a key's secret is kept."""
        digest = self.digests(key.raw)[self.current]
        return Slot(digest=digest, pepper=self.current, last4=key.last4, created_at=now)
