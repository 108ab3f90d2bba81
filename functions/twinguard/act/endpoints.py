# SPDX-License-Identifier: Apache-2.0
"""Where Google's APIs are, with which credentials, and how their refusals become our errors.

A token never travels over plain HTTP or to a host that is not Google's."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from twinguard.errors import Conflict, Misconfigured, Unavailable

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_LOST = frozenset({"ABORTED", "FAILED_PRECONDITION"})
_LOST_STATUS = frozenset({409, 412})


def override(environ: Mapping[str, str], *names: str) -> str:
    """The address set by the first of these variables, as a checked URL; empty for Google's own.

    `…_EMULATOR_HOST` variables hold host and port without a scheme."""
    for name in names:
        if value := environ.get(name, ""):
            return checked(value if "://" in value else f"http://{value}", name)
    return ""


def checked(endpoint: str, name: str) -> str:
    """The endpoint, if it is this machine's or Google's."""
    parts = urllib.parse.urlsplit(endpoint)
    host = parts.hostname or ""
    local = parts.scheme == "http" and host in _LOOPBACK
    google = parts.scheme == "https" and host.endswith(".googleapis.com")
    if (endpoint and not (local or google)) or parts.path.strip("/") or parts.query:
        raise Misconfigured(
            f"{name} is {endpoint!r}; write http://127.0.0.1:PORT, https://….googleapis.com, "
            "or leave it out for Google's own address"
        )
    return endpoint.rstrip("/")


def client_arguments(endpoint: str) -> dict[str, Any]:
    """What a generated client is made with. Anonymous on this machine, otherwise the default."""
    arguments: dict[str, Any] = {"transport": "rest"}
    if endpoint:
        arguments["client_options"] = {"api_endpoint": endpoint}
    if endpoint.startswith("http://"):
        from google.auth.credentials import AnonymousCredentials

        arguments["credentials"] = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return arguments


def session(endpoint: str, scope: str) -> Any:  # noqa: ANN401 - google-auth has no types
    """An HTTP session that signs its requests, or does not when it stays on this machine."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import AuthorizedSession

    if endpoint.startswith("http://"):
        credentials: Any = AnonymousCredentials()  # type: ignore[no-untyped-call]
    else:
        credentials, _ = google.auth.default(scopes=[scope])
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn everything Google's libraries raise into `Conflict` or `Unavailable`."""
    import concurrent.futures

    import requests
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.protobuf.json_format import ParseError

    try:
        yield
    except GoogleAPIError as err:
        if _is_lost(err):
            raise Conflict(f"{what}: changed since it was read; read it again ({err})") from err
        raise Unavailable(f"{what}: {err}") from err
    except (concurrent.futures.TimeoutError, TimeoutError) as err:
        raise Unavailable(f"{what}: not confirmed in time; it is looked at again") from err
    except (GoogleAuthError, requests.RequestException) as err:
        raise Unavailable(f"{what}: no answer ({err})") from err
    except (ParseError, ValueError) as err:  # an answer that is not the JSON it should be
        raise Unavailable(f"{what}: an answer that cannot be read ({err})") from err


def named(answer: Any, what: str) -> Any:  # noqa: ANN401 - generated messages have no types
    """The answer, if it is about anything: a stranger's JSON parses as an empty message."""
    if not answer.name:
        raise Unavailable(f"{what}: the answer is not Google's; check what sits in between")
    return answer


def _is_lost(err: Exception) -> bool:
    """True where the API says that somebody else wrote first.

    Over HTTP a FAILED_PRECONDITION is a plain 400, so its name is looked up in the body; a failed
    operation has a body of another kind and its status in `grpc_status_code`."""
    if getattr(err, "code", None) in _LOST_STATUS:
        return True
    status = getattr(err, "grpc_status_code", None)
    if getattr(status, "name", "") in _LOST:
        return True
    response: Any = getattr(err, "response", None)
    if not hasattr(response, "json"):
        return False
    try:
        body = response.json()
    except ValueError:
        return False
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and error.get("status") in _LOST
