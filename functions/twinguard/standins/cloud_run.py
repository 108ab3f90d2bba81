# SPDX-License-Identifier: Apache-2.0
"""Cloud Run's Admin API v2 as far as scaling goes: services, masks, etags and operations.

The traps of the scaling modes are in `scaling_rules.py`; `google.py` serves it over HTTP."""

from __future__ import annotations

import copy
import itertools
import re
import threading
from collections.abc import Mapping
from typing import Any

from twinguard.standins.scaling_rules import FIELDS, invalid, ordered, scaled
from twinguard.standins.server import Refused, Request, Route, paged, route, timestamp

_SERVICE = "projects/*/locations/*/services/*"
_OPERATION = "projects/*/locations/*/operations/*"
_TYPE = "type.googleapis.com/google.cloud.run.v2.Service"
_MODES = ("SCALING_MODE_UNSPECIFIED", "AUTOMATIC", "MANUAL")
_WRITABLE = {"annotations", "description", "ingress", "labels", "scaling", "template", "traffic"}
_REVISION_DEFAULT = 100
_RESOURCES = {"limits": {"cpu": "1000m", "memory": "512Mi"}, "cpuIdle": True}


class CloudRun:
    """Services by full name, in the API's JSON.

    `polls` is how often an operation answers "not done" first; `failing` holds the error codes of
    google.rpc that the next operations end in, with nothing changed."""

    def __init__(self, polls: int = 1) -> None:
        self.polls = polls
        self.failing: list[int] = []
        self._services: dict[str, dict[str, Any]] = {}
        self._operations: dict[str, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (
            route("GET", f"/v2/{{name={_SERVICE}}}", self._get),
            route("GET", "/v2/{parent=projects/*/locations/*}/services", self._list),
            route("PATCH", f"/v2/{{name={_SERVICE}}}", self._patch),
            route("GET", f"/v2/{{name={_OPERATION}}}", self._operation),
        )

    def add(
        self,
        name: str,
        scaling: Mapping[str, Any] | None = None,
        revision: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        resources: Mapping[str, Any] | None = None,
    ) -> None:
        """A running service with this service-level and revision-level scaling.

        `resources` are its container's; without them they are Cloud Run's defaults."""
        with self._lock:
            service = {
                "name": name,
                "uid": f"uid-{next(self._numbers)}",
                "generation": "0",
                "createTime": timestamp(),
                "ingress": "INGRESS_TRAFFIC_ALL",
                "launchStage": "GA",
                "scaling": {"scalingMode": "AUTOMATIC"} | dict(scaling or {}),
                "template": {
                    "scaling": dict(revision or {}),
                    "containers": [
                        {
                            "image": "registry.example/app:1",
                            "resources": dict(_RESOURCES if resources is None else resources),
                        }
                    ],
                    "maxInstanceRequestConcurrency": 80,
                },
                "labels": dict(labels or {}),
                "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            }
            self._services[name] = self._settled(self._changed(service, new_revision=True))

    def service(self, name: str) -> dict[str, Any]:
        """A copy of the service as it stands."""
        with self._lock:
            return copy.deepcopy(self._services[name])

    def remove(self, name: str) -> None:
        """Delete a service."""
        with self._lock:
            del self._services[name]

    def edit(self, name: str, scaling: Mapping[str, Any]) -> None:
        """Replace the service-level scaling, as another person would."""
        with self._lock:
            service = self._services[name] | {"scaling": dict(scaling)}
            self._services[name] = self._settled(self._changed(service, new_revision=False))

    def _get(self, request: Request) -> dict[str, Any]:
        with self._lock:
            return copy.deepcopy(self._found(request.match["name"]))

    def _list(self, request: Request) -> dict[str, Any]:
        prefix = f"{request.match['parent']}/services/"
        if "/locations/-" in prefix:
            raise invalid("a region must be named")
        with self._lock:
            named = sorted(self._services.items())
            found = [copy.deepcopy(service) for name, service in named if name.startswith(prefix)]
        return paged(found, request, "services")

    def _patch(self, request: Request) -> dict[str, Any]:
        given = request.body if isinstance(request.body, dict) else {}
        with self._lock:
            name = request.match["name"]
            before = self._found(name)
            if given.get("etag") not in (None, "", before["etag"]):
                raise Refused(409, "ABORTED", f"the etag of {name} is {before['etag']}")
            paths = _paths(request.query.get("updateMask", ""))
            after = _masked(before, given, paths)
            if request.query.get("validateOnly") == "true":
                return self._started(before, before, error=0)
            if self.failing:
                return self._started(before, before, error=self.failing.pop(0))
            new_revision = before["template"] != after["template"]
            self._services[name] = self._changed(after, new_revision=new_revision)
            return self._started(before, self._services[name], error=0)

    def _operation(self, request: Request) -> dict[str, Any]:
        with self._lock:
            operation = self._operations.get(request.match["name"])
            if operation is None:
                raise Refused(404, "NOT_FOUND", "no such operation")
            operation["left"] -= 1
            return self._shown(operation)

    def _started(
        self, before: Mapping[str, Any], after: Mapping[str, Any], *, error: int
    ) -> dict[str, Any]:
        parent = before["name"].rsplit("/services/", 1)[0]
        name = f"{parent}/operations/{next(self._numbers):08x}"
        operation = {"name": name, "service": after["name"], "left": self.polls, "error": error}
        self._operations[name] = operation
        return self._shown(operation)

    def _shown(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        done = operation["left"] <= 0
        if done and not operation["error"]:
            self._services[operation["service"]] = self._settled(
                self._services[operation["service"]]
            )
        service = {"@type": _TYPE, **copy.deepcopy(self._services[operation["service"]])}
        shown = {"name": operation["name"], "done": done, "metadata": service}
        if done and operation["error"]:
            shown["error"] = {"code": operation["error"], "message": "asked to fail"}
        elif done:
            shown["response"] = service
        return shown

    def _found(self, name: str) -> dict[str, Any]:
        if name not in self._services:
            raise Refused(404, "NOT_FOUND", f"Resource '{name}' was not found")
        return self._services[name]

    def _changed(self, service: Mapping[str, Any], *, new_revision: bool) -> dict[str, Any]:
        """The service with a new generation and etag, on its way to being ready."""
        generation = int(service["generation"]) + 1
        changed = copy.deepcopy(dict(service)) | {
            "generation": str(generation),
            "etag": f'"{generation}-{next(self._numbers)}"',
            "updateTime": timestamp(),
            "reconciling": True,
            "terminalCondition": {"type": "Ready", "state": "CONDITION_RECONCILING"},
        }
        if new_revision:
            short = service["name"].rsplit("/", 1)[-1]
            changed["latestCreatedRevision"] = (
                f"{service['name']}/revisions/{short}-{generation:05d}"
            )
        return changed

    def _settled(self, service: Mapping[str, Any]) -> dict[str, Any]:
        return dict(service) | {
            "observedGeneration": service["generation"],
            "latestReadyRevision": service["latestCreatedRevision"],
            "reconciling": False,
            "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
        }


def _paths(mask: str) -> tuple[tuple[str, ...], ...]:
    """The mask's paths in the body's spelling."""
    if not mask:
        raise invalid("updateMask is missing: the whole service would be replaced")
    words = re.sub(r"_([a-z])", lambda found: found[1].upper(), mask)
    return tuple(tuple(path.split(".")) for path in words.split(","))


def _masked(
    before: Mapping[str, Any], given: Mapping[str, Any], paths: tuple[tuple[str, ...], ...]
) -> dict[str, Any]:
    """The service after the masked fields are taken from the body."""
    after = copy.deepcopy(dict(before))
    for path in paths:
        if path[0] not in _WRITABLE:
            raise invalid(f"updateMask: {'.'.join(path)} cannot be written")
        if path[0] != "scaling":
            _put(after, given, path)
    fields = tuple(path[1] for path in paths if path[0] == "scaling" and len(path) > 1)
    if ("scaling",) in paths:
        fields = FIELDS
    if unknown := set(fields) - set(FIELDS):
        raise invalid(f"updateMask: scaling has no field {', '.join(sorted(unknown))}")
    if fields:
        after["scaling"] = scaled(before["scaling"], _named(given.get("scaling", {})), fields)
    ordered(after["template"].get("scaling", {}), "template.scaling", _REVISION_DEFAULT)
    return after


def _named(scaling: Mapping[str, Any]) -> dict[str, Any]:
    """Clients of Google's libraries send enums as numbers."""
    mode = scaling.get("scalingMode")
    return dict(scaling) | ({"scalingMode": _MODES[mode]} if isinstance(mode, int) else {})


def _put(after: dict[str, Any], given: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for name in path[:-1]:
        after = after.setdefault(name, {})
        given = given.get(name, {})
    value = given.get(path[-1])
    if value in (None, 0, "", [], {}):
        after.pop(path[-1], None)
    else:
        after[path[-1]] = value
