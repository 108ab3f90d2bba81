# SPDX-License-Identifier: Apache-2.0
"""OpenAI's admin API on the wire: one project, one admin key, pages and refusals.

The admin key may end every key there: it goes to OpenAI or to this machine only. Bodies of requests
and answers are in no message: they may hold the value of a key."""

from __future__ import annotations

import functools
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from twinguard.errors import Misconfigured, Unavailable

ADDRESS = "https://api.openai.com"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_OK, _UNAUTHENTICATED, _FORBIDDEN, _MISSING = 200, 401, 403, 404
_BUSY, _BROKEN = frozenset({408, 429}), 500
_PAGES, _PAGE = 200, "100"


class Missing(Unavailable):
    """The project, or the thing in it, is not there."""


class OpenAIWire:
    """Calls below one project."""

    def __init__(self, key: str, project: str, endpoint: str, timeout: float) -> None:
        if not key:
            raise Misconfigured(
                "OPENAI_ADMIN_KEY is missing; set it to an admin key of OpenAI that may write "
                "(organisation administration)"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise Misconfigured("OPENAI_ADMIN_KEY has a blank or a line end in it; set it anew")
        self._key, self._project, self._timeout = key, project, timeout
        self.endpoint = _checked(endpoint) or ADDRESS

    def __repr__(self) -> str:
        return f"OpenAIWire({self.endpoint}, {self._project})"

    def pages(
        self, path: str, what: str, query: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Every item of a list."""
        after: dict[str, str] = {}
        for _ in range(_PAGES):
            asked = {"limit": _PAGE, **(query or {}), **after}
            page = self.call("GET", path, what, query=asked)
            found = page.get("data")
            if not isinstance(found, list) or any(not isinstance(one, dict) for one in found):
                raise Unavailable(f"{what}: the answer is not OpenAI's; check what sits between")
            yield from found
            if not page.get("has_more"):
                return
            last = str(page.get("last_id") or "")
            if not last or after.get("after") == last:
                break
            after = {"after": last}
        raise Unavailable(f"{what}: the answers never end")

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

        project = urllib.parse.quote(self._project, safe="")
        url = f"{self.endpoint}/v1/organization/projects/{project}/{path}"
        try:
            answer = self._http.request(
                method,
                url,
                json=body,
                params=query,
                headers={"Authorization": f"Bearer {self._key}"},
                timeout=self._timeout,
                allow_redirects=False,
            )
            found = answer.json() if answer.status_code == _OK else None
        except (requests.RequestException, ValueError) as err:
            # The name only: a text could quote the request's headers or a key.
            raise Unavailable(f"{what}: no answer ({type(err).__name__})") from None
        if answer.status_code != _OK:
            raise _refusal(what, answer.status_code)
        if not isinstance(found, dict):
            raise Unavailable(f"{what}: the answer is not OpenAI's; check what sits between")
        return found

    def models(self, bearer: str) -> int:
        """The status of a question for the models that another key asks."""
        import requests

        try:
            answer = self._http.get(
                f"{self.endpoint}/v1/models",
                headers={"Authorization": f"Bearer {bearer}"},
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as err:
            raise Unavailable(f"OpenAI's models: no answer ({type(err).__name__})") from None
        return int(answer.status_code)

    @functools.cached_property
    def _http(self) -> Any:  # noqa: ANN401 - a session of requests
        import requests

        found = requests.Session()
        found.trust_env = False  # a .netrc would replace the key, a proxy would see it
        return found


def _refusal(what: str, status: int) -> Unavailable:
    if status in {_UNAUTHENTICATED, _FORBIDDEN}:
        return Unavailable(
            f"{what}: OpenAI refuses OPENAI_ADMIN_KEY ({status}); it must be an admin key that may "
            "write organisation administration"
        )
    if status == _MISSING:
        return Missing(f"{what}: there is none; check openai.project in the policy")
    if status in _BUSY or status >= _BROKEN:
        return Unavailable(f"{what}: no answer now ({status})")
    return Unavailable(f"{what}: OpenAI refuses the request ({status}); compare the policy with it")


def _checked(endpoint: str) -> str:
    """The address, if it is OpenAI's or this machine's: the key goes there."""
    parts = urllib.parse.urlsplit(endpoint)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    openai = parts.scheme == "https" and parts.netloc == "api.openai.com"
    plain = not (parts.username or parts.password or parts.query or parts.path.strip("/"))
    if endpoint and not ((local or openai) and plain):
        raise Misconfigured(
            f"OPENAI_ENDPOINT is for {parts.hostname!r}; write http://127.0.0.1:PORT, {ADDRESS}, "
            "or leave it out"
        )
    return endpoint.rstrip("/")
