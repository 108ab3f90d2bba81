# SPDX-License-Identifier: Apache-2.0
"""What pages share: the environments, the clock, and a frame around each page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from twinguard.web.dashboard.identity import Person
from twinguard.web.dashboard.pages import ready, rendered
from twinguard.web.dashboard.watched import Watched

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Desk:
    """The environments that are watched, by name."""

    def __init__(self, watched: Mapping[str, Watched], clock: Callable[[], dt.datetime]) -> None:
        self.watched, self.clock = dict(watched), clock

    def named(self, request: Request) -> Watched:
        """The environment of the address; 404 where it is not watched."""
        found = self.watched.get(request.path_params["environment"])
        if found is None:
            raise HTTPException(404)
        return found

    def person(self, request: Request) -> Person:
        """Who asks, as the guard found out."""
        found: Person = request.state.person
        return found

    def warm(self) -> None:
        """Read everything once, and make pages ready."""
        ready()
        for one in self.watched.values():
            one.warm()

    def page(
        self, request: Request, template: str, *, section: str, status: int = 200, **context: object
    ) -> Response:
        """A page within the frame."""
        person = self.person(request)
        text = rendered(
            template,
            section=section,
            environment=request.path_params.get("environment", ""),
            environments=list(self.watched),
            person=person,
            csrf=request.state.csrf,
            now=self.clock(),
            **context,
        )
        return HTMLResponse(text, status)

    def error(self, request: Request, status: int, title: str, words: str = "") -> Response:
        """A page that says what is wrong."""
        if not hasattr(request.state, "person"):  # the guard itself failed
            return HTMLResponse("The dashboard cannot answer.", status)
        known = request.path_params.get("environment", "") in self.watched
        if not known:
            request.scope["path_params"] = {}
        return self.page(request, "error.html", section="", status=status, title=title, words=words)
