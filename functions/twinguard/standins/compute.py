# SPDX-License-Identifier: Apache-2.0
"""Compute Engine's list of addresses over all regions, and nothing else of it.

`google.py` serves it over HTTP."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from twinguard.standins.server import Request, Route, route

_EMPTY = {"code": "NO_RESULTS_ON_PAGE", "message": "There are no results for scope."}


class Compute:
    """Addresses by project and scope (`global`, `regions/europe-west1`), in the API's JSON."""

    def __init__(self) -> None:
        self._addresses: dict[str, dict[str, list[dict[str, Any]]]] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        path = "/compute/v1/{parent=projects/*}/aggregated/addresses"
        return (route("GET", path, self._list),)

    def add_address(
        self, project: str, scope: str, name: str, fields: Mapping[str, Any] | None = None
    ) -> None:
        """A reserved address that nothing uses, unless `fields` say otherwise."""
        address = {
            "kind": "compute#address",
            "id": "1",
            "name": name,
            "address": "192.0.2.1",
            "addressType": "EXTERNAL",
            "status": "RESERVED",
        }
        scopes = self._addresses.setdefault(project, {"global": [], "regions/us-east1": []})
        scopes.setdefault(scope, []).append(address | dict(fields or {}))

    def _list(self, request: Request) -> dict[str, Any]:
        """One scope on each page, so that whoever asks once misses something."""
        project = request.match["parent"].split("/")[1]
        scopes = sorted(self._addresses.get(project, {"global": []}).items())
        number = int(request.query.get("pageToken", "0"))
        scope, found = scopes[number]
        held = {"addresses": copy.deepcopy(found)} if found else {"warning": _EMPTY}
        answer = {"kind": "compute#addressAggregatedList", "items": {scope: held}}
        more = number + 1 < len(scopes)
        return answer | ({"nextPageToken": str(number + 1)} if more else {})
