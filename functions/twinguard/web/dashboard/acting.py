# SPDX-License-Identifier: Apache-2.0
"""The pages that ask for confirmation and a reason, do it, and show what came of it.

They work without JavaScript; the form's token was checked by `guard.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

from twinguard.errors import Misconfigured
from twinguard.raising import scope_of
from twinguard.web.dashboard import actions
from twinguard.web.dashboard.asked import Kind, Mistake, Said, Unknown
from twinguard.web.dashboard.desk import Desk
from twinguard.web.dashboard.operations_view import audit_trail
from twinguard.web.dashboard.watched import Watched

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

BACK = {
    Kind.ENABLE: "security",
    Kind.UNBLOCK: "security",
    Kind.RAISE: "costs",
    Kind.UNRAISE: "costs",
}


class Acting:
    """What is done."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def ask(self, request: Request) -> Response:
        """What the action would do, and a form for the reason."""
        return self._form(request, Said("", ""), None)

    def pick(self, request: Request) -> Response:
        """Lead to the form for the limit of a scope that no table lists."""
        one, text = self.desk.named(request), request.query_params.get("scope", "").strip()
        try:
            scope = str(scope_of(text, one.policy))
        except Misconfigured as err:
            return self.desk.error(request, 422, "There is no such scope", str(err))
        return RedirectResponse(f"/{one.name}/act/{Kind.RAISE}/{quote(scope)}", 303)

    def act(self, request: Request) -> Response:
        """Do it, and lead to what came of it."""
        one, kind, target = self._asked(request)
        person = self.desk.person(request)
        if not person.may_act:
            raise HTTPException(403)
        fields, now = request.state.fields, self.desk.clock()
        said = Said(
            person.name,
            fields.get("reason", "").strip(),
            is_owner=fields.get("owner") == "yes",
            amount=fields.get("amount", "").strip(),
            until=fields.get("until", "").strip(),
        )
        if (mistake := actions.mistake(kind, said, now)) is not None:
            return self._form(request, said, mistake)
        try:
            begun = actions.carry_out(one, kind, target, said, now)
        except Unknown:
            raise HTTPException(404) from None
        one.renew()
        return RedirectResponse(f"/{one.name}/done/{begun}", 303)

    def done(self, request: Request) -> Response:
        """What was asked for, by whom, why, and what came of it: as the audit trail has it."""
        one, name = self.desk.named(request), request.path_params["id"]
        records = one.pipeline.ports.records
        begun = records.get("audit", name)
        if begun is None or begun.value.get("phase") != "begun":
            raise HTTPException(404)
        (entry,) = audit_trail((*records.find("audit", begun=name), begun))
        kinds = (kind for kind in BACK if entry.action.lower().startswith(kind.value))
        section = BACK.get(next(kinds, Kind.WAKE), "operations")
        return self.desk.page(request, "done.html", section=section, entry=entry)

    def _form(self, request: Request, said: Said, mistake: Mistake | None) -> Response:
        one, kind, target = self._asked(request)
        person = self.desk.person(request)
        try:
            plan = actions.plan(one, kind, target, person.name, self.desk.clock())
        except Unknown:
            raise HTTPException(404) from None
        section = BACK.get(kind, "operations")
        return self.desk.page(
            request,
            "act.html",
            section=section,
            status=422 if mistake else 200,
            plan=plan,
            said=said,
            mistake=mistake,
            longest=actions.LONGEST,
        )

    def _asked(self, request: Request) -> tuple[Watched, Kind, str]:
        kind = request.path_params["kind"]
        if kind not in set(Kind):
            raise HTTPException(404)
        return self.desk.named(request), Kind(kind), request.path_params["target"]
