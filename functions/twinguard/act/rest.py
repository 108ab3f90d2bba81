# SPDX-License-Identifier: Apache-2.0
"""One call of a Google API over plain REST: JSON in, JSON out, refusals in words that help.

For APIs of few calls, which are worth no client library. Bodies are never part of a message: they
may hold the value of a key."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from twinguard.act.endpoints import checked, session
from twinguard.errors import Conflict, Unavailable

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_UNAUTHENTICATED, _FORBIDDEN, _MISSING = 401, 403, 404
_LOST_STATUS = frozenset({409, 412})
_LOST = frozenset({"ABORTED", "FAILED_PRECONDITION", "ALREADY_EXISTS"})
_BUSY, _BROKEN = frozenset({408, 429}), 500
_OK = range(200, 300)


class Missing(Unavailable):
    """What was asked for is not there."""


class Rest:
    """One of Google's APIs. `role` is what its caller needs, for people."""

    def __init__(self, endpoint: str, google: str, role: str, timeout: float) -> None:
        self._own, self._google = endpoint, google
        self._role, self._timeout = role, timeout

    def __repr__(self) -> str:
        return f"Rest({self._own or self._google})"

    def call(
        self,
        method: str,
        path: str,
        what: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer to one call; `what` begins every message about it."""
        import requests
        from google.auth.exceptions import GoogleAuthError

        url = f"{self._own or self._google}/{path}"
        try:
            answer = self._http.request(
                method,
                url,
                json=body,
                params=query,
                timeout=self._timeout,
                allow_redirects=False,
            )
            found = answer.json() if answer.content else {}
        except (GoogleAuthError, requests.RequestException, ValueError) as err:
            # The name only: a text could quote the request.
            raise Unavailable(f"{what}: no answer ({type(err).__name__})") from None
        if answer.status_code not in _OK:
            raise self._refusal(what, answer.status_code, found)
        if not isinstance(found, dict):
            raise Unavailable(f"{what}: the answer is not Google's; check what sits in between")
        return found

    def _refusal(self, what: str, status: int, answer: object) -> Unavailable:
        error = answer.get("error") if isinstance(answer, dict) else None
        name = str(error.get("status", "")) if isinstance(error, dict) else ""
        if status in _LOST_STATUS or name in _LOST:
            return Conflict(f"{what}: changed since it was read; it is read again ({status})")
        if status == _MISSING:
            return Missing(f"{what}: there is none of that name")
        if status == _FORBIDDEN:
            return Unavailable(f"{what}: not permitted; it needs {self._role}")
        if status == _UNAUTHENTICATED:
            return Unavailable(f"{what}: not signed in; run gcloud auth application-default login")
        said = f"{status}{f' {name}' if name else ''}"
        if status in _BUSY or status >= _BROKEN:
            return Unavailable(f"{what}: no answer now ({said})")
        return Unavailable(f"{what}: Google refuses the request ({said})")

    @functools.cached_property
    def _http(self) -> Any:  # noqa: ANN401 - google-auth has no types
        return session(self._own, SCOPE)


def rest(endpoint: str, setting: str, google: str, role: str, timeout: float) -> Rest:
    """An API at its checked address."""
    return Rest(checked(endpoint, setting), google, role, timeout)
