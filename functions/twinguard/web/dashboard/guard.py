# SPDX-License-Identifier: Apache-2.0
"""Stand before every page: host, person, form token, and the headers that each answer carries.

A pure ASGI middleware. What a form posted is read here, once, so no page can forget its token."""

from __future__ import annotations

import asyncio
import datetime as dt
import hmac
import http.cookies
import logging
import re
import secrets
import urllib.parse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twinguard.errors import Unavailable
from twinguard.web.dashboard.identity import Person, Stranger
from twinguard.web.dashboard.site import Site

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("twinguard")

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer a form's own Origin would be null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
FORM = "application/x-www-form-urlencoded"
TOKEN = "csrf"  # noqa: S105 - the name of a field
_LARGEST = 16_384
_SESSION = re.compile(r"[A-Za-z0-9_-]{43}")


class Refused(Exception):
    """A request that goes no further: the status, and a sentence for the person."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Guard:
    """The middleware. `clock` says when it is."""

    def __init__(self, app: ASGIApp, site: Site, clock: Callable[[], dt.datetime]) -> None:
        self._app, self._site, self._clock = app, site, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it here."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        fresh = self._cookie_for(headers)
        guarded = _with_headers(send, scope["path"], fresh and self._set_cookie(fresh))
        try:
            scope["state"] = await self._state(scope, headers, receive, fresh)
        except Refused as err:
            await _answer(guarded, err.status, str(err))
        except Stranger as err:
            _log.warning("dashboard: a stranger was turned away: %s", err)
            await _answer(guarded, 401, "Nobody vouches for you here; come in through IAP.")
        except Unavailable as err:
            await _answer(guarded, 503, str(err))
        else:
            await self._app(scope, receive, guarded)

    async def _state(
        self, scope: Scope, headers: Mapping[str, str], receive: Receive, fresh: str
    ) -> dict[str, object]:
        if not self._site.answers_to(headers.get("host", "")):
            raise Refused(400, "This name is not the dashboard's.")
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            raise Refused(405, "Pages are read, and forms are posted.")
        person = await self._who(headers)
        session = fresh or _session(headers, self._site.cookie)
        token = self._site.token(session, person.name)
        fields: Mapping[str, str] = {}
        if scope["method"] == "POST":
            _refuse_others(headers)
            fields = await _form(headers, receive)
            if not hmac.compare_digest(fields.get(TOKEN, ""), token):
                raise Refused(403, "This form is not of your session; open its page again.")
        return {**scope.get("state", {}), "person": person, TOKEN: token, "fields": fields}

    async def _who(self, headers: Mapping[str, str]) -> Person:
        who, now = self._site.identity.person, self._clock()
        if self._site.is_public:  # which may have to fetch keys
            return await asyncio.to_thread(who, headers, now)
        return who(headers, now)

    def _cookie_for(self, headers: Mapping[str, str]) -> str:
        """A new session where the request has none that is ours; else nothing."""
        return "" if _session(headers, self._site.cookie) else secrets.token_urlsafe(32)

    def _set_cookie(self, session: str) -> str:
        secure = "; Secure" if self._site.is_public else ""
        return f"{self._site.cookie}={session}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _session(headers: Mapping[str, str], name: str) -> str:
    try:
        found = http.cookies.SimpleCookie(headers.get("cookie", "")).get(name)
    except http.cookies.CookieError:
        return ""
    return found.value if found and _SESSION.fullmatch(found.value) else ""


def _refuse_others(headers: Mapping[str, str]) -> None:
    """A form that another site posts says so itself, in every browser of today."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Refused(403, "This form was posted by another site.")
    origin = headers.get("origin", "")
    if origin and urllib.parse.urlsplit(origin).netloc != headers.get("host"):
        raise Refused(403, "This form was posted by another site.")


async def _form(headers: Mapping[str, str], receive: Receive) -> Mapping[str, str]:
    """The fields of a form; each name once."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise Refused(415, "Only forms are posted here.")
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LARGEST:
            raise Refused(413, "That is too much for a form.")
        if not message.get("more_body"):
            break
    return dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _with_headers(send: Send, path: str, cookie: str) -> Send:
    is_static = path.startswith("/static/")
    added = {**HEADERS, "cache-control": "no-cache" if is_static else "no-store"}
    if cookie and not is_static:
        added["set-cookie"] = cookie
    extra = [(name.encode(), value.encode()) for name, value in added.items()]
    names = {name for name, _ in extra}

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", []) if pair[0].lower() not in names]
            message = {**message, "headers": [*kept, *extra]}
        await send(message)

    return guarded


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
