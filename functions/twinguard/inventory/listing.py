# SPDX-License-Identifier: Apache-2.0
"""Read lists from Google's APIs page by page, and say who may not and what is switched off.

Plain requests: a list is worth no client library. `reader.py` knows what to ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from twinguard.act.endpoints import translated
from twinguard.errors import Unavailable

_OK, _UNAUTHENTICATED, _FORBIDDEN = 200, 401, 403
_OFF = frozenset({"SERVICE_DISABLED", "accessNotConfigured"})
_LONGEST = 10_000
"""Pages of one list; who sends more is not Google."""


class SwitchedOff(Unavailable):
    """The API is not switched on in the project: nothing behind it can be in use."""


class Source(Struct, frozen=True):
    """Where a list comes from, what it is for people, and the role that may read it."""

    url: str
    what: str
    role: str
    project: str


def pages(
    http: Any,  # noqa: ANN401 - google-auth has no types
    source: Source,
    query: Mapping[str, str],
    timeout: float,
) -> Iterator[dict[str, Any]]:
    """Every page of a list as JSON, or `Unavailable` that says what helps."""
    token, seen = "", set[str]()
    for _ in range(_LONGEST):
        page = _page(http, source, {**query, **({"pageToken": token} if token else {})}, timeout)
        yield page
        token = str(page.get("nextPageToken") or "")
        if not token:
            return
        if token in seen:
            break
        seen.add(token)
    raise Unavailable(f"cannot list {source.what}: the answers never end; try again")


def _page(
    http: Any,  # noqa: ANN401
    source: Source,
    query: Mapping[str, str],
    timeout: float,
) -> dict[str, Any]:
    what = f"cannot list {source.what}"
    with translated(what):
        response = http.get(source.url, params=query, timeout=timeout)
        answer = response.json() if response.status_code == _OK else _body(response)
    if response.status_code != _OK:
        raise _refused(source, response.status_code, answer)
    if not isinstance(answer, dict):
        raise Unavailable(f"{what}: the answer is not an object; check what sits in between")
    return answer


def _body(response: Any) -> Any:  # noqa: ANN401
    try:
        return response.json()
    except ValueError:
        return None


def _refused(source: Source, status: int, answer: Any) -> Unavailable:  # noqa: ANN401
    """What a refusal means, in words that name the remedy."""
    what = f"cannot list {source.what}"
    error = answer.get("error") if isinstance(answer, dict) else None
    error = error if isinstance(error, dict) else {}
    if status == _FORBIDDEN and _reasons(error) & _OFF:
        return SwitchedOff(f"{source.what}: the API is switched off in {source.project}")
    if status == _FORBIDDEN:
        return Unavailable(f"{what}: not permitted; it needs {source.role} on {source.project}")
    if status == _UNAUTHENTICATED:
        return Unavailable(f"{what}: not signed in; run gcloud auth application-default login")
    said = str(error.get("message", ""))[:200]
    return Unavailable(f"{what}: {status}{f' ({said})' if said else ''}; try again")


def _reasons(error: Mapping[str, Any]) -> set[str]:
    """Reasons in either of the two forms that Google's errors have."""
    parts = [*_list(error.get("details")), *_list(error.get("errors"))]
    return {str(part.get("reason", "")) for part in parts if isinstance(part, dict)}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
