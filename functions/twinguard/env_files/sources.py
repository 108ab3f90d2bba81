# SPDX-License-Identifier: Apache-2.0
"""Where the secrets of an environment file come from: Secret Manager, the shell, or nowhere yet.

A secret is wrapped as soon as it is read, and no error ever quotes one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from twinguard.act.endpoints import override, session, translated
from twinguard.act.secret_manager import CURRENT, crc32c
from twinguard.env_files.values import Reference
from twinguard.errors import Misconfigured, Unavailable
from twinguard.secret_text import SecretText

__all__ = ["Found", "Resolve", "SecretManager", "from_shell", "from_template"]

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE = "https://secretmanager.googleapis.com"
ROLE = "roles/secretmanager.secretAccessor"
_OK, _BAD, _UNAUTHENTICATED, _FORBIDDEN, _MISSING = 200, 400, 401, 403, 404
_TIMEOUT = 30.0
_PAGES = 100


class Found(Struct, frozen=True):
    """A value, and in words where it is from."""

    value: SecretText
    origin: str


Resolve = Callable[[Reference], Found]
"""Finds a secret, or refuses with the remedy."""


def from_template(reference: Reference) -> Found:
    """Leave the reference as it is: whoever reads the file puts the secret in."""
    return Found(SecretText(reference.text), f"left as {reference.text}")


def from_shell(environ: Mapping[str, str]) -> Resolve:
    """Take secrets from the variables they are named after in strategy.md."""

    def resolve(reference: Reference) -> Found:
        text = environ.get(reference.variable, "")
        if not text:
            raise Misconfigured(
                f"{reference.variable} is not set; export it, or leave FROM out to read "
                f"{reference.secret} from Secret Manager"
            )
        return Found(SecretText(text), f"shell: {reference.variable}")

    return resolve


class SecretManager:
    """Secrets of a project, read once each: the version that a rotation calls current, else the
    newest that is enabled."""

    def __init__(self, project: str, environ: Mapping[str, str]) -> None:
        self._project = project
        self._host = override(environ, "SECRET_MANAGER_ENDPOINT")
        self._http: Any = None
        self._read: dict[str, tuple[SecretText, str]] = {}

    def __call__(self, reference: Reference) -> Found:
        """The secret that a reference names."""
        if reference.secret not in self._read:
            self._read[reference.secret] = self._accessed(reference.secret)
        payload, version = self._read[reference.secret]
        value = _field(payload, reference) if reference.field else _bare(payload)
        if not value:
            raise Misconfigured(f"secret {reference.secret} is empty in version {version}; add one")
        inside = f", field {reference.field}" if reference.field else ""
        return Found(value, f"Secret Manager: {reference.secret} version {version}{inside}")

    def _accessed(self, secret: str) -> tuple[SecretText, str]:
        """The payload of the version to use, and its number.

        Who may only access cannot list, so aliases come first: a newer version than `current` is
        not verified yet, and `latest` is the newest of all, refused where that one is off."""
        parent = f"projects/{self._project}/secrets/{secret}/versions"
        for alias in (CURRENT, "latest"):
            status, answer = self._get(f"{parent}/{alias}:access", secret)
            if status not in {_BAD, _MISSING}:
                break
        if status == _BAD:
            newest = self._newest_enabled(parent, secret)
            status, answer = self._get(f"{parent}/{newest}:access", secret)
        self._check(status, secret, ROLE)
        return _payload(answer, secret), str(answer.get("name", "")).rpartition("/")[2]

    def _newest_enabled(self, parent: str, secret: str) -> str:
        """The number of the newest version that is enabled; Google lists the newest first."""
        token = ""
        for _ in range(_PAGES):
            page = f"&pageToken={quote(token, safe='')}" if token else ""
            status, listed = self._get(f"{parent}?pageSize=500{page}", secret)
            self._check(status, secret, "roles/secretmanager.viewer")
            for version in listed.get("versions", []):
                if version.get("state") == "ENABLED":
                    return str(version.get("name", "")).rpartition("/")[2]
            token = str(listed.get("nextPageToken") or "")
            if not token:
                break
        raise self._without_version(secret)

    def _get(self, path: str, secret: str) -> tuple[int, dict[str, Any]]:
        """Status and body of an answer; nothing of a body that cannot be read is kept."""
        with translated(f"cannot read secret {secret}"):
            self._http = self._http or session(self._host, SCOPE)
            response = self._http.get(f"{self._host or GOOGLE}/v1/{path}", timeout=_TIMEOUT)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {}
        return response.status_code, answer

    def _check(self, status: int, secret: str, role: str) -> None:
        what = f"cannot read secret {secret}"
        if status == _MISSING:
            raise self._without_version(secret)
        if status == _FORBIDDEN:
            raise Unavailable(f"{what}: not permitted; it needs {role} on the secret")
        if status == _UNAUTHENTICATED:
            raise Unavailable(f"{what}: not signed in; run gcloud auth application-default login")
        if status != _OK:
            raise Unavailable(f"{what}: Secret Manager answered {status}; try again")

    def _without_version(self, secret: str) -> Misconfigured:
        return Misconfigured(
            f"secret {secret} has no enabled version in {self._project}; add one: "
            f"gcloud secrets versions add {secret} --project={self._project} --data-file=-"
        )


def _payload(answer: Mapping[str, Any], secret: str) -> SecretText:
    found = answer.get("payload")
    payload = found if isinstance(found, dict) else {}
    try:
        data = base64.b64decode(payload.get("data", ""), validate=True)
        expected = int(payload.get("dataCrc32c", crc32c(data)))
        text = data.decode()
    except (binascii.Error, TypeError, ValueError):
        raise Misconfigured(f"secret {secret} is not text; add a version that is") from None
    if crc32c(data) != expected:
        raise Unavailable(f"cannot read secret {secret}: it was damaged on its way; try again")
    return SecretText(text)


def _bare(payload: SecretText) -> SecretText:
    """The payload without the line end that `echo` leaves behind a key."""
    return SecretText(payload.reveal().rstrip("\r\n"))


def _field(payload: SecretText, reference: Reference) -> SecretText:
    try:
        fields = json.loads(payload.reveal())
    except (ValueError, RecursionError):
        fields = None
    value = fields.get(reference.field) if isinstance(fields, dict) else None
    if not isinstance(value, str):
        raise Misconfigured(
            f"secret {reference.secret} must be a JSON object with the text field "
            f"{reference.field}; add a version that is"
        )
    return SecretText(value)
