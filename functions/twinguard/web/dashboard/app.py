# SPDX-License-Identifier: Apache-2.0
"""The dashboard's routes: which page an address is, and what it is made of.

Every request has passed `guard.py`; what changes something is in `acting.py`."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from twinguard.decide.ledger import period_of
from twinguard.errors import TwinguardError
from twinguard.reports.theft import theft_report
from twinguard.web.dashboard import acting
from twinguard.web.dashboard.baseline_view import Usual, usual_of
from twinguard.web.dashboard.board import Wanted
from twinguard.web.dashboard.costs_view import costs_page
from twinguard.web.dashboard.desk import Desk
from twinguard.web.dashboard.guard import Guard
from twinguard.web.dashboard.incidents_view import alert_history
from twinguard.web.dashboard.lately import Reading
from twinguard.web.dashboard.limits_view import limits_panel
from twinguard.web.dashboard.live import LISTENERS, Live
from twinguard.web.dashboard.operations_view import operations_page
from twinguard.web.dashboard.overview_view import overview_page
from twinguard.web.dashboard.pages import STATIC, rendered
from twinguard.web.dashboard.requested import LONGEST, month_of, wanted_of
from twinguard.web.dashboard.security import Found
from twinguard.web.dashboard.security_view import held, incident_page, row, theft_name
from twinguard.web.dashboard.site import Site
from twinguard.web.dashboard.watched import PATIENCE, RecordsSeen, Watched

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

SECTIONS = ("costs", "operations", "security")


def application(
    watched: Mapping[str, Watched],
    site: Site,
    clock: Callable[[], dt.datetime],
    settled: Callable[[], None] | None = None,
) -> Dashboard:
    """The dashboard over these environments, in their order.

    `settled` is called once everything was read for the first time."""
    pages = Pages(Desk(watched, clock), settled)
    acts = acting.Acting(pages.desk)
    app = Starlette(
        routes=[
            Route("/", pages.overview),
            *(Route(f"/{name}", pages.first, name=name) for name in SECTIONS),
            Route("/{environment}/costs", pages.costs),
            Route("/{environment}/operations", pages.operations),
            Route("/{environment}/security", pages.security),
            Route("/{environment}/security/stream", pages.stream),
            Route("/{environment}/security/incidents/{id:path}", pages.incident),
            Route("/{environment}/security/keys/{id:path}", pages.key),
            Route("/{environment}/act/raise", acts.pick, methods=["GET"]),
            Route("/{environment}/act/{kind}/{target:path}", acts.ask, methods=["GET"]),
            Route("/{environment}/act/{kind}/{target:path}", acts.act, methods=["POST"]),
            Route("/{environment}/done/{id}", acts.done),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={
            HTTPException: pages.failed,  # type: ignore[dict-item]
            TwinguardError: pages.unavailable,  # type: ignore[dict-item]
            Exception: pages.broken,
        },
        lifespan=pages.lifespan,
    )
    return Dashboard(app, site, clock, pages)


class Dashboard(Guard):
    """The application behind its guard."""

    def __init__(
        self, app: Starlette, site: Site, clock: Callable[[], dt.datetime], pages: Pages
    ) -> None:
        super().__init__(app, site, clock)
        self._pages = pages

    def end(self) -> None:
        """Let listeners go, which a server would wait for; called in its event loop."""
        self._pages.end()


class Pages:
    """What is read. Synchronous pages run in threads, so a slow source holds up no listener."""

    def __init__(self, desk: Desk, settled: Callable[[], None] | None = None) -> None:
        self.desk, self._settled = desk, settled
        self._live = {
            name: Live(one.board, functools.partial(_row, name))
            for name, one in desk.watched.items()
        }

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:  # noqa: ARG002 - Starlette's
        """Read everything once in the background, and look for findings while the server runs."""
        tasks = [asyncio.create_task(live.run()) for live in self._live.values()]
        tasks.append(asyncio.create_task(asyncio.to_thread(self._warm)))
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _warm(self) -> None:
        self.desk.warm()
        if self._settled:
            self._settled()

    def end(self) -> None:
        """Let every listener go."""
        for live in self._live.values():
            live.end()

    def first(self, request: Request) -> Response:
        """A section without an environment: where something is found, else the first one."""
        names = list(self.desk.watched)
        section = request.url.path.strip("/")
        if section == "security":
            names.sort(key=lambda name: not self.desk.watched[name].board.newest)
        return RedirectResponse(f"/{names[0]}/{section}", 303)

    def overview(self, request: Request) -> Response:
        """All environments at a glance."""
        now = self.desk.clock()
        cards = [overview_page(one, one.beside(1), one.records(), now) for one in self._all()]
        return self.desk.page(request, "overview.html", section="overview", cards=cards)

    def costs(self, request: Request) -> Response:
        """What was spent, on what, for whom, against which budget, and what may be."""
        one, now = self.desk.named(request), self.desk.clock()
        month = month_of(request.query_params.get("month", ""))
        reading, records = one.costs(PATIENCE, month), one.records()
        page = costs_page(reading.value, one.policy) if reading.value else None
        told = alert_history(records.value.incidents, "costs") if records.value else ()
        limits, is_live, period = one.limits(), one.raising.ledger is not None, period_of(now)
        panel = limits_panel(limits.value, period, is_live=is_live) if limits.value else None
        return self.desk.page(
            request,
            "costs.html",
            section="costs",
            reading=reading,
            page=page,
            month=month,
            told=told,
            records=records,
            limits=limits,
            panel=panel,
            is_live=is_live,
        )

    def operations(self, request: Request) -> Response:
        """What is held, due, broken and done."""
        one, now = self.desk.named(request), self.desk.clock()
        reading = one.records()
        page = (
            operations_page(reading.value, one.beside(), one.policy, now) if reading.value else None
        )
        told = alert_history(reading.value.incidents, "operations") if reading.value else ()
        return self.desk.page(
            request,
            "operations.html",
            section="operations",
            reading=reading,
            page=page,
            told=told,
        )

    def security(self, request: Request) -> Response:
        """Findings as they come, incidents, blocked and throttled keys."""
        one, now, wanted = self.desk.named(request), self.desk.clock(), wanted_of(request)
        reading, seen = one.records(), one.board.page(wanted)
        known = reading.value
        return self.desk.page(
            request,
            "security.html",
            section="security",
            reading=reading,
            wanted=wanted,
            is_live=wanted == Wanted(),
            levels=one.board.levels(),
            worst=one.board.worst_keys(),
            rows=[row(found) for found in seen.findings],
            older=seen.older,
            newest=seen.newest,
            told=alert_history(known.incidents, "security") if known else (),
            blocked=held(known.blocked, now) if known and known.blocked is not None else None,
            throttled=held(known.throttled, now) if known and known.throttled is not None else None,
        )

    def incident(self, request: Request) -> Response:
        """One incident, its evidence and its timeline."""
        one, name, now = self.desk.named(request), request.path_params["id"], self.desk.clock()
        known = self._known(one)
        found = next((i for i in known.incidents if i.id == name and (i.opened or i.ended)), None)
        if found is None:
            raise HTTPException(404)
        page = incident_page(found, known.audit, now)
        name = theft_name(found)
        theft = one.security.theft(name) if name else None
        told = theft_report(theft, one.policy) if theft else None
        return self.desk.page(request, "incident.html", section="security", page=page, theft=told)

    def key(self, request: Request) -> Response:
        """One key: its findings, what is usual for it, whether it is blocked."""
        one, name, now = self.desk.named(request), request.path_params["id"], self.desk.clock()
        known = self._known(one)
        seen = one.board.page(Wanted(key_id=name, before=request.query_params.get("before", "")))
        restrained = [*(known.blocked or ()), *(known.throttled or ())]
        usual = _usual(one, name, now)
        mine = held((key for key in restrained if key.key_id == name), now)
        theft = one.security.theft(name)
        if not (seen.findings or mine or usual.value or theft):
            raise HTTPException(404)
        return self.desk.page(
            request,
            "key.html",
            section="security",
            id=name,
            rows=[row(found) for found in seen.findings],
            older=seen.older,
            held=mine,
            usual=usual,
            theft=theft_report(theft, one.policy) if theft else None,
        )

    async def stream(self, request: Request) -> Response:
        """Findings as server-sent events, from what the listener saw last."""
        live = self._live[self.desk.named(request).name]
        if live.listeners >= LISTENERS:
            raise HTTPException(503)
        last = request.headers.get("last-event-id") or request.query_params.get("after", "")
        headers = {"x-accel-buffering": "no"}
        chunks = live.listen(last[:LONGEST])
        return StreamingResponse(chunks, media_type="text/event-stream", headers=headers)

    async def failed(self, request: Request, err: HTTPException) -> Response:
        """A page that is not there, or a refusal."""
        title = {404: "There is no such page", 403: "You may read here, but not act"}
        return self.desk.error(request, err.status_code, title.get(err.status_code, err.detail))

    async def unavailable(self, request: Request, err: TwinguardError) -> Response:
        """Something that is needed does not answer, or refuses: in its own words."""
        return self.desk.error(request, 503, "This cannot be shown or done now", str(err))

    async def broken(self, request: Request, err: Exception) -> Response:  # noqa: ARG002 - logged by the server
        """A mistake of ours: never its details."""
        return self.desk.error(request, 500, "Something is wrong with this page")

    def _all(self) -> list[Watched]:
        return list(self.desk.watched.values())

    def _known(self, one: Watched) -> RecordsSeen:
        reading = one.records()
        if reading.value is None:
            raise HTTPException(503, reading.error)
        return reading.value


def _usual(one: Watched, key_id: str, now: dt.datetime) -> Reading[Usual]:
    """What is usual for a key; counters that do not answer leave the rest of the page as it is."""
    try:
        return Reading(usual_of(one.security.baseline(key_id)), now)
    except TwinguardError as err:
        return Reading(None, now, str(err))


def _row(environment: str, found: Found) -> str:
    return rendered("finding.html", environment=environment, finding=row(found))
