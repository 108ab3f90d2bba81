# SPDX-License-Identifier: Apache-2.0
"""Versions of secrets in Secret Manager: add, name `current`, disable, destroy, read to verify.

Values pass through as `RawKey` and with a checksum; they are in no message."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import Any

from twinguard.act.rest import Missing, rest
from twinguard.decide.key_actions import Shelf, Version, VersionState
from twinguard.errors import Conflict, Unavailable
from twinguard.key_ports import RawKey

GOOGLE = "https://secretmanager.googleapis.com"
CURRENT = "current"
"""The alias that readers read: a new version changes nothing for them before it is verified."""

_PAGES = 100
_CASTAGNOLI = 0x82F63B78


class SecretManager:
    """`Secrets` of one project. Secrets are given by their ids, like `staging-openai-api-key`."""

    def __init__(self, project: str, endpoint: str = "", timeout: float = 30.0) -> None:
        self._project = project
        self._rest = rest(
            endpoint,
            "SECRET_MANAGER_ENDPOINT",
            GOOGLE,
            "the role secret_rotator of terraform/modules/functions on the secret",
            timeout,
        )

    def read(self, secret: str) -> Shelf | None:
        """A secret's versions without their values, or None where there is no such secret."""
        try:
            found = self._secret(secret)
        except Missing:
            return None
        return Shelf(
            versions=self._versions(secret),
            current=_number(found.get("versionAliases", {}).get(CURRENT, 0), secret),
            keeps=found.get("versionDestroyTtl", "0s") != "0s",
        )

    def add(self, secret: str, value: RawKey) -> int:
        """Put a value into a new version; its number."""
        data = value.reveal().encode()
        payload = {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc32c(data))}
        what = f"cannot add a version to {secret}"
        body = {"payload": payload}
        added = self._rest.call("POST", f"v1/{self._name(secret)}:addVersion", what, body)
        if not added.get("clientSpecifiedPayloadChecksum"):
            raise Unavailable(f"{what}: its checksum was not looked at; it is looked for again")
        return _version(added, secret).number

    def value(self, secret: str, version: int) -> RawKey | None:
        """The value in a version, None where it is not to be had any more."""
        what = f"cannot read version {version} of {secret}"
        path = f"v1/{self._name(secret)}/versions/{version}:access"
        try:
            payload = self._rest.call("GET", path, what).get("payload", {})
        except (Missing, Conflict):  # Conflict: it is disabled or destroyed
            return None
        try:
            data = base64.b64decode(payload["data"], validate=True)
            expected = int(payload.get("dataCrc32c", crc32c(data)))
            text = data.decode()
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise Unavailable(f"{what}: the answer holds no text") from None
        if crc32c(data) != expected:
            raise Unavailable(f"{what}: it was damaged on its way")
        return RawKey(text)

    def promote(self, secret: str, version: int) -> None:
        """Let `current` name this version, and confirm it. Other aliases stay."""
        what = f"cannot name version {version} of {secret} current"
        found = self._secret(secret)
        aliases = found.get("versionAliases", {})
        if aliases.get(CURRENT) == str(version):
            return
        body = {"versionAliases": {**aliases, CURRENT: str(version)}, "etag": found.get("etag", "")}
        query = {"updateMask": "versionAliases"}
        self._rest.call("PATCH", f"v1/{self._name(secret)}", what, body, query)
        if self._secret(secret).get("versionAliases", {}).get(CURRENT) != str(version):
            raise Unavailable(f"{what}: it was not confirmed")

    def end(self, secret: str, version: int, *, destroy: bool) -> None:
        """Disable a version, or have it destroyed; nothing where that is so already."""
        verb = "destroy" if destroy else "disable"
        what = f"cannot {verb} version {version} of {secret}"
        name = f"v1/{self._name(secret)}/versions/{version}"
        try:
            found = self._rest.call("GET", name, what)
        except Missing:
            return
        state = _version(found, secret).state
        if state in {VersionState.ENDING, VersionState.DESTROYED}:
            return
        if state is VersionState.DISABLED and not destroy:
            return
        self._rest.call("POST", f"{name}:{verb}", what, {"etag": found.get("etag", "")})

    def _secret(self, secret: str) -> dict[str, Any]:
        found = self._rest.call("GET", f"v1/{self._name(secret)}", f"cannot read secret {secret}")
        if not found.get("name"):
            raise Unavailable(f"secret {secret}: the answer is not Google's")
        return found

    def _versions(self, secret: str) -> tuple[Version, ...]:
        what, found, token = f"cannot list versions of {secret}", list[Version](), ""
        for _ in range(_PAGES):
            query = {"pageSize": "500", **({"pageToken": token} if token else {})}
            path = f"v1/{self._name(secret)}/versions"
            page = self._rest.call("GET", path, what, query=query)
            found += [_version(one, secret) for one in page.get("versions", [])]
            token = str(page.get("nextPageToken") or "")
            if not token:
                return tuple(sorted(found, key=lambda one: one.number))
        raise Unavailable(f"{what}: the answers never end")

    def _name(self, secret: str) -> str:
        return f"projects/{self._project}/secrets/{secret}"


def crc32c(data: bytes) -> int:
    """The checksum that Secret Manager wants (Castagnoli), bit by bit: values are short."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (_CASTAGNOLI if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def _version(found: dict[str, Any], secret: str) -> Version:
    try:
        state = VersionState(str(found["state"]).lower())
        created = dt.datetime.fromisoformat(found["createTime"])
    except (KeyError, TypeError, ValueError):
        raise Unavailable(
            f"a version of {secret} cannot be read; check what sits between"
        ) from None
    if state is not VersionState.DESTROYED and "scheduledDestroyTime" in found:
        state = VersionState.ENDING
    return Version(_number(str(found.get("name", "")).rsplit("/", 1)[-1], secret), state, created)


def _number(text: object, secret: str) -> int:
    try:
        return int(str(text))
    except ValueError:
        raise Unavailable(f"a version of {secret} has no number: {text!r}") from None
