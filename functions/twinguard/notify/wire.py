# SPDX-License-Identifier: Apache-2.0
"""Short retries, and one careful HTTP POST for the channels that need it.

Its errors never hold an address, a token or what was sent: vendors put secrets into all three."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from twinguard.errors import Unavailable
from twinguard.policy import Channel

if TYPE_CHECKING:
    import requests

ATTEMPTS = 3
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
PATIENCE_SECONDS = 10.0  # no attempt begins later than this after the first
LONGEST_WAIT_SECONDS = 4.0  # a vendor that asks for more is left to the trigger's retry

T = TypeVar("T")


class Passing(Unavailable):
    """A failure that may be over in a moment; `wait` is what the vendor asked for, in seconds."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Post:
    """A request to a vendor. `explain` picks a short, harmless reason out of a refusal."""

    channel: Channel
    url: str = field(repr=False)
    accepted: int
    remedy: str
    explain: Callable[[requests.Response], str] = field(repr=False)
    json: Mapping[str, object] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)


def patiently(call: Callable[[], T]) -> T:
    """The call's result, after up to three attempts while its failures are passing ones."""
    import stamina

    def again(err: Exception) -> bool | float:
        if not isinstance(err, Passing):
            return False
        if err.wait is None:
            return True
        return err.wait if err.wait <= LONGEST_WAIT_SECONDS else False

    # `call` takes no arguments: stamina's instrumentation logs those it sees.
    retrying = stamina.retry(
        on=again, attempts=ATTEMPTS, timeout=PATIENCE_SECONDS, wait_initial=0.2, wait_max=2.0
    )
    return retrying(call)()


def post(request: Post) -> requests.Response:
    """The vendor's acceptance; Unavailable for everything else."""
    return patiently(lambda: _post_once(request))


def _post_once(request: Post) -> requests.Response:
    import requests

    try:
        response = requests.post(
            request.url,
            json=request.json,
            data=request.form,
            auth=request.auth,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
        )
    except (requests.ConnectionError, requests.Timeout) as err:
        # Not "from err": the library's message holds the address.
        raise Passing(_failure(request, type(err).__name__)) from None
    except (requests.RequestException, ValueError) as err:
        raise Unavailable(_failure(request, type(err).__name__)) from None
    if response.status_code == request.accepted:
        return response
    raise _refusal(request, response)


def _refusal(request: Post, response: requests.Response) -> Unavailable:
    reason = request.explain(response)
    message = _failure(
        request, f"status {response.status_code}" + (f", {reason}" if reason else "")
    )
    if response.status_code == TOO_MANY:
        return Passing(message, _retry_after(response))
    return Passing(message) if response.status_code >= SERVER_ERROR else Unavailable(message)


def _failure(request: Post, what: str) -> str:
    return f"{request.channel} did not accept the message ({what}); {request.remedy}"


def _retry_after(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdecimal() else None


TOO_MANY = 429
SERVER_ERROR = 500
