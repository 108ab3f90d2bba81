# SPDX-License-Identifier: Apache-2.0
"""Secret Manager: secrets, their versions with values, aliases, and destruction that may wait.

`google.py` serves it over HTTP."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import threading
from collections.abc import Mapping
from typing import Any

from twinguard.act.secret_manager import crc32c
from twinguard.standins.server import Refused, Request, Route, paged, route, timestamp

_SECRET = "projects/*/secrets/*"  # noqa: S105 - a pattern of names
_VERSION = f"{_SECRET}/versions/*"


class SecretManager:
    """Secrets by full name, in the API's JSON, the newest first as Google lists them."""

    def __init__(self) -> None:
        self._secrets: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, list[dict[str, Any]]] = {}
        self._values: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def routes(self) -> tuple[Route, ...]:
        """What it answers."""
        return (
            route("GET", "/v1/{parent=projects/*}/secrets", self._list),
            route("GET", f"/v1/{{name={_SECRET}}}", self._get),
            route("PATCH", f"/v1/{{name={_SECRET}}}", self._patch),
            route("GET", f"/v1/{{parent={_SECRET}}}/versions", self._list_versions),
            route("POST", f"/v1/{{parent={_SECRET}}}:addVersion", self._add),
            route("GET", f"/v1/{{name={_VERSION}}}", self._get_version),
            route("GET", f"/v1/{{name={_VERSION}}}:access", self._access),
            route("POST", f"/v1/{{name={_VERSION}}}:enable", self._enable),
            route("POST", f"/v1/{{name={_VERSION}}}:disable", self._disable),
            route("POST", f"/v1/{{name={_VERSION}}}:destroy", self._destroy),
        )

    def add(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        rotates_at: str = "",
        keeps: str = "",
        topic: str = "",
    ) -> None:
        """A secret without versions. `rotates_at` is its next turn, `keeps` how long a destroyed
        version can be had back, as 2592000s, `topic` is told of what happens to it."""
        secret: dict[str, Any] = {
            "name": name,
            "createTime": timestamp(),
            "replication": {"automatic": {}},
            "etag": '"1"',
        }
        if labels:
            secret["labels"] = dict(labels)
        if rotates_at:
            secret["rotation"] = {"nextRotationTime": rotates_at}
        if keeps:
            secret["versionDestroyTtl"] = keeps
        if topic:
            secret["topics"] = [{"name": topic}]
        self._secrets[name], self._versions[name] = secret, []

    def add_version(
        self, name: str, created: dt.datetime, state: str = "ENABLED", value: bytes = b""
    ) -> dict[str, Any]:
        """One more version of a secret."""
        with self._lock:
            number = len(self._versions[name]) + 1
            version = {
                "name": f"{name}/versions/{number}",
                "createTime": f"{created.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
                "state": state,
                "etag": f'"{number}"',
            }
            self._versions[name].append(version)
            self._values[version["name"]] = value
            return dict(version)

    def point(self, name: str, version: int) -> None:
        """Let `current` name a version, as a person would."""
        self._secrets[name].setdefault("versionAliases", {})["current"] = str(version)

    def read(self, name: str, version: str = "current") -> bytes | None:
        """What a reader gets, None where the version cannot be read."""
        try:
            found = self._found(f"{name}/versions/{version}")
        except Refused:
            return None
        return self._values[found["name"]] if found["state"] == "ENABLED" else None

    def states(self, name: str) -> dict[int, str]:
        """Each version's state; `ENDING` where it waits for its destruction."""
        return {
            number: "ENDING" if "scheduledDestroyTime" in one else one["state"]
            for number, one in enumerate(self._versions[name], start=1)
        }

    def _list(self, request: Request) -> dict[str, Any]:
        prefix = f"{request.match['parent']}/secrets/"
        found = [one for name, one in reversed(self._secrets.items()) if name.startswith(prefix)]
        return paged(copy.deepcopy(found), request, "secrets") | {"totalSize": len(found)}

    def _get(self, request: Request) -> dict[str, Any]:
        return copy.deepcopy(self._secret(request.match["name"]))

    def _patch(self, request: Request) -> dict[str, Any]:
        with self._lock:
            secret, body = self._secret(request.match["name"]), request.body or {}
            if request.query.get("updateMask") not in {"versionAliases", "version_aliases"}:
                raise Refused(400, "INVALID_ARGUMENT", "only version_aliases is updated here")
            _require_etag(secret, body)
            aliases = body.get("versionAliases", {})
            known = {one["name"].rsplit("/", 1)[1] for one in self._versions[secret["name"]]}
            if not set(aliases.values()) <= known:
                raise Refused(400, "INVALID_ARGUMENT", "an alias names a version that is not there")
            secret["versionAliases"] = dict(aliases)
            _changed(secret)
            return copy.deepcopy(secret)

    def _list_versions(self, request: Request) -> dict[str, Any]:
        name = request.match["parent"]
        self._secret(name)
        found = copy.deepcopy(self._versions[name][::-1])
        if wanted := request.query.get("filter"):
            field, _, state = wanted.partition(":")
            if field != "state":
                raise Refused(400, "INVALID_ARGUMENT", "only state is filtered by here")
            found = [version for version in found if version["state"] == state]
        return paged(found, request, "versions") | {"totalSize": len(found)}

    def _add(self, request: Request) -> dict[str, Any]:
        name, payload = request.match["parent"], (request.body or {}).get("payload", {})
        self._secret(name)
        value = base64.b64decode(payload.get("data", ""))
        if "dataCrc32c" in payload and int(payload["dataCrc32c"]) != crc32c(value):
            raise Refused(400, "INVALID_ARGUMENT", "the checksum does not fit the data")
        version = self.add_version(name, dt.datetime.now(dt.UTC), value=value)
        checksum = {"clientSpecifiedPayloadChecksum": True} if "dataCrc32c" in payload else {}
        return version | checksum

    def _get_version(self, request: Request) -> dict[str, Any]:
        return dict(self._found(request.match["name"]))

    def _access(self, request: Request) -> dict[str, Any]:
        found = self._found(request.match["name"])
        if found["state"] != "ENABLED":
            raise Refused(400, "FAILED_PRECONDITION", f"{found['name']} is not enabled")
        value = self._values[found["name"]]
        data = base64.b64encode(value).decode()
        payload = {"data": data, "dataCrc32c": str(crc32c(value))}
        return {"name": found["name"], "payload": payload}

    def _enable(self, request: Request) -> dict[str, Any]:
        return self._moved(request, {"state": "ENABLED"})

    def _disable(self, request: Request) -> dict[str, Any]:
        return self._moved(request, {"state": "DISABLED"})

    def _destroy(self, request: Request) -> dict[str, Any]:
        secret = self._secret(request.match["name"].rsplit("/versions/", 1)[0])
        if keeps := secret.get("versionDestroyTtl"):
            end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=int(keeps.removesuffix("s")))
            ending = f"{end:%Y-%m-%dT%H:%M:%SZ}"
            return self._moved(request, {"state": "DISABLED", "scheduledDestroyTime": ending})
        return self._moved(request, {"state": "DESTROYED", "destroyTime": timestamp()})

    def _moved(self, request: Request, fields: Mapping[str, str]) -> dict[str, Any]:
        with self._lock:
            version = self._found(request.match["name"])
            _require_etag(version, request.body or {})
            if version["state"] == "DESTROYED":
                raise Refused(400, "FAILED_PRECONDITION", f"{version['name']} is destroyed")
            version.pop("scheduledDestroyTime", None)
            version.update(fields)
            if version["state"] == "DESTROYED":
                self._values[version["name"]] = b""
            _changed(version)
            return dict(version)

    def _secret(self, name: str) -> dict[str, Any]:
        if name not in self._secrets:
            raise Refused(404, "NOT_FOUND", f"Secret [{name}] not found.")
        return self._secrets[name]

    def _found(self, name: str) -> dict[str, Any]:
        """A version by its number, by an alias, or the latest."""
        parent, wanted = name.rsplit("/versions/", 1)
        versions, aliases = self._versions.get(parent, []), self._secret(parent)
        wanted = aliases.get("versionAliases", {}).get(wanted, wanted)
        number = str(len(versions)) if wanted == "latest" else wanted
        if not number.isdecimal() or not 1 <= int(number) <= len(versions):
            raise Refused(404, "NOT_FOUND", f"Secret Version [{name}] not found.")
        return versions[int(number) - 1]


def _require_etag(known: Mapping[str, Any], body: Mapping[str, Any]) -> None:
    if body.get("etag", known["etag"]) != known["etag"]:
        raise Refused(400, "FAILED_PRECONDITION", "etag does not match the stored one")


def _changed(known: dict[str, Any]) -> None:
    known["etag"] = f'"{int(known["etag"].strip(chr(34))) + 1000}"'
